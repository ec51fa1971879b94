//! The thread that waits for the disk, so that a slow disk does not look like a dead node.
//!
//! Most syncs take a tenth of a millisecond. The loop may wait for one of these without looking at the network: nothing may
//! leave before it is done, and what arrives meanwhile is then read from the socket at once instead of packet by
//! packet. Only when a sync takes longer does the loop go back to the network, which keeps connections alive.

use crate::NodeError;
use assent_queue::{StoreError, Syncer};
use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};
use tokio::sync::Notify;

/// Starts syncs, one at a time.
///
/// It ends before this is dropped: the database must be closed when `main` returns, or the thread would close it while
/// the C++ library's own globals are being destroyed, and RocksDB aborts the process over the first of its locks.
pub(crate) struct SyncThread {
    shared: Arc<Shared>,
    thread: Option<thread::JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    /// Told when a sync is to begin, and when this is dropped.
    begun: Condvar,
    /// Told when a sync is done and the loop blocks for it.
    done: Condvar,
    /// Told when a sync is done and the loop does not block.
    done_later: Notify,
}

struct State {
    stage: Stage,
    /// The loop blocks until the sync is done.
    blocks: bool,
}

enum Stage {
    Idle,
    Begun,
    Runs,
    Done(Result<(), StoreError>),
    /// The thread has ended, or is to end.
    Ended,
}

impl SyncThread {
    /// Starts the thread.
    pub(crate) fn start(syncer: Syncer) -> Result<SyncThread, NodeError> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State { stage: Stage::Idle, blocks: false }),
            begun: Condvar::new(),
            done: Condvar::new(),
            done_later: Notify::new(),
        });
        let end = EndsWithThread(Arc::clone(&shared));
        let thread = thread::Builder::new()
            .name("sync".to_string())
            .spawn(move || {
                while end.0.wait_until_begun() {
                    end.0.tell(Stage::Done(syncer.sync()));
                }
            })
            .map_err(|error| NodeError::SyncThread(error.to_string()))?;
        Ok(SyncThread { shared, thread: Some(thread) })
    }

    /// Begins a sync of everything that has been committed to the store. The one before it is done.
    pub(crate) fn begin(&self) -> Result<(), NodeError> {
        let mut state = self.shared.lock();
        match state.stage {
            Stage::Idle => state.stage = Stage::Begun,
            Stage::Ended => return Err(ended()),
            Stage::Begun | Stage::Runs | Stage::Done(_) => unreachable!("one sync at a time"),
        }
        drop(state);
        self.shared.begun.notify_one();
        Ok(())
    }

    /// Blocks for a while for the sync that was begun. None: it still runs.
    pub(crate) fn wait_briefly(&self, patience: Duration) -> Option<Result<(), NodeError>> {
        let mut state = self.shared.lock();
        state.blocks = true;
        let runs = |state: &mut State| matches!(state.stage, Stage::Begun | Stage::Runs);
        let (mut state, _) = self
            .shared
            .done
            .wait_timeout_while(state, patience, runs)
            .unwrap_or_else(PoisonError::into_inner);
        state.blocks = false;
        state.take_done()
    }

    /// Waits for the sync that was begun.
    pub(crate) async fn done(&self) -> Result<(), NodeError> {
        loop {
            if let Some(done) = self.shared.lock().take_done() {
                return done;
            }
            self.shared.done_later.notified().await;
        }
    }
}

impl State {
    fn take_done(&mut self) -> Option<Result<(), NodeError>> {
        match std::mem::replace(&mut self.stage, Stage::Idle) {
            Stage::Done(result) => Some(result.map_err(NodeError::Store)),
            Stage::Ended => {
                self.stage = Stage::Ended;
                Some(Err(ended()))
            }
            other @ (Stage::Idle | Stage::Begun | Stage::Runs) => {
                self.stage = other;
                None
            }
        }
    }
}

impl Shared {
    /// Waits for the next sync; false: there is none any more.
    fn wait_until_begun(&self) -> bool {
        let waits = |state: &mut State| !matches!(state.stage, Stage::Begun | Stage::Ended);
        let mut state = self.begun.wait_while(self.lock(), waits).unwrap_or_else(PoisonError::into_inner);
        let begun = matches!(state.stage, Stage::Begun);
        if begun {
            state.stage = Stage::Runs;
        }
        begun
    }

    /// Tells the loop how the sync went, or that no other will.
    fn tell(&self, stage: Stage) {
        let mut state = self.lock();
        // Once it is to end it stays so: nobody takes results any more.
        if !matches!(state.stage, Stage::Ended) {
            state.stage = stage;
        }
        let blocks = state.blocks;
        drop(state);
        // Each wakes with a system call: only the one that is waited for.
        if blocks {
            self.done.notify_one();
        } else {
            self.done_later.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each change is one assignment, so what a poisoned lock guards is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells the loop that the thread is gone, also when it panics.
struct EndsWithThread(Arc<Shared>);

impl Drop for EndsWithThread {
    fn drop(&mut self) {
        self.0.tell(Stage::Ended);
    }
}

impl Drop for SyncThread {
    fn drop(&mut self) {
        self.shared.lock().stage = Stage::Ended;
        self.shared.begun.notify_one();
        // If it has panicked, that was noticed where its results are received.
        let _ = self.thread.take().map(thread::JoinHandle::join);
    }
}

fn ended() -> NodeError {
    NodeError::SyncThread("it has ended".to_string())
}
