//! The simulator: whole clusters of the machines that ship in one thread, in virtual time, from one seed.
//!
//! Clients, coordinators and participants run over a network that loses, doubles, delays, reorders and cuts, and over disks that
//! forget what was not synced. Each seed draws its own faults ([`Options::drawn`]). After every step properties are
//! judged; then the faults end, everything must be decided and forgotten, and the workload judges the history.
//!
//! To add: a kind of machine, a file in `machines/`; a property, a file in `properties/`; a workload, an `impl Workload`.
//! Not here: real time, threads, sockets. The same options give the same run, byte for byte.

mod account;
mod agenda;
mod client;
mod clock;
mod disk;
mod history;
mod machines;
pub mod mixed;
mod network;
mod options;
mod panics;
mod properties;
mod routes;
mod shrink;
mod summary;
mod sweep;
mod words;
mod world;

pub use account::account;
pub use mixed::Mixed;
pub use options::{InvalidOptions, Lasting, Options};
pub use shrink::shrink;
pub use summary::Summary;
pub use sweep::{Progress, Sweep, Swept};

use crate::{history::History, run::Fault, verdict::Finding, workload::Workload};
use std::fmt;

/// What a run that broke nothing came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Counts.
    pub summary: Summary,
    /// What clients saw.
    pub history: History,
    /// What went wrong, by plan.
    pub faults: Vec<Fault>,
}

/// A property that does not hold, and how to see it again.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub struct Failure {
    /// What all chance came from.
    pub seed: u64,
    /// What the run was made of.
    pub options: Options,
    /// Which workload.
    pub workload: String,
    /// Which property, or checker of the workload.
    pub property: String,
    /// Whether something is wrong, or only not decided in time.
    pub finding: Finding,
    /// What is wrong.
    pub words: String,
    /// When it was seen, in virtual microseconds.
    pub at_us: u64,
}

impl Failure {
    /// Every message and fault of the run, one to a line: runs it once more. The workload is made anew, as for the run.
    pub fn trace(&self, mut workload: Box<dyn Workload>) -> String {
        trace(&self.options, workload.as_mut())
    }

    /// The command that runs it again.
    pub fn replay(&self) -> String {
        self.options.replay(&self.workload)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.options)?;
        writeln!(
            f,
            "{} is violated after {:.6} virtual s: {}",
            self.property,
            self.at_us as f64 / 1e6,
            self.words
        )?;
        write!(f, "replay: {}", self.replay())
    }
}

/// Runs a cluster from its start until everything is done and forgotten.
///
/// # Errors
/// The first property that does not hold, or the workload's first verdict that says so.
pub fn run(options: &Options, mut workload: Box<dyn Workload>) -> Result<Outcome, Failure> {
    let ended = world::World::new(options, workload.as_mut(), false).run();
    let failure = |property: &str, finding, words: &str, at_us| Failure {
        seed: options.seed,
        options: options.clone(),
        workload: workload.name().to_string(),
        property: property.to_string(),
        finding,
        words: words.to_string(),
        at_us,
    };
    if let Err((violation, at_us)) = &ended.result {
        return Err(failure(&violation.property, violation.finding, &violation.words, *at_us));
    }
    let wrong = workload.check(&ended.history).into_iter().find(|v| v.finding >= Finding::Undecided);
    if let Some(verdict) = wrong {
        let words = verdict.anomalies.first().map_or(&verdict.summary, |anomaly| &anomaly.words);
        return Err(failure(&verdict.checker, verdict.finding, words, ended.summary.virtual_ms * 1000));
    }
    Ok(Outcome { summary: ended.summary, history: ended.history, faults: ended.faults })
}

/// Runs with every message and fault written down, one to a line.
pub fn trace(options: &Options, workload: &mut dyn Workload) -> String {
    world::World::new(options, workload, true).run().trace.unwrap_or_default()
}
