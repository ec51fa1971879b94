//! Many seeds over threads, up to the first failure.

use super::{Failure, Options, Summary, run};
use crate::workload::Workload;
use std::{
    ops::Range,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// Which runs to make.
pub struct Sweep<'a> {
    /// The seeds.
    pub seeds: Range<u64>,
    /// How many at the same time; at least one.
    pub threads: usize,
    /// What a seed's run is made of, mostly [`Options::drawn`].
    pub options: &'a (dyn Fn(u64) -> Options + Sync),
    /// The workload of a seed.
    pub workload: &'a (dyn Fn(u64) -> Box<dyn Workload> + Sync),
}

/// How far a sweep has come.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Seeds that have run.
    pub seeds_done: u64,
    /// Seeds in all.
    pub seeds_total: u64,
    /// Transactions of clients so far.
    pub transactions: u64,
    /// Faults so far.
    pub faults: u64,
    /// Since the beginning.
    pub elapsed: Duration,
}

/// What a sweep came to.
#[derive(Clone, Debug)]
pub struct Swept {
    /// Seeds that ran.
    pub seeds: u64,
    /// All of them together.
    pub summary: Summary,
    /// The failure of the lowest seed that fails.
    pub failure: Option<Failure>,
    /// How long it took.
    pub elapsed: Duration,
    /// Threads that ran it.
    pub threads: usize,
}

impl Swept {
    /// A count, per second of one core.
    pub fn per_core_second(&self, count: u64) -> f64 {
        count as f64 / self.elapsed.as_secs_f64().max(1e-9) / self.threads as f64
    }
}

#[derive(Default)]
struct Total {
    seeds: u64,
    summary: Summary,
    failure: Option<Failure>,
}

impl Sweep<'_> {
    /// Runs all seeds in order, until one fails and all below it have run.
    pub fn run(&self, on_progress: &(dyn Fn(Progress) + Sync)) -> Swept {
        let began = Instant::now();
        let next = AtomicU64::new(self.seeds.start);
        // No seed from here on is of interest.
        let end = AtomicU64::new(self.seeds.end);
        let total = Mutex::new(Total::default());
        let threads = self.threads.max(1);
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= end.load(Ordering::Relaxed) {
                            return;
                        }
                        let result = run(&(self.options)(seed), (self.workload)(seed));
                        let progress = {
                            let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
                            total.add(seed, result, &end);
                            self.progress(&total, began)
                        };
                        on_progress(progress);
                    }
                });
            }
        });
        let total = total.into_inner().unwrap_or_else(PoisonError::into_inner);
        Swept {
            seeds: total.seeds,
            summary: total.summary,
            failure: total.failure,
            elapsed: began.elapsed(),
            threads,
        }
    }

    fn progress(&self, total: &Total, began: Instant) -> Progress {
        Progress {
            seeds_done: total.seeds,
            seeds_total: self.seeds.end.saturating_sub(self.seeds.start),
            transactions: total.summary.transactions(),
            faults: total.summary.faults_total(),
            elapsed: began.elapsed(),
        }
    }
}

impl Total {
    fn add(&mut self, seed: u64, result: Result<super::Outcome, Failure>, end: &AtomicU64) {
        self.seeds += 1;
        match result {
            Ok(outcome) => self.summary.add(&outcome.summary),
            Err(failure) => {
                end.fetch_min(seed, Ordering::Relaxed);
                if self.failure.as_ref().is_none_or(|known| known.seed > seed) {
                    self.failure = Some(failure);
                }
            }
        }
    }
}
