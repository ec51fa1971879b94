//! Ending: the client's answer first, then the participants, then nothing (R1, R2, R8).

use super::{Answered, Coordinator, Drive, Due, Phase, Turn};
use crate::{
    canary::{Canary, broken},
    ids::{NodeId, Peer, Sequence, Subject},
    members::Members,
    message::{BATCH_MAX, Held, Message},
    operation::Results,
    outcome::{AbortReason, Answer, Outcome},
    span::Span,
};
use alloc::vec::Vec;

impl Coordinator {
    /// The outcome is known: answers who asked, and tells the participants behind the client's back.
    pub(super) fn become_ended(&mut self, subject: &Subject, outcome: Outcome, turn: &mut Turn<'_>) {
        let Some(drive) = self.drives.get(subject) else { return };
        let incomplete = outcome == Outcome::Committed
            && drive.participants.iter().any(|node| self.lacks_results(drive, *node));
        if incomplete {
            return self.become_collecting(subject, turn);
        }
        self.count_outcome(&outcome);
        self.undecided -= 1;
        let Some(drive) = self.drives.get_mut(subject) else { return };
        self.spans.push((Span::Commit, turn.now.0.saturating_sub(drive.begun.0)));
        drive.phase = Phase::Ended { outcome, held: Members::default(), tells: 0 };
        // Answers and tells need the operations no more.
        for branch in &mut drive.begin.branches {
            branch.steps = Vec::new();
        }
        let alone = drive.participants.len() == 1;
        self.answer_askers(subject, turn);
        if alone {
            // The vote was the commit, or the abort: nobody is left to be told (R9).
            self.drop_drive(subject);
        } else {
            if let Some(drive) = self.drives.get(subject) {
                self.ask_each(subject, drive, turn);
            }
            self.agenda.set(Due::Drive(subject.clone()), turn.now.after_ms(self.config.limits.tell_again_ms));
        }
    }

    fn count_outcome(&mut self, outcome: &Outcome) {
        let figures = &mut self.figures;
        let reason = match outcome {
            Outcome::Committed => {
                figures.committed += 1;
                return;
            }
            Outcome::Aborted(reason) => reason,
        };
        figures.aborted += 1;
        *match reason {
            AbortReason::Refused(_) => &mut figures.aborted_refused,
            AbortReason::Conflict => &mut figures.aborted_conflict,
            AbortReason::Deadline => &mut figures.aborted_deadline,
            AbortReason::Overloaded => &mut figures.aborted_overloaded,
            AbortReason::Abandoned => &mut figures.aborted_abandoned,
            AbortReason::IdReused | AbortReason::Expired | AbortReason::Misplaced(_) => {
                &mut figures.aborted_other
            }
        } += 1;
    }

    /// Committed, but some results of reads have not been seen: tells everyone, and asks for them.
    fn become_collecting(&mut self, subject: &Subject, turn: &mut Turn<'_>) {
        let Some(drive) = self.drives.get_mut(subject) else { return };
        if drive.phase == Phase::Collecting {
            return;
        }
        drive.phase = Phase::Collecting;
        for node in drive.participants.clone() {
            self.tell_committed(subject, node, turn);
        }
        self.ask_all(subject, turn);
    }

    fn tell_committed(&self, subject: &Subject, node: NodeId, turn: &mut Turn<'_>) {
        let Some(drive) = self.drives.get(subject) else { return };
        let tell = Message::Tell {
            subject: subject.clone(),
            participants: drive.participants.clone(),
            outcome: Outcome::Committed,
            watermark: drive.begin.watermark,
        };
        turn.send_node(node, tell);
    }

    /// A participant whose results are missing holds less than the outcome: it has not been told, or has forgotten it,
    /// which it may only once the client has its answer.
    pub(super) fn on_standing_while_collecting(
        &mut self,
        subject: &Subject,
        node: NodeId,
        answered: Answered,
        turn: &mut Turn<'_>,
    ) {
        match answered {
            Answered::Yes { .. } => self.tell_committed(subject, node, turn),
            Answered::Expired => {
                if let Some(drive) = self.drives.get_mut(subject) {
                    drive.note_no_results(node);
                }
                self.become_ended(subject, Outcome::Committed, turn);
            }
            Answered::Blank | Answered::Queued(_) | Answered::Declined => {}
        }
    }

    /// Gives everyone who waits the answer.
    pub(super) fn answer_askers(&mut self, subject: &Subject, turn: &mut Turn<'_>) {
        let Some(drive) = self.drives.get_mut(subject) else { return };
        let Some(answer) = drive.answer() else { return };
        for connection in core::mem::take(&mut drive.askers) {
            let answer = Message::Answer { subject: subject.clone(), answer: answer.clone() };
            turn.send(Peer::Client(connection), answer);
        }
    }

    /// Ends a drive without an outcome.
    fn end_without_outcome(&mut self, subject: &Subject, answer: Answer, turn: &mut Turn<'_>) {
        if let Some(drive) = self.drives.get_mut(subject) {
            for connection in core::mem::take(&mut drive.askers) {
                let answer = Message::Answer { subject: subject.clone(), answer: answer.clone() };
                turn.send(Peer::Client(connection), answer);
            }
            self.undecided -= 1;
            self.drop_drive(subject);
        }
    }

    /// Everyone says Expired: never by itself an outcome (R11).
    pub(super) fn become_expired(&mut self, subject: &Subject, turn: &mut Turn<'_>) {
        self.figures.expired += 1;
        self.end_without_outcome(subject, Answer::Expired, turn);
    }

    /// Nothing more can be learnt now. Participants that are in doubt settle it among themselves.
    pub(super) fn give_up(&mut self, subject: &Subject, turn: &mut Turn<'_>) {
        self.figures.given_up += 1;
        self.end_without_outcome(subject, Answer::Unknown, turn);
    }

    /// Ends a read-only drive with its answer. Nothing is held of it anywhere.
    pub(super) fn end_read(&mut self, subject: &Subject, answer: Answer, turn: &mut Turn<'_>) {
        self.figures.read_only += 1;
        if let Some(drive) = self.drives.get(subject) {
            self.spans.push((Span::Read, turn.now.0.saturating_sub(drive.begun.0)));
        }
        self.end_without_outcome(subject, answer, turn);
    }

    fn drop_drive(&mut self, subject: &Subject) {
        self.drives.remove(subject);
        self.agenda.clear(&Due::Drive(subject.clone()));
    }

    /// A participant says what it holds of a transaction that has ended.
    pub(super) fn on_standing_after_end(
        &mut self,
        subject: &Subject,
        node: NodeId,
        held: &Held,
        turn: &mut Turn<'_>,
    ) {
        match held {
            Held::Committed(_) | Held::Aborted(_) | Held::Expired | Held::IdReused => {
                self.note_held(subject, node)
            }
            Held::Blank | Held::Queued(_) | Held::Yes { .. } | Held::Declined(_) => {
                self.ask(subject, node, turn)
            }
        }
        self.finish_if_held_by_all(subject, turn);
    }

    /// A participant holds the outcome durably.
    pub(super) fn note_held(&mut self, subject: &Subject, node: NodeId) {
        if let Some(drive) = self.drives.get_mut(subject)
            && let Phase::Ended { held, .. } = &mut drive.phase
        {
            held.add(&drive.participants, node);
        }
    }

    pub(super) fn on_outcomes_held(
        &mut self,
        from: Peer,
        held: Vec<(Subject, Sequence)>,
        turn: &mut Turn<'_>,
    ) {
        let Peer::Node(node) = from else { return };
        for (subject, _) in held {
            self.note_held(&subject, node);
            self.finish_if_held_by_all(&subject, turn);
        }
    }

    /// Everyone holds it: they are told so, soon and together with others, and this process forgets it.
    fn finish_if_held_by_all(&mut self, subject: &Subject, turn: &mut Turn<'_>) {
        let Some(drive) = self.drives.get(subject) else { return };
        let Phase::Ended { held, .. } = &drive.phase else { return };
        if !held.are_all(&drive.participants) && !broken(Canary::AllHeldAfterFirst) {
            return;
        }
        for node in drive.participants.clone() {
            let gathered = self.all_held.entry(node).or_default();
            gathered.push(subject.clone());
            if gathered.len() >= BATCH_MAX {
                let subjects = core::mem::take(gathered);
                turn.send_node(node, Message::AllHeld { subjects });
            }
        }
        self.agenda.set_at_latest(Due::AllHeld, turn.now.after_ms(self.config.limits.gather_ms));
        self.drop_drive(subject);
    }

    pub(super) fn send_all_held(&mut self, turn: &mut Turn<'_>) {
        for (node, subjects) in core::mem::take(&mut self.all_held) {
            if !subjects.is_empty() {
                turn.send_node(node, Message::AllHeld { subjects });
            }
        }
    }

    /// Some have not said that they hold the outcome. After a few times they are left to each other.
    pub(super) fn tell_again(&mut self, subject: &Subject, turn: &mut Turn<'_>) {
        let Some(drive) = self.drives.get_mut(subject) else { return };
        let Phase::Ended { tells, .. } = &mut drive.phase else { return };
        *tells += 1;
        if *tells > self.config.limits.tells_max {
            return self.drop_drive(subject);
        }
        let pause = self.config.limits.tell_again_ms << *tells;
        for node in drive.participants.clone() {
            self.ask(subject, node, turn);
        }
        self.agenda.set(Due::Drive(subject.clone()), turn.now.after_ms(pause));
    }
}

impl Drive {
    /// What whoever asked is told, once it has ended.
    pub(super) fn answer(&self) -> Option<Answer> {
        let Phase::Ended { outcome, .. } = &self.phase else { return None };
        Some(match outcome {
            Outcome::Aborted(reason) => Answer::Aborted(reason.clone()),
            Outcome::Committed => Answer::Committed(self.all_results()),
        })
    }

    /// What the reads saw on all participants that have said it, in the order of the operations.
    pub(super) fn all_results(&self) -> Results {
        let mut results: Results = self.results.iter().flatten().flatten().cloned().collect();
        results.sort_by_key(|(index, _)| *index);
        results
    }

    /// A participant has said what its reads saw.
    pub(super) fn note_results(&mut self, node: NodeId, results: Results) {
        if let Some(place) = self.place(node) {
            self.results[place] = Some(results);
        }
    }

    /// What a participant's reads saw is not known any more, unless it has said so before.
    fn note_no_results(&mut self, node: NodeId) {
        if let Some(place) = self.place(node) {
            self.results[place].get_or_insert_default();
        }
    }

    pub(super) fn has_results_of(&self, node: NodeId) -> bool {
        self.place(node).is_some_and(|place| self.results[place].is_some())
    }

    /// What was said before counts no more: a new attempt begins.
    pub(super) fn forget_results(&mut self) {
        self.results.fill(None);
    }

    fn place(&self, node: NodeId) -> Option<usize> {
        self.participants.iter().position(|listed| *listed == node)
    }
}
