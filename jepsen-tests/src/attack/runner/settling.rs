//! Unknown outcomes, asked about in the background until they are known. The history is not changed by what comes out:
//! the client was told that nobody knows.

use assent_client::{Client, Doubt, Handle, Outcome};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

/// Between two questions about the same transaction.
const ASK_EVERY: Duration = Duration::from_millis(100);
/// How long after all faults an outcome may stay unknown.
const KNOWN_WITHIN: Duration = Duration::from_secs(60);

/// What became of unknown outcomes.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Settled {
    pub(super) committed: u64,
    pub(super) aborted: u64,
    /// The cluster has forgotten them, though nobody had the answer.
    pub(super) forgotten: Vec<String>,
    /// Still not known.
    pub(super) unknown: Vec<String>,
}

/// Asks about them.
#[derive(Debug, Default)]
pub(super) struct Settling {
    tasks: Mutex<JoinSet<(String, Outcome)>>,
    stop: Arc<AtomicBool>,
}

impl Settling {
    /// Begins to ask.
    pub(super) fn settle(&self, client: &Client, handle: &Handle) {
        let (client, handle, stop) = (client.clone(), handle.clone(), Arc::clone(&self.stop));
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).spawn(async move {
            let id = handle.id().to_string();
            loop {
                let outcome = client.resolve(&handle).await;
                match &outcome {
                    Outcome::Unknown(handle)
                        if handle.doubt() == Doubt::Deadline && !stop.load(Ordering::SeqCst) =>
                    {
                        tokio::time::sleep(ASK_EVERY).await;
                    }
                    Outcome::Unknown(_) | Outcome::Committed(_) | Outcome::Aborted(_) => {
                        outcome.confirm();
                        return (id, outcome);
                    }
                }
            }
        });
    }

    /// Waits until all are known, or too long.
    pub(super) async fn finish(&self) -> Settled {
        let mut tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        let until = Instant::now() + KNOWN_WITHIN;
        let mut settled = Settled::default();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match tokio::time::timeout(left, tasks.join_next()).await {
                Ok(None) => return settled,
                Ok(Some(Ok((id, outcome)))) => settled.count(id, &outcome),
                Ok(Some(Err(error))) => settled.unknown.push(format!("(its question failed: {error})")),
                // From now on each question is the last one, and ends at its own deadline.
                Err(_) if !self.stop.swap(true, Ordering::SeqCst) => {
                    while let Some(ended) = tasks.join_next().await {
                        match ended {
                            Ok((id, outcome)) => settled.count(id, &outcome),
                            Err(error) => settled.unknown.push(format!("(its question failed: {error})")),
                        }
                    }
                    return settled;
                }
                Err(_) => return settled,
            }
        }
    }
}

impl Settled {
    fn count(&mut self, id: String, outcome: &Outcome) {
        match outcome {
            Outcome::Committed(_) => self.committed += 1,
            Outcome::Aborted(_) => self.aborted += 1,
            Outcome::Unknown(handle) if handle.doubt() == Doubt::Expired => self.forgotten.push(id),
            Outcome::Unknown(_) => self.unknown.push(id),
        }
    }
}
