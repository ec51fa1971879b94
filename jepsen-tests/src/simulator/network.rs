//! The network between nodes: which links are cut, and how long each message takes.
//!
//! A message may be lost, doubled, late, and overtake others. A cut drops what is on its way; its ends notice later, or
//! never. Links to clients lose and delay messages, and are cut by disconnecting the client.

use super::options::Options;
use crate::random::Random;

/// The state of all links, and the chances of what happens on them.
pub(super) struct Network {
    nodes: usize,
    /// How many faults cut each directed link.
    cuts: Vec<u32>,
    /// When the last message that keeps its place arrives, by directed link.
    last_us: Vec<u64>,
    random: Random,
    delay_us_max: u64,
    late_per_mille: u64,
    reorder_per_mille: u64,
    loss_per_mille: u64,
    duplicate_per_mille: u64,
    /// Whether messages are lost and doubled now.
    faulty: bool,
    /// Messages that were lost, doubled, overtaking.
    pub(super) lost: u64,
    pub(super) doubled: u64,
    pub(super) reordered: u64,
}

impl Network {
    pub(super) fn new(options: &Options, nodes: usize) -> Self {
        Network {
            nodes,
            cuts: vec![0; nodes * nodes],
            last_us: vec![0; nodes * nodes],
            random: Random::new(options.seed ^ 0x6e65_7477),
            delay_us_max: options.delay_us_max,
            late_per_mille: options.late_per_mille,
            reorder_per_mille: options.reorder_per_mille,
            loss_per_mille: options.loss_per_mille,
            duplicate_per_mille: options.duplicate_per_mille,
            faulty: false,
            lost: 0,
            doubled: 0,
            reordered: 0,
        }
    }

    /// From now on messages are lost and doubled.
    pub(super) fn begin_faults(&mut self) {
        self.faulty = true;
    }

    /// From now on the network is good.
    pub(super) fn heal(&mut self) {
        self.faulty = false;
        self.cuts.fill(0);
        self.delay_us_max = self.delay_us_max.min(2_000);
        self.late_per_mille = 0;
    }

    /// Cuts one direction, once more.
    pub(super) fn cut(&mut self, from: usize, to: usize) {
        self.cuts[from * self.nodes + to] += 1;
    }

    /// Takes back one cut of one direction. Says whether the direction is whole again.
    pub(super) fn mend(&mut self, from: usize, to: usize) -> bool {
        let cuts = &mut self.cuts[from * self.nodes + to];
        *cuts = cuts.saturating_sub(1);
        *cuts == 0
    }

    /// Whether messages get through in this direction.
    pub(super) fn is_whole(&self, from: usize, to: usize) -> bool {
        self.cuts[from * self.nodes + to] == 0
    }

    /// Whether a connection can live: it needs both directions.
    pub(super) fn connects(&self, one: usize, two: usize) -> bool {
        self.is_whole(one, two) && self.is_whole(two, one)
    }

    /// When the copies of a message between two nodes arrive: none, one or two.
    pub(super) fn arrivals(&mut self, from: usize, to: usize, now_us: u64) -> [Option<u64>; 2] {
        let mut arrivals = [None, None];
        for arrival in arrivals.iter_mut().take(self.copies()) {
            let at_us = now_us + self.delay();
            let last_us = &mut self.last_us[from * self.nodes + to];
            if self.reorder_per_mille > 0 && self.faulty && self.random.chance(self.reorder_per_mille) {
                self.reordered += u64::from(at_us < *last_us);
                *arrival = Some(at_us);
            } else {
                *last_us = at_us.max(*last_us);
                *arrival = Some(*last_us);
            }
        }
        arrivals
    }

    /// The same between a client and a node. Clients repeat of their own accord, so order matters to nobody.
    pub(super) fn client_arrivals(&mut self, now_us: u64) -> [Option<u64>; 2] {
        let mut arrivals = [None, None];
        for arrival in arrivals.iter_mut().take(self.copies()) {
            *arrival = Some(now_us + self.delay());
        }
        arrivals
    }

    fn copies(&mut self) -> usize {
        if !self.faulty {
            1
        } else if self.random.chance(self.loss_per_mille) {
            self.lost += 1;
            0
        } else if self.random.chance(self.duplicate_per_mille) {
            self.doubled += 1;
            2
        } else {
            1
        }
    }

    fn delay(&mut self) -> u64 {
        let late = self.late_per_mille > 0 && self.random.chance(self.late_per_mille);
        let bound_us = if late { self.delay_us_max * 20 } else { self.delay_us_max };
        1 + self.random.below(bound_us)
    }
}
