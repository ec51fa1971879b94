//! The processes of a cluster: killed at the same moment, started again, and asked what is in doubt.

use crate::common;
use assent_client::{Client, ClientConfig, InDoubt};
use assent_transport::{Cluster, Node};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs,
    path::Path,
    process::{Command, Output},
    time::{Duration, Instant},
};

/// Lines of each node's log that are shown when a test fails.
const TAIL_LINES: usize = 15;

/// A running cluster, which is stopped when the test ends. A test that fails shows the ends of the logs.
pub(crate) struct Nodes {
    running: common::Cluster,
    cluster: Cluster,
}

impl Nodes {
    /// Starts 2 coordinators and 3 participants.
    pub(crate) fn up() -> Nodes {
        let running = common::Cluster::up();
        let cluster = Cluster::load(&running.file()).expect("the program has written it");
        Nodes { running, cluster }
    }

    /// Who is there.
    pub(crate) fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Connects as the cluster's own client. No call takes longer than `deadline`, unless it says so itself.
    pub(crate) async fn connect(&self, deadline: Duration) -> Client {
        let keys = self.running.dir().join("keys");
        let config = ClientConfig::load(
            self.running.file(),
            keys.join("client-admin.crt"),
            keys.join("client-admin.key"),
            keys.join("ca.crt"),
        );
        let mut config = config.expect("the program has written them");
        config.deadline = deadline;
        Client::connect(config).await.expect("the cluster is ready")
    }

    /// The process of a node.
    pub(crate) fn pid(&self, node: &Node) -> i32 {
        let text =
            fs::read_to_string(self.running.dir().join(&node.name).join("pid")).expect("it was started");
        let file: toml::Table = toml::from_str(&text).expect("the program has written it");
        let pid = file["pid"].as_integer().and_then(|pid| i32::try_from(pid).ok());
        pid.expect("the program has written it")
    }

    /// Kills all of these at the same moment, and returns when that was, once they are dead.
    pub(crate) async fn kill(&self, nodes: &[&Node]) -> Instant {
        let pids: Vec<i32> = nodes.iter().map(|node| self.pid(node)).collect();
        for (pid, node) in pids.iter().zip(nodes) {
            let command = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            assert!(command.contains(self.running.dir_text()), "{} has ended by itself", node.name);
        }
        let killed = Instant::now();
        for pid in &pids {
            let pid = Pid::from_raw(*pid).expect("a process has a number above 0");
            kill_process(pid, Signal::KILL).expect("it is a process of this user");
        }
        while pids.iter().any(|pid| runs(*pid)) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        killed
    }

    /// Starts nodes and waits until they are ready.
    pub(crate) async fn start(&self, nodes: &[&Node]) {
        let names = nodes.iter().map(|node| node.name.as_str());
        self.run(["cluster", "start"].into_iter().chain(names)).await;
    }

    /// Has the program check every record on every participant.
    pub(crate) async fn verify(&self) {
        self.run(["verify", "--quiet-cluster"]).await;
    }

    async fn run<'a>(&self, args: impl IntoIterator<Item = &'a str>) {
        let mut command: Command = self.running.command(args);
        let output: Output = tokio::task::spawn_blocking(move || command.output())
            .await
            .expect("it does not panic")
            .expect("the program can be started");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        for node in self.cluster.nodes() {
            let log = fs::read_to_string(self.running.dir().join(&node.name).join("log")).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n");
            eprintln!("--- the end of the log of {} ({}):\n{tail}", node.name, node.id);
        }
    }
}

/// Whether a process is there and not only waits to be reaped.
fn runs(pid: i32) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).unwrap_or_default();
    let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().next());
    state.is_some_and(|state| !matches!(state, "Z" | "X" | "x"))
}

/// What all participants hold undecided. All of them must answer.
pub(crate) async fn in_doubt(client: &Client) -> Vec<(String, InDoubt)> {
    let mut all = Vec::new();
    for node in client.in_doubt().await {
        let held = node
            .reply
            .unwrap_or_else(|error| panic!("{} can't be asked what is in doubt: {error}", node.name));
        all.extend(held.into_iter().map(|one| (node.name.clone(), one)));
    }
    all
}
