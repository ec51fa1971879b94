//! Runs the coordinator's machine over the transport.
//!
//! One loop on one thread: take all inputs that are waiting, run the machine on each, send what it puts out. The
//! machine is [`assent_protocol::coordinator`]; nothing of the protocol is decided here.

use assent_protocol::{
    coordinator::{Coordinator, CoordinatorConfig, Input, Limits},
    ids::{Incarnation, NodeId, Peer, Stamp, Time},
    message::{Message, Query, Reply},
};
use assent_transport::{
    Alarm, Cluster, Dial, Endpoint, EndpointConfig, Event, Identity, Role, TransportError,
    node::{Clock, SpanMeters, publish},
};
use std::{collections::BTreeSet, future::Future, sync::Arc, time::Duration};
use tokio::sync::{mpsc, watch};

/// How many events one turn of the loop takes at most.
const EVENTS_PER_TURN_MAX: usize = 1024;
/// How often figures are published.
const PUBLISH_EVERY: Duration = Duration::from_millis(500);
/// A coordinator that has waited this long for its participants serves with those that are there.
const READY_AT_LATEST: Duration = Duration::from_secs(3);

/// What a coordinator node needs to run.
pub struct NodeConfig {
    /// Who it is.
    pub identity: Identity,
    /// The cluster file.
    pub cluster: Arc<Cluster>,
    /// Times and bounds of the machine.
    pub limits: Limits,
}

/// Why a coordinator node could not start.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The cluster file does not name it.
    #[error(
        "the cluster file has no coordinator named {0:?}: add it there, or correct the name in the node's configuration"
    )]
    NotInCluster(String),
    /// The network endpoint could not start.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The operating system gives no random numbers.
    #[error("no random numbers from the operating system: {0}")]
    Random(getrandom::Error),
}

/// Runs until `shutdown` is done. `ready` becomes true once the node serves.
pub async fn run(
    config: NodeConfig,
    ready: watch::Sender<bool>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), NodeError> {
    let name = config.identity.name().to_string();
    let Some(node) = config.cluster.node_named(Role::Coordinator, &name) else {
        return Err(NodeError::NotInCluster(name));
    };
    let (id, address) = (node.id, node.address);
    let mut incarnation = [0; 16];
    getrandom::fill(&mut incarnation).map_err(NodeError::Random)?;
    let machine = Coordinator::new(CoordinatorConfig {
        node: id,
        incarnation: Incarnation(u128::from_le_bytes(incarnation)),
        directory: config.cluster.directory(),
        limits: config.limits,
    });
    let waiting = config.cluster.participants().map(|node| node.id).collect();
    let endpoint_config =
        EndpointConfig::new(config.identity, config.cluster.clone(), Some(address), Dial::Mesh);
    let (endpoint, events) = Endpoint::start(endpoint_config).await?;
    tracing::info!(%name, %id, address = %endpoint.local_address(), "coordinator is listening");
    let node = Node {
        machine,
        endpoint,
        clock: Clock::default(),
        wall: Stamp::default(),
        spans: SpanMeters::new("coordinator"),
        out: Vec::new(),
        waiting,
        ready,
    };
    node.run(events, shutdown).await;
    Ok(())
}

struct Node {
    machine: Coordinator,
    endpoint: Endpoint,
    clock: Clock,
    /// The wall clock at the beginning of this turn: good enough for an age.
    wall: Stamp,
    spans: SpanMeters,
    out: Vec<(Peer, Message)>,
    /// Participants that have not been connected yet.
    waiting: BTreeSet<NodeId>,
    ready: watch::Sender<bool>,
}

impl Node {
    async fn run(mut self, mut events: mpsc::Receiver<Event>, shutdown: impl Future<Output = ()>) {
        let mut shutdown = std::pin::pin!(shutdown);
        let mut publish_at = tokio::time::interval(PUBLISH_EVERY);
        let ready_at = tokio::time::sleep(READY_AT_LATEST);
        tokio::pin!(ready_at);
        let mut alarm = Alarm::new();
        loop {
            alarm.set(self.machine.next_wake().map(|time| self.clock.instant(time)));
            tokio::select! {
                event = events.recv() => {
                    let Some(event) = event else { break };
                    // What has reached the socket by now joins this turn: fewer and fuller packets leave.
                    tokio::task::yield_now().await;
                    let now = self.clock.now();
                    self.wall = self.clock.wall();
                    self.on_event(event, now);
                    for _ in 1..EVENTS_PER_TURN_MAX {
                        let Ok(event) = events.try_recv() else { break };
                        self.on_event(event, now);
                    }
                }
                () = alarm.ring() => {}
                _ = publish_at.tick() => publish("coordinator", &self.machine.figures(), &self.machine.sizes()),
                () = &mut ready_at, if !self.waiting.is_empty() => {
                    tracing::warn!(missing = ?self.waiting, "serving without some participants");
                    self.waiting.clear();
                    self.ready.send_replace(true);
                }
                () = &mut shutdown => break,
            }
            let now = self.clock.now();
            if self.machine.next_wake().is_some_and(|due| due <= now) {
                self.handle(now, Input::Tick);
            }
            self.send();
            self.spans.record(self.machine.take_spans());
        }
        tracing::info!("coordinator stops");
        self.endpoint.close().await;
    }

    fn on_event(&mut self, event: Event, now: Time) {
        match event {
            Event::Up { peer: Peer::Node(node), name, .. } => {
                tracing::info!(%node, %name, "connected");
                self.handle(now, Input::Up(node));
                if self.waiting.remove(&node) && self.waiting.is_empty() {
                    self.ready.send_replace(true);
                }
            }
            Event::Up { peer: Peer::Client(connection), name, .. } => match name.parse() {
                Ok(name) => self.handle(now, Input::ClientUp(connection, name)),
                Err(error) => tracing::warn!(%error, "a client with a name that can't be a client's"),
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
                        Message::Query { request, query } => self.answer(peer, request, &query),
                        message => self.handle(now, Input::Message(peer, message)),
                    }
                }
            }
        }
    }

    fn handle(&mut self, now: Time, input: Input) {
        self.machine.handle(now, self.wall, input, &mut self.out);
    }

    fn answer(&mut self, peer: Peer, request: u64, query: &Query) {
        let reply = match query {
            Query::Status => {
                let mut figures = self.machine.figures();
                figures.extend(self.machine.sizes());
                Reply::Status(figures.into_iter().map(|(name, value)| (name.to_string(), value)).collect())
            }
            Query::InDoubt | Query::Outcome(_) | Query::Scan { .. } => {
                Reply::Refused("a coordinator holds no records and no votes: ask a participant".to_string())
            }
            Query::Mailboxes | Query::Outbox | Query::Mail { .. } => {
                Reply::Refused("a coordinator holds no messages: ask a participant".to_string())
            }
        };
        self.out.push((peer, Message::Reply { request, reply }));
    }

    fn send(&mut self) {
        for (peer, message) in self.out.drain(..) {
            // Who is not connected is asked again when it is; who has gone needs no answer.
            if let Err(error) = self.endpoint.send(peer, &message) {
                tracing::debug!(?peer, %error, "not sent");
            }
        }
    }
}
