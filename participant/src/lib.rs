//! Runs the participant's machine over the store and the transport.
//!
//! One loop on one thread: take all inputs that are waiting, run the machine on each, write one batch, sync it on
//! another thread, and then send. Nothing leaves this node before everything that was written when it was said has
//! been synced (R7): `outgoing::Outgoing` is that rule. The machine is [`assent_protocol::participant`].

mod mail_meters;
mod outgoing;
mod scan;
mod sync_thread;

use assent_protocol::{
    ids::{ClientName, Peer, Time},
    message::{Message, Query, Reply},
    participant::{Fault, Input, Limits, Participant, ParticipantConfig},
};
use assent_queue::{RocksStore, StoreConfig, StoreError};
use assent_transport::{
    Alarm, Cluster, Dial, Endpoint, EndpointConfig, Event, Identity, Role, TransportError,
    node::{Clock, SpanMeters, publish},
};
use mail_meters::MailMeters;
use outgoing::Outgoing;
use std::{
    future::Future,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};
use sync_thread::SyncThread;
use tokio::sync::{mpsc, watch};

/// How many events one turn of the loop takes at most.
const EVENTS_PER_TURN_MAX: usize = 1024;
/// How often figures are published, and free space is looked at.
const PUBLISH_EVERY: Duration = Duration::from_millis(500);

/// What a participant node needs to run.
pub struct NodeConfig {
    /// Who it is.
    pub identity: Identity,
    /// The cluster file.
    pub cluster: Arc<Cluster>,
    /// Where its database is.
    pub data: PathBuf,
    /// Times and bounds of the machine.
    pub limits: Limits,
}

/// Why a participant node could not start, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The cluster file does not name it.
    #[error(
        "the cluster file has no participant named {0:?}: add it there, or correct the name in the node's configuration"
    )]
    NotInCluster(String),
    /// The database could not be opened, written or synced.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The network endpoint could not start.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// Others hold what this participant once held, and does not any more: its database is an older copy. Nothing that it
    /// said after it noticed has left.
    #[error(
        "{fault} (in {}). It must not serve with it: what it promised since then is missing. Put the newest copy of that \
         folder back; if there is none, docs/storage.md says under \"Old copies\" what is lost and what can be done",
        dir.display()
    )]
    OldCopy {
        /// What others hold.
        fault: Fault,
        /// Where the database is.
        dir: PathBuf,
    },
    /// The sync thread could not be started, or is gone.
    #[error("the sync thread does not run: {0}")]
    SyncThread(String),
}

/// Runs until `shutdown` is done. `ready` becomes true once the node serves.
pub async fn run(
    config: NodeConfig,
    ready: watch::Sender<bool>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), NodeError> {
    let name = config.identity.name().to_string();
    let Some(node) = config.cluster.node_named(Role::Participant, &name) else {
        return Err(NodeError::NotInCluster(name));
    };
    let (id, address) = (node.id, node.address);
    let (store, recovered) = RocksStore::open(StoreConfig::new(&config.data, id, name.clone()))?;
    let clock = Clock::default();
    let machine_config = ParticipantConfig {
        node: id,
        boot: store.boot(),
        started_s: u32::try_from(clock.wall().0 / 1_000_000).unwrap_or(u32::MAX),
        directory: config.cluster.directory(),
        limits: config.limits,
    };
    let held = recovered.txns.len();
    let machine = Participant::recover(machine_config, recovered, &store, clock.now());
    let in_doubt = machine.in_doubt(clock.now()).len();
    tracing::info!(%name, boot = store.boot(), held, in_doubt, "recovered");
    let sync = SyncThread::start(store.syncer())?;
    let endpoint_config =
        EndpointConfig::new(config.identity, config.cluster.clone(), Some(address), Dial::Mesh);
    let (endpoint, events) = Endpoint::start(endpoint_config).await?;
    tracing::info!(%name, %id, address = %endpoint.local_address(), "participant is listening");
    ready.send_replace(true);
    let outgoing = Outgoing::new(endpoint.clone(), sync);
    let node = Node {
        machine,
        store,
        endpoint,
        outgoing,
        clock,
        spans: SpanMeters::new("participant"),
        mail_meters: MailMeters::default(),
        dir: config.data,
        apply_seconds: metrics::histogram!("assent_participant_apply_seconds"),
        out: Vec::new(),
    };
    node.run(events, shutdown).await
}

struct Node {
    machine: Participant,
    store: RocksStore,
    endpoint: Endpoint,
    outgoing: Outgoing,
    clock: Clock,
    spans: SpanMeters,
    mail_meters: MailMeters,
    /// Where the database is, for people.
    dir: PathBuf,
    /// How long a turn's batch takes to get into log and memtable, its sync not counted.
    apply_seconds: metrics::Histogram,
    out: Vec<(Peer, Message)>,
}

impl Node {
    async fn run(
        mut self,
        mut events: mpsc::Receiver<Event>,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), NodeError> {
        let mut shutdown = std::pin::pin!(shutdown);
        let mut publish_at = tokio::time::interval(PUBLISH_EVERY);
        let mut alarm = Alarm::new();
        loop {
            let wake = self.machine.next_wake().map(|time| self.clock.instant(time));
            alarm.set([wake, self.outgoing.sync_due()].into_iter().flatten().min());
            let syncing = self.outgoing.is_syncing();
            tokio::select! {
                biased;
                synced = self.outgoing.synced(), if syncing => synced?,
                // While a sync runs nothing can leave, so nothing is gained by looking at what arrives: it is taken
                // in one turn afterwards, with one write and one sync for all of it.
                event = events.recv(), if !syncing => {
                    let Some(event) = event else { break };
                    // What has reached the socket by now joins this turn.
                    tokio::task::yield_now().await;
                    let now = self.clock.now();
                    self.on_event(event, now);
                    for _ in 1..EVENTS_PER_TURN_MAX {
                        let Ok(event) = events.try_recv() else { break };
                        self.on_event(event, now);
                    }
                }
                () = alarm.ring(), if !syncing => {}
                _ = publish_at.tick() => self.publish()?,
                () = &mut shutdown => break,
            }
            if self.outgoing.is_syncing() {
                continue;
            }
            let now = self.clock.now();
            // Also what is due at the end of the turn itself: messages that it released or took in go on at once.
            if self.machine.next_wake().is_some_and(|due| due <= now) {
                self.handle(now, Input::Tick);
            }
            check_fault(&self.machine, &self.dir)?;
            self.spans.record(self.machine.take_spans());
            if self.outgoing.take_turn(self.store.has_pending(), &mut self.out) {
                let applied = Instant::now();
                self.store.commit()?;
                self.apply_seconds.record(applied.elapsed());
                self.outgoing.begin_sync()?;
            }
        }
        tracing::info!("participant stops");
        self.endpoint.close().await;
        // What was written and not synced is a courtesy to the next start: nothing was said of it.
        self.store.commit()?;
        self.store.syncer().sync()?;
        Ok(())
    }

    fn on_event(&mut self, event: Event, now: Time) {
        match event {
            Event::Up { peer: Peer::Node(node), name, .. } => {
                tracing::info!(%node, %name, "connected");
                self.handle(now, Input::Up(node));
            }
            Event::Up { peer: Peer::Client(connection), name, .. } => match ClientName::new(&name) {
                Ok(client) => self.handle(now, Input::Client(connection, client)),
                // The transport has checked the names of certificates; a client without one may use no mailbox.
                Err(error) => tracing::warn!(%error, "a client is connected under a name that is none"),
            },
            Event::Down { peer } => {
                if let Peer::Node(node) = peer {
                    tracing::info!(%node, "disconnected");
                }
                self.handle(now, Input::Down(peer));
            }
            Event::Messages { peer, messages, arrived } => {
                self.spans.record_queued(arrived);
                for message in messages {
                    match message {
                        Message::Query { request, query } => self.answer(peer, request, &query, now),
                        message => self.handle(now, Input::Message(peer, message)),
                    }
                }
            }
        }
    }

    fn handle(&mut self, now: Time, input: Input) {
        self.machine.handle(now, input, &mut self.store, &mut self.out);
    }

    fn answer(&mut self, peer: Peer, request: u64, query: &Query, now: Time) {
        let reply = match query {
            Query::InDoubt => Reply::InDoubt(self.machine.in_doubt(now)),
            Query::Outcome(txn) => {
                let (held, participants) = self.machine.outcome_of(txn);
                Reply::Outcome { held, participants }
            }
            Query::Scan { table, after } => scan::page(&self.store, table.as_deref(), after.as_ref()),
            Query::Status => {
                let mut figures = self.machine.figures();
                figures.extend(self.machine.sizes(now));
                Reply::Status(figures.into_iter().map(|(name, value)| (name.to_string(), value)).collect())
            }
            Query::Mailboxes => Reply::Mailboxes(self.machine.mailboxes(now, &self.store)),
            Query::Outbox => self.machine.outbox(now, &self.store),
            Query::Mail { mailbox, dead, after } => {
                self.machine.mail_page(mailbox, *dead, *after, &self.store)
            }
        };
        self.out.push((peer, Message::Reply { request, reply }));
    }

    fn publish(&mut self) -> Result<(), NodeError> {
        let now = self.clock.now();
        publish("participant", &self.machine.figures(), &self.machine.sizes(now));
        self.mail_meters.publish(&self.machine, &self.store, now);
        let accepting = self.store.refresh_space()?;
        self.handle(now, Input::Accepting(accepting));
        Ok(())
    }
}

/// Whatever was said in the turn in which the machine noticed stays unsaid: the turn is not committed.
fn check_fault(machine: &Participant, dir: &Path) -> Result<(), NodeError> {
    match machine.fault() {
        Some(fault) => Err(NodeError::OldCopy { fault: fault.clone(), dir: dir.to_owned() }),
        None => Ok(()),
    }
}
