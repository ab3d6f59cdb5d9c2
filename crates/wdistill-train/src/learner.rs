//! What stands between the training loop and the machine that computes.

use std::borrow::Cow;
use std::sync::Arc;

use wdistill_autograd::LossSums;
use wdistill_model::{Dense, Layout, Model};
use wdistill_text::EncodedCorpus;

use crate::error::TrainError;
use crate::settings::{Selection, TrainingSettings};
use crate::validation::{Decoded, Validator};

/// Names of the buffers of [`Parameters`] in a checkpoint.
const BUFFERS: [&str; 4] = ["parameter", "first", "second", "average"];

/// Parameters, Adam's moments and, if there is one, a moving average: flat buffers over one layout.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameters {
    /// Names, shapes and places.
    pub layout: Arc<Layout>,
    /// The parameters.
    pub values: Vec<f32>,
    /// Running means of gradients.
    pub first_moments: Vec<f32>,
    /// Running means of squared gradients.
    pub second_moments: Vec<f32>,
    /// Exponential moving average of the parameters, if the settings ask for one.
    pub averages: Option<Vec<f32>>,
}

impl Parameters {
    /// Zeros, for these settings.
    pub fn zeros(layout: Arc<Layout>, settings: &TrainingSettings) -> Parameters {
        let length = layout.length();
        Parameters::zeros_of_piece(layout, length, settings)
    }

    /// Zeros for these settings, of which all but the values are those of a piece of so many numbers.
    pub(crate) fn zeros_of_piece(
        layout: Arc<Layout>,
        piece: usize,
        settings: &TrainingSettings,
    ) -> Parameters {
        let values = vec![0.0; layout.length()];
        let zeros = || vec![0.0; piece];
        let (first_moments, second_moments) = (zeros(), zeros());
        let averages = (settings.selection == Selection::MovingAverage).then(zeros);
        Parameters { layout, values, first_moments, second_moments, averages }
    }

    /// Every buffer there is, with its name in a checkpoint.
    pub fn buffers(&self) -> Vec<(&'static str, &[f32])> {
        let Parameters { values, first_moments, second_moments, averages, .. } = self;
        let all = [Some(values), Some(first_moments), Some(second_moments), averages.as_ref()];
        BUFFERS.into_iter().zip(all).filter_map(|(name, all)| Some((name, &all?[..]))).collect()
    }

    /// The same, to be filled.
    pub fn buffers_mut(&mut self) -> Vec<(&'static str, &mut [f32])> {
        let Parameters { values, first_moments, second_moments, averages, .. } = self;
        let all = [Some(values), Some(first_moments), Some(second_moments), averages.as_mut()];
        BUFFERS.into_iter().zip(all).filter_map(|(name, all)| Some((name, &mut all?[..]))).collect()
    }
}

/// What an update did besides changing the parameters.
#[derive(Clone, Copy, Debug)]
pub struct StepReport {
    /// Sums over the update's tokens.
    pub loss: LossSums,
    /// Norm of the gradient before clipping.
    pub gradient_norm: f64,
    /// Whether it was clipped.
    pub clipping: Clipping,
}

/// Whether a gradient was shortened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clipping {
    /// It was short enough, or there is no limit.
    Unchanged,
    /// It was scaled to the limit.
    Clipped,
}

/// Whose loss is asked for.
#[derive(Clone, Copy)]
pub enum Weights<'a> {
    /// Those that are trained.
    Current,
    /// Others of the same kind, such as an average.
    Of(&'a Model<Dense<f32>>),
}

/// Holds what is trained, on whatever machine, and trains it. The loop, its schedule, the selection and the checkpoints
/// know nothing else of the machine.
pub trait Learner {
    /// One update from some batches of pairs; `number` counts updates from 1. If the gradient is not
    /// finite, nothing changes.
    ///
    /// # Errors
    /// What the machine brings.
    fn update(&mut self, batches: &[EncodedCorpus], number: u64) -> Result<StepReport, TrainError>;

    /// Multiplies the settings' rate of every later update by a factor, which is no part of the state and 1 at first.
    ///
    /// # Errors
    /// What the machine brings.
    fn scale_rate(&mut self, factor: f64) -> Result<(), TrainError>;

    /// The loss in a text, of which nothing is learned.
    ///
    /// # Errors
    /// What the machine brings.
    fn loss(&mut self, weights: Weights<'_>, text: &EncodedCorpus) -> Result<LossSums, TrainError>;

    /// A model's translations of a held-out text.
    ///
    /// # Errors
    /// [`TrainError::Translator`], [`TrainError::Translate`], and what the machine brings.
    fn decode(
        &mut self,
        weights: Weights<'_>,
        validator: &Validator<'_>,
    ) -> Result<Decoded, TrainError> {
        match weights {
            Weights::Current => validator.decode(self.model()?),
            Weights::Of(model) => validator.decode(model),
        }
    }

    /// The model that the parameters make now.
    ///
    /// # Errors
    /// What the machine brings.
    fn model(&mut self) -> Result<&Model<Dense<f32>>, TrainError>;

    /// The model that the moving average of the parameters makes, if the settings ask for one.
    ///
    /// # Errors
    /// What the machine brings.
    fn averaged_model(&mut self) -> Result<Option<Model<Dense<f32>>>, TrainError>;

    /// Everything that training changes.
    ///
    /// # Errors
    /// What the machine brings.
    fn state(&mut self) -> Result<Cow<'_, Parameters>, TrainError>;

    /// Goes on from a state that [`Learner::state`] gave.
    ///
    /// # Errors
    /// What the machine brings.
    fn restore(&mut self, state: Parameters) -> Result<(), TrainError>;
}
