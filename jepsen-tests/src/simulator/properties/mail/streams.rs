//! From a commit to the mailbox: only what has committed leaves, in the order of votes (M1); a number is durable before it
//! is told, and never given twice (M2); each message arrives once, and is durable before that is told (M3).

use super::Known;
use crate::simulator::{
    disk::Durable,
    properties::{Asked, Facts, Property},
};
use assent_protocol::{
    ids::{NodeId, Peer},
    mail::{Mailbox, MessageId, MessageKey, Position, Stored, StreamSequence},
    message::Message,
    storage::Write,
};
use std::collections::{BTreeMap, BTreeSet};

/// Whose messages of which key, to which mailbox.
type Line = (NodeId, Mailbox, MessageKey);

#[derive(Default)]
pub(in crate::simulator::properties) struct Streams {
    known: Known,
    numbers: BTreeMap<(NodeId, Mailbox, StreamSequence), MessageId>,
    released: BTreeSet<(NodeId, MessageId)>,
    /// The last message of each line that was released, and that arrived.
    last_released: BTreeMap<Line, (u64, u16)>,
    last_arrived: BTreeMap<Line, (u64, u16)>,
    here: BTreeSet<(Mailbox, Position)>,
    arrived: BTreeSet<MessageId>,
    /// Dead letters that are on their way back into their mailbox.
    redriven: BTreeSet<MessageId>,
    dead: BTreeMap<(Mailbox, Position), MessageId>,
    filter: BTreeMap<(Mailbox, NodeId), StreamSequence>,
}

impl Streams {
    fn release(&mut self, node: NodeId, id: &MessageId) -> Result<(), String> {
        let Some(draft) = self.known.sent(node, id) else {
            return Err(format!("{node} releases {id}, whose transaction has not committed there"));
        };
        let line = draft.key.clone().map(|key| (node, draft.mailbox.clone(), key));
        if !self.released.insert((node, id.clone())) {
            return Err(format!("{node} releases {id} twice (M2)"));
        }
        let order = self.known.order(node, id);
        match line {
            Some(line) => in_order(&mut self.last_released, line, order).map_err(|last| {
                format!("{node} releases {id} behind one of its key that voted later {last:?} (M1)")
            }),
            None => Ok(()),
        }
    }

    fn arrive(&mut self, node: NodeId, position: Position, stored: &Stored) -> Result<(), String> {
        let (id, source) = (&stored.envelope.id, stored.source);
        let place = (stored.mailbox().clone(), position);
        if !self.here.insert(place) || self.redriven.remove(id) {
            // Its failures are written, or it comes back from the dead letters.
            return Ok(());
        }
        if !self.arrived.insert(id.clone()) {
            return Err(format!("{id} arrives at {} twice (M3)", stored.mailbox()));
        }
        if source == node && !self.released.contains(&(node, id.clone())) {
            self.release(node, id)?;
        }
        if !self.released.contains(&(source, id.clone())) {
            return Err(format!("{id} arrives, and {source} never released it"));
        }
        let order = self.known.order(source, id);
        let Some(key) = stored.envelope.draft.key.clone() else { return Ok(()) };
        let line = (source, stored.mailbox().clone(), key);
        in_order(&mut self.last_arrived, line, order)
            .map_err(|last| format!("{id} arrives behind one of its key that voted later {last:?} (M1)"))
    }
}

fn in_order(last: &mut BTreeMap<Line, (u64, u16)>, line: Line, order: (u64, u16)) -> Result<(), (u64, u16)> {
    match last.insert(line, order) {
        Some(before) if before >= order => Err(before),
        Some(_) | None => Ok(()),
    }
}

impl Property for Streams {
    fn name(&self) -> &'static str {
        "streams"
    }

    fn on_begun(&mut self, asked: &Asked<'_>) -> Result<(), String> {
        self.known.note_begun(asked);
        Ok(())
    }

    fn on_said(&mut self, _: &Facts, from: NodeId, to: Peer, message: &Message) -> Result<(), String> {
        match message {
            Message::Relay { mailbox, first, envelopes, .. } => {
                for (number, envelope) in (first.0..).zip(envelopes) {
                    let number = StreamSequence(number);
                    if self.numbers.get(&(from, mailbox.clone(), number)) != Some(&envelope.id) {
                        return Err(format!(
                            "{from} sends {} as number {number} of {mailbox}, which is not durable (M2)",
                            envelope.id
                        ));
                    }
                }
                Ok(())
            }
            Message::RelayHeld { mailbox, last: Some((last, _)), .. } => {
                let Peer::Node(source) = to else { return Ok(()) };
                let durable = self.filter.get(&(mailbox.clone(), source)).copied().unwrap_or_default();
                if durable < *last {
                    return Err(format!(
                        "{from} says that number {last} has arrived in {mailbox}, and {durable} is durable (M3)"
                    ));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn on_durable(&mut self, _: &Facts, node: NodeId, durable: &Durable) -> Result<(), String> {
        self.known.note(node, durable);
        let Durable::Mail(write) = durable else { return Ok(()) };
        match &**write {
            Write::PutWaiting(_, envelope) => match self.known.sent(node, &envelope.id) {
                Some(_) => Ok(()),
                None => {
                    Err(format!("{} waits at {node}, and its transaction has not committed", envelope.id))
                }
            },
            Write::PutOutgoing(number, envelope) => {
                let slot = (node, envelope.draft.mailbox.clone(), *number);
                if let Some(before) = self.numbers.insert(slot, envelope.id.clone())
                    && before != envelope.id
                {
                    return Err(format!(
                        "{node} gives {number} to {} and had given it to {before} (M2)",
                        envelope.id
                    ));
                }
                self.release(node, &envelope.id)
            }
            Write::PutArrived(mailbox, source, arrived) => {
                let last = self.filter.entry((mailbox.clone(), *source)).or_default();
                if arrived.last < *last {
                    return Err(format!(
                        "the filter of {mailbox} for {source} falls to {} (M3)",
                        arrived.last
                    ));
                }
                *last = arrived.last;
                Ok(())
            }
            Write::PutMessage(position, stored) => self.arrive(node, *position, stored),
            Write::DeleteMessage(mailbox, position) => {
                self.here.remove(&(mailbox.clone(), *position));
                Ok(())
            }
            Write::PutDead(position, stored) => {
                self.dead.insert((stored.mailbox().clone(), *position), stored.envelope.id.clone());
                Ok(())
            }
            Write::DeleteDead(mailbox, position) => {
                self.redriven.extend(self.dead.remove(&(mailbox.clone(), *position)));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn on_end(&mut self) -> Result<(), String> {
        for ((node, txn), subject) in &self.known.committed {
            let operations = self.known.operations.get(subject).into_iter().flatten();
            for (operation, _) in (0..).zip(operations).filter(|(_, operation)| {
                matches!(operation, assent_protocol::operation::Operation::Send { .. })
            }) {
                let id = MessageId { txn: txn.clone(), operation };
                if !self.arrived.contains(&id) {
                    return Err(format!("{node} has committed {txn}, and {id} never arrived (M6)"));
                }
            }
        }
        Ok(())
    }
}
