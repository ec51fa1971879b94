//! The thread that waits for the disk, so that a slow disk does not look like a dead node.

use crate::NodeError;
use assent_queue::{StoreError, Syncer};
use std::{sync::mpsc as blocking, thread};
use tokio::sync::mpsc;

/// Starts syncs, one at a time.
///
/// It ends before this is dropped: the database must be closed when `main` returns, or the thread would close it while
/// the C++ library's own globals are being destroyed, and RocksDB aborts the process over the first of its locks.
pub(crate) struct SyncThread {
    /// None only while this is being dropped: without it, the thread ends.
    begin: Option<blocking::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl SyncThread {
    /// Starts the thread. Each sync that was begun puts one result into the receiver.
    pub(crate) fn start(
        syncer: Syncer,
    ) -> Result<(SyncThread, mpsc::UnboundedReceiver<Result<(), StoreError>>), NodeError> {
        let (begin, begun) = blocking::channel();
        let (done, results) = mpsc::unbounded_channel();
        let run = move || {
            while begun.recv().is_ok() {
                if done.send(syncer.sync()).is_err() {
                    break;
                }
            }
        };
        let thread = thread::Builder::new()
            .name("sync".to_string())
            .spawn(run)
            .map_err(|error| NodeError::SyncThread(error.to_string()))?;
        Ok((SyncThread { begin: Some(begin), thread: Some(thread) }, results))
    }

    /// Begins a sync of everything that has been committed to the store.
    pub(crate) fn begin(&self) -> Result<(), NodeError> {
        let begun = self.begin.as_ref().is_some_and(|begin| begin.send(()).is_ok());
        if begun { Ok(()) } else { Err(NodeError::SyncThread("it has ended".to_string())) }
    }
}

impl Drop for SyncThread {
    fn drop(&mut self) {
        drop(self.begin.take());
        // If it has panicked, that was noticed where its results are received.
        let _ = self.thread.take().map(thread::JoinHandle::join);
    }
}
