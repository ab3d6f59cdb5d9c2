//! One optimiser step.

use wdistill_autograd::{DropoutSource, Gradients, LossSums, Tape, Targets, Workspace};
use wdistill_kernels::{AdamSettings, adam_step};
use wdistill_model::{DecoderState, Dense, Model, Tokens, Vocabularies};
use wdistill_text::EncodedCorpus;

use crate::settings::TrainingSettings;
use crate::trainable::Trainable;

/// Sentence pairs, packed; the decoder reads the start token and the target without its end.
pub struct Batch {
    source: Tokens,
    target: Tokens,
    /// The right word after each target token.
    words: Vec<u32>,
}

impl Batch {
    /// Packs pairs of a corpus whose sentences all end in their end token.
    pub fn new(corpus: &EncodedCorpus, pairs: &[usize], vocabularies: &Vocabularies) -> Batch {
        let sources = pairs.iter().map(|pair| corpus.pair(*pair).0);
        let targets = pairs.iter().map(|pair| corpus.pair(*pair).1);
        let inputs: Vec<Vec<u32>> = targets
            .clone()
            .map(|target| [&[vocabularies.decoder_start], &target[..target.len() - 1]].concat())
            .collect();
        Batch {
            source: Tokens::from_sentences(sources),
            target: Tokens::from_sentences(inputs.iter().map(Vec::as_slice)),
            words: targets.flatten().copied().collect(),
        }
    }

    /// Number of target tokens.
    pub fn tokens(&self) -> usize {
        self.words.len()
    }
}

/// What to do with the loss.
pub enum Pass<'a> {
    /// Training: dropout, and gradients times a factor added to a place.
    Train {
        /// Dropout of this batch.
        dropout: DropoutSource,
        /// Factor on the gradients.
        gradient_scale: f64,
        /// Where they are added.
        gradients: &'a mut Gradients<f32>,
    },
    /// Validation: neither.
    Validate,
}

/// Runs a model over a batch.
pub fn run_batch(
    model: &Model<Dense<f32>>,
    workspace: &Workspace<f32>,
    batch: &Batch,
    smoothing: f64,
    pass: Pass<'_>,
) -> LossSums {
    let dropout = match &pass {
        Pass::Train { dropout, .. } => *dropout,
        Pass::Validate => DropoutSource::NONE,
    };
    let (tape, tracked) = Tape::record(model, workspace, dropout);
    let encoded = tracked.encode(&tape, &batch.source);
    let mut state = DecoderState::new(&model.config);
    let states = tracked.decode(&tape, &batch.target, batch.target.spans(), &encoded, &mut state);
    let targets = |gradient_scale| Targets { words: &batch.words, smoothing, gradient_scale };
    match pass {
        Pass::Train { gradient_scale, gradients, .. } => {
            tape.backward(&tracked, states, &targets(gradient_scale), gradients)
        }
        Pass::Validate => tape.loss(&tracked, states, &targets(1.0)),
    }
}

/// Adam's moments, in the order of the parameters.
pub struct Moments {
    /// Means of gradients.
    pub first: Vec<Vec<f32>>,
    /// Means of squared gradients.
    pub second: Vec<Vec<f32>>,
}

impl Moments {
    /// All zero.
    pub fn zeros(trainable: &mut dyn Trainable) -> Moments {
        let zeros = |parameters: Vec<(String, &mut [f32])>| -> Vec<Vec<f32>> {
            parameters.iter().map(|(_, slice)| vec![0.0; slice.len()]).collect()
        };
        Moments {
            first: zeros(trainable.parameters_mut()),
            second: zeros(trainable.parameters_mut()),
        }
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

/// One update from some batches: gradients of the mean loss a token, clipped, then Adam.
///
/// `update` counts from 1; it and `seed` decide the dropout.
pub fn optimiser_step(
    trainable: &mut dyn Trainable,
    moments: &mut Moments,
    batches: &[Batch],
    workspace: &Workspace<f32>,
    settings: &TrainingSettings,
    seed: u64,
    update: u64,
) -> StepReport {
    let tokens: usize = batches.iter().map(Batch::tokens).sum();
    let gradient_scale = 1.0 / tokens as f64;
    let model = trainable.model();
    let rates = model.config.architecture.dropout;
    let mut gradients = workspace.gradients(&model.weights);
    let mut loss = LossSums::default();
    for (index, batch) in batches.iter().enumerate() {
        let step = update * settings.accumulation as u64 + index as u64;
        let dropout = DropoutSource { rates, seed, step };
        let pass = Pass::Train { dropout, gradient_scale, gradients: &mut gradients };
        loss += run_batch(model, workspace, batch, settings.label_smoothing, pass);
    }
    let gradients = trainable.parameter_gradients(gradients);
    let gradient_norm = gradients.norm();
    let clipping = match settings.clip_norm > 0.0 && gradient_norm > settings.clip_norm {
        true => Clipping::Clipped,
        false => Clipping::Unchanged,
    };
    let factor = match clipping {
        Clipping::Clipped => settings.clip_norm / gradient_norm,
        Clipping::Unchanged => 1.0,
    };
    if gradient_norm.is_finite() {
        let [beta1, beta2] = settings.adam_betas;
        let adam = AdamSettings { beta1, beta2, epsilon: settings.adam_epsilon };
        let rate = settings.learning_rate_at(update);
        let moments = moments.first.iter_mut().zip(&mut moments.second).zip(&gradients.buffers);
        for ((_, slice), ((first, second), gradient)) in
            trainable.parameters_mut().into_iter().zip(moments)
        {
            adam_step(slice, first, second, gradient, &adam, rate, update, factor);
        }
        trainable.refresh();
    }
    workspace.give_back(gradients);
    StepReport { loss, gradient_norm, clipping }
}
