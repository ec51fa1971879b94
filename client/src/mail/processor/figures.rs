//! What a processor counts.

use super::{MailError, working::Ended};
use std::{
    fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// What a processor has done so far.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ProcessorFigures {
    /// Messages that were delivered to it.
    pub received: u64,
    /// Of these, how many not for the first time.
    pub redelivered: u64,
    /// Messages that were processed: committed together with their acknowledgement.
    pub processed: u64,
    /// Deliveries that have failed: the function said so, or panicked, or what it wanted was refused.
    pub failed: u64,
    /// Messages whose leases were lost before the commit: another one has them, or had.
    pub lost: u64,
    /// Messages of which it can't be learnt any more whether they were processed; if not, they come again.
    pub unsettled: u64,
    /// Transactions that were tried again, for conflicts or because nodes were away.
    pub retried: u64,
    /// Calls of the function because a record had another version than it required.
    pub reruns: u64,
    /// Times that the mailbox could not be asked.
    pub receive_errors: u64,
    /// Messages that are being worked on.
    pub running: u64,
    /// The latest failure, in words.
    pub last_failure: Option<String>,
}

impl fmt::Display for ProcessorFigures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ProcessorFigures { received, redelivered, processed, failed, lost, retried, .. } = self;
        write!(
            f,
            "{received} received ({redelivered} again), {processed} processed, {failed} failed, {lost} lost to others, \
             {retried} tries repeated"
        )
    }
}

/// The figures while they are counted.
#[derive(Default)]
pub(super) struct Counts {
    received: AtomicU64,
    redelivered: AtomicU64,
    processed: AtomicU64,
    failed: AtomicU64,
    lost: AtomicU64,
    unsettled: AtomicU64,
    retried: AtomicU64,
    reruns: AtomicU64,
    receive_errors: AtomicU64,
    last_failure: Mutex<Option<String>>,
}

fn add(count: &AtomicU64, more: u64) {
    count.fetch_add(more, Ordering::Relaxed);
}

impl Counts {
    pub(super) fn received(&self, again: bool) {
        add(&self.received, 1);
        add(&self.redelivered, u64::from(again));
    }

    pub(super) fn retried(&self, times: u64) {
        add(&self.retried, times);
    }

    pub(super) fn rerun(&self) {
        add(&self.reruns, 1);
    }

    pub(super) fn could_not_receive(&self, error: &MailError) {
        add(&self.receive_errors, 1);
        self.failure(format!("could not receive: {error}"));
    }

    pub(super) fn ended(&self, ended: &Ended) {
        match ended {
            Ended::Processed => add(&self.processed, 1),
            Ended::Failed(cause) => {
                add(&self.failed, 1);
                self.failure(cause.clone());
            }
            Ended::Lost => add(&self.lost, 1),
            Ended::Unsettled => add(&self.unsettled, 1),
        }
    }

    fn failure(&self, words: String) {
        *self.last_failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(words);
    }

    pub(super) fn figures(&self, running: usize) -> ProcessorFigures {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        ProcessorFigures {
            received: read(&self.received),
            redelivered: read(&self.redelivered),
            processed: read(&self.processed),
            failed: read(&self.failed),
            lost: read(&self.lost),
            unsettled: read(&self.unsettled),
            retried: read(&self.retried),
            reruns: read(&self.reruns),
            receive_errors: read(&self.receive_errors),
            running: running as u64,
            last_failure: self.last_failure.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}
