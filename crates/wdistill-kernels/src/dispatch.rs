//! Choice of the instruction set at run time.
//!
//! A kernel is an ordinary loop over slices, wrapped in `multiversion!`. The macro compiles the
//! same body for each instruction set and calls the best one the processor has.

use crate::Real;

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

/// Whether the processor and the operating system support what the AVX-512 versions are compiled for.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(crate) fn has_avx512() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && has_avx2()
}

/// Whether the processor and the operating system support what the AVX2 versions are compiled for.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(crate) fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
}

/// Compiles each function once per instruction set; inside the body, `I` names the
/// [`Instructions`] at hand. Helpers called by the body must be `#[inline(always)]`.
macro_rules! multiversion {
    ($(
        $(#[$attribute:meta])*
        $visibility:vis fn $name:ident $(<$real:ident: Real>)? ($($argument:ident: $kind:ty),* $(,)?)
            $(-> $output:ty)? $body:block
    )+) => { $(
        $(#[$attribute])*
        #[allow(clippy::too_many_arguments)]
        $visibility fn $name $(<$real: Real>)? ($($argument: $kind),*) $(-> $output)? {
            #[inline(always)]
            #[allow(clippy::extra_unused_type_parameters)]
            fn body<I: $crate::dispatch::Instructions $(, $real: Real)?>(
                $($argument: $kind),*
            ) $(-> $output)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
                fn avx512 $(<$real: Real>)? ($($argument: $kind),*) $(-> $output)? {
                    body::<$crate::dispatch::Fused $(, $real)?>($($argument),*)
                }

                #[target_feature(enable = "avx2,fma")]
                fn avx2 $(<$real: Real>)? ($($argument: $kind),*) $(-> $output)? {
                    body::<$crate::dispatch::Fused $(, $real)?>($($argument),*)
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
            body::<$crate::dispatch::Baseline $(, $real)?>($($argument),*)
        }
    )+ };
}
pub(crate) use multiversion;
