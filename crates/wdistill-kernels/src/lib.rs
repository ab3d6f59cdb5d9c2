//! Float linear algebra and fused row operations on plain slices, forward and backward.
//!
//! Every operation is generic over [`Real`] (`f32` for speed, `f64` for gradient checks) and works
//! on dense row-major slices. "Rows" are packed tokens without padding: sentence `b` owns the rows
//! `offsets[b]..offsets[b + 1]`. Weights are `[out, in]`.
//!
//! [`Machine`] is the same list of operations as a trait, and [`Host`] these functions behind it; a card is another machine.
//!
//! Conventions shared by all operations:
//! - shapes are asserted; a mismatch panics and names both sizes, since it is a programming error;
//! - work is split over the current rayon pool in pieces whose size does not depend on the number
//!   of threads, and partial sums are added in the order of the pieces, so results do not depend on
//!   how many threads ran;
//! - gradients of parameters are added to what the buffer holds (`+=`); gradients of activations
//!   are overwritten unless an [`Accumulate`] argument says otherwise;
//! - the instruction set (AVX-512, AVX2 with FMA, or the target's baseline) is chosen at run time.

mod adam;
mod aligned;
mod attention;
mod bfloat16;
mod buffers;
mod cross_entropy;
mod decode;
mod dispatch;
mod dropout;
mod elementwise;
mod embed;
mod generate;
mod guidance;
mod host;
#[cfg(all(test, target_arch = "x86_64"))]
#[path = "../tests/kernels/instructions.rs"]
mod instructions;
pub mod layers;
mod likeness;
mod linear;
pub mod machine;
mod matrix;
mod muon;
mod norm;
mod packed;
mod pages;
mod parallel;
mod product;
mod real;
mod recall;
mod recur;
mod tile;
mod workers;

pub use wdistill_base::{Activation, Mask, Precision};

pub use adam::{AdamBuffers, AdamSettings, AdamStep, adam_step};
pub use aligned::AlignedNumbers;
pub use attention::{
    AttentionGradients, AttentionInputs, AttentionShape, attention_backward, attention_forward,
};
pub use bfloat16::round_to_bfloat16;
pub use buffers::Buffers;
pub use cross_entropy::{
    CrossEntropyGradients, CrossEntropySums, LossTargets, Projection, TeacherDistribution,
    smoothed_cross_entropy, smoothed_cross_entropy_with_gradients,
};
pub use decode::TopWords;
pub use dispatch::{instructions, supported};
pub use dropout::{Dropout, DropoutKey, apply_dropout};
pub use elementwise::{
    add_column_sums, add_into, add_row, axpy, dot, exp_in_place, ln_in_place, scale,
    sum_of_squares, sums_of_squares, tanh_in_place,
};
pub use embed::{Embedding, EmbeddingGradients, NO_TOKEN, embed_backward, embed_forward};
pub use generate::{
    ScaleTanhShiftGradients, add_weighted_sum_gradients, scale_tanh_shift,
    scale_tanh_shift_backward, weighted_sum,
};
pub use guidance::{GuidedHead, guidance_loss};
pub use host::{Host, HostSpans, HostTokens};
pub use likeness::{LikenessGradient, RelationShape, Rows, relation_divergence, state_distance};
pub use linear::{Linear, LinearGradients, linear_backward, linear_forward};
pub use machine::Machine;
pub use matrix::{Accumulate, Layout, MatrixRef};
pub use muon::{MuonBuffers, MuonSettings, MuonStep, muon_step};
pub use norm::{
    LayerNorm, NormGradients, NormStatistics, ResidualNormSaved, layer_norm_backward,
    layer_norm_forward, residual, residual_norm_backward, residual_norm_forward,
};
pub use packed::{
    Bfloat16Matrix, Epilogue, Float32Matrix, Int8Matrix, MOST_INT8_INPUTS, PackedWeight,
    QuantisedRows, QuantisedScratch, quantise_weights,
};
pub use parallel::PIECE;
pub use product::{product, product_in};
pub use real::{Fused, Instructions, Real, Separate};
pub use recall::{Recall, RecallScratch, recall};
pub use recur::{RecurrenceGradients, RecurrenceInputs, recur_backward, recur_forward};
pub use tile::TILE;
pub use workers::{Workers, deal, in_order};
