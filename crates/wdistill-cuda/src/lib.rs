//! Training on NVIDIA cards: the operations of a training step as kernels in CUDA C and products of cuBLASLt.
//!
//! The crate builds without CUDA. Whoever opens a card needs its driver and two libraries, and is told what is missing. The kernels
//! are compiled then, for the card that is there.
//!
//! [`Device`] has the operations, written over a [`Launcher`]: a card, or, in the tests, the CPU, which runs the same kernels thread by
//! thread. They compute what `wdistill-kernels` computes, on the same packed batches and with the same masks. [`TapeMachine`] is a
//! device that a tape runs over.

mod card;
mod device;
mod dropout;
mod error;
mod kernel;
mod launcher;
mod pool;
mod tape_machine;

pub use card::{Capability, Card, System, compile, load_library, look_for_card};
pub use device::{
    AdamBuffers, AttentionInputs, AttentionOutput, AttentionShape, AttentionSpans, BestWords,
    CrossEntropyGradients, CrossEntropyLosses, Device, Embedding, EmbeddingTokens, Factored,
    GuidedHead, Indices, LayerNorm, LikenessGradient, Linear, LinearGradients, LossSum,
    LossTargets, Matrix, Mixture, MuonBuffers, NormGradients, NormStatistics, Offsets, PairSpans,
    Projection, Recall, RecurrenceGradients, RecurrenceInputs, Relations, Rows,
    ScaleTanhShiftGradients, TeacherDistribution, WordGroups,
};
pub use dropout::DropoutMask;
pub use error::{CudaError, LIBRARIES_VARIABLE, Library};
pub use kernel::{HEADERS, Kernel, SOURCES, Source};
pub use launcher::{
    Address, Argument, Epilogue, Factor, Grid, Launcher, Passed, Product, Reuse, Storage,
};
pub use pool::{Buffer, Number, Part, Pool};
pub use tape_machine::{Parameter, TapeMachine, TapeSpans};
