//! Requests: what a client asks for, and which phase it starts in.

use super::{Coordinator, Drive, Phase, Turn};
use crate::{
    canary::{Canary, broken},
    digest::digest,
    ids::{NodeId, Peer, Stamp, Subject},
    message::{Begin, Intent, Message},
    outcome::{Answer, Malformed},
};
use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    vec,
    vec::Vec,
};

impl Coordinator {
    pub(super) fn on_begin(&mut self, from: Peer, mut begin: Box<Begin>, turn: &mut Turn<'_>) {
        let Peer::Client(connection) = from else { return };
        let subject = begin.subject.clone();
        let reply = |answer| Message::Answer { subject: subject.clone(), answer };
        if let Err(malformed) = self.check_request(connection, &begin) {
            self.figures.malformed += 1;
            return turn.send(from, reply(Answer::Malformed(malformed)));
        }
        self.note_watermark(connection, &begin, turn);
        if broken(Canary::AnswerByContent)
            && let Some(answer) = self.answer_of_equal(&subject)
        {
            return turn.send(from, reply(answer));
        }
        if let Some(drive) = self.drives.get_mut(&subject) {
            // While the first run is in progress a repeat waits for it; afterwards it gets the same answer.
            self.figures.repeats_of_running += 1;
            drive.askers.insert(connection);
            if let Phase::Ended { .. } = drive.phase {
                drive.answer_askers(turn);
            }
            return;
        }
        if self.undecided >= self.config.limits.undecided_max {
            self.figures.overloaded += 1;
            return turn.send(from, reply(Answer::Overloaded));
        }
        // The age is clamped once, by the first coordinator, and the participants keep it.
        let oldest = turn.wall.0.saturating_sub(self.config.limits.age_claim_ms_max * 1000);
        begin.stamp = Stamp(begin.stamp.0.clamp(oldest, turn.wall.0));
        let deadline = turn.now.after_ms(u64::from(begin.deadline_ms));
        let participants: Vec<NodeId> = begin.branches.iter().map(|branch| branch.participant).collect();
        let results = vec![None; participants.len()];
        let intent = begin.intent;
        let writes = begin.branches.iter().flat_map(|b| &b.steps).any(|step| step.operation.is_write());
        self.undecided += 1;
        self.figures.begun += 1;
        self.drives.insert(
            subject.clone(),
            Box::new(Drive {
                begin,
                participants,
                askers: BTreeSet::from([connection]),
                begun: turn.now,
                deadline,
                sponsor: None,
                results,
                phase: Phase::Peeking { answers: BTreeMap::new() },
            }),
        );
        match intent {
            // What writes nothing leaves nothing behind, and is simply read again.
            Intent::First | Intent::Repeat if !writes => self.become_looking(&subject, turn),
            Intent::First => self.become_preparing(&subject, turn),
            Intent::Repeat | Intent::Settle => {
                self.figures.repeats += 1;
                self.ask_all(&subject, turn);
            }
        }
    }

    fn check_request(&self, connection: u64, begin: &Begin) -> Result<(), Malformed> {
        if self.clients.get(&connection) != Some(&begin.subject.txn.client) {
            return Err(Malformed::ForeignClient);
        }
        let known = self.config.directory.participants();
        for branch in &begin.branches {
            if !known.contains(&branch.participant) {
                return Err(Malformed::UnknownParticipant(branch.participant));
            }
            for step in &branch.steps {
                if step.operation.check().is_err() {
                    return Err(Malformed::Operation(step.index));
                }
            }
            if !branch.steps.is_sorted_by(|a, b| a.index < b.index) {
                return Err(Malformed::Operation(branch.steps.first().map_or(0, |step| step.index)));
            }
        }
        if digest(&begin.branches) != begin.subject.digest {
            return Err(Malformed::Digest);
        }
        Ok(())
    }

    /// The answer to another request of this content (see [`Canary::AnswerByContent`]).
    fn answer_of_equal(&self, subject: &Subject) -> Option<Answer> {
        let equal = |known: &Subject| known.digest == subject.digest && known.txn != subject.txn;
        self.drives
            .in_order()
            .into_iter()
            .filter(|(known, _)| equal(known))
            .find_map(|(_, drive)| drive.answer())
    }
}
