//! What must be true of messages between applications (docs/messages.md, M1 to M6), seen from what is durable and said.

pub(super) mod deliveries;
pub(super) mod streams;

use super::Asked;
use crate::simulator::disk::Durable;
use assent_protocol::{
    ids::{NodeId, Subject, TxnId},
    mail::{Draft, LeaseId, Mailbox, MessageId, Position},
    operation::Operation,
};
use std::collections::BTreeMap;

/// What transactions send and acknowledge, in which order they voted, and which have committed.
#[derive(Default)]
struct Known {
    operations: BTreeMap<Subject, Vec<Operation>>,
    /// The order of votes on each node, and of commits that needed no vote.
    votes: BTreeMap<(NodeId, TxnId), u64>,
    committed: BTreeMap<(NodeId, TxnId), Subject>,
    next_vote: u64,
}

impl Known {
    fn note_begun(&mut self, asked: &Asked<'_>) {
        let mail = |operation: &Operation| {
            matches!(operation, Operation::Send { .. } | Operation::Acknowledge { .. })
        };
        if asked.operations.iter().any(mail) {
            self.operations.insert(asked.subject.clone(), asked.operations.to_vec());
        }
    }

    fn note(&mut self, node: NodeId, durable: &Durable) {
        let (txn, digest, committed) = match durable {
            Durable::Yes { txn, digest, .. } => (txn, *digest, false),
            Durable::Decided { txn, digest, committed, .. } => (txn, *digest, *committed),
            _ => return,
        };
        let next_vote = &mut self.next_vote;
        self.votes.entry((node, txn.clone())).or_insert_with(|| {
            *next_vote += 1;
            *next_vote
        });
        if committed {
            self.committed.insert((node, txn.clone()), Subject { txn: txn.clone(), digest });
        }
    }

    /// What a message says, if its transaction has committed on this node.
    fn sent(&self, node: NodeId, id: &MessageId) -> Option<&Draft> {
        let subject = self.committed.get(&(node, id.txn.clone()))?;
        match self.operations.get(subject)?.get(usize::from(id.operation))? {
            Operation::Send { draft, .. } => Some(draft),
            _ => None,
        }
    }

    /// Its place in the order that messages of one key keep.
    fn order(&self, node: NodeId, id: &MessageId) -> (u64, u16) {
        (self.votes.get(&(node, id.txn.clone())).copied().unwrap_or_default(), id.operation)
    }

    /// What a transaction acknowledges, as its client asked for it.
    fn acknowledges(&self, subject: &Subject) -> Vec<(Mailbox, Position, LeaseId)> {
        let operations = self.operations.get(subject).into_iter().flatten();
        let acknowledged = operations.filter_map(|operation| match operation {
            Operation::Acknowledge { mailbox, position, lease } => Some((mailbox.clone(), *position, *lease)),
            _ => None,
        });
        acknowledged.collect()
    }
}
