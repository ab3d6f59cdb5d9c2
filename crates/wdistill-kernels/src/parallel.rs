//! Splitting work over the threads of the current pool.

use wdistill_base::parallel::{self, threads};

/// Elements in one piece of work; fixed, so that results do not depend on the number of threads. A sum of squares adds up
/// pieces of so many numbers, each in an order of its own, so that whoever has some of the pieces can sum these.
pub const PIECE: usize = 1 << 14;

/// Work of at most this many elements runs on the calling thread.
const INLINE: usize = 2 * PIECE;

/// Rows of `width` elements that make one piece of work.
pub(crate) fn rows_per_piece(width: usize) -> usize {
    (PIECE / width.max(1)).max(1)
}

/// Runs `work` on every job, in parallel when `elements` (the size of all jobs) is worth it.
///
/// Jobs must write to disjoint places, so their order does not matter.
pub(crate) fn for_each<J: Send>(
    elements: usize,
    jobs: impl Iterator<Item = J>,
    work: impl Fn(J) + Sync + Send,
) {
    if elements <= INLINE || threads() == 1 {
        jobs.for_each(work);
    } else {
        parallel::for_each(jobs.collect(), work);
    }
}

/// Runs `work` on every job and returns the results in the order of the jobs.
pub(crate) fn map<J: Send, T: Send>(
    elements: usize,
    jobs: impl Iterator<Item = J>,
    work: impl Fn(J) -> T + Sync + Send,
) -> Vec<T> {
    if elements <= INLINE || threads() == 1 {
        jobs.map(work).collect()
    } else {
        parallel::map(jobs.collect(), work)
    }
}

/// How `gemm` splits a product.
#[cfg(feature = "parallel")]
pub(crate) fn of_products() -> gemm::Parallelism {
    match threads() {
        1 => gemm::Parallelism::None,
        threads => gemm::Parallelism::Rayon(threads),
    }
}

/// How `gemm` splits a product: it does not.
#[cfg(not(feature = "parallel"))]
pub(crate) fn of_products() -> gemm::Parallelism {
    gemm::Parallelism::None
}

/// Mutable pieces of `piece` elements, or as many empty endless pieces when `values` is absent.
pub(crate) fn optional_chunks<R>(
    values: Option<&mut [R]>,
    piece: usize,
) -> impl Iterator<Item = Option<&mut [R]>> {
    let absent = values.is_none();
    let chunks = values.unwrap_or_default().chunks_mut(piece.max(1)).map(Some);
    chunks.chain(std::iter::repeat_with(|| None).take(if absent { usize::MAX } else { 0 }))
}

/// How many rows of `width` elements `length` elements are; panics when they do not divide.
pub(crate) fn count_rows(operation: &str, length: usize, width: usize) -> usize {
    let divisor = width.max(1);
    assert!(length.is_multiple_of(divisor), "{operation}: {length} values in rows of {width}");
    length / divisor
}
