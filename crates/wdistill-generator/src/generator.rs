//! The formula of one generated weight, and its gradients.

use std::ops::DerefMut;

use wdistill_kernels::{
    Accumulate, MatrixRef, Real, ScaleTanhShiftGradients, add_into, add_weighted_sum_gradients,
    product, scale_tanh_shift, scale_tanh_shift_backward, weighted_sum,
};
use wdistill_model::{LinearPart, Matrix, Part, Slot};

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

/// A trained part of a generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Factor {
    /// `l`.
    Layer,
    /// `O`.
    Output,
    /// `I`.
    Input,
    /// `S`.
    Scale,
    /// `B`.
    Shift,
}

impl Factor {
    /// Its name, as checkpoints have it.
    pub fn name(self) -> &'static str {
        match self {
            Factor::Layer => "layer_factor",
            Factor::Output => "output_factor",
            Factor::Input => "input_factor",
            Factor::Scale => "scale",
            Factor::Shift => "shift",
        }
    }

    /// What it is to an optimiser, as a factor of a weight.
    pub fn part(self, slot: Slot) -> Part {
        match (self, slot) {
            // It is added to the weight, and does what the weight does.
            (Factor::Shift, _) => Part::of(slot),
            (
                Factor::Output | Factor::Input,
                Slot::Linear(_, LinearPart::Weight) | Slot::Table(_),
            ) => Part::LinearMap,
            (Factor::Output | Factor::Input | Factor::Layer | Factor::Scale, _) => Part::Numbers,
        }
    }
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

/// What the forward pass keeps for the backward pass, and memory that both use again at every update.
#[derive(Clone, Debug, Default)]
pub struct Saved<R> {
    /// `M = sum of l[r] T_r`, if there is `l`.
    mixed: Vec<R>,
    /// `Oᵀ M`, if there is `O`.
    rows_mapped: Vec<R>,
    /// `Oᵀ M I`, if there is `I`.
    transformed: Vec<R>,
    /// `dV`.
    value_gradient: Vec<R>,
    /// `dV Iᵀ`.
    columns_unmapped: Vec<R>,
    /// `O dV Iᵀ`.
    mixed_gradient: Vec<R>,
}

/// A buffer of `length` numbers of any value.
fn sized<R: Real>(buffer: &mut Vec<R>, length: usize) -> &mut [R] {
    buffer.resize(length, R::ZERO);
    buffer
}

/// Places for the gradients of all factors that there are, each a mutable slice or a vector.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GeneratorGradients<P> {
    /// Of `l`.
    pub layer_factor: Option<P>,
    /// Of `O`, row-major.
    pub output_factor: Option<P>,
    /// Of `I`, row-major.
    pub input_factor: Option<P>,
    /// Of `S`, row-major.
    pub scale: Option<P>,
    /// Of `B`, row-major.
    pub shift: Option<P>,
}

fn normal<R>(matrix: &Matrix<R>) -> MatrixRef<'_, R> {
    MatrixRef::new(matrix.data(), matrix.rows(), matrix.columns())
}

impl<R: Real> Generator<R> {
    /// `[rows, columns]` of the weight it makes.
    pub fn shape(&self) -> (usize, usize) {
        let teacher = &self.teacher[0];
        let rows = self.output_factor.as_ref().map_or(teacher.rows(), Matrix::columns);
        let columns = self.input_factor.as_ref().map_or(teacher.columns(), Matrix::columns);
        (rows, columns)
    }

    fn has_factors(&self) -> bool {
        self.layer_factor.is_some() || self.output_factor.is_some() || self.input_factor.is_some()
    }

    fn layers(&self) -> Vec<&[R]> {
        self.teacher.iter().map(Matrix::data).collect()
    }

    /// `M`, `[teacher rows, teacher columns]`.
    fn mixed<'s>(&'s self, mixed: &'s [R]) -> MatrixRef<'s, R> {
        let teacher = &self.teacher[0];
        match &self.layer_factor {
            Some(_) => MatrixRef::new(mixed, teacher.rows(), teacher.columns()),
            None => normal(teacher),
        }
    }

    /// `Oᵀ M`, `[rows, teacher columns]`.
    fn rows_mapped<'s>(&'s self, mixed: &'s [R], rows_mapped: &'s [R]) -> MatrixRef<'s, R> {
        match &self.output_factor {
            Some(output) => {
                MatrixRef::new(rows_mapped, output.columns(), self.teacher[0].columns())
            }
            None => self.mixed(mixed),
        }
    }

    /// `V` of the module's formula, `[rows, columns]`, once [`Generator::transform`] has run.
    fn value<'s>(&'s self, saved: &'s Saved<R>) -> &'s [R] {
        match &self.input_factor {
            Some(_) => &saved.transformed,
            None => self.rows_mapped(&saved.mixed, &saved.rows_mapped).data,
        }
    }

    /// Computes `V` where it is not the teacher's weight itself.
    fn transform(&self, saved: &mut Saved<R>) {
        let (rows, columns) = self.shape();
        let teacher = &self.teacher[0];
        let Saved { mixed, rows_mapped, transformed, .. } = saved;
        if let Some(factor) = &self.layer_factor {
            weighted_sum(sized(mixed, teacher.data().len()), factor, &self.layers());
        }
        let source = self.mixed(mixed);
        if let Some(output) = &self.output_factor {
            let place = sized(rows_mapped, rows * teacher.columns());
            product(place, Accumulate::Overwrite, normal(output).transposed(), source);
        }
        let source = self.rows_mapped(mixed, rows_mapped);
        if let Some(input) = &self.input_factor {
            let place = sized(transformed, rows * columns);
            product(place, Accumulate::Overwrite, source, normal(input));
        }
    }

    /// Makes the student's weight `W [rows, columns]`, and keeps what [`Generator::backward_into`] needs.
    pub fn forward_into(&self, weight: &mut [R], saved: &mut Saved<R>) {
        self.transform(saved);
        let value = self.value(saved);
        match &self.squash {
            Squash::None => weight.copy_from_slice(value),
            Squash::Shift(shift) => {
                weight.copy_from_slice(value);
                add_into(weight, shift.data());
            }
            Squash::Tanh { scale, shift } => {
                scale_tanh_shift(weight, scale.data(), value, shift.data());
            }
        }
    }

    /// [`Generator::forward_into`] a new weight.
    pub fn forward(&self) -> (Matrix<R>, Saved<R>) {
        let (rows, columns) = self.shape();
        let (mut weight, mut saved) = (vec![R::ZERO; rows * columns], Saved::default());
        self.forward_into(&mut weight, &mut saved);
        (Matrix::new(rows, columns, weight), saved)
    }

    /// Sets the shift so that the generator makes exactly `V` (`B = V - S tanh(V)`).
    pub fn make_exact(&mut self) {
        let mut saved = Saved::default();
        self.transform(&mut saved);
        let wanted = self.value(&saved).to_vec();
        self.make(&wanted);
    }

    /// Sets the shift so that the generator makes this weight, `[rows, columns]`; one that has no shift is given one if it
    /// makes another.
    pub fn make(&mut self, wanted: &[R]) {
        if let Squash::Shift(shift) | Squash::Tanh { shift, .. } = &mut self.squash {
            shift.data_mut().fill(R::ZERO);
        }
        let (made, _) = self.forward();
        let pairs = || wanted.iter().zip(made.data());
        if self.squash == Squash::None && pairs().any(|(wanted, made)| wanted != made) {
            let zeros = Matrix::from_fn(made.rows(), made.columns(), |_, _| R::ZERO);
            self.squash = Squash::Shift(zeros);
        }
        if let Squash::Shift(shift) | Squash::Tanh { shift, .. } = &mut self.squash {
            let places = shift.data_mut().iter_mut().zip(pairs());
            places.for_each(|(shift, (wanted, made))| *shift = *wanted - *made);
        }
    }

    /// Gradients of all factors, given the gradient `dW`, `[rows, columns]`:
    ///
    /// ```text
    /// dS = dW * tanh(V)      dB = dW      dV = dW * S * (1 - tanh(V)^2)
    /// dI = (Oᵀ M)ᵀ dV        dO = M (dV Iᵀ)ᵀ        M = sum of l[r] T_r
    /// dM = O dV Iᵀ           dl[r] = <T_r, dM>
    /// ```
    ///
    /// `gradients` has a place for every factor, as [`Generator::places`] makes them; all are overwritten.
    pub fn backward_into<P: DerefMut<Target = [R]>>(
        &self,
        saved: &mut Saved<R>,
        weight_gradient: &[R],
        gradients: &mut GeneratorGradients<P>,
    ) {
        self.squash_backward(saved, weight_gradient, gradients);
        if !self.has_factors() {
            return;
        }
        let GeneratorGradients { layer_factor, output_factor, input_factor, .. } = gradients;
        let (rows, columns) = self.shape();
        let teacher = &self.teacher[0];
        let Saved { mixed, rows_mapped, value_gradient, columns_unmapped, mixed_gradient, .. } =
            saved;
        let value_gradient = MatrixRef::new(value_gradient, rows, columns);
        let columns_unmapped = match &self.input_factor {
            Some(input) => {
                let source = self.rows_mapped(mixed, rows_mapped).transposed();
                product(place(input_factor), Accumulate::Overwrite, source, value_gradient);
                let unmapped = sized(columns_unmapped, rows * input.rows());
                let input = normal(input).transposed();
                product(unmapped, Accumulate::Overwrite, value_gradient, input);
                MatrixRef::new(unmapped, rows, teacher.columns())
            }
            None => value_gradient,
        };
        if let Some(output) = &self.output_factor {
            let source = self.mixed(mixed);
            let unmapped = columns_unmapped.transposed();
            product(place(output_factor), Accumulate::Overwrite, source, unmapped);
            if self.layer_factor.is_some() {
                let gradient = sized(mixed_gradient, teacher.data().len());
                product(gradient, Accumulate::Overwrite, normal(output), columns_unmapped);
            }
        }
        if self.layer_factor.is_some() {
            let mixed_gradient = match &self.output_factor {
                Some(_) => mixed_gradient,
                None => columns_unmapped.data,
            };
            let gradient = place(layer_factor);
            gradient.fill(R::ZERO);
            add_weighted_sum_gradients(gradient, &self.layers(), mixed_gradient);
        }
    }

    /// dS and dB, and dV into `saved` if there are factors that want it.
    fn squash_backward<P: DerefMut<Target = [R]>>(
        &self,
        saved: &mut Saved<R>,
        weight_gradient: &[R],
        GeneratorGradients { scale, shift, .. }: &mut GeneratorGradients<P>,
    ) {
        let mut value_gradient = std::mem::take(&mut saved.value_gradient);
        if self.has_factors() {
            sized(&mut value_gradient, weight_gradient.len()).copy_from_slice(weight_gradient);
        }
        match &self.squash {
            Squash::None => {}
            Squash::Shift(_) => place(shift).copy_from_slice(weight_gradient),
            Squash::Tanh { scale: factor, .. } => {
                let places = ScaleTanhShiftGradients {
                    scale: place(scale),
                    v: self.has_factors().then_some(value_gradient.as_mut_slice()),
                    shift: place(shift),
                };
                let value = self.value(saved);
                scale_tanh_shift_backward(places, weight_gradient, factor.data(), value);
            }
        }
        saved.value_gradient = value_gradient;
    }

    /// [`Generator::backward_into`] new vectors.
    pub fn backward(
        &self,
        saved: &mut Saved<R>,
        weight_gradient: &[R],
    ) -> GeneratorGradients<Vec<R>> {
        let shapes = self.factors();
        let new = |(_, shape): (_, Vec<usize>)| vec![R::ZERO; shape.iter().product()];
        let mut gradients = self.places(&mut shapes.into_iter().map(new));
        self.backward_into(saved, weight_gradient, &mut gradients);
        gradients
    }

    /// Gives the gradient of each factor there is a place, in the order of [`Generator::factors`].
    ///
    /// # Panics
    /// If there are fewer places than factors.
    pub fn places<P>(&self, places: &mut impl Iterator<Item = P>) -> GeneratorGradients<P> {
        let mut gradients = GeneratorGradients {
            layer_factor: None,
            output_factor: None,
            input_factor: None,
            scale: None,
            shift: None,
        };
        for (factor, _) in self.factors() {
            let place = Some(places.next().expect("a place for every factor"));
            match factor {
                Factor::Layer => gradients.layer_factor = place,
                Factor::Output => gradients.output_factor = place,
                Factor::Input => gradients.input_factor = place,
                Factor::Scale => gradients.scale = place,
                Factor::Shift => gradients.shift = place,
            }
        }
        gradients
    }

    /// Every trained factor and its shape, in the order of [`Generator::parameters_mut`].
    pub fn factors(&self) -> Vec<(Factor, Vec<usize>)> {
        let matrix = |matrix: &Matrix<R>| vec![matrix.rows(), matrix.columns()];
        let (scale, shift) = match &self.squash {
            Squash::None => (None, None),
            Squash::Shift(shift) => (None, Some(shift)),
            Squash::Tanh { scale, shift } => (Some(scale), Some(shift)),
        };
        [
            (Factor::Layer, self.layer_factor.as_ref().map(|factor| vec![factor.len()])),
            (Factor::Output, self.output_factor.as_ref().map(matrix)),
            (Factor::Input, self.input_factor.as_ref().map(matrix)),
            (Factor::Scale, scale.map(matrix)),
            (Factor::Shift, shift.map(matrix)),
        ]
        .into_iter()
        .filter_map(|(factor, shape)| Some((factor, shape?)))
        .collect()
    }

    /// The numbers of every trained factor, in the order of [`Generator::factors`].
    pub fn parameters_mut(&mut self) -> Vec<&mut [R]> {
        let [_, trained] = self.numbers_mut();
        trained
    }

    /// All numbers: those of the teacher, which are frozen, and those of the trained factors.
    pub(crate) fn numbers_mut(&mut self) -> [Vec<&mut [R]>; 2] {
        let (scale, shift) = match &mut self.squash {
            Squash::None => (None, None),
            Squash::Shift(shift) => (None, Some(shift.data_mut())),
            Squash::Tanh { scale, shift } => (Some(scale.data_mut()), Some(shift.data_mut())),
        };
        let trained = [
            self.layer_factor.as_deref_mut(),
            self.output_factor.as_mut().map(Matrix::data_mut),
            self.input_factor.as_mut().map(Matrix::data_mut),
            scale,
            shift,
        ];
        let frozen = self.teacher.iter_mut().map(Matrix::data_mut);
        [frozen.collect(), trained.into_iter().flatten().collect()]
    }
}

/// The place of a gradient whose factor is there.
fn place<R, P: DerefMut<Target = [R]>>(gradient: &mut Option<P>) -> &mut [R] {
    gradient.as_mut().expect("a place for every factor")
}

impl<P> GeneratorGradients<P> {
    /// The gradients there are, in the order of [`Generator::factors`].
    pub fn into_slices(self) -> Vec<P> {
        [self.layer_factor, self.output_factor, self.input_factor, self.scale, self.shift]
            .into_iter()
            .flatten()
            .collect()
    }
}
