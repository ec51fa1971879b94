//! Jitter, and the pauses that it spreads. Not for secrets.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// A stream of numbers that differ between processes (SplitMix64).
pub(crate) struct Random(AtomicU64);

impl Random {
    /// Seeded by the system.
    pub(crate) fn new() -> Random {
        // Without the system's randomness, clients merely retry in step.
        Random(AtomicU64::new(getrandom::u64().unwrap_or(0)))
    }

    /// The next number.
    pub(crate) fn next(&self) -> u64 {
        let mut z = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// Pauses that double from [`Backoff::FIRST`] to a bound, each shortened by up to half at random.
pub(crate) struct Backoff {
    next: Duration,
    max: Duration,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(4);

    pub(crate) fn new(max: Duration) -> Backoff {
        Backoff { next: Backoff::FIRST.min(max), max }
    }

    /// How long to wait now.
    pub(crate) fn pause(&mut self, random: &Random) -> Duration {
        let whole = self.next;
        self.next = (whole * 2).min(self.max);
        let half = u64::try_from(whole.as_micros() / 2).unwrap_or(u64::MAX);
        whole - Duration::from_micros(random.next() % (half + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_bound_and_keep_at_least_half() {
        let random = Random::new();
        let mut backoff = Backoff::new(Duration::from_millis(10));
        for whole_ms in [4, 8, 10, 10] {
            let pause = backoff.pause(&random);
            assert!(pause <= Duration::from_millis(whole_ms) && pause >= Duration::from_millis(whole_ms) / 2);
        }
        assert_eq!(Backoff::new(Duration::ZERO).pause(&random), Duration::ZERO);
    }
}
