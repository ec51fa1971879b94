//! How a transaction ends here: vetoes, outcomes, and forgetting (R2, R3, R8).

use super::{Due, Entry, Participant, Turn};
use crate::{
    canary::{Canary, broken},
    ids::{NodeId, Peer, Sequence, Sponsor, Subject, TxnId},
    members::Members,
    message::{BATCH_MAX, Held, Message},
    outcome::{AbortReason, Outcome},
    span::Span,
    storage::{Decided, Store, Write},
    workspace,
};
use alloc::{sync::Arc, vec::Vec};

impl Participant {
    /// The sponsor takes back what it asked for: honoured unless somebody else was told the Yes (R3, R4).
    pub(super) fn on_veto<S: Store>(
        &mut self,
        from: Peer,
        subject: Subject,
        sponsor: Sponsor,
        participants: Vec<NodeId>,
        reason: AbortReason,
        turn: &mut Turn<'_, S>,
    ) {
        if from != Peer::Node(sponsor.node) {
            // Nobody vetoes in another's name (R3).
            return;
        }
        let Some(held) = self.held(&subject) else { return };
        let vetoable = match &held {
            // Nobody off the list can fence (R12).
            Held::Blank => participants.contains(&self.config.node) || broken(Canary::FenceOffTheList),
            Held::Queued(queued) => *queued == sponsor,
            Held::Yes { sponsor: voted, pledged } => {
                (*voted == sponsor || broken(Canary::VetoByAnySponsor))
                    && (!pledged || broken(Canary::PledgedYesVetoed))
            }
            Held::Committed(_) | Held::Aborted(_) | Held::Expired | Held::IdReused | Held::Declined(_) => {
                false
            }
        };
        if !vetoable {
            self.figures.vetoes_refused += 1;
            return turn.standing(from, &subject, held);
        }
        self.figures.vetoes_honoured += 1;
        turn.standing(from, &subject, Held::Aborted(reason.clone()));
        if held == Held::Blank && broken(Canary::VetoOfBlankNotKept) {
            return;
        }
        self.abort_undecided(&subject, participants, reason, turn);
    }

    /// Makes an abort durable where nothing is held, a Prepare is queued, or a Yes may be turned.
    pub(super) fn abort_undecided<S: Store>(
        &mut self,
        subject: &Subject,
        participants: Vec<NodeId>,
        reason: AbortReason,
        turn: &mut Turn<'_, S>,
    ) {
        match self.entries.get(&subject.txn) {
            Some(Entry::InDoubt(_)) => self.decide(&subject.txn, Outcome::Aborted(reason), turn),
            Some(Entry::Queued(queued)) => {
                let age = queued.age();
                self.take_waiter(&age);
                self.become_aborted(subject, participants, reason, turn);
            }
            None => self.become_aborted(subject, participants, reason, turn),
            Some(Entry::Ended(_)) => {}
        }
    }

    /// Ends an in-doubt transaction: applies it or not, gives its locks back, answers who waits for it.
    pub(super) fn decide<S: Store>(&mut self, txn: &TxnId, outcome: Outcome, turn: &mut Turn<'_, S>) {
        let Some(Entry::InDoubt(doubt)) = self.entries.get_mut(txn) else { return };
        let age = doubt.age(txn);
        self.spans.push((Span::InDoubt, turn.now.0.saturating_sub(doubt.arrived.0)));
        let (yes, resolvers) = (Arc::clone(&doubt.yes), core::mem::take(&mut doubt.resolvers));
        self.locks.release(&age, yes.steps.iter().map(|step| step.operation.record()));
        let subject = Subject { txn: txn.clone(), digest: yes.digest };
        let results = match outcome {
            Outcome::Committed => {
                for write in workspace::redo(&yes.steps, turn.store) {
                    turn.store.write(write);
                }
                self.commit_mail(txn, &yes.steps, yes.position, turn);
                self.figures.committed += 1;
                yes.results.clone()
            }
            Outcome::Aborted(_) => {
                self.abort_mail(txn, &yes.steps, yes.position, turn);
                self.figures.aborted += 1;
                Vec::new()
            }
        };
        for resolver in resolvers {
            let held = match &outcome {
                Outcome::Committed => Held::Committed(results.clone()),
                Outcome::Aborted(reason) => Held::Aborted(reason.clone()),
            };
            turn.standing(resolver, &subject, held);
        }
        let participants = yes.participants.clone();
        let decided = Decided { digest: yes.digest, participants, outcome, results };
        self.become_ended(&subject, decided, turn);
    }

    /// Somebody tells how a transaction ended.
    pub(super) fn on_tell<S: Store>(
        &mut self,
        from: Peer,
        subject: Subject,
        participants: Vec<NodeId>,
        outcome: Outcome,
        watermark: Sequence,
        turn: &mut Turn<'_, S>,
    ) {
        let Peer::Node(teller) = from else { return };
        let Some(held) = self.held(&subject) else { return };
        match (&held, &outcome) {
            (Held::Yes { .. }, _) => self.decide(&subject.txn, outcome, turn),
            (Held::Queued(_) | Held::Blank, Outcome::Aborted(reason))
                if participants.contains(&self.config.node) =>
            {
                self.abort_undecided(&subject, participants, reason.clone(), turn);
            }
            // Told again, or forgotten already, which says as much as holding it.
            (Held::Committed(_), Outcome::Committed)
            | (Held::Aborted(_), Outcome::Aborted(_))
            | (Held::Expired, _)
            // It means aborted for this digest, durably.
            | (Held::IdReused, Outcome::Aborted(_)) => {}
            // A commit needs a Yes from here, and a decided outcome never changes: somebody broke the protocol.
            (Held::Queued(_) | Held::Blank | Held::Aborted(_) | Held::IdReused, Outcome::Committed)
            | (Held::Committed(_) | Held::Queued(_) | Held::Blank, Outcome::Aborted(_))
            | (Held::Declined(_), _) => {
                self.figures.hazards += 1;
                return;
            }
        }
        // A participant speaks of an outcome only when it holds it durably (R7).
        if let Some(Entry::Ended(ended)) = self.entries.get_mut(&subject.txn)
            && ended.decided.digest == subject.digest
        {
            ended.held.add(&ended.decided.participants, teller);
        }
        self.acknowledge(teller, &subject, turn);
        self.raise_watermark(&subject.txn.client, subject.txn.session, watermark, turn);
        self.forget_if_held_by_all(&subject.txn, turn);
    }

    /// Tells `to` soon, together with others, that this outcome is held durably here.
    fn acknowledge<S>(&mut self, to: NodeId, subject: &Subject, turn: &mut Turn<'_, S>) {
        let watermark = self.sessions.watermark(&subject.txn);
        let gathered = self.acknowledgements.entry(to).or_default();
        gathered.push((subject.clone(), watermark));
        if gathered.len() >= BATCH_MAX {
            self.send_acknowledgements(turn);
        } else {
            self.agenda.set_at_latest(Due::Acknowledgements, turn.now.after_ms(self.config.limits.gather_ms));
        }
    }

    pub(super) fn send_acknowledgements<S>(&mut self, turn: &mut Turn<'_, S>) {
        self.agenda.clear(&Due::Acknowledgements);
        for (to, held) in core::mem::take(&mut self.acknowledgements) {
            turn.send_node(to, Message::OutcomesHeld { held });
        }
    }

    pub(super) fn on_outcomes_held<S: Store>(
        &mut self,
        from: Peer,
        held: Vec<(Subject, Sequence)>,
        turn: &mut Turn<'_, S>,
    ) {
        let Peer::Node(holder) = from else { return };
        for (subject, watermark) in held {
            match self.entries.get_mut(&subject.txn) {
                Some(Entry::Ended(ended)) if ended.decided.digest == subject.digest => {
                    ended.held.add(&ended.decided.participants, holder);
                }
                Some(Entry::Ended(_) | Entry::InDoubt(_) | Entry::Queued(_)) | None => continue,
            }
            self.raise_watermark(&subject.txn.client, subject.txn.session, watermark, turn);
            self.forget_if_held_by_all(&subject.txn, turn);
        }
    }

    /// The coordinator has heard from every participant.
    pub(super) fn on_all_held<S: Store>(&mut self, subjects: Vec<Subject>, turn: &mut Turn<'_, S>) {
        for subject in subjects {
            if let Some(Entry::Ended(ended)) = self.entries.get_mut(&subject.txn)
                && ended.decided.digest == subject.digest
            {
                ended.held = Members::all(&ended.decided.participants);
                self.forget_if_held_by_all(&subject.txn, turn);
            }
        }
    }

    /// Forgets an outcome that everyone holds, once the client has its answer (R8).
    pub(super) fn forget_if_held_by_all<S: Store>(&mut self, txn: &TxnId, turn: &mut Turn<'_, S>) {
        let Some(Entry::Ended(ended)) = self.entries.get(txn) else { return };
        if !ended.is_held_by_all() && !broken(Canary::ForgottenBeforeAllHold) {
            return;
        }
        if self.sessions.is_expired(txn) || broken(Canary::ForgottenBeforeWatermark) {
            self.forget(txn, turn);
        } else {
            self.sessions.forget_later(txn);
        }
    }

    pub(super) fn forget<S: Store>(&mut self, txn: &TxnId, turn: &mut Turn<'_, S>) {
        self.entries.remove(txn);
        self.agenda.clear(&Due::Entry(txn.clone()));
        turn.store.write(Write::DeleteTxn(txn.clone()));
        self.figures.forgotten += 1;
    }

    /// An outcome has been kept for a while: the others may not know it, or know that it may be forgotten.
    /// This goes on without the coordinator that drove the transaction, ever more rarely (R8).
    pub(super) fn on_ended_due<S: Store>(&mut self, txn: &TxnId, turn: &mut Turn<'_, S>) {
        // After a restart nobody says again what everyone holds, or that a session has ended.
        self.forget_if_held_by_all(txn, turn);
        let watermark = self.sessions.watermark(txn);
        let Some(Entry::Ended(ended)) = self.entries.get_mut(txn) else { return };
        let subject = Subject { txn: txn.clone(), digest: ended.decided.digest };
        let everyone = ended.is_held_by_all();
        for node in ended.decided.participants.iter().filter(|node| **node != self.config.node) {
            // Where all hold it, what is missing is the watermark, which another may have heard of.
            if everyone || !ended.held.contain(&ended.decided.participants, *node) {
                let tell = Message::Tell {
                    subject: subject.clone(),
                    participants: ended.decided.participants.clone(),
                    outcome: ended.decided.outcome.clone(),
                    watermark,
                };
                turn.send_node(*node, tell);
            }
        }
        let granter = txn.session.granter();
        let is_other = granter != self.config.node && self.config.directory.participants().contains(&granter);
        if everyone && is_other {
            let (client, session) = (txn.client.clone(), txn.session);
            turn.send_node(granter, Message::AskSession { client, session });
        }
        ended.told = (ended.told + 1).min(8);
        let pause = self.config.limits.exchange_ms << ended.told;
        self.agenda.set(Due::Entry(txn.clone()), turn.now.after_ms(pause));
    }
}
