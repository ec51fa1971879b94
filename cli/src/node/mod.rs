//! `assent coordinator` and `assent participant`: one node in the foreground.
//!
//! What a node does is in the crates of these names. Here it gets its configuration, its log, its HTTP listener
//! and its signals.

pub(crate) mod config;
mod http;
pub(crate) mod logs;

use crate::{
    context::{self, load_cluster, load_identity},
    failure::{Failure, chain},
    status::Status,
};
use assent_transport::{Cluster, Identity, Role};
use clap::Args;
use config::NodeFile;
use http::Readiness;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

/// Which node.
#[derive(Debug, Args)]
pub(crate) struct NodeArgs {
    /// The node's configuration (TOML)
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// Everything that a node is started with.
struct Setup {
    identity: Identity,
    cluster: Arc<Cluster>,
    data: Option<PathBuf>,
}

/// Runs a node until it is told to stop.
pub(crate) fn run(args: &NodeArgs, role: Role) -> Result<Status, Failure> {
    let file = NodeFile::load(&args.config, role)?;
    logs::start(&file.log, file.log_format)?;
    let setup = set_up(&args.config, file, role)?;
    let readiness = Readiness::default();
    let name = setup.identity.name().to_owned();
    let metrics = http::collect_metrics()?;
    if let Some(address) = setup.cluster.node_named(role, &name).and_then(|node| node.http) {
        http::serve(address, metrics, readiness.clone())?;
    }
    context::block_on(async {
        let (ready, became_ready) = watch::channel(false);
        tokio::spawn(announce(became_ready, readiness.clone()));
        let shutdown = shutdown(readiness)?;
        match role {
            Role::Participant => run_participant(setup, ready, shutdown).await,
            Role::Coordinator => run_coordinator(setup, ready, shutdown).await,
            Role::Client => Err(Failure::new(Status::Usage, "a client is no node")),
        }
    })?;
    tracing::info!("stopped");
    Ok(Status::Done)
}

fn set_up(path: &Path, file: NodeFile, role: Role) -> Result<Setup, Failure> {
    let cluster = Arc::new(load_cluster(&file.cluster)?);
    let identity = load_identity(&file.certificate, &file.key, &file.authority)?;
    let wrong = |cause: String| {
        Failure::new(
            Status::Config,
            format!("the configuration {} does not fit the other files", path.display()),
        )
        .cause(cause)
    };
    if cluster.node_named(role, &file.name).is_none() {
        return Err(wrong(format!(
            "the cluster file {} has no {role} named {:?}",
            file.cluster.display(),
            file.name
        ))
        .remedy("correct `name`, or add the node to the cluster file of every node and client"));
    }
    if (identity.role(), identity.name()) != (role, file.name.as_str()) {
        let (has_role, has_name) = (identity.role(), identity.name());
        return Err(wrong(format!(
            "the certificate is that of {has_role} {has_name:?}, and the node is {role} {:?}",
            file.name
        ))
        .remedy(format!(
            "issue the right one: assent keys issue --dir KEYS --role {role} --name {}",
            file.name
        )));
    }
    Ok(Setup { identity, cluster, data: file.data })
}

async fn run_participant(
    setup: Setup,
    ready: watch::Sender<bool>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Failure> {
    let data = setup.data.unwrap_or_default();
    let shown = data.display().to_string();
    let config = assent_participant::NodeConfig {
        identity: setup.identity,
        cluster: setup.cluster,
        data,
        limits: Default::default(),
    };
    assent_participant::run(config, ready, shutdown).await.map_err(|error| {
        use assent_participant::NodeError;
        let failure = Failure::new(Status::Node, "the participant can't run").cause(chain(&error));
        match error {
            NodeError::Store(_) => failure.remedy(format!(
                "see that {shown} is writable, has room, is used by no other process, and was written by no newer version"
            )),
            NodeError::OldCopy { .. } => failure.remedy(
                "don't start the node again on this folder: put the newest copy of its database back (docs/storage.md, \"Old copies\")",
            ),
            NodeError::Transport(_) => failure.remedy("free the node's UDP port, or give it another `address` in the cluster file"),
            NodeError::NotInCluster(_) => failure.remedy("correct the cluster file"),
            NodeError::SyncThread(_) => failure.remedy("start the node again: it recovers from what is on disk"),
        }
    })
}

async fn run_coordinator(
    setup: Setup,
    ready: watch::Sender<bool>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Failure> {
    let config = assent_coordinator::NodeConfig {
        identity: setup.identity,
        cluster: setup.cluster,
        limits: Default::default(),
    };
    assent_coordinator::run(config, ready, shutdown).await.map_err(|error| {
        use assent_coordinator::NodeError;
        let failure = Failure::new(Status::Node, "the coordinator can't run").cause(chain(&error));
        match error {
            NodeError::Transport(_) => {
                failure.remedy("free the node's UDP port, or give it another `address` in the cluster file")
            }
            NodeError::NotInCluster(_) => failure.remedy("correct the cluster file"),
            NodeError::Random(_) => failure.remedy("make /dev/urandom readable"),
        }
    })
}

/// Makes readiness visible, in the log and over HTTP.
async fn announce(mut became_ready: watch::Receiver<bool>, readiness: Readiness) {
    if became_ready.wait_for(|ready| *ready).await.is_ok() {
        readiness.become_ready();
        tracing::info!("ready");
    }
}

/// Is done when the process is asked to stop.
fn shutdown(readiness: Readiness) -> Result<impl Future<Output = ()>, Failure> {
    let unable =
        |error: std::io::Error| Failure::new(Status::Failed, "could not wait for signals").cause(error);
    let mut terminate = signal(SignalKind::terminate()).map_err(unable)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(unable)?;
    Ok(async move {
        let by = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        readiness.become_stopping();
        tracing::info!(by, "asked to stop");
    })
}
