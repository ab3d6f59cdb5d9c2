//! Memory that outlives a step.

use std::cell::{RefCell, RefMut};
use std::collections::HashMap;
use std::sync::Arc;

use wdistill_kernels::Real;
use wdistill_model::{Dense, PositionTable, Transformer};

use crate::gradients::Gradients;

/// Rows of each table for each width.
type PositionRows<R> = HashMap<(PositionTable, usize), Arc<Vec<R>>>;

/// Buffers handed from step to step, and tables of positions.
///
/// Fresh memory costs a page fault for every 4 KiB; a training step touches hundreds of megabytes.
#[derive(Debug)]
pub struct Workspace<R> {
    free: RefCell<Vec<Vec<R>>>,
    positions: RefCell<PositionRows<R>>,
    logits: RefCell<Vec<R>>,
}

impl<R: Real> Default for Workspace<R> {
    fn default() -> Self {
        Workspace {
            free: RefCell::default(),
            positions: RefCell::default(),
            logits: RefCell::default(),
        }
    }
}

impl<R: Real> Workspace<R> {
    /// An empty workspace.
    pub fn new() -> Workspace<R> {
        Workspace::default()
    }

    /// A buffer of `length` numbers of any value: the smallest free one that fits. If none does, a new
    /// one takes the place of the largest, so that there are never more than were in use at once.
    pub fn take(&self, length: usize) -> Vec<R> {
        let mut free = self.free.borrow_mut();
        let fitting = free.partition_point(|buffer| buffer.capacity() < length);
        let mut buffer = if fitting < free.len() { free.remove(fitting) } else { Vec::new() };
        if buffer.capacity() < length {
            free.pop();
            buffer.reserve_exact(length);
        }
        buffer.resize(length, R::ZERO);
        buffer
    }

    /// Zeros for every weight of a model.
    pub fn gradients(&self, weights: &Transformer<Dense<R>>) -> Gradients<R> {
        let zeros = |slice: &[R]| {
            let mut buffer = self.take(slice.len());
            buffer.fill(R::ZERO);
            buffer
        };
        Gradients { buffers: weights.slices().iter().map(|(_, slice)| zeros(slice)).collect() }
    }

    /// Takes gradients back.
    pub fn give_back(&self, gradients: Gradients<R>) {
        gradients.buffers.into_iter().for_each(|buffer| self.give(buffer));
    }

    /// A copy of some numbers, in a free buffer.
    pub fn copy_of(&self, numbers: &[R]) -> Vec<R> {
        let mut buffer = self.take(numbers.len());
        buffer.copy_from_slice(numbers);
        buffer
    }

    /// Takes a buffer back.
    pub fn give(&self, buffer: Vec<R>) {
        if buffer.capacity() == 0 {
            return;
        }
        let mut free = self.free.borrow_mut();
        let place = free.partition_point(|other| other.capacity() < buffer.capacity());
        free.insert(place, buffer);
    }

    /// Room for a block of logits.
    pub(crate) fn logits(&self) -> RefMut<'_, Vec<R>> {
        self.logits.borrow_mut()
    }

    /// At least `count` rows of a position table, `[count, width]`.
    pub(crate) fn positions(
        &self,
        table: PositionTable,
        width: usize,
        count: usize,
    ) -> Arc<Vec<R>> {
        let mut tables = self.positions.borrow_mut();
        let rows = tables.entry((table, width)).or_default();
        if rows.len() < count * width {
            let count = count.next_power_of_two();
            let row = |position| table.row(position, width).into_iter().map(R::from_f64);
            *rows = Arc::new((0..count).flat_map(row).collect());
        }
        Arc::clone(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_reused_and_the_smallest_that_fits_is_taken() {
        let workspace = Workspace::<f32>::new();
        for length in [100, 10, 50] {
            workspace.give(Vec::with_capacity(length));
        }
        assert_eq!(workspace.take(40).capacity(), 50);
        assert_eq!(workspace.take(40).capacity(), 100);
        assert_eq!(workspace.take(10).capacity(), 10);
        // Nothing fits: a larger buffer takes the place of the largest.
        for length in [20, 30] {
            workspace.give(Vec::with_capacity(length));
        }
        assert_eq!(workspace.take(40).capacity(), 40);
        assert_eq!(workspace.free.borrow().len(), 1);
    }
}
