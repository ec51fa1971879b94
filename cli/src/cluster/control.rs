//! `assent cluster status`, `kill`, `start`, `down`: what is done to the nodes of a cluster that exists.

use super::{
    Dir,
    layout::Layout,
    nodes::{NodesReport, await_ready},
    process::Process,
};
use crate::{context::Global, failure::Failure, status::Status};
use assent_transport::{Cluster, Node};
use clap::Args;
use std::time::Duration;

/// Which nodes of which cluster.
#[derive(Debug, Args)]
pub(crate) struct NodesArgs {
    /// Nodes by name, as `assent cluster status` lists them
    #[arg(required = true, value_name = "NODE")]
    nodes: Vec<String>,
    #[command(flatten)]
    dir: Dir,
    /// How long to wait until a started node is ready, in seconds
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    wait_s: u64,
}

/// How to stop.
#[derive(Debug, Args)]
pub(crate) struct DownArgs {
    #[command(flatten)]
    dir: Dir,
    /// How long a node may take to stop before it is ended with SIGKILL, in seconds
    #[arg(long, default_value_t = 10, value_name = "SECONDS")]
    grace_s: u64,
}

/// Shows every node.
pub(super) fn status(dir: &Dir, global: &Global) -> Result<Status, Failure> {
    let layout = dir.layout(global)?;
    NodesReport::look(&layout, &load(&layout)?).conclude(global.output())
}

/// Ends nodes as a crash would.
pub(super) fn kill(args: &NodesArgs, global: &Global) -> Result<Status, Failure> {
    let layout = args.dir.layout(global)?;
    let cluster = load(&layout)?;
    for node in find(&cluster, &args.nodes)? {
        match Process::of_node(&layout, &node.name) {
            Some(process) => process.kill()?,
            None => {
                return Err(Failure::new(Status::NotFound, format!("{} does not run", node.name))
                    .remedy("see what runs: assent cluster status"));
            }
        }
    }
    global.output().print(&NodesReport::look(&layout, &cluster))?;
    Ok(Status::Done)
}

/// Starts nodes that do not run.
pub(super) fn start(args: &NodesArgs, global: &Global) -> Result<Status, Failure> {
    let layout = args.dir.layout(global)?;
    let cluster = load(&layout)?;
    let nodes = find(&cluster, &args.nodes)?;
    for node in &nodes {
        Process::start(&layout, node.role, &node.name)?;
    }
    await_ready(&layout, &nodes, Duration::from_secs(args.wait_s))?;
    global.output().print(&NodesReport::look(&layout, &cluster))?;
    Ok(Status::Done)
}

/// Stops every node.
pub(super) fn down(args: &DownArgs, global: &Global) -> Result<Status, Failure> {
    let layout = args.dir.layout(global)?;
    let cluster = load(&layout)?;
    stop_all(&layout, &cluster, Duration::from_secs(args.grace_s))?;
    global.output().print(&NodesReport::look(&layout, &cluster))?;
    Ok(Status::Done)
}

/// Asks all to stop, then waits for each.
pub(super) fn stop_all(layout: &Layout, cluster: &Cluster, grace: Duration) -> Result<(), Failure> {
    let running: Vec<_> = cluster
        .nodes()
        .iter()
        .filter_map(|node| Process::of_node(layout, &node.name).map(|process| (node, process)))
        .collect();
    for (_, process) in &running {
        process.ask_to_end()?;
    }
    for (node, process) in &running {
        if !process.await_end(grace)? {
            eprintln!("{} did not stop in {} s and was ended", node.name, grace.as_secs());
        }
    }
    Ok(())
}

fn find<'a>(cluster: &'a Cluster, names: &[String]) -> Result<Vec<&'a Node>, Failure> {
    let find_one = |name: &String| {
        cluster.nodes().iter().find(|node| node.name == *name).ok_or_else(|| {
            let names: Vec<&str> = cluster.nodes().iter().map(|node| node.name.as_str()).collect();
            Failure::new(Status::NotFound, format!("there is no node {name:?} in this cluster"))
                .remedy(format!("name one of: {}", names.join(", ")))
        })
    };
    names.iter().map(find_one).collect()
}

fn load(layout: &Layout) -> Result<Cluster, Failure> {
    crate::context::load_cluster(&layout.cluster_file())
}
