//! Kills every process, again and again, in an order made up from a seed. A thread of its own, which ends when it is told.

use crate::fleet::{Fleet, Process};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// How often the card service is looked after.
const GLANCE: Duration = Duration::from_millis(50);

/// What the thread shares with the run.
#[derive(Default)]
struct Shared {
    /// No more kills; what is dead is started.
    calm: AtomicBool,
    /// End at once.
    stop: AtomicBool,
    rounds: AtomicU64,
    kills: Mutex<BTreeMap<&'static str, u64>>,
    failure: Mutex<Option<String>>,
}

/// The thread that kills.
pub(crate) struct Chaos {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Chaos {
    /// Begins to kill, unless it is to be calm from the start.
    pub(crate) fn start(fleet: Arc<Mutex<Fleet>>, processes: Vec<Process>, seed: u64, kills: bool) -> Chaos {
        let shared = Arc::new(Shared::default());
        shared.calm.store(!kills, Ordering::SeqCst);
        let mut killer = Killer { shared: Arc::clone(&shared), fleet, random: Random(seed) };
        let thread = thread::spawn(move || {
            if let Err(failure) = killer.run(processes) {
                *lock(&killer.shared.failure) = Some(failure);
            }
        });
        Chaos { shared, thread: Some(thread) }
    }

    /// How often every process has been killed.
    pub(crate) fn rounds(&self) -> u64 {
        self.shared.rounds.load(Ordering::SeqCst)
    }

    /// Kills by kind.
    pub(crate) fn kills(&self) -> BTreeMap<&'static str, u64> {
        lock(&self.shared.kills).clone()
    }

    /// Why it could not go on, if so.
    pub(crate) fn failure(&self) -> Option<String> {
        let gone = self.thread.as_ref().is_some_and(JoinHandle::is_finished);
        let failure = lock(&self.shared.failure).clone();
        failure.or_else(|| gone.then(|| "the thread that kills has ended".to_owned()))
    }

    /// No more kills: what is dead comes back, and stays.
    pub(crate) fn calm(&self) {
        self.shared.calm.store(true, Ordering::SeqCst);
    }
}

impl Drop for Chaos {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Killer {
    shared: Arc<Shared>,
    fleet: Arc<Mutex<Fleet>>,
    random: Random,
}

impl Killer {
    fn run(&mut self, mut processes: Vec<Process>) -> Result<(), String> {
        while !self.shared.calm.load(Ordering::SeqCst) {
            self.random.shuffle(&mut processes);
            let mut left = &processes[..];
            while !left.is_empty() && !self.shared.calm.load(Ordering::SeqCst) {
                let together = (1 + self.random.below(3) as usize).min(left.len());
                let (now, later) = left.split_at(together);
                left = later;
                if !self.rest(200, 700) {
                    return Ok(());
                }
                self.strike(now)?;
            }
            if left.is_empty() {
                self.shared.rounds.fetch_add(1, Ordering::SeqCst);
            }
        }
        // The card service crashes by itself, and is always started again.
        while self.rest(1000, 1000) {}
        Ok(())
    }

    /// Some die together, and come back together.
    fn strike(&mut self, processes: &[Process]) -> Result<(), String> {
        for process in processes {
            lock(&self.fleet).kill(process).map_err(|error| error.to_string())?;
            *lock(&self.shared.kills).entry(process.kind()).or_default() += 1;
        }
        let on = self.rest(50, 800);
        for process in processes.iter().filter(|_| on) {
            lock(&self.fleet).start(process).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Waits, and has an eye on the card service; says whether to go on.
    fn rest(&mut self, from_ms: u64, to_ms: u64) -> bool {
        let until = Instant::now() + Duration::from_millis(from_ms + self.random.below(to_ms - from_ms + 1));
        while Instant::now() < until {
            if self.shared.stop.load(Ordering::SeqCst) {
                return false;
            }
            thread::sleep(GLANCE.min(until - Instant::now().min(until)));
            if let Err(error) = lock(&self.fleet).restart_crashed() {
                *lock(&self.shared.failure) = Some(error.to_string());
                return false;
            }
        }
        !self.shared.stop.load(Ordering::SeqCst)
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)) % end
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for index in (1..items.len()).rev() {
            items.swap(index, self.below(index as u64 + 1) as usize);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
