//! The parameter generator: a trainable map from a teacher's weights to a student's.
//!
//! Weight distillation (Lin et al., ACL-IJCNLP 2021, doi 10.18653/v1/2021.acl-long.162, section 3)
//! gives every weight of the student a generator of its own. With `T_r` the same weight in the `g`
//! adjacent teacher layers that the student's layer stands for,
//!
//! ```text
//! V = Oᵀ (sum over r of l[r] T_r) I        O [teacher rows, rows], I [teacher columns, columns]
//! W = S * tanh(V) + B                      elementwise; S, B [rows, columns]
//! ```
//!
//! In phase 1 the factors `l`, `O`, `I`, `S` and `B` are trained through the student that they make;
//! the teacher is frozen. Then the student is materialised once and trained itself.
//!
//! [`Generator`] is that formula with its gradients, in one place. [`ParameterGenerator::grow`] decides
//! for every weight which factors it has and where they start.

mod choice;
mod concatenate;
mod frame;
mod generator;
mod grow;
mod parameters;

pub use choice::{Choice, Elements, Fit, LayerChoice, Scale, Side, Start};
pub use concatenate::{Piece, best_pieces, inner_side};
pub use frame::Frame;
pub use generator::{Factor, Generator, GeneratorGradients, Saved, Squash};
pub use grow::{GrowError, check_fit, cut, layer_group};
pub use parameters::{Generated, ParameterGenerator, Saturation};
