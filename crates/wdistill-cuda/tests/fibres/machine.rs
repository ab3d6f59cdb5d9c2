//! A machine that runs kernels on the CPU: g++ compiles them behind `fibres.h`.

#![allow(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ffi::{CStr, c_char, c_void};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, Mutex, MutexGuard};
use std::{fs, process};

use half::bf16;
use libloading::Library;
use wdistill_cuda::{
    Address, Argument, CudaError, Epilogue, Factor, Grid, HEADERS, Kernel, Launcher, Product,
    Reuse, Source, Storage,
};
use wdistill_kernels::{Accumulate, Layout};

/// The libraries that were made, by the file of their kernels. A library has one shared memory, so one kernel runs at a time.
static LIBRARIES: LazyLock<Mutex<HashMap<&'static str, Library>>> = LazyLock::new(Default::default);

fn libraries() -> MutexGuard<'static, HashMap<&'static str, Library>> {
    LIBRARIES.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// What g++ compiles for a file of kernels.
fn wrapper(source: &Source) -> String {
    let doors: String =
        source.kernels.iter().map(|kernel| format!("FIBRES({})\n", kernel.name())).collect();
    format!("#include \"fibres.h\"\n#include \"{}\"\n{doors}", source.file)
}

/// Compiles a file of kernels, unless that was done before.
fn compile(file: &str, wrapper: &str, texts: &[&str]) -> PathBuf {
    const OPTIONS: [&str; 6] =
        ["-std=c++17", "-O2", "-shared", "-fPIC", "-Wno-attributes", "-ffp-contract=off"];
    let mut hasher = DefaultHasher::new();
    (OPTIONS, wrapper, texts, include_str!("fibres.h")).hash(&mut hasher);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fibres");
    let name = format!("{file}.{:016x}", hasher.finish());
    let library = folder.join(format!("{name}.so"));
    if library.exists() {
        return library;
    }
    fs::create_dir_all(&folder).unwrap();
    let code = folder.join(format!("{name}.{}.cpp", process::id()));
    let made = code.with_extension("made");
    fs::write(&code, wrapper).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let include = |folder: &str| format!("-I{}", root.join(folder).display());
    let output = Command::new("g++")
        .args(OPTIONS)
        .args([include("tests/fibres"), include("kernels")])
        .arg("-o")
        .args([&made, &code])
        .output()
        .unwrap_or_else(|error| {
            panic!("cannot run g++: {error}. The kernels' tests need it: install your system's package g++")
        });
    assert!(output.status.success(), "{file}:\n{}", String::from_utf8_lossy(&output.stderr));
    fs::rename(&made, &library).unwrap();
    fs::remove_file(&code).unwrap();
    library
}

type Door =
    unsafe extern "C" fn(*const u32, *const u32, u32, *mut *mut c_void, u64) -> *const c_char;
type Sizes = unsafe extern "C" fn(*mut u32) -> u32;

/// Runs the kernel of a compiled file.
fn run(
    library: &Library,
    name: &str,
    grid: Grid,
    arguments: &[Argument],
    order: u64,
) -> Result<(), String> {
    // SAFETY: `fibres.h` makes these two functions for every kernel. No kernel takes more than 64 arguments, and their sizes are
    // compared before any is read.
    unsafe {
        let sizes = library.get::<Sizes>(format!("fibres_{name}_sizes")).unwrap();
        let mut expected = [0; 64];
        let count = sizes(expected.as_mut_ptr()) as usize;
        let found: Vec<u32> = arguments.iter().map(|argument| argument.length() as u32).collect();
        assert_eq!(found, expected[..count], "sizes of the arguments of {name}");
        let mut pointers: Vec<*mut c_void> =
            arguments.iter().map(|argument| argument.pointer().cast_mut()).collect();
        let door = library.get::<Door>(format!("fibres_{name}")).unwrap();
        let problem = door(
            grid.blocks.as_ptr(),
            grid.threads.as_ptr(),
            grid.shared,
            pointers.as_mut_ptr(),
            order,
        );
        if problem.is_null() {
            return Ok(());
        }
        Err(format!("{name}: {}", CStr::from_ptr(problem).to_string_lossy()))
    }
}

/// Runs a kernel of a text of its own, to test `fibres.h` itself.
pub fn run_text(
    name: &str,
    text: &str,
    grid: Grid,
    arguments: &[Argument],
    order: u64,
) -> Result<(), String> {
    let wrapper = format!("#include \"fibres.h\"\n{text}\nFIBRES({name})\n");
    let path = compile(name, &wrapper, &[]);
    let _one_at_a_time = libraries();
    // SAFETY: a library of this file's making.
    let library = unsafe { Library::new(path) }.unwrap();
    run(&library, name, grid, arguments, order)
}

/// Words of eight bytes before and behind each piece of memory, to which nobody may write.
const GUARD: usize = 32;

/// What fresh memory is filled with: NaN in every format.
const FRESH: u8 = 0xff;

/// A piece of memory between its guards.
#[derive(Debug)]
struct Piece {
    words: Vec<u64>,
    /// Bytes between the guards.
    length: usize,
    /// What the guards are filled with: numbers of some 1e20, others for each piece, so that no kernel writes them by chance
    /// or by copying.
    guard: u8,
}

impl Piece {
    /// So many bytes, of which the guards have a number.
    fn new(length: usize, number: usize) -> Piece {
        let guard = 0x60 + (number % 16) as u8;
        let word = u64::from_ne_bytes([guard; 8]);
        let mut piece = Piece { words: vec![word; length.div_ceil(8) + 2 * GUARD], length, guard };
        piece.bytes_mut()[..length].fill(FRESH);
        piece
    }

    /// All bytes behind the first guard.
    fn bytes_mut(&mut self) -> &mut [u8] {
        let words = &mut self.words[GUARD..];
        // SAFETY: words may be read and written byte by byte.
        unsafe { std::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), size_of_val(words)) }
    }

    fn is_whole(&self) -> bool {
        let words = &self.words;
        // SAFETY: as above.
        let bytes = unsafe {
            std::slice::from_raw_parts(words.as_ptr().cast::<u8>(), size_of_val(words.as_slice()))
        };
        let (front, rest) = bytes.split_at(GUARD * 8);
        front.iter().chain(&rest[self.length..]).all(|byte| *byte == self.guard)
    }
}

/// The CPU in place of a card.
#[derive(Debug)]
pub struct Fibres {
    /// What mixes blocks and threads, or 0 for their natural order.
    order: u64,
    pieces: RefCell<HashMap<Address, Piece>>,
    /// How many there have been.
    count: Cell<usize>,
}

impl Fibres {
    pub fn new(order: u64) -> Fibres {
        Fibres { order, pieces: RefCell::default(), count: Cell::new(0) }
    }

    /// Asserts that nothing was written outside the pieces of memory.
    fn check_guards(&self, what: &str) {
        for (address, piece) in self.pieces.borrow().iter() {
            assert!(piece.is_whole(), "{what} wrote outside its memory, near {address:?}");
        }
    }
}

impl Drop for Fibres {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.check_guards("a copy");
        }
    }
}

impl Launcher for Fibres {
    fn allocate(&self, bytes: usize) -> Result<Address, CudaError> {
        let piece = Piece::new(bytes, self.count.replace(self.count.get() + 1));
        let address = Address(piece.words[GUARD..].as_ptr() as u64);
        self.pieces.borrow_mut().insert(address, piece);
        Ok(address)
    }

    fn reuse(&self) -> Reuse {
        Reuse::Never
    }

    fn free(&self, address: Address) {
        let piece = self.pieces.borrow_mut().remove(&address).expect("memory that is in use");
        assert!(piece.is_whole() || std::thread::panicking(), "a copy wrote outside its memory");
    }

    fn upload(&self, to: Address, bytes: &[u8]) -> Result<(), CudaError> {
        // SAFETY: the caller's buffer is as long as the bytes.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), to.0 as *mut u8, bytes.len()) };
        Ok(())
    }

    fn download(&self, bytes: &mut [u8], from: Address) -> Result<(), CudaError> {
        // SAFETY: as above.
        unsafe {
            std::ptr::copy_nonoverlapping(from.0 as *const u8, bytes.as_mut_ptr(), bytes.len())
        };
        Ok(())
    }

    fn clear(&self, at: Address, bytes: usize) -> Result<(), CudaError> {
        // SAFETY: as above.
        unsafe { std::ptr::write_bytes(at.0 as *mut u8, 0, bytes) };
        Ok(())
    }

    fn copy(&self, to: Address, from: Address, bytes: usize) -> Result<(), CudaError> {
        // SAFETY: as above, and the places do not overlap.
        unsafe { std::ptr::copy_nonoverlapping(from.0 as *const u8, to.0 as *mut u8, bytes) };
        Ok(())
    }

    unsafe fn launch(
        &self,
        kernel: Kernel,
        grid: Grid,
        arguments: &[Argument],
    ) -> Result<(), CudaError> {
        let source = kernel.source();
        let mut libraries = libraries();
        let library = libraries.entry(source.file).or_insert_with(|| {
            let headers = HEADERS.iter().map(|(_, text)| *text);
            let texts: Vec<&str> = headers.chain([source.text]).collect();
            let path = compile(source.file, &wrapper(source), &texts);
            // SAFETY: a library of this file's making.
            unsafe { Library::new(path) }.unwrap()
        });
        let result = run(library, kernel.name(), grid, arguments, self.order);
        self.check_guards(kernel.name());
        result.map_err(|message| CudaError::call(kernel.name(), message))
    }

    unsafe fn product(&self, product: &Product) -> Result<(), CudaError> {
        // SAFETY: the caller's matrices are as large as the product says.
        unsafe { naive_product(product) };
        self.check_guards("a product");
        Ok(())
    }

    fn memory(&self) -> Result<(usize, usize), CudaError> {
        Ok((1 << 30, 1 << 30))
    }
}

unsafe fn number(address: Address, index: usize, storage: Storage) -> f64 {
    unsafe {
        match storage {
            Storage::Bf16 => f64::from(*(address.0 as *const bf16).add(index)),
            Storage::Float32 => f64::from(*(address.0 as *const f32).add(index)),
        }
    }
}

unsafe fn element(factor: Factor, row: usize, column: usize, storage: Storage) -> f64 {
    let index = match factor.layout {
        Layout::Normal => row * factor.distance + column,
        Layout::Transposed => column * factor.distance + row,
    };
    unsafe { number(factor.address, index, storage) }
}

/// The product by its definition, in float64, rounded to float32 and from there.
unsafe fn naive_product(product: &Product) {
    for row in 0..product.rows {
        for column in 0..product.columns {
            let term = |k| unsafe {
                element(product.left, row, k, product.factors)
                    * element(product.right, k, column, product.factors)
            };
            let sum: f64 = (0..product.inner).map(term).sum();
            let index = row * product.distance + column;
            // SAFETY: the caller's matrices are as large as the product says.
            unsafe {
                let before = match product.accumulate {
                    Accumulate::Overwrite => 0.0,
                    Accumulate::Add => number(product.result, index, product.stored),
                };
                let sum = match product.epilogue {
                    Epilogue::None => before + sum,
                    Epilogue::Bias(bias) => before + sum + number(bias, column, Storage::Bf16),
                    Epilogue::BiasRelu(bias) => {
                        (before + sum + number(bias, column, Storage::Bf16)).max(0.0)
                    }
                };
                match product.stored {
                    Storage::Bf16 => {
                        *(product.result.0 as *mut bf16).add(index) = bf16::from_f32(sum as f32)
                    }
                    Storage::Float32 => *(product.result.0 as *mut f32).add(index) = sum as f32,
                }
            }
        }
    }
}
