//! What a run, or many, came to: counts of what clients were told, of faults, and of what machines did.

use super::client::Counts;
use std::{collections::BTreeMap, fmt};

/// Counts of one run or of many.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Summary {
    /// Writing transactions that clients were told are committed.
    pub committed: u64,
    /// Writing transactions that clients were told are aborted.
    pub aborted: u64,
    /// Transactions that only read, with an answer.
    pub reads: u64,
    /// Operations whose clients never learnt the outcome in time.
    pub unknown: u64,
    /// Requests that were sent again.
    pub repeats: u64,
    /// Requests under an id that stood for something else.
    pub twins: u64,
    /// Messages that arrived.
    pub messages: u64,
    /// Events.
    pub steps: u64,
    /// Virtual time, in milliseconds.
    pub virtual_ms: u64,
    /// Faults by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// What machines count of themselves.
    pub figures: BTreeMap<&'static str, u64>,
}

impl Summary {
    /// Adds another run.
    pub fn add(&mut self, other: &Summary) {
        self.committed += other.committed;
        self.aborted += other.aborted;
        self.reads += other.reads;
        self.unknown += other.unknown;
        self.repeats += other.repeats;
        self.twins += other.twins;
        self.messages += other.messages;
        self.steps += other.steps;
        self.virtual_ms += other.virtual_ms;
        for (kind, count) in &other.faults {
            *self.faults.entry(kind).or_default() += count;
        }
        for (name, count) in &other.figures {
            *self.figures.entry(name).or_default() += count;
        }
    }

    /// All operations of clients.
    pub fn transactions(&self) -> u64 {
        self.committed + self.aborted + self.reads + self.unknown
    }

    /// All faults.
    pub fn faults_total(&self) -> u64 {
        self.faults.values().sum()
    }

    pub(super) fn add_client(&mut self, counts: &Counts) {
        self.committed += counts.committed;
        self.aborted += counts.aborted;
        self.reads += counts.reads;
        self.unknown += counts.unknown;
        self.repeats += counts.repeated;
        self.twins += counts.twins;
    }

    pub(super) fn add_figures(&mut self, figures: Vec<(&'static str, u64)>) {
        for (name, count) in figures {
            *self.figures.entry(name).or_default() += count;
        }
    }

    pub(super) fn count_fault(&mut self, kind: &'static str, count: u64) {
        if count > 0 {
            *self.faults.entry(kind).or_default() += count;
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |counts: &BTreeMap<&'static str, u64>| {
            counts.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
        };
        writeln!(
            f,
            "{} committed, {} aborted, {} reads, {} unknown; {} repeats, {} twins; {} messages, {} steps, {:.1} virtual s",
            self.committed,
            self.aborted,
            self.reads,
            self.unknown,
            self.repeats,
            self.twins,
            self.messages,
            self.steps,
            self.virtual_ms as f64 / 1000.0
        )?;
        writeln!(f, "faults: {}", list(&self.faults))?;
        write!(f, "machines: {}", list(&self.figures))
    }
}
