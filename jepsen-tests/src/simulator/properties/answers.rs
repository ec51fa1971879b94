//! What a client hears: an answer never changes, a good request is never called malformed, what is outstanding in a live
//! session never expired, and an id never called reused that its client used once; and what it therefore takes for never
//! executed is never committed.

use super::{Asked, Facts, Property};
use crate::simulator::disk::Durable;
use assent_protocol::{
    ids::{Digest, NodeId, Subject, TxnId},
    outcome::{AbortReason, Answer},
};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Default)]
pub(super) struct Answers {
    first: BTreeMap<TxnId, Vec<(Digest, Known)>>,
    /// Taken for never executed.
    disowned: BTreeSet<Subject>,
}

struct Known {
    writes: bool,
    answer: Option<Answer>,
}

impl Property for Answers {
    fn name(&self) -> &'static str {
        "answers"
    }

    fn on_begun(&mut self, asked: &Asked<'_>) -> Result<(), String> {
        let known = Known { writes: asked.writes, answer: None };
        let contents = self.first.entry(asked.subject.txn.clone()).or_default();
        contents.push((asked.subject.digest, known));
        if contents.len() > 1 && !asked.twin {
            return Err(format!("a client uses {} for two requests", asked.subject.txn));
        }
        Ok(())
    }

    fn on_disowned(&mut self, facts: &Facts, subject: &Subject) -> Result<(), String> {
        let decided = facts.of(&subject.txn).values().filter_map(|held| held.decided);
        if decided.into_iter().any(|decided| decided == (subject.digest, true)) {
            return Err(format!("{} is committed, and its client takes it for never executed", subject.txn));
        }
        self.disowned.insert(subject.clone());
        Ok(())
    }

    fn on_durable(&mut self, _: &Facts, _: NodeId, durable: &Durable) -> Result<(), String> {
        let Durable::Decided { txn, digest, committed: true, .. } = durable else { return Ok(()) };
        if self.disowned.contains(&Subject { txn: txn.clone(), digest: *digest }) {
            return Err(format!("{txn} is committed, and its client took it for never executed"));
        }
        Ok(())
    }

    fn on_answer(&mut self, facts: &Facts, subject: &Subject, answer: &Answer) -> Result<(), String> {
        let txn = &subject.txn;
        let contents = self.first.entry(txn.clone()).or_default();
        let single = contents.len() == 1;
        let Some((_, known)) = contents.iter_mut().find(|(digest, _)| *digest == subject.digest) else {
            return Err(format!("an answer to {txn}, which was never asked"));
        };
        match answer {
            Answer::Malformed(why) => Err(format!("{txn}, a good request, is called malformed: {why:?}")),
            Answer::Expired => {
                let outstanding = txn.sequence >= facts.said(&txn.client, txn.session);
                if outstanding && !facts.has_ended_anywhere(&txn.client, txn.session) {
                    return Err(format!("{txn} is outstanding in a live session, and is called expired"));
                }
                Ok(())
            }
            Answer::Aborted(AbortReason::IdReused) if single => {
                Err(format!("{txn} stood for one thing only, and is called reused"))
            }
            Answer::Unknown | Answer::Overloaded => Ok(()),
            // What only reads is read again.
            Answer::Committed(_) | Answer::Aborted(_) if !known.writes => Ok(()),
            Answer::Committed(_) if facts.participants(subject).is_none() => {
                Err(format!("{txn} is called committed, and nobody ever held it"))
            }
            Answer::Committed(_) | Answer::Aborted(_) => match &known.answer {
                None => {
                    known.answer = Some(answer.clone());
                    Ok(())
                }
                // Two participants may each have refused, with reasons of their own: the outcome is one.
                Some(Answer::Aborted(_)) if matches!(answer, Answer::Aborted(_)) => Ok(()),
                // What its reads saw is kept until the client has said that it has it (R8); the outcome is one for ever.
                Some(Answer::Committed(_))
                    if matches!(answer, Answer::Committed(_))
                        && txn.sequence < facts.said(&txn.client, txn.session) =>
                {
                    Ok(())
                }
                Some(first) if first == answer => Ok(()),
                Some(first) => Err(format!("{txn} was answered {first:?}, and then {answer:?}")),
            },
        }
    }
}
