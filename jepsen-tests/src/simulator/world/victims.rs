//! Draws whom a fault hits.

use super::World;

impl World<'_> {
    pub(super) fn any_node(&mut self) -> usize {
        self.fault_random.below(self.nodes.len() as u64) as usize
    }

    pub(super) fn any_participant(&mut self) -> usize {
        self.fault_random.below(self.options.participants) as usize
    }

    pub(super) fn any_coordinator(&mut self) -> usize {
        (self.options.participants + self.fault_random.below(self.options.coordinators)) as usize
    }

    /// Any but the auditor.
    pub(super) fn any_client(&mut self) -> usize {
        1 + self.fault_random.below(self.options.clients) as usize
    }

    /// Any of those that take messages; there is one.
    pub(super) fn any_consumer(&mut self) -> usize {
        let first = 1 + self.options.clients as usize;
        first + self.fault_random.below((self.clients.len() - first) as u64) as usize
    }

    /// Two different nodes.
    pub(super) fn any_link(&mut self) -> (usize, usize) {
        let one = self.any_node();
        let step = 1 + self.fault_random.below(self.nodes.len() as u64 - 1) as usize;
        (one, (one + step) % self.nodes.len())
    }

    /// The links between two groups: all of them, or most.
    pub(super) fn any_partition(&mut self) -> Vec<(usize, usize)> {
        let sides: Vec<bool> = self.nodes.iter().map(|_| self.fault_random.chance(500)).collect();
        let partial = self.fault_random.chance(400);
        let mut links = Vec::new();
        for one in 0..sides.len() {
            for two in one + 1..sides.len() {
                if sides[one] != sides[two] && !(partial && self.fault_random.chance(400)) {
                    links.push((one, two));
                }
            }
        }
        links
    }
}
