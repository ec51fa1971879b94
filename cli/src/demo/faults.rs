//! What goes wrong during the demonstration: one coordinator dies for good, one participant dies and comes back.

use super::registration::Registration;
use crate::{
    cluster::{layout::Layout, nodes::await_ready, process::Process},
    failure::Failure,
    probe,
    status::Status,
};
use assent_transport::{Cluster, Node, Role};
use serde::Serialize;
use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

/// How long the participant stays dead.
const PARTICIPANT_AWAY: Duration = Duration::from_millis(800);
/// The metric of a participant that counts what was resolved without a coordinator.
const RESOLVED: &str = "assent_participant_resolved_by_peers_total ";
/// How long it may take to recover.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// One fault that has happened.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Fault {
    /// Which node.
    pub(super) node: String,
    /// When, in seconds from the beginning of registration.
    pub(super) at_s: f64,
    /// After how many seconds it was ready again; none if it stays dead.
    pub(super) back_after_s: Option<f64>,
    /// How many transactions its memory knew to have been resolved without a coordinator: lost with the process.
    #[serde(skip)]
    pub(super) resolved_before: u64,
}

/// Where faults strike.
pub(super) struct Faults {
    pub(super) layout: Layout,
    pub(super) cluster: Cluster,
    pub(super) registration: Arc<Registration>,
    pub(super) began: Instant,
}

impl Faults {
    /// Kills the first coordinator for good.
    pub(super) async fn kill_coordinator(&self) -> Result<Fault, Failure> {
        let node = first(self.cluster.coordinators())?;
        let fault = self.kill(node).await?;
        self.registration.progress.note(&format!(
            "  {:>5.1} s  {} killed with SIGKILL: it stays dead, and nobody waits for it",
            fault.at_s, fault.node
        ));
        Ok(fault)
    }

    /// Kills the first participant, and starts it again.
    pub(super) async fn kill_participant(&self) -> Result<Fault, Failure> {
        let node = first(self.cluster.participants())?;
        let mut fault = self.kill(node).await?;
        let killed = Instant::now();
        self.registration.progress.note(&format!(
            "  {:>5.1} s  {} killed with SIGKILL: its students wait until it is back",
            fault.at_s, fault.node
        ));
        tokio::time::sleep(PARTICIPANT_AWAY).await;
        let (layout, own) = (self.layout.clone(), node.clone());
        blocking(move || {
            Process::start(&layout, own.role, &own.name)?;
            await_ready(&layout, &[&own], READY_WITHIN)
        })
        .await?;
        let away = killed.elapsed().as_secs_f64();
        fault.back_after_s = Some(away);
        self.registration.progress.note(&format!(
            "  {:>5.1} s  {} is back, with everything that it had promised",
            self.began.elapsed().as_secs_f64(),
            fault.node
        ));
        Ok(fault)
    }

    async fn kill(&self, node: &Node) -> Result<Fault, Failure> {
        let resolved_before = match node.role {
            Role::Participant => resolved_by_peers(std::iter::once(node)).await,
            Role::Coordinator | Role::Client => 0,
        };
        let (layout, name) = (self.layout.clone(), node.name.clone());
        blocking(move || match Process::of_node(&layout, &name) {
            Some(process) => process.kill(),
            None => Err(Failure::new(Status::Node, format!("{name} does not run any more"))
                .cause(format!("the end of its log:\n{}", layout.log_tail(&name, 12)))),
        })
        .await?;
        let at_s = self.began.elapsed().as_secs_f64();
        Ok(Fault { node: node.name.clone(), at_s, back_after_s: None, resolved_before })
    }
}

/// How many transactions participants say they have resolved among themselves. Their HTTP listeners are asked: they
/// answer at once, whatever else is dead.
pub(super) async fn resolved_by_peers(nodes: impl Iterator<Item = &Node>) -> u64 {
    let addresses: Vec<SocketAddr> = nodes.filter_map(|node| node.http).collect();
    let count = |address: &SocketAddr| -> u64 {
        let Ok(answer) = probe::get(*address, "/metrics", Duration::from_secs(1)) else { return 0 };
        let mut lines = answer.body.lines();
        lines.find_map(|line| line.strip_prefix(RESOLVED)?.trim().parse().ok()).unwrap_or(0)
    };
    blocking(move || Ok(addresses.iter().map(count).sum())).await.unwrap_or(0)
}

fn first<'a>(mut nodes: impl Iterator<Item = &'a Node>) -> Result<&'a Node, Failure> {
    nodes.next().ok_or_else(|| Failure::new(Status::Failed, "the cluster has no such node"))
}

/// Signals and waiting for processes block; sessions go on meanwhile.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Failure::new(Status::Failed, "could not change the cluster").cause(error))?
}
