//! Transactions that write nothing (R10): all locks held at one moment, and no durable write.
//!
//! Every participant reads under shared locks; when all have, a second round asks whether every lock was held until
//! then. If one was not, the whole read is repeated in a new attempt: with the same age, so that it wins in the end.

use super::{Coordinator, Drive, Phase, Turn};
use crate::{
    canary::{Canary, broken},
    ids::{NodeId, Peer, Sponsor, Subject, Time},
    message::{LockStamp, Look, Message},
    operation::Results,
    outcome::{AbortReason, Answer},
};
use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
};

impl Coordinator {
    pub(super) fn become_looking(&mut self, subject: &Subject, turn: &mut Turn<'_>) {
        let sponsor = self.new_attempt();
        let Some(drive) = self.drives.get_mut(subject) else { return };
        drive.sponsor = Some(sponsor);
        drive.forget_results();
        drive.phase = Phase::Looking { stamps: BTreeMap::new() };
        self.ask_all(subject, turn);
    }

    pub(super) fn look(&self, drive: &Drive, sponsor: Sponsor, node: NodeId, now: Time) -> Message {
        let branch = drive.begin.branches.iter().find(|branch| branch.participant == node);
        Message::Look(Box::new(Look {
            subject: drive.begin.subject.clone(),
            sponsor,
            stamp: drive.begin.stamp,
            deadline_ms: drive.deadline.ms_from(now),
            alone: drive.participants.len() == 1,
            steps: branch.map(|branch| branch.steps.clone()).unwrap_or_default(),
        }))
    }

    pub(super) fn on_looked(
        &mut self,
        from: Peer,
        subject: Subject,
        sponsor: Sponsor,
        looked: Result<(LockStamp, Results), AbortReason>,
        turn: &mut Turn<'_>,
    ) {
        let Peer::Node(node) = from else { return };
        let Some(drive) = self.drives.get_mut(&subject) else { return };
        if drive.sponsor != Some(sponsor) || !drive.participants.contains(&node) {
            return;
        }
        let Phase::Looking { stamps } = &mut drive.phase else { return };
        match looked {
            Err(reason) => self.refuse_read(&subject, reason, turn),
            Ok((stamp, results)) => {
                stamps.insert(node, stamp);
                let all = stamps.len() == drive.participants.len();
                let stamps = if all { core::mem::take(stamps) } else { BTreeMap::new() };
                drive.note_results(node, results);
                if !all {
                    return;
                }
                if drive.participants.len() == 1 || broken(Canary::ReadsUnconfirmed) {
                    return self.answer_read(&subject, turn);
                }
                drive.phase = Phase::Confirming { stamps, confirmed: BTreeSet::new() };
                self.ask_all(&subject, turn);
            }
        }
    }

    pub(super) fn on_confirmed(
        &mut self,
        from: Peer,
        subject: Subject,
        sponsor: Sponsor,
        held: bool,
        turn: &mut Turn<'_>,
    ) {
        let Peer::Node(node) = from else { return };
        let Some(drive) = self.drives.get_mut(&subject) else { return };
        if drive.sponsor != Some(sponsor) || !drive.participants.contains(&node) {
            return;
        }
        let Phase::Confirming { confirmed, .. } = &mut drive.phase else { return };
        if held {
            confirmed.insert(node);
            if confirmed.len() == drive.participants.len() {
                self.answer_read(&subject, turn);
            }
        } else if turn.now >= drive.deadline {
            self.refuse_read(&subject, AbortReason::Deadline, turn);
        } else {
            self.figures.reads_repeated += 1;
            self.become_looking(&subject, turn);
        }
    }

    fn answer_read(&mut self, subject: &Subject, turn: &mut Turn<'_>) {
        let Some(drive) = self.drives.get(subject) else { return };
        let answer = Answer::Committed(drive.all_results());
        self.end_read(subject, answer, turn);
    }

    /// Ends a read with an abort, and gives back the locks that it may hold.
    pub(super) fn refuse_read(&mut self, subject: &Subject, reason: AbortReason, turn: &mut Turn<'_>) {
        let Some(drive) = self.drives.get(subject) else { return };
        if let Some(sponsor) = drive.sponsor {
            for node in &drive.participants {
                let release = Message::Confirm { subject: subject.clone(), sponsor, stamp: None };
                turn.send_node(*node, release);
            }
        }
        self.end_read(subject, Answer::Aborted(reason), turn);
    }
}
