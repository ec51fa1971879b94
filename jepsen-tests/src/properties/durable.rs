//! Durable before told (R7): what a participant says is on its disk when it leaves.

use assent_protocol::{
    ids::{Subject, TxnId},
    mail::StreamSequence,
    memory::MemoryStore,
    message::{Held, Message},
    outcome::Outcome,
    storage::{Recovered, TxnRecord},
};

/// A disk as a crash would leave it.
pub fn disk(store: &MemoryStore) -> MemoryStore {
    let mut disk = store.clone();
    disk.crash();
    disk
}

/// What it holds.
pub fn durable(store: &MemoryStore) -> Recovered {
    disk(store).recover()
}

/// Whether everything that a message promises is held by the disk of the participant from which it leaves.
///
/// # Errors
/// What is missing, in words.
pub fn check(message: &Message, disk: &Recovered) -> Result<(), String> {
    let held = |subject: &Subject| record(disk, subject);
    let missing = |what: &str, subject: &Subject| {
        Err(format!("{what} {} is said, and the disk holds {:?}", subject.txn, held(subject)))
    };
    match message {
        // It may have ended since it was voted for, in the same sync.
        Message::Vote { subject, .. } => match held(subject) {
            Some(_) => Ok(()),
            None if passed(disk, &subject.txn) => Ok(()),
            None => missing("a vote for", subject),
        },
        Message::Pledged { subject, .. } => match held(subject) {
            Some(TxnRecord::Yes(yes)) if yes.pledged => Ok(()),
            Some(TxnRecord::Decided(_)) => Ok(()),
            None if passed(disk, &subject.txn) => Ok(()),
            Some(TxnRecord::Yes(_)) | None => missing("a pledge for", subject),
        },
        Message::Standing { subject, held: Held::Committed(_) } => outcome(disk, subject, true),
        Message::Standing { subject, held: Held::Aborted(_) } => outcome(disk, subject, false),
        Message::Standing { subject, held: Held::Expired } if !passed(disk, &subject.txn) => {
            missing("the expiry of", subject)
        }
        Message::OutcomesHeld { held: all } => all.iter().try_for_each(|(subject, _)| match held(subject) {
            Some(TxnRecord::Decided(_)) => Ok(()),
            None if passed(disk, &subject.txn) => Ok(()),
            // Aborted for the digest asked, by another transaction of the id.
            None if disk.txns.iter().any(|(txn, _)| *txn == subject.txn) => Ok(()),
            Some(TxnRecord::Yes(_)) | None => missing("the outcome of", subject),
        }),
        Message::Relay { mailbox, first, envelopes, .. } => {
            let stored = |number: u64| {
                let number = StreamSequence(number);
                let mail = &disk.mail;
                mail.acknowledged.iter().any(|(to, acked)| to == mailbox && number <= *acked)
                    || mail.outgoing.iter().any(|(to, held, _)| to == mailbox && number == *held)
            };
            match (first.0..).take(envelopes.len()).find(|number| !stored(*number)) {
                None => Ok(()),
                Some(number) => Err(format!("message {number} to {mailbox} is said, and not on the disk")),
            }
        }
        Message::RelayHeld { mailbox, last: Some((last, _)), .. } => {
            let mut arrived = disk.mail.arrived.iter().filter(|(of, _, _)| of == mailbox);
            if arrived.any(|(_, _, arrived)| arrived.last >= *last) {
                return Ok(());
            }
            Err(format!("message {last} is said to have arrived in {mailbox}, and is not on the disk"))
        }
        _ => Ok(()),
    }
}

fn record<'a>(disk: &'a Recovered, subject: &Subject) -> Option<&'a TxnRecord> {
    let found = disk.txns.iter().find(|(txn, _)| *txn == subject.txn).map(|(_, record)| record);
    found.filter(|record| match record {
        TxnRecord::Yes(yes) => yes.digest == subject.digest,
        TxnRecord::Decided(decided) => decided.digest == subject.digest,
    })
}

fn outcome(disk: &Recovered, subject: &Subject, committed: bool) -> Result<(), String> {
    match record(disk, subject) {
        Some(TxnRecord::Decided(decided)) if (decided.outcome == Outcome::Committed) == committed => Ok(()),
        None if passed(disk, &subject.txn) => Ok(()),
        held => Err(format!("the outcome of {} is said, and the disk holds {held:?}", subject.txn)),
    }
}

/// Whether the client durably has every answer up to this one, or its session has ended (R11).
pub fn passed(disk: &Recovered, txn: &TxnId) -> bool {
    let below = disk.watermarks.iter().any(|(client, session, watermark)| {
        *client == txn.client && *session == txn.session && txn.sequence < *watermark
    });
    let ended = disk.clients.iter().any(|(client, record)| {
        let within = |(first, last): &(_, _)| (*first..=*last).contains(&txn.session);
        *client == txn.client && record.ended.iter().any(within)
    });
    below || ended
}
