//! Matrix products.

use crate::Real;

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
