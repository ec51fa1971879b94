//! Voting: from a Prepare to a durable Yes, a durable No, or a place in the queue (R1, R2, R4, R9, R11, R12).

use super::{Due, Ended, Entry, InDoubt, Participant, Queued, Stage, Turn};
use crate::{
    canary::{Canary, broken},
    ids::{Age, FieldName, NodeId, Peer, RecordId, Sponsor, Subject},
    locks::{Admission, Plan},
    message::{Held, Message, Prepare},
    operation::{Operation, Step},
    outcome::{AbortReason, Outcome, Refusal, RefusalKind},
    span::Span,
    storage::{Decided, Store, TxnRecord, Write, Yes},
    workspace,
};
use alloc::{boxed::Box, collections::BTreeSet, sync::Arc, vec::Vec};

/// A Prepare raises the watermark only by this much or more: each rise is a write, and the coordinators carry
/// the watermarks of many requests at once a little later.
const WATERMARK_STEP: u64 = 64;

impl Participant {
    pub(super) fn on_prepare<S: Store>(&mut self, from: Peer, prepare: Box<Prepare>, turn: &mut Turn<'_, S>) {
        if from != Peer::Node(prepare.sponsor.node) {
            // Nobody asks in another's name: the vote would go to who never asked for it.
            return;
        }
        let subject = &prepare.subject;
        let Some(held) = self.held(subject) else { return };
        match held {
            Held::Blank => {}
            Held::Queued(sponsor) if sponsor == prepare.sponsor => return,
            Held::Yes { sponsor, .. }
                if sponsor == prepare.sponsor || broken(Canary::ForeignPrepareVoted) =>
            {
                self.figures.repeats_answered += 1;
                return self.send_vote(prepare.sponsor, subject, turn);
            }
            Held::Aborted(_) if broken(Canary::AbortReversed) => {}
            // A foreign Prepare is answered like a peek, and never with a vote (R4).
            Held::Queued(_) | Held::Yes { .. } | Held::Committed(_) | Held::Aborted(_) => {
                self.figures.repeats_answered += 1;
                return turn.standing(from, subject, held);
            }
            Held::Expired | Held::IdReused | Held::Declined(_) => return turn.standing(from, subject, held),
        }
        if prepare.watermark.0 >= self.sessions.watermark(&subject.txn).0.saturating_add(WATERMARK_STEP) {
            self.raise_watermark(&subject.txn.client, subject.txn.session, prepare.watermark, turn);
        }
        if !prepare.participants.contains(&self.config.node) {
            // Off the list nothing is written (R12).
            let reason = AbortReason::Misplaced(self.config.node);
            return turn.standing(from, subject, Held::Declined(reason));
        }
        if !self.accepting {
            return turn.standing(from, subject, Held::Declined(AbortReason::Overloaded));
        }
        self.drop_read(&subject.txn);
        if !self.holds_records_of(&prepare.steps) {
            let reason = AbortReason::Misplaced(self.config.node);
            return self.vote_no(from, prepare.subject, prepare.participants, reason, turn);
        }
        let deadline = turn.now.after_ms(u64::from(prepare.deadline_ms));
        self.decide_vote(Queued { prepare, arrived: turn.now, deadline }, turn);
    }

    /// Whether the directory places all the records here.
    pub(super) fn holds_records_of(&self, steps: &[Step]) -> bool {
        let mut records = steps.chunk_by(|step, next| step.operation.record() == next.operation.record());
        records.all(|steps| self.config.directory.locate(steps[0].operation.record()) == self.config.node)
    }

    /// Votes if the locks are free; otherwise the transaction waits for them.
    fn decide_vote<S: Store>(&mut self, queued: Queued, turn: &mut Turn<'_, S>) {
        let age = queued.age();
        let plan = Plan::of(&queued.prepare.steps, turn.store);
        match self.admit(&age, &plan, turn.store) {
            Admission::Granted => self.vote(queued, plan, turn),
            Admission::Wait(_)
                if queued.prepare.participants.len() == 1 && broken(Canary::OneParticipantSkipsLocks) =>
            {
                self.vote(queued, plan, turn);
            }
            Admission::Refused(record, field) => {
                let reason = bound_refused(&queued.prepare.steps, record, field);
                self.refuse(queued, reason, turn);
            }
            Admission::Wait(_) => self.become_queued(queued, plan, turn),
        }
    }

    /// Asks for locks; younger read locks in the way are dropped (R10).
    pub(super) fn admit<S: Store>(&mut self, age: &Age, plan: &Plan, store: &S) -> Admission {
        loop {
            let admission = self.locks.admit(age, plan, store);
            let Admission::Wait(blockers) = &admission else { return admission };
            let mut dropped = false;
            for younger in blockers.iter().filter(|blocker| *blocker > age) {
                if self.readings.contains_key(&younger.txn) && !self.entries.contains_key(&younger.txn) {
                    self.figures.reads_dropped += 1;
                    self.drop_read(&younger.txn);
                    dropped = true;
                }
            }
            if !dropped {
                return admission;
            }
        }
    }

    fn vote<S: Store>(&mut self, queued: Queued, plan: Plan, turn: &mut Turn<'_, S>) {
        let steps = &queued.prepare.steps;
        let checked = self.check_mail(&queued.prepare.subject.txn, steps, turn.store);
        let results = match checked.and_then(|()| workspace::evaluate(steps, turn.store)) {
            Ok(results) => results,
            Err(refusal) => {
                self.note_mail_refusal(refusal.kind);
                return self.refuse(queued, AbortReason::Refused(refusal), turn);
            }
        };
        let age = queued.age();
        let Queued { prepare, arrived, .. } = queued;
        if arrived < turn.now {
            self.spans.push((Span::LockWait, turn.now.0 - arrived.0));
        }
        let (subject, sponsor) = (prepare.subject, prepare.sponsor);
        if let [_] = prepare.participants[..] {
            // One participant: the vote is the commit (R9).
            for write in workspace::redo(&prepare.steps, turn.store) {
                turn.store.write(write);
            }
            self.commit_mail(&subject.txn, &prepare.steps, None, turn);
            self.figures.single_commits += 1;
            // Nothing is held, but what it changed may be the room that others wait for.
            self.locks.release(&age, plan.records());
            let decided = Decided {
                digest: subject.digest,
                participants: prepare.participants,
                outcome: Outcome::Committed,
                results: results.clone(),
            };
            turn.standing(Peer::Node(sponsor.node), &subject, Held::Committed(results));
            if !broken(Canary::OneParticipantNotKept) {
                self.become_ended(&subject, decided, turn);
            }
            return;
        }
        let only_reads = prepare.steps.iter().all(|step| !step.operation.is_write());
        if only_reads && broken(Canary::ReadersVoteNotKept) {
            return turn.send_node(sponsor.node, Message::Vote { subject, sponsor, results });
        }
        if !broken(Canary::LockReleasedBeforeOutcome) {
            self.locks.hold(&age, plan);
        }
        let position = self.hold_mail(&subject.txn, &prepare.steps, None);
        self.acknowledge_with_vote(&prepare.steps, turn);
        let yes = Arc::new(Yes {
            position,
            digest: subject.digest,
            participants: prepare.participants,
            sponsor,
            stamp: prepare.stamp,
            deadline_ms: prepare.deadline_ms,
            pledged: false,
            steps: prepare.steps,
            results: results.clone(),
        });
        turn.store.write(Write::PutTxn(subject.txn.clone(), TxnRecord::Yes(Arc::clone(&yes))));
        self.figures.votes_yes += 1;
        let doubt = InDoubt { yes, arrived, stage: Stage::Voted, resolvers: BTreeSet::new() };
        // A vote from the queue may come when its sponsor is gone already: then nobody is waited for.
        let patience_ms =
            if self.reachable.contains(&sponsor.node) { self.config.limits.vote_age_ms } else { 0 };
        self.agenda.set(Due::Entry(subject.txn.clone()), turn.now.after_ms(patience_ms));
        self.entries.insert(subject.txn.clone(), Entry::InDoubt(Box::new(doubt)));
        turn.send_node(sponsor.node, Message::Vote { subject, sponsor, results });
    }

    fn send_vote<S>(&mut self, sponsor: Sponsor, subject: &Subject, turn: &mut Turn<'_, S>) {
        if let Some(Entry::InDoubt(doubt)) = self.entries.get(&subject.txn) {
            let results = doubt.yes.results.clone();
            turn.send_node(sponsor.node, Message::Vote { subject: subject.clone(), sponsor, results });
        }
    }

    fn refuse<S: Store>(&mut self, queued: Queued, reason: AbortReason, turn: &mut Turn<'_, S>) {
        let to = Peer::Node(queued.sponsor().node);
        self.vote_no(to, queued.prepare.subject, queued.prepare.participants, reason, turn);
    }

    /// Writes an abort and says so (R2).
    pub(super) fn vote_no<S: Store>(
        &mut self,
        to: Peer,
        subject: Subject,
        participants: Vec<NodeId>,
        reason: AbortReason,
        turn: &mut Turn<'_, S>,
    ) {
        self.figures.votes_no += 1;
        turn.standing(to, &subject, Held::Aborted(reason.clone()));
        if !broken(Canary::NoNotKept) {
            self.become_aborted(&subject, participants, reason, turn);
        }
    }

    fn become_queued<S: Store>(&mut self, queued: Queued, plan: Plan, turn: &mut Turn<'_, S>) {
        let age = queued.age();
        if self.locks.waiting() >= self.config.limits.waiting_max && !self.displace_youngest(&age, turn) {
            return self.refuse(queued, AbortReason::Overloaded, turn);
        }
        self.figures.waited += 1;
        let wound_at = turn.now.after_ms(self.config.limits.wound_delay_ms);
        self.agenda.set(Due::Waiter(age.clone()), wound_at.min(queued.deadline));
        self.locks.wait(&age, plan);
        self.entries.insert(age.txn, Entry::Queued(queued));
    }

    /// Makes room in the full queue for an older transaction. Says whether there is room now.
    pub(super) fn displace_youngest<S: Store>(&mut self, age: &Age, turn: &mut Turn<'_, S>) -> bool {
        let Some(youngest) = self.locks.youngest_waiting().filter(|youngest| *youngest > age).cloned() else {
            return false;
        };
        self.figures.displaced += 1;
        self.abort_waiter(&youngest, AbortReason::Conflict, turn);
        true
    }

    /// Those for whom locks may have come free try again, the oldest first.
    pub(super) fn admit_woken<S: Store>(&mut self, turn: &mut Turn<'_, S>) {
        while let Some(age) = self.locks.next_woken() {
            self.try_waiter(&age, turn);
        }
    }

    /// Tries once more to give a waiter its locks; returns whom it waits for if it still waits.
    pub(super) fn try_waiter<S: Store>(
        &mut self,
        age: &Age,
        turn: &mut Turn<'_, S>,
    ) -> Option<BTreeSet<Age>> {
        if !self.entries.contains_key(&age.txn) {
            return self.try_reader(age, turn);
        }
        let Some(Entry::Queued(queued)) = self.entries.get(&age.txn) else { return None };
        if self.sessions.is_expired(&age.txn) && !broken(Canary::QueueIgnoresExpiry) {
            // Checked again when the vote would be written (R11): nothing is, and it is never executed.
            let (to, subject) = (Peer::Node(queued.sponsor().node), queued.prepare.subject.clone());
            self.take_waiter(age);
            turn.standing(to, &subject, Held::Expired);
            return None;
        }
        let plan = Plan::of(&queued.prepare.steps, turn.store);
        match self.admit(age, &plan, turn.store) {
            Admission::Wait(blockers) => Some(blockers),
            Admission::Granted => {
                if let Some(queued) = self.take_waiter(age) {
                    self.vote(queued, plan, turn);
                }
                None
            }
            Admission::Refused(record, field) => {
                if let Some(queued) = self.take_waiter(age) {
                    let reason = bound_refused(&queued.prepare.steps, record, field);
                    self.refuse(queued, reason, turn);
                }
                None
            }
        }
    }

    /// Takes a transaction out of the queue.
    pub(super) fn take_waiter(&mut self, age: &Age) -> Option<Queued> {
        self.locks.stop_waiting(age);
        self.agenda.clear(&Due::Waiter(age.clone()));
        match self.entries.remove(&age.txn) {
            Some(Entry::Queued(queued)) => Some(queued),
            Some(other @ (Entry::InDoubt(_) | Entry::Ended(_))) => {
                self.entries.insert(age.txn.clone(), other);
                None
            }
            None => None,
        }
    }

    /// A waiter's deadline has come, or it is time to ask younger holders to give way (wound-wait).
    pub(super) fn on_waiter_due<S: Store>(&mut self, age: &Age, turn: &mut Turn<'_, S>) {
        let Some(blockers) = self.try_waiter(age, turn) else { return };
        let deadline = match self.entries.get(&age.txn) {
            Some(Entry::Queued(queued)) => queued.deadline,
            Some(Entry::InDoubt(_) | Entry::Ended(_)) => return,
            None => match self.readings.get(&age.txn) {
                Some(reading) => reading.deadline,
                None => return,
            },
        };
        if turn.now >= deadline {
            return self.abort_waiter(age, AbortReason::Deadline, turn);
        }
        for younger in blockers.iter().filter(|blocker| *blocker > age) {
            self.wound(younger, turn);
        }
        let again = turn.now.after_ms(self.config.limits.retry_ms / 2);
        self.agenda.set(Due::Waiter(age.clone()), again.min(deadline));
    }

    /// Asks the sponsor of a younger holder to veto it. A pledged one can't be vetoed any more, and is not asked for.
    fn wound<S>(&mut self, younger: &Age, turn: &mut Turn<'_, S>) {
        if let Some(Entry::InDoubt(doubt)) = self.entries.get(&younger.txn)
            && !doubt.yes.pledged
            && !broken(Canary::WoundsNotSent)
        {
            self.figures.wounds_sent += 1;
            let subject = Subject { txn: younger.txn.clone(), digest: doubt.yes.digest };
            let sponsor = doubt.yes.sponsor;
            turn.send_node(sponsor.node, Message::Wound { subject, sponsor });
        }
    }

    /// Ends a wait with an abort.
    fn abort_waiter<S: Store>(&mut self, age: &Age, reason: AbortReason, turn: &mut Turn<'_, S>) {
        if !self.entries.contains_key(&age.txn) {
            return self.refuse_reader(age, reason, turn);
        }
        if let Some(queued) = self.take_waiter(age) {
            self.refuse(queued, reason, turn);
        }
    }

    /// Makes an outcome durable where nothing was held, or where a Prepare was only queued.
    pub(super) fn become_aborted<S: Store>(
        &mut self,
        subject: &Subject,
        participants: Vec<NodeId>,
        reason: AbortReason,
        turn: &mut Turn<'_, S>,
    ) {
        self.figures.aborted += 1;
        let decided = Decided {
            digest: subject.digest,
            participants,
            outcome: Outcome::Aborted(reason),
            results: Vec::new(),
        };
        self.become_ended(subject, decided, turn);
    }

    /// Writes an outcome and keeps it until it may be forgotten (R8).
    pub(super) fn become_ended<S: Store>(
        &mut self,
        subject: &Subject,
        decided: Decided,
        turn: &mut Turn<'_, S>,
    ) {
        let decided = Arc::new(decided);
        turn.store.write(Write::PutTxn(subject.txn.clone(), TxnRecord::Decided(Arc::clone(&decided))));
        let ended = Ended::held_by(self.config.node, decided);
        let alone = ended.is_held_by_all() || broken(Canary::ForgottenBeforeAllHold);
        self.entries.insert(subject.txn.clone(), Entry::Ended(ended));
        self.agenda.set(Due::Entry(subject.txn.clone()), turn.now.after_ms(self.config.limits.exchange_ms));
        if alone {
            self.forget_if_held_by_all(&subject.txn, turn);
        }
    }
}

/// Names the operation whose bound the locks found impossible to keep.
fn bound_refused(steps: &[Step], record: RecordId, field: FieldName) -> AbortReason {
    let found = steps.iter().find_map(|step| match &step.operation {
        Operation::Add { record: on, field: of, .. } if *on == record && *of == field => {
            Some((step.index, None))
        }
        Operation::Insert { record: on, field: of, member, .. }
        | Operation::Remove { record: on, field: of, member, .. }
            if *on == record && *of == field =>
        {
            Some((step.index, Some(member.clone())))
        }
        _ => None,
    });
    let (operation, member) = found.unwrap_or((0, None));
    AbortReason::Refused(Refusal { operation, kind: RefusalKind::Bound, record, field: Some(field), member })
}
