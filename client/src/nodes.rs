//! Questions straight to nodes, over connections of their own that are opened with the first question.
//!
//! Asking changes nothing, so a question is simply asked again if its connection is lost. A node that is down is said
//! to be so in the result, beside what the others say.

mod verdict;

use crate::{carrier::Carrier, config::ClientConfig, random::Random};
use assent_protocol::{
    ids::{NodeId, Peer, RecordId, TxnId},
    message::{Held, InDoubt, Message, Query, Reply},
    operation::{ReadResult, RecordContent},
    outcome::AbortReason,
};
use assent_transport::{Cluster, Dial, Endpoint, EndpointConfig, Event, Identity, Node, Role};
use std::{
    collections::{BTreeSet, HashMap},
    net::SocketAddr,
    sync::{Arc, Mutex as StdMutex, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{Mutex, Notify, mpsc, oneshot},
    task::JoinSet,
    time::{Instant, timeout_at},
};

/// A node that has had its time to be connected and is not gets only this much more.
const GRACE: Duration = Duration::from_millis(400);

/// Records with their contents.
type Records = Vec<(RecordId, RecordContent)>;

/// What one node said.
#[derive(Clone, Debug)]
pub struct NodeReply<T> {
    /// Which node.
    pub node: NodeId,
    /// Its role.
    pub role: Role,
    /// Its name in the cluster file.
    pub name: String,
    /// What it said, or why it said nothing.
    pub reply: Result<T, QueryError>,
}

/// Why a node said nothing.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum QueryError {
    /// There is no connection.
    #[error("no connection to {address}: {cause}")]
    Unreachable {
        /// Where it should be.
        address: SocketAddr,
        /// The last attempt's error.
        cause: String,
    },
    /// The connection is there, or was, and no answer came in time.
    #[error("no answer within {waited_ms} ms")]
    Silent {
        /// How long it was waited for, in milliseconds.
        waited_ms: u64,
    },
    /// It can't answer this.
    #[error("refused: {0}")]
    Refused(String),
}

/// What became of a transaction, as far as the participants that answered know.
#[derive(Clone, Debug)]
pub struct Report {
    /// Which transaction.
    pub id: TxnId,
    /// What follows from the answers.
    pub verdict: Verdict,
    /// Who votes; empty if no one who answered knows.
    pub participants: Vec<NodeId>,
    /// What each participant holds.
    pub nodes: Vec<NodeReply<Held>>,
}

/// What follows from the answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Committed, with what the reads saw on the participants that answered (index of the operation, result).
    Committed(Vec<(u16, ReadResult)>),
    /// Aborted.
    Aborted(AbortReason),
    /// Someone has voted Yes or holds it in its queue, and no one who answered knows the outcome yet.
    InDoubt,
    /// Everyone answered, and no one holds anything: it has not run, as far as can be told by its id alone.
    NotHeld,
    /// Everyone answered, no one holds anything, and it is older than what its client still waits for: if it ran, its
    /// client has had the answer.
    Forgotten,
    /// No one who answered holds anything, and not everyone answered.
    Unknown,
}

/// Asks nodes directly. Needs no session, and so no coordinator: it works when the cluster does not.
pub struct Nodes {
    identity: Identity,
    cluster: Arc<Cluster>,
    deadline: Duration,
    line: Mutex<Option<Arc<Line>>>,
}

/// Connections to all nodes.
struct Line {
    carrier: Box<dyn Carrier>,
    state: StdMutex<State>,
    changed: Notify,
    deadline: Duration,
    /// By then, a node that runs is connected.
    connected_by: Instant,
}

#[derive(Default)]
struct State {
    up: BTreeSet<NodeId>,
    waiting: HashMap<u64, (NodeId, oneshot::Sender<Reply>)>,
}

impl Nodes {
    /// With a configuration's cluster, identity and `query_deadline`. Connections are opened with the first question.
    pub fn new(config: &ClientConfig) -> Nodes {
        Nodes {
            identity: config.identity.clone(),
            cluster: Arc::new(config.cluster.clone()),
            deadline: config.query_deadline.min(Duration::from_secs(600)),
            line: Mutex::new(None),
        }
    }

    /// Undecided transactions, asked of every participant.
    pub async fn in_doubt(&self) -> Vec<NodeReply<Vec<InDoubt>>> {
        self.ask_all(Some(Role::Participant), &Query::InDoubt, |reply| match reply {
            Reply::InDoubt(list) => Some(list),
            _ => None,
        })
        .await
    }

    /// What became of a transaction of any client, asked of every participant. Changes nothing; for people.
    pub async fn outcome(&self, id: &TxnId) -> Report {
        let query = Query::Outcome(id.clone());
        let replies = self
            .ask_all(Some(Role::Participant), &query, |reply| match reply {
                Reply::Outcome { held, participants } => Some((held, participants)),
                _ => None,
            })
            .await;
        verdict::report(id, replies)
    }

    /// Figures, asked of every node.
    pub async fn status(&self) -> Vec<NodeReply<Vec<(String, u64)>>> {
        self.ask_all(None, &Query::Status, |reply| match reply {
            Reply::Status(figures) => Some(figures),
            _ => None,
        })
        .await
    }

    /// Every record, or every record of one table, asked of every participant. Each is consistent in itself only.
    pub async fn scan(&self, table: Option<&str>) -> Vec<NodeReply<Records>> {
        let nodes = self.cluster.participants().cloned().collect();
        let table = table.map(str::to_owned);
        self.each(nodes, move |line, node| {
            let table = table.clone();
            async move { line.scan(&node, table).await }
        })
        .await
    }

    /// One page of the records of one participant after a record, and whether there are more.
    pub async fn scan_page(
        &self,
        node: NodeId,
        table: Option<&str>,
        after: Option<&RecordId>,
    ) -> NodeReply<(Records, bool)> {
        let Some(known) = self.cluster.node(node).cloned() else {
            let reply = Err(QueryError::Refused("the cluster file has no such node".to_owned()));
            return NodeReply { node, role: Role::Participant, name: node.to_string(), reply };
        };
        let reply = match self.line().await {
            Ok(line) => line.page(&known, table.map(str::to_owned), after.cloned()).await,
            Err(cause) => Err(QueryError::Unreachable { address: known.address, cause }),
        };
        NodeReply { node, role: known.role, name: known.name, reply }
    }

    /// Ends the connections.
    pub async fn close(&self) {
        if let Some(line) = self.line.lock().await.take() {
            line.carrier.close().await;
        }
    }

    async fn ask_all<T: Send + 'static>(
        &self,
        role: Option<Role>,
        query: &Query,
        take: fn(Reply) -> Option<T>,
    ) -> Vec<NodeReply<T>> {
        let asked = |node: &&Node| role.is_none_or(|role| node.role == role);
        let nodes = self.cluster.nodes().iter().filter(asked).cloned().collect();
        let query = query.clone();
        self.each(nodes, move |line, node| {
            let query = query.clone();
            async move { take(line.ask(&node, query).await?).ok_or_else(other_answer) }
        })
        .await
    }

    /// Does the same with every node at the same time; the replies come in the order of the nodes.
    async fn each<T: Send + 'static, F: Future<Output = Result<T, QueryError>> + Send + 'static>(
        &self,
        nodes: Vec<Node>,
        ask: impl Fn(Arc<Line>, Node) -> F,
    ) -> Vec<NodeReply<T>> {
        let line = match self.line().await {
            Ok(line) => line,
            Err(cause) => return nodes.into_iter().map(|node| unreachable(node, &cause)).collect(),
        };
        let mut asked = JoinSet::new();
        for (index, node) in nodes.iter().enumerate() {
            let answer = ask(Arc::clone(&line), node.clone());
            asked.spawn(async move { (index, answer.await) });
        }
        let mut replies: HashMap<usize, Result<T, QueryError>> = HashMap::new();
        while let Some(done) = asked.join_next().await {
            // A task that panicked is a bug that tokio has reported already; its node counts as silent.
            replies.extend(done);
        }
        let silent = || Err(QueryError::Silent { waited_ms: line.waited_ms() });
        let reply = |(index, node): (usize, Node)| NodeReply {
            node: node.id,
            role: node.role,
            name: node.name,
            reply: replies.remove(&index).unwrap_or_else(silent),
        };
        nodes.into_iter().enumerate().map(reply).collect()
    }

    async fn line(&self) -> Result<Arc<Line>, String> {
        let mut line = self.line.lock().await;
        if let Some(line) = &*line {
            return Ok(Arc::clone(line));
        }
        let all = self.cluster.nodes().iter().map(|node| node.id).collect();
        let config =
            EndpointConfig::new(self.identity.clone(), Arc::clone(&self.cluster), None, Dial::Nodes(all));
        let (endpoint, events) = Endpoint::start(config).await.map_err(|error| error.to_string())?;
        Ok(Arc::clone(line.insert(Line::start(Box::new(endpoint), events, self.deadline))))
    }
}

impl Line {
    fn start(carrier: Box<dyn Carrier>, mut events: mpsc::Receiver<Event>, deadline: Duration) -> Arc<Line> {
        let line = Arc::new(Line {
            carrier,
            state: StdMutex::default(),
            changed: Notify::new(),
            deadline,
            connected_by: Instant::now() + deadline,
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

    async fn scan(&self, node: &Node, table: Option<String>) -> Result<Records, QueryError> {
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

    async fn page(
        &self,
        node: &Node,
        table: Option<String>,
        after: Option<RecordId>,
    ) -> Result<(Records, bool), QueryError> {
        match self.ask(node, Query::Scan { table, after }).await? {
            Reply::Scan { records, more } => Ok((records, more)),
            Reply::Refused(why) => Err(QueryError::Refused(why)),
            Reply::InDoubt(_) | Reply::Outcome { .. } | Reply::Status(_) => Err(other_answer()),
        }
    }

    async fn ask(&self, node: &Node, query: Query) -> Result<Reply, QueryError> {
        let until = Instant::now() + self.deadline;
        let request = Random::new();
        let mut message = Message::Query { request: 0, query };
        while Instant::now() < until {
            self.connected(node, until).await?;
            let number = request.next();
            if let Message::Query { request, .. } = &mut message {
                *request = number;
            }
            let (tell, hear) = oneshot::channel();
            self.state(|state| {
                state.waiting.retain(|_, (_, waiter)| !waiter.is_closed());
                state.waiting.insert(number, (node.id, tell));
            });
            if self.carrier.send(node.id, &message).is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
            // An error of the channel means that the connection was lost: once more.
            match timeout_at(until, hear).await {
                Ok(Ok(Reply::Refused(why))) => return Err(QueryError::Refused(why)),
                Ok(Ok(reply)) => return Ok(reply),
                Ok(Err(_)) => {}
                Err(_) => break,
            }
        }
        Err(QueryError::Silent { waited_ms: self.waited_ms() })
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
            Event::Messages { peer: Peer::Node(node), messages } => self.state(|state| {
                for message in messages {
                    if let Message::Reply { request, reply } = message
                        && state.waiting.get(&request).is_some_and(|(asked, _)| *asked == node)
                        && let Some((_, waiter)) = state.waiting.remove(&request)
                    {
                        let _ = waiter.send(reply);
                    }
                }
            }),
            // A client takes no connections: nobody is a client to it.
            Event::Up { peer: Peer::Client(_), .. }
            | Event::Down { peer: Peer::Client(_) }
            | Event::Messages { peer: Peer::Client(_), .. } => {}
        }
    }

    fn waited_ms(&self) -> u64 {
        u64::try_from(self.deadline.as_millis()).unwrap_or(u64::MAX)
    }

    fn state<T>(&self, with: impl FnOnce(&mut State) -> T) -> T {
        with(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn other_answer() -> QueryError {
    QueryError::Refused("the node answered something else than was asked".to_owned())
}

fn unreachable<T>(node: Node, cause: &str) -> NodeReply<T> {
    let reply = Err(QueryError::Unreachable { address: node.address, cause: cause.to_owned() });
    NodeReply { node: node.id, role: node.role, name: node.name, reply }
}
