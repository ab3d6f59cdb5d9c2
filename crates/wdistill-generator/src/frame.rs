//! Generators without their numbers: what another machine needs to be told before the numbers come.

use std::convert::Infallible;

use serde::{Deserialize, Serialize};
use wdistill_kernels::Real;
use wdistill_model::tree::{LeafMut, LeafRef, Map, MatrixSpec, Spec, VectorSpec};
use wdistill_model::{Config, Matrix, Slot, Transformer};

use crate::generator::{Generator, Squash};
use crate::parameters::{Generated, ParameterGenerator};

/// Shapes of everything that a generator is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Shapes {
    /// Rows and columns of each matrix of the teacher's.
    teacher: Vec<(usize, usize)>,
    layer_factor: bool,
    output_factor: Option<(usize, usize)>,
    input_factor: Option<(usize, usize)>,
    squash: Kind,
}

/// A [`Squash`] without its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Kind {
    None,
    Shift,
    Tanh,
}

impl Shapes {
    fn of<R: Real>(generator: &Generator<R>) -> Shapes {
        let shape = |matrix: &Matrix<R>| (matrix.rows(), matrix.columns());
        Shapes {
            teacher: generator.teacher.iter().map(shape).collect(),
            layer_factor: generator.layer_factor.is_some(),
            output_factor: generator.output_factor.as_ref().map(shape),
            input_factor: generator.input_factor.as_ref().map(shape),
            squash: match generator.squash {
                Squash::None => Kind::None,
                Squash::Shift(_) => Kind::Shift,
                Squash::Tanh { .. } => Kind::Tanh,
            },
        }
    }

    fn zeros<R: Real>(&self) -> Generator<R> {
        let zeros = |(rows, columns)| Matrix::new(rows, columns, vec![R::ZERO; rows * columns]);
        let mut generator = Generator {
            teacher: self.teacher.iter().copied().map(zeros).collect(),
            layer_factor: self.layer_factor.then(|| vec![R::ZERO; self.teacher.len()]),
            output_factor: self.output_factor.map(zeros),
            input_factor: self.input_factor.map(zeros),
            squash: Squash::None,
        };
        let weight = || zeros(generator.shape());
        generator.squash = match self.squash {
            Kind::None => Squash::None,
            Kind::Shift => Squash::Shift(weight()),
            Kind::Tanh => Squash::Tanh { scale: weight(), shift: weight() },
        };
        generator
    }
}

/// The generators of a whole student without their numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    config: Config,
    /// For each weight, in declaration order.
    shapes: Vec<Shapes>,
}

/// Makes a generator of each weight's shapes.
struct Fill<'s>(std::slice::Iter<'s, Shapes>);

impl<R: Real> Map<Spec, Generated<R>> for Fill<'_> {
    type Error = Infallible;

    fn matrix(&mut self, _: Slot, _: &MatrixSpec) -> Result<Generator<R>, Infallible> {
        Ok(self.0.next().expect("shapes for each weight").zeros())
    }

    fn vector(&mut self, _: Slot, _: &VectorSpec) -> Result<Generator<R>, Infallible> {
        Ok(self.0.next().expect("shapes for each weight").zeros())
    }
}

impl Frame {
    /// Generators of these shapes, with zeros for all numbers.
    pub fn zeros<R: Real>(&self) -> ParameterGenerator<R> {
        let mut fill = Fill(self.shapes.iter());
        let Ok(generators) = Transformer::catalogue(&self.config).map(&mut fill);
        ParameterGenerator { config: self.config.clone(), generators }
    }
}

impl<R: Real> ParameterGenerator<R> {
    /// The same without numbers.
    pub fn frame(&self) -> Frame {
        let shapes = |(_, leaf): (Slot, LeafRef<'_, Generated<R>>)| {
            let (LeafRef::Matrix(generator) | LeafRef::Vector(generator)) = leaf;
            Shapes::of(generator)
        };
        Frame {
            config: self.config.clone(),
            shapes: self.generators.leaves().into_iter().map(shapes).collect(),
        }
    }

    /// All numbers, those of the teacher too, which are frozen; in an order that the frame decides.
    pub fn numbers_mut(&mut self) -> Vec<&mut [R]> {
        let leaves = self.generators.leaves_mut().into_iter();
        let numbers = leaves.flat_map(|(_, leaf)| match leaf {
            LeafMut::Matrix(generator) | LeafMut::Vector(generator) => {
                generator.numbers_mut().into_iter().flatten()
            }
        });
        numbers.collect()
    }
}

#[cfg(test)]
mod tests {
    use wdistill_model::{Architecture, Model, Vocabularies};

    use super::*;
    use crate::choice::Start;

    #[test]
    fn a_frame_with_its_numbers_is_the_generator() {
        let teacher = Architecture::preset("transformer-nano").unwrap();
        let student = teacher.with_one_decoder_layer();
        let config = |architecture| Config::new(architecture, Vocabularies::shared(40)).unwrap();
        let teacher = Model::initialise(config(teacher), 1);
        for start in [Start::Xavier, Start::Cut, Start::Strided, Start::Concatenated] {
            let student = config(student.clone());
            let mut generator = ParameterGenerator::grow(&teacher, &student, start, 1).unwrap();
            let text = serde_json::to_string(&generator.frame()).unwrap();
            let frame: Frame = serde_json::from_str(&text).unwrap();
            let mut other = frame.zeros();
            assert_eq!(other.frame(), generator.frame());
            let numbers = generator.numbers_mut();
            let places = other.numbers_mut();
            assert_eq!(numbers.len(), places.len());
            places.into_iter().zip(numbers).for_each(|(place, given)| place.copy_from_slice(given));
            assert!(other.generators == generator.generators, "{start:?}");
        }
    }
}
