//! bfloat16: the upper half of a float32, so the same sign and exponent and 8 bits of precision.

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;

/// The bfloat16 number nearest to `value`, of two the even one.
///
/// As AVX-512 BF16 does it: numbers below 2^-126 in magnitude become zero, numbers above the largest one infinite, and NaN
/// stays NaN. For all other numbers it is the rounding of IEEE 754, an error of at most 2^-9 of the number.
pub fn round_to_bfloat16(value: f32) -> f32 {
    number(bits(value))
}

/// The upper half of the bits of [`round_to_bfloat16`].
#[inline(always)]
pub(crate) fn bits(value: f32) -> u16 {
    const QUIET: u16 = 0x40;
    let bits = value.to_bits();
    let upper = (bits >> 16) as u16;
    if value.is_nan() {
        upper | QUIET
    } else if value.is_normal() {
        // Half of what is cut off, or a little less before an even number.
        ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16
    } else if value.is_infinite() {
        upper
    } else {
        upper & 0x8000
    }
}

/// The number with these bits.
#[inline(always)]
pub(crate) fn number(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// Two neighbours along a sum, side by side: the first in the lower half.
pub(crate) type Pair = u32;

/// Rounds one number, or two neighbours.
#[inline(always)]
pub(crate) fn pair(numbers: &[f32]) -> Pair {
    let second = numbers.get(1).map_or(0, |second| bits(*second));
    u32::from(bits(numbers[0])) | u32::from(second) << 16
}

/// Rounds all numbers; the last pair of an odd number of them is filled up with zero.
pub(crate) fn pairs(packed: &mut [Pair], numbers: &[f32]) {
    assert_eq!(packed.len(), numbers.len().div_ceil(2), "rounding {} numbers", numbers.len());
    #[cfg(target_arch = "x86_64")]
    if crate::dispatch::has_bfloat16() {
        // SAFETY: the processor has the instructions.
        #[allow(unsafe_code)]
        return unsafe { avx512::pairs(packed, numbers) };
    }
    packed.iter_mut().zip(numbers.chunks(2)).for_each(|(to, from)| *to = pair(from));
}
