//! `assent cluster`: a local cluster of real processes, for trying, testing and measuring.
//!
//! Real deployments start their nodes with `assent coordinator` and `assent participant` instead. Only
//! processes that this command has started are ever touched.

mod control;
pub(crate) mod layout;
pub(crate) mod nodes;
pub(crate) mod plan;
pub(crate) mod process;
pub(crate) mod temporary;
mod up;

use crate::{context::Global, failure::Failure, status::Status};
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Local clusters.
#[derive(Debug, Args)]
pub(crate) struct ClusterArgs {
    #[command(subcommand)]
    command: ClusterCommand,
}

#[derive(Debug, Subcommand)]
enum ClusterCommand {
    /// Lay out a cluster in a directory if there is none yet, start it, and wait until it is ready
    #[command(
        after_help = "Example:\n  assent cluster up --dir /tmp/university\n  export ASSENT_CLUSTER=/tmp/university/cluster.toml"
    )]
    Up(up::UpArgs),
    /// Show every node: whether it runs, and whether it is ready
    #[command(after_help = "Example:\n  assent cluster status --dir /tmp/university")]
    Status(Dir),
    /// End nodes at once with SIGKILL, as a crash would
    #[command(after_help = "Example:\n  assent cluster kill coordinator-1")]
    Kill(control::NodesArgs),
    /// Start nodes that do not run, and wait until they are ready
    #[command(after_help = "Example:\n  assent cluster start coordinator-1")]
    Start(control::NodesArgs),
    /// Stop all nodes cleanly; those that take too long are ended. The data stays
    #[command(after_help = "Example:\n  assent cluster down --dir /tmp/university")]
    Down(control::DownArgs),
}

/// Which local cluster.
#[derive(Debug, Args)]
pub(crate) struct Dir {
    /// The directory of the cluster [default: that of the cluster file]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl Dir {
    fn layout(&self, global: &Global) -> Result<layout::Layout, Failure> {
        layout::Layout::existing(&self.dir.clone().unwrap_or_else(|| global.cluster_dir()))
    }
}

/// Runs the command.
pub(crate) fn run(args: ClusterArgs, global: &Global) -> Result<Status, Failure> {
    match args.command {
        ClusterCommand::Up(args) => up::run(&args, global),
        ClusterCommand::Status(dir) => control::status(&dir, global),
        ClusterCommand::Kill(args) => control::kill(&args, global),
        ClusterCommand::Start(args) => control::start(&args, global),
        ClusterCommand::Down(args) => control::down(&args, global),
    }
}
