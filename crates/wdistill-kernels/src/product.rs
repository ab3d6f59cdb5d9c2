//! Matrix products.

use crate::Real;
use crate::dispatch::{Instructions, multiversion};
use crate::elementwise::{add_lanes, row_dot};
use gemm::Parallelism;

/// What happens to the values a result buffer already holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accumulate {
    /// They are replaced.
    Overwrite,
    /// The result is added to them.
    Add,
}

/// How the elements of a [`MatrixRef`] lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Row-major `[rows, columns]`.
    Normal,
    /// Row-major `[columns, rows]`: the matrix is the transpose of what is stored.
    Transposed,
}

/// An operand of a [`product`].
#[derive(Clone, Copy, Debug)]
pub struct MatrixRef<'a, R> {
    /// The elements, `rows * columns` of them.
    pub data: &'a [R],
    /// Rows of the operand, after any transposition.
    pub rows: usize,
    /// Columns of the operand, after any transposition.
    pub columns: usize,
    /// How the elements lie in memory.
    pub layout: Layout,
}

impl<'a, R> MatrixRef<'a, R> {
    /// The matrix stored row-major as `[rows, columns]`.
    pub fn new(data: &'a [R], rows: usize, columns: usize) -> Self {
        assert_eq!(data.len(), rows * columns, "matrix of {rows} x {columns}: length of its data");
        Self { data, rows, columns, layout: Layout::Normal }
    }

    /// The transpose, without moving data.
    pub fn transposed(self) -> Self {
        let layout = match self.layout {
            Layout::Normal => Layout::Transposed,
            Layout::Transposed => Layout::Normal,
        };
        Self { data: self.data, rows: self.columns, columns: self.rows, layout }
    }

    /// Distances in memory between neighbours in a column and in a row.
    fn strides(&self) -> (isize, isize) {
        match self.layout {
            Layout::Normal => (self.columns as isize, 1),
            Layout::Transposed => (1, self.rows as isize),
        }
    }

    fn check(&self, name: &str) {
        let expected = self.rows * self.columns;
        assert_eq!(
            self.data.len(),
            expected,
            "product: length of {name}, {} x {}",
            self.rows,
            self.columns
        );
    }
}

/// Up to so many rows, an operand is read once as it lies, by inner products: packing it into tiles, as
/// `gemm` does, would cost more than the product. A decoding step of a few hypotheses is such a product.
const FEW_ROWS: usize = 8;

multiversion! {
    /// `c[i, j] = <a[i], b[j]>`, with `a [m, k]` of few rows and `b [n, k]`, `k` above 0.
    fn few_rows<R: Real>(c: &mut [R], a: &[R], b: &[R], k: usize) {
        let n = b.len() / k;
        let fours = a.len() / k / 4 * 4;
        for (column, b) in b.chunks_exact(k).enumerate() {
            for row in (0..fours).step_by(4) {
                let dots = four_dots::<I, R>(&a[row * k..(row + 4) * k], b);
                for (offset, dot) in dots.into_iter().enumerate() {
                    c[(row + offset) * n + column] = dot;
                }
            }
            for (row, a) in (fours..).zip(a[fours * k..].chunks_exact(k)) {
                c[row * n + column] = row_dot::<I, R>(a, b);
            }
        }
    }
}

/// The inner products of four rows of `a [4, k]` with `b [k]`: each part of `b` is loaded once.
#[inline(always)]
fn four_dots<I: Instructions, R: Real>(a: &[R], b: &[R]) -> [R; 4] {
    const LANES: usize = 32;
    let (a0, a) = a.split_at(b.len());
    let (a1, a) = a.split_at(b.len());
    let (a2, a3) = a.split_at(b.len());
    let mut sums = [[R::ZERO; LANES]; 4];
    let (blocks, rest) = b.as_chunks::<LANES>();
    let parts = [a0, a1, a2, a3].map(|a| a.as_chunks::<LANES>());
    for (index, b) in blocks.iter().enumerate() {
        for (sum, (a, _)) in sums.iter_mut().zip(&parts) {
            let a = &a[index];
            for lane in 0..LANES {
                sum[lane] = I::multiply_add(a[lane], b[lane], sum[lane]);
            }
        }
    }
    let mut dots = [R::ZERO; 4];
    for ((dot, mut sum), (_, a)) in dots.iter_mut().zip(sums).zip(parts) {
        for ((sum, a), b) in sum.iter_mut().zip(a).zip(rest) {
            *sum = I::multiply_add(*a, *b, *sum);
        }
        *dot = add_lanes(sum);
    }
    dots
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
    a.check("the left operand");
    b.check("the right operand");
    let (m, k, n) = (a.rows, a.columns, b.columns);
    assert_eq!(k, b.rows, "product: columns of the left operand, rows of the right one");
    assert_eq!(c.len(), m * n, "product: length of the result, {m} x {n}");
    if c.is_empty() {
        return;
    }
    if k == 0 {
        if accumulate == Accumulate::Overwrite {
            c.fill(R::ZERO);
        }
        return;
    }
    if m <= FEW_ROWS
        && accumulate == Accumulate::Overwrite
        && (a.layout, b.layout) == (Layout::Normal, Layout::Transposed)
    {
        few_rows(c, a.data, b.data, k);
        return;
    }
    let parallelism = match rayon::current_num_threads() {
        1 => Parallelism::None,
        threads => Parallelism::Rayon(threads),
    };
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
            parallelism,
        );
    }
}
