//! The Muon optimiser's update of one matrix.

use crate::Real;
use crate::elementwise::{scale, sum_of_squares};
use crate::matrix::{Accumulate, MatrixRef};
use crate::product::product;

/// Constants of Muon (Jordan et al., 2024, <https://kellerjordan.github.io/posts/muon>).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MuonSettings {
    /// Decay of the running mean of gradients.
    pub momentum: f64,
}

/// One step of Muon.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MuonStep {
    /// Constants.
    pub settings: MuonSettings,
    /// Learning rate, as Adam would have it.
    pub learning_rate: f64,
    /// Factor on the gradient.
    pub gradient_factor: f64,
    /// What a parameter loses of itself beside its gradient, times the learning rate.
    pub weight_decay: f64,
}

/// A matrix `[rows, columns]` and what a step works on, all row-major.
#[derive(Debug)]
pub struct MuonBuffers<'a, R> {
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
    /// `P`.
    pub parameters: &'a mut [R],
    /// `M`.
    pub moment: &'a mut [R],
    /// Of the loss.
    pub gradient: &'a [R],
    /// Where the new parameters are written too, if anywhere.
    pub copy: Option<&'a mut [R]>,
}

/// Iterations towards an orthogonal matrix.
const ITERATIONS: usize = 5;

/// Of the polynomial `a s + b s^3 + c s^5` that each iteration applies to every singular value `s`: it takes all but the
/// smallest close to 1 in few iterations, and does not need to reach 1 exactly.
const COEFFICIENTS: [f64; 3] = [3.4445, -4.775, 2.0315];

/// A matrix whose norm is below this is as good as zero.
const SMALLEST_NORM: f64 = 1e-7;

/// The root mean square of Adam's updates, which an update is given so that one learning rate suits both (Liu et al.,
/// "Muon is scalable for LLM training", 2025, section 2.2).
const ROOT_MEAN_SQUARE: f64 = 0.2;

/// One step of Muon with Nesterov momentum, as `torch.optim.Muon` with
/// `adjust_lr_fn="match_rms_adamw"` computes it, in the scalar's precision where that one computes in bfloat16. With
/// `G = gradient_factor * gradient`, all `[rows, columns]`:
///
/// `M = momentum M + (1 - momentum) G`, `U = momentum M + (1 - momentum) G`,
/// `P *= 1 - learning_rate * weight_decay`,
/// `P -= learning_rate * 0.2 sqrt(max(rows, columns)) * orthogonal(U)`,
///
/// where `orthogonal` takes every singular value of `U` close to 1, by five iterations `X = a X + (b A + c A²) X` with
/// `A = X Xᵀ`, from `X = U / |U|`.
pub fn muon_step<R: Real>(buffers: MuonBuffers<'_, R>, step: &MuonStep) {
    let MuonBuffers { rows, columns, parameters, moment, gradient, copy } = buffers;
    let length = rows * columns;
    assert_eq!(parameters.len(), length, "muon: length of the parameters, {rows} x {columns}");
    assert_eq!(moment.len(), length, "muon: length of the moment, {rows} x {columns}");
    assert_eq!(gradient.len(), length, "muon: length of the gradient, {rows} x {columns}");
    let keep = R::from_f64(step.settings.momentum);
    let add = R::from_f64((1.0 - step.settings.momentum) * step.gradient_factor);
    let mut update = Vec::with_capacity(length);
    for (moment, gradient) in moment.iter_mut().zip(gradient) {
        *moment = keep * *moment + add * *gradient;
        update.push(keep * *moment + add * *gradient);
    }
    let update = orthogonal(update, rows, columns);
    let size = ROOT_MEAN_SQUARE * (rows.max(columns) as f64).sqrt();
    let rate = R::from_f64(step.learning_rate * size);
    let rest = R::from_f64(1.0 - step.learning_rate * step.weight_decay);
    for (parameter, update) in parameters.iter_mut().zip(update) {
        *parameter = *parameter * rest - rate * update;
    }
    if let Some(copy) = copy {
        copy.copy_from_slice(parameters);
    }
}

/// The matrix with its singular values taken close to 1.
fn orthogonal<R: Real>(mut x: Vec<R>, rows: usize, columns: usize) -> Vec<R> {
    let norm = sum_of_squares(&x).sqrt().max(SMALLEST_NORM);
    scale(&mut x, R::from_f64(1.0 / norm));
    let [a, b, c] = COEFFICIENTS.map(R::from_f64);
    let short = rows.min(columns);
    let (mut square, mut factor) = (vec![R::ZERO; short * short], vec![R::ZERO; short * short]);
    let mut next = vec![R::ZERO; x.len()];
    for _ in 0..ITERATIONS {
        let whole = MatrixRef::new(&x, rows, columns);
        // `X Xᵀ` on the short side; for a tall matrix `Xᵀ X`, with the factor on the right.
        let (left, right) = match rows <= columns {
            true => (whole, whole.transposed()),
            false => (whole.transposed(), whole),
        };
        product(&mut square, Accumulate::Overwrite, left, right);
        let squared = MatrixRef::new(&square, short, short);
        product(&mut factor, Accumulate::Overwrite, squared, squared);
        factor
            .iter_mut()
            .zip(&square)
            .for_each(|(fourth, second)| *fourth = b * *second + c * *fourth);
        let polynomial = MatrixRef::new(&factor, short, short);
        let (left, right) = match rows <= columns {
            true => (polynomial, whole),
            false => (whole, polynomial),
        };
        product(&mut next, Accumulate::Overwrite, left, right);
        next.iter_mut().zip(&x).for_each(|(next, x)| *next += a * *x);
        std::mem::swap(&mut x, &mut next);
    }
    x
}
