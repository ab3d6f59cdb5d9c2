//! A fitted start: a student's layers solved in closed form, block after block, so that the student's states are its
//! teacher's.
//!
//! A generator, or a cut, chooses among the teacher's weights without looking at what they compute. Here both models read
//! the same sentences, and every weight of the student that its teacher does not fix is the solution of a ridge regression.
//! With a student's layer that stands for the teacher's layers `a..b`:
//!
//! 1. Heads and hidden units are the best of all layers of the group, as the start `concatenated` chooses them. What makes
//!    queries, keys, values and hidden units of the teacher's layer `r` reads the teacher's states there, `x_r`; the
//!    student's reads its own, `x`. With the regression `x_r ≈ A_r x + c_r` its weight is `W_r A_r`, its bias `b_r + W_r c_r`.
//! 2. What brings them back to the stream is the regression of `Rᵀ z - x` on what the student's heads and units give, where
//!    `z` is the teacher's sum of stream and branch at the last layer of the group.
//! 3. A norm that follows has for each number the gain and the shift that bring it closest to the teacher's.
//!
//! After each of these the student reads the sentences again, so that every regression starts from what the student really
//! computes. `R` is the basis of a narrower stream: the directions that matter most to what reads the stack's last states
//! ([`algebra::best_rank`]). The idea of rotating a stream to its principal directions is SliceGPT's (Ashkboos et al., ICLR
//! 2024), that of solving layers one after another on calibration text is of post-training pruning (such as Frantar and
//! Alistarh, "Optimal Brain Compression", NeurIPS 2022).

pub mod algebra;
mod observe;
mod reorder;
mod solve;

pub use observe::Examples;
pub use reorder::reordered;
pub use solve::{Fitted, fit, fit_stacks};
