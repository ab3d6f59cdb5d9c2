//! Matrix products.

mod bfloat16;

use wdistill_base::Precision;

use crate::Real;
use crate::matrix::{Accumulate, MatrixRef};

/// [`product`] in a precision.
///
/// In [`Precision::Bfloat16`] every element of `a` and `b` is [rounded](crate::round_to_bfloat16) first, while `c`, the
/// products and the sums are float32: `c[i, j] = sum over k of bf16(a[i, k]) bf16(b[k, j])`. With AVX-512 BF16 a sum runs over
/// pairs of neighbours in the order of `k`, in stretches of up to 512; how many rows or columns there are, and how many threads,
/// changes no bit of it. Without the instruction the rounded operands are multiplied as [`product`] does, which adds in another
/// order. For `f64` the operands are rounded too, and the rest is as exact as `f64`.
pub fn product_in<R: Real>(
    precision: Precision,
    c: &mut [R],
    accumulate: Accumulate,
    a: MatrixRef<'_, R>,
    b: MatrixRef<'_, R>,
) {
    match precision {
        Precision::Float32 => product(c, accumulate, a, b),
        Precision::Bfloat16 => bfloat16::product(c, accumulate, a, b),
    }
}

/// Checks the shapes of a product, and does what there is to do if no number is summed. Says whether there is a sum.
fn is_sum<R: Real>(
    c: &mut [R],
    accumulate: Accumulate,
    a: MatrixRef<'_, R>,
    b: MatrixRef<'_, R>,
) -> bool {
    a.check("the left operand");
    b.check("the right operand");
    let (m, k, n) = (a.rows, a.columns, b.columns);
    assert_eq!(k, b.rows, "product: columns of the left operand, rows of the right one");
    assert_eq!(c.len(), m * n, "product: length of the result, {m} x {n}");
    if k == 0 && accumulate == Accumulate::Overwrite {
        c.fill(R::ZERO);
    }
    k > 0 && !c.is_empty()
}

/// `c = a b` or `c += a b`, with `a [m, k]`, `b [k, n]` and row-major `c [m, n]`.
///
/// `k = 0` is an empty sum: `Overwrite` gives zeros and `Add` changes nothing.
pub fn product<R: Real>(
    c: &mut [R],
    accumulate: Accumulate,
    a: MatrixRef<'_, R>,
    b: MatrixRef<'_, R>,
) {
    if !is_sum(c, accumulate, a, b) {
        return;
    }
    let (m, k, n) = (a.rows, a.columns, b.columns);
    let reads_result = accumulate == Accumulate::Add;
    let (a_row, a_column) = a.strides();
    let (b_row, b_column) = b.strides();
    // SAFETY: the asserts above make every element that the sizes and strides reach lie inside its
    // slice; `c` is borrowed mutably, so it overlaps neither operand.
    #[allow(unsafe_code)]
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c.as_mut_ptr(),
            1,
            n as isize,
            reads_result,
            a.data.as_ptr(),
            a_column,
            a_row,
            b.data.as_ptr(),
            b_column,
            b_row,
            if reads_result { R::ONE } else { R::ZERO },
            R::ONE,
            false,
            false,
            false,
            crate::parallel::of_products(),
        );
    }
}
