//! The outcome of a transaction is one for all, and never changes: nobody ever says or durably holds a commit where
//! anybody says or holds an abort.

use super::{Asked, Facts, Property, outcome_in};
use crate::simulator::disk::Durable;
use assent_protocol::{
    ids::{NodeId, Peer, Subject},
    message::Message,
    outcome::Answer,
};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Default)]
pub(super) struct Agreement {
    outcomes: BTreeMap<Subject, bool>,
    /// What only reads has no outcome that anybody keeps.
    reads: BTreeSet<Subject>,
}

impl Agreement {
    fn note(&mut self, subject: &Subject, committed: bool) -> Result<(), String> {
        match self.outcomes.get(subject) {
            Some(before) if *before != committed => {
                Err(format!("{} is both committed and aborted", subject.txn))
            }
            Some(_) => Ok(()),
            None => {
                self.outcomes.insert(subject.clone(), committed);
                Ok(())
            }
        }
    }
}

impl Property for Agreement {
    fn name(&self) -> &'static str {
        "agreement"
    }

    fn on_begun(&mut self, asked: &Asked<'_>) {
        if !asked.writes {
            self.reads.insert(asked.subject.clone());
        }
    }

    fn on_said(&mut self, _: &Facts, _: NodeId, _: Peer, message: &Message) -> Result<(), String> {
        outcome_in(message).map_or(Ok(()), |(subject, committed)| self.note(subject, committed))
    }

    fn on_durable(&mut self, _: &Facts, _: NodeId, durable: &Durable) -> Result<(), String> {
        match durable {
            Durable::Decided { txn, digest, committed, .. } => {
                self.note(&Subject { txn: txn.clone(), digest: *digest }, *committed)
            }
            _ => Ok(()),
        }
    }

    fn on_answer(&mut self, _: &Facts, subject: &Subject, answer: &Answer) -> Result<(), String> {
        match answer {
            _ if self.reads.contains(subject) => Ok(()),
            Answer::Committed(_) => self.note(subject, true),
            Answer::Aborted(_) => self.note(subject, false),
            Answer::Unknown | Answer::Overloaded | Answer::Expired | Answer::Malformed(_) => Ok(()),
        }
    }
}
