//! The connections of one client, which all its sessions share: sends requests, takes answers, keeps sessions alive.
//!
//! A background task owns what arrives. It ends with the last handle.

use crate::{
    carrier::Carrier,
    config::ClientConfig,
    journal::Journal,
    random::{Backoff, Random},
    request::Request,
    routes::Routes,
    session::Session,
};
use assent_protocol::{
    directory::Directory,
    ids::{ClientName, NodeId, Peer, Stamp},
    message::{DEADLINE_MS_MAX, Intent, Message},
};
use assent_transport::{Event, SendError};
use std::{
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{
    sync::{Notify, Semaphore, mpsc},
    time::{Instant, MissedTickBehavior, timeout, timeout_at},
};

/// How often sessions are looked at.
const TICK: Duration = Duration::from_secs(1);
/// How long a coordinator may take to grant or end a session before another one is asked.
const SESSION_PATIENCE: Duration = Duration::from_secs(1);
/// Requests whose callers went away and that are settled at the same time.
const ORPHANS_IN_FLIGHT_MAX: usize = 64;
/// How long an orphan is tried to be settled.
const ORPHAN_PATIENCE: Duration = Duration::from_secs(60);

/// What all sessions of a client share.
pub(crate) struct Link {
    pub(crate) config: ClientConfig,
    pub(crate) name: ClientName,
    pub(crate) directory: Directory,
    pub(crate) journal: Option<Arc<Journal>>,
    pub(crate) permits: Semaphore,
    pub(crate) random: Random,
    carrier: Box<dyn Carrier>,
    routes: Mutex<Routes>,
    /// Told when a coordinator comes up, or everything is closed.
    changed: Notify,
    /// Everything that is to be kept alive.
    sessions: Mutex<Vec<Weak<Session>>>,
    /// Sessions of earlier processes, to be closed once nothing of them is unfinished.
    earlier: Mutex<Vec<Arc<Session>>>,
    preferences: AtomicUsize,
    orphans: mpsc::UnboundedSender<Request>,
}

impl Link {
    /// Takes over a carrier and what arrives on it.
    pub(crate) fn start(
        config: ClientConfig,
        name: ClientName,
        journal: Option<Arc<Journal>>,
        carrier: Box<dyn Carrier>,
        events: mpsc::Receiver<Event>,
    ) -> Arc<Link> {
        let coordinators = config.cluster.coordinators().map(|node| node.id).collect();
        let random = Random::new();
        let (orphans, orphaned) = mpsc::unbounded_channel();
        let link = Arc::new(Link {
            directory: config.cluster.directory(),
            permits: Semaphore::new(config.requests_in_flight_max.clamp(1, Semaphore::MAX_PERMITS)),
            routes: Mutex::new(Routes::new(name.clone(), coordinators)),
            // Many short-lived clients must not all turn to the first coordinator.
            preferences: AtomicUsize::new((random.next() >> 48) as usize),
            name,
            journal,
            random,
            carrier,
            changed: Notify::new(),
            sessions: Mutex::new(Vec::new()),
            earlier: Mutex::new(Vec::new()),
            orphans,
            config,
        });
        tokio::spawn(attend(Arc::downgrade(&link), events));
        tokio::spawn(settle_orphans(orphaned));
        link
    }

    /// Looks at, or changes, who waits for what.
    pub(crate) fn routes<T>(&self, with: impl FnOnce(&mut Routes) -> T) -> T {
        with(&mut self.routes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sends to a coordinator.
    pub(crate) fn send(&self, node: NodeId, message: &Message) -> Result<(), SendError> {
        self.carrier.send(node, message)
    }

    /// Waits until a coordinator is up, everything is closed, or the deadline.
    pub(crate) async fn wait_for_coordinator(&self, until: Instant) {
        let changed = self.changed.notified();
        if self.routes(|routes| routes.is_closed() || !routes.up().is_empty()) {
            return;
        }
        let _ = timeout_at(until, changed).await;
    }

    /// Why no coordinator can be reached, in words.
    pub(crate) fn trouble(&self) -> String {
        let words: Vec<String> = self
            .config
            .cluster
            .coordinators()
            .map(|node| {
                let why = self.carrier.trouble(node.id).unwrap_or_else(|| "not connected yet".to_owned());
                format!("{} at {}: {why}", node.name, node.address)
            })
            .collect();
        if words.is_empty() { "the cluster file names none".to_owned() } else { words.join("; ") }
    }

    /// The next preference: sessions spread over the coordinators.
    pub(crate) fn preference(&self) -> usize {
        self.preferences.fetch_add(1, Ordering::Relaxed)
    }

    /// Gets a session; none if the deadline came first.
    pub(crate) async fn open_session(&self, until: Instant) -> Option<Arc<Session>> {
        let preference = self.preference();
        let mut backoff = Backoff::new(self.config.retry_delay_max);
        let mut avoid = None;
        while Instant::now() < until && !self.is_closed() {
            let Some(node) = self.routes(|routes| routes.choose(preference, avoid)) else {
                self.wait_for_coordinator(until).await;
                continue;
            };
            let request = self.random.next();
            let opened = self.routes(|routes| routes.open(request));
            if self.send(node, &Message::OpenSession { request }).is_ok() {
                let patience = until.min(Instant::now() + SESSION_PATIENCE);
                if let Ok(Ok(Some(id))) = timeout_at(patience, opened).await {
                    let session = Arc::new(Session::new(id, preference));
                    self.keep(&session);
                    return Some(session);
                }
            }
            avoid = Some(node);
            let pause = backoff.pause(&self.random);
            tokio::time::sleep_until(until.min(Instant::now() + pause)).await;
        }
        None
    }

    /// Tells the cluster that every answer of a session is known; waits a little for the word that it has ended.
    pub(crate) async fn close_session(&self, session: &Session) {
        session.mark_ended();
        let Some(node) = self.routes(|routes| routes.choose(session.preference, None)) else { return };
        let closed = self.routes(|routes| routes.close_session(session.id));
        if self.send(node, &Message::CloseSession { session: session.id }).is_ok() {
            let _ = timeout(SESSION_PATIENCE, closed).await;
        }
    }

    /// Takes in a session of an earlier process.
    pub(crate) fn adopt(&self, session: Arc<Session>) {
        self.keep(&session);
        self.earlier.lock().unwrap_or_else(PoisonError::into_inner).push(session);
    }

    /// Whether any session but this one is still open.
    pub(crate) fn has_other_sessions(&self, session: &Session) -> bool {
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let mut open =
            sessions.iter().filter_map(Weak::upgrade).filter(|other| !other.has_ended() && !other.earlier);
        open.any(|other| other.id != session.id)
    }

    /// Ends everything.
    pub(crate) async fn close(&self) {
        for session in self.finished_earlier() {
            self.close_session(&session).await;
        }
        self.carrier.close().await;
        self.end();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.routes(|routes| routes.is_closed())
    }

    /// Takes over a request whose caller went away.
    pub(crate) fn orphan(&self, request: Request) {
        // Without a task to take it, the runtime is gone, and with it every way to settle anything.
        let _ = self.orphans.send(request);
    }

    fn end(&self) {
        self.routes(Routes::close);
        self.permits.close();
        self.changed.notify_waiters();
    }

    fn keep(&self, session: &Arc<Session>) {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|session| session.strong_count() > 0);
        sessions.push(Arc::downgrade(session));
    }

    fn on_event(&self, event: Event) {
        match event {
            Event::Up { peer: Peer::Node(node), .. } => {
                self.routes(|routes| routes.on_up(node));
                self.changed.notify_waiters();
            }
            Event::Down { peer: Peer::Node(node) } => self.routes(|routes| routes.on_down(node)),
            Event::Messages { peer: Peer::Node(node), messages, .. } => {
                self.routes(|routes| routes.on_messages(node, messages));
            }
            // A client takes no connections: nobody is a client to it.
            Event::Up { peer: Peer::Client(_), .. }
            | Event::Down { peer: Peer::Client(_) }
            | Event::Messages { peer: Peer::Client(_), .. } => {}
        }
    }

    fn on_tick(&self) {
        let now = Instant::now();
        let sessions: Vec<Arc<Session>> = {
            let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
            sessions.retain(|session| session.strong_count() > 0);
            sessions.iter().filter_map(Weak::upgrade).collect()
        };
        let up = self.routes(|routes| routes.up());
        if up.is_empty() {
            return;
        }
        for session in sessions {
            if let Some(watermark) = session.to_keep(now) {
                self.tell_all(&up, &Message::KeepSession { session: session.id, watermark });
            }
        }
        for session in self.finished_earlier() {
            session.mark_ended();
            self.tell_all(&up[..1], &Message::CloseSession { session: session.id });
        }
    }

    /// Takes out the sessions of earlier processes of which nothing is unfinished any more.
    fn finished_earlier(&self) -> Vec<Arc<Session>> {
        let mut earlier = self.earlier.lock().unwrap_or_else(PoisonError::into_inner);
        earlier.extract_if(.., |session| session.outstanding() == 0).collect()
    }

    fn tell_all(&self, nodes: &[NodeId], message: &Message) {
        for node in nodes {
            if let Err(error) = self.send(*node, message) {
                tracing::debug!(%node, %error, "could not keep a session; it is tried again");
            }
        }
    }
}

/// Now, as the age of a transaction.
pub(crate) fn stamp_now() -> Stamp {
    // A clock before 1970 makes transactions old, which is unfair and harmless.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Stamp(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}

/// A duration as messages carry it.
pub(crate) fn whole_ms(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX).clamp(1, DEADLINE_MS_MAX)
}

async fn attend(link: Weak<Link>, mut events: mpsc::Receiver<Event>) {
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            event = events.recv() => {
                let Some(link) = link.upgrade() else { return };
                match event {
                    Some(event) => link.on_event(event),
                    None => return link.end(),
                }
            }
            _ = tick.tick() => {
                let Some(link) = link.upgrade() else { return };
                link.on_tick();
            }
        }
    }
}

async fn settle_orphans(mut orphans: mpsc::UnboundedReceiver<Request>) {
    let places = Arc::new(Semaphore::new(ORPHANS_IN_FLIGHT_MAX));
    while let Some(mut request) = orphans.recv().await {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        tokio::spawn(async move {
            let conclusion = request.drive(Intent::Settle, Instant::now() + ORPHAN_PATIENCE).await;
            request.settle_unheard(&conclusion);
            drop(place);
        });
    }
}
