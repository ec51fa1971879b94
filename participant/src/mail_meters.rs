//! Figures of single mailboxes and streams, as gauges with the mailbox as label.
//!
//! Looking at one costs a read or two; so the more there are, the less often they are looked at.

use assent_protocol::{
    ids::Time,
    mail::Mailbox,
    message::{MailboxFigures, Reply, StreamFigures},
    participant::Participant,
    storage::Store,
};
use metrics::{Gauge, gauge};
use std::collections::HashMap;

/// Mailboxes and streams that are looked at in every round.
const LOOKS_PER_ROUND: usize = 256;

/// Gauges that have been used, by mailbox.
#[derive(Default)]
pub(crate) struct MailMeters {
    mailboxes: HashMap<Mailbox, MailboxMeters>,
    streams: HashMap<Mailbox, StreamMeters>,
    /// Rounds in which nothing is looked at.
    rest: u64,
}

struct MailboxMeters {
    depth: Gauge,
    ready: Gauge,
    leases: Gauge,
    receivers: Gauge,
    oldest: Gauge,
    dead: Gauge,
    dead_oldest: Gauge,
}

struct StreamMeters {
    messages: Gauge,
    oldest: Gauge,
    held_back: Gauge,
}

impl MailMeters {
    /// Publishes what the machine says of its mailboxes and its outbox; at most once a round.
    pub(crate) fn publish<S: Store>(&mut self, machine: &Participant, store: &S, now: Time) {
        if self.rest > 0 {
            self.rest -= 1;
            return;
        }
        let mailboxes = machine.mailboxes(now, store);
        let Reply::Outbox { streams, .. } = machine.outbox(now, store) else { return };
        self.rest = ((mailboxes.len() + streams.len()) / LOOKS_PER_ROUND) as u64;
        for figures in mailboxes {
            let meters = self
                .mailboxes
                .entry(figures.mailbox.clone())
                .or_insert_with_key(|mailbox| MailboxMeters::new(mailbox.name()));
            meters.set(&figures);
        }
        for figures in streams {
            let meters = self
                .streams
                .entry(figures.mailbox.clone())
                .or_insert_with_key(|mailbox| StreamMeters::new(mailbox.name()));
            meters.set(&figures);
        }
    }
}

impl MailboxMeters {
    fn new(mailbox: &str) -> Self {
        let mailbox = mailbox.to_string();
        MailboxMeters {
            depth: gauge!("assent_mailbox_messages", "mailbox" => mailbox.clone()),
            ready: gauge!("assent_mailbox_ready", "mailbox" => mailbox.clone()),
            leases: gauge!("assent_mailbox_leases", "mailbox" => mailbox.clone()),
            receivers: gauge!("assent_mailbox_receivers", "mailbox" => mailbox.clone()),
            oldest: gauge!("assent_mailbox_oldest_seconds", "mailbox" => mailbox.clone()),
            dead: gauge!("assent_mailbox_dead_letters", "mailbox" => mailbox.clone()),
            dead_oldest: gauge!("assent_mailbox_dead_letters_oldest_seconds", "mailbox" => mailbox),
        }
    }

    fn set(&self, figures: &MailboxFigures) {
        self.depth.set(figures.depth as f64);
        self.ready.set(figures.ready as f64);
        self.leases.set(figures.leased as f64);
        self.receivers.set(figures.receivers as f64);
        self.oldest.set(seconds(figures.oldest_ms));
        self.dead.set(figures.dead as f64);
        self.dead_oldest.set(seconds(figures.dead_oldest_ms));
    }
}

impl StreamMeters {
    fn new(mailbox: &str) -> Self {
        let mailbox = mailbox.to_string();
        StreamMeters {
            messages: gauge!("assent_stream_messages", "mailbox" => mailbox.clone()),
            oldest: gauge!("assent_stream_oldest_seconds", "mailbox" => mailbox.clone()),
            held_back: gauge!("assent_stream_held_back", "mailbox" => mailbox),
        }
    }

    fn set(&self, figures: &StreamFigures) {
        self.messages.set(figures.last.0.saturating_sub(figures.acked.0) as f64);
        self.oldest.set(seconds(figures.oldest_ms));
        self.held_back.set(f64::from(u8::from(figures.held_back)));
    }
}

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}
