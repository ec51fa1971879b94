//! What a benchmark says.

use crate::{latency::Percentiles, output::thousands, tally::Tally};
use serde::Serialize;
use std::fmt;

/// The figures of one run.
#[derive(Clone, Debug, Serialize)]
pub(super) struct BenchReport {
    /// Sessions in the closed loop.
    pub(super) clients: u64,
    /// How long was measured, after the warm-up.
    pub(super) seconds: f64,
    /// Students that enrol and drop.
    pub(super) students: u64,
    /// Courses that they choose from.
    pub(super) courses: u64,
    /// Transactions committed.
    pub(super) committed: u64,
    /// Those of them that enrolled.
    pub(super) enrolled: u64,
    /// Those of them that dropped.
    pub(super) dropped: u64,
    /// Committed transactions per second.
    pub(super) transactions_per_second: f64,
    /// From the first try to the commit.
    pub(super) latency: Percentiles,
    /// Tries that were aborted, by reason; each was tried again.
    pub(super) aborts: Tally,
    /// Aborted tries for each try.
    pub(super) abort_rate: f64,
    /// Outcomes that were unknown at the end of a call, and then learnt.
    pub(super) unknown: u64,
    /// fdatasync calls per second on the cluster's disk, just before.
    pub(super) fdatasync_per_second: Option<u64>,
}

impl fmt::Display for BenchReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} clients, {} students, {} courses, {:.1} s",
            thousands(self.clients),
            thousands(self.students),
            thousands(self.courses),
            self.seconds
        )?;
        writeln!(f, "  committed   {} txn/s", thousands(self.transactions_per_second as u64))?;
        writeln!(
            f,
            "              {} in all: {} enrolled, {} dropped",
            thousands(self.committed),
            thousands(self.enrolled),
            thousands(self.dropped)
        )?;
        writeln!(f, "  latency     {}", self.latency)?;
        writeln!(
            f,
            "  aborted     {}  ({:.2} % of the tries; all tried again)",
            self.aborts,
            self.abort_rate * 100.0
        )?;
        if self.unknown > 0 {
            writeln!(f, "  unknown     {} at first, learnt later", thousands(self.unknown))?;
        }
        match self.fdatasync_per_second {
            Some(rate) => {
                writeln!(f, "  fdatasync   {} per second on the same disk, just before", thousands(rate))
            }
            None => writeln!(f, "  fdatasync   not measured: the cluster's disk is not here"),
        }
    }
}
