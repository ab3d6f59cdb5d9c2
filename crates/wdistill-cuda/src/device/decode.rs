//! What a decoder needs beside the operations of training.

use super::linear::{stored, transposed};
use super::*;
use crate::launcher::{Epilogue, Passed, Storage};
use crate::pool::address_of;

/// Threads of a block, which has a row of logits.
const ROW_THREADS: u32 = 256;

/// Keys and values that queries remember, and which of their rows each query sees.
#[derive(Clone, Copy, Debug)]
pub struct Recall<'a, L: Launcher> {
    /// `[all rows, width]`.
    pub keys: Part<'a, bf16>,
    /// `[all rows, width]`.
    pub values: Part<'a, bf16>,
    /// Which of `rows` are a query's.
    pub starts: &'a Offsets<L>,
    /// Numbers of the rows that queries see, query by query, in their order.
    pub rows: &'a Indices<L>,
    /// Numbers of a row, all heads together.
    pub width: usize,
    /// They divide the width, and head `h` owns columns `h * width / heads ..`.
    pub heads: usize,
}

/// The best words of rows.
#[derive(Clone, Copy, Debug)]
pub struct BestWords<'a> {
    /// Their numbers, `[rows, k]`, best first, of equal ones the lower number first.
    pub words: Part<'a, u32>,
    /// `ln p` of each, `[rows, k]`.
    pub log_probabilities: Part<'a, f32>,
}

/// `RecallSizes` of `decode.cu`.
#[derive(Clone, Copy)]
#[repr(C)]
struct Sizes {
    queries: i32,
    heads: i32,
    head_width: i32,
    scale: f32,
}

// SAFETY: `repr(C)`, of numbers only.
#[allow(unsafe_code)]
unsafe impl Passed for Sizes {}

impl<L: Launcher> Device<L> {
    /// `y = softmax(q Kᵀ / sqrt(width / heads)) V` per head for each query of `[queries, width]` over its rows of `K` and `V`, as
    /// [`wdistill_kernels::recall`]. Without rows `y` is zero.
    ///
    /// # Errors
    /// If the machine fails.
    ///
    /// # Panics
    /// If a length does not fit, or the heads do not divide the width.
    pub fn recall(
        &self,
        y: Part<'_, bf16>,
        queries: Part<'_, bf16>,
        memory: &Recall<'_, L>,
    ) -> Result<(), CudaError> {
        let (width, heads) = (memory.width, memory.heads);
        assert!(heads > 0 && width.is_multiple_of(heads), "recall: {heads} heads of {width}");
        let rows = rows_of("recall", queries, width);
        check("recall's y", y, queries.length());
        assert_eq!(memory.starts.sentences(), rows, "recall: queries that have rows");
        assert_eq!(memory.starts.rows(), memory.rows.length(), "recall: rows of queries");
        check("recall's values", memory.values, memory.keys.length());
        let head_width = width / heads;
        let sizes = Sizes {
            queries: count(rows),
            heads: count(heads),
            head_width: count(head_width),
            scale: (1.0 / (head_width as f64).sqrt()) as f32,
        };
        let arguments = arguments![
            y.address(),
            queries.address(),
            memory.keys.address(),
            memory.values.address(),
            memory.starts.address(),
            memory.rows.below("recall's rows", rows_of("recall's keys", memory.keys, width)),
            sizes
        ];
        let grid = warp_a_row(rows * heads).with_shared(WARPS * head_width);
        self.launch(Kernel::Recall, grid, &arguments)
    }

    /// `y[i] = x[rows[i]]`, rows of a width.
    ///
    /// # Errors
    /// If the machine fails.
    ///
    /// # Panics
    /// If a length does not fit, or `x` lacks a row.
    pub fn select_rows(
        &self,
        y: Part<'_, bf16>,
        x: Part<'_, bf16>,
        rows: &Indices<L>,
        width: usize,
    ) -> Result<(), CudaError> {
        let all = rows_of("rows to select from", x, width);
        check("selected rows", y, rows.length() * width);
        let arguments = arguments![
            y.address(),
            x.address(),
            rows.below("rows to select", all),
            count(rows.length()),
            count(width)
        ];
        self.launch(Kernel::SelectRows, warp_a_row(rows.length()), &arguments)
    }

    /// The `k` best words of each row of `x [rows, width]`, whose logits are `x W^T + b` in float32.
    ///
    /// # Errors
    /// If the memory does not suffice, or the machine fails.
    ///
    /// # Panics
    /// If a length does not fit, or there are fewer than `k` words.
    pub fn best_words(
        &self,
        best: BestWords<'_>,
        x: Part<'_, bf16>,
        projection: &Projection<'_>,
        k: usize,
    ) -> Result<(), CudaError> {
        let width = projection.width;
        let rows = rows_of("best words", x, width);
        let vocabulary = projection.check(x, rows);
        assert!(k <= vocabulary, "best words: {k} of {vocabulary} words");
        check("best words", best.words, rows * k);
        check("best words' log-probabilities", best.log_probabilities, rows * k);
        let logits = self.take::<f32>(rows * vocabulary)?;
        self.compute(&Product {
            rows,
            inner: width,
            columns: vocabulary,
            left: stored(x.address(), width),
            right: transposed(projection.table.address(), width),
            factors: Storage::Bf16,
            result: logits.part().address(),
            distance: vocabulary,
            stored: Storage::Float32,
            accumulate: Accumulate::Overwrite,
            // The library adds a bias of the result's format only: the kernel adds it.
            epilogue: Epilogue::None,
        })?;
        let arguments = arguments![
            best.log_probabilities.address(),
            best.words.address(),
            logits.part().address(),
            address_of(projection.bias),
            count(vocabulary),
            count(k)
        ];
        let grid = Grid::line(rows, ROW_THREADS).with_shared(2 * ROW_THREADS as usize / 32);
        self.launch(Kernel::BestWords, grid, &arguments)
    }
}
