//! Activations whose memory is used again.

use std::cell::RefCell;
use std::rc::Rc;

use wdistill_kernels::AlignedNumbers;
use wdistill_model::Matrix;

/// `[rows, columns]` in float32. Dropped, it hands its memory back to the engine that made it, so that after
/// the first steps decoding takes no new memory for activations.
#[derive(Debug)]
pub struct Activations {
    /// The first `rows * columns` of them; there may be more.
    memory: AlignedNumbers,
    rows: usize,
    columns: usize,
    pool: Rc<Pool>,
}

/// Steps that there is room for at first.
const STEPS: usize = 32;

impl Activations {
    /// Numbers of any value.
    pub(crate) fn take(pool: &Rc<Pool>, rows: usize, columns: usize) -> Activations {
        Activations { memory: pool.take(rows * columns), rows, columns, pool: Rc::clone(pool) }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Numbers of a row.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// All numbers, row by row.
    pub fn data(&self) -> &[f32] {
        &self.memory.numbers()[..self.rows * self.columns]
    }

    /// The same, to be changed.
    pub(crate) fn data_mut(&mut self) -> &mut [f32] {
        &mut self.memory.numbers_mut()[..self.rows * self.columns]
    }

    /// One row.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.data()[row * self.columns..(row + 1) * self.columns]
    }

    /// Adds the rows of others at the end. Room is made for many more, since rows that are added one step
    /// after another come often.
    pub(crate) fn append(&mut self, other: &Activations) {
        let (present, added) = (self.data().len(), other.data().len());
        let needed = present + added;
        if self.memory.room() < needed {
            let mut memory = self.pool.take((STEPS * added).max(2 * needed));
            memory.numbers_mut()[..present].copy_from_slice(self.data());
            self.pool.give(std::mem::replace(&mut self.memory, memory));
        }
        self.memory.numbers_mut()[present..needed].copy_from_slice(other.data());
        self.rows += other.rows;
    }
}

impl Clone for Activations {
    fn clone(&self) -> Self {
        let mut copy = Activations::take(&self.pool, self.rows, self.columns);
        copy.data_mut().copy_from_slice(self.data());
        copy
    }
}

impl Drop for Activations {
    fn drop(&mut self) {
        self.pool.give(std::mem::take(&mut self.memory));
    }
}

impl From<Matrix<f32>> for Activations {
    fn from(matrix: Matrix<f32>) -> Self {
        let mut copy = Activations::take(&Rc::default(), matrix.rows(), matrix.columns());
        copy.data_mut().copy_from_slice(matrix.data());
        copy
    }
}

/// Memory that is handed out and comes back. What comes back keeps its numbers, since clearing them would
/// cost as much as the cheaper operations do.
#[derive(Debug, Default)]
pub(crate) struct Pool(
    /// By rising room.
    RefCell<Vec<AlignedNumbers>>,
);

impl Pool {
    /// Room for so many numbers: the smallest free memory that has it. If none does, new memory takes the
    /// place of the largest, so that there is never more than was in use at once.
    fn take(&self, count: usize) -> AlignedNumbers {
        let mut free = self.0.borrow_mut();
        let fitting = free.partition_point(|memory| memory.room() < count);
        if fitting < free.len() {
            return free.remove(fitting);
        }
        free.pop();
        AlignedNumbers::zeros(count)
    }

    fn give(&self, memory: AlignedNumbers) {
        if memory.room() > 0 {
            let mut free = self.0.borrow_mut();
            let place = free.partition_point(|other| other.room() < memory.room());
            free.insert(place, memory);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_used_again_and_the_smallest_that_fits_is_taken() {
        let pool = Pool::default();
        for count in [160, 16, 80] {
            pool.give(AlignedNumbers::zeros(count));
        }
        assert_eq!(pool.take(40).room(), 80);
        assert_eq!(pool.take(40).room(), 160);
        assert_eq!(pool.take(16).room(), 16);
        // Nothing fits: larger memory takes the place of the largest.
        for count in [16, 32] {
            pool.give(AlignedNumbers::zeros(count));
        }
        assert_eq!(pool.take(48).room(), 48);
        assert_eq!(pool.0.borrow().len(), 1);
    }

    #[test]
    fn rows_are_appended_in_used_memory_and_in_new() {
        let pool = Rc::new(Pool::default());
        let rows = |first: usize, rows: usize| {
            let mut part = Activations::take(&pool, rows, 3);
            let numbers = (3 * first..).map(|number| number as f32);
            part.data_mut().iter_mut().zip(numbers).for_each(|(number, value)| *number = value);
            part
        };
        let mut all = rows(0, 1);
        for first in 1..200 {
            all.append(&rows(first, 1));
        }
        assert_eq!((all.rows(), all.columns()), (200, 3));
        assert!((0..).zip(all.data()).all(|(index, number)| *number == index as f32));
        assert_eq!(all.row(199), [597.0, 598.0, 599.0]);
    }
}
