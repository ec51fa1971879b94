//! Questions straight to nodes, over connections of their own that are opened with the first question.
//!
//! Asking changes nothing, so a question is simply asked again if its connection is lost. A node that is down is said
//! to be so in the result, beside what the others say.

mod line;
mod mail;
#[cfg(test)]
pub(crate) mod script;
mod verdict;

use crate::config::ClientConfig;
use assent_protocol::{
    ids::{NodeId, RecordId, TxnId},
    message::{Held, InDoubt, Query, Reply},
    operation::{ReadResult, RecordContent},
    outcome::AbortReason,
};
use assent_transport::{Cluster, Dial, Endpoint, EndpointConfig, Identity, Node, Role};
use line::Line;
use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{sync::Mutex, task::JoinSet};

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

    /// How long a call waits for a node's answer.
    pub(crate) fn patience(&self) -> Duration {
        self.deadline
    }

    /// Ends the connections.
    pub async fn close(&self) {
        if let Some(line) = self.line.lock().await.take() {
            line.close().await;
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
        let silent = || Err(line.silent());
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

fn other_answer() -> QueryError {
    QueryError::Refused("the node answered something else than was asked".to_owned())
}

fn unreachable<T>(node: Node, cause: &str) -> NodeReply<T> {
    let reply = Err(QueryError::Unreachable { address: node.address, cause: cause.to_owned() });
    NodeReply { node: node.id, role: node.role, name: node.name, reply }
}
