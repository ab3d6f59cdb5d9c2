//! What can go wrong with a card.

use wdistill_base::Hinted;

/// A library that a card needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Library {
    /// The driver of the card.
    Driver,
    /// The compiler of kernels.
    Compiler,
    /// Products of matrices.
    Products,
}

impl Library {
    /// All of them, in the order in which they are looked for.
    pub const ALL: [Library; 3] = [Library::Driver, Library::Compiler, Library::Products];

    /// The file's name on Linux.
    pub fn file(self) -> &'static str {
        match self {
            Library::Driver => "libcuda.so.1",
            Library::Compiler => "libnvrtc.so.12",
            Library::Products => "libcublasLt.so.12",
        }
    }

    /// The package of PyPI that has it, if one has.
    fn wheel(self) -> Option<&'static str> {
        match self {
            Library::Driver => None,
            Library::Compiler => Some("nvidia-cuda-nvrtc-cu12"),
            Library::Products => Some("nvidia-cublas-cu12"),
        }
    }
}

/// The variable that names a folder with the libraries.
pub const LIBRARIES_VARIABLE: &str = "WDISTILL_CUDA_LIBRARIES";

/// What stands between a program and a card, or went wrong on it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CudaError {
    /// A library is not there.
    #[error("cannot load {}, looked for in {looked}", library.file())]
    NoLibrary {
        /// Which one.
        library: Library,
        /// Where it was looked for.
        looked: String,
    },
    /// The driver knows older versions of CUDA only.
    #[error("the driver is made for CUDA {found}, expected {needed} or newer")]
    OldDriver {
        /// The newest version that it knows.
        found: String,
        /// The oldest that would do.
        needed: String,
    },
    /// The driver sees no card.
    #[error("the driver finds no card")]
    NoCard,
    /// There is no card of that number.
    #[error("there is no card {number}, the driver finds {count}, counted from 0")]
    NoSuchCard {
        /// The number that was asked for.
        number: usize,
        /// How many there are.
        count: usize,
    },
    /// The card has no instructions for bfloat16.
    #[error("{name} has compute capability {found}, expected 8.0 or more")]
    OldCard {
        /// What the driver calls it.
        name: String,
        /// Its compute capability.
        found: String,
    },
    /// Memory has run out.
    #[error(
        "{wanted} bytes do not fit: of {total} bytes of the card's memory {used} are in use here and {free} are free"
    )]
    OutOfMemory {
        /// Bytes that were asked for.
        wanted: usize,
        /// Bytes in use by this program's numbers.
        used: usize,
        /// Bytes that nobody uses.
        free: usize,
        /// Bytes of the card.
        total: usize,
    },
    /// A file of kernels does not compile.
    #[error("{file} does not compile for {architecture}:\n{log}")]
    Compile {
        /// The file.
        file: &'static str,
        /// What it was compiled for.
        architecture: String,
        /// What the compiler says.
        log: String,
    },
    /// A call failed.
    #[error("{call}: {message}")]
    Call {
        /// What was called.
        call: String,
        /// What the library says.
        message: String,
    },
}

impl CudaError {
    /// A call that failed.
    pub fn call(call: impl Into<String>, message: impl Into<String>) -> CudaError {
        CudaError::Call { call: call.into(), message: message.into() }
    }
}

impl Hinted for CudaError {
    fn hint(&self) -> Option<String> {
        match self {
            CudaError::NoLibrary { library, .. } => Some(match library.wheel() {
                None => "install the driver that NVIDIA or your system's packages have for the card; a container needs the host's \
                         driver, as the NVIDIA Container Toolkit gives it"
                    .into(),
                Some(wheel) => format!(
                    "install CUDA 12's package of your system, or `pip install {wheel}`, and name the folder of the file in the \
                     environment variable {LIBRARIES_VARIABLE}, or several, with a colon between them"
                ),
            }),
            CudaError::OldDriver { needed, .. } => {
                Some(format!("install a driver for CUDA {needed} or newer; `nvidia-smi` says what a driver is made for"))
            }
            CudaError::NoCard => Some(
                "`nvidia-smi` lists what the driver sees; the environment variable CUDA_VISIBLE_DEVICES may hide cards".into(),
            ),
            CudaError::NoSuchCard { count, .. } => Some(match count {
                1 => "the one card is number 0".into(),
                count => format!("name a number from 0 to {}", count - 1),
            }),
            CudaError::OldCard { .. } => {
                Some("use a card of the generation Ampere (2020) or newer, which have bfloat16, or the CPU".into())
            }
            CudaError::OutOfMemory { .. } => {
                Some("take fewer tokens in a batch, or end other programs that use the card".into())
            }
            CudaError::Compile { .. } | CudaError::Call { .. } => None,
        }
    }
}
