//! R8: an outcome is forgotten only when every participant durably holds it, or is durably expired; and only when the client
//! itself has said that it has the answer, or its session has ended.

use super::{Facts, Property};
use crate::simulator::disk::Durable;
use assent_protocol::ids::NodeId;

pub(super) struct Forgetting;

impl Property for Forgetting {
    fn name(&self) -> &'static str {
        "forgetting"
    }

    fn on_durable(&mut self, facts: &Facts, node: NodeId, durable: &Durable) -> Result<(), String> {
        let Durable::Forgotten(txn) = durable else { return Ok(()) };
        let Some(held) = facts.at(node, txn) else {
            // Voted, decided and forgotten within one batch: what it was is noted before.
            return Err(format!("{node} forgets {txn}, which it never held"));
        };
        let Some((digest, _)) = held.decided else {
            return Err(format!("{node} forgets {txn}, which is not decided there"));
        };
        for other in &held.participants {
            let holds =
                facts.at(*other, txn).is_some_and(|held| held.decided.is_some() || held.rules_out(digest));
            if !holds && !facts.is_expired(*other, txn) {
                return Err(format!("{node} forgets {txn}, and {other} does not hold the outcome (R8)"));
            }
        }
        let answered = txn.sequence < facts.said(&txn.client, txn.session);
        if !answered && !facts.has_ended_anywhere(&txn.client, txn.session) {
            return Err(format!("{node} forgets {txn}, and its client has no answer (R8)"));
        }
        Ok(())
    }
}
