//! Memory that outlives a step.

use std::cell::{RefCell, RefMut};
use std::collections::HashMap;
use std::sync::Arc;

use wdistill_kernels::{Buffers, Real};
use wdistill_model::{Layout, PositionTable};

use crate::gradients::Gradients;

/// Rows of each table for each width.
type PositionRows<R> = HashMap<(PositionTable, usize), Arc<Vec<R>>>;

/// Buffers handed from step to step, and tables of positions.
#[derive(Debug)]
pub struct Workspace<R> {
    buffers: Buffers<R>,
    positions: RefCell<PositionRows<R>>,
    logits: RefCell<Vec<R>>,
}

impl<R: Real> Default for Workspace<R> {
    fn default() -> Self {
        Workspace {
            buffers: Buffers::default(),
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

    /// A buffer of `length` numbers of any value.
    pub fn take(&self, length: usize) -> Vec<R> {
        self.buffers.take(length)
    }

    /// Zeros for every parameter of a layout.
    pub fn gradients(&self, layout: &Arc<Layout>) -> Gradients<R> {
        let mut buffer = self.take(layout.length());
        buffer.fill(R::ZERO);
        Gradients::new(Arc::clone(layout), buffer)
    }

    /// Takes gradients back.
    pub fn give_back(&self, gradients: Gradients<R>) {
        self.give(gradients.into_data());
    }

    /// A copy of some numbers, in a free buffer.
    pub fn copy_of(&self, numbers: &[R]) -> Vec<R> {
        let mut buffer = self.take(numbers.len());
        buffer.copy_from_slice(numbers);
        buffer
    }

    /// Takes a buffer back.
    pub fn give(&self, buffer: Vec<R>) {
        self.buffers.give(buffer);
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
