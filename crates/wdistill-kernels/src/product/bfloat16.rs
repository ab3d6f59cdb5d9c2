//! Products of operands that are rounded to bfloat16 on the way.
//!
//! The left operand is rounded block by block, so that a block stays in the second cache; for each block the right one is rounded
//! panel by panel, so that a panel stays in the first.

use crate::Real;
use crate::bfloat16::round_to_bfloat16;
use crate::matrix::{Accumulate, MatrixRef};

/// `c = a b` or `c += a b`, where the operands are rounded.
pub(super) fn product<R: Real>(
    c: &mut [R],
    accumulate: Accumulate,
    a: MatrixRef<'_, R>,
    b: MatrixRef<'_, R>,
) {
    #[cfg(target_arch = "x86_64")]
    if std::any::TypeId::of::<R>() == std::any::TypeId::of::<f32>()
        && crate::dispatch::has_bfloat16()
    {
        if super::is_sum(c, accumulate, a, b) {
            // SAFETY: `R` is `f32`.
            #[allow(unsafe_code)]
            let (c, a, b) = unsafe { (same_mut(c), same(a), same(b)) };
            avx512::product(c, accumulate, a, b);
        }
        return;
    }
    let rounded = |numbers: &[R]| -> Vec<R> {
        let round = |number: &R| R::from_f64(round_to_bfloat16(number.to_f64() as f32).into());
        numbers.iter().map(round).collect()
    };
    let (left, right) = (rounded(a.data), rounded(b.data));
    super::product(c, accumulate, MatrixRef { data: &left, ..a }, MatrixRef { data: &right, ..b });
}

/// The same numbers under the other name of their type.
///
/// # Safety
/// `R` is `f32`.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
unsafe fn same<R>(matrix: MatrixRef<'_, R>) -> MatrixRef<'_, f32> {
    let MatrixRef { data, rows, columns, layout } = matrix;
    // SAFETY: the caller's.
    let data = unsafe { std::slice::from_raw_parts(data.as_ptr().cast(), data.len()) };
    MatrixRef { data, rows, columns, layout }
}

/// The same numbers under the other name of their type.
///
/// # Safety
/// `R` is `f32`.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
unsafe fn same_mut<R>(numbers: &mut [R]) -> &mut [f32] {
    // SAFETY: the caller's.
    unsafe { std::slice::from_raw_parts_mut(numbers.as_mut_ptr().cast(), numbers.len()) }
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use std::cell::RefCell;
    use std::ops::Range;

    use wdistill_base::parallel::threads;

    use crate::bfloat16::Pair;
    use crate::bfloat16::avx512::{Operands, Sums, multiply, pack_rows, pack_tiles};
    use crate::matrix::{Accumulate, MatrixRef};
    use crate::parallel::for_each;
    use crate::tile::{Block, COLUMNS, Line, PANEL, ROWS, TILE};

    /// Numbers that are summed at a time, at most; a multiple of what a cache line holds.
    const DEPTH: usize = 512;

    /// Bytes of a block of the left operand, half of a second cache.
    const BLOCK_BYTES: usize = 512 << 10;

    /// Memory of packed operands, which is used again.
    #[derive(Default)]
    struct Scratch {
        rows: Vec<Line<Pair>>,
        tiles: Vec<Line<Pair>>,
    }

    thread_local! {
        static SCRATCH: RefCell<Scratch> = RefCell::default();
    }

    /// Where results go.
    #[derive(Clone, Copy)]
    struct Results {
        first: *mut f32,
        stride: usize,
        accumulate: Accumulate,
    }

    // SAFETY: jobs write to parts of the results that have nothing in common.
    #[allow(unsafe_code)]
    unsafe impl Send for Results {}
    // SAFETY: as above.
    #[allow(unsafe_code)]
    unsafe impl Sync for Results {}

    impl Results {
        /// Those of a row from a column on.
        fn at(&self, row: usize, first_column: usize, columns: usize) -> Sums {
            let first = self.first.wrapping_add(row * self.stride + first_column);
            Sums { first, stride: self.stride, columns, accumulate: self.accumulate }
        }
    }

    /// The product of operands that fit, in jobs of some rows or of some columns.
    pub(super) fn product(
        c: &mut [f32],
        accumulate: Accumulate,
        a: MatrixRef<'_, f32>,
        b: MatrixRef<'_, f32>,
    ) {
        let (m, n) = (a.rows, b.columns);
        let (elements, results) =
            (c.len(), Results { first: c.as_mut_ptr(), stride: n, accumulate });
        // An operand is rounded by each job: the shorter one is.
        let jobs = |length: usize, step: usize| -> Vec<Range<usize>> {
            let own = length.div_ceil(threads()).next_multiple_of(step);
            (0..length).step_by(own).map(|first| first..length.min(first + own)).collect()
        };
        let jobs: Vec<_> = if m >= n {
            jobs(m, ROWS).into_iter().map(|rows| (rows, 0..n)).collect()
        } else {
            jobs(n, COLUMNS).into_iter().map(|columns| (0..m, columns)).collect()
        };
        for_each(elements, jobs.into_iter(), |(rows, columns)| {
            SCRATCH.with_borrow_mut(|scratch| {
                // SAFETY: jobs have no row and column in common, and the processor has the instructions.
                #[allow(unsafe_code)]
                unsafe {
                    multiply_part(scratch, results, a, b.transposed(), rows, columns);
                }
            });
        });
    }

    /// The product of some rows of `a` and some rows of `b`, which is transposed.
    ///
    /// # Safety
    /// The processor has AVX-512 BF16; nothing else uses these results meanwhile, and they are there.
    #[allow(unsafe_code)]
    unsafe fn multiply_part(
        scratch: &mut Scratch,
        mut results: Results,
        a: MatrixRef<'_, f32>,
        b: MatrixRef<'_, f32>,
        rows: Range<usize>,
        columns: Range<usize>,
    ) {
        let depth = a.columns.div_ceil(a.columns.div_ceil(DEPTH)).next_multiple_of(2 * TILE);
        let lines = lines_of(depth);
        let most_rows = BLOCK_BYTES / (lines * size_of::<Line<Pair>>());
        let block_rows = rows.len().div_ceil(rows.len().div_ceil(most_rows)).next_multiple_of(ROWS);
        scratch.rows.resize(block_rows * lines, Line([0; TILE]));
        scratch.tiles.resize(PANEL * depth / 2, Line([0; TILE]));
        for first_place in (0..a.columns).step_by(depth) {
            let depth = first_place..a.columns.min(first_place + depth);
            for first_row in rows.clone().step_by(block_rows) {
                let own = first_row..rows.end.min(first_row + block_rows);
                // SAFETY: the caller's.
                unsafe {
                    let lines = lines_of(depth.len());
                    pack_rows(&mut scratch.rows, lines, a, own.clone(), depth.clone());
                    multiply_rows(scratch, results, b, own, columns.clone(), depth.clone());
                }
            }
            results.accumulate = Accumulate::Add;
        }
    }

    /// The product of the packed rows and some rows of `b`.
    ///
    /// # Safety
    /// As [`multiply_part`].
    #[allow(unsafe_code)]
    unsafe fn multiply_rows(
        scratch: &mut Scratch,
        results: Results,
        b: MatrixRef<'_, f32>,
        rows: Range<usize>,
        columns: Range<usize>,
        depth: Range<usize>,
    ) {
        let Scratch { rows: packed, tiles } = scratch;
        let pairs = depth.len().div_ceil(2);
        let stride = lines_of(depth.len()) * TILE;
        for first_column in columns.clone().step_by(COLUMNS) {
            let own = first_column..columns.end.min(first_column + COLUMNS);
            // SAFETY: the caller's.
            unsafe { pack_tiles(tiles, b, own.clone(), depth.clone()) };
            for first_row in rows.clone().step_by(ROWS) {
                let first = first_row - rows.start;
                let block = Block {
                    first_row: first,
                    rows: ROWS.min(rows.end - first_row),
                    first_tile: 0,
                    tiles: own.len().div_ceil(TILE),
                };
                let operands =
                    Operands { rows: &flat(packed)[first * stride..], stride, tiles, pairs };
                let sums = results.at(first_row, first_column, own.len());
                // SAFETY: the caller's.
                unsafe { multiply(sums, operands, block) };
            }
        }
    }

    /// Cache lines of a packed row.
    fn lines_of(depth: usize) -> usize {
        depth.div_ceil(2 * TILE)
    }

    /// Lines as the pairs that they hold.
    fn flat(lines: &[Line<Pair>]) -> &[Pair] {
        // SAFETY: a line is an array without gaps.
        #[allow(unsafe_code)]
        unsafe {
            std::slice::from_raw_parts(lines.as_ptr().cast(), lines.len() * TILE)
        }
    }
}
