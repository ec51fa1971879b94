//! Votes and vetoes: the way to a commit in one round, and the way back (R1, R2, R3).

use super::{Answered, Coordinator, Drive, Phase, Turn};
use crate::{
    canary::{Canary, broken},
    ids::{NodeId, Peer, Sponsor, Subject, Time},
    members::Members,
    message::{Message, Prepare, SponsorAnswer},
    operation::Results,
    outcome::{AbortReason, Outcome},
    span::Span,
};
use alloc::{boxed::Box, collections::BTreeMap};

impl Coordinator {
    /// Nobody holds anything of it: asks everyone to vote, in a new attempt.
    pub(super) fn become_preparing(&mut self, subject: &Subject, turn: &mut Turn<'_>) {
        let sponsor = self.new_attempt();
        let Some(drive) = self.drives.get_mut(subject) else { return };
        drive.sponsor = Some(sponsor);
        drive.forget_results();
        drive.phase = Phase::Preparing { votes: Members::default() };
        let txn = &subject.txn;
        if let Some(session) = self.sessions.get_mut(&(txn.client.clone(), txn.session)) {
            session.touch(&drive.participants);
        }
        self.ask_all(subject, turn);
    }

    pub(super) fn prepare(&self, drive: &Drive, sponsor: Sponsor, node: NodeId, now: Time) -> Message {
        let branch = drive.begin.branches.iter().find(|branch| branch.participant == node);
        Message::Prepare(Box::new(Prepare {
            subject: drive.begin.subject.clone(),
            participants: drive.participants.clone(),
            sponsor,
            stamp: drive.begin.stamp,
            deadline_ms: drive.deadline.ms_from(now),
            watermark: drive.begin.watermark,
            steps: branch.map(|branch| branch.steps.clone()).unwrap_or_default(),
        }))
    }

    pub(super) fn on_vote(
        &mut self,
        from: Peer,
        subject: Subject,
        sponsor: Sponsor,
        results: Results,
        turn: &mut Turn<'_>,
    ) {
        let Peer::Node(node) = from else { return };
        let Some(drive) = self.drives.get_mut(&subject) else { return };
        if !drive.participants.contains(&node) {
            return;
        }
        match &mut drive.phase {
            // Only votes for this very attempt count, and only while it waits for votes.
            Phase::Preparing { votes } if drive.sponsor == Some(sponsor) => {
                let again = !votes.add(&drive.participants, node);
                let miscounted =
                    broken(Canary::CommitWithVoteMissing) || (again && broken(Canary::VoteCountedTwice));
                let all = votes.len() + usize::from(miscounted) >= drive.participants.len();
                drive.note_results(node, results);
                if all {
                    self.spans.push((Span::VoteRound, turn.now.0.saturating_sub(drive.begun.0)));
                    self.become_ended(&subject, Outcome::Committed, turn);
                }
            }
            Phase::Vetoing { .. }
                if drive.sponsor == Some(sponsor) && broken(Canary::VotesCountedAfterVeto) =>
            {
                drive.note_results(node, results);
                if drive.results.iter().all(Option::is_some) {
                    self.become_ended(&subject, Outcome::Committed, turn);
                }
            }
            // It has not heard yet how the transaction ended.
            Phase::Ended { .. } => self.ask(&subject, node, turn),
            // From the moment of the veto, votes count no more (R3); in the other phases no attempt waits for any.
            Phase::Vetoing { .. }
            | Phase::Preparing { .. }
            | Phase::Peeking { .. }
            | Phase::AskingSponsor { .. }
            | Phase::Resolving { .. }
            | Phase::Collecting
            | Phase::Looking { .. }
            | Phase::Confirming { .. } => {}
        }
    }

    /// Gives up: asks for one durable abort (R3).
    pub(super) fn become_vetoing(&mut self, subject: &Subject, reason: AbortReason, turn: &mut Turn<'_>) {
        let Some(drive) = self.drives.get_mut(subject) else { return };
        self.figures.vetoes += 1;
        if broken(Canary::AbortWithoutVeto) {
            return self.become_ended(subject, Outcome::Aborted(reason), turn);
        }
        drive.phase = Phase::Vetoing { reason, answers: BTreeMap::new() };
        self.ask_all(subject, turn);
    }

    /// A veto was not honoured: somebody was told the Yes, or heard of the transaction from another coordinator.
    pub(super) fn on_veto_refused(
        &mut self,
        subject: &Subject,
        node: NodeId,
        answered: Answered,
        turn: &mut Turn<'_>,
    ) {
        let Some(drive) = self.drives.get_mut(subject) else { return };
        let own = drive.sponsor;
        let Phase::Vetoing { answers, reason } = &mut drive.phase else { return };
        let refuses = match &answered {
            Answered::Queued(sponsor) => Some(*sponsor) != own,
            Answered::Yes { sponsor, pledged } => *pledged || Some(*sponsor) != own,
            Answered::Expired => true,
            Answered::Blank | Answered::Declined => false,
        };
        if !refuses {
            // It answers a question from before the veto: what can be vetoed is aborted, and says so.
            return;
        }
        answers.insert(node, answered);
        let foreign = answers.values().filter_map(Answered::sponsor).find(|sponsor| Some(*sponsor) != own);
        let pledged = answers.values().any(|answer| matches!(answer, Answered::Yes { pledged: true, .. }));
        let all = answers.len() == drive.participants.len();
        match (foreign, pledged) {
            (None, true) if broken(Canary::VetoRefusalIgnored) => {
                let aborted = Outcome::Aborted(reason.clone());
                self.become_ended(subject, aborted, turn);
            }
            // Its own votes are pledged: only everyone together knows.
            (None, true) => self.become_resolving(subject, turn),
            // Two sponsors: this one's votes are vetoed first, wherever they are (R6); then the other one is asked.
            (Some(other), _) if all => self.become_asking_sponsor(subject, other, turn),
            (Some(_), _) => {}
            // Nobody has anything to veto, and nobody will run it: to the client that is Expired (R11).
            (None, false) if all => self.become_resolving(subject, turn),
            (None, false) => {}
        }
    }

    /// An older transaction needs the records. Too late once all have voted: then it is about to end anyway.
    pub(super) fn on_wound(&mut self, from: Peer, subject: Subject, sponsor: Sponsor, turn: &mut Turn<'_>) {
        let Peer::Node(node) = from else { return };
        let Some(drive) = self.drives.get(&subject).filter(|drive| drive.sponsor == Some(sponsor)) else {
            return;
        };
        match &drive.phase {
            Phase::Preparing { .. } => {
                self.figures.wounded += 1;
                self.become_vetoing(&subject, AbortReason::Conflict, turn);
            }
            // It may have missed how the transaction ended, or the veto.
            Phase::Ended { .. } | Phase::Vetoing { .. } => self.ask(&subject, node, turn),
            // Ending already, by a longer way.
            Phase::Peeking { .. }
            | Phase::AskingSponsor { .. }
            | Phase::Resolving { .. }
            | Phase::Collecting
            | Phase::Looking { .. }
            | Phase::Confirming { .. } => {}
        }
    }

    /// What became of this attempt? Before its deadline it may be "deciding"; after it, it is ended there and then (R6).
    pub(super) fn on_ask_sponsor(
        &mut self,
        from: Peer,
        subject: Subject,
        sponsor: Sponsor,
        turn: &mut Turn<'_>,
    ) {
        let Peer::Node(node) = from else { return };
        let drive = self.drives.get(&subject).filter(|drive| drive.sponsor == Some(sponsor));
        let votes = |node| drive.is_some_and(|drive| drive.participants.contains(&node));
        let cut_off =
            drive.is_some_and(|drive| drive.participants.iter().any(|one| !self.connected.contains(one)));
        let answer = match drive.map(|drive| (&drive.phase, drive.deadline)) {
            None => SponsorAnswer::Gone,
            Some((Phase::Ended { outcome, .. }, _)) => SponsorAnswer::Decided(outcome.clone()),
            Some((Phase::Collecting, _)) => SponsorAnswer::Decided(Outcome::Committed),
            Some((Phase::Preparing { .. }, deadline))
                if turn.now < deadline || broken(Canary::SponsorWaitsAfterDeadline) =>
            {
                SponsorAnswer::Deciding
            }
            Some((Phase::Preparing { .. }, _)) => {
                self.become_vetoing(&subject, AbortReason::Deadline, turn);
                SponsorAnswer::Deciding
            }
            // The veto goes to the asker with this answer: it is being ended.
            Some((Phase::Vetoing { .. }, _)) if votes(node) => {
                self.ask(&subject, node, turn);
                SponsorAnswer::Deciding
            }
            // Another coordinator asks, which may reach those that this one does not: it need not wait for it.
            Some((Phase::Vetoing { .. }, _)) if cut_off => SponsorAnswer::Gone,
            Some((Phase::Vetoing { .. }, _)) => SponsorAnswer::Deciding,
            // Only everyone together knows, and it may not reach everyone: others need not wait for it.
            Some((Phase::Resolving { .. }, _)) => {
                self.ask(&subject, node, turn);
                SponsorAnswer::Gone
            }
            // It vetoed this attempt everywhere and waits for another coordinator: this one ends nothing any more.
            Some((Phase::AskingSponsor { .. } | Phase::Peeking { .. }, _)) => SponsorAnswer::Gone,
            Some((Phase::Looking { .. } | Phase::Confirming { .. }, _)) => SponsorAnswer::Gone,
        };
        turn.send_node(node, Message::SponsorSays { subject, sponsor, answer });
    }
}
