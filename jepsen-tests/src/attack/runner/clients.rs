//! The clients: each logical one asks for one thing at a time, and writes down what it sees.

use crate::{
    attack::{
        environment::Environment,
        error::AttackError,
        options::AttackOptions,
        recording::{End, Recording},
    },
    random::Random,
    workload::{Completion, Invocation, Workload},
};
use assent_client::{Client, ClientConfig, Outcome, Reason, Transaction};
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::{consumers::BACKLOG_MAX, repeats, settling::Settling};

/// How long a logical client waits that has nothing to do now.
const NOTHING_TO_DO: Duration = Duration::from_millis(5);
/// How long an operation that has to be committed is tried, when there are no faults.
const COMMITTED_WITHIN: Duration = Duration::from_secs(60);
/// How long one try of it may take.
const TRY_WITHIN: Duration = Duration::from_secs(10);

/// What all logical clients share.
pub(super) struct Shared {
    pub(super) cluster: Arc<Environment>,
    pub(super) recording: Arc<Recording>,
    pub(super) settling: Arc<Settling>,
    pub(super) differing: repeats::Differing,
    pub(super) workload: Mutex<Box<dyn Workload>>,
    pub(super) deadline: Duration,
    pub(super) pause: Duration,
    /// Operations that have begun, and that may begin.
    pub(super) begun: Arc<AtomicU64>,
    pub(super) begun_max: u64,
    /// Messages that wait, in a workload that has consumers.
    pub(super) waiting: Arc<AtomicU64>,
}

/// The name in the certificate of a client.
pub(super) fn name(number: u16) -> String {
    format!("lab-{number}")
}

/// Connects clients, and opens a session for each logical one; those of one client share its connections.
pub(super) async fn connect(
    options: &AttackOptions,
    cluster: &Environment,
) -> Result<Vec<Client>, AttackError> {
    let wrong = |error: &dyn std::fmt::Display| AttackError::Client(error.to_string());
    let mut connected = Vec::new();
    for number in 1..=options.clients {
        let [certificate, key, authority] = cluster.layout.client_identity(&name(number));
        let mut config = ClientConfig::load(cluster.layout.clients_file(), certificate, key, authority)
            .map_err(|error| wrong(&error))?;
        config.deadline = options.deadline;
        config.prepare_deadline = options.deadline / 2;
        if number % 2 == 0 {
            // Half of them keep a journal: with it an answer is held until it is confirmed, so that repeats find it.
            config = config.with_journal(cluster.layout.cluster().join(format!("{}.journal", name(number))));
        }
        connected.push(Client::connect(config).await.map_err(|error| wrong(&error))?);
    }
    let mut sessions = Vec::new();
    for place in 0..usize::from(options.processes) {
        let client = &connected[place % connected.len()];
        let first = place < connected.len();
        let session =
            if first { client.clone() } else { client.session().await.map_err(|error| wrong(&error))? };
        sessions.push(session);
    }
    Ok(sessions)
}

impl Shared {
    pub(super) fn workload(&self) -> MutexGuard<'_, Box<dyn Workload>> {
        self.workload.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works as one logical client until the time is over, or enough has been asked for. Gives the number that it has in
    /// the end.
    pub(super) async fn work(self: Arc<Self>, client: Client, place: u64, seed: u64, until: Instant) -> u64 {
        let mut random = Random::new(seed.wrapping_add((place + 1) << 32));
        let mut process = place;
        while Instant::now() < until && !self.cluster.interrupt.is_over() {
            if self.begun.load(Ordering::Relaxed) >= self.begun_max {
                break;
            }
            if self.waiting.load(Ordering::Relaxed) > BACKLOG_MAX {
                tokio::time::sleep(NOTHING_TO_DO).await;
                continue;
            }
            let next = self.workload().next(process, &mut random);
            let Some(invocation) = next else {
                tokio::time::sleep(NOTHING_TO_DO).await;
                continue;
            };
            // All clients are in one thread, and none of them has waited since it looked.
            self.begun.fetch_add(1, Ordering::Relaxed);
            process = self.one(&client, process, &invocation).await;
            tokio::time::sleep(self.pause).await;
        }
        process
    }

    async fn one(&self, client: &Client, process: u64, invocation: &Invocation) -> u64 {
        let begun = self.recording.invoke(process, invocation);
        let outcome = client.submit(transaction(invocation).deadline(self.deadline)).await;
        let process = self.ended(process, begun, invocation, &outcome);
        if let Outcome::Unknown(handle) = &outcome {
            self.settling.settle(client, handle);
        }
        repeats::check(client, invocation, &outcome, self.deadline, &self.differing).await;
        outcome.confirm();
        process
    }

    fn ended(&self, process: u64, begun: u64, invocation: &Invocation, outcome: &Outcome) -> u64 {
        let (completion, end) = told(outcome);
        let id = outcome.id().map(ToString::to_string);
        // One after the other: what the workload learns and what the history says have the same order.
        let mut workload = self.workload();
        let value = workload.ended(process, invocation, &completion);
        self.recording.end(process, begun, end, value, id)
    }

    /// An operation that has to be committed, before or after all others: one line that begins it and one that ends it,
    /// however many tries it takes. None of the aborted tries has happened, and an unknown one is settled first.
    pub(super) async fn commit(
        &self,
        client: &Client,
        process: u64,
        invocation: &Invocation,
    ) -> Result<(), AttackError> {
        let begun = self.recording.invoke(process, invocation);
        let started = Instant::now();
        loop {
            self.cluster.interrupt.check()?;
            let tried = client.run_with_retries(transaction(invocation).deadline(TRY_WITHIN)).await;
            let outcome = settled(client, tried).await;
            let why = match &outcome {
                Outcome::Committed(_) => {
                    outcome.confirm();
                    self.ended(process, begun, invocation, &outcome);
                    return Ok(());
                }
                Outcome::Aborted(abort) => in_words(&abort.reason),
                Outcome::Unknown(handle) => handle.doubt().to_string(),
            };
            let final_word = matches!(&outcome, Outcome::Unknown(_))
                || matches!(&outcome, Outcome::Aborted(abort) if abort.refusal().is_some());
            outcome.confirm();
            if final_word || started.elapsed() > COMMITTED_WITHIN {
                let waited_s = started.elapsed().as_secs();
                return Err(AttackError::NotCommitted { f: invocation.f.clone(), waited_s, why });
            }
            tokio::time::sleep(NOTHING_TO_DO).await;
        }
    }
}

/// Asks about an unknown outcome until it is known, or too long.
async fn settled(client: &Client, outcome: Outcome) -> Outcome {
    let started = Instant::now();
    let mut outcome = outcome;
    while let Outcome::Unknown(handle) = &outcome {
        if started.elapsed() > COMMITTED_WITHIN {
            break;
        }
        outcome = client.resolve(handle).await;
    }
    outcome
}

/// How an operation with this outcome ends, for the workload and in the history.
pub(super) fn told(outcome: &Outcome) -> (Completion, End) {
    match outcome {
        Outcome::Committed(receipt) => (Completion::Committed(receipt.reads.clone()), End::Ok),
        Outcome::Aborted(abort) => {
            (Completion::Aborted(abort.reason.kind().to_owned()), End::Fail(in_words(&abort.reason)))
        }
        Outcome::Unknown(handle) => (Completion::Unknown, End::Info(handle.doubt().to_string())),
    }
}

/// What the cluster is asked.
pub(super) fn transaction(invocation: &Invocation) -> Transaction {
    invocation.operations.iter().cloned().fold(Transaction::new(), Transaction::push)
}

fn in_words(reason: &Reason) -> String {
    format!("{}: {reason}", reason.kind())
}
