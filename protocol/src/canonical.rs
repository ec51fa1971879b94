//! Machines that no future input can tell apart, made equal: what a model needs, so that it does not search them twice.
//!
//! A machine compares moments of its own clock, and never looks at the clock itself. So it may be moved on its clock: the
//! canonical machine stands at [`ORIGIN`]. Figures and spans decide nothing and are cleared; a moment of the past that
//! no comparison can reach any more is set to one value for all.
//!
//! Not here: which machines are equal (`==` and `Hash` of the whole machine, so that a new field is never forgotten:
//! it makes a model larger until it is thought of here).

use crate::{agenda::Agenda, ids::Time};
use core::hash::Hash;

/// Where a canonical machine stands on its clock. There is room before it for the past that still matters.
pub const ORIGIN: Time = Time(1 << 42);

/// A moment that does not come within the horizon.
pub const NEVER: Time = Time(u64::MAX);

/// How moments are moved: from a clock that shows `now` to one that shows [`ORIGIN`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shift {
    /// What the machine's clock shows.
    pub now: Time,
    /// What lies further ahead than this never comes, in milliseconds. A bound of the model, not of the machine.
    pub horizon_ms: u64,
    /// What lies further ahead than this keeps its distance, which is set to the horizon, in milliseconds: until
    /// then time passes only for what is near. Another bound of the model. Equal to the horizon: everything comes.
    pub near_ms: u64,
    /// Whether any transaction sends messages: if not, nobody asks whether another participant can be reached. A third
    /// bound of the model.
    pub sends: bool,
}

impl Shift {
    /// A moment that matters until it has come.
    pub fn ahead(&self, time: Time) -> Time {
        self.since(time, 0)
    }

    /// A moment that matters until `kept_ms` after it.
    pub fn since(&self, time: Time, kept_ms: u64) -> Time {
        if time > self.now.after_ms(self.horizon_ms) {
            return NEVER;
        }
        if time > self.now.after_ms(self.near_ms) {
            return ORIGIN.after_ms(self.horizon_ms);
        }
        // What would end beyond the horizon never ends: then it does not matter how long ago it began.
        let kept_ms = if kept_ms > self.horizon_ms { 0 } else { kept_ms };
        let moved =
            (ORIGIN.0 + time.0.saturating_sub(self.now.0)) - self.now.0.saturating_sub(time.0).min(ORIGIN.0);
        Time(moved.max(ORIGIN.0 - kept_ms * 1000))
    }

    /// An agenda, moved.
    pub fn agenda<K: Ord + Hash + Clone>(&self, agenda: &Agenda<K>) -> Agenda<K> {
        agenda.at(|time| self.ahead(time))
    }
}
