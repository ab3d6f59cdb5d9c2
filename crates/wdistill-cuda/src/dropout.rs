//! Dropout's masks, as kernels take them.

use wdistill_base::mix;
use wdistill_kernels::{Dropout, DropoutKey};

use crate::launcher::Passed;

/// Spreads the numbers of streams over all bits: 2^64 over the golden ratio, as `wdistill-kernels` does.
const STREAM: u64 = 0x9e37_79b9_7f4a_7c15;

/// The mask of a dropout: the same as that of [`wdistill_kernels::Dropout`], bit for bit.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub struct DropoutMask {
    key: u64,
    threshold: u32,
    factor: f32,
}

// SAFETY: `repr(C)`, of numbers only, 16 bytes without holes.
#[allow(unsafe_code)]
unsafe impl Passed for DropoutMask {}

impl DropoutMask {
    /// Everything passes unchanged.
    pub const NONE: DropoutMask = DropoutMask { key: 0, threshold: 0, factor: 1.0 };

    /// Each number is zeroed with probability `rate`, at least 0 and below 1, and the others are multiplied by
    /// `1 / (1 - rate)`.
    ///
    /// # Panics
    /// If the rate is another.
    pub fn new(rate: f64, key: DropoutKey) -> DropoutMask {
        assert!((0.0..1.0).contains(&rate), "dropout rate {rate} is not in [0, 1)");
        if rate == 0.0 {
            return DropoutMask::NONE;
        }
        DropoutMask {
            key: mix(mix(key.seed) ^ key.stream.wrapping_mul(STREAM)),
            threshold: (rate * 4_294_967_296.0).round() as u32,
            factor: (1.0 / (1.0 - rate)) as f32,
        }
    }
}

impl From<Dropout> for DropoutMask {
    fn from(dropout: Dropout) -> DropoutMask {
        DropoutMask::new(dropout.rate(), dropout.key())
    }
}
