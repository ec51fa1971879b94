//! After the faults: whether the cluster is whole again. What workloads know nothing of is judged here.

use super::{repeats::Differing, settling::Settled};
use crate::{
    attack::{
        environment::{Environment, binary},
        error::AttackError,
        options::AttackOptions,
    },
    verdict::{Anomaly, Finding, Verdict},
};
use assent_client::Client;
use std::{
    fmt::Write as _,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// How long after all faults a transaction may stay in doubt.
const DECIDED_WITHIN: Duration = Duration::from_secs(30);
/// Between two questions.
const ASK_EVERY: Duration = Duration::from_millis(100);
/// Lines of a log that are shown of a node that does not get ready.
const TAIL_LINES: usize = 8;

/// Whether every node is there again, and none has ended by itself. `ready` is how waiting for them ended.
pub(super) fn nodes(cluster: &Environment, ready: &Result<(), AttackError>) -> Verdict {
    let mut anomalies = Vec::new();
    let mut found = |class: &str, words: String| {
        anomalies.push(Anomaly { class: class.to_owned(), words, events: Vec::new() });
    };
    if let Err(error) = ready {
        found("node does not come back", error.to_string());
    }
    for node in &cluster.nodes {
        let log = std::fs::read_to_string(node.log()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        for status in node.unexplained_ends() {
            let tail = lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n");
            found("node ended by itself", format!("{}: {status}; its log ends:\n{tail}", node.name()));
        }
        for line in lines.iter().filter(|line| line.contains("panicked at")) {
            found("node panicked", format!("{}: {line}", node.name()));
        }
    }
    let starts: u32 = cluster.nodes.iter().map(|node| node.starts()).sum();
    let slow: u32 = cluster.nodes.iter().map(|node| node.slow_ends()).sum();
    let mut summary = format!("{} nodes, started {starts} times in all", cluster.nodes.len());
    if slow > 0 {
        let _ =
            write!(summary, "; {slow} times one did not end in time when it was asked to, and was killed");
    }
    verdict("nodes", summary, anomalies)
}

/// That an operation can't be committed though all faults are over, with what the nodes know.
pub(super) async fn stuck(client: &Client, error: &AttackError) -> Verdict {
    let mut words = error.to_string();
    for node in client.in_doubt().await {
        let _ = write!(words, "; {}: {:?}", node.name, node.reply);
    }
    let anomaly = Anomaly { class: "does not work again".to_owned(), words, events: Vec::new() };
    undecided("works again", "the last operations could not be committed".to_owned(), vec![anomaly])
}

/// Whether everything gets decided, now that nothing stands in the way.
pub(super) async fn in_doubt(client: &Client) -> Verdict {
    let started = Instant::now();
    loop {
        let mut anomalies = Vec::new();
        for node in client.in_doubt().await {
            let mut found = |class: &str, words: String| {
                anomalies.push(Anomaly { class: class.to_owned(), words, events: Vec::new() });
            };
            match node.reply {
                Ok(list) => list.iter().for_each(|doubt| {
                    found("still in doubt", format!("{} holds {doubt:?}", node.name));
                }),
                Err(error) => found("no answer", format!("{}: {error}", node.name)),
            }
        }
        let waited = started.elapsed();
        if anomalies.is_empty() || waited > DECIDED_WITHIN {
            let summary = format!("asked for {:.1} s after the faults", waited.as_secs_f64());
            return undecided("nothing in doubt", summary, anomalies);
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

/// Whether every unknown outcome was learned in the end.
pub(super) fn settled(settled: &Settled) -> Verdict {
    let of = |class: &str, ids: &[String]| -> Vec<Anomaly> {
        let anomaly =
            |id: &String| Anomaly { class: class.to_owned(), words: id.clone(), events: Vec::new() };
        ids.iter().map(anomaly).collect()
    };
    let anomalies =
        [of("outcome forgotten", &settled.forgotten), of("outcome still unknown", &settled.unknown)].concat();
    let summary = format!(
        "unknown outcomes: {} were committed, {} aborted, {} forgotten, {} are still unknown",
        settled.committed,
        settled.aborted,
        settled.forgotten.len(),
        settled.unknown.len()
    );
    if settled.forgotten.is_empty() {
        return undecided("outcomes are learned", summary, anomalies);
    }
    verdict("outcomes are learned", summary, anomalies)
}

/// Whether repeats heard what the first answer said.
pub(super) fn repeats(differing: &Differing) -> Verdict {
    let (heard, unheard, words) = differing.found();
    let anomaly = |words| Anomaly { class: "answers differ".to_owned(), words, events: Vec::new() };
    let anomalies = words.into_iter().map(anomaly).collect();
    let mut verdict =
        verdict("repeats agree", format!("{heard} repeats heard an answer, {unheard} none"), anomalies);
    if heard == 0 && verdict.finding == Finding::Holds {
        verdict.finding = Finding::Unknown;
    }
    verdict
}

/// Whether the product's own verification agrees, for workloads of students and courses.
pub(super) fn verify(options: &AttackOptions, cluster: &Environment) -> Result<Verdict, AttackError> {
    let program = binary::assent(options)?;
    let [certificate, _, _] = cluster.layout.client_identity(&super::clients::name(1));
    let failed =
        |why: String| AttackError::Command { command: "assent verify --quiet-cluster".to_owned(), why };
    let output = Command::new(program)
        .args(["verify", "--quiet-cluster", "--deadline-ms", "30000", "--cluster"])
        .arg(cluster.layout.clients_file())
        .arg("--certificate")
        .arg(certificate)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| failed(error.to_string()))?;
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned());
    let said = said.join("\n").trim().to_owned();
    // 0: all is as it should be; 9: it is not. See docs/cli.md.
    match output.status.code() {
        Some(0) => Ok(verdict("assent verify", said, Vec::new())),
        Some(9) => {
            let anomaly = Anomaly { class: "assent verify".to_owned(), words: said, events: Vec::new() };
            Ok(verdict("assent verify", "it found something wrong".to_owned(), vec![anomaly]))
        }
        _ => Err(failed(format!("{}: {said}", output.status))),
    }
}

/// The verdict on what takes its time: what was found is late, and nothing worse.
pub(super) fn undecided(checker: &str, summary: String, anomalies: Vec<Anomaly>) -> Verdict {
    let finding = if anomalies.is_empty() { Finding::Holds } else { Finding::Undecided };
    Verdict { finding, ..verdict(checker, summary, anomalies) }
}

fn verdict(checker: &str, summary: String, anomalies: Vec<Anomaly>) -> Verdict {
    let finding = if anomalies.is_empty() { Finding::Holds } else { Finding::Violated };
    Verdict { checker: checker.to_owned(), finding, summary, anomalies, tables: Vec::new() }
}
