//! How long things took: a histogram, and the few figures of it that people read.

use hdrhistogram::Histogram;
use serde::Serialize;
use std::{fmt, time::Duration};

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
