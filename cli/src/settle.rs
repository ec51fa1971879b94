//! Transactions run to a definite end, with patience: for commands that must finish although nodes come and go.
//!
//! A single transaction that a person asks for is not tried for ever: see `ended` for how such a command concludes.

use crate::{failure::Failure, status::Status};
use assent_client::{
    Abort, Client, Doubt, Handle, NotExecuted, Outcome, ReadResult, Reason, Receipt, Transaction, TxnId,
};
use std::time::{Duration, Instant};

/// Between two tries while the cluster can't take a transaction.
const RETRY_DELAY: Duration = Duration::from_millis(50);

/// How a transaction ended for good.
#[derive(Debug)]
pub(crate) enum End {
    /// It has happened.
    Committed(Receipt),
    /// It has not, and trying again would not help.
    Aborted(Abort),
    /// It has happened or not, and the cluster can't tell any more.
    Forgotten(TxnId),
}

/// A session that does not give up soon.
pub(crate) struct Settler {
    client: Client,
    patience: Duration,
    retried: u64,
}

impl Settler {
    /// Over a session. `patience` is how long one transaction is tried.
    pub(crate) fn new(client: Client, patience: Duration) -> Settler {
        Settler { client, patience, retried: 0 }
    }

    /// Several, each over a session of its own.
    pub(crate) async fn open(
        client: &Client,
        count: usize,
        patience: Duration,
    ) -> Result<Vec<Settler>, Failure> {
        let mut settlers = Vec::with_capacity(count);
        for _ in 0..count {
            let session = client.session().await.map_err(|error| {
                Failure::new(Status::Unreachable, "could not open a session")
                    .cause(crate::failure::chain(&error))
                    .remedy("see whether coordinators and participants run: assent cluster status")
            })?;
            settlers.push(Settler::new(session, patience));
        }
        Ok(settlers)
    }

    /// How many tries came to nothing so far and were followed by another one.
    pub(crate) fn retried(&self) -> u64 {
        self.retried
    }

    /// Runs a transaction until it has committed, or was refused by what the records hold.
    pub(crate) async fn run(&mut self, transaction: Transaction) -> Result<End, Failure> {
        let started = Instant::now();
        loop {
            let outcome = self.client.run_with_retries(transaction.clone()).await;
            self.retried += u64::from(outcome.attempts().saturating_sub(1));
            let abort = match outcome {
                Outcome::Committed(receipt) => return Ok(End::Committed(receipt)),
                Outcome::Aborted(abort) => abort,
                Outcome::Unknown(handle) => match self.resolve(handle, started).await? {
                    End::Aborted(abort) => abort,
                    end @ (End::Committed(_) | End::Forgotten(_)) => return Ok(end),
                },
            };
            if !may_pass(&abort.reason) {
                return Ok(End::Aborted(abort));
            }
            if started.elapsed() >= self.patience {
                return Err(ended_without(&abort.reason, started.elapsed()));
            }
            self.retried += 1;
            tokio::time::sleep(RETRY_DELAY).await;
        }
    }

    /// Learns an unknown outcome.
    pub(crate) async fn resolve(&mut self, handle: Handle, started: Instant) -> Result<End, Failure> {
        let mut handle = handle;
        loop {
            if handle.doubt() == Doubt::Expired {
                let id = handle.id().clone();
                self.client.give_up(handle);
                return Ok(End::Forgotten(id));
            }
            match self.client.resolve(&handle).await {
                Outcome::Committed(receipt) => return Ok(End::Committed(receipt)),
                Outcome::Aborted(abort) => return Ok(End::Aborted(abort)),
                Outcome::Unknown(again) if started.elapsed() < self.patience => handle = again,
                Outcome::Unknown(again) => return Err(still_unknown(again.id())),
            }
            tokio::time::sleep(RETRY_DELAY).await;
        }
    }

    /// Reads at one moment, however often that is disturbed.
    pub(crate) async fn read(&mut self, reads: Transaction) -> Result<Vec<ReadResult>, Failure> {
        let started = Instant::now();
        loop {
            match self.run(reads.clone()).await? {
                End::Committed(receipt) => return Ok(receipt.reads),
                End::Aborted(abort) => {
                    return Err(Failure::new(Status::Failed, "could not read").cause(&abort));
                }
                // A read that is read again is as good as the first.
                End::Forgotten(id) if started.elapsed() >= self.patience => return Err(still_unknown(&id)),
                End::Forgotten(_) => {}
            }
        }
    }

    /// Ends the session.
    pub(crate) async fn close(self) {
        self.client.close().await;
    }
}

/// What a single call came to: a receipt, or a failure that says what to do next.
pub(crate) fn ended(outcome: Outcome, what: &str) -> Result<Receipt, Failure> {
    match outcome {
        Outcome::Committed(receipt) => Ok(receipt),
        Outcome::Aborted(abort) => Err(aborted(&abort, what)),
        Outcome::Unknown(handle) => Err(unknown(&handle, what)),
    }
}

/// A failure for a transaction that has not happened.
pub(crate) fn aborted(abort: &Abort, what: &str) -> Failure {
    let (status, remedy) = match &abort.reason {
        Reason::NotExecuted(reason) => not_executed(reason),
        Reason::Aborted(_) if abort.reason.is_transient() => (Status::Aborted, "try again"),
        Reason::Aborted(_) => {
            (Status::Aborted, "nothing has changed; look at the record with: assent get RECORD")
        }
    };
    Failure::new(status, format!("could not {what}")).cause(abort).remedy(remedy)
}

fn not_executed(reason: &NotExecuted) -> (Status, &'static str) {
    match reason {
        NotExecuted::Invalid { .. } => (Status::Usage, "correct the command; docs/cli.md shows the shapes"),
        NotExecuted::Malformed(_) => {
            (Status::Config, "give this client the same cluster file and the same version as the nodes")
        }
        NotExecuted::Unreachable(_) | NotExecuted::Unanswered => {
            (Status::Unreachable, "see whether coordinators and participants run: assent cluster status")
        }
        NotExecuted::Journal(_) => (Status::Config, "make the journal writable"),
        NotExecuted::Late => (Status::NotExecuted, "allow it more time: --deadline"),
        NotExecuted::Overloaded
        | NotExecuted::SessionFull
        | NotExecuted::SessionEnded
        | NotExecuted::Closed => (Status::NotExecuted, "try again"),
    }
}

/// A failure for a transaction whose outcome is not known.
pub(crate) fn unknown(handle: &Handle, what: &str) -> Failure {
    Failure::new(Status::Unknown, format!("it is not known whether it came to pass: {what}"))
        .cause("no answer came before the deadline")
        .remedy(format!("ask: assent outcome {}", handle.id()))
}

fn may_pass(reason: &Reason) -> bool {
    match reason {
        Reason::Aborted(_) => reason.is_transient(),
        Reason::NotExecuted(reason) => match reason {
            NotExecuted::Overloaded
            | NotExecuted::Late
            | NotExecuted::Unreachable(_)
            | NotExecuted::SessionEnded
            | NotExecuted::Unanswered => true,
            NotExecuted::Invalid { .. }
            | NotExecuted::Malformed(_)
            | NotExecuted::SessionFull
            | NotExecuted::Journal(_)
            | NotExecuted::Closed => false,
        },
    }
}

fn ended_without(reason: &Reason, tried: Duration) -> Failure {
    Failure::new(
        Status::Unreachable,
        format!("the cluster did not take a transaction for {:.0} s", tried.as_secs_f64()),
    )
    .cause(reason)
    .remedy("see which node is away: assent cluster status; then run the same command again")
}

fn still_unknown(id: &TxnId) -> Failure {
    Failure::new(Status::Unknown, "the outcome of a transaction can't be learnt")
        .cause("two nodes that it needs are away at the same time")
        .remedy(format!("start them again (assent cluster status), then ask: assent outcome {id}"))
}
