//! Learning an outcome that the coordinator did not tell: the sponsor first, then the other participants (R4, R5, R6).
//!
//! A vote that has aged asks its sponsor. Where the sponsor is gone: peek at all the others; a known outcome ends it;
//! when all have answered, or one that has no vote, ask them to pledge or fence.

use super::{Due, Entry, InDoubt, Participant, Stage, Turn};
use crate::{
    canary::{Canary, broken},
    ids::{NodeId, Peer, Sequence, Sponsor, Subject, TxnId},
    message::{Held, Message, SponsorAnswer},
    outcome::{AbortReason, Outcome},
    storage::{Store, TxnRecord, Write},
};
use alloc::{collections::BTreeSet, sync::Arc, vec::Vec};

impl Participant {
    /// An in-doubt transaction is looked at: its vote has aged, or an answer is overdue.
    pub(super) fn on_doubt_due<S: Store>(&mut self, txn: &TxnId, turn: &mut Turn<'_, S>) {
        let Some(Entry::InDoubt(doubt)) = self.entries.get(txn) else { return };
        if broken(Canary::DeadSponsorWaitedFor) {
            return self.ask_sponsor(txn, turn);
        }
        match &doubt.stage {
            Stage::Voted | Stage::AskedSponsor { answered: true } => {
                if self.reachable.contains(&doubt.yes.sponsor.node) {
                    self.ask_sponsor(txn, turn);
                } else {
                    self.become_peeking(txn, turn);
                }
            }
            Stage::AskedSponsor { answered: false } => {
                let sponsor = doubt.yes.sponsor.node;
                let heard = self.heard.get(&sponsor);
                if heard
                    .is_none_or(|heard| heard.after_ms(self.config.limits.sponsor_patience_ms) <= turn.now)
                {
                    // The silence is the node's, not this transaction's: no other waits for it once more (R6).
                    self.reachable.remove(&sponsor);
                    self.ask_again_at(sponsor, turn.now);
                }
                self.become_peeking(txn, turn);
            }
            Stage::Peeking { .. } | Stage::Resolving { .. } => self.ask_others(txn, turn),
        }
    }

    fn ask_sponsor<S>(&mut self, txn: &TxnId, turn: &mut Turn<'_, S>) {
        let Some(Entry::InDoubt(doubt)) = self.entries.get_mut(txn) else { return };
        self.figures.sponsor_asked += 1;
        doubt.stage = Stage::AskedSponsor { answered: false };
        let sponsor = doubt.yes.sponsor;
        let subject = Subject { txn: txn.clone(), digest: doubt.yes.digest };
        turn.send_node(sponsor.node, Message::AskSponsor { subject, sponsor });
        let patience = turn.now.after_ms(self.config.limits.sponsor_patience_ms);
        self.agenda.set(Due::Entry(txn.clone()), patience);
    }

    pub(super) fn on_sponsor_says<S: Store>(
        &mut self,
        subject: Subject,
        sponsor: Sponsor,
        answer: SponsorAnswer,
        turn: &mut Turn<'_, S>,
    ) {
        let Some(Entry::InDoubt(doubt)) = self.entries.get_mut(&subject.txn) else { return };
        if doubt.yes.digest != subject.digest || doubt.yes.sponsor != sponsor {
            return;
        }
        match (answer, &mut doubt.stage) {
            (SponsorAnswer::Decided(outcome), _) => {
                self.figures.resolved_by_sponsor += 1;
                self.decide(&subject.txn, outcome, turn);
            }
            (SponsorAnswer::Deciding, Stage::AskedSponsor { answered }) => {
                *answered = true;
                let again = turn.now.after_ms(self.config.limits.retry_ms);
                self.agenda.set(Due::Entry(subject.txn), again);
            }
            // It answers after all; what was begun without it goes on, and the sponsor will find a pledge.
            (SponsorAnswer::Deciding, Stage::Voted | Stage::Peeking { .. } | Stage::Resolving { .. }) => {}
            (SponsorAnswer::Gone, Stage::Voted | Stage::AskedSponsor { .. }) => {
                self.become_peeking(&subject.txn, turn);
            }
            (SponsorAnswer::Gone, Stage::Peeking { .. } | Stage::Resolving { .. }) => {}
        }
    }

    /// The sponsor is gone. Who asked to resolve meanwhile gets its pledge now.
    fn become_peeking<S: Store>(&mut self, txn: &TxnId, turn: &mut Turn<'_, S>) {
        let Some(Entry::InDoubt(doubt)) = self.entries.get_mut(txn) else { return };
        doubt.stage = Stage::Peeking { answered: BTreeSet::new() };
        for resolver in core::mem::take(&mut doubt.resolvers) {
            self.pledge_to(resolver, txn, turn);
        }
        self.ask_others(txn, turn);
    }

    /// Asks, or asks again, those that have not answered.
    fn ask_others<S>(&mut self, txn: &TxnId, turn: &mut Turn<'_, S>) {
        let again = turn.now.after_ms(self.config.limits.retry_ms);
        let Some(Entry::InDoubt(doubt)) = self.entries.get(txn) else { return };
        let subject = Subject { txn: txn.clone(), digest: doubt.yes.digest };
        for node in self.others(doubt) {
            let (subject, participants) = (subject.clone(), doubt.yes.participants.clone());
            let ask = match &doubt.stage {
                Stage::Peeking { answered } if !answered.contains(&node) => {
                    Message::Peek { subject, participants }
                }
                Stage::Resolving { asked, pledged } if asked.contains(&node) && !pledged.contains(&node) => {
                    Message::Resolve { subject, participants, sponsor: None }
                }
                Stage::Peeking { .. }
                | Stage::Resolving { .. }
                | Stage::Voted
                | Stage::AskedSponsor { .. } => {
                    continue;
                }
            };
            turn.send_node(node, ask);
        }
        self.agenda.set(Due::Entry(txn.clone()), again);
    }

    fn others(&self, doubt: &InDoubt) -> Vec<NodeId> {
        doubt.yes.participants.iter().copied().filter(|node| *node != self.config.node).collect()
    }

    /// A participant says what it holds.
    pub(super) fn on_standing<S: Store>(
        &mut self,
        from: Peer,
        subject: &Subject,
        held: Held,
        turn: &mut Turn<'_, S>,
    ) {
        let (Peer::Node(node), Some(Entry::InDoubt(doubt))) = (from, self.entries.get_mut(&subject.txn))
        else {
            return;
        };
        if doubt.yes.digest != subject.digest || !doubt.yes.participants.contains(&node) {
            return;
        }
        let (outcome, has_vote) = match held {
            Held::Committed(_) => (Some(Outcome::Committed), true),
            Held::Aborted(reason) => (Some(Outcome::Aborted(reason)), true),
            // Where a Yes is held here, they never voted, and never will (R11, R12).
            Held::Expired if broken(Canary::PeersExpiredIgnored) => (None, false),
            Held::Expired => (Some(Outcome::Aborted(AbortReason::Expired)), false),
            Held::IdReused => (Some(Outcome::Aborted(AbortReason::IdReused)), false),
            Held::Yes { .. } => (None, true),
            Held::Blank | Held::Queued(_) | Held::Declined(_) => (None, false),
        };
        if let Some(outcome) = outcome {
            return self.conclude(&subject.txn, outcome, turn);
        }
        if let Stage::Peeking { answered } = &mut doubt.stage {
            answered.insert(node);
            let answers = answered.len();
            if !has_vote {
                // The fence settles it, whoever else is silent.
                self.become_resolving(&subject.txn, BTreeSet::from([node]), turn);
            } else if answers + 1 >= doubt.yes.participants.len() {
                if broken(Canary::PeekCountedAsPledge) {
                    return self.conclude(&subject.txn, Outcome::Committed, turn);
                }
                let asked = doubt.yes.participants.iter().copied().filter(|other| *other != self.config.node);
                let asked = asked.collect();
                self.become_resolving(&subject.txn, asked, turn);
            }
        }
    }

    /// Asks the others to pledge or fence. Its own Yes stays open to a veto until it concludes: its sponsor may be well, and
    /// end what those that are asked never answer. The record of a commit, durable before it is told, is its pledge (R5).
    fn become_resolving<S>(&mut self, txn: &TxnId, asked: BTreeSet<NodeId>, turn: &mut Turn<'_, S>) {
        if let Some(Entry::InDoubt(doubt)) = self.entries.get_mut(txn) {
            doubt.stage = Stage::Resolving { asked, pledged: BTreeSet::new() };
        }
        self.ask_others(txn, turn);
    }

    fn pledge<S: Store>(&mut self, txn: &TxnId, turn: &mut Turn<'_, S>) {
        let Some(Entry::InDoubt(doubt)) = self.entries.get_mut(txn) else { return };
        if !doubt.yes.pledged && !broken(Canary::PledgeNotKept) {
            Arc::make_mut(&mut doubt.yes).pledged = true;
            self.figures.pledges += 1;
            if !broken(Canary::PledgeNotWritten) {
                turn.store.write(Write::PutTxn(txn.clone(), TxnRecord::Yes(Arc::clone(&doubt.yes))));
            }
        }
    }

    fn pledge_to<S: Store>(&mut self, resolver: Peer, txn: &TxnId, turn: &mut Turn<'_, S>) {
        self.pledge(txn, turn);
        let Some(Entry::InDoubt(doubt)) = self.entries.get(txn) else { return };
        let subject = Subject { txn: txn.clone(), digest: doubt.yes.digest };
        turn.send(resolver, Message::Pledged { subject, results: doubt.yes.results.clone() });
    }

    /// Somebody needs the outcome: a Yes is pledged once its sponsor is gone, anything less is fenced (R4, R5).
    pub(super) fn on_resolve<S: Store>(
        &mut self,
        from: Peer,
        subject: Subject,
        participants: Vec<NodeId>,
        resolving_sponsor: Option<Sponsor>,
        turn: &mut Turn<'_, S>,
    ) {
        let Some(held) = self.held(&subject) else {
            return;
        };
        let may_fence = participants.contains(&self.config.node) || broken(Canary::FenceOffTheList);
        match held {
            Held::Blank | Held::Queued(_) if may_fence && !broken(Canary::BlankNotFenced) => {
                self.figures.fences += 1;
                if let Held::Queued(sponsor) = held {
                    let aborted = Held::Aborted(AbortReason::Abandoned);
                    turn.standing(Peer::Node(sponsor.node), &subject, aborted);
                }
                turn.standing(from, &subject, Held::Aborted(AbortReason::Abandoned));
                if !broken(Canary::FenceNotKept) {
                    self.abort_undecided(&subject, participants, AbortReason::Abandoned, turn);
                }
            }
            Held::Yes { sponsor, pledged } => {
                let Some(Entry::InDoubt(doubt)) = self.entries.get_mut(&subject.txn) else { return };
                let by_its_sponsor = resolving_sponsor == Some(sponsor);
                match &doubt.stage {
                    Stage::Peeking { .. } | Stage::Resolving { .. } => {
                        self.pledge_to(from, &subject.txn, turn)
                    }
                    Stage::Voted | Stage::AskedSponsor { .. }
                        if pledged || by_its_sponsor || broken(Canary::PledgeWhileSponsorAnswers) =>
                    {
                        self.pledge_to(from, &subject.txn, turn);
                    }
                    Stage::Voted => {
                        doubt.resolvers.insert(from);
                        self.on_doubt_due(&subject.txn, turn);
                    }
                    Stage::AskedSponsor { .. } => {
                        doubt.resolvers.insert(from);
                    }
                }
            }
            Held::Blank
            | Held::Queued(_)
            | Held::Committed(_)
            | Held::Aborted(_)
            | Held::Expired
            | Held::IdReused
            | Held::Declined(_) => turn.standing(from, &subject, held),
        }
    }

    pub(super) fn on_pledged<S: Store>(&mut self, from: Peer, subject: &Subject, turn: &mut Turn<'_, S>) {
        let (Peer::Node(node), Some(Entry::InDoubt(doubt))) = (from, self.entries.get_mut(&subject.txn))
        else {
            return;
        };
        if doubt.yes.digest != subject.digest || !doubt.yes.participants.contains(&node) {
            return;
        }
        let Stage::Resolving { asked, pledged } = &mut doubt.stage else { return };
        pledged.insert(node);
        let all_asked = asked.iter().all(|node| pledged.contains(node));
        let all = pledged.len() + 1 >= doubt.yes.participants.len();
        if all || (all_asked && broken(Canary::AskedTakenForAll)) {
            self.conclude(&subject.txn, Outcome::Committed, turn);
        } else if all_asked {
            // Who had no vote when it was peeked at has voted since: now all are asked.
            let others: BTreeSet<NodeId> =
                doubt.yes.participants.iter().copied().filter(|node| *node != self.config.node).collect();
            if *asked != others {
                *asked = others;
                self.ask_others(&subject.txn, turn);
            }
        }
    }

    /// The outcome is known from the others: who concludes tells all (R5).
    fn conclude<S: Store>(&mut self, txn: &TxnId, outcome: Outcome, turn: &mut Turn<'_, S>) {
        let Some(Entry::InDoubt(doubt)) = self.entries.get(txn) else { return };
        self.figures.resolved_by_peers += 1;
        let subject = Subject { txn: txn.clone(), digest: doubt.yes.digest };
        let participants = doubt.yes.participants.clone();
        let watermark: Sequence = self.sessions.watermark(txn);
        for node in self.others(doubt) {
            let tell = Message::Tell {
                subject: subject.clone(),
                participants: participants.clone(),
                outcome: outcome.clone(),
                watermark,
            };
            turn.send_node(node, tell);
        }
        self.decide(txn, outcome, turn);
    }
}
