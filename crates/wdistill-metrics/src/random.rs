//! The random stream of numpy's `default_rng(seed)`, so that resamples are those sacreBLEU draws.
//!
//! Seeding is numpy's `SeedSequence`; the generator is PCG64, that is PCG XSL-RR 128/64 (O'Neill, HMC-CS-2014-0905);
//! bounded integers are Lemire's (ACM TOMACS 2019) on 32-bit halves.

/// Multiplier of the 128-bit linear congruential step.
const STEP_MULTIPLIER: u128 = 0x2360_ED05_1FC6_5DA4_4385_DF64_9FCC_F645;

/// Words of the seed sequence's pool.
const POOL: usize = 4;

/// PCG64 seeded as numpy seeds it.
#[derive(Debug, Clone)]
pub(crate) struct Pcg64 {
    state: u128,
    increment: u128,
    /// The upper half of the last 64 bits, where only the lower one was used.
    upper_half: Option<u32>,
}

impl Pcg64 {
    pub(crate) fn new(seed: u64) -> Self {
        let words = seed_words(seed);
        let join = |high: u64, low: u64| u128::from(high) << 64 | u128::from(low);
        let increment = join(words[2], words[3]) << 1 | 1;
        let mut generator = Pcg64 { state: 0, increment, upper_half: None };
        generator.step();
        generator.state = generator.state.wrapping_add(join(words[0], words[1]));
        generator.step();
        generator
    }

    fn step(&mut self) {
        self.state = self.state.wrapping_mul(STEP_MULTIPLIER).wrapping_add(self.increment);
    }

    fn next_u64(&mut self) -> u64 {
        self.step();
        let folded = (self.state >> 64) as u64 ^ self.state as u64;
        folded.rotate_right((self.state >> 122) as u32)
    }

    fn next_u32(&mut self) -> u32 {
        if let Some(half) = self.upper_half.take() {
            return half;
        }
        let word = self.next_u64();
        self.upper_half = Some((word >> 32) as u32);
        word as u32
    }

    /// A number from 0 to `bound - 1`, each equally likely. `bound` is at least 1; a bound of 1 draws nothing.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        if bound == 1 {
            return 0;
        }
        let threshold = bound.wrapping_neg() % bound;
        loop {
            let product = u64::from(self.next_u32()) * u64::from(bound);
            if product as u32 >= threshold {
                return (product >> 32) as u32;
            }
        }
    }
}

/// The four 64-bit words numpy's `SeedSequence(seed)` gives PCG64.
fn seed_words(seed: u64) -> [u64; 4] {
    let pool = entropy_pool(seed);
    let mut hash = Hash { constant: 0x8b51_f9dd, multiplier: 0x58f3_8ded };
    let words: [u32; 8] = std::array::from_fn(|index| hash.apply(pool[index % POOL]));
    std::array::from_fn(|index| u64::from(words[2 * index]) | u64::from(words[2 * index + 1]) << 32)
}

fn entropy_pool(seed: u64) -> [u32; POOL] {
    let entropy = [seed as u32, (seed >> 32) as u32, 0, 0];
    let mut hash = Hash { constant: 0x43b0_d7e5, multiplier: 0x931e_8875 };
    let mut pool = entropy.map(|word| hash.apply(word));
    for source in 0..POOL {
        for target in (0..POOL).filter(|&target| target != source) {
            pool[target] = mix(pool[target], hash.apply(pool[source]));
        }
    }
    pool
}

/// A hash whose constant moves with every word.
struct Hash {
    constant: u32,
    multiplier: u32,
}

impl Hash {
    fn apply(&mut self, word: u32) -> u32 {
        let keyed = word ^ self.constant;
        self.constant = self.constant.wrapping_mul(self.multiplier);
        fold(keyed.wrapping_mul(self.constant))
    }
}

fn mix(left: u32, right: u32) -> u32 {
    fold(left.wrapping_mul(0xca01_f9dd).wrapping_sub(right.wrapping_mul(0x4973_f715)))
}

fn fold(word: u32) -> u32 {
    word ^ word >> 16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn<const COUNT: usize>(seed: u64, bound: u32) -> [u32; COUNT] {
        let mut generator = Pcg64::new(seed);
        std::array::from_fn(|_| generator.below(bound))
    }

    /// Expected: `numpy.random.default_rng(seed).choice(bound, size=..., replace=True)`, numpy 2.4.6.
    #[test]
    fn numbers_are_those_of_numpy() {
        assert_eq!(drawn(0, 10), [8, 6, 5, 2, 3, 0, 0, 0, 1, 8, 6, 9]);
        assert_eq!(drawn(12345, 10), [6, 2, 7, 3, 2, 7, 6, 6, 9, 3, 8, 3]);
        assert_eq!(drawn(u64::MAX, 10), [5, 6, 9, 8, 3, 0, 1, 8, 6, 1, 3, 3]);
    }

    /// A bound this large rejects nearly a third of the draws.
    #[test]
    fn rejected_draws_are_those_of_numpy() {
        let expected = [2551872677, 1910885061, 1533409439, 809360140, 923488268];
        assert_eq!(drawn(0, 3_000_000_000), expected);
        let expected = [1643890599, 2040080036, 1075324467, 22209244, 300392691];
        assert_eq!(drawn(u64::MAX, 3_000_000_000), expected);
    }

    #[test]
    fn a_bound_of_one_draws_nothing() {
        let mut generator = Pcg64::new(12345);
        assert_eq!(generator.below(1), 0);
        assert_eq!(generator.below(10), 6);
    }
}
