//! The generators of a whole student.

use std::convert::Infallible;
use std::marker::PhantomData;

use wdistill_base::parallel;
use wdistill_kernels::Real;
use wdistill_model::tree::{Leaf, LeafMut, LeafRef, Map};
use wdistill_model::{Config, Dense, Layout, Matrix, Model, Slot, Transformer};

use crate::generator::{Factor, Generator, Saved};

/// Leaf family of generators; a vector's makes a matrix of one column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generated<R>(PhantomData<R>);

impl<R> Leaf for Generated<R> {
    type Matrix = Generator<R>;
    type Vector = Generator<R>;
}

/// A generator for every weight of a student.
pub struct ParameterGenerator<R> {
    /// The student's configuration.
    pub config: Config,
    /// One generator for each of its weights.
    pub generators: Transformer<Generated<R>>,
}

/// Makes every weight, and keeps what the generators save, in declaration order.
struct Materialise<R>(Vec<Saved<R>>);

impl<R: Real> Map<Generated<R>, Dense<R>> for Materialise<R> {
    type Error = Infallible;
    fn matrix(&mut self, _: Slot, generator: &Generator<R>) -> Result<Matrix<R>, Infallible> {
        let (weight, saved) = generator.forward();
        self.0.push(saved);
        Ok(weight)
    }
    fn vector(&mut self, slot: Slot, generator: &Generator<R>) -> Result<Vec<R>, Infallible> {
        Ok(self.matrix(slot, generator)?.into_data())
    }
}

/// How much a tanh would change a set of weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Saturation {
    /// Weights outside [-1, 1], which no `tanh` with a scale of one can reach.
    pub outside: usize,
    /// All weights.
    pub all: usize,
}

impl Saturation {
    /// Counts over a model.
    pub fn of(weights: &Transformer<Dense<f32>>) -> Saturation {
        weights.slices().iter().fold(Saturation::default(), |sum, (_, slice)| Saturation {
            outside: sum.outside + slice.iter().filter(|weight| weight.abs() > 1.0).count(),
            all: sum.all + slice.len(),
        })
    }
}

impl<R: Real> ParameterGenerator<R> {
    fn slots(&self) -> impl Iterator<Item = (Slot, &Generator<R>)> {
        self.generators.leaves().into_iter().map(|(slot, leaf)| match leaf {
            LeafRef::Matrix(generator) | LeafRef::Vector(generator) => (slot, generator),
        })
    }

    /// Sets the shifts so that the generators make this student.
    pub fn make(&mut self, student: &Transformer<Dense<R>>) {
        let generators = self.generators.leaves_mut().into_iter();
        for ((_, leaf), (_, weight)) in generators.zip(student.slices()) {
            let (LeafMut::Matrix(generator) | LeafMut::Vector(generator)) = leaf;
            generator.make(weight);
        }
    }

    /// The student that the generators make now.
    pub fn materialise(&self) -> Model<Dense<R>> {
        self.materialise_saving().0
    }

    /// The same, and for each weight what [`ParameterGenerator::backward`] needs, whose memory
    /// [`ParameterGenerator::materialise_into`] uses again.
    pub fn materialise_saving(&self) -> (Model<Dense<R>>, Vec<Saved<R>>) {
        let mut materialise = Materialise(Vec::new());
        let Ok(weights) = self.generators.map(&mut materialise);
        (Model { config: self.config.clone(), weights }, materialise.0)
    }

    /// The same into a student's weights, all slots in parallel; `saved` keeps what
    /// [`ParameterGenerator::backward`] needs.
    pub fn materialise_into(&self, student: &mut Model<Dense<R>>, saved: &mut [Saved<R>]) {
        let weights = student.weights.slices_mut();
        let jobs: Vec<_> = self.slots().zip(weights).zip(saved).collect();
        parallel::for_each(jobs, |(((_, generator), (_, weight)), saved)| {
            generator.forward_into(weight, saved);
        });
    }

    /// Names and shapes of all factors: the weight's path and the factor's name.
    pub fn layout(&self) -> Layout {
        Layout::new(self.slots().flat_map(|(slot, generator)| {
            let named = move |(factor, shape): (Factor, Vec<usize>)| {
                (format!("{slot}.{}", factor.name()), shape, factor.part(slot))
            };
            generator.factors().into_iter().map(named)
        }))
    }

    /// Gradients of all factors from the gradients of the student's weights, all slots in parallel. `weights` come in
    /// declaration order; `factors` are places in the order of [`ParameterGenerator::layout`], and are overwritten.
    pub fn backward<'g>(
        &self,
        saved: &mut [Saved<R>],
        weights: impl Iterator<Item = &'g [R]>,
        factors: Vec<&mut [R]>,
    ) {
        let mut factors = factors.into_iter();
        let jobs: Vec<_> = self
            .slots()
            .zip(saved)
            .zip(weights)
            .map(|(((_, generator), saved), gradient)| {
                (generator, saved, gradient, generator.places(&mut factors))
            })
            .collect();
        parallel::for_each(jobs, |(generator, saved, gradient, mut places)| {
            generator.backward_into(saved, gradient, &mut places);
        });
    }

    /// The numbers of all factors, in the order of [`ParameterGenerator::layout`].
    pub fn parameters_mut(&mut self) -> Vec<&mut [R]> {
        self.generators
            .leaves_mut()
            .into_iter()
            .flat_map(|(_, leaf)| match leaf {
                LeafMut::Matrix(generator) | LeafMut::Vector(generator) => {
                    generator.parameters_mut()
                }
            })
            .collect()
    }
}
