//! A small generator whose stream never changes with a dependency's version, so that a saved
//! position means the same batches for ever.

/// SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
pub(crate) struct SplitMix64 {
    state: u64,
}

impl SplitMix64 {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// A stream of its own for each `(seed, stream)`; both pass through the mixing function, so
    /// that neighbouring seeds and streams do not overlap.
    pub(crate) fn for_stream(seed: u64, stream: u64) -> Self {
        let mixed_stream = Self::new(stream).next();
        let mixed_seed = Self::new(seed).next();
        Self::new(Self::new(mixed_seed ^ mixed_stream.rotate_left(32)).next())
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A uniform number below `bound` (which is not 0), without bias: draws that would favour small
    /// numbers are drawn again.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        let biased = (u64::MAX % bound + 1) % bound;
        loop {
            let draw = self.next();
            if draw <= u64::MAX - biased {
                return draw % bound;
            }
        }
    }

    /// Fisher-Yates: every order is equally likely.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below(last as u64 + 1) as usize;
            items.swap(last, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_the_published_one() {
        // The first outputs for seed 1234567, as listed for the reference C code.
        let mut random = SplitMix64::new(1_234_567);
        let drawn: Vec<u64> = (0..5).map(|_| random.next()).collect();
        assert_eq!(
            drawn,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423,
                4_593_380_528_125_082_431,
                16_408_922_859_458_223_821
            ]
        );
    }

    #[test]
    fn all_orders_of_three_are_about_equally_frequent() {
        let mut counts = std::collections::BTreeMap::new();
        for seed in 0..6000 {
            let mut items = [0, 1, 2];
            SplitMix64::for_stream(7, seed).shuffle(&mut items);
            *counts.entry(items).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 6);
        // 1000 expected each; 150 is five standard deviations of a binomial with p = 1/6.
        assert!(counts.values().all(|&count| (850..=1150).contains(&count)), "{counts:?}");
    }
}
