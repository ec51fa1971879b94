//! Which participants no future input can tell apart (see [`crate::canonical`]).

use super::{Entry, Figures, Participant};
use crate::{
    canonical::{ORIGIN, Shift},
    ids::{NodeId, Time},
};
use alloc::{collections::BTreeMap, vec::Vec};

impl Participant {
    /// The same participant on a clock that shows [`ORIGIN`], without what decides nothing any more.
    pub fn canonical(&self, shift: Shift) -> Participant {
        let mut entries = self.entries.clone();
        for (_, entry) in entries.values_mut() {
            match entry {
                // When a transaction arrived is told to people only.
                Entry::Queued(queued) => {
                    queued.arrived = ORIGIN;
                    queued.deadline = shift.ahead(queued.deadline);
                }
                Entry::InDoubt(doubt) => doubt.arrived = ORIGIN,
                Entry::Ended(_) => {}
            }
        }
        let mut readings = self.readings.clone();
        for reading in readings.values_mut() {
            reading.deadline = shift.ahead(reading.deadline);
        }
        // Only coordinators are sponsors; other participants are asked for by the relay alone.
        let others = self.config.directory.participants();
        let is_asked_for = |node: &NodeId| shift.sends || !others.contains(node);
        Participant {
            config: self.config.clone(),
            entries,
            readings,
            locks: self.locks.clone(),
            sessions: self.sessions.canonical(shift, self.config.limits.session_idle_ms),
            agenda: shift.agenda(&self.agenda),
            reachable: self.reachable.iter().copied().filter(is_asked_for).collect(),
            heard: self.heard_since_asked(shift),
            accepting: self.accepting,
            acknowledgements: self.acknowledgements.clone(),
            read_serial: self.read_serial,
            mail: self.mail.canonical(shift),
            figures: Figures::default(),
            spans: Vec::new(),
        }
    }

    /// When a node was heard matters to the questions that it has left unanswered, and only if it was heard since. A
    /// later question is not answered by what came before it.
    fn heard_since_asked(&self, shift: Shift) -> BTreeMap<NodeId, Time> {
        let patience_ms = self.config.limits.sponsor_patience_ms;
        let waited_for = self.waited_for();
        let still = self
            .heard
            .iter()
            .filter(|(node, heard)| heard.after_ms(patience_ms) > shift.now && waited_for.contains(*node));
        still.map(|(node, heard)| (*node, shift.since(*heard, patience_ms))).collect()
    }
}
