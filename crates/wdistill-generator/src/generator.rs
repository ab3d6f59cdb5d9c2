//! The formula of one generated weight, and its gradients.

use wdistill_kernels::{
    Accumulate, MatrixRef, Real, ScaleTanhShiftGradients, add_into, add_weighted_sum_gradients,
    product, scale_tanh_shift, scale_tanh_shift_backward, weighted_sum,
};
use wdistill_model::Matrix;

/// What is done to the transformed teacher weight.
#[derive(Clone, Debug, PartialEq)]
pub enum Squash<R> {
    /// `W = V`: the output projection.
    None,
    /// `W = V + B`: a weight that is trained as it is.
    Shift(Matrix<R>),
    /// `W = S * tanh(V) + B`, both `[rows, columns]`.
    Tanh {
        /// `S`.
        scale: Matrix<R>,
        /// `B`.
        shift: Matrix<R>,
    },
}

/// Makes one weight `[rows, columns]` of the student; a vector is a matrix of one column.
///
/// A factor that is absent is the identity and is not trained.
#[derive(Clone, Debug, PartialEq)]
pub struct Generator<R> {
    /// `T_r`, `g` matrices `[teacher rows, teacher columns]`; frozen.
    pub teacher: Vec<Matrix<R>>,
    /// `l`, `[g]`; absent only if `g` is 1.
    pub layer_factor: Option<Vec<R>>,
    /// `O`, `[teacher rows, rows]`.
    pub output_factor: Option<Matrix<R>>,
    /// `I`, `[teacher columns, columns]`.
    pub input_factor: Option<Matrix<R>>,
    /// What follows.
    pub squash: Squash<R>,
}

/// What the forward pass keeps for the backward pass.
#[derive(Clone, Debug)]
pub struct Saved<R> {
    /// `sum of l[r] T_r`, unless that is the one teacher matrix.
    mixed: Option<Matrix<R>>,
    /// `Oᵀ` times that, unless there is no `O`.
    rows_mapped: Option<Matrix<R>>,
    /// `V`, if its tanh is taken.
    transformed: Option<Matrix<R>>,
}

/// Gradients in the places of their parameters.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GeneratorGradients<R> {
    /// Of `l`.
    pub layer_factor: Option<Vec<R>>,
    /// Of `O`, row-major.
    pub output_factor: Option<Vec<R>>,
    /// Of `I`, row-major.
    pub input_factor: Option<Vec<R>>,
    /// Of `S`, row-major.
    pub scale: Option<Vec<R>>,
    /// Of `B`, row-major.
    pub shift: Option<Vec<R>>,
}

fn normal<R>(matrix: &Matrix<R>) -> MatrixRef<'_, R> {
    MatrixRef::new(matrix.data(), matrix.rows(), matrix.columns())
}

fn transposed<R>(matrix: &Matrix<R>) -> MatrixRef<'_, R> {
    normal(matrix).transposed()
}

fn multiply<R: Real>(
    rows: usize,
    columns: usize,
    a: MatrixRef<'_, R>,
    b: MatrixRef<'_, R>,
) -> Matrix<R> {
    let mut c = vec![R::ZERO; rows * columns];
    product(&mut c, Accumulate::Overwrite, a, b);
    Matrix::new(rows, columns, c)
}

impl<R: Real> Generator<R> {
    /// `[rows, columns]` of the weight it makes.
    pub fn shape(&self) -> (usize, usize) {
        let teacher = &self.teacher[0];
        let rows = self.output_factor.as_ref().map_or(teacher.rows(), Matrix::columns);
        let columns = self.input_factor.as_ref().map_or(teacher.columns(), Matrix::columns);
        (rows, columns)
    }

    /// `V` of the module's formula, with what was computed on the way.
    fn transformed(&self) -> (Matrix<R>, Saved<R>) {
        let mixed = self.layer_factor.as_ref().map(|factor| {
            let layers: Vec<&[R]> = self.teacher.iter().map(Matrix::data).collect();
            let mut sum = vec![R::ZERO; layers[0].len()];
            weighted_sum(&mut sum, factor, &layers);
            Matrix::new(self.teacher[0].rows(), self.teacher[0].columns(), sum)
        });
        let source = mixed.as_ref().unwrap_or(&self.teacher[0]);
        let rows_mapped = self.output_factor.as_ref().map(|output| {
            multiply(output.columns(), source.columns(), transposed(output), normal(source))
        });
        let source = rows_mapped.as_ref().unwrap_or(source);
        let value = match &self.input_factor {
            Some(input) => multiply(source.rows(), input.columns(), normal(source), normal(input)),
            None => source.clone(),
        };
        (value, Saved { mixed, rows_mapped, transformed: None })
    }

    /// The student's weight `W`, and what [`Generator::backward`] needs.
    pub fn forward(&self) -> (Matrix<R>, Saved<R>) {
        let (mut value, mut saved) = self.transformed();
        match &self.squash {
            Squash::None => {}
            Squash::Shift(shift) => add_into(value.data_mut(), shift.data()),
            Squash::Tanh { scale, shift } => {
                let mut weight = vec![R::ZERO; value.data().len()];
                scale_tanh_shift(&mut weight, scale.data(), value.data(), shift.data());
                let weight = Matrix::new(value.rows(), value.columns(), weight);
                saved.transformed = Some(std::mem::replace(&mut value, weight));
            }
        }
        (value, saved)
    }

    /// Sets the shift so that the generator makes exactly `V` (`B = V - S tanh(V)`).
    pub fn make_exact(&mut self) {
        let (wanted, _) = self.transformed();
        if let Squash::Shift(shift) | Squash::Tanh { shift, .. } = &mut self.squash {
            shift.data_mut().fill(R::ZERO);
        }
        let (made, _) = self.forward();
        if let Squash::Shift(shift) | Squash::Tanh { shift, .. } = &mut self.squash {
            let missing = wanted.data().iter().zip(made.data()).map(|(w, m)| *w - *m);
            shift.data_mut().iter_mut().zip(missing).for_each(|(shift, missing)| *shift = missing);
        }
    }

    /// Gradients of all factors, given the gradient `dW`, `[rows, columns]`:
    ///
    /// ```text
    /// dS = dW * tanh(V)      dB = dW      dV = dW * S * (1 - tanh(V)^2)
    /// dI = (Oᵀ M)ᵀ dV        dO = M (dV Iᵀ)ᵀ        M = sum of l[r] T_r
    /// dM = O dV Iᵀ           dl[r] = <T_r, dM>
    /// ```
    pub fn backward(&self, saved: &Saved<R>, weight_gradient: &[R]) -> GeneratorGradients<R> {
        let (rows, columns) = self.shape();
        let mut gradients = GeneratorGradients::default();
        let mut value_gradient = weight_gradient.to_vec();
        match (&self.squash, &saved.transformed) {
            (Squash::Tanh { scale, .. }, Some(transformed)) => {
                let mut scale_gradient = vec![R::ZERO; weight_gradient.len()];
                let mut shift_gradient = vec![R::ZERO; weight_gradient.len()];
                let places = ScaleTanhShiftGradients {
                    scale: &mut scale_gradient,
                    v: &mut value_gradient,
                    shift: &mut shift_gradient,
                };
                let (scale, transformed) = (scale.data(), transformed.data());
                scale_tanh_shift_backward(places, weight_gradient, scale, transformed);
                gradients.scale = Some(scale_gradient);
                gradients.shift = Some(shift_gradient);
            }
            (Squash::Shift(_), _) => gradients.shift = Some(weight_gradient.to_vec()),
            _ => {}
        }
        if self.layer_factor.is_none()
            && self.output_factor.is_none()
            && self.input_factor.is_none()
        {
            return gradients;
        }
        let mixed = saved.mixed.as_ref().unwrap_or(&self.teacher[0]);
        let rows_mapped = saved.rows_mapped.as_ref().unwrap_or(mixed);
        let value_gradient = Matrix::new(rows, columns, value_gradient);
        let columns_unmapped = match &self.input_factor {
            Some(input) => {
                let gradient = multiply(
                    input.rows(),
                    columns,
                    transposed(rows_mapped),
                    normal(&value_gradient),
                );
                gradients.input_factor = Some(gradient.into_data());
                multiply(rows, input.rows(), normal(&value_gradient), transposed(input))
            }
            None => value_gradient,
        };
        let mixed_gradient = match &self.output_factor {
            Some(output) => {
                let gradient =
                    multiply(output.rows(), rows, normal(mixed), transposed(&columns_unmapped));
                gradients.output_factor = Some(gradient.into_data());
                self.layer_factor.as_ref().map(|_| {
                    let unmapped = normal(&columns_unmapped);
                    multiply(output.rows(), mixed.columns(), normal(output), unmapped)
                })
            }
            None => Some(columns_unmapped),
        };
        if let (Some(factor), Some(mixed_gradient)) = (&self.layer_factor, mixed_gradient) {
            let layers: Vec<&[R]> = self.teacher.iter().map(Matrix::data).collect();
            let mut gradient = vec![R::ZERO; factor.len()];
            add_weighted_sum_gradients(&mut gradient, &layers, mixed_gradient.data());
            gradients.layer_factor = Some(gradient);
        }
        gradients
    }

    /// Every trained factor with its name, in the order of [`GeneratorGradients::into_slices`].
    pub fn parameters_mut(&mut self) -> Vec<(&'static str, &mut [R])> {
        let (scale, shift) = match &mut self.squash {
            Squash::None => (None, None),
            Squash::Shift(shift) => (None, Some(shift.data_mut())),
            Squash::Tanh { scale, shift } => (Some(scale.data_mut()), Some(shift.data_mut())),
        };
        [
            ("layer_factor", self.layer_factor.as_deref_mut()),
            ("output_factor", self.output_factor.as_mut().map(Matrix::data_mut)),
            ("input_factor", self.input_factor.as_mut().map(Matrix::data_mut)),
            ("scale", scale),
            ("shift", shift),
        ]
        .into_iter()
        .filter_map(|(name, slice)| Some((name, slice?)))
        .collect()
    }
}

impl<R> GeneratorGradients<R> {
    /// The gradients there are, in the order of [`Generator::parameters_mut`].
    pub fn into_slices(self) -> Vec<Vec<R>> {
        [self.layer_factor, self.output_factor, self.input_factor, self.scale, self.shift]
            .into_iter()
            .flatten()
            .collect()
    }
}
