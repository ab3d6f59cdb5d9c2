//! Initial weights, as fairseq draws them.

use std::convert::Infallible;

use crate::config::Config;
use crate::dense::{Dense, Matrix};
use crate::forward::Model;
use crate::slot::Slot;
use crate::tree::{Map, MatrixRole, MatrixSpec, Spec, Transformer, VectorRole, VectorSpec};
use wdistill_base::Random;

struct Initialise<'a> {
    config: &'a Config,
    seed: u64,
}

impl Map<Spec, Dense<f32>> for Initialise<'_> {
    type Error = Infallible;

    fn matrix(&mut self, slot: Slot, spec: &MatrixSpec) -> Result<Matrix<f32>, Infallible> {
        let (rows, columns) = (self.config.length(spec.rows), self.config.length(spec.columns));
        let mut random = Random::named(self.seed, &slot.to_string());
        // Xavier uniform. Query, key and value are drawn as one [3 * width, width] matrix would be,
        // hence the second gain (fairseq, multihead_attention.py, reset_parameters; there only where
        // all widths agree, here also where encoder and decoder differ).
        let xavier = (6.0 / (rows + columns) as f64).sqrt();
        let deviation = (columns as f64).powf(-0.5);
        Ok(Matrix::from_fn(rows, columns, |_, _| match spec.role {
            MatrixRole::Embedding | MatrixRole::Output => (random.normal() * deviation) as f32,
            MatrixRole::AttentionInput => random.symmetric(xavier * 0.5f64.sqrt()) as f32,
            MatrixRole::AttentionOutput | MatrixRole::Recurrence | MatrixRole::FeedForward => {
                random.symmetric(xavier) as f32
            }
        }))
    }

    fn vector(&mut self, _: Slot, spec: &VectorSpec) -> Result<Vec<f32>, Infallible> {
        let value = match spec.role {
            VectorRole::Bias | VectorRole::NormShift => 0.0,
            VectorRole::NormGain => 1.0,
        };
        Ok(vec![value; self.config.length(spec.axis)])
    }
}

/// Zeros for every weight of a configuration.
struct Zeros<'a>(&'a Config);

impl Map<Spec, Dense<f32>> for Zeros<'_> {
    type Error = Infallible;
    fn matrix(&mut self, _: Slot, spec: &MatrixSpec) -> Result<Matrix<f32>, Infallible> {
        let [rows, columns] = [spec.rows, spec.columns].map(|axis| self.0.length(axis));
        Ok(Matrix::new(rows, columns, vec![0.0; rows * columns]))
    }
    fn vector(&mut self, _: Slot, spec: &VectorSpec) -> Result<Vec<f32>, Infallible> {
        Ok(vec![0.0; self.0.length(spec.axis)])
    }
}

impl Model<Dense<f32>> {
    /// A model whose numbers are still to come.
    pub fn zeros(config: Config) -> Model<Dense<f32>> {
        let Ok(weights) = Transformer::catalogue(&config).map(&mut Zeros(&config));
        Model { config, weights }
    }

    /// A new model: Xavier uniform products, normal embeddings of deviation `width^-0.5`, no biases,
    /// norms that do nothing. Each weight depends on the seed and its own name only.
    pub fn initialise(config: Config, seed: u64) -> Model<Dense<f32>> {
        let mut initialise = Initialise { config: &config, seed };
        let Ok(weights) = Transformer::catalogue(&config).map(&mut initialise);
        Model { config, weights }
    }
}

/// Rounds or widens every number.
struct Convert;

impl<R: Copy + Into<f64>, S: FromF64> Map<Dense<R>, Dense<S>> for Convert {
    type Error = Infallible;
    fn matrix(&mut self, _: Slot, from: &Matrix<R>) -> Result<Matrix<S>, Infallible> {
        let data = from.data().iter().map(|x| S::from_f64((*x).into())).collect();
        Ok(Matrix::new(from.rows(), from.columns(), data))
    }
    fn vector(&mut self, _: Slot, from: &Vec<R>) -> Result<Vec<S>, Infallible> {
        Ok(from.iter().map(|x| S::from_f64((*x).into())).collect())
    }
}

/// A float that a double can be rounded to.
pub trait FromF64 {
    /// The nearest value.
    fn from_f64(value: f64) -> Self;
}

impl FromF64 for f32 {
    fn from_f64(value: f64) -> f32 {
        value as f32
    }
}

impl FromF64 for f64 {
    fn from_f64(value: f64) -> f64 {
        value
    }
}

impl<R: Copy + Into<f64>> Model<Dense<R>> {
    /// The same model in another precision.
    pub fn convert<S: FromF64>(&self) -> Model<Dense<S>> {
        let Ok(weights) = self.weights.map(&mut Convert);
        Model { config: self.config.clone(), weights }
    }
}
