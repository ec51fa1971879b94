//! What people and tests may see of a participant. Nothing here changes anything.

use super::{Entry, Participant, Stage, reading::Reading};
use crate::{
    ids::{NodeId, Subject, Time, TxnId},
    locks::{Admission, Plan},
    message::{Held, InDoubt},
    span::Span,
    storage::{Store, TxnRecord},
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::String,
    vec::Vec,
};

impl Participant {
    /// Undecided transactions, in order of their ids.
    pub fn in_doubt(&self, now: Time) -> Vec<InDoubt> {
        let undecided = self.entries.in_order().into_iter().filter_map(|(txn, entry)| match entry {
            Entry::Queued(queued) => Some(InDoubt {
                subject: queued.prepare.subject.clone(),
                participants: queued.prepare.participants.clone(),
                sponsor: queued.prepare.sponsor,
                age_ms: now.0.saturating_sub(queued.arrived.0) / 1000,
                queued: true,
                pledged: false,
                missing: Vec::new(),
                records: queued.prepare.steps.iter().map(|step| step.operation.record().clone()).collect(),
            }),
            Entry::InDoubt(doubt) => {
                let others = doubt.yes.participants.iter().filter(|node| **node != self.config.node);
                let missing = match &doubt.stage {
                    Stage::Voted | Stage::AskedSponsor { .. } => Vec::new(),
                    Stage::Peeking { answered } => {
                        others.filter(|node| !answered.contains(node)).copied().collect()
                    }
                    Stage::Resolving { pledged, .. } => {
                        others.filter(|node| !pledged.contains(node)).copied().collect()
                    }
                };
                Some(InDoubt {
                    subject: Subject { txn: txn.clone(), digest: doubt.yes.digest },
                    participants: doubt.yes.participants.clone(),
                    sponsor: doubt.yes.sponsor,
                    age_ms: now.0.saturating_sub(doubt.arrived.0) / 1000,
                    queued: false,
                    pledged: doubt.yes.pledged,
                    missing,
                    records: doubt.yes.steps.iter().map(|step| step.operation.record().clone()).collect(),
                })
            }
            Entry::Ended(_) => None,
        });
        let mut undecided: Vec<InDoubt> = undecided.collect();
        for transaction in &mut undecided {
            transaction.records.sort();
            transaction.records.dedup();
        }
        undecided
    }

    /// Nodes that have left a question about an attempt of theirs unanswered, so far (R6).
    pub fn waited_for(&self) -> BTreeSet<NodeId> {
        let sponsors = self.entries.in_any_order().filter_map(|(_, entry)| match entry {
            Entry::InDoubt(doubt) if doubt.stage == Stage::AskedSponsor { answered: false } => {
                Some(doubt.yes.sponsor.node)
            }
            Entry::InDoubt(_) | Entry::Queued(_) | Entry::Ended(_) => None,
        });
        sponsors.collect()
    }

    /// What is held of an id, whatever its digest, and everyone who votes on it. For people: it only peeks (R12).
    pub fn outcome_of(&mut self, txn: &TxnId) -> (Held, Vec<NodeId>) {
        let (digest, participants) = match self.entries.get(txn) {
            Some(Entry::Queued(queued)) => {
                (queued.prepare.subject.digest, queued.prepare.participants.clone())
            }
            Some(Entry::InDoubt(doubt)) => (doubt.yes.digest, doubt.yes.participants.clone()),
            Some(Entry::Ended(ended)) => (ended.decided.digest, ended.decided.participants.clone()),
            None => (crate::ids::Digest([0; 32]), Vec::new()),
        };
        let subject = Subject { txn: txn.clone(), digest };
        (self.held(&subject).unwrap_or(Held::Blank), participants)
    }

    /// Takes how long things took, in microseconds, since this was last called.
    pub fn take_spans(&mut self) -> impl Iterator<Item = (Span, u64)> + '_ {
        self.spans.drain(..)
    }

    /// Named counts since the start.
    pub fn figures(&self) -> Vec<(&'static str, u64)> {
        let figures = &self.figures;
        let mut named = alloc::vec![
            ("votes_yes", figures.votes_yes),
            ("votes_no", figures.votes_no),
            ("committed", figures.committed),
            ("aborted", figures.aborted),
            ("single_commits", figures.single_commits),
            ("waited", figures.waited),
            ("displaced", figures.displaced),
            ("wounds_sent", figures.wounds_sent),
            ("reads_dropped", figures.reads_dropped),
            ("pledges", figures.pledges),
            ("fences", figures.fences),
            ("vetoes_honoured", figures.vetoes_honoured),
            ("vetoes_refused", figures.vetoes_refused),
            ("sponsor_asked", figures.sponsor_asked),
            ("resolved_by_peers", figures.resolved_by_peers),
            ("resolved_by_sponsor", figures.resolved_by_sponsor),
            ("repeats_answered", figures.repeats_answered),
            ("expired_answered", figures.expired_answered),
            ("ids_reused", figures.ids_reused),
            ("forgotten", figures.forgotten),
            ("hazards", figures.hazards),
        ];
        named.extend(self.mail_figures());
        named
    }

    /// Named sizes now. Looks at every entry.
    pub fn sizes(&self, now: Time) -> Vec<(&'static str, u64)> {
        let arrivals = self.entries.in_any_order().filter_map(|(_, entry)| match entry {
            Entry::InDoubt(doubt) => Some(doubt.arrived),
            Entry::Queued(_) | Entry::Ended(_) => None,
        });
        let in_doubt = arrivals.clone().count() as u64;
        let oldest = arrivals.min().map_or(0, |oldest| now.0.saturating_sub(oldest.0) / 1000);
        let mut named = alloc::vec![
            ("in_doubt", in_doubt),
            ("in_doubt_oldest_ms", oldest),
            ("waiting", self.locks.waiting() as u64),
            ("transactions_held", self.entries.len() as u64),
            ("sessions_live", self.sessions.live() as u64),
            ("records_locked", self.locks.records() as u64),
        ];
        named.extend(self.mail_sizes());
        named
    }

    /// What must hold after every step; says what does not.
    pub fn check_invariants<S: Store>(
        &self,
        store: &S,
        stored: &BTreeMap<TxnId, TxnRecord>,
    ) -> Result<(), String> {
        for (txn, entry) in self.entries.in_order() {
            match (entry, stored.get(txn)) {
                (Entry::Queued(queued), None) => {
                    if !self.locks.is_waiting(&queued.age()) {
                        return Err(alloc::format!("{txn} is queued and does not wait"));
                    }
                    let plan = Plan::of(&queued.prepare.steps, store);
                    if self.locks.admit(&queued.age(), &plan, store) == Admission::Granted {
                        return Err(alloc::format!("{txn} waits for locks that are free"));
                    }
                }
                (Entry::InDoubt(doubt), Some(TxnRecord::Yes(yes))) if *yes == doubt.yes => {
                    let plan = Plan::of(&yes.steps, store);
                    if !self.locks.holds(&doubt.age(txn), &plan) {
                        return Err(alloc::format!("{txn} is in doubt and does not hold its locks"));
                    }
                }
                (Entry::Ended(ended), Some(TxnRecord::Decided(decided))) if *decided == ended.decided => {}
                (entry, stored) => {
                    return Err(alloc::format!("{txn} is {entry:?} in memory and {stored:?} in the store"));
                }
            }
        }
        self.check_readers(store)?;
        self.check_mail_invariants()?;
        match stored.keys().find(|txn| !self.entries.contains_key(txn)) {
            Some(txn) => Err(alloc::format!("{txn} is stored and not in memory")),
            None => Ok(()),
        }
    }

    /// A read that could have its locks does not wait for them.
    fn check_readers<S: Store>(&self, store: &S) -> Result<(), String> {
        let free = |reading: &&Reading| {
            let plan = Plan::of(reading.steps(), store);
            self.locks.is_waiting(&reading.age())
                && self.locks.admit(&reading.age(), &plan, store) == Admission::Granted
        };
        match self.readings.values().find(free) {
            Some(reading) => Err(alloc::format!("{} waits for locks that are free", reading.age().txn)),
            None => Ok(()),
        }
    }
}
