//! One simulated run told whole: its account and history, whether or not something is wrong with it.

use super::{Options, machines, properties::Violation, world};
use crate::{
    history::History,
    run::Run,
    verdict::{Anomaly, Finding, Verdict},
    workload::Workload,
};
use assent_protocol::{directory::Directory, ids::NodeId};
use std::collections::BTreeMap;

/// The name of the verdict on what is judged after every step, where it holds.
const PROPERTIES: &str = "properties";

/// Runs a cluster, as [`run`](super::run) does, and gives its account and what clients saw.
///
/// Where a property is violated the run ends there, and only that is judged: of a history that was cut off, checkers of
/// histories would say what is not so.
pub fn account(options: &Options, mut workload: Box<dyn Workload>) -> (Run, History) {
    let ended = world::World::new(options, workload.as_mut(), false).run();
    let verdicts = match &ended.result {
        Ok(()) => {
            let mut verdicts = vec![holds(ended.summary.steps)];
            verdicts.extend(workload.check(&ended.history));
            verdicts
        }
        Err((violation, at_us)) => vec![violated(violation, *at_us)],
    };
    let run = Run {
        instrument: "simulate".to_owned(),
        workload: workload.name().to_owned(),
        nemeses: ended.summary.faults.keys().map(|kind| (*kind).to_owned()).collect(),
        seed: options.seed,
        options: changes(options),
        started: String::new(),
        seconds: ended.summary.virtual_ms as f64 / 1000.0,
        nodes: nodes(options),
        faults: ended.faults,
        verdicts,
        replay: options.replay(workload.name()),
        notes: ended.summary.to_string().lines().map(str::to_owned).collect(),
    };
    (run, ended.history)
}

fn holds(steps: u64) -> Verdict {
    Verdict {
        checker: PROPERTIES.to_owned(),
        finding: Finding::Holds,
        summary: format!(
            "every property of what is asked, said, durable and answered, after each of {steps} steps"
        ),
        anomalies: Vec::new(),
        tables: Vec::new(),
    }
}

fn violated(violation: &Violation, at_us: u64) -> Verdict {
    let Violation { property, finding, words } = violation.clone();
    let anomaly = Anomaly { class: property.clone(), words, events: Vec::new() };
    Verdict {
        checker: property,
        finding,
        summary: format!("violated after {:.6} virtual s; the run ended there", at_us as f64 / 1e6),
        anomalies: vec![anomaly],
        tables: Vec::new(),
    }
}

fn nodes(options: &Options) -> Vec<String> {
    let participants = (1..=options.participants).map(|id| NodeId(id as u16)).collect();
    let directory = Directory::new(BTreeMap::new(), participants);
    machines::cluster(options, &directory).into_iter().map(|seat| seat.name).collect()
}

/// The options that differ from calm ones.
fn changes(options: &Options) -> BTreeMap<String, String> {
    let calm = Options::calm(options.seed).fields();
    let changed = options.fields().into_iter().zip(calm).filter(|(own, calm)| own.1 != calm.1);
    changed.map(|((name, value), _)| (name.to_owned(), value)).collect()
}
