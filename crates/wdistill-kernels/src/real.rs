//! The scalar trait and its elementary functions.

use std::fmt::Debug;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub, SubAssign};

/// How a kernel's body computes `a * b + c` on the instruction set it is compiled for.
pub trait Instructions: Copy {
    /// `a * b + c`, rounded once or twice.
    fn multiply_add<R: Real>(a: R, b: R, c: R) -> R;
}

/// The instruction set has a fused multiply-add: one rounding.
#[derive(Clone, Copy, Debug)]
pub struct Fused;

/// No fused multiply-add: product and sum are rounded separately.
#[derive(Clone, Copy, Debug)]
pub struct Separate;

impl Instructions for Fused {
    #[inline(always)]
    fn multiply_add<R: Real>(a: R, b: R, c: R) -> R {
        a.mul_add(b, c)
    }
}

impl Instructions for Separate {
    #[inline(always)]
    fn multiply_add<R: Real>(a: R, b: R, c: R) -> R {
        a * b + c
    }
}

/// Instructions every processor of the target has.
#[cfg(target_arch = "aarch64")]
pub(crate) type Baseline = Fused;
/// Instructions every processor of the target has.
#[cfg(not(target_arch = "aarch64"))]
pub(crate) type Baseline = Separate;

/// A floating-point scalar: `f32` for training and decoding, `f64` for gradient checks.
///
/// The elementary functions of `f32` are branch-free polynomials that the compiler vectorises; their
/// errors against exact values are stated per function and tested. `f64` uses the standard library.
pub trait Real:
    Copy
    + Default
    + Debug
    + PartialEq
    + PartialOrd
    + Send
    + Sync
    + 'static
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + Sum
{
    /// Zero.
    const ZERO: Self;
    /// One.
    const ONE: Self;
    /// Negative infinity.
    const NEG_INFINITY: Self;

    /// The nearest value to `value`.
    fn from_f64(value: f64) -> Self;
    /// The value as `f64`, exactly.
    fn to_f64(self) -> f64;
    /// The square root, correctly rounded.
    fn sqrt(self) -> Self;
    /// The absolute value.
    fn abs(self) -> Self;
    /// `self * factor + term` with one rounding; slow where the processor lacks the instruction.
    fn mul_add(self, factor: Self, term: Self) -> Self;
    /// `e^self`. `f32`: within 2 ulp (of the least subnormal below the normal range), infinite above
    /// 88.73, zero below -104.
    fn exp<I: Instructions>(self) -> Self;
    /// The natural logarithm. `f32`: within 2 ulp; subnormal arguments are exact, zero gives
    /// negative infinity, negative arguments NaN.
    fn ln<I: Instructions>(self) -> Self;
    /// The hyperbolic tangent. `f32`: within 3 ulp, exactly one in magnitude from 9.1 on.
    fn tanh<I: Instructions>(self) -> Self;
    /// The logistic function `1 / (1 + e^-self)`. `f32`: within 4 ulp above -87, absolute error
    /// below 1e-37 beneath.
    #[inline(always)]
    fn sigmoid<I: Instructions>(self) -> Self {
        Self::ONE / (Self::ONE + (-self).exp::<I>())
    }
    /// The distribution function of the standard normal, `erfc(-self / sqrt(2)) / 2`.
    /// `f32`: absolute error below 4e-7.
    fn normal_cdf<I: Instructions>(self) -> Self;
}

impl Real for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    const NEG_INFINITY: Self = f64::NEG_INFINITY;

    #[inline(always)]
    fn from_f64(value: f64) -> Self {
        value
    }
    #[inline(always)]
    fn to_f64(self) -> f64 {
        self
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        f64::sqrt(self)
    }
    #[inline(always)]
    fn abs(self) -> Self {
        f64::abs(self)
    }
    #[inline(always)]
    fn mul_add(self, factor: Self, term: Self) -> Self {
        f64::mul_add(self, factor, term)
    }
    #[inline(always)]
    fn exp<I: Instructions>(self) -> Self {
        f64::exp(self)
    }
    #[inline(always)]
    fn ln<I: Instructions>(self) -> Self {
        f64::ln(self)
    }
    #[inline(always)]
    fn tanh<I: Instructions>(self) -> Self {
        f64::tanh(self)
    }
    #[inline(always)]
    fn normal_cdf<I: Instructions>(self) -> Self {
        0.5 * libm::erfc(-self * std::f64::consts::FRAC_1_SQRT_2)
    }
}

impl Real for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    const NEG_INFINITY: Self = f32::NEG_INFINITY;

    #[inline(always)]
    fn from_f64(value: f64) -> Self {
        value as f32
    }
    #[inline(always)]
    fn to_f64(self) -> f64 {
        f64::from(self)
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        f32::sqrt(self)
    }
    #[inline(always)]
    fn abs(self) -> Self {
        f32::abs(self)
    }
    #[inline(always)]
    fn mul_add(self, factor: Self, term: Self) -> Self {
        f32::mul_add(self, factor, term)
    }
    #[inline(always)]
    fn exp<I: Instructions>(self) -> Self {
        exp_f32::<I>(self)
    }
    #[inline(always)]
    fn ln<I: Instructions>(self) -> Self {
        ln_f32::<I>(self)
    }
    #[inline(always)]
    fn tanh<I: Instructions>(self) -> Self {
        tanh_f32::<I>(self)
    }
    #[inline(always)]
    fn normal_cdf<I: Instructions>(self) -> Self {
        normal_cdf_f32::<I>(self)
    }
}

/// ln 2 cut to few enough bits that its product with any exponent is exact, and the remainder.
const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = -2.121_944_4e-4;

/// Evaluates a polynomial whose coefficients are given from the highest power down.
#[inline(always)]
fn polynomial<I: Instructions, const N: usize>(x: f32, coefficients: [f32; N]) -> f32 {
    let mut value = coefficients[0];
    for coefficient in &coefficients[1..] {
        value = I::multiply_add(value, x, *coefficient);
    }
    value
}

/// `2^exponent` for exponents of normal numbers.
#[inline(always)]
fn power_of_two(exponent: i32) -> f32 {
    f32::from_bits(((exponent + 127) as u32) << 23)
}

/// `e^x = 2^n e^r` with `n` the integer nearest `x / ln 2` and a polynomial for `e^r`.
#[inline(always)]
fn exp_f32<I: Instructions>(x: f32) -> f32 {
    // Adding this rounds to an integer and leaves it in the low bits.
    const ROUNDER: f32 = 12_582_912.0;
    // Comparisons, not `clamp`, so that NaN passes through. Beyond the limits the result is 0 or inf.
    let x = if x < -104.0 { -104.0 } else { x };
    let x = if x > 89.0 { 89.0 } else { x };
    let shifted = I::multiply_add(x, std::f32::consts::LOG2_E, ROUNDER);
    let exponent = shifted.to_bits().wrapping_sub(ROUNDER.to_bits()) as i32;
    let n = shifted - ROUNDER;
    let r = I::multiply_add(n, -LN_2_HIGH, x);
    let r = I::multiply_add(n, -LN_2_LOW, r);
    let tail = polynomial::<I, 6>(
        r,
        [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_65, 0.5],
    );
    let value = I::multiply_add(tail, r * r, r) + 1.0;
    // Two factors, since 2^n itself may overflow or be subnormal when the result is not. The
    // exponent is bounded because NaN leaves arbitrary bits; any finite factor keeps it NaN.
    let exponent = exponent.clamp(-150, 129);
    let half = exponent >> 1;
    value * power_of_two(half) * power_of_two(exponent - half)
}

/// `ln x = e ln 2 + ln m` with `m` in `[sqrt(1/2), sqrt(2))` and a polynomial for `ln m`.
#[inline(always)]
fn ln_f32<I: Instructions>(x: f32) -> f32 {
    const SUBNORMAL_SCALE: f32 = 8_388_608.0;
    let is_subnormal = x < f32::MIN_POSITIVE;
    let scaled = if is_subnormal { x * SUBNORMAL_SCALE } else { x };
    let bias = if is_subnormal { 127 + 23 } else { 127 };
    // Shift so that the mantissa's range starts at sqrt(1/2) instead of 1.
    const SQRT_HALF_BITS: u32 = 0x3f35_04f3;
    let bits = scaled.to_bits().wrapping_add(0x3f80_0000 - SQRT_HALF_BITS);
    let exponent = ((bits >> 23) as i32 - bias) as f32;
    let mantissa = f32::from_bits((bits & 0x007f_ffff) + SQRT_HALF_BITS);
    let f = mantissa - 1.0;
    let square = f * f;
    let tail = polynomial::<I, 9>(
        f,
        [
            7.037_683_6e-2,
            -0.115_146_1,
            0.116_769_99,
            -0.124_201_41,
            0.142_493_23,
            -0.166_680_58,
            0.200_007_14,
            -0.249_999_94,
            0.333_333_3,
        ],
    );
    let correction = I::multiply_add(exponent, LN_2_LOW, f * square * tail);
    let correction = I::multiply_add(-0.5, square, correction);
    let value = I::multiply_add(exponent, LN_2_HIGH, f + correction);
    let value = if x == f32::INFINITY { x } else { value };
    let value = if x == 0.0 { f32::NEG_INFINITY } else { value };
    if x >= 0.0 { value } else { f32::NAN }
}

/// An odd polynomial near zero, `1 - 2 / (e^(2|x|) + 1)` with the sign of `x` elsewhere.
#[inline(always)]
fn tanh_f32<I: Instructions>(x: f32) -> f32 {
    let magnitude = x.abs();
    let square = x * x;
    let tail = polynomial::<I, 5>(
        square,
        [-5.704_988_7e-3, 2.063_909e-2, -5.373_971_6e-2, 0.133_314_42, -0.333_332_8],
    );
    let near = I::multiply_add(tail * square, x, x);
    let far = 1.0 - 2.0 / (exp_f32::<I>(magnitude + magnitude) + 1.0);
    // The sign of both, so that a negative zero keeps its sign.
    (if magnitude < 0.625 { near } else { far }).copysign(x)
}

/// By the rational Chebyshev fit of erfc in Press et al., Numerical Recipes, section 6.2
/// (fractional error of the fit below 1.2e-7).
#[inline(always)]
fn normal_cdf_f32<I: Instructions>(x: f32) -> f32 {
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / I::multiply_add(0.5, z, 1.0);
    let fit = polynomial::<I, 10>(
        t,
        [
            0.170_872_77,
            -0.822_152_2,
            1.488_515_9,
            -1.135_204,
            0.278_868_07,
            -0.186_288_06,
            0.096_784_18,
            0.374_091_96,
            1.000_023_7,
            -1.265_512_2,
        ],
    );
    let upper_tail = 0.5 * t * exp_f32::<I>(I::multiply_add(-z, z, fit));
    if x < 0.0 { upper_tail } else { 1.0 - upper_tail }
}
