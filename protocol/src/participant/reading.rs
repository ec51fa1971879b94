//! Transactions that write nothing (R10): shared locks in memory, and a confirmation that they were held throughout.
//!
//! Nothing here is durable. A read lock ends with its confirmation, its coordinator's connection, its deadline, or
//! an older writer that needs it; the confirmation of a lock that has ended fails, and the read is repeated.

use super::{Due, Participant, Turn};
use crate::{
    canary::{Canary, broken},
    ids::{Age, NodeId, Peer, Sponsor, Subject, Time, TxnId},
    locks::{Admission, Plan},
    message::{LockStamp, Look, Message},
    operation::Step,
    outcome::AbortReason,
    storage::Store,
    workspace,
};
use alloc::{boxed::Box, collections::BTreeSet};

/// A read-only transaction that waits for its locks or holds them.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Reading {
    look: Box<Look>,
    pub(super) deadline: Time,
    /// Set once the locks are held.
    stamp: Option<LockStamp>,
}

impl Reading {
    pub(super) fn age(&self) -> Age {
        Age { stamp: self.look.stamp, txn: self.look.subject.txn.clone() }
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.look.steps
    }
}

impl Participant {
    pub(super) fn on_look<S: Store>(&mut self, from: Peer, look: Box<Look>, turn: &mut Turn<'_, S>) {
        let reply =
            |results| Message::Looked { subject: look.subject.clone(), sponsor: look.sponsor, results };
        if from != Peer::Node(look.sponsor.node) {
            return;
        }
        if self.entries.contains_key(&look.subject.txn) {
            return turn.send(from, reply(Err(AbortReason::IdReused)));
        }
        if !self.holds_records_of(&look.steps) || look.steps.iter().any(|step| step.operation.is_write()) {
            return turn.send(from, reply(Err(AbortReason::Misplaced(self.config.node))));
        }
        if let Some(reading) = self.readings.get(&look.subject.txn) {
            // The message came twice, and its answer is under way; or the coordinator has begun anew.
            if reading.look.sponsor == look.sponsor {
                return;
            }
        }
        self.drop_read(&look.subject.txn);
        let deadline = turn.now.after_ms(u64::from(look.deadline_ms));
        self.begin_read(Reading { look, deadline, stamp: None }, turn);
    }

    fn begin_read<S: Store>(&mut self, reading: Reading, turn: &mut Turn<'_, S>) {
        let age = reading.age();
        let plan = Plan::of(&reading.look.steps, turn.store);
        match self.admit(&age, &plan, turn.store) {
            Admission::Granted => self.read(reading, plan, turn),
            Admission::Wait(_) if reading.look.alone && broken(Canary::InDoubtRead) => {
                self.read(reading, plan, turn);
            }
            // Reads have no bounds to break.
            Admission::Refused(..) => {}
            Admission::Wait(_) => {
                if self.locks.waiting() >= self.config.limits.waiting_max
                    && !self.displace_youngest(&age, turn)
                {
                    return self.answer_read(&reading, Err(AbortReason::Overloaded), turn);
                }
                self.figures.waited += 1;
                let wound_at = turn.now.after_ms(self.config.limits.wound_delay_ms);
                self.agenda.set(Due::Waiter(age.clone()), wound_at.min(reading.deadline));
                self.locks.wait(&age, plan);
                self.readings.insert(age.txn, reading);
            }
        }
    }

    /// The locks are free: reads, and keeps the locks unless nobody else needs to be asked.
    fn read<S: Store>(&mut self, mut reading: Reading, plan: Plan, turn: &mut Turn<'_, S>) {
        let results = match workspace::evaluate(&reading.look.steps, turn.store) {
            Ok(results) => results,
            Err(refusal) => return self.answer_read(&reading, Err(AbortReason::Refused(refusal)), turn),
        };
        self.read_serial += 1;
        let stamp = LockStamp { boot: self.config.boot, serial: self.read_serial };
        self.answer_read(&reading, Ok((stamp, results)), turn);
        if !reading.look.alone {
            let age = reading.age();
            if !broken(Canary::ReadLockNotTaken) {
                self.locks.hold(&age, plan);
            }
            if !broken(Canary::ReadLockOutlivesCoordinator) {
                self.agenda.set(Due::ReadLock(age.txn.clone()), reading.deadline);
            }
            reading.stamp = Some(stamp);
            self.readings.insert(age.txn, reading);
        }
    }

    fn answer_read<S>(
        &self,
        reading: &Reading,
        results: Result<(LockStamp, crate::operation::Results), AbortReason>,
        turn: &mut Turn<'_, S>,
    ) {
        let (subject, sponsor) = (reading.look.subject.clone(), reading.look.sponsor);
        turn.send_node(sponsor.node, Message::Looked { subject, sponsor, results });
    }

    /// Tries once more to give a waiting read its locks; returns whom it waits for if it still waits.
    pub(super) fn try_reader<S: Store>(
        &mut self,
        age: &Age,
        turn: &mut Turn<'_, S>,
    ) -> Option<BTreeSet<Age>> {
        let reading = self.readings.get(&age.txn).filter(|reading| reading.stamp.is_none())?;
        let plan = Plan::of(&reading.look.steps, turn.store);
        match self.admit(age, &plan, turn.store) {
            Admission::Wait(blockers) => Some(blockers),
            Admission::Granted | Admission::Refused(..) => {
                self.stop_waiting_reader(age);
                if let Some(reading) = self.readings.remove(&age.txn) {
                    self.read(reading, plan, turn);
                }
                None
            }
        }
    }

    fn stop_waiting_reader(&mut self, age: &Age) {
        self.locks.stop_waiting(age);
        self.agenda.clear(&Due::Waiter(age.clone()));
    }

    /// Ends the wait of a read with an abort. Nothing is written: nothing was promised.
    pub(super) fn refuse_reader<S>(&mut self, age: &Age, reason: AbortReason, turn: &mut Turn<'_, S>) {
        self.stop_waiting_reader(age);
        if let Some(reading) = self.readings.remove(&age.txn) {
            self.answer_read(&reading, Err(reason), turn);
        }
    }

    pub(super) fn on_confirm<S: Store>(
        &mut self,
        from: Peer,
        subject: Subject,
        sponsor: Sponsor,
        stamp: Option<LockStamp>,
        turn: &mut Turn<'_, S>,
    ) {
        let reading = self.readings.get(&subject.txn);
        let same = reading.is_some_and(|reading| reading.look.sponsor == sponsor);
        let same_stamp = |reading: &Reading| reading.stamp == stamp || broken(Canary::StaleStampConfirmed);
        let held = same && reading.is_some_and(|reading| reading.stamp.is_some() && same_stamp(reading));
        if same {
            self.drop_read(&subject.txn);
        }
        if stamp.is_some() {
            turn.send(from, Message::Confirmed { subject, sponsor, held });
        }
    }

    /// Ends a read lock, or the wait for one, without a word: its confirmation will fail.
    pub(super) fn drop_read(&mut self, txn: &TxnId) {
        let Some(reading) = self.readings.remove(txn) else { return };
        let age = reading.age();
        if reading.stamp.is_some() {
            self.locks.release(&age, reading.look.steps.iter().map(|step| step.operation.record()));
            self.agenda.clear(&Due::ReadLock(txn.clone()));
        } else {
            self.stop_waiting_reader(&age);
        }
    }

    /// A coordinator's connection is lost, and its read locks with it.
    pub(super) fn drop_reads_of(&mut self, node: NodeId) {
        let theirs = self.readings.iter().filter(|(_, reading)| reading.look.sponsor.node == node);
        for txn in theirs.map(|(txn, _)| txn.clone()).collect::<alloc::vec::Vec<_>>() {
            self.drop_read(&txn);
        }
    }
}
