//! Which coordinators a client may turn to.

use crate::random::Random;

/// Coordinators by their places among the nodes. Those that died for ever stay: a client finds out.
pub(super) struct Routes {
    coordinators: Vec<usize>,
}

impl Routes {
    pub(super) fn new(coordinators: Vec<usize>) -> Self {
        Routes { coordinators }
    }

    /// Any.
    pub(super) fn any(&self, random: &mut Random) -> usize {
        *random.pick(&self.coordinators)
    }

    /// Mostly another one than the last.
    pub(super) fn another(&self, last: usize, random: &mut Random) -> usize {
        let choice = self.any(random);
        if choice == last && random.chance(700) { self.any(random) } else { choice }
    }
}
