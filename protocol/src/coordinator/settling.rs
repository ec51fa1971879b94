//! Settling: what another attempt left behind, found out before anything is run (R4, R5, R6, R11, R12).

use super::{Answered, Coordinator, Phase, Turn};
use crate::{
    canary::{Canary, broken},
    ids::{NodeId, Peer, Sponsor, Subject},
    members::Members,
    message::{Held, Intent, Message, SponsorAnswer},
    operation::Results,
    outcome::{AbortReason, Outcome},
};

impl Coordinator {
    /// A participant says what it holds. An outcome ends every phase; anything less matters only to who asked.
    pub(super) fn on_standing(&mut self, from: Peer, subject: Subject, held: Held, turn: &mut Turn<'_>) {
        let Peer::Node(node) = from else { return };
        let Some(drive) = self.drives.get_mut(&subject) else { return };
        if !drive.participants.contains(&node) {
            return;
        }
        if let Phase::Ended { .. } = drive.phase {
            return self.on_standing_after_end(&subject, node, &held, turn);
        }
        match &held {
            Held::Committed(results) => {
                drive.note_results(node, results.clone());
                self.become_ended(&subject, Outcome::Committed, turn);
                self.note_held(&subject, node);
                return;
            }
            Held::Aborted(reason) => {
                let reason = reason.clone();
                self.become_ended(&subject, Outcome::Aborted(reason), turn);
                self.note_held(&subject, node);
                return;
            }
            // Held durably for another digest: this one can't ever have all votes (R12).
            Held::IdReused => {
                return self.become_ended(&subject, Outcome::Aborted(AbortReason::IdReused), turn);
            }
            Held::Expired if broken(Canary::ExpiredTakenForAbort) => {
                return self.become_ended(&subject, Outcome::Aborted(AbortReason::Expired), turn);
            }
            Held::Declined(reason) if broken(Canary::DeclinedTakenForNo) => {
                return self.become_ended(&subject, Outcome::Aborted(reason.clone()), turn);
            }
            Held::Blank | Held::Queued(_) | Held::Yes { .. } | Held::Expired | Held::Declined(_) => {}
        }
        let Some(answered) = Answered::of(&held) else { return };
        match &mut drive.phase {
            Phase::Peeking { answers } => {
                answers.insert(node, answered);
                if answers.len() == drive.participants.len() {
                    self.on_all_peeked(&subject, turn);
                }
            }
            Phase::Preparing { .. } => match held {
                // It will not vote for this attempt. What has been asked of the others is taken back first.
                Held::Expired => self.become_vetoing(&subject, AbortReason::Expired, turn),
                Held::Declined(reason) => self.become_vetoing(&subject, reason, turn),
                // Another attempt has it: what was asked for this one is vetoed (R6).
                Held::Queued(other) | Held::Yes { sponsor: other, .. } if Some(other) != drive.sponsor => {
                    self.become_vetoing(&subject, AbortReason::Abandoned, turn);
                }
                Held::Queued(_) | Held::Yes { .. } => {}
                Held::Blank | Held::Committed(_) | Held::Aborted(_) | Held::IdReused => {}
            },
            Phase::Vetoing { .. } => self.on_veto_refused(&subject, node, answered, turn),
            // Only a pledge or an outcome answers a call to resolve; Expired says that nobody can run it any more.
            Phase::Resolving { .. } if answered == Answered::Expired => {
                self.on_resolve_expired(&subject, node, turn);
            }
            Phase::Collecting => self.on_standing_while_collecting(&subject, node, answered, turn),
            // Answers to earlier questions.
            Phase::Resolving { .. }
            | Phase::AskingSponsor { .. }
            | Phase::Ended { .. }
            | Phase::Looking { .. }
            | Phase::Confirming { .. } => {}
        }
    }

    /// Everyone has said what it holds, and nobody knows an outcome.
    fn on_all_peeked(&mut self, subject: &Subject, turn: &mut Turn<'_>) {
        let Some(drive) = self.drives.get(subject) else { return };
        let Phase::Peeking { answers } = &drive.phase else { return };
        let all_yes = answers.values().all(|answer| matches!(answer, Answered::Yes { .. }));
        if all_yes && broken(Canary::PeeksCommitAtCoordinator) {
            return self.become_ended(subject, Outcome::Committed, turn);
        }
        if let Some(other) = answers.values().find_map(Answered::sponsor) {
            return self.become_asking_sponsor(subject, other, turn);
        }
        if answers.values().all(|answer| *answer == Answered::Expired) {
            return self.become_expired(subject, turn);
        }
        let blank = answers.values().all(|answer| *answer == Answered::Blank);
        if blank && drive.begin.intent != Intent::Settle && turn.now < drive.deadline {
            self.become_preparing(subject, turn);
        } else {
            // Not to be run, or not by everyone: the fences make that durable.
            self.become_resolving(subject, turn);
        }
    }

    /// The deadline has come while some have not said what they hold. One that has no vote settles it.
    pub(super) fn settle_late(&mut self, subject: &Subject, turn: &mut Turn<'_>) {
        let Some(drive) = self.drives.get_mut(subject) else { return };
        let Phase::Peeking { answers } = &drive.phase else { return };
        let sponsor = answers.values().find_map(Answered::sponsor);
        let fenceable = answers.values().any(|answer| *answer == Answered::Blank);
        match sponsor {
            Some(other) => self.become_asking_sponsor(subject, other, turn),
            None if fenceable => self.become_resolving(subject, turn),
            None if turn.now >= drive.deadline.after_ms(self.config.limits.settle_ms) => {
                self.give_up(subject, turn);
            }
            None => {
                self.ask_all(subject, turn);
            }
        }
    }

    /// Another attempt has it: its sponsor is asked first (R6).
    pub(super) fn become_asking_sponsor(&mut self, subject: &Subject, other: Sponsor, turn: &mut Turn<'_>) {
        let Some(drive) = self.drives.get_mut(subject) else { return };
        if other.node == self.config.node {
            // An attempt of this node that it does not drive any more: nobody does.
            return self.become_resolving(subject, turn);
        }
        drive.phase = Phase::AskingSponsor { other, asked: turn.now };
        self.ask_other_sponsor(subject, turn);
    }

    /// Asks the other sponsor, again, or finds it gone.
    pub(super) fn ask_other_sponsor(&mut self, subject: &Subject, turn: &mut Turn<'_>) {
        let Some(drive) = self.drives.get(subject) else { return };
        let Phase::AskingSponsor { other, asked } = drive.phase else { return };
        let silent = turn.now >= asked.after_ms(self.config.limits.sponsor_patience_ms);
        if silent || !self.connected.contains(&other.node) {
            return self.become_resolving(subject, turn);
        }
        turn.send_node(other.node, Message::AskSponsor { subject: subject.clone(), sponsor: other });
        let again = turn.now.after_ms(self.config.limits.sponsor_patience_ms);
        self.agenda.set(super::Due::Drive(subject.clone()), again);
    }

    pub(super) fn on_sponsor_says(
        &mut self,
        subject: Subject,
        sponsor: Sponsor,
        answer: SponsorAnswer,
        turn: &mut Turn<'_>,
    ) {
        let Some(drive) = self.drives.get_mut(&subject) else { return };
        let Phase::AskingSponsor { other, asked } = &mut drive.phase else { return };
        if *other != sponsor {
            return;
        }
        match answer {
            SponsorAnswer::Decided(outcome) => self.become_ended(&subject, outcome, turn),
            SponsorAnswer::Gone => self.become_resolving(&subject, turn),
            SponsorAnswer::Deciding => {
                // Looked at again before its patience runs out, with a new question each time.
                let again = turn.now.after_ms(self.config.limits.retry_ms / 2);
                *asked = again;
                self.agenda.set(super::Due::Drive(subject), again);
            }
        }
    }

    /// Asks everyone to pledge or fence: after this, all Yes is a commit and one abort is an abort (R5).
    pub(super) fn become_resolving(&mut self, subject: &Subject, turn: &mut Turn<'_>) {
        let Some(drive) = self.drives.get_mut(subject) else { return };
        self.figures.resolves += 1;
        drive.phase = Phase::Resolving { pledged: Members::default(), expired: Members::default() };
        self.ask_all(subject, turn);
    }

    pub(super) fn on_pledged(&mut self, from: Peer, subject: Subject, results: Results, turn: &mut Turn<'_>) {
        let Peer::Node(node) = from else { return };
        let Some(drive) = self.drives.get_mut(&subject) else { return };
        if !drive.participants.contains(&node) {
            return;
        }
        match &mut drive.phase {
            Phase::Resolving { pledged, .. } => {
                pledged.add(&drive.participants, node);
                let miscounted = broken(Canary::ResolvedWithPledgeMissing);
                let all = pledged.len() + usize::from(miscounted) >= drive.participants.len();
                drive.note_results(node, results);
                if all {
                    self.become_ended(&subject, Outcome::Committed, turn);
                }
            }
            Phase::Ended { .. } => self.ask(&subject, node, turn),
            // Answers to a call that this process has not made in this phase.
            Phase::Peeking { .. }
            | Phase::Preparing { .. }
            | Phase::Vetoing { .. }
            | Phase::AskingSponsor { .. }
            | Phase::Collecting
            | Phase::Looking { .. }
            | Phase::Confirming { .. } => {}
        }
    }

    /// One participant holds nothing and never will: the others know the outcome, or will be fenced (R11). Only where
    /// all are expired there is nobody left to ask.
    fn on_resolve_expired(&mut self, subject: &Subject, node: NodeId, turn: &mut Turn<'_>) {
        let Some(drive) = self.drives.get_mut(subject) else { return };
        let Phase::Resolving { expired, .. } = &mut drive.phase else { return };
        expired.add(&drive.participants, node);
        if expired.are_all(&drive.participants) {
            self.become_expired(subject, turn);
        }
    }
}
