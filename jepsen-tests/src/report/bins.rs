//! Time cut into pieces of one length, for figures of rates and quantiles.

use super::figure::{Time, step_at_least};

/// At most this many pieces: more would be thinner than a line.
const BINS_MAX: f64 = 150.0;

/// Pieces of one length that cover a window of time. The last one may be up to half longer or shorter, since the
/// rate of a very short piece would say nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bins {
    from_ns: u64,
    to_ns: u64,
    length_ns: u64,
}

impl Bins {
    /// Pieces of a round length.
    pub(super) fn of(time: &Time) -> Bins {
        let length_ns = step_at_least(time.length_ns() as f64 / BINS_MAX).max(1.0) as u64;
        Bins { from_ns: time.begin_ns(), to_ns: time.end_ns(), length_ns }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        let lengths = (self.to_ns - self.from_ns) as f64 / self.length_ns as f64;
        (lengths.round() as usize).max(1)
    }

    /// Which one a moment is in.
    pub(super) fn at(&self, ns: u64) -> usize {
        let bin = (ns.clamp(self.from_ns, self.to_ns) - self.from_ns) / self.length_ns;
        (bin as usize).min(self.len() - 1)
    }

    /// Where one begins.
    pub(super) fn start_ns(&self, bin: usize) -> u64 {
        self.from_ns + bin as u64 * self.length_ns
    }

    /// Where one ends.
    pub(super) fn end_ns(&self, bin: usize) -> u64 {
        if bin + 1 == self.len() { self.to_ns } else { self.start_ns(bin + 1) }
    }

    /// How long one is, in seconds.
    pub(super) fn seconds(&self, bin: usize) -> f64 {
        (self.end_ns(bin) - self.start_ns(bin)).max(1) as f64 / 1e9
    }

    /// How long all but the last one are.
    pub(super) fn length_ns(&self) -> u64 {
        self.length_ns
    }
}

/// The smallest value that at least `per_mille` of a thousand are not above (nearest rank). The values are sorted.
pub(super) fn quantile(sorted: &[u64], per_mille: usize) -> Option<u64> {
    let rank = (sorted.len() * per_mille).div_ceil(1000).max(1);
    sorted.get(rank - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_cover_the_window() {
        let bins = Bins::of(&Time::between(0, 60_000_000_000));
        assert_eq!(bins.length_ns(), 500_000_000);
        assert_eq!(bins.len(), 120);
        assert_eq!(bins.at(0), 0);
        assert_eq!(bins.at(499_999_999), 0);
        assert_eq!(bins.at(500_000_000), 1);
        assert_eq!(bins.at(60_000_000_000), 119);
    }

    #[test]
    fn a_short_rest_belongs_to_the_last_bin() {
        let bins = Bins::of(&Time::between(0, 60_100_000_000));
        assert_eq!(bins.len(), 120);
        assert_eq!(bins.at(60_050_000_000), 119);
        assert_eq!(bins.end_ns(119), 60_100_000_000);
        assert!((bins.seconds(119) - 0.6).abs() < 1e-9);
    }

    #[test]
    fn quantiles_are_values_that_were_there() {
        let sorted = [1, 2, 3, 4];
        assert_eq!(quantile(&sorted, 500), Some(2));
        assert_eq!(quantile(&sorted, 990), Some(4));
        assert_eq!(quantile(&sorted, 1000), Some(4));
        assert_eq!(quantile(&[], 500), None);
    }
}
