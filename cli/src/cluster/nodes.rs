//! What is known of the nodes of a local cluster: which run, which are ready.

use super::{layout::Layout, process::Process};
use crate::{failure::Failure, output::Output, probe, status::Status};
use assent_transport::{Cluster, Node};
use serde::Serialize;
use std::{
    fmt,
    time::{Duration, Instant},
};

/// Between two questions whether a node is ready.
const POLL_EVERY: Duration = Duration::from_millis(20);
/// Lines of a log that are shown for a node that does not get ready.
const TAIL_LINES: usize = 12;

/// Every node as it is now.
#[derive(Debug, Serialize)]
pub(crate) struct NodesReport {
    dir: String,
    cluster: String,
    nodes: Vec<NodeReport>,
}

#[derive(Debug, Serialize)]
struct NodeReport {
    id: u16,
    name: String,
    role: String,
    pid: Option<i32>,
    ready: bool,
    /// What the node says instead of "ready".
    state: String,
    address: String,
    http: Option<String>,
}

impl NodesReport {
    /// Looks at every node.
    pub(crate) fn look(layout: &Layout, cluster: &Cluster) -> NodesReport {
        NodesReport {
            dir: layout.root().display().to_string(),
            cluster: layout.cluster_file().display().to_string(),
            nodes: cluster.nodes().iter().map(|node| look_at(layout, node)).collect(),
        }
    }

    /// Prints it; the status says whether all are ready.
    pub(crate) fn conclude(&self, out: Output) -> Result<Status, Failure> {
        out.print(self)?;
        Ok(if self.nodes.iter().all(|node| node.ready) { Status::Done } else { Status::Unreachable })
    }
}

impl fmt::Display for NodesReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<16} {:<12} {:>8}  {:<22} {:<22} state", "node", "role", "pid", "QUIC", "HTTP")?;
        for node in &self.nodes {
            writeln!(
                f,
                "{:<16} {:<12} {:>8}  {:<22} {:<22} {}",
                node.name,
                node.role,
                node.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string()),
                node.address,
                node.http.as_deref().unwrap_or("-"),
                node.state
            )?;
        }
        writeln!(f, "cluster file: {}", self.cluster)
    }
}

fn look_at(layout: &Layout, node: &Node) -> NodeReport {
    let process = Process::of_node(layout, &node.name);
    let state = match &process {
        Some(_) => readiness(node),
        None => Err("not running".to_owned()),
    };
    NodeReport {
        id: node.id.0,
        name: node.name.clone(),
        role: node.role.to_string(),
        pid: process.map(|process| process.pid()),
        ready: state.is_ok(),
        state: state.err().unwrap_or_else(|| "ready".to_owned()),
        address: node.address.to_string(),
        http: node.http.map(|http| http.to_string()),
    }
}

fn readiness(node: &Node) -> Result<(), String> {
    match node.http {
        Some(address) => probe::readiness(address),
        None => Err("running (it has no http address to ask)".to_owned()),
    }
}

/// Waits until nodes are ready.
pub(crate) fn await_ready(layout: &Layout, nodes: &[&Node], limit: Duration) -> Result<(), Failure> {
    let started = Instant::now();
    for node in nodes {
        loop {
            // Looked at first: a node that ended after it answered is not ready.
            let runs = Process::of_node(layout, &node.name).is_some();
            let state = if runs { readiness(node) } else { Err("its process has ended".to_owned()) };
            let Err(state) = state else { break };
            if !runs || started.elapsed() >= limit {
                return Err(not_ready(layout, node, &state, started.elapsed()));
            }
            std::thread::sleep(POLL_EVERY);
        }
    }
    Ok(())
}

fn not_ready(layout: &Layout, node: &Node, state: &str, waited: Duration) -> Failure {
    let tail = layout.log_tail(&node.name, TAIL_LINES);
    Failure::new(
        Status::Unreachable,
        format!("{} is not ready after {:.1} s: {state}", node.name, waited.as_secs_f64()),
    )
    .cause(format!("the end of its log, {}:\n{tail}", layout.log(&node.name).display()))
    .remedy(format!("mend what the log names, then: assent cluster start {}", node.name))
}
