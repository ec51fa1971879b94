//! How long things took: a histogram, and the few figures of it that people read.

use hdrhistogram::Histogram;
use serde::Serialize;
use std::{
    fmt,
    time::{Duration, Instant},
};

/// The longest time that is told apart from longer ones, in microseconds: 10 minutes.
const LONGEST_US: u64 = 600_000_000;

/// Collects durations.
#[derive(Clone, Debug)]
pub(crate) struct Latency(Histogram<u64>);

/// Percentiles in microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Percentiles {
    /// Half were at most this.
    pub(crate) p50_us: u64,
    /// 99 in 100 were at most this.
    pub(crate) p99_us: u64,
    /// 999 in 1,000 were at most this.
    pub(crate) p99_9_us: u64,
    /// The longest.
    pub(crate) max_us: u64,
}

impl Latency {
    /// With none yet.
    pub(crate) fn new() -> Latency {
        Latency(Histogram::new_with_bounds(1, LONGEST_US, 3).expect("the bounds are constants"))
    }

    /// Takes one.
    pub(crate) fn record(&mut self, took: Duration) {
        self.0.saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1));
    }

    /// Takes over what another one has collected.
    pub(crate) fn take(&mut self, other: &Latency) {
        self.0.add(&other.0).expect("all have the same bounds");
    }

    /// The figures.
    pub(crate) fn percentiles(&self) -> Percentiles {
        Percentiles {
            p50_us: self.0.value_at_quantile(0.5),
            p99_us: self.0.value_at_quantile(0.99),
            p99_9_us: self.0.value_at_quantile(0.999),
            max_us: self.0.max(),
        }
    }
}

/// Collects moments by how much later than another one they were, or how much earlier.
#[derive(Clone, Debug, Default)]
pub(crate) struct Differences(Vec<i64>);

/// Differences in microseconds: above zero, it was later.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct SignedPercentiles {
    /// The smallest.
    pub(crate) min_us: i64,
    /// Half were at most this.
    pub(crate) p50_us: i64,
    /// 99 in 100 were at most this.
    pub(crate) p99_us: i64,
    /// The largest.
    pub(crate) max_us: i64,
}

impl Differences {
    /// With none yet.
    pub(crate) fn new() -> Differences {
        Differences::default()
    }

    /// Takes one: how much later `this` was than `that`.
    pub(crate) fn record(&mut self, this: Instant, that: Instant) {
        let us = |duration: Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        self.0.push(us(this.saturating_duration_since(that)) - us(that.saturating_duration_since(this)));
    }

    /// How many.
    pub(crate) fn len(&self) -> u64 {
        self.0.len() as u64
    }

    /// The figures; all 0 if there are none.
    pub(crate) fn percentiles(&self) -> SignedPercentiles {
        let mut all = self.0.clone();
        all.sort_unstable();
        let at = |percent: usize| {
            let rank = (all.len() * percent).div_ceil(100).max(1);
            all.get(rank - 1).copied().unwrap_or(0)
        };
        SignedPercentiles { min_us: at(0), p50_us: at(50), p99_us: at(99), max_us: at(100) }
    }
}

impl fmt::Display for SignedPercentiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SignedPercentiles { min_us, p50_us, p99_us, max_us } = *self;
        let signed = |us: i64| format!("{}{}", if us < 0 { "-" } else { "" }, Micros(us.unsigned_abs()));
        write!(
            f,
            "p50 {}  p99 {}  min {}  max {}",
            signed(p50_us),
            signed(p99_us),
            signed(min_us),
            signed(max_us)
        )
    }
}

impl fmt::Display for Percentiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "p50 {}  p99 {}  p99.9 {}  max {}",
            Micros(self.p50_us),
            Micros(self.p99_us),
            Micros(self.p99_9_us),
            Micros(self.max_us)
        )
    }
}

/// Microseconds in the unit that reads best.
struct Micros(u64);

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            us @ 0..1_000 => write!(f, "{us} µs"),
            us @ 1_000..1_000_000 => write!(f, "{:.1} ms", us as f64 / 1e3),
            us => write!(f, "{:.2} s", us as f64 / 1e6),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_keep_their_sign() {
        let then = Instant::now();
        let mut all = Differences::new();
        for us in 1..=100 {
            all.record(then + Duration::from_micros(us), then + Duration::from_micros(50));
        }
        let SignedPercentiles { min_us, p50_us, p99_us, max_us } = all.percentiles();
        assert_eq!((min_us, p50_us, p99_us, max_us), (-49, 0, 49, 50));
        assert_eq!(all.percentiles().to_string(), "p50 0 µs  p99 49 µs  min -49 µs  max 50 µs");
        assert_eq!(Differences::new().percentiles().p50_us, 0);
    }
}
