//! Choice of the instruction set at run time.
//!
//! A kernel's body is an ordinary function that loops over slices and is always inlined. `multiversion!` makes the
//! kernel of it: the body compiled for each instruction set, and a call of the best one the processor has.

use wdistill_base::Precision;

pub(crate) use crate::real::{Baseline, Instructions};

/// Instruction sets for which kernels are compiled, each with all of those before it.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    /// What every processor of the target has.
    Plain,
    /// AVX2 with fused multiply-add.
    Avx2,
    /// AVX-512: F, VL, BW and DQ.
    Avx512,
    /// AVX-512 BF16: products of pairs of bfloat16 numbers, with sums in float32.
    Avx512Bf16,
}

/// Name of the environment variable that keeps kernels from the best instructions: `plain`, `avx2` or
/// `avx512`. Tests set it, so that every version of a kernel runs on a processor that would only run the best.
#[cfg(target_arch = "x86_64")]
const LIMIT: &str = "WDISTILL_INSTRUCTIONS";

#[cfg(target_arch = "x86_64")]
impl Level {
    /// The best that the processor, the operating system and the environment allow.
    #[inline]
    fn best() -> Level {
        static BEST: std::sync::OnceLock<Level> = std::sync::OnceLock::new();
        *BEST.get_or_init(|| Level::detected().min(Level::limit()))
    }

    fn detected() -> Level {
        let has_avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        let has_avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq");
        match (has_avx2, has_avx512, is_x86_feature_detected!("avx512bf16")) {
            (true, true, true) => Level::Avx512Bf16,
            (true, true, false) => Level::Avx512,
            (true, false, _) => Level::Avx2,
            (false, _, _) => Level::Plain,
        }
    }

    fn limit() -> Level {
        match std::env::var(LIMIT).as_deref() {
            Err(_) => Level::Avx512Bf16,
            Ok("avx512") => Level::Avx512,
            Ok("avx2") => Level::Avx2,
            Ok("plain") => Level::Plain,
            Ok(other) => panic!("{LIMIT} is {other:?}, expected \"avx512\", \"avx2\" or \"plain\""),
        }
    }
}

/// What the kernels compute with in float32, in a word: results of one word may differ from those of another in the last
/// bits.
pub fn instructions() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    match Level::best() {
        Level::Plain => "plain instructions",
        Level::Avx2 => "AVX2",
        Level::Avx512 | Level::Avx512Bf16 => "AVX-512",
    }
    #[cfg(not(target_arch = "x86_64"))]
    std::env::consts::ARCH
}

/// The best precision that this processor computes products in fast, up to `wanted`: bfloat16 wants AVX-512 BF16, and
/// stays float32 without.
pub fn supported(wanted: Precision) -> Precision {
    if has_bfloat16() { wanted } else { Precision::Float32 }
}

/// Whether there are products of bfloat16 numbers.
#[inline]
pub(crate) fn has_bfloat16() -> bool {
    #[cfg(target_arch = "x86_64")]
    return Level::best() >= Level::Avx512Bf16;
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Whether the AVX-512 versions may run.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(crate) fn has_avx512() -> bool {
    Level::best() >= Level::Avx512
}

/// Whether the AVX2 versions may run.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(crate) fn has_avx2() -> bool {
    Level::best() >= Level::Avx2
}

/// Each function is its body, compiled once per instruction set. The body's first type parameter is the
/// [`Instructions`] at hand; the body and the helpers that it calls must be `#[inline(always)]`.
macro_rules! multiversion {
    ($(
        $(#[$attribute:meta])*
        $visibility:vis fn $name:ident $(<$real:ident: Real>)? ($($argument:ident: $kind:ty),* $(,)?)
            $(-> $output:ty)? = $body:ident;
    )+) => { $(
        $(#[$attribute])*
        #[allow(clippy::too_many_arguments)]
        $visibility fn $name $(<$real: Real>)? ($($argument: $kind),*) $(-> $output)? {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
                fn avx512 $(<$real: Real>)? ($($argument: $kind),*) $(-> $output)? {
                    $body::<$crate::Fused $(, $real)?>($($argument),*)
                }

                #[target_feature(enable = "avx2,fma")]
                fn avx2 $(<$real: Real>)? ($($argument: $kind),*) $(-> $output)? {
                    $body::<$crate::Fused $(, $real)?>($($argument),*)
                }

                if $crate::dispatch::has_avx512() {
                    // SAFETY: the processor has every feature the function is compiled for.
                    #[allow(unsafe_code)]
                    return unsafe { avx512 $(::<$real>)? ($($argument),*) };
                }
                if $crate::dispatch::has_avx2() {
                    // SAFETY: the processor has every feature the function is compiled for.
                    #[allow(unsafe_code)]
                    return unsafe { avx2 $(::<$real>)? ($($argument),*) };
                }
            }
            $body::<$crate::dispatch::Baseline $(, $real)?>($($argument),*)
        }
    )+ };
}
pub(crate) use multiversion;

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    #[test]
    fn all_tests_pass_with_fewer_instructions() {
        crate::instructions::run_with_fewer_instructions(LIMIT, "the_limit_is_kept");
    }

    #[test]
    fn the_limit_is_kept() {
        let expected = match std::env::var(LIMIT).as_deref() {
            Ok("plain") => Level::Plain,
            Ok("avx2") => Level::Avx2,
            Ok("avx512") => Level::Avx512,
            _ => Level::Avx512Bf16,
        };
        assert_eq!(Level::best(), expected.min(Level::detected()));
    }
}
