//! Times, summed up over all rounds.

use std::{fmt, time::Duration};

/// Times of one kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures(Vec<Duration>);

impl Figures {
    /// One more.
    pub(crate) fn note(&mut self, time: Duration) {
        let at = self.0.partition_point(|other| *other < time);
        self.0.insert(at, time);
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The longest.
    pub(crate) fn max(&self) -> Duration {
        self.0.last().copied().unwrap_or_default()
    }

    /// The time that this share of all does not exceed (nearest rank).
    pub(crate) fn percentile(&self, share: f64) -> Duration {
        let rank = (share * self.0.len() as f64).ceil() as usize;
        self.0.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        write!(
            f,
            "p50 {:.0} ms, p99 {:.0} ms, max {:.0} ms, {} rounds",
            ms(self.percentile(0.5)),
            ms(self.percentile(0.99)),
            ms(self.max()),
            self.count()
        )
    }
}
