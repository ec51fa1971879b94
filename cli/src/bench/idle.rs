//! `assent bench --messages --idle`: how long one message takes to a consumer that waits for it, while nothing else is done.
//!
//! Beside it, in turns and after the same rests, what it is made of: one sync of the disk, one way to another thread and
//! back over loopback, and one question to the mailbox's node and its answer.

use super::{
    disk::Synced,
    messages::{LEASE, Plan, commit},
    report::IdleReport,
};
use crate::{
    failure::{Failure, chain},
    latency::{Differences, Latency},
    status::Status,
};
use assent_client::{
    Client, RecordId, Transaction,
    mail::{Consumer, ConsumerConfig, Mailbox, NewMessage, Position},
};
use std::{
    io,
    net::{Ipv4Addr, UdpSocket},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};

/// Before each step, so that nothing of the last one is left.
const REST: Duration = Duration::from_millis(5);
/// How long one request for messages waits.
const WAIT: Duration = Duration::from_secs(30);
/// How long a message may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a datagram may take.
const DATAGRAM_PATIENCE: Duration = Duration::from_secs(1);

/// Measures for `plan.measured`, after `plan.warm_up`. `dir` is where the disk of the cluster is, if that is here.
pub(super) async fn run(
    client: &Client,
    plan: &Plan,
    mailbox: &Mailbox,
    from: &RecordId,
    dir: &Path,
) -> Result<IdleReport, Failure> {
    let config = ConsumerConfig { lease: LEASE, prefetch: 0 };
    let consumer = client.consumer(mailbox, config);
    let consumer =
        consumer.map_err(|error| Failure::new(Status::Failed, "could not consume").cause(error))?;
    let (tell, mut hear) = mpsc::unbounded_channel();
    let consuming = tokio::spawn(consume(consumer, tell));
    let session = client.session().await.map_err(|error| {
        Failure::new(Status::Unreachable, "could not open a session").cause(chain(&error))
    })?;
    let disk = Synced::new(dir).ok().map(|disk| Arc::new(Mutex::new(disk)));
    let echo = Arc::new(Echo::start().map_err(|error| {
        Failure::new(Status::Failed, "could not send a datagram over loopback").cause(error)
    })?);
    let (mut to_consumer, mut to_commit) = (Latency::new(), Latency::new());
    let (mut sync, mut loopback, mut question) = (Latency::new(), Latency::new(), Latency::new());
    let mut after_commit = Differences::new();
    let started = Instant::now();
    while started.elapsed() < plan.warm_up + plan.measured {
        let measured = started.elapsed() >= plan.warm_up;
        sleep(REST).await;
        let message = NewMessage::new(mailbox, vec![0x5a; plan.payload]).from(from);
        let began = Instant::now();
        commit(&session, Transaction::new().send(message), "send a message").await?;
        let committed = Instant::now();
        let came = timeout(PATIENCE, hear.recv()).await.ok().flatten().ok_or_else(|| {
            Failure::new(Status::Failed, "a message has not come")
                .remedy("see which node is away: assent cluster status")
        })??;
        if measured {
            to_consumer.record(came - began);
            to_commit.record(committed - began);
            after_commit.record(came, committed);
        }
        if let Some(disk) = &disk {
            sleep(REST).await;
            let disk = Arc::clone(disk);
            let took = off_thread(move || disk.lock().unwrap_or_else(PoisonError::into_inner).sync()).await?;
            if measured {
                sync.record(took);
            }
        }
        sleep(REST).await;
        let away = Arc::clone(&echo);
        let took = off_thread(move || away.ask()).await?;
        if measured {
            loopback.record(took);
        }
        sleep(REST).await;
        let began = Instant::now();
        let looked = client.messages(mailbox, Some(Position(u64::MAX))).await;
        looked.reply.map_err(|error| {
            Failure::new(Status::Unreachable, "could not ask the mailbox's node").cause(error)
        })?;
        if measured {
            question.record(began.elapsed());
        }
    }
    consuming.abort();
    session.close().await;
    Ok(IdleReport {
        payload_bytes: plan.payload as u64,
        relayed: plan.relayed,
        history: plan.history,
        messages: after_commit.len(),
        to_consumer: to_consumer.percentiles(),
        to_commit: to_commit.percentiles(),
        after_commit: after_commit.percentiles(),
        fdatasync: disk.is_some().then(|| sync.percentiles()),
        loopback: loopback.percentiles(),
        question: question.percentiles(),
    })
}

/// Waits at the mailbox, and says when a message has come.
async fn consume(mut consumer: Consumer, tell: mpsc::UnboundedSender<Result<Instant, Failure>>) {
    loop {
        let done = match consumer.next(WAIT).await {
            Ok(None) => continue,
            Ok(Some(delivery)) => {
                let came = Instant::now();
                consumer.acknowledge(&delivery).await.map(|()| came)
            }
            Err(error) => Err(error),
        };
        let done = done
            .map_err(|error| Failure::new(Status::Failed, "could not receive and acknowledge").cause(error));
        if tell.send(done).is_err() {
            return;
        }
    }
}

/// On a thread of its own: connections must be kept meanwhile.
async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await.map_err(io::Error::other).flatten();
    done.map_err(|error| Failure::new(Status::Failed, "could not measure disk and loopback").cause(error))
}

/// A thread that sends back what it gets, until it has got nothing for long.
struct Echo(UdpSocket);

impl Echo {
    fn start() -> io::Result<Echo> {
        let there = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let here = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        here.connect(there.local_addr()?)?;
        there.connect(here.local_addr()?)?;
        here.set_read_timeout(Some(DATAGRAM_PATIENCE))?;
        there.set_read_timeout(Some(PATIENCE))?;
        std::thread::spawn(move || {
            let mut datagram = [0; 64];
            while let Ok(bytes) = there.recv(&mut datagram) {
                if there.send(&datagram[..bytes]).is_err() {
                    return;
                }
            }
        });
        Ok(Echo(here))
    }

    fn ask(&self) -> io::Result<Duration> {
        let began = Instant::now();
        self.0.send(&[0x5a; 64])?;
        self.0.recv(&mut [0; 64])?;
        Ok(began.elapsed())
    }
}
