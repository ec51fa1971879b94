//! What people may see of messages. Nothing here changes anything.

use super::{BYTES_AT_ONCE_MAX, Participant};
use crate::{
    ids::{Stamp, Time},
    mail::{Mailbox, Position, Stored},
    message::{MailboxFigures, Reply, StreamFigures},
    storage::Store,
};
use alloc::vec::Vec;

/// Messages in one page at most.
const PAGE_MAX: usize = 256;

impl Participant {
    /// The mailboxes here, by name.
    pub fn mailboxes<S: Store>(&self, now: Time, store: &S) -> Vec<MailboxFigures> {
        let now = self.wall(now);
        let since = |stored: Option<Stored>| stored.map_or(0, |stored| ms_since(stored.arrived, now));
        let figures = |(mailbox, state): (&Mailbox, &crate::mail::mailbox::MailboxState)| MailboxFigures {
            mailbox: mailbox.clone(),
            exists: store.record(mailbox.record()).is_some(),
            depth: state.depth() as u64,
            ready: state.ready() as u64,
            leased: state.leased() as u64,
            receivers: state.receivers() as u64,
            dead: state.dead,
            oldest_ms: if state.depth() == 0 { 0 } else { since(store.mail(mailbox, state.head())) },
            dead_oldest_ms: if state.dead == 0 {
                0
            } else {
                let first = store.dead_after(mailbox, None, 1).pop();
                since(first.and_then(|first| store.dead(mailbox, first)))
            },
        };
        self.mail.mailboxes.iter().map(figures).collect()
    }

    /// What waits in the outbox here.
    pub fn outbox<S: Store>(&self, now: Time, store: &S) -> Reply {
        let now = self.wall(now);
        let streams = self.mail.streams.iter().map(|(mailbox, stream)| {
            let oldest =
                if stream.is_empty() { None } else { store.outgoing(mailbox, stream.acked().next()) };
            StreamFigures {
                mailbox: mailbox.clone(),
                destination: self.config.directory.locate(mailbox.record()),
                last: stream.last(),
                acked: stream.acked(),
                oldest_ms: oldest.map_or(0, |oldest| ms_since(oldest.sent, now)),
                held_back: stream.is_paused(),
            }
        });
        Reply::Outbox {
            streams: streams.collect(),
            waiting: self.mail.outbox.waiting() as u64,
            messages: self.mail.held.messages,
            bytes: self.mail.held.bytes,
        }
    }

    /// A page of a mailbox's messages or dead letters, after a place.
    pub fn mail_page<S: Store>(
        &self,
        mailbox: &Mailbox,
        dead: bool,
        after: Option<Position>,
        store: &S,
    ) -> Reply {
        let places = if dead {
            store.dead_after(mailbox, after, PAGE_MAX + 1)
        } else {
            let after = after.unwrap_or_default();
            let places = self.mail.mailboxes.get(mailbox).into_iter().flat_map(|state| state.after(after));
            places.take(PAGE_MAX + 1).collect()
        };
        let mut messages = Vec::new();
        let mut bytes = 0;
        let mut more = places.len() > PAGE_MAX;
        for position in places.into_iter().take(PAGE_MAX) {
            let stored = if dead { store.dead(mailbox, position) } else { store.mail(mailbox, position) };
            let Some(stored) = stored else { continue };
            bytes += stored.bytes_with_failures();
            if bytes > BYTES_AT_ONCE_MAX && !messages.is_empty() {
                more = true;
                break;
            }
            messages.push((position, stored));
        }
        Reply::Mail { messages, more }
    }

    /// Named counts of messages since the start.
    pub(in crate::participant) fn mail_figures(&self) -> Vec<(&'static str, u64)> {
        let figures = &self.mail.figures;
        alloc::vec![
            ("messages_released", figures.released),
            ("messages_relayed", figures.relayed),
            ("messages_relayed_again", figures.relayed_again),
            ("messages_duplicates", figures.duplicates),
            ("messages_gaps", figures.gaps),
            ("messages_stored", figures.stored),
            ("messages_refused_full", figures.refused_full),
            ("messages_delivered", figures.delivered),
            ("messages_redelivered", figures.redelivered),
            ("messages_acknowledged", figures.acknowledged),
            ("messages_acknowledged_in_transactions", figures.acknowledged_in_transactions),
            ("messages_failures", figures.failures),
            ("messages_died", figures.died),
            ("messages_redriven", figures.redriven),
            ("messages_purged", figures.purged),
            ("messages_discarded", figures.discarded),
            ("leases_expired", figures.leases_expired),
            ("leases_lost", figures.leases_lost),
            ("outbox_full", figures.outbox_full),
        ]
    }

    /// Named sizes of messages now.
    pub(in crate::participant) fn mail_sizes(&self) -> Vec<(&'static str, u64)> {
        let states = || self.mail.mailboxes.values();
        alloc::vec![
            ("outbox_messages", self.mail.held.messages),
            ("outbox_bytes", self.mail.held.bytes),
            ("outbox_waiting", self.mail.outbox.waiting() as u64),
            ("mailbox_messages", states().map(|state| state.depth() as u64).sum()),
            ("mailbox_receivers", states().map(|state| state.receivers() as u64).sum()),
            ("dead_letters", states().map(|state| state.dead).sum()),
        ]
    }
}

fn ms_since(then: Stamp, now: Stamp) -> u64 {
    now.0.saturating_sub(then.0) / 1000
}
