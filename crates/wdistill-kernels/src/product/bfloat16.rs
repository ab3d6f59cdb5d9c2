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
    use crate::matrix::{Accumulate, Layout, MatrixRef};
    use crate::parallel::for_each;
    use crate::tile::{Block, COLUMNS, Line, PANEL, ROWS, TILE};

    /// Numbers that are summed at a time, at most; a multiple of what a cache line holds.
    const DEPTH: usize = 512;

    /// Bytes of a block of the left operand, at most: what a second cache holds.
    const BLOCK_BYTES: usize = 1024 << 10;

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
        let most_rows = BLOCK_BYTES / (depth * size_of::<u16>());
        // A multiple of what is multiplied at a time, in either form.
        let block_rows = rows.len().div_ceil(rows.len().div_ceil(most_rows));
        let block_rows = block_rows.next_multiple_of(ROWS * TILE / 2);
        scratch.rows.resize(block_rows * depth / 2 / TILE, Line([0; TILE]));
        scratch.tiles.resize(PANEL * depth / 2, Line([0; TILE]));
        for first_place in (0..a.columns).step_by(depth) {
            let depth = first_place..a.columns.min(first_place + depth);
            for first_row in rows.clone().step_by(block_rows) {
                let own = first_row..rows.end.min(first_row + block_rows);
                let lines = depth.len().div_ceil(2 * TILE);
                // SAFETY: the caller's.
                unsafe {
                    match a.layout {
                        Layout::Normal => {
                            pack_rows(&mut scratch.rows, lines, a, own.clone(), depth.clone());
                        }
                        Layout::Transposed => {
                            pack_tiles(&mut scratch.rows, a, own.clone(), depth.clone());
                        }
                    }
                    let form = (a.layout, own);
                    multiply_rows(scratch, results, b, form, columns.clone(), depth.clone());
                }
            }
            results.accumulate = Accumulate::Add;
        }
    }

    /// The product of the packed rows and some rows of `b`. Rows that lay side by side are packed one after the other, those
    /// whose numbers lay across in tiles.
    ///
    /// # Safety
    /// As [`multiply_part`].
    #[allow(unsafe_code)]
    unsafe fn multiply_rows(
        scratch: &mut Scratch,
        results: Results,
        b: MatrixRef<'_, f32>,
        (layout, rows): (Layout, Range<usize>),
        columns: Range<usize>,
        depth: Range<usize>,
    ) {
        let Scratch { rows: packed, tiles } = scratch;
        let pairs = depth.len().div_ceil(2);
        let lines = depth.len().div_ceil(2 * TILE);
        for first_column in columns.clone().step_by(COLUMNS) {
            let own = first_column..columns.end.min(first_column + COLUMNS);
            // SAFETY: the caller's.
            unsafe { pack_tiles(tiles, b, own.clone(), depth.clone()) };
            let mut first = 0;
            while first < rows.len() {
                let (start, stride, step, most) = match layout {
                    Layout::Normal => (first * lines * TILE, lines * TILE, 1, ROWS),
                    Layout::Transposed => {
                        let (tile, row) = (first / TILE, first % TILE);
                        // 6, 5 and 5 rows of a tile.
                        (tile * pairs * TILE + row, 1, TILE, if row == 0 { ROWS } else { ROWS - 1 })
                    }
                };
                let block = Block {
                    first_row: first,
                    rows: most.min(rows.len() - first),
                    first_tile: 0,
                    tiles: own.len().div_ceil(TILE),
                };
                let operands =
                    Operands { rows: &flat(packed)[start..], stride, step, tiles, pairs };
                let sums = results.at(rows.start + first, first_column, own.len());
                // SAFETY: the caller's.
                unsafe { multiply(sums, operands, block) };
                first += block.rows;
            }
        }
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
