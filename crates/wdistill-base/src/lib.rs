//! What every room stands on.
//!
//! * [`Random`]: random numbers that no dependency's version changes.
//! * [`atomic_write`] and [`write_folder`]: files and folders that are never seen half written; [`FileError`] for what
//!   goes wrong with a file.
//! * [`Folder`]: files to read, on the disk or in memory.
//! * [`hash_bytes`] and [`hash_file`]: did this input change?
//! * [`Activation`], [`Mask`] and [`Precision`]: words that the model and the kernels share.
//! * [`Problem`]: a fact and its hint; [`listed`] shows all that were collected. [`Hinted`]: errors that may have a hint.
//! * [`parallel`]: threads, or none.
//! * [`in_words`]: durations for people.

mod duration;
mod files;
mod folder;
mod hash;
mod operation;
pub mod parallel;
mod problem;
mod random;

pub use duration::in_words;
pub use files::{
    ContentError, Depth, FileError, Pending, atomic_write, folder_of, remove, remove_leftovers,
    write_folder,
};
pub use folder::{Folder, MemoryFiles, OpenFile};
pub use hash::{digits, hash_bytes, hash_file};
pub use operation::{Activation, Mask, Precision};
pub use problem::{Hinted, Problem, listed};
pub use random::{Random, mix};
