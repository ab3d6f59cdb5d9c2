//! What the operations ask of a machine that runs kernels.

use wdistill_kernels::{Accumulate, Layout};

use crate::CudaError;
use crate::kernel::Kernel;

/// A place in the memory of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Address(pub u64);

impl Address {
    /// No place: what a kernel is not given.
    pub const NONE: Address = Address(0);

    /// The place some bytes further on.
    pub fn after(self, bytes: usize) -> Address {
        Address(self.0 + bytes as u64)
    }
}

/// How many blocks of how many threads run a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Blocks along x, y and z.
    pub blocks: [u32; 3],
    /// Threads of a block along x, y and z.
    pub threads: [u32; 3],
    /// Bytes of shared memory of a block.
    pub shared: u32,
}

impl Grid {
    /// Blocks and threads along x, without shared memory.
    pub fn line(blocks: usize, threads: u32) -> Grid {
        Grid { blocks: [blocks as u32, 1, 1], threads: [threads, 1, 1], shared: 0 }
    }

    /// The same with shared memory for so many float32 numbers.
    pub fn with_shared(self, numbers: usize) -> Grid {
        Grid { shared: (numbers * size_of::<f32>()) as u32, ..self }
    }
}

/// What a kernel can be given: numbers, addresses, and structures of them that CUDA C lays out alike.
///
/// # Safety
/// Every bit pattern that a value can have must be meant for the kernel: there are no references, and the type is a
/// number, or `repr(C)` or `repr(transparent)`.
#[allow(unsafe_code)]
pub unsafe trait Passed: Copy {}

macro_rules! passed {
    ($($of:ty),*) => {$(
        // SAFETY: a number, or a structure of numbers that is `repr(C)` or `repr(transparent)`.
        #[allow(unsafe_code)]
        unsafe impl Passed for $of {}
    )*};
}

passed!(i32, u32, u64, i64, f32, Address);

/// One argument of a kernel, by value.
#[derive(Clone, Copy, Debug)]
pub struct Argument {
    // Words, so that every argument is aligned as the kernel expects.
    words: [u64; Argument::WORDS],
    length: usize,
}

impl Argument {
    const WORDS: usize = 8;

    /// The value as a kernel takes it.
    ///
    /// # Panics
    /// If it has more than 64 bytes.
    pub fn of<T: Passed>(value: T) -> Argument {
        assert!(size_of::<T>() <= Self::WORDS * 8, "an argument of {} bytes", size_of::<T>());
        let mut words = [0; Self::WORDS];
        // SAFETY: the words are long enough, and `T` may be copied byte by byte.
        #[allow(unsafe_code)]
        unsafe {
            std::ptr::write_unaligned(words.as_mut_ptr().cast::<T>(), value);
        }
        Argument { words, length: size_of::<T>() }
    }

    /// Bytes of the value.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Where the value lies, as a launch takes it.
    pub fn pointer(&self) -> *const std::ffi::c_void {
        self.words.as_ptr().cast()
    }
}

/// A kernel's arguments, in its order.
macro_rules! arguments {
    ($($value:expr),* $(,)?) => { [$($crate::launcher::Argument::of($value)),*] };
}

pub(crate) use arguments;

/// How a matrix's numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Storage {
    /// The upper half of a float32.
    Bf16,
    /// float32.
    Float32,
}

/// A matrix of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Factor {
    /// Its first number.
    pub address: Address,
    /// How the numbers lie: the matrix is what is stored, or its transpose.
    pub layout: Layout,
    /// Numbers from one stored row to the next.
    pub distance: usize,
}

/// What is done to the numbers of a product before they are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Epilogue {
    /// Nothing.
    None,
    /// The bias `[columns]`, in bfloat16, is added to every row.
    Bias(Address),
    /// The same, and what is negative becomes zero.
    BiasRelu(Address),
}

/// `c = a b` or `c += a b`, with `a [rows, inner]`, `b [inner, columns]` and row-major `c [rows, columns]`. Sums are float32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Product {
    /// Rows of `a` and `c`.
    pub rows: usize,
    /// Columns of `a`, rows of `b`.
    pub inner: usize,
    /// Columns of `b` and `c`.
    pub columns: usize,
    /// `a`.
    pub left: Factor,
    /// `b`.
    pub right: Factor,
    /// How `a` and `b` are stored.
    pub factors: Storage,
    /// `c`.
    pub result: Address,
    /// Numbers from one row of `c` to the next.
    pub distance: usize,
    /// How `c` is stored.
    pub stored: Storage,
    /// What happens to the numbers that `c` holds.
    pub accumulate: Accumulate,
    /// What is done to the numbers before they are stored.
    pub epilogue: Epilogue,
}

/// What a pool does with a machine's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// Lengths are rounded up, and what comes back is used again.
    Blocks,
    /// Every buffer is new memory of its own length, so that a test sees what is read before it is written, and what is written
    /// behind the end.
    Never,
}

/// A machine that holds memory, runs kernels and computes products, one after another in the order of the calls.
///
/// A card does so; the tests have one that runs the kernels on the CPU.
pub trait Launcher {
    /// New memory of any content, aligned as the machine likes it.
    ///
    /// # Errors
    /// [`CudaError::OutOfMemory`] if there is not so much.
    fn allocate(&self, bytes: usize) -> Result<Address, CudaError>;

    /// What a pool does with memory that comes back.
    fn reuse(&self) -> Reuse {
        Reuse::Blocks
    }

    /// Gives memory of [`Launcher::allocate`] back, once what was asked before is done.
    fn free(&self, address: Address);

    /// Copies bytes to the machine.
    ///
    /// # Errors
    /// If the machine fails.
    fn upload(&self, to: Address, bytes: &[u8]) -> Result<(), CudaError>;

    /// Waits for what was asked before, then copies bytes from the machine.
    ///
    /// # Errors
    /// If the machine fails now, or failed since the last call.
    fn download(&self, bytes: &mut [u8], from: Address) -> Result<(), CudaError>;

    /// Sets bytes to zero.
    ///
    /// # Errors
    /// If the machine fails.
    fn clear(&self, at: Address, bytes: usize) -> Result<(), CudaError>;

    /// Copies bytes within the machine; the two places do not overlap.
    ///
    /// # Errors
    /// If the machine fails.
    fn copy(&self, to: Address, from: Address, bytes: usize) -> Result<(), CudaError>;

    /// Runs a kernel.
    ///
    /// # Errors
    /// If the kernel cannot be compiled or started.
    ///
    /// # Safety
    /// The arguments are those that the kernel takes, and what it reads and writes through its addresses lies in memory of
    /// this machine that is alive.
    #[allow(unsafe_code)]
    unsafe fn launch(
        &self,
        kernel: Kernel,
        grid: Grid,
        arguments: &[Argument],
    ) -> Result<(), CudaError>;

    /// Computes a product.
    ///
    /// # Errors
    /// If there is no algorithm for it, or it cannot be started.
    ///
    /// # Safety
    /// The matrices lie in memory of this machine that is alive, and `c` overlaps neither factor.
    #[allow(unsafe_code)]
    unsafe fn product(&self, product: &Product) -> Result<(), CudaError>;

    /// Bytes that are free, and bytes in all.
    ///
    /// # Errors
    /// If the machine fails.
    fn memory(&self) -> Result<(usize, usize), CudaError>;
}
