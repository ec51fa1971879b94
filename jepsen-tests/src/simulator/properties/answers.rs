//! What a client hears: an answer never changes, a good request is never called malformed, what is outstanding in a live
//! session never expired, and an id never called reused that its client used once.

use super::{Asked, Facts, Property};
use assent_protocol::{
    ids::{Digest, Subject, TxnId},
    outcome::{AbortReason, Answer},
};
use std::collections::BTreeMap;

#[derive(Default)]
pub(super) struct Answers {
    first: BTreeMap<TxnId, Vec<(Digest, Known)>>,
}

struct Known {
    writes: bool,
    answer: Option<Answer>,
}

impl Property for Answers {
    fn name(&self) -> &'static str {
        "answers"
    }

    fn on_begun(&mut self, asked: &Asked<'_>) {
        let known = Known { writes: asked.writes, answer: None };
        self.first.entry(asked.subject.txn.clone()).or_default().push((asked.subject.digest, known));
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
