//! The cluster: which nodes there are, where, and which tables live on which participants.
//!
//! A `Cluster` that exists is consistent: ids, names and addresses are unique, there is a participant, every
//! table names participants of the cluster. How it is written in a file is `cluster_file`'s business.
//!
//! Nodes and the nodes of a table are kept in the order of their ids, whatever the order in the file: where a
//! record lives must not change because somebody sorted a list.

use crate::{cluster_file, principal::Role};
use assent_protocol::{directory::Directory, ids::NodeId};
use std::{
    collections::BTreeMap,
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// Nodes in one cluster at most.
pub const NODES_MAX: usize = 1024;

/// Why a cluster file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The file can't be read.
    #[error("can't read the cluster file {path}: {source}; name it with --cluster or ASSENT_CLUSTER")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Not TOML, an unknown or missing field, or a field of the wrong type; the text shows the line.
    #[error("the cluster file {file} is not valid: {why}")]
    Syntax {
        /// Which file.
        file: String,
        /// What the parser said, with line and column.
        why: String,
    },
    /// A field holds what it can't hold.
    #[error("the cluster file {file} is not valid: line {line}, `{field}`: {why}")]
    Field {
        /// Which file.
        file: String,
        /// Where, from 1.
        line: usize,
        /// Which field, as "node.address" or "tables.course".
        field: String,
        /// What is wrong, and what would be right.
        why: String,
    },
    /// Something is missing that has no line.
    #[error("the cluster file {file} is not valid: {why}")]
    Incomplete {
        /// Which file.
        file: String,
        /// What is missing.
        why: String,
    },
}

/// One node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Node {
    /// Its number: unique, and never given to another node.
    pub id: NodeId,
    /// Coordinator or participant.
    pub role: Role,
    /// Its name, as in its certificate: unique in the cluster.
    pub name: String,
    /// Where it takes connections (UDP).
    pub address: SocketAddr,
    /// Where it serves metrics and health (TCP), if it does.
    pub http: Option<SocketAddr>,
}

/// All nodes, and where tables live.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cluster {
    nodes: Vec<Node>,
    tables: BTreeMap<String, Vec<NodeId>>,
}

impl Cluster {
    /// Reads and checks a cluster file.
    pub fn load(path: &Path) -> Result<Cluster, ClusterError> {
        let text = fs::read_to_string(path)
            .map_err(|source| ClusterError::Unreadable { path: path.to_owned(), source })?;
        Cluster::parse(&text, &path.display().to_string())
    }

    /// Checks the text of a cluster file; `file` is what errors call it.
    pub fn parse(text: &str, file: &str) -> Result<Cluster, ClusterError> {
        cluster_file::parse(text, file)
    }

    /// Builds a cluster from its parts, with the same checks as a file's; `tables` names participants.
    pub fn new(nodes: &[Node], tables: &BTreeMap<String, Vec<String>>) -> Result<Cluster, ClusterError> {
        Cluster::parse(&cluster_file::render(nodes, tables), "(generated)")
    }

    /// Takes what `cluster_file` has checked.
    pub(crate) fn from_checked(mut nodes: Vec<Node>, mut tables: BTreeMap<String, Vec<NodeId>>) -> Cluster {
        nodes.sort_by_key(|node| node.id);
        tables.values_mut().for_each(|ids| ids.sort());
        Cluster { nodes, tables }
    }

    /// All nodes, in the order of their ids.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The node with this id.
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.binary_search_by_key(&id, |node| node.id).ok().map(|index| &self.nodes[index])
    }

    /// The node with this role and name.
    pub fn node_named(&self, role: Role, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.role == role && node.name == name)
    }

    /// The coordinators, in the order of their ids.
    pub fn coordinators(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| node.role == Role::Coordinator)
    }

    /// The participants, in the order of their ids.
    pub fn participants(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| node.role == Role::Participant)
    }

    /// Which participant holds which record.
    pub fn directory(&self) -> Directory {
        Directory::new(self.tables.clone(), self.participants().map(|node| node.id).collect())
    }

    /// The text of a cluster file that parses to an equal cluster.
    pub fn to_toml(&self) -> String {
        let name = |id: &NodeId| self.node(*id).map_or_else(String::new, |node| node.name.clone());
        let tables =
            self.tables.iter().map(|(table, ids)| (table.clone(), ids.iter().map(name).collect())).collect();
        cluster_file::render(&self.nodes, &tables)
    }
}
