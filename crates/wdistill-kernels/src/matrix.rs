//! Matrices in memory, and what happens to a result.

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

/// An operand of a [`product`](crate::product).
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
    pub(crate) fn strides(&self) -> (isize, isize) {
        match self.layout {
            Layout::Normal => (self.columns as isize, 1),
            Layout::Transposed => (1, self.rows as isize),
        }
    }

    pub(crate) fn check(&self, name: &str) {
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
