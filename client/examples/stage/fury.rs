//! What strikes nodes and workers, one after the other, in rounds: in each round every node and every worker is killed with
//! SIGKILL and started again, and some workers are stopped for longer than their leases while a double does their work.

use super::{Failure, LEASE, NODES, Random, Stage};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// What has been done to whom.
#[derive(Default)]
struct Strikes {
    coordinators: AtomicU64,
    participants: AtomicU64,
    workers: AtomicU64,
    doubled: AtomicU64,
    rounds: AtomicU64,
    stop: AtomicBool,
}

impl fmt::Display for Fury {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.strikes.fmt(f)
    }
}

impl fmt::Display for Strikes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let (coordinators, participants) = (count(&self.coordinators), count(&self.participants));
        let (workers, doubled) = (count(&self.workers), count(&self.doubled));
        write!(
            f,
            "killed: {coordinators} coordinators, {participants} participants, {workers} workers; \
             {doubled} workers slept past their leases while a double worked"
        )
    }
}

enum Victim {
    Node(&'static str),
    Worker(usize),
    /// One that gets slow.
    Slow(usize),
}

/// Strikes until it is told to end, or dropped.
pub(crate) struct Fury {
    strikes: Arc<Strikes>,
    thread: Option<JoinHandle<Result<(), Failure>>>,
}

impl Fury {
    /// Begins, with a pause of about this long before each strike.
    pub(crate) fn begin(stage: &Arc<Stage>, pause: Duration) -> Fury {
        let strikes = Arc::new(Strikes::default());
        let hand = Hand {
            stage: Arc::clone(stage),
            strikes: Arc::clone(&strikes),
            random: Random::new(stage.seed),
            pause,
        };
        Fury { strikes, thread: Some(thread::spawn(move || hand.rage())) }
    }

    /// Whether everybody was struck this often. Also if it can strike no more, which [`Fury::end`] then says.
    pub(crate) fn has_struck(&self, rounds: u64) -> bool {
        self.strikes.rounds.load(Ordering::Relaxed) >= rounds
            || self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Strikes no more, and says what was done; everything runs again when this returns.
    pub(crate) async fn end(mut self) -> Result<String, Failure> {
        self.strikes.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            tokio::task::spawn_blocking(move || thread.join()).await?.map_err(|_| "the fury panicked")??;
        }
        Ok(self.strikes.to_string())
    }
}

impl Drop for Fury {
    fn drop(&mut self) {
        self.strikes.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // Nobody is left to be told.
            let _ = thread.join();
        }
    }
}

struct Hand {
    stage: Arc<Stage>,
    strikes: Arc<Strikes>,
    random: Random,
    pause: Duration,
}

impl Hand {
    fn rage(mut self) -> Result<(), Failure> {
        loop {
            let workers = self.stage.crew().len();
            let mut victims: Vec<Victim> = NODES.into_iter().map(Victim::Node).collect();
            victims.extend((0..workers).map(Victim::Worker));
            if workers > 0 {
                victims.extend((0..2).map(|_| Victim::Slow(self.random.below(workers))));
            }
            self.random.shuffle(&mut victims);
            for victim in victims {
                let half = u64::try_from(self.pause.as_millis() / 2).unwrap_or(u64::MAX);
                let pause = Duration::from_millis(half + self.random.next() % (half + 1));
                if self.rest(pause) {
                    return Ok(());
                }
                self.strike(&victim)?;
            }
            self.strikes.rounds.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether it was told to end meanwhile.
    fn rest(&self, pause: Duration) -> bool {
        let step = Duration::from_millis(50);
        let mut left = pause;
        while !self.strikes.stop.load(Ordering::Relaxed) && !left.is_zero() {
            thread::sleep(step.min(left));
            left = left.saturating_sub(step);
        }
        self.strikes.stop.load(Ordering::Relaxed)
    }

    fn strike(&mut self, victim: &Victim) -> Result<(), Failure> {
        let (stage, strikes) = (&self.stage, &self.strikes);
        let more = |count: &AtomicU64| count.fetch_add(1, Ordering::Relaxed);
        match *victim {
            Victim::Node(node) => {
                stage.cluster(["kill", "--dir"], Some(node))?;
                more(if node.starts_with("coordinator") {
                    &strikes.coordinators
                } else {
                    &strikes.participants
                });
                thread::sleep(Duration::from_millis(self.random.next() % 300));
                // Somebody else's connection may sit on a free port for a moment.
                let mut tries = (0..20).map(|_| stage.cluster(["start", "--dir"], Some(node)));
                tries.find(Result::is_ok).unwrap_or_else(|| Err(format!("{node} does not start").into()))
            }
            Victim::Worker(index) => {
                let role = {
                    let worker = &mut stage.crew()[index];
                    worker.kill();
                    worker.role.clone()
                };
                more(&strikes.workers);
                stage.crew()[index] = stage.start(&role)?;
                Ok(())
            }
            Victim::Slow(index) => {
                let (role, pid) = {
                    let worker = &stage.crew()[index];
                    (worker.role.clone(), worker.process.id())
                };
                let pid = Pid::from_raw(i32::try_from(pid)?).ok_or("a process has a number above 0")?;
                let mut double = stage.start(&role)?;
                kill_process(pid, Signal::STOP)?;
                thread::sleep(LEASE * 3 / 2);
                // It goes on with what it believes to be its own, beside its double.
                let woken = kill_process(pid, Signal::CONT);
                more(&strikes.doubled);
                thread::sleep(LEASE / 3);
                double.kill();
                Ok(woken?)
            }
        }
    }
}
