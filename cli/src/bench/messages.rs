//! `assent bench --messages`: messages from their sending to their acknowledgement, in a closed loop.
//!
//! Each of the messages in flight has a lane of its own, which sends the next one when the last one is finished. One
//! consumer receives for all, and finishes them as it is told.

use super::{history, receiving, report::MessagesReport};
use crate::{
    failure::{Failure, chain},
    latency::Latency,
    settle,
    status::Status,
};
use assent_client::{
    Abort, Client, Outcome, RecordId, RefusalKind, Transaction,
    mail::{Consumer, ConsumerConfig, Delivery, MailError, Mailbox, MailboxSettings, NewMessage},
};
use clap::ValueEnum;
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{sync::oneshot, task::JoinSet, time::timeout};

/// How long a message may take before it counts as missing.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long one request for messages waits.
const WAIT: Duration = Duration::from_secs(1);
/// Long enough for no lease to run out under load.
pub(super) const LEASE: Duration = Duration::from_secs(120);
/// Bytes that say whose message it is.
const STAMP_BYTES: usize = 16;

const WARM_UP: u8 = 0;
const MEASURED: u8 = 1;
const OVER: u8 = 2;

/// How messages are finished.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum FinishBy {
    /// Each by a transaction of its own: exactly once
    Transaction,
    /// By plain acknowledgements, those of one delivery together: at least once
    Acknowledge,
    /// On receipt: at most once
    Receipt,
}

impl FinishBy {
    fn name(self) -> &'static str {
        match self {
            FinishBy::Transaction => "transaction",
            FinishBy::Acknowledge => "acknowledge",
            FinishBy::Receipt => "receipt",
        }
    }
}

/// What is loaded, and how.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Tells this run's mailbox from those of any other.
    pub(super) prefix: String,
    /// The mailbox, if it is not a new one.
    pub(super) mailbox: Option<Mailbox>,
    pub(super) in_flight: usize,
    /// Messages that go through the mailbox before anything is measured.
    pub(super) history: u64,
    pub(super) payload: usize,
    pub(super) finish: FinishBy,
    pub(super) relayed: bool,
    pub(super) warm_up: Duration,
    pub(super) measured: Duration,
}

/// What lanes and consumer share.
struct Course {
    phase: AtomicU8,
    finished: AtomicU64,
    redelivered: AtomicU64,
    over: AtomicBool,
    /// By lane.
    waiting: Vec<Mutex<Waiting>>,
}

/// The number of the message that a lane waits for, and how it is told.
type Waiting = Option<(u64, oneshot::Sender<()>)>;

impl Course {
    fn lane(&self, lane: usize) -> MutexGuard<'_, Waiting> {
        self.waiting[lane].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn finished(&self, delivery: &Delivery) {
        self.redelivered.fetch_add(u64::from(delivery.attempt() > 1), Ordering::Relaxed);
        let Some((lane, number)) = read_stamp(delivery.payload()) else { return };
        if lane >= self.waiting.len() {
            return;
        }
        let mut waiting = self.lane(lane);
        // A message that is finished for the second time is waited for no more.
        if waiting.as_ref().is_some_and(|(waited, _)| *waited == number)
            && let Some((_, tell)) = waiting.take()
        {
            let _ = tell.send(());
        }
    }
}

fn stamp(lane: usize, number: u64, bytes: usize) -> Vec<u8> {
    let mut payload = vec![0x5a; bytes.max(STAMP_BYTES)];
    payload[..8].copy_from_slice(&(lane as u64).to_be_bytes());
    payload[8..STAMP_BYTES].copy_from_slice(&number.to_be_bytes());
    payload
}

fn read_stamp(payload: &[u8]) -> Option<(usize, u64)> {
    let (lane, rest) = payload.split_first_chunk::<8>()?;
    let (number, _) = rest.split_first_chunk::<8>()?;
    Some((usize::try_from(u64::from_be_bytes(*lane)).ok()?, u64::from_be_bytes(*number)))
}

/// Makes a mailbox and its history. Returns it with the record whose participant keeps the messages.
pub(super) async fn set_up(client: &Client, plan: &Plan) -> Result<(Mailbox, RecordId), Failure> {
    let mailbox = match &plan.mailbox {
        Some(mailbox) => mailbox.clone(),
        None => Mailbox::new(&plan.prefix)
            .map_err(|error| Failure::new(Status::Failed, "could not name a mailbox").cause(error))?,
    };
    let made = client.create_mailbox(&mailbox, &MailboxSettings::default()).await;
    let exists = |abort: &Abort| abort.refusal().is_some_and(|refusal| refusal.kind == RefusalKind::Absent);
    match made {
        Outcome::Aborted(abort) if plan.mailbox.is_some() && exists(&abort) => abort.confirm(),
        made => drop(settle::ended(made, "make a mailbox")?),
    }
    check_empty(client, &mailbox).await?;
    let from = source(client, &mailbox, plan)?;
    history::make(client, &mailbox, &from, plan).await?;
    Ok((mailbox, from))
}

/// What is in the mailbox would be received and finished like the messages of this run.
async fn check_empty(client: &Client, mailbox: &Mailbox) -> Result<(), Failure> {
    for node in client.mailboxes().await {
        let figures = node.reply.map_err(|error| {
            Failure::new(Status::Unreachable, format!("could not see whether {mailbox} is empty"))
                .cause(error)
                .remedy("see which node is away: assent cluster status")
        })?;
        if let Some(held) = figures.iter().find(|held| held.mailbox == *mailbox && held.depth > 0) {
            return Err(Failure::new(
                Status::Usage,
                format!("there are messages in {mailbox}: {}", held.depth),
            )
            .remedy("name a mailbox that is empty, or none"));
        }
    }
    Ok(())
}

/// Runs the load over a mailbox and measures.
pub(super) async fn run(
    client: &Client,
    plan: &Plan,
    mailbox: &Mailbox,
    from: &RecordId,
) -> Result<MessagesReport, Failure> {
    let course = Arc::new(Course {
        phase: AtomicU8::new(WARM_UP),
        finished: AtomicU64::new(0),
        redelivered: AtomicU64::new(0),
        over: AtomicBool::new(false),
        waiting: (0..plan.in_flight).map(|_| Mutex::new(None)).collect(),
    });
    let consuming = tokio::spawn(consume(client.clone(), mailbox.clone(), plan.clone(), Arc::clone(&course)));
    let mut lanes = JoinSet::new();
    for lane in 0..plan.in_flight {
        let session = client.session().await.map_err(|error| {
            Failure::new(Status::Unreachable, "could not open a session").cause(chain(&error))
        })?;
        let lane = Lane { lane, session, mailbox: mailbox.clone(), from: from.clone(), bytes: plan.payload };
        lanes.spawn(lane.run(Arc::clone(&course)));
    }
    tokio::time::sleep(plan.warm_up).await;
    course.phase.store(MEASURED, Ordering::Relaxed);
    let started = Instant::now();
    tokio::time::sleep(plan.measured).await;
    course.phase.store(OVER, Ordering::Relaxed);
    let seconds = started.elapsed().as_secs_f64();
    let mut latency = Latency::new();
    let mut missing = 0;
    while let Some(ended) = lanes.join_next().await {
        let (own, gone) =
            ended.map_err(|error| Failure::new(Status::Failed, "a lane stopped").cause(error))??;
        latency.take(&own);
        missing += gone;
    }
    course.over.store(true, Ordering::Relaxed);
    consuming.await.map_err(|error| Failure::new(Status::Failed, "the consumer stopped").cause(error))??;
    let finished = course.finished.load(Ordering::Relaxed);
    let receive = receiving::measure(client, mailbox, from, plan.payload).await?;
    Ok(MessagesReport {
        in_flight: plan.in_flight as u64,
        history: plan.history,
        payload_bytes: plan.payload.max(STAMP_BYTES) as u64,
        finish: plan.finish.name(),
        relayed: plan.relayed,
        seconds,
        finished,
        messages_per_second: if seconds > 0.0 { finished as f64 / seconds } else { 0.0 },
        latency: latency.percentiles(),
        receive,
        redelivered: course.redelivered.load(Ordering::Relaxed),
        missing,
        fdatasync_per_second: None,
    })
}

/// The record whose participant keeps the messages: the mailbox's own, or one of another participant.
fn source(client: &Client, mailbox: &Mailbox, plan: &Plan) -> Result<RecordId, Failure> {
    if !plan.relayed {
        return Ok(mailbox.record().clone());
    }
    let directory = client.cluster().directory();
    let holder = directory.locate(mailbox.record());
    let mut records = (0..1000).filter_map(|n| RecordId::new(&format!("bench/{}-{n}", plan.prefix)).ok());
    records.find(|record| directory.locate(record) != holder).ok_or_else(|| {
        Failure::new(Status::Usage, "there is no other participant that could relay")
            .remedy("use a cluster with more than one participant, or leave --relayed away")
    })
}

/// One message in flight after the other.
struct Lane {
    lane: usize,
    session: Client,
    mailbox: Mailbox,
    from: RecordId,
    bytes: usize,
}

impl Lane {
    async fn run(self, course: Arc<Course>) -> Result<(Latency, u64), Failure> {
        let mut latency = Latency::new();
        let mut missing = 0;
        let mut number = 0;
        while course.phase.load(Ordering::Relaxed) != OVER {
            number += 1;
            let (tell, hear) = oneshot::channel();
            *course.lane(self.lane) = Some((number, tell));
            let began = Instant::now();
            self.send(number).await?;
            match timeout(PATIENCE, hear).await {
                Ok(Ok(())) if course.phase.load(Ordering::Relaxed) == MEASURED => {
                    course.finished.fetch_add(1, Ordering::Relaxed);
                    latency.record(began.elapsed());
                }
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => missing += 1,
            }
        }
        self.session.close().await;
        Ok((latency, missing))
    }

    async fn send(&self, number: u64) -> Result<(), Failure> {
        let payload = stamp(self.lane, number, self.bytes);
        let message = NewMessage::new(&self.mailbox, payload).from(&self.from);
        commit(&self.session, Transaction::new().send(message), "send a message").await
    }
}

/// Runs a transaction that nothing should refuse, and learns its outcome.
pub(super) async fn commit(session: &Client, transaction: Transaction, what: &str) -> Result<(), Failure> {
    let mut outcome = session.run_with_retries(transaction).await;
    let began = Instant::now();
    while let Outcome::Unknown(handle) = &outcome
        && began.elapsed() < PATIENCE
    {
        outcome = session.resolve(handle).await;
    }
    settle::ended(outcome, what).map(drop)
}

/// Receives and finishes until every lane has ended.
async fn consume(client: Client, mailbox: Mailbox, plan: Plan, course: Arc<Course>) -> Result<(), Failure> {
    let max = u16::try_from(plan.in_flight).unwrap_or(u16::MAX).min(1024);
    let prefetch = if plan.finish == FinishBy::Receipt { 0 } else { max };
    let consumer = client.consumer(&mailbox, ConsumerConfig { lease: LEASE, prefetch });
    let mut consumer =
        consumer.map_err(|error| Failure::new(Status::Failed, "could not consume").cause(error))?;
    let mut finishing = JoinSet::new();
    while !course.over.load(Ordering::Relaxed) {
        let received = match receive(&mut consumer, max, WAIT, plan.finish).await {
            Ok(received) => received,
            Err(error @ (MailError::Refused(_) | MailError::Invalid(_))) => {
                return Err(Failure::new(Status::Failed, "could not receive").cause(error));
            }
            // A node is away for a moment.
            Err(_) => continue,
        };
        while finishing.try_join_next().is_some() {}
        match plan.finish {
            FinishBy::Receipt => received.iter().for_each(|delivery| course.finished(delivery)),
            FinishBy::Acknowledge => {
                let (client, course) = (client.clone(), Arc::clone(&course));
                finishing.spawn(async move {
                    if let Ok(results) = client.acknowledge_all(&received).await {
                        let done = received.iter().zip(results).filter(|(_, result)| result.is_ok());
                        done.for_each(|(delivery, _)| course.finished(delivery));
                    }
                });
            }
            FinishBy::Transaction => {
                for delivery in received {
                    let (client, course) = (client.clone(), Arc::clone(&course));
                    finishing.spawn(async move {
                        let done = Transaction::new().acknowledge(&delivery);
                        if client.run_with_retries(done).await.is_committed() {
                            course.finished(&delivery);
                        }
                    });
                }
            }
        }
    }
    Ok(())
}

/// Receives in the way that the finishing wants.
pub(super) async fn receive(
    consumer: &mut Consumer,
    max: u16,
    wait: Duration,
    finish: FinishBy,
) -> Result<Vec<Delivery>, MailError> {
    match finish {
        FinishBy::Receipt => consumer.receive_and_forget(max, wait).await,
        FinishBy::Transaction | FinishBy::Acknowledge => consumer.receive(max, wait).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_says_whose_message_it_is() {
        for bytes in [0, 16, 256] {
            let payload = stamp(7, 1 << 40, bytes);
            assert_eq!(payload.len(), bytes.max(STAMP_BYTES));
            assert_eq!(read_stamp(&payload), Some((7, 1 << 40)));
        }
        assert_eq!(read_stamp(b"too short"), None);
    }
}
