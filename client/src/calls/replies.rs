//! What runs beside the calls: receives replies, and confirms those whose ids nobody else has.

use super::{
    caller::Inner,
    service::{resolved, words},
    wire::Answer,
};
use crate::{
    mail::{Consumer, ConsumerConfig, Delivery, MailError, MailboxRefusal, Receiving},
    transaction::Transaction,
};
use assent_protocol::{ids::RecordId, mail::DELIVERY_MAX};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, watch},
    time::sleep,
};

/// Replies are handed over at once: one whose answer was lost on its way comes again after this.
const LEASE: Duration = Duration::from_secs(2);
/// How long the mailbox is asked to wait for replies.
const WAIT: Duration = Duration::from_secs(30);
/// Replies that are received ahead.
const PREFETCH: u16 = 64;
/// After the mailbox could not be asked.
const AGAIN: Duration = Duration::from_millis(100);
/// Calls that are confirmed by one transaction.
const CONFIRMED_TOGETHER: usize = 256;
/// Replies that are fetched at the end, for at most this many times.
const LAST_LOOKS: usize = 64;

/// Hands replies to the calls that wait for them, until the caller is closed.
pub(super) async fn listen(inner: Arc<Inner>, mut stopped: watch::Receiver<bool>) {
    let config = ConsumerConfig { lease: LEASE, prefetch: PREFETCH };
    let mut consumer = match inner.client.consumer(&inner.replies, config) {
        Ok(consumer) => consumer,
        Err(error) => return tracing::error!(%error, "replies can't be received"),
    };
    loop {
        tokio::select! {
            biased;
            // Also when the caller is dropped.
            _ = stopped.changed() => return,
            received = consumer.receive(DELIVERY_MAX as u16, WAIT) => match received {
                Ok(replies) => hand_over(&inner, &consumer, replies),
                Err(error) => {
                    tracing::debug!(mailbox = %inner.replies, %error, "no replies could be received; trying again");
                    if error == MailError::Refused(MailboxRefusal::MailboxAbsent) {
                        // It was not needed for long, or somebody took it for one that was left behind.
                        let _ = inner.make_mailbox().await;
                    }
                    sleep(AGAIN).await;
                }
            }
        }
    }
}

fn hand_over(inner: &Arc<Inner>, consumer: &Consumer, replies: Vec<Delivery>) {
    debug_assert_eq!(consumer.mailbox(), &inner.replies);
    for reply in &replies {
        match Answer::read(reply.headers(), reply.payload()) {
            Some((whose, answer)) => inner.answered(&whose, &answer),
            None => tracing::warn!(message = %reply.id(), "a message in a mailbox for replies is no reply"),
        }
    }
    if replies.is_empty() {
        return;
    }
    let inner = Arc::clone(inner);
    tokio::spawn(async move {
        // If that fails they come again, and nobody waits for them.
        if let Err(error) = inner.client.acknowledge_all(&replies).await {
            tracing::debug!(mailbox = %inner.replies, %error, "replies could not be acknowledged");
        }
    });
}

/// Deletes what is remembered of calls whose replies are there, many at a time.
pub(super) async fn confirm(
    inner: Arc<Inner>,
    mut confirmed: mpsc::UnboundedReceiver<RecordId>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut records = Vec::new();
    loop {
        tokio::select! {
            biased;
            count = confirmed.recv_many(&mut records, CONFIRMED_TOGETHER) => if count == 0 { return },
            _ = stopped.changed() => {
                confirmed.close();
                while confirmed.recv_many(&mut records, CONFIRMED_TOGETHER).await > 0 {
                    forget(&inner, &records).await;
                    records.clear();
                }
                return;
            }
        }
        forget(&inner, &records).await;
        records.clear();
    }
}

async fn forget(inner: &Inner, records: &[RecordId]) {
    let delete =
        |records: &[RecordId]| records.iter().fold(Transaction::new(), |all, record| all.delete(record));
    let outcome = resolved(&inner.client, inner.client.run_with_retries(delete(records)).await).await;
    if outcome.is_committed() {
        return inner.confirmed(records.len());
    }
    // One that is not there any more refuses them all.
    for record in records {
        let one = std::slice::from_ref(record);
        let outcome = resolved(&inner.client, inner.client.run_with_retries(delete(one)).await).await;
        if outcome.is_committed() {
            inner.confirmed(1);
        } else {
            tracing::warn!(%record, why = words(&outcome), "what is remembered of a call could not be deleted");
        }
    }
}

/// Empties the mailbox for replies, and deletes it.
pub(super) async fn delete(inner: &Inner) {
    let looking = Receiving { max: DELIVERY_MAX as u16, lease: None, wait: Duration::ZERO };
    for _ in 0..LAST_LOOKS {
        match inner.client.receive(&inner.replies, &looking).await {
            Ok(replies) if replies.is_empty() => break,
            Ok(_) => {}
            Err(error) => {
                tracing::debug!(mailbox = %inner.replies, %error, "replies were left");
                break;
            }
        }
    }
    let deleted = inner.client.run_with_retries(Transaction::new().delete(inner.replies.record())).await;
    let deleted = resolved(&inner.client, deleted).await;
    if !deleted.is_committed() {
        tracing::warn!(mailbox = %inner.replies, why = words(&deleted), "a mailbox for replies was left behind");
    }
}
