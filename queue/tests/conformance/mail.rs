//! Messages for the suite: what a machine writes of them, in any order, and all that can be asked of them.
//!
//! Kept, as machines keep it: the numbers of a stream have no gaps above what was acknowledged, and no message is put below
//! where a mailbox was said to begin.

use super::txn;
use assent_protocol::{
    ids::{NodeId, Stamp, TxnId},
    mail::{
        Arrived, Cause, Draft, Envelope, Failure, Mailbox, MailboxMark, MessageId, MessageKey, Position,
        Stored, StreamSequence, VotePosition,
    },
    memory::MemoryStore,
    storage::{Store, Write},
};
use assent_queue::RocksStore;
use proptest::prelude::*;
use std::sync::Arc;

/// Names that are prefixes of each other, and bytes that sort before and after the others.
const MAILBOXES: [&str; 4] = ["a", "a-", "ab", "A.0"];
/// Around the length from which bodies are apart, and far beyond it.
const PAYLOADS: [usize; 5] = [0, 100, 3_900, 4_100, 9_000];
const PLACES_MAX: u64 = 40;

#[derive(Clone, Debug)]
pub(crate) enum MailStep {
    Send(Mailbox, Box<Envelope>),
    Acknowledge(Mailbox, u64),
    Wait(VotePosition, Box<Envelope>),
    EndWait(usize),
    Arrive(Mailbox, Box<Envelope>, NodeId),
    Fail(Mailbox, usize),
    Finish(Mailbox, usize),
    Die(Mailbox, usize),
    Redrive(Mailbox, usize),
    Purge(Mailbox, usize),
    Mark(Mailbox),
}

fn mailbox() -> impl Strategy<Value = Mailbox> {
    prop::sample::select(&MAILBOXES[..]).prop_map(|name| Mailbox::new(name).expect("valid"))
}

fn envelope(txn: TxnId, operation: u16, mailbox: Mailbox, payload: usize) -> Envelope {
    let key =
        (!operation.is_multiple_of(3)).then(|| MessageKey::new(&format!("k{operation}")).expect("valid"));
    let payload = vec![operation as u8; payload];
    let draft = Draft { mailbox, key, headers: Default::default(), payload, delay_ms: u32::from(operation) };
    Envelope { id: MessageId { txn, operation }, sent: Stamp(7), draft: Arc::new(draft) }
}

fn letter() -> impl Strategy<Value = (Mailbox, Box<Envelope>)> {
    (txn(), 0..5u16, mailbox(), prop::sample::select(&PAYLOADS[..])).prop_map(
        |(txn, operation, mailbox, payload)| {
            (mailbox.clone(), Box::new(envelope(txn, operation, mailbox, payload)))
        },
    )
}

pub(crate) fn step() -> impl Strategy<Value = MailStep> {
    let which = || (mailbox(), any::<usize>());
    prop_oneof![
        4 => letter().prop_map(|(mailbox, envelope)| MailStep::Send(mailbox, envelope)),
        2 => (mailbox(), 1..4u64).prop_map(|(mailbox, count)| MailStep::Acknowledge(mailbox, count)),
        2 => (0..4u64, letter()).prop_map(|(place, (_, envelope))| MailStep::Wait(VotePosition(place), envelope)),
        1 => any::<usize>().prop_map(MailStep::EndWait),
        5 => (letter(), 1..3u16)
            .prop_map(|((mailbox, envelope), source)| MailStep::Arrive(mailbox, envelope, NodeId(source))),
        1 => which().prop_map(|(mailbox, index)| MailStep::Fail(mailbox, index)),
        2 => which().prop_map(|(mailbox, index)| MailStep::Finish(mailbox, index)),
        2 => which().prop_map(|(mailbox, index)| MailStep::Die(mailbox, index)),
        1 => which().prop_map(|(mailbox, index)| MailStep::Redrive(mailbox, index)),
        1 => which().prop_map(|(mailbox, index)| MailStep::Purge(mailbox, index)),
        2 => mailbox().prop_map(MailStep::Mark),
    ]
}

/// What a machine would write for the step; nothing where there is nothing to do it to.
pub(crate) fn writes(step: MailStep, memory: &MemoryStore) -> Vec<Write> {
    let recovered = memory.recover().mail;
    let live = |mailbox: &Mailbox| -> Vec<Position> {
        let of = recovered.messages.iter().filter(|message| message.mailbox == *mailbox);
        of.map(|message| message.position).collect()
    };
    let next = |mailbox: &Mailbox| {
        let marked = recovered.mailboxes.iter().find(|(name, _)| name == mailbox).map(|(_, mark)| mark.next);
        let above = live(mailbox).last().map(|position| position.next());
        marked.into_iter().chain(above).max().unwrap_or(Position(1))
    };
    let acknowledged = |mailbox: &Mailbox| {
        let up_to = recovered.acknowledged.iter().find(|(name, _)| name == mailbox);
        up_to.map_or(StreamSequence(0), |(_, up_to)| *up_to)
    };
    let given = |mailbox: &Mailbox| {
        let last = recovered.outgoing.iter().rfind(|(name, _, _)| name == mailbox);
        last.map_or(acknowledged(mailbox), |(_, sequence, _)| *sequence)
    };
    let pick = |mailbox: &Mailbox, index: usize| {
        let live = live(mailbox);
        let position = *live.get(index.checked_rem(live.len())?)?;
        Some((position, memory.mail(mailbox, position).expect("it is there")))
    };
    let pick_dead = |mailbox: &Mailbox, index: usize| {
        let places = memory.dead_after(mailbox, None, 100);
        let position = places[index.checked_rem(places.len())?];
        Some((position, memory.dead(mailbox, position).expect("it is there")))
    };
    match step {
        MailStep::Send(mailbox, envelope) => vec![Write::PutOutgoing(given(&mailbox).next(), envelope)],
        MailStep::Acknowledge(mailbox, count) => {
            let before = acknowledged(&mailbox);
            let up_to = given(&mailbox).min(StreamSequence(before.0 + count));
            let gone = (before.0 + 1..=up_to.0).map(StreamSequence);
            let gone = gone.map(|number| Write::DeleteOutgoing(mailbox.clone(), number));
            gone.chain([Write::PutAcknowledged(mailbox.clone(), up_to)]).collect()
        }
        MailStep::Wait(position, envelope) => vec![Write::PutWaiting(position, envelope)],
        MailStep::EndWait(index) => {
            let waiting = index.checked_rem(recovered.waiting.len()).map(|index| &recovered.waiting[index]);
            waiting
                .map(|(position, held)| Write::DeleteWaiting(*position, held.id.clone()))
                .into_iter()
                .collect()
        }
        MailStep::Arrive(mailbox, envelope, source) => {
            let position = next(&mailbox);
            let arrived = Arrived { last: StreamSequence(position.0), id: envelope.id.clone() };
            let (failed, failures) = (0, Vec::new());
            let stored =
                Stored { envelope: *envelope, source, arrived: Stamp(8), due: Stamp(9), failed, failures };
            vec![Write::PutMessage(position, Box::new(stored)), Write::PutArrived(mailbox, source, arrived)]
        }
        MailStep::Fail(mailbox, index) => {
            let Some((position, mut stored)) = pick(&mailbox, index) else { return Vec::new() };
            let consumer = stored.envelope.id.txn.client.clone();
            stored.failures.push(Failure { consumer, at: Stamp(10), cause: Cause::LeaseExpired });
            stored.failed += 1;
            stored.due = Stamp(u64::from(stored.failed));
            vec![Write::PutMessage(position, Box::new(stored))]
        }
        MailStep::Finish(mailbox, index) => {
            let picked = pick(&mailbox, index);
            picked.map(|(position, _)| Write::DeleteMessage(mailbox, position)).into_iter().collect()
        }
        MailStep::Die(mailbox, index) => {
            let Some((position, stored)) = pick(&mailbox, index) else { return Vec::new() };
            vec![Write::DeleteMessage(mailbox, position), Write::PutDead(position, Box::new(stored))]
        }
        MailStep::Redrive(mailbox, index) => {
            let Some((position, stored)) = pick_dead(&mailbox, index) else { return Vec::new() };
            let again = Write::PutMessage(next(&mailbox), Box::new(stored));
            vec![Write::DeleteDead(mailbox, position), again]
        }
        MailStep::Purge(mailbox, index) => {
            let picked = pick_dead(&mailbox, index);
            picked.map(|(position, _)| Write::DeleteDead(mailbox, position)).into_iter().collect()
        }
        MailStep::Mark(mailbox) => {
            let next = next(&mailbox);
            let head = live(&mailbox).first().copied().unwrap_or(next);
            vec![Write::PutMailbox(mailbox, MailboxMark { next, head })]
        }
    }
}

pub(crate) fn check(memory: &MemoryStore, rocks: &RocksStore) {
    for mailbox in MAILBOXES.map(|name| Mailbox::new(name).expect("valid")) {
        for number in 0..=PLACES_MAX {
            let sequence = StreamSequence(number);
            assert_eq!(
                memory.outgoing(&mailbox, sequence),
                rocks.outgoing(&mailbox, sequence),
                "{mailbox} {number}"
            );
            let position = Position(number);
            assert_eq!(memory.mail(&mailbox, position), rocks.mail(&mailbox, position), "{mailbox} {number}");
            assert_eq!(memory.dead(&mailbox, position), rocks.dead(&mailbox, position), "{mailbox} {number}");
            let after = number.checked_sub(1).map(Position);
            for limit in [0, 1, 100] {
                let dead = rocks.dead_after(&mailbox, after, limit);
                assert_eq!(memory.dead_after(&mailbox, after, limit), dead, "{mailbox} {after:?} {limit}");
            }
        }
    }
}
