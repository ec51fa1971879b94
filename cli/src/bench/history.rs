//! What has gone through a mailbox before anything is measured: messages that were sent, received and finished, many at
//! once, in the way in which the measured ones are finished.

use super::messages::{self, FinishBy, Plan};
use crate::{
    failure::{Failure, chain},
    progress::Progress,
    status::Status,
};
use assent_client::{
    Client, RecordId, Transaction,
    mail::{Consumer, ConsumerConfig, Delivery, MailError, Mailbox, NewMessage},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
    time::timeout,
};

/// Sessions that send at the same time.
const SENDERS: usize = 8;
/// Messages of one transaction at most.
const TOGETHER_MAX: u64 = 256;
/// Bytes of the messages of one transaction, about.
const TOGETHER_BYTES: u64 = 1 << 20;
/// Messages on their way at the same time: less than a mailbox holds.
const UNDER_WAY_MAX: usize = 32_768;
/// Messages that one request receives.
const RECEIVED_MAX: u16 = 1024;
/// How long one request for messages waits; the last one has to end before anything is measured.
const WAIT: Duration = Duration::from_millis(200);
/// How long no message may come to its end.
const PATIENCE: Duration = Duration::from_secs(60);

/// What sender and consumers share.
struct Shared {
    mailbox: Mailbox,
    from: RecordId,
    bytes: usize,
    finish: FinishBy,
    /// Messages that nobody has begun to send.
    left: AtomicU64,
    under_way: Semaphore,
    over: AtomicBool,
}

type Ended = mpsc::UnboundedSender<Result<u64, Failure>>;

/// Has `plan.history` messages go through the mailbox.
pub(super) async fn make(
    client: &Client,
    mailbox: &Mailbox,
    from: &RecordId,
    plan: &Plan,
) -> Result<(), Failure> {
    if plan.history == 0 {
        return Ok(());
    }
    let shared = Arc::new(Shared {
        mailbox: mailbox.clone(),
        from: from.clone(),
        bytes: plan.payload,
        finish: plan.finish,
        left: AtomicU64::new(plan.history),
        under_way: Semaphore::new(UNDER_WAY_MAX),
        over: AtomicBool::new(false),
    });
    let (tell, mut hear) = mpsc::unbounded_channel();
    let mut tasks = JoinSet::new();
    for _ in 0..SENDERS {
        let session = client.session().await.map_err(|error| {
            Failure::new(Status::Unreachable, "could not open a session").cause(chain(&error))
        })?;
        tasks.spawn(or_say(send_all(session, Arc::clone(&shared)), tell.clone()));
    }
    tasks.spawn(or_say(consume(client.clone(), Arc::clone(&shared), tell.clone()), tell));
    let progress = Progress::new("history", plan.history);
    let mut ended = 0;
    while ended < plan.history {
        let stuck = || {
            Failure::new(Status::Failed, "the history could not be made")
                .cause(format!("no message has come to its end for {} s", PATIENCE.as_secs()))
                .remedy("see which node is away: assent cluster status")
        };
        let some = timeout(PATIENCE, hear.recv()).await.ok().flatten().ok_or_else(stuck)??;
        ended += some;
        progress.steps(some);
        shared.under_way.add_permits(some as usize);
    }
    progress.finish();
    shared.over.store(true, Ordering::Relaxed);
    while tasks.join_next().await.is_some() {}
    Ok(())
}

async fn or_say(task: impl Future<Output = Result<(), Failure>>, tell: Ended) {
    if let Err(failure) = task.await {
        let _ = tell.send(Err(failure));
    }
}

/// Sends messages, many in each transaction, while there is room for them.
async fn send_all(session: Client, shared: Arc<Shared>) -> Result<(), Failure> {
    let together = (TOGETHER_BYTES / shared.bytes as u64).clamp(1, TOGETHER_MAX);
    let take = |left: u64| (left > 0).then(|| left - left.min(together));
    while let Ok(left) = shared.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) {
        let count = left.min(together);
        // They are given back when the messages have come to their ends.
        if let Ok(room) = shared.under_way.acquire_many(count as u32).await {
            room.forget();
        }
        send(&session, &shared.mailbox, &shared.from, shared.bytes, count).await?;
    }
    session.close().await;
    Ok(())
}

/// Sends this many messages with one transaction.
pub(super) async fn send(
    session: &Client,
    mailbox: &Mailbox,
    from: &RecordId,
    bytes: usize,
    count: u64,
) -> Result<(), Failure> {
    let message = || NewMessage::new(mailbox, vec![0x5a; bytes]).from(from);
    let all = (0..count).fold(Transaction::new(), |all, _| all.send(message()));
    messages::commit(session, all, "send messages").await
}

/// Receives until all are finished.
async fn consume(client: Client, shared: Arc<Shared>, tell: Ended) -> Result<(), Failure> {
    let prefetch = if shared.finish == FinishBy::Receipt { 0 } else { RECEIVED_MAX };
    let consumer = client.consumer(&shared.mailbox, ConsumerConfig { lease: messages::LEASE, prefetch });
    let mut consumer: Consumer =
        consumer.map_err(|error| Failure::new(Status::Failed, "could not consume").cause(error))?;
    while !shared.over.load(Ordering::Relaxed) {
        let received = messages::receive(&mut consumer, RECEIVED_MAX, WAIT, shared.finish).await;
        let received =
            received.map_err(|error| Failure::new(Status::Failed, "could not receive").cause(error))?;
        if received.is_empty() {
            continue;
        }
        let (client, tell, finish) = (client.clone(), tell.clone(), shared.finish);
        tokio::spawn(async move {
            let count = received.len() as u64;
            let _ = tell.send(end(&client, received, finish).await.map(|()| count));
        });
    }
    Ok(())
}

/// Finishes what was received together.
async fn end(client: &Client, received: Vec<Delivery>, finish: FinishBy) -> Result<(), Failure> {
    match finish {
        FinishBy::Receipt => Ok(()),
        FinishBy::Acknowledge => {
            let results = client.acknowledge_all(&received).await.map_err(not_ended)?;
            results
                .into_iter()
                .try_for_each(|result| result.map_err(|refusal| not_ended(MailError::Refused(refusal))))
        }
        FinishBy::Transaction => {
            let all = received.iter().fold(Transaction::new(), Transaction::acknowledge);
            messages::commit(client, all, "acknowledge messages").await
        }
    }
}

fn not_ended(error: MailError) -> Failure {
    Failure::new(Status::Failed, "could not acknowledge messages").cause(error)
}
