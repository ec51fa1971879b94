//! `assent cluster up`: a cluster in a directory, made if it is not there, and started.

use super::{
    layout::Layout,
    nodes::{NodesReport, await_ready},
    plan::{self, Counts},
    process::Process,
};
use crate::{
    context::{self, Global},
    failure::Failure,
    status::Status,
};
use assent_transport::{Cluster, Node, Role};
use clap::Args;
use std::{path::PathBuf, time::Duration};

/// Nodes of one kind at most: enough for any machine that runs them all.
const NODES_MAX: i64 = 32;

/// What to start.
#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    /// The directory of the cluster: made if it is not there
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Coordinators of a new cluster [default: 2]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=NODES_MAX))]
    coordinators: Option<u16>,
    /// Participants that hold students in a new cluster [default: 2]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=NODES_MAX))]
    students: Option<u16>,
    /// Participants that hold courses in a new cluster [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=NODES_MAX))]
    courses: Option<u16>,
    /// How long to wait until all nodes are ready, in seconds
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    wait_s: u64,
}

/// Runs the command.
pub(super) fn run(args: &UpArgs, global: &Global) -> Result<Status, Failure> {
    let layout = Layout::new(&args.dir)?;
    if layout.cluster_file().exists() {
        refuse_other_counts(args, &context::load_cluster(&layout.cluster_file())?)?;
    }
    let counts = Counts {
        coordinators: args.coordinators.unwrap_or(2),
        students: args.students.unwrap_or(2),
        courses: args.courses.unwrap_or(1),
    };
    let cluster = bring_up(&layout, counts, Duration::from_secs(args.wait_s))?;
    let report = NodesReport::look(&layout, &cluster);
    let status = report.conclude(global.output())?;
    if !global.output().is_json() {
        eprintln!("use it:  export ASSENT_CLUSTER={}", layout.cluster_file().display());
    }
    Ok(status)
}

/// Lays the cluster out if it is not, starts what does not run, and waits until all are ready.
pub(super) fn bring_up(layout: &Layout, counts: Counts, limit: Duration) -> Result<Cluster, Failure> {
    if !layout.cluster_file().exists() {
        plan::lay_out(layout, counts)?;
    }
    let cluster = context::load_cluster(&layout.cluster_file())?;
    let nodes: Vec<&Node> = cluster.nodes().iter().collect();
    for node in &nodes {
        if Process::of_node(layout, &node.name).is_none() {
            Process::start(layout, node.role, &node.name)?;
        }
    }
    await_ready(layout, &nodes, limit)?;
    Ok(cluster)
}

/// A cluster that is there keeps its nodes: records would be looked for on the wrong ones otherwise.
fn refuse_other_counts(args: &UpArgs, cluster: &Cluster) -> Result<(), Failure> {
    let count = |role: Role, kind: &str| {
        cluster.nodes().iter().filter(|node| node.role == role && node.name.starts_with(kind)).count()
    };
    let asked = [
        ("--coordinators", args.coordinators, count(Role::Coordinator, "coordinator-")),
        ("--students", args.students, count(Role::Participant, "students-")),
        ("--courses", args.courses, count(Role::Participant, "courses-")),
    ];
    for (option, wanted, there) in asked {
        if wanted.is_some_and(|wanted| usize::from(wanted) != there) {
            return Err(Failure::new(
                Status::Usage,
                format!("the cluster in {} exists and has other nodes", args.dir.display()),
            )
            .cause(format!("{option} {} was asked for, and it has {there}", wanted.unwrap_or(0)))
            .remedy("leave the option away to start it as it is, or name another directory with --dir"));
        }
    }
    Ok(())
}
