//! Ending: the client's answer first, then the participants, then nothing (R1, R2, R8).

use super::{Answered, Coordinator, Drive, Due, Figures, Phase, Turn};
use crate::{
    canary::{Canary, broken},
    ids::{NodeId, Peer, Sequence, Subject},
    members::Members,
    message::{BATCH_MAX, Held, Message},
    operation::{Operation, Results, Step},
    outcome::{AbortReason, Answer, Outcome},
    span::Span,
};
use alloc::{boxed::Box, vec::Vec};

impl Coordinator {
    /// The outcome is known: answers who asked, and tells the participants behind the client's back.
    pub(super) fn become_ended(&mut self, subject: &Subject, outcome: Outcome, turn: &mut Turn<'_>) {
        let Some(drive) = self.drives.get_mut(subject) else { return };
        if outcome == Outcome::Committed
            && drive.participants.iter().any(|node| drive.lacks_results_of(*node))
        {
            return self.become_collecting(subject, turn);
        }
        self.figures.count(&outcome);
        self.undecided -= 1;
        self.spans.push((Span::Commit, turn.now.0.saturating_sub(drive.begun.0)));
        drive.phase = Phase::Ended { outcome, held: Members::default(), tells: 0 };
        // Answers and tells need the operations no more.
        for branch in &mut drive.begin.branches {
            branch.steps = Vec::new();
        }
        drive.answer_askers(turn);
        if let [_] = drive.participants[..] {
            // The vote was the commit, or the abort: nobody is left to be told (R9).
            self.drop_drive(subject);
        } else {
            if let Some(drive) = self.drives.get(subject) {
                self.ask_each(subject, drive, turn);
            }
            self.agenda.set(Due::Drive(subject.clone()), turn.now.after_ms(self.config.limits.tell_again_ms));
        }
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

    /// Ends a drive without an outcome.
    fn end_without_outcome(&mut self, subject: &Subject, answer: Answer, turn: &mut Turn<'_>) {
        if let Some(mut drive) = self.drop_drive(subject) {
            drive.give_askers(&answer, turn);
            self.undecided -= 1;
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

    fn drop_drive(&mut self, subject: &Subject) -> Option<Box<Drive>> {
        self.agenda.clear(&Due::Drive(subject.clone()));
        self.drives.remove(subject)
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
                if self.note_held(subject, node) {
                    self.finish(subject, turn);
                }
            }
            Held::Blank | Held::Queued(_) | Held::Yes { .. } | Held::Declined(_) => {
                self.ask(subject, node, turn)
            }
        }
    }

    /// A participant holds the outcome durably. Says whether now all do.
    pub(super) fn note_held(&mut self, subject: &Subject, node: NodeId) -> bool {
        let Some(drive) = self.drives.get_mut(subject) else { return false };
        let Phase::Ended { held, .. } = &mut drive.phase else { return false };
        held.add(&drive.participants, node);
        held.are_all(&drive.participants) || broken(Canary::AllHeldAfterFirst)
    }

    pub(super) fn on_outcomes_held(
        &mut self,
        from: Peer,
        held: Vec<(Subject, Sequence)>,
        turn: &mut Turn<'_>,
    ) {
        let Peer::Node(node) = from else { return };
        for (subject, _) in held {
            if self.note_held(&subject, node) {
                self.finish(&subject, turn);
            }
        }
    }

    /// Everyone holds it: they are told so, soon and together with others, and this process forgets it.
    fn finish(&mut self, subject: &Subject, turn: &mut Turn<'_>) {
        let Some(drive) = self.drop_drive(subject) else { return };
        for node in drive.participants {
            let gathered = self.all_held.entry(node).or_default();
            gathered.push(subject.clone());
            if gathered.len() >= BATCH_MAX {
                let subjects = core::mem::take(gathered);
                turn.send_node(node, Message::AllHeld { subjects });
            }
        }
        self.agenda.set_at_latest(Due::AllHeld, turn.now.after_ms(self.config.limits.gather_ms));
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
            self.drop_drive(subject);
            return;
        }
        let pause = self.config.limits.tell_again_ms << *tells;
        for node in drive.participants.clone() {
            self.ask(subject, node, turn);
        }
        self.agenda.set(Due::Drive(subject.clone()), turn.now.after_ms(pause));
    }
}

impl Figures {
    fn count(&mut self, outcome: &Outcome) {
        let reason = match outcome {
            Outcome::Committed => {
                self.committed += 1;
                return;
            }
            Outcome::Aborted(reason) => reason,
        };
        self.aborted += 1;
        *match reason {
            AbortReason::Refused(_) => &mut self.aborted_refused,
            AbortReason::Conflict => &mut self.aborted_conflict,
            AbortReason::Deadline => &mut self.aborted_deadline,
            AbortReason::Overloaded => &mut self.aborted_overloaded,
            AbortReason::Abandoned => &mut self.aborted_abandoned,
            AbortReason::IdReused | AbortReason::Expired | AbortReason::Misplaced(_) => {
                &mut self.aborted_other
            }
        } += 1;
    }
}

impl Drive {
    /// Gives everyone who waits the answer, if there is one.
    pub(super) fn answer_askers(&mut self, turn: &mut Turn<'_>) {
        if let Some(answer) = self.answer() {
            self.give_askers(&answer, turn);
        }
    }

    fn give_askers(&mut self, answer: &Answer, turn: &mut Turn<'_>) {
        for connection in core::mem::take(&mut self.askers) {
            let subject = self.begin.subject.clone();
            turn.send(Peer::Client(connection), Message::Answer { subject, answer: answer.clone() });
        }
    }

    /// Whether a participant has reads of which this coordinator has not seen the results.
    pub(super) fn lacks_results_of(&self, node: NodeId) -> bool {
        let branch = self.begin.branches.iter().find(|branch| branch.participant == node);
        let is_read = |step: &Step| matches!(step.operation, Operation::Read { .. });
        branch.is_some_and(|branch| branch.steps.iter().any(is_read)) && !self.has_results_of(node)
    }

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

    fn has_results_of(&self, node: NodeId) -> bool {
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
