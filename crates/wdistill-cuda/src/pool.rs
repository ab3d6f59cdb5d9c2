//! Memory of a machine that is used again.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::ops::Range;
use std::rc::Rc;

use half::bf16;

use crate::CudaError;
use crate::launcher::{Address, Launcher, Reuse};

/// A number that lies in a machine's memory.
///
/// # Safety
/// It has no holes, and every bit pattern is one of its values.
#[allow(unsafe_code)]
pub unsafe trait Number: Copy + Default {}

macro_rules! numbers {
    ($($of:ty),*) => {$(
        // SAFETY: numbers have no holes, and no bit pattern is forbidden.
        #[allow(unsafe_code)]
        unsafe impl Number for $of {}
    )*};
}

numbers!(bf16, f32, f64, i32, u32, u64);

/// The bytes of some numbers.
pub(crate) fn bytes_of<T: Number>(numbers: &[T]) -> &[u8] {
    // SAFETY: a `Number` has no holes.
    #[allow(unsafe_code)]
    unsafe {
        std::slice::from_raw_parts(numbers.as_ptr().cast(), size_of_val(numbers))
    }
}

/// The bytes of some numbers, to be written.
fn bytes_of_mut<T: Number>(numbers: &mut [T]) -> &mut [u8] {
    // SAFETY: a `Number` has no holes, and every bit pattern is one of its values.
    #[allow(unsafe_code)]
    unsafe {
        std::slice::from_raw_parts_mut(numbers.as_mut_ptr().cast(), size_of_val(numbers))
    }
}

/// Lengths in bytes are multiples of this.
const STEP: usize = 512;

/// A free block may be larger than what is asked for by one part in this many; more would be wasted.
const SPARE: usize = 4;

/// Blocks of memory that are handed out and come back.
///
/// To allocate takes a machine some 100 microseconds and makes it wait; a training step takes hundreds of buffers. What comes
/// back is free at once: everything runs in the order of the calls.
#[derive(Debug)]
pub struct Pool<L: Launcher> {
    launcher: L,
    state: RefCell<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Free blocks by their length.
    free: BTreeMap<usize, Vec<Address>>,
    used: usize,
    most: usize,
    kept: usize,
}

impl<L: Launcher> Pool<L> {
    /// An empty pool.
    pub fn new(launcher: L) -> Rc<Pool<L>> {
        Rc::new(Pool { launcher, state: RefCell::default() })
    }

    /// The machine.
    pub fn launcher(&self) -> &L {
        &self.launcher
    }

    /// Bytes that are handed out, and the most that were at one time.
    pub fn in_use(&self) -> (usize, usize) {
        let state = self.state.borrow();
        (state.used, state.most)
    }

    /// A buffer of any content.
    ///
    /// # Errors
    /// [`CudaError::OutOfMemory`], with what is in use, if the memory does not suffice even without the free blocks.
    pub fn take<T: Number>(self: &Rc<Self>, length: usize) -> Result<Buffer<L, T>, CudaError> {
        let wanted = match self.launcher.reuse() {
            Reuse::Blocks => (length * size_of::<T>()).next_multiple_of(STEP).max(STEP),
            Reuse::Never => length * size_of::<T>(),
        };
        let (address, bytes) = match self.take_free(wanted) {
            Some(block) => block,
            None => (self.allocate(wanted)?, wanted),
        };
        let mut state = self.state.borrow_mut();
        state.used += bytes;
        state.most = state.most.max(state.used);
        drop(state);
        Ok(Buffer { pool: Rc::clone(self), address, bytes, length, number: PhantomData })
    }

    /// The smallest free block that is long enough, unless it is much too long.
    fn take_free(&self, wanted: usize) -> Option<(Address, usize)> {
        let mut state = self.state.borrow_mut();
        let (&bytes, addresses) = state.free.range_mut(wanted..=wanted + wanted / SPARE).next()?;
        let address = addresses.pop()?;
        if addresses.is_empty() {
            state.free.remove(&bytes);
        }
        state.kept -= bytes;
        Some((address, bytes))
    }

    fn allocate(&self, bytes: usize) -> Result<Address, CudaError> {
        match self.launcher.allocate(bytes) {
            Err(CudaError::OutOfMemory { .. }) if self.release() > 0 => {}
            result => return result.map_err(|error| self.with_use(error)),
        }
        self.launcher.allocate(bytes).map_err(|error| self.with_use(error))
    }

    /// Adds to an error what this pool has handed out.
    fn with_use(&self, error: CudaError) -> CudaError {
        match error {
            CudaError::OutOfMemory { wanted, free, total, .. } => {
                CudaError::OutOfMemory { wanted, used: self.in_use().0, free, total }
            }
            other => other,
        }
    }

    /// Gives all free blocks back to the machine, and says how many bytes that were.
    pub fn release(&self) -> usize {
        let mut state = self.state.borrow_mut();
        let blocks = std::mem::take(&mut state.free);
        blocks.into_values().flatten().for_each(|address| self.launcher.free(address));
        std::mem::take(&mut state.kept)
    }

    fn give(&self, address: Address, bytes: usize) {
        let mut state = self.state.borrow_mut();
        state.used -= bytes;
        if self.launcher.reuse() == Reuse::Never {
            self.launcher.free(address);
            return;
        }
        state.kept += bytes;
        state.free.entry(bytes).or_default().push(address);
    }
}

impl<L: Launcher> Drop for Pool<L> {
    fn drop(&mut self) {
        self.release();
    }
}

/// Numbers in a machine's memory, of any content at first. Dropped, the memory goes back to its pool.
#[derive(Debug)]
pub struct Buffer<L: Launcher, T> {
    pool: Rc<Pool<L>>,
    address: Address,
    bytes: usize,
    length: usize,
    number: PhantomData<T>,
}

impl<L: Launcher, T: Number> Buffer<L, T> {
    /// What stands for numbers where there are none, on a machine that has failed and does nothing more.
    pub(crate) fn absent(pool: &Rc<Pool<L>>, length: usize) -> Buffer<L, T> {
        let (pool, address) = (Rc::clone(pool), Address::NONE);
        Buffer { pool, address, bytes: 0, length, number: PhantomData }
    }

    /// All of its numbers.
    pub fn part(&self) -> Part<'_, T> {
        Part { address: self.address, length: self.length, buffer: PhantomData }
    }

    /// How many numbers there are.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Writes all numbers.
    ///
    /// # Errors
    /// If the machine fails.
    ///
    /// # Panics
    /// If there are more or fewer.
    pub fn write(&self, numbers: &[T]) -> Result<(), CudaError> {
        assert_eq!(numbers.len(), self.length, "numbers for a buffer");
        self.pool.launcher.upload(self.address, bytes_of(numbers))
    }

    /// Reads all numbers, once everything that was asked before is done.
    ///
    /// # Errors
    /// If the machine fails, or failed before.
    pub fn read(&self) -> Result<Vec<T>, CudaError> {
        let mut numbers = vec![T::default(); self.length];
        self.pool.launcher.download(bytes_of_mut(&mut numbers), self.address)?;
        Ok(numbers)
    }

    /// Makes all bits zero.
    ///
    /// # Errors
    /// If the machine fails.
    pub fn clear(&self) -> Result<(), CudaError> {
        self.pool.launcher.clear(self.address, self.length * size_of::<T>())
    }
}

impl<L: Launcher, T> Drop for Buffer<L, T> {
    fn drop(&mut self) {
        if self.address != Address::NONE {
            self.pool.give(self.address, self.bytes);
        }
    }
}

/// Some numbers of a buffer, to be read or written by kernels. Like a `Cell`, it may be shared: nothing of the program holds a
/// reference to what lies there, and kernels run one after another.
#[derive(Debug)]
pub struct Part<'a, T> {
    address: Address,
    length: usize,
    buffer: PhantomData<&'a T>,
}

impl<T> Clone for Part<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Part<'_, T> {}

impl<T: Number> Part<'_, T> {
    /// Where the first number lies.
    pub fn address(self) -> Address {
        self.address
    }

    /// How many numbers there are.
    pub fn length(self) -> usize {
        self.length
    }

    /// Some of the numbers.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn range(self, range: Range<usize>) -> Self {
        assert!(
            range.start <= range.end && range.end <= self.length,
            "{range:?} of {}",
            self.length
        );
        let address = self.address.after(range.start * size_of::<T>());
        Part { address, length: range.len(), buffer: PhantomData }
    }

    /// Bytes of all numbers.
    pub(crate) fn bytes(self) -> usize {
        self.length * size_of::<T>()
    }
}

/// The address of numbers that may be absent.
pub(crate) fn address_of<T: Number>(part: Option<Part<'_, T>>) -> Address {
    part.map_or(Address::NONE, Part::address)
}
