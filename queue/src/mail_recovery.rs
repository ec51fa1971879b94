//! From the rows of messages to what a machine starts from.
//!
//! What was deleted leaves marks in RocksDB until it is compacted, and reading over them takes as long as reading over rows. So
//! nothing is read below where a mailbox begins, or up to where a stream was acknowledged.

use crate::{
    keys::{self, Key, Numbered, families},
    mail::{Kept, Known, Row},
    recovery::{RowError, each, range},
};
use assent_protocol::{
    codec,
    mail::{Envelope, Mailbox, Stored},
    storage::{RecoveredMail, RecoveredMessage},
};
use rocksdb::DB;
use std::collections::BTreeMap;

/// Loads what orders messages, and the whole of those that wait.
pub(crate) fn load(db: &DB) -> Result<(RecoveredMail, Known), RowError> {
    let mut mail = RecoveredMail::default();
    let mut known = Known::default();
    each(db, families::STREAMS, Key::default().all_acknowledged(), |key, value| {
        mail.acknowledged.push((keys::parse_mailbox(key)?, codec::decode(value)?));
        Ok(())
    })?;
    each(db, families::STREAMS, Key::default().all_arrived(), |key, value| {
        let (mailbox, source) = keys::parse_arrived(key)?;
        mail.arrived.push((mailbox, source, codec::decode(value)?));
        Ok(())
    })?;
    each(db, families::STREAMS, Key::default().all_marks(), |key, value| {
        mail.mailboxes.push((keys::parse_mailbox(key)?, codec::decode(value)?));
        Ok(())
    })?;
    each(db, families::MESSAGES, Key::default().all_waiting(), |key, value| {
        let position = keys::parse_waiting(key)?;
        let envelope = match codec::decode::<Row<Envelope, u64>>(value)? {
            Row::Whole(envelope) => envelope,
            Row::Apart(_) => {
                known.long.insert(key.into());
                let bodies = db.cf_handle(families::BODIES).expect("all families are there by now");
                codec::decode(&db.get_pinned_cf(bodies, key)?.ok_or(RowError::Body)?)?
            }
        };
        mail.waiting.push((position, envelope));
        Ok(())
    })?;
    let starts = mail.acknowledged.iter().map(|(mailbox, up_to)| (mailbox.clone(), up_to.next().0)).collect();
    each_numbered(db, Numbered::Outgoing, &starts, |(mailbox, number), key, value| {
        let bytes = match codec::decode::<Row<Envelope, u64>>(value)? {
            Row::Whole(envelope) => envelope.bytes(),
            Row::Apart(bytes) => {
                known.long.insert(key.into());
                bytes as usize
            }
        };
        mail.outgoing.push((mailbox, assent_protocol::mail::StreamSequence(number), bytes));
        Ok(())
    })?;
    let starts = mail.mailboxes.iter().map(|(mailbox, mark)| (mailbox.clone(), mark.head.0)).collect();
    each_numbered(db, Numbered::Message, &starts, |(mailbox, number), key, value| {
        let order = match codec::decode::<Row<Stored, _>>(value)? {
            Row::Whole(stored) => stored.head(),
            Row::Apart(order) => {
                known.long.insert(key.into());
                order
            }
        };
        let position = assent_protocol::mail::Position(number);
        let (key, due, failed) = (order.key, order.due, order.failed);
        mail.messages.push(RecoveredMessage { mailbox, position, key, due, failed });
        Ok(())
    })?;
    each(db, families::MESSAGES, Key::default().all_numbered(Numbered::Dead), |key, value| {
        let (mailbox, number) = keys::parse_numbered(key)?;
        if let Row::Apart(_) = codec::decode::<Row<Stored, <Stored as Kept>::Head>>(value)? {
            known.long.insert(key.into());
        }
        known.dead.entry(mailbox).or_default().insert(assent_protocol::mail::Position(number));
        Ok(())
    })?;
    mail.dead = known.dead.iter().map(|(mailbox, places)| (mailbox.clone(), places.len() as u64)).collect();
    Ok((mail, known))
}

/// Calls `row` with every row of a kind, in order; of a mailbox that has a start, only from there on.
fn each_numbered(
    db: &DB,
    kind: Numbered,
    starts: &BTreeMap<Mailbox, u64>,
    mut row: impl FnMut((Mailbox, u64), &[u8], &[u8]) -> Result<(), RowError>,
) -> Result<(), RowError> {
    let mut row = |key: &[u8], value: &[u8]| row(keys::parse_numbered(key)?, key, value);
    let mut key = Key::default();
    let mut from = key.all_numbered(kind).as_ref().to_vec();
    for (mailbox, start) in starts {
        // Between two that have starts: those without.
        let prefix = key.numbered_of(kind, mailbox);
        range(db, families::MESSAGES, &from, prefix.as_ref().to_vec(), &mut row)?;
        from = prefix.end();
        let first = key.numbered(kind, mailbox, *start);
        range(db, families::MESSAGES, first.as_ref(), from.clone(), &mut row)?;
    }
    range(db, families::MESSAGES, &from, key.all_numbered(kind).end(), &mut row)
}
