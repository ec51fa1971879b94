//! Maps for numbers: a search looks up little else, some million times a second, and nobody chooses the keys against it.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasherDefault, Hash, Hasher},
};

/// A map whose keys are numbers.
pub(super) type FastMap<K, V> = HashMap<K, V, BuildHasherDefault<FastHasher>>;
/// A set of numbers.
pub(super) type FastSet<K> = HashSet<K, BuildHasherDefault<FastHasher>>;

/// Multiplies and mixes, as the compiler's own (`FxHasher`), with a last round that spreads what is in the upper bits.
#[derive(Clone, Copy, Default)]
pub(super) struct FastHasher(u64);

/// 2^64 divided by the golden ratio.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

impl FastHasher {
    fn add(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(SPREAD);
    }
}

impl Hasher for FastHasher {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.add(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, word: u8) {
        self.add(u64::from(word));
    }

    fn write_u32(&mut self, word: u32) {
        self.add(u64::from(word));
    }

    fn write_u64(&mut self, word: u64) {
        self.add(word);
    }

    fn write_usize(&mut self, word: usize) {
        self.add(word as u64);
    }

    fn finish(&self) -> u64 {
        // The finalizer of SplitMix64 (Steele, Lea & Flood 2014).
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// A fingerprint of 64 bits.
pub(super) fn fingerprint(value: &impl Hash) -> u64 {
    let mut hasher = FastHasher::default();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_are_near_have_fingerprints_of_their_own() {
        let all: HashSet<u64> =
            (0..100_u32).flat_map(|one| (0..100_u32).map(move |two| fingerprint(&[one, two]))).collect();
        assert_eq!(all.len(), 10_000);
        let low: HashSet<u64> = all.iter().map(|mark| mark & 0xf_ffff).collect();
        // Ten thousand of a million places: some 50 fall together by chance.
        assert!(low.len() > 9_850, "{}", low.len());
    }
}
