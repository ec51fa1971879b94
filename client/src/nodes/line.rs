//! Connections to all nodes, and who waits for which answer on them.
//!
//! Invariant: whoever waits for a node whose connection is lost is told so. What was sent on a connection that is lost may
//! have arrived or not: [`Missed`] keeps that apart from what was never sent.

use super::{QueryError, Records, other_answer};
use crate::carrier::Carrier;
use assent_protocol::{
    ids::{NodeId, Peer, RecordId},
    message::{Message, Query, Reply},
};
use assent_transport::{Event, Node, SendError};
use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::{Instant, sleep, timeout_at},
};

/// A node that has had its time to be connected and is not gets only this much more.
const GRACE: Duration = Duration::from_millis(400);
/// Before something is sent again that the transport did not take.
const SEND_AGAIN: Duration = Duration::from_millis(20);

/// Connections to all nodes.
pub(super) struct Line {
    carrier: Box<dyn Carrier>,
    state: Mutex<State>,
    changed: Notify,
    /// How long a question waits.
    pub(super) deadline: Duration,
    /// By then, a node that runs is connected.
    connected_by: Instant,
    requests: AtomicU64,
}

#[derive(Default)]
struct State {
    up: BTreeSet<NodeId>,
    waiting: HashMap<u64, (NodeId, oneshot::Sender<Message>)>,
}

/// Why there is no answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Missed {
    /// Nothing was sent.
    NotSent(QueryError),
    /// The connection was lost afterwards: it may have arrived or not.
    Lost,
    /// No answer came in time: it may have arrived or not, and may even be answered later.
    Silent,
}

/// Takes back who waits, however the wait ends.
struct Waiting<'l> {
    line: &'l Line,
    request: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.line.state(|state| state.waiting.remove(&self.request));
    }
}

impl Line {
    pub(super) fn start(
        carrier: Box<dyn Carrier>,
        mut events: mpsc::Receiver<Event>,
        deadline: Duration,
    ) -> Arc<Line> {
        let line = Arc::new(Line {
            carrier,
            state: Mutex::default(),
            changed: Notify::new(),
            deadline,
            connected_by: Instant::now() + deadline,
            requests: AtomicU64::new(1),
        });
        let attended = Arc::downgrade(&line);
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                let Some(line) = attended.upgrade() else { return };
                line.on_event(event);
            }
        });
        line
    }

    /// Sends what waits, and ends.
    pub(super) async fn close(&self) {
        self.carrier.close().await;
    }

    pub(super) async fn scan(&self, node: &Node, table: Option<String>) -> Result<Records, QueryError> {
        let mut all = Records::new();
        loop {
            let after = all.last().map(|(record, _)| record.clone());
            let (page, more) = self.page(node, table.clone(), after.clone()).await?;
            if more && page.last().map(|(record, _)| record) <= after.as_ref() {
                return Err(other_answer());
            }
            all.extend(page);
            if !more {
                return Ok(all);
            }
        }
    }

    pub(super) async fn page(
        &self,
        node: &Node,
        table: Option<String>,
        after: Option<RecordId>,
    ) -> Result<(Records, bool), QueryError> {
        match self.ask(node, Query::Scan { table, after }).await? {
            Reply::Scan { records, more } => Ok((records, more)),
            Reply::Refused(why) => Err(QueryError::Refused(why)),
            Reply::InDoubt(_)
            | Reply::Outcome { .. }
            | Reply::Status(_)
            | Reply::Mailboxes(_)
            | Reply::Outbox { .. }
            | Reply::Mail { .. } => Err(other_answer()),
        }
    }

    /// Asks what changes nothing, and so again if the connection is lost.
    pub(super) async fn ask(&self, node: &Node, query: Query) -> Result<Reply, QueryError> {
        let until = Instant::now() + self.deadline;
        while Instant::now() < until {
            let message = |request| Message::Query { request, query: query.clone() };
            match self.exchange(node, until, until, message).await {
                Ok(Message::Reply { reply: Reply::Refused(why), .. }) => {
                    return Err(QueryError::Refused(why));
                }
                Ok(Message::Reply { reply, .. }) => return Ok(reply),
                Ok(_) => return Err(other_answer()),
                Err(Missed::NotSent(error)) => return Err(error),
                Err(Missed::Lost) => {}
                Err(Missed::Silent) => break,
            }
        }
        Err(self.silent())
    }

    /// Sends one message and waits for its answer, once. It is tried to be sent until `send_until`.
    pub(super) async fn exchange(
        &self,
        node: &Node,
        send_until: Instant,
        until: Instant,
        message: impl FnOnce(u64) -> Message,
    ) -> Result<Message, Missed> {
        let request = self.requests.fetch_add(1, Ordering::Relaxed);
        let message = message(request);
        let hear = loop {
            self.connected(node, send_until).await.map_err(Missed::NotSent)?;
            let (tell, hear) = oneshot::channel();
            self.state(|state| state.waiting.insert(request, (node.id, tell)));
            match self.carrier.send(node.id, &message) {
                Ok(()) => break hear,
                Err(SendError::NotConnected | SendError::Overloaded) if Instant::now() < send_until => {
                    sleep(SEND_AGAIN).await;
                }
                Err(error) => {
                    self.state(|state| state.waiting.remove(&request));
                    return Err(Missed::NotSent(QueryError::Refused(error.to_string())));
                }
            }
        };
        let _waiting = Waiting { line: self, request };
        match timeout_at(until, hear).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(Missed::Lost),
            Err(_) => Err(Missed::Silent),
        }
    }

    async fn connected(&self, node: &Node, until: Instant) -> Result<(), QueryError> {
        let until = until.min(self.connected_by.max(Instant::now() + GRACE));
        loop {
            let changed = self.changed.notified();
            if self.state(|state| state.up.contains(&node.id)) {
                return Ok(());
            }
            if timeout_at(until, changed).await.is_err() {
                let cause = self.carrier.trouble(node.id).unwrap_or_else(|| "nothing answers".to_owned());
                return Err(QueryError::Unreachable { address: node.address, cause });
            }
        }
    }

    fn on_event(&self, event: Event) {
        match event {
            Event::Up { peer: Peer::Node(node), .. } => {
                self.state(|state| state.up.insert(node));
                self.changed.notify_waiters();
            }
            Event::Down { peer: Peer::Node(node) } => self.state(|state| {
                state.up.remove(&node);
                state.waiting.retain(|_, (asked, _)| *asked != node);
            }),
            Event::Messages { peer: Peer::Node(node), messages, .. } => self.state(|state| {
                for message in messages {
                    if let Some(request) = answered(&message)
                        && state.waiting.get(&request).is_some_and(|(asked, _)| *asked == node)
                        && let Some((_, waiter)) = state.waiting.remove(&request)
                    {
                        let _ = waiter.send(message);
                    }
                }
            }),
            // A client takes no connections: nobody is a client to it.
            Event::Up { peer: Peer::Client(_), .. }
            | Event::Down { peer: Peer::Client(_) }
            | Event::Messages { peer: Peer::Client(_), .. } => {}
        }
    }

    pub(super) fn silent(&self) -> QueryError {
        QueryError::Silent { waited_ms: self.waited_ms() }
    }

    fn waited_ms(&self) -> u64 {
        u64::try_from(self.deadline.as_millis()).unwrap_or(u64::MAX)
    }

    fn state<T>(&self, with: impl FnOnce(&mut State) -> T) -> T {
        with(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Which request a message answers; the role table of the transport lets nothing else through to a client from a
/// participant.
fn answered(message: &Message) -> Option<u64> {
    match message {
        Message::Reply { request, .. }
        | Message::Received { request, .. }
        | Message::Finished { request, .. }
        | Message::Managed { request, .. } => Some(*request),
        _ => None,
    }
}
