//! Makes a failing run smaller, one option at a time, as long as it still breaks the same property.
//!
//! A smaller run takes other chances, so each candidate is tried with a few seeds. That it finds the smallest is not
//! promised.

use super::{Failure, Options, run};
use crate::workload::Workload;

/// Seeds that are tried for each candidate.
const SEEDS_PER_CANDIDATE: u64 = 6;
/// Runs at most, in all.
const RUNS_MAX: u64 = 1_500;

/// What a fault's count becomes when it is taken away, by its name; and sizes, which go down step by step.
const FAULTS: [&str; 30] = [
    "consumer_crashes",
    "consumer_disconnects",
    "wall_jumps",
    "wall_skew_ms_max",
    "drift_ppm_max",
    "client_deaths",
    "client_crashes",
    "client_disconnects",
    "pauses",
    "slow_disks",
    "full_disks",
    "failed_syncs",
    "coordinator_deaths",
    "crash_at_send_per_mille",
    "crash_at_sync_per_mille",
    "crashes",
    "torn_per_mille",
    "flaps",
    "partitions",
    "one_way_cuts",
    "cuts",
    "silent_per_mille",
    "loss_per_mille",
    "misdirect_per_mille",
    "duplicate_per_mille",
    "reorder_per_mille",
    "late_per_mille",
    "give_up_per_mille",
    "twin_per_mille",
    "leave_per_mille",
];
const SIZES: [(&str, u64); 6] = [
    ("clients", 1),
    ("processes", 1),
    ("requests", 1),
    ("coordinators", 1),
    ("participants", 1),
    ("crashes", 1),
];

/// The smallest failure of the same property that is found.
pub fn shrink(failure: Failure, make_workload: &dyn Fn(u64) -> Box<dyn Workload>) -> Failure {
    let mut shrinking = Shrinking { failure, make_workload, runs: 0 };
    while shrinking.runs < RUNS_MAX && shrinking.round() {}
    shrinking.failure
}

struct Shrinking<'a> {
    failure: Failure,
    make_workload: &'a dyn Fn(u64) -> Box<dyn Workload>,
    runs: u64,
}

impl Shrinking<'_> {
    /// Tries every change once. Says whether any was kept.
    fn round(&mut self) -> bool {
        let mut kept = false;
        for (name, least) in SIZES {
            while let Some(value) = self.value(name).filter(|value| *value > least) {
                let half = (value / 2).max(least);
                if !self.keep(name, half) && !self.keep(name, value - 1) {
                    break;
                }
                kept = true;
            }
        }
        for name in FAULTS {
            kept |= self.value(name).is_some_and(|value| value > 0) && self.keep(name, 0);
        }
        // What is drawn but is no fault goes back to what is usual.
        if self.failure.options.patient > 0 {
            // There the times are what is judged.
            return kept;
        }
        let calm = Options::calm(0);
        for (name, _) in calm.fields() {
            let usual = calm.value(name);
            if !is_size_or_fault(name) && self.failure.options.value(name) != usual {
                kept |= usual.is_some_and(|usual| self.keep_text(name, &usual));
            }
        }
        kept
    }

    fn value(&self, name: &str) -> Option<u64> {
        self.failure.options.value(name)?.parse().ok()
    }

    fn keep(&mut self, name: &str, value: u64) -> bool {
        self.keep_text(name, &value.to_string())
    }

    /// Keeps the change if a run with it breaks the same property.
    fn keep_text(&mut self, name: &str, value: &str) -> bool {
        let mut options = self.failure.options.clone();
        if options.set(name, value).is_err() {
            return false;
        }
        for salt in 0..SEEDS_PER_CANDIDATE {
            if self.runs >= RUNS_MAX {
                return false;
            }
            self.runs += 1;
            options.seed = self.failure.seed + salt;
            if let Err(smaller) = run(&options, (self.make_workload)(options.seed))
                && smaller.property == self.failure.property
            {
                self.failure = smaller;
                return true;
            }
        }
        false
    }
}

fn is_size_or_fault(name: &str) -> bool {
    FAULTS.contains(&name) || SIZES.iter().any(|(size, _)| *size == name)
}
