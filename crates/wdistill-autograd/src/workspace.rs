//! Memory that outlives a step.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use wdistill_kernels::Machine;
use wdistill_model::{Layout, PositionTable};

use crate::gradients::Gradients;

/// How many rows there are of each table for each width, and their numbers.
type PositionRows<S> = HashMap<(PositionTable, usize), (usize, Arc<S>)>;

/// A machine, whose buffers are handed from step to step, and tables of positions on it.
pub struct Workspace<M: Machine> {
    machine: M,
    positions: RefCell<PositionRows<M::Sums>>,
}

impl<M: Machine + Default> Default for Workspace<M> {
    fn default() -> Self {
        Workspace::over(M::default())
    }
}

impl<M: Machine + Default> Workspace<M> {
    /// An empty workspace.
    pub fn new() -> Workspace<M> {
        Workspace::default()
    }
}

impl<M: Machine> Workspace<M> {
    /// An empty workspace on a machine.
    pub fn over(machine: M) -> Workspace<M> {
        Workspace { machine, positions: RefCell::default() }
    }

    /// What computes.
    pub fn machine(&self) -> &M {
        &self.machine
    }

    /// A buffer of `length` numbers of any value.
    pub fn take(&self, length: usize) -> M::Numbers {
        self.machine.take(length)
    }

    /// Zeros for every parameter of a layout.
    pub fn gradients(&self, layout: &Arc<Layout>) -> Gradients<M> {
        Gradients::new(Arc::clone(layout), self.machine.zeros(layout.length()))
    }

    /// Takes gradients back.
    pub fn give_back(&self, gradients: Gradients<M>) {
        self.machine.give_sums(gradients.into_data());
    }

    /// A copy of some numbers, in a free buffer.
    pub fn copy_of(&self, numbers: &M::Numbers) -> M::Numbers {
        let mut buffer = self.take(M::length(numbers));
        self.machine.copy(&mut buffer, numbers);
        buffer
    }

    /// Takes a buffer back.
    pub fn give(&self, buffer: M::Numbers) {
        self.machine.give(buffer);
    }

    /// At least `count` rows of a position table, `[count, width]`.
    pub(crate) fn positions(
        &self,
        table: PositionTable,
        width: usize,
        count: usize,
    ) -> Arc<M::Sums> {
        let mut tables = self.positions.borrow_mut();
        match tables.get(&(table, width)) {
            Some((rows, numbers)) if *rows >= count => Arc::clone(numbers),
            _ => {
                let rows = count.next_power_of_two();
                let row = |position| table.row(position, width);
                let numbers: Vec<f64> = (0..rows).flat_map(row).collect();
                let numbers = Arc::new(self.machine.sums_of(&numbers));
                tables.insert((table, width), (rows, Arc::clone(&numbers)));
                numbers
            }
        }
    }
}
