//! Memory that is used again.

use std::cell::RefCell;

use crate::Real;

/// Buffers that are handed out and come back.
///
/// Fresh memory costs a page fault for every 4 KiB; a training step touches hundreds of megabytes.
#[derive(Debug)]
pub struct Buffers<R> {
    /// By rising capacity.
    free: RefCell<Vec<Vec<R>>>,
}

impl<R> Default for Buffers<R> {
    fn default() -> Self {
        Buffers { free: RefCell::default() }
    }
}

impl<R: Real> Buffers<R> {
    /// A buffer of `length` numbers of any value: the smallest free one that fits. If none does, a new
    /// one takes the place of the largest, so that there are never more than were in use at once.
    pub fn take(&self, length: usize) -> Vec<R> {
        let mut buffer = self.take_any(length);
        buffer.resize(length, R::ZERO);
        buffer
    }

    /// An empty buffer with room for `capacity` numbers.
    pub fn take_empty(&self, capacity: usize) -> Vec<R> {
        let mut buffer = self.take_any(capacity);
        buffer.clear();
        buffer
    }

    fn take_any(&self, capacity: usize) -> Vec<R> {
        let mut free = self.free.borrow_mut();
        let fitting = free.partition_point(|buffer| buffer.capacity() < capacity);
        let mut buffer = if fitting < free.len() { free.remove(fitting) } else { Vec::new() };
        if buffer.capacity() < capacity {
            free.pop();
            buffer.reserve_exact(capacity);
        }
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_reused_and_the_smallest_that_fits_is_taken() {
        let buffers = Buffers::<f32>::default();
        for length in [100, 10, 50] {
            buffers.give(Vec::with_capacity(length));
        }
        assert_eq!(buffers.take(40).capacity(), 50);
        assert_eq!(buffers.take(40).capacity(), 100);
        assert_eq!(buffers.take(10).capacity(), 10);
        // Nothing fits: a larger buffer takes the place of the largest.
        for length in [20, 30] {
            buffers.give(Vec::with_capacity(length));
        }
        assert_eq!(buffers.take(40).capacity(), 40);
        assert_eq!(buffers.free.borrow().len(), 1);
    }
}
