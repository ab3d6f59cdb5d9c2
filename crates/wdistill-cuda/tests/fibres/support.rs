//! Random numbers, and comparisons as tight as the formats allow.

use half::bf16;
use wdistill_cuda::{Buffer, Device, DropoutMask, Number};
use wdistill_kernels::{Dropout, DropoutKey};

use crate::tested::{Order, Tested};

pub type Machine = Device<Tested>;
pub type Numbers<T> = Buffer<Tested, T>;

/// Runs a test with the natural order of blocks and threads and with a mixed one, and compares what it returns bit by bit.
#[track_caller]
pub fn in_any_order<T: PartialEq>(test: impl Fn(&Machine) -> T) {
    let natural = test(&Device::new(Tested::new(Order::Natural)));
    let mixed = test(&Device::new(Tested::new(Order::Mixed)));
    assert!(natural == mixed, "the order of blocks and threads changes the result");
}

/// Reproducible values, roughly uniform in [-1, 1].
pub fn random(seed: u64, length: usize) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    (0..length).map(|_| next()).collect()
}

/// Reproducible integers below `bound`.
pub fn random_ids(seed: u64, length: usize, bound: usize) -> Vec<u32> {
    let id = |v: f64| (((v + 1.0) / 2.0 * bound as f64) as u32).min(bound as u32 - 1);
    random(seed, length).into_iter().map(id).collect()
}

/// Numbers that bfloat16 has.
pub fn random_bf16(seed: u64, length: usize) -> Vec<bf16> {
    random(seed, length).into_iter().map(|value| bf16::from_f32(value as f32)).collect()
}

/// Numbers that float32 has.
pub fn random_f32(seed: u64, length: usize) -> Vec<f32> {
    random(seed, length).into_iter().map(|value| value as f32).collect()
}

/// The same numbers in float64.
pub fn exact<T: Copy + Into<f64>>(numbers: &[T]) -> Vec<f64> {
    numbers.iter().map(|number| (*number).into()).collect()
}

/// The mask of a rate, for the kernels and for the reference.
pub fn dropout(rate: f64) -> (DropoutMask, Dropout) {
    let key = DropoutKey { seed: 7, stream: 11 };
    (DropoutMask::new(rate, key), Dropout::new(rate, key))
}

/// A buffer that holds NaN.
pub fn fresh<T: Number>(machine: &Machine, length: usize) -> Numbers<T> {
    machine.take(length).unwrap()
}

/// Half the distance between neighbours among the bfloat16 numbers around a value.
pub fn half_step(value: f64) -> f64 {
    let exponent = value.abs().max(f64::from(bf16::MIN_POSITIVE)).log2().floor();
    2f64.powf(exponent - 8.0)
}

/// Asserts that bfloat16 numbers are the rounded expected ones, which float32 sums move by at most `slack`.
#[track_caller]
pub fn assert_rounded(actual: &[bf16], expected: &[f64], slack: impl Fn(usize) -> f64, what: &str) {
    assert_eq!(actual.len(), expected.len(), "{what}: lengths");
    for (index, (actual, expected)) in actual.iter().zip(expected).enumerate() {
        let slack = slack(index);
        let bound = half_step(expected.abs() + slack) + slack;
        let error = (f64::from(*actual) - expected).abs();
        assert!(error <= bound, "{what}[{index}]: {actual}, expected {expected} within {bound:e}");
    }
}

/// Asserts that float32 numbers are within `tolerance` of the expected ones.
#[track_caller]
pub fn assert_near(actual: &[f32], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(actual.len(), expected.len(), "{what}: lengths");
    for (index, (actual, expected)) in actual.iter().zip(expected).enumerate() {
        let error = (f64::from(*actual) - expected).abs();
        assert!(
            error <= tolerance,
            "{what}[{index}]: {actual}, expected {expected} within {tolerance:e}"
        );
    }
}

/// The bits of bfloat16 numbers: NaN equals itself.
pub fn bits(numbers: &[bf16]) -> Vec<u16> {
    numbers.iter().map(|number| number.to_bits()).collect()
}

/// The bits of float32 numbers.
pub fn bits32(numbers: &[f32]) -> Vec<u32> {
    numbers.iter().map(|number| number.to_bits()).collect()
}
