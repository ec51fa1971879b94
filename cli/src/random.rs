//! Random choices for generated load, from a seed: the same seed chooses the same.
//!
//! Nothing here is fit for secrets or ids.

/// SplitMix64 (Steele, Lea & Flood 2014).
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// From a seed.
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// 64 random bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which must be above 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        assert!(end > 0, "there is no number below 0");
        (self.bits() % end as u64) as usize
    }

    /// A number from 0 up to 1, 1 excluded.
    pub(crate) fn fraction(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Chooses among items of which the nth is chosen with a weight of 1 / n^exponent.
#[derive(Clone, Debug)]
pub(crate) struct Zipf(Vec<f64>);

impl Zipf {
    /// Over `items` items, of which there must be one.
    pub(crate) fn new(items: usize, exponent: f64) -> Zipf {
        assert!(items > 0, "there is nothing to choose from");
        let mut sum = 0.0;
        let sums = (1..=items).map(|rank| {
            sum += (rank as f64).powf(-exponent);
            sum
        });
        Zipf(sums.collect())
    }

    /// The index of an item, 0 being the most popular.
    pub(crate) fn choose(&self, random: &mut Random) -> usize {
        let at = random.fraction() * self.0.last().copied().unwrap_or(0.0);
        self.0.partition_point(|&sum| sum <= at).min(self.0.len() - 1)
    }

    /// The share of all choices that falls on an item.
    pub(crate) fn share(&self, item: usize) -> f64 {
        let before = if item == 0 { 0.0 } else { self.0[item - 1] };
        (self.0[item] - before) / self.0.last().copied().unwrap_or(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn popular_items_are_chosen_more_often() {
        let (zipf, mut random) = (Zipf::new(10, 1.0), Random::new(1));
        let mut chosen = [0u32; 10];
        for _ in 0..10_000 {
            chosen[zipf.choose(&mut random)] += 1;
        }
        assert!(chosen[0] > chosen[4] && chosen[4] > chosen[9] && chosen[9] > 0);
        assert!((zipf.share(0) - 0.341).abs() < 0.001);
    }
}
