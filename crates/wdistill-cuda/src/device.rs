//! The operations of training, in kernels and products. What they compute is what the free functions of `wdistill-kernels` of the
//! same names compute, with activations and weights in bfloat16, and sums, statistics and gradients of weights in float32.
//!
//! Lengths are asserted; one that does not fit is a programming error.

use std::rc::Rc;

use half::bf16;
use wdistill_kernels::Accumulate;

use crate::CudaError;
use crate::kernel::Kernel;
use crate::launcher::{Address, Argument, Grid, Launcher, Product, arguments};
use crate::pool::{Buffer, Number, Part, Pool};

mod attention;
mod decode;
mod elementwise;
mod embed;
mod generate;
mod indices;
mod linear;
mod loss;
mod matrix;
mod muon;
mod norm;
mod optimiser;
mod pairs;
mod recur;
mod sums;

pub use attention::{AttentionInputs, AttentionOutput, AttentionShape, AttentionSpans, Rows};
pub use decode::{BestWords, Recall};
pub use embed::{Embedding, EmbeddingTokens, WordGroups};
pub use generate::{Mixture, ScaleTanhShiftGradients};
pub use indices::{Indices, Offsets};
pub use linear::{Linear, LinearGradients};
pub use loss::{
    CrossEntropyGradients, CrossEntropyLosses, LossTargets, Projection, TeacherDistribution,
};
pub use matrix::{Factored, Matrix};
pub use muon::MuonBuffers;
pub use norm::{LayerNorm, NormGradients, NormStatistics};
pub use optimiser::AdamBuffers;
pub use pairs::{GuidedHead, LikenessGradient, PairSpans, Relations};
pub use recur::{RecurrenceGradients, RecurrenceInputs};
pub use sums::LossSum;

/// Threads of most blocks.
const THREADS: u32 = 128;

/// Warps of such a block.
const WARPS: usize = THREADS as usize / 32;

/// Rows that one block adds up before their sum joins the others'.
const SUM_ROWS: usize = 64;

/// A machine's memory and operations.
#[derive(Debug)]
pub struct Device<L: Launcher> {
    pool: Rc<Pool<L>>,
}

impl<L: Launcher> Device<L> {
    /// The operations on a machine.
    pub fn new(launcher: L) -> Device<L> {
        Device { pool: Pool::new(launcher) }
    }

    /// Its memory.
    pub fn pool(&self) -> &Rc<Pool<L>> {
        &self.pool
    }

    /// A buffer of any content.
    ///
    /// # Errors
    /// If the memory does not suffice.
    pub fn take<T: Number>(&self, length: usize) -> Result<Buffer<L, T>, CudaError> {
        self.pool.take(length)
    }

    /// A buffer of these numbers.
    ///
    /// # Errors
    /// If the memory does not suffice, or the machine fails.
    pub fn upload<T: Number>(&self, numbers: &[T]) -> Result<Buffer<L, T>, CudaError> {
        let buffer = self.take(numbers.len())?;
        buffer.write(numbers)?;
        Ok(buffer)
    }

    /// Runs a kernel, unless its grid is empty.
    fn launch(&self, kernel: Kernel, grid: Grid, arguments: &[Argument]) -> Result<(), CudaError> {
        if grid.blocks.contains(&0) {
            return Ok(());
        }
        // SAFETY: the operations pass what the kernels take, with lengths that they have asserted, in buffers that live. The
        // tests compare every argument's size with the kernel's.
        #[allow(unsafe_code)]
        unsafe {
            self.pool.launcher().launch(kernel, grid, arguments)
        }
    }

    /// Computes a product, unless its result is empty or nothing is added.
    fn compute(&self, product: &Product) -> Result<(), CudaError> {
        if product.rows == 0 || product.columns == 0 {
            return Ok(());
        }
        if product.inner == 0 && product.accumulate == Accumulate::Add {
            return Ok(());
        }
        assert!(product.inner > 0, "a product that is an empty sum");
        // SAFETY: as for kernels.
        #[allow(unsafe_code)]
        unsafe {
            self.pool.launcher().product(product)
        }
    }
}

/// A grid in which every warp has a row.
fn warp_a_row(rows: usize) -> Grid {
    Grid::line(rows.div_ceil(WARPS), THREADS)
}

/// A grid in which every thread has a number.
fn thread_a_number(length: usize) -> Grid {
    Grid::line(length.div_ceil(THREADS as usize), THREADS)
}

/// A grid in which every thread has a column of a block of rows, of sentences or of words.
fn thread_a_column(width: usize, blocks: usize) -> Grid {
    let mut grid = thread_a_number(width);
    grid.blocks[1] = blocks as u32;
    grid
}

/// A number of rows or columns, as kernels take it.
///
/// # Panics
/// If it is 2^31 or more.
fn count(number: usize) -> i32 {
    i32::try_from(number).expect("fewer than 2^31 rows and columns")
}

/// A choice, as kernels take it.
fn adds(accumulate: Accumulate) -> i32 {
    i32::from(accumulate == Accumulate::Add)
}

/// How many rows of a width some numbers are.
fn rows_of<T: Number>(what: &str, part: Part<'_, T>, width: usize) -> usize {
    assert!(
        width > 0 && part.length().is_multiple_of(width),
        "{what}: {} in rows of {width}",
        part.length()
    );
    part.length() / width
}

/// Asserts lengths.
fn check<T: Number>(what: &str, part: Part<'_, T>, length: usize) {
    assert_eq!(part.length(), length, "{what}: length");
}
