//! One message, from its delivery to its end.

use super::{Delivery, ProcessorConfig, Shared};
use crate::{
    client::Client,
    handle::{Doubt, Handle},
    link::stamp_now,
    mail::calls::is_lost,
    outcome::{Abort, NotExecuted, Outcome, Reason},
    random::{Backoff, Random},
    transaction::Transaction,
};
use assent_protocol::{operation::Operation, outcome::RefusalKind};
use std::{fmt::Display, future::Future, sync::Arc, time::Duration};
use tokio::time::sleep;

/// The longest pause between two tries to commit.
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// How the work on one message ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Ended {
    /// It is committed with the acknowledgement.
    Processed,
    /// The delivery has failed, and why; the mailbox was told.
    Failed(String),
    /// Another one has the message, or had.
    Lost,
    /// The outcome can't be learnt any more, or the client was closed.
    Unsettled,
}

/// What came of a try to commit.
pub(crate) enum Tried {
    Ended(Ended),
    /// A record had another version than the function required.
    Stale(Abort),
    /// It will not commit, however often it is tried.
    Refused(Abort),
}

/// One message, and what can be done with it.
pub(crate) struct Worker {
    pub(super) shared: Arc<Shared>,
    pub(super) delivery: Delivery,
}

impl Worker {
    pub(super) async fn work<F, R, E>(&self, function: &F) -> Ended
    where
        F: Fn(Delivery, Transaction) -> R,
        R: Future<Output = Result<Transaction, E>>,
        E: Display,
    {
        let stamp = stamp_now();
        let mut reruns = 0;
        loop {
            let begun = Transaction::new().acknowledge(&self.delivery);
            let transaction = match function(self.delivery.clone(), begun).await {
                Ok(transaction) => transaction,
                Err(error) => return self.fail(error.to_string()).await,
            };
            // Every try of this message has the age of the first, so that it is not always the one that gives way.
            let transaction =
                self.acknowledging(transaction).stamp(stamp).deadline(self.shared.config.deadline);
            match self.commit(transaction).await {
                Tried::Ended(ended) => return ended,
                Tried::Stale(_) if reruns < self.shared.config.reruns_max => {
                    reruns += 1;
                    self.shared.counts.rerun();
                }
                Tried::Stale(abort) | Tried::Refused(abort) => return self.fail(abort.to_string()).await,
            }
        }
    }

    pub(crate) fn delivery(&self) -> &Delivery {
        &self.delivery
    }

    pub(crate) fn client(&self) -> &Client {
        &self.shared.client
    }

    pub(crate) fn config(&self) -> &ProcessorConfig {
        &self.shared.config
    }

    /// A function may have begun a transaction of its own: without the acknowledgement it would not be exactly once.
    fn acknowledging(&self, transaction: Transaction) -> Transaction {
        let acknowledges = transaction.operations().iter().any(|operation| {
            matches!(operation, Operation::Acknowledge { mailbox, position, .. }
                if mailbox == self.delivery.mailbox() && *position == self.delivery.position())
        });
        if acknowledges { transaction } else { transaction.acknowledge(&self.delivery) }
    }

    /// Tries until there is a definite answer, or none can be had any more.
    pub(crate) async fn commit(&self, transaction: Transaction) -> Tried {
        let counts = &self.shared.counts;
        let client = &self.shared.client;
        let random = Random::new();
        let mut backoff = Backoff::new(PAUSE_MAX);
        loop {
            let outcome = client.run_with_retries(transaction.clone()).await;
            counts.retried(u64::from(outcome.attempts().saturating_sub(1)));
            let outcome = match outcome {
                Outcome::Unknown(handle) => match self.settle(handle).await {
                    Some(outcome) => outcome,
                    None => return Tried::Ended(Ended::Unsettled),
                },
                outcome => outcome,
            };
            outcome.confirm();
            let abort = match outcome {
                Outcome::Committed(_) => return Tried::Ended(Ended::Processed),
                Outcome::Aborted(abort) => abort,
                Outcome::Unknown(_) => return Tried::Ended(Ended::Unsettled),
            };
            if let Some(tried) = concluded(&abort) {
                return tried;
            }
            counts.retried(1);
            sleep(backoff.pause(&random)).await;
        }
    }

    /// Learns an unknown outcome, however long that takes; none if it can't be learnt any more.
    async fn settle(&self, mut handle: Handle) -> Option<Outcome> {
        let random = Random::new();
        let mut backoff = Backoff::new(PAUSE_MAX);
        loop {
            match handle.doubt() {
                Doubt::Expired => {
                    self.shared.client.give_up(handle);
                    return None;
                }
                Doubt::Closed => return None,
                Doubt::Deadline | Doubt::Journal => {}
            }
            handle = match self.shared.client.resolve(&handle).await {
                Outcome::Unknown(handle) => handle,
                outcome => return Some(outcome),
            };
            sleep(backoff.pause(&random)).await;
        }
    }

    /// Tells the mailbox that the delivery has failed. If that does not get there, the lease runs out, which is as much.
    pub(crate) async fn fail(&self, cause: String) -> Ended {
        if let Err(error) = self.shared.client.release(&self.delivery, &cause, None).await {
            let (mailbox, position) = (self.delivery.mailbox(), self.delivery.position());
            tracing::debug!(%mailbox, %position, %error, "a failed message could not be given back");
        }
        Ended::Failed(cause)
    }
}

/// What an abort means for the message; none: it is tried again.
fn concluded(abort: &Abort) -> Option<Tried> {
    let failed = || Some(Tried::Refused(abort.clone()));
    match &abort.reason {
        reason if is_lost(reason) => Some(Tried::Ended(Ended::Lost)),
        reason if reason.is_transient() => None,
        Reason::Aborted(_) => match abort.refusal() {
            Some(refusal) if refusal.kind == RefusalKind::Version => Some(Tried::Stale(abort.clone())),
            // An id of the past, or another cluster file: another try may do better, and is a delivery of its own.
            Some(_) | None => failed(),
        },
        Reason::NotExecuted(reason) => match reason {
            NotExecuted::Overloaded
            | NotExecuted::Late
            | NotExecuted::Unreachable(_)
            | NotExecuted::SessionFull
            | NotExecuted::SessionEnded
            | NotExecuted::Unanswered => None,
            NotExecuted::Invalid { .. } | NotExecuted::Malformed(_) | NotExecuted::Journal(_) => failed(),
            NotExecuted::Closed => Some(Tried::Ended(Ended::Unsettled)),
        },
    }
}
