//! Random numbers that no dependency's version changes, so that a saved position means the same batches for ever.

/// A stream of random numbers: SplitMix64 (Steele, Lea and Flood, Fast Splittable Pseudorandom Number Generators,
/// OOPSLA 2014).
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
}

/// What SplitMix64 adds to its state before each number.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// Mixes 64 bits, one to one (the finaliser of SplitMix64).
fn finalise(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// The first number of the stream that starts at `state`: a hash of 64 bits.
#[inline]
pub fn mix(state: u64) -> u64 {
    finalise(state.wrapping_add(STEP))
}

impl Random {
    /// The stream of a seed, as the algorithm is published.
    pub fn new(seed: u64) -> Random {
        Random { state: seed }
    }

    /// A stream of its own for each `(seed, stream)`; both are mixed, so that neighbouring seeds and streams do not
    /// overlap.
    pub fn for_stream(seed: u64, stream: u64) -> Random {
        Random::new(mix(mix(seed) ^ mix(stream).rotate_left(32)))
    }

    /// The stream of this seed and name; other names give unrelated streams. The name is hashed by FNV-1a.
    pub fn named(seed: u64, name: &str) -> Random {
        let name = name.bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Random::new(finalise(finalise(seed) ^ name))
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        let bits = mix(self.state);
        self.state = self.state.wrapping_add(STEP);
        bits
    }

    /// Uniform in `[0, 1)`.
    pub fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in `[-limit, limit)`.
    pub fn symmetric(&mut self, limit: f64) -> f64 {
        (2.0 * self.uniform() - 1.0) * limit
    }

    /// Standard normal (Box and Muller, 1958).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Uniform below `bound`, which is not 0, without bias: draws that would favour small numbers are drawn again.
    pub fn below(&mut self, bound: u64) -> u64 {
        let biased = (u64::MAX % bound + 1) % bound;
        loop {
            let draw = self.bits();
            if draw <= u64::MAX - biased {
                return draw % bound;
            }
        }
    }

    /// Puts items into a random order; every order is equally likely (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
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
        let mut random = Random::new(1_234_567);
        let drawn: Vec<u64> = (0..5).map(|_| random.bits()).collect();
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

    /// Runs of earlier versions go on: the numbers that they drew.
    #[test]
    fn streams_stay_what_they_were() {
        assert_eq!(Random::for_stream(7, 3).bits(), 6_494_656_328_073_242_268);
        assert_eq!(Random::named(7, "encoder.layers.0").bits(), 15_205_531_675_892_775_715);
    }

    #[test]
    fn all_orders_of_three_are_about_equally_frequent() {
        let mut counts = std::collections::BTreeMap::new();
        for seed in 0..6000 {
            let mut items = [0, 1, 2];
            Random::for_stream(7, seed).shuffle(&mut items);
            *counts.entry(items).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 6);
        // 1000 expected each; 150 is five standard deviations of a binomial with p = 1/6.
        assert!(counts.values().all(|&count| (850..=1150).contains(&count)), "{counts:?}");
    }

    #[test]
    fn streams_are_repeatable_and_differ_by_name_and_seed() {
        let draw = |seed, name| Random::named(seed, name).bits();
        assert_eq!(draw(1, "a"), draw(1, "a"));
        assert_ne!(draw(1, "a"), draw(1, "b"));
        assert_ne!(draw(1, "a"), draw(2, "a"));
    }

    #[test]
    fn moments_are_those_of_the_distributions() {
        let mut random = Random::named(3, "moments");
        let count = 100_000;
        let moments = |draws: Vec<f64>| {
            let mean = draws.iter().sum::<f64>() / count as f64;
            (mean, draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count as f64)
        };
        let (mean, variance) = moments((0..count).map(|_| random.normal()).collect());
        assert!(mean.abs() < 0.015 && (variance - 1.0).abs() < 0.02, "{mean} {variance}");
        let (mean, variance) = moments((0..count).map(|_| random.symmetric(3.0)).collect());
        assert!(mean.abs() < 0.03 && (variance - 3.0).abs() < 0.05, "{mean} {variance}");
    }
}
