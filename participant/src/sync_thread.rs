//! The thread that waits for the disk, so that a slow disk does not look like a dead node.

use crate::NodeError;
use assent_queue::{StoreError, Syncer};
use std::{sync::mpsc as blocking, thread};
use tokio::sync::mpsc;

/// Starts syncs, one at a time.
pub(crate) struct SyncThread {
    begin: blocking::Sender<()>,
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
        thread::Builder::new()
            .name("sync".to_string())
            .spawn(run)
            .map_err(|error| NodeError::SyncThread(error.to_string()))?;
        Ok((SyncThread { begin }, results))
    }

    /// Begins a sync of everything that has been committed to the store.
    pub(crate) fn begin(&self) -> Result<(), NodeError> {
        self.begin.send(()).map_err(|_| NodeError::SyncThread("it has ended".to_string()))
    }
}
