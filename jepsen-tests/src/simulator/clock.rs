//! The clocks of a node: a monotonic one that starts anywhere and runs a little fast or slow, and a wrong wall clock.

use crate::random::Random;
use assent_protocol::ids::{Stamp, Time};

const MILLION: u64 = 1_000_000;
/// The true time at the start of the simulation, in microseconds since 1970.
const WALL_START_US: u64 = 1_700_000_000 * MILLION;

/// One node's clocks, as functions of the true time.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    /// True time of the process's start.
    started_us: u64,
    /// What the monotonic clock showed then.
    base_us: u64,
    /// Microseconds that it counts in a true second.
    rate: u64,
    wall_offset_us: i64,
}

impl Clock {
    pub(super) fn new(random: &mut Random, drift_ppm_max: u64, wall_skew_ms_max: u64) -> Self {
        let rate = MILLION - drift_ppm_max + random.below(2 * drift_ppm_max + 1);
        let skew_us = wall_skew_ms_max * 1000;
        let wall_offset_us = random.below(2 * skew_us + 1) as i64 - skew_us as i64;
        Clock { started_us: 0, base_us: 1, rate, wall_offset_us }
    }

    /// The process starts: its monotonic clock begins anew.
    pub(super) fn restart(&mut self, now_us: u64, random: &mut Random) {
        self.started_us = now_us;
        self.base_us = 1 + random.below(1_000 * MILLION);
    }

    /// The wall clock is set anew, within an hour of the true time.
    pub(super) fn jump(&mut self, random: &mut Random) {
        let hour_us = 3_600 * MILLION;
        self.wall_offset_us = random.below(2 * hour_us) as i64 - hour_us as i64;
    }

    /// What the monotonic clock shows.
    pub(super) fn local(&self, now_us: u64) -> Time {
        Time(self.base_us + (now_us - self.started_us) * self.rate / MILLION)
    }

    /// The first moment at which the monotonic clock shows at least this.
    pub(super) fn when(&self, local: Time) -> u64 {
        let span = local.0.saturating_sub(self.base_us).min(u64::MAX / MILLION / 2);
        self.started_us + (span * MILLION).div_ceil(self.rate)
    }

    /// What the wall clock shows.
    pub(super) fn wall(&self, now_us: u64) -> Stamp {
        Stamp((WALL_START_US + now_us).saturating_add_signed(self.wall_offset_us))
    }
}
