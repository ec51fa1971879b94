//! How long a caller's mailbox for replies is kept, and who removes it if its process was killed.
//!
//! The mailbox's record says until when it is kept, by the wall clock. The invariant: a call is sent only when that is
//! [`CallerConfig::keep`](super::CallerConfig::keep) after the call's deadline or later. So when it has passed, nobody waits
//! for anything in the mailbox, and any caller of the same client may remove it. It does so in transactions that require the
//! moment to be as it was read: a caller that is alive after all has put it off before its next call, and loses nothing.

use super::{
    error::CallError,
    service::{refused_as, resolved, words},
    wire::now_ms,
};
use crate::{
    client::Client,
    mail::{MailboxSettings, Receiving},
    transaction::Transaction,
};
use assent_protocol::{
    ids::{ClientName, RecordId},
    mail::{DELIVERY_MAX, Mailbox},
    operation::{FieldContent, RecordContent, Value},
    outcome::RefusalKind,
};
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};
use tokio::sync::Mutex;

/// How the names of mailboxes for replies begin.
pub(super) const PREFIX: &str = "reply.";
/// The field of the record: milliseconds since 1970.
const UNTIL: &str = "kept_until_ms";
/// Replies that are removed are leased for so long: if this process dies, another one removes them.
const LEASE: Duration = Duration::from_secs(10);
/// A mailbox may be made or removed between two tries.
const TRIES: usize = 8;

/// Until when one mailbox is kept.
pub(super) struct Keeper {
    keep_ms: u64,
    until_ms: AtomicU64,
    writing: Mutex<()>,
}

impl Keeper {
    pub(super) fn new(keep: Duration) -> Keeper {
        let keep_ms = u64::try_from(keep.as_millis()).unwrap_or(u64::MAX);
        Keeper { keep_ms, until_ms: AtomicU64::new(0), writing: Mutex::new(()) }
    }

    /// Sees to it that replies to a call with this deadline are kept: one more transaction, about once in `keep`.
    pub(super) async fn cover(
        &self,
        client: &Client,
        replies: &Mailbox,
        deadline_ms: u64,
    ) -> Result<(), CallError> {
        let needed = capped(deadline_ms.saturating_add(self.keep_ms));
        if self.until_ms.load(Ordering::Acquire) >= needed {
            return Ok(());
        }
        let _one_at_a_time = self.writing.lock().await;
        if self.until_ms.load(Ordering::Acquire) >= needed {
            return Ok(());
        }
        self.write(client, replies, capped(needed.saturating_add(self.keep_ms)), true).await
    }

    /// Makes the mailbox, or takes it over.
    pub(super) async fn make(&self, client: &Client, replies: &Mailbox) -> Result<(), CallError> {
        let _one_at_a_time = self.writing.lock().await;
        let now = capped(now_ms().saturating_add(self.keep_ms).saturating_add(self.keep_ms));
        self.write(client, replies, now.max(self.until_ms.load(Ordering::Acquire)), false).await
    }

    async fn write(
        &self,
        client: &Client,
        replies: &Mailbox,
        until_ms: u64,
        exists: bool,
    ) -> Result<(), CallError> {
        let mut exists = exists;
        for _ in 0..TRIES {
            let record = replies.record();
            let begun = match exists {
                true => Transaction::new().require_exists(record),
                false => Transaction::new().create_mailbox(replies, &settings(client.name())),
            };
            let written = begun.set(record, UNTIL, until_ms as i64);
            let outcome = resolved(client, client.run_with_retries(written).await).await;
            if outcome.is_committed() {
                self.until_ms.store(until_ms, Ordering::Release);
                return Ok(());
            }
            let other = if exists { RefusalKind::Exists } else { RefusalKind::Absent };
            if !refused_as(&outcome, other) {
                return Err(CallError::NoReplies(words(&outcome)));
            }
            exists = !exists;
        }
        Err(CallError::NoReplies(format!("{replies} is made and deleted again and again")))
    }
}

/// As a number of a record.
fn capped(ms: u64) -> u64 {
    ms.min(i64::MAX as u64)
}

/// Only this client reads its replies. What was not fetched in many leases is still somebody's.
fn settings(client: &ClientName) -> MailboxSettings {
    MailboxSettings {
        consumers: Some([client.clone()].into()),
        deliveries_max: u64::from(u32::MAX),
        backoff: Duration::ZERO,
        ..MailboxSettings::default()
    }
}

/// Removes what other callers of this client have left behind. Returns how many mailboxes.
pub(super) async fn remove_left_behind(client: &Client, own: &Mailbox) -> u64 {
    let mut removed = 0;
    for node in client.scan(Some("mailbox")).await {
        // Those of a node that is away are another caller's to remove.
        for (record, content) in node.reply.unwrap_or_default() {
            if let Some((mailbox, until_ms)) = left_behind(&record, &content, client.name(), now_ms())
                && mailbox != *own
                && remove(client, &mailbox, until_ms).await
            {
                removed += 1;
            }
        }
    }
    removed
}

/// A mailbox for replies to this client, if it need not be kept any more; and until when it was.
pub(super) fn left_behind(
    record: &RecordId,
    content: &RecordContent,
    client: &ClientName,
    now_ms: u64,
) -> Option<(Mailbox, i64)> {
    let mailbox = Mailbox::of_record(record).filter(|mailbox| mailbox.name().starts_with(PREFIX))?;
    // The names of two clients may begin alike.
    let consumers = MailboxSettings::from_record(content).consumers?;
    let until_ms = content.fields.iter().find_map(|(field, content)| match content {
        FieldContent::Value(Value::Int(until_ms)) if field.as_str() == UNTIL => Some(*until_ms),
        _ => None,
    })?;
    let passed = u64::try_from(until_ms).is_ok_and(|until_ms| until_ms < now_ms);
    (passed && consumers == [client.clone()].into()).then_some((mailbox, until_ms))
}

/// Empties a mailbox and deletes it, as long as nobody puts its end off.
async fn remove(client: &Client, mailbox: &Mailbox, until_ms: i64) -> bool {
    let unchanged = || Transaction::new().require_equals(mailbox.record(), UNTIL, until_ms);
    let receiving = Receiving { max: DELIVERY_MAX as u16, lease: Some(LEASE), wait: Duration::ZERO };
    loop {
        let Ok(replies) = client.receive(mailbox, &receiving).await else { return false };
        let ending = if replies.is_empty() {
            // Another caller may be removing it too, and have leased what is left.
            match client.messages(mailbox, None).await.reply {
                Ok((left, _)) if left.is_empty() => unchanged().delete(mailbox.record()),
                Ok(_) | Err(_) => return false,
            }
        } else {
            replies.iter().fold(unchanged(), Transaction::acknowledge)
        };
        let outcome = resolved(client, client.run_with_retries(ending).await).await;
        if !outcome.is_committed() {
            tracing::debug!(%mailbox, why = words(&outcome), "a mailbox for replies was left where it is");
            for reply in &replies {
                // If that fails, its lease runs out.
                let _ = client.give_back(reply, None).await;
            }
            return false;
        }
        if replies.is_empty() {
            return true;
        }
    }
}
