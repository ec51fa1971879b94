//! What receiving costs by itself: one message that is ready, from the question to the answer.

use super::{history, messages::LEASE};
use crate::{
    failure::Failure,
    latency::{Latency, Percentiles},
    status::Status,
};
use assent_client::{
    Client, RecordId,
    mail::{Delivery, MailError, Mailbox, Receiving},
};
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Messages that are received, one after the other.
const MESSAGES: u64 = 1_000;
/// Messages of one transaction: together less than a frame, however long they are.
const TOGETHER: u64 = 20;
/// How long they may take to arrive.
const PATIENCE: Duration = Duration::from_secs(60);

/// Fills the mailbox, receives one message at a time, and finishes them.
pub(super) async fn measure(
    client: &Client,
    mailbox: &Mailbox,
    from: &RecordId,
    bytes: usize,
) -> Result<Percentiles, Failure> {
    for _ in 0..MESSAGES / TOGETHER {
        history::send(client, mailbox, from, bytes, TOGETHER).await?;
    }
    let began = Instant::now();
    while ready(client, mailbox).await < MESSAGES {
        if began.elapsed() > PATIENCE {
            return Err(Failure::new(Status::Failed, "the messages to be received have not arrived")
                .remedy("see which node is away: assent cluster status"));
        }
        sleep(Duration::from_millis(10)).await;
    }
    let mut latency = Latency::new();
    let mut received: Vec<Delivery> = Vec::new();
    let receiving = Receiving { max: 1, lease: Some(LEASE), wait: Duration::ZERO };
    for _ in 0..MESSAGES {
        let began = Instant::now();
        let one = client.receive(mailbox, &receiving).await.map_err(failed)?;
        latency.record(began.elapsed());
        received.extend(one);
    }
    let results = client.acknowledge_all(&received).await.map_err(failed)?;
    results
        .into_iter()
        .try_for_each(|result| result.map_err(|refusal| failed(MailError::Refused(refusal))))?;
    Ok(latency.percentiles())
}

async fn ready(client: &Client, mailbox: &Mailbox) -> u64 {
    let all = client.mailboxes().await.into_iter().filter_map(|node| node.reply.ok()).flatten();
    all.filter(|figures| figures.mailbox == *mailbox).map(|figures| figures.ready).sum()
}

fn failed(error: MailError) -> Failure {
    Failure::new(Status::Failed, "could not receive one message after the other").cause(error)
}
