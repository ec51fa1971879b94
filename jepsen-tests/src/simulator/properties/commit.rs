//! R1 and R2: "committed" is said only where every participant holds a durable Yes, "aborted" only where one holds a durable
//! abort (or holds something else under this id, R12; or can't ever vote any more, R11).

use super::{Facts, Property, outcome_in};
use assent_protocol::{
    ids::{NodeId, Peer, Subject},
    message::Message,
    outcome::Answer,
};

pub(super) struct Commit;

fn check(facts: &Facts, subject: &Subject, committed: bool) -> Result<(), String> {
    let held = facts.of(&subject.txn);
    if committed {
        let Some(participants) = facts.participants(subject) else {
            return Err(format!("{} is called committed, and nobody ever held it", subject.txn));
        };
        let lacks = |node: &&NodeId| !held.get(node).is_some_and(|held| held.agrees(subject.digest));
        return match participants.iter().find(lacks) {
            Some(node) => {
                Err(format!("{} is called committed, and {node} holds no durable Yes (R1)", subject.txn))
            }
            None => Ok(()),
        };
    }
    if held.values().any(|held| held.rules_out(subject.digest)) {
        return Ok(());
    }
    Err(format!("{} is called aborted, and nobody holds a durable abort (R2)", subject.txn))
}

impl Property for Commit {
    fn name(&self) -> &'static str {
        "commit and abort rules"
    }

    fn on_said(&mut self, facts: &Facts, _: NodeId, to: Peer, message: &Message) -> Result<(), String> {
        if let Some((subject, committed)) = outcome_in(message) {
            return check(facts, subject, committed);
        }
        match (to, message) {
            // An abort of what only reads rests on nothing, and can't be told apart here.
            (Peer::Client(_), Message::Answer { subject, answer: Answer::Committed(_) })
                if facts.participants(subject).is_some() =>
            {
                check(facts, subject, true)
            }
            _ => Ok(()),
        }
    }
}
