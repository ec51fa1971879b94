//! Exactly once, on each disk: a transaction is voted on once and decided once, an outcome never changes, and what was
//! forgotten never comes back (R2, R8, R11). Of all that one id is made to stand for, one thing commits at most (R12).

use super::{Facts, Property};
use crate::simulator::disk::Durable;
use assent_protocol::ids::{NodeId, TxnId};

pub(super) struct Once;

fn held_again(facts: &Facts, node: NodeId, txn: &TxnId) -> Result<(), String> {
    if facts.at(node, txn).is_some_and(|held| held.forgotten) {
        return Err(format!("{node} takes up {txn} again, which it had forgotten"));
    }
    Ok(())
}

impl Property for Once {
    fn name(&self) -> &'static str {
        "exactly once"
    }

    fn on_durable(&mut self, facts: &Facts, node: NodeId, durable: &Durable) -> Result<(), String> {
        match durable {
            Durable::Yes { txn, digest, sponsor, pledged, .. } => {
                held_again(facts, node, txn)?;
                let Some(held) = facts.at(node, txn) else { return Ok(()) };
                if held.decided.is_some() {
                    return Err(format!("{node} votes on {txn}, which was decided there"));
                }
                if held.yes.is_some_and(|yes| yes != (*digest, *sponsor)) {
                    return Err(format!("{node} votes on {txn} again, for another attempt"));
                }
                if held.pledged && !pledged {
                    return Err(format!("{node} takes back its pledge of {txn} (R4)"));
                }
                Ok(())
            }
            Durable::Decided { txn, digest, committed, participants } => {
                held_again(facts, node, txn)?;
                let held = facts.at(node, txn);
                if held.and_then(|held| held.decided).is_some_and(|before| before != (*digest, *committed)) {
                    return Err(format!("{node} decides {txn} a second time, and otherwise"));
                }
                if *committed && participants.len() > 1 && held.is_none_or(|held| held.yes.is_none()) {
                    return Err(format!("{node} commits {txn} without a vote of its own"));
                }
                let others = facts.of(txn).values().filter_map(|held| held.decided);
                if *committed && others.into_iter().any(|(of, committed)| committed && of != *digest) {
                    return Err(format!("two contents of {txn} are both committed (R12)"));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
