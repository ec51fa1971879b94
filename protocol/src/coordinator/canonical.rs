//! Which coordinators no future input can tell apart (see [`crate::canonical`]).

use super::{Coordinator, Drive, Figures, Phase, sessions::GIVE_UP_MS};
use crate::canonical::{ORIGIN, Shift};
use alloc::vec::Vec;

impl Coordinator {
    /// The same coordinator on a clock that shows [`ORIGIN`], without what decides nothing any more.
    pub fn canonical(&self, shift: Shift) -> Coordinator {
        let limits = &self.config.limits;
        let mut drives = self.drives.clone();
        for (_, drive) in drives.values_mut() {
            drive.become_canonical(shift, limits.settle_ms, limits.sponsor_patience_ms);
        }
        let mut openings = self.openings.clone();
        for opening in openings.values_mut() {
            opening.since = shift.since(opening.since, GIVE_UP_MS);
        }
        let mut closings = self.closings.clone();
        for closing in closings.values_mut() {
            closing.since = shift.since(closing.since, GIVE_UP_MS);
        }
        Coordinator {
            config: self.config.clone(),
            next_attempt: self.next_attempt,
            clients: self.clients.clone(),
            connected: self.connected.clone(),
            drives,
            undecided: self.undecided,
            agenda: shift.agenda(&self.agenda),
            sessions: self.sessions.clone(),
            openings,
            next_opening: self.next_opening,
            closings,
            all_held: self.all_held.clone(),
            figures: Figures::default(),
            spans: Vec::new(),
        }
    }
}

impl Drive {
    fn become_canonical(&mut self, shift: Shift, settle_ms: u64, patience_ms: u64) {
        // How long it took is told to people only.
        self.begun = ORIGIN;
        self.deadline = shift.since(self.deadline, settle_ms);
        match &mut self.phase {
            Phase::AskingSponsor { asked, .. } => *asked = shift.since(*asked, patience_ms),
            // It has met its deadline, whichever it was.
            Phase::Ended { .. } => self.deadline = ORIGIN,
            Phase::Looking { .. }
            | Phase::Confirming { .. }
            | Phase::Peeking { .. }
            | Phase::Preparing { .. }
            | Phase::Vetoing { .. }
            | Phase::Resolving { .. }
            | Phase::Collecting => {}
        }
    }
}
