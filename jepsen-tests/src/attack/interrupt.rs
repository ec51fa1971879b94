//! Ctrl-C and SIGTERM: while an attack runs they end it in order, so that everything it made is removed.
//!
//! One listener for the whole program, since a signal is caught once for all. When no attack runs, a signal ends the
//! program, as it would have without the listener.

use super::error::AttackError;
use std::sync::{
    Arc, Condvar, Mutex, OnceLock, PoisonError, Weak,
    atomic::{AtomicBool, Ordering},
};
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};

/// The exit status after a signal, as shells have it for Ctrl-C.
const INTERRUPTED: i32 = 130;

/// The attacks that run.
static RUNNING: OnceLock<Mutex<Vec<Weak<Flag>>>> = OnceLock::new();

#[derive(Debug, Default)]
struct Flag {
    interrupted: AtomicBool,
    over: Mutex<bool>,
    told: Condvar,
}

/// Whether one attack is to end, and why. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Interrupt(Arc<Flag>);

impl Interrupt {
    /// For one attack: from now on signals end it.
    pub(crate) fn listen() -> Interrupt {
        let running = RUNNING.get_or_init(|| {
            // Without a listener, a signal ends the program at once, and the next run removes what this one has made.
            let _ = std::thread::Builder::new().name("signals".to_owned()).spawn(catch);
            Mutex::default()
        });
        let flag = Arc::new(Flag::default());
        running.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&flag));
        Interrupt(flag)
    }

    /// An error if the attack was interrupted.
    pub(crate) fn check(&self) -> Result<(), AttackError> {
        if self.0.interrupted.load(Ordering::SeqCst) { Err(AttackError::Interrupted) } else { Ok(()) }
    }

    /// Whether faults and clients are to end.
    pub(crate) fn is_over(&self) -> bool {
        *self.0.over.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Faults and clients are to end.
    pub(crate) fn end(&self) {
        self.0.end();
    }

    /// Waits until then; says whether it is to go on.
    pub(crate) fn sleep_until(&self, until: Instant) -> bool {
        let mut over = self.0.over.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if *over || left.is_zero() {
                return !*over;
            }
            over = self.0.told.wait_timeout(over, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits so long; says whether it is to go on.
    pub(crate) fn sleep(&self, time: Duration) -> bool {
        self.sleep_until(Instant::now() + time)
    }
}

impl Flag {
    fn end(&self) {
        *self.over.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.told.notify_all();
    }
}

fn catch() {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    runtime.block_on(async {
        let (Ok(mut interrupt), Ok(mut terminate)) =
            (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
        else {
            return;
        };
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if !tell() {
                std::process::exit(INTERRUPTED);
            }
        }
    });
}

/// Tells every attack that runs; says whether there was one.
fn tell() -> bool {
    let Some(running) = RUNNING.get() else { return false };
    let mut running = running.lock().unwrap_or_else(PoisonError::into_inner);
    running.retain(|flag| flag.strong_count() > 0);
    for flag in running.iter().filter_map(Weak::upgrade) {
        flag.interrupted.store(true, Ordering::SeqCst);
        flag.end();
    }
    !running.is_empty()
}
