//! What every rank of a training does: its shares of each batch, the sums over ranks, its piece of the optimiser's step.

use std::ops::Range;
use std::sync::Arc;

use wdistill_autograd::{DropoutSource, Gradients, LossSums};
use wdistill_kernels::{Host, PIECE, Precision, sums_of_squares};
use wdistill_model::{Dense, Layout, Model};
use wdistill_text::EncodedCorpus;

use crate::batch::Batch;
use crate::error::TrainError;
use crate::freezing::Frozen;
use crate::guide::Guide;
use crate::learner::{Clipping, Parameters, StepReport};
use crate::optimiser::{self, Step, Stepped, overlap};
use crate::pass::{Pass, run_batch};
use crate::ranks::{
    Packet, Pieces, Ranks, Unpack, collect, deal_out, gather, join_pieces, spread_numbers,
    sum_into_pieces,
};
use crate::settings::TrainingSettings;
use crate::teacher::Teacher;
use crate::team::{Team, loss_in_text, tree_sum};
use crate::trainable::{MadeOf, Trainable, Trainee};

/// What a learner learns from, and how.
#[derive(Clone, Copy)]
pub struct Lesson<'a> {
    /// Of whom the student learns besides the right words, if the settings give anything of it a weight.
    pub teacher: Option<&'a Model<Dense<f32>>>,
    /// Word alignments that a head of it learns, if the settings give them a weight.
    pub guide: Option<&'a Guide>,
    /// Settings.
    pub settings: &'a TrainingSettings,
    /// Decides the dropout, together with the number of the update.
    pub seed: u64,
}

/// A rank's part of an update.
pub(crate) struct Portion {
    /// Of each batch that makes the update its shares, of which the last may have no pair.
    pub batches: Vec<Vec<Option<Batch>>>,
    /// Target tokens of all shares of all ranks.
    pub tokens: usize,
    /// The update, counted from 1.
    pub number: u64,
    /// What its rate is multiplied by.
    pub rate_factor: f64,
}

/// One rank's part of a training. A rank alone has all shares, and a piece that is everything.
pub(crate) struct Worker<'a> {
    pub ranks: &'a dyn Ranks,
    pub team: Team,
    pub lesson: Lesson<'a>,
    trainable: Box<dyn Trainable>,
    /// That of the settings, or the best that the processor has.
    precision: Precision,
    teacher: Option<Teacher<'a>>,
    /// All values; of moments and averages this rank's piece.
    held: Parameters,
    frozen: Frozen,
    /// This rank's piece of the parameters.
    piece: Range<usize>,
    /// How the parameters are cut, and how the weights of the model are.
    pieces: Pieces,
    weight_pieces: Pieces,
    /// Of the model's weights, which are the parameters or are made of them.
    weights: Arc<Layout>,
    /// Memory of the sums over ranks.
    scratch: Vec<f32>,
}

/// The shares of a batch that a rank has.
pub(crate) fn shares_of(rank: usize, ranks: usize, shares: usize) -> Range<usize> {
    let own = shares / ranks;
    rank * own..(rank + 1) * own
}

impl<'a> Worker<'a> {
    /// Starts the threads.
    ///
    /// # Errors
    /// [`TrainError::Settings`] if there is a teacher of whom nothing is learned, or none where something is, or one that
    /// the student cannot be compared with, or a pattern of what is to be frozen names nothing; [`TrainError::Threads`].
    pub fn start(
        ranks: &'a dyn Ranks,
        trainee: Trainee,
        lesson: Lesson<'a>,
        threads: usize,
    ) -> Result<Worker<'a>, TrainError> {
        let settings = lesson.settings;
        if settings.learns_of_teacher() != lesson.teacher.is_some() {
            let problem = "word_, state_ or relation_distillation needs a teacher, and a teacher needs one of them";
            return Err(TrainError::settings(problem));
        }
        if (settings.guided_alignment > 0.0) != lesson.guide.is_some() {
            let problem = "guided_alignment needs word alignments, and they need a weight";
            return Err(TrainError::settings(problem));
        }
        let team = Team::start(settings.shares / ranks.count(), threads)?;
        let mut trainable = trainee.on_host();
        let student = &trainable.model().config;
        let precision = settings.available_precision();
        let teacher = lesson.teacher.map(|model| Teacher::new(model, student, settings, precision));
        let teacher = teacher.transpose()?;
        let layout = Arc::new(trainable.layout());
        let pieces = Pieces::of_layout(&layout, settings.optimiser, ranks.count());
        let piece = pieces.of(ranks.rank());
        let mut held = Parameters::zeros_of_piece(layout, piece.len(), settings);
        let places = held.layout.slices_mut(&mut held.values);
        for (place, values) in places.into_iter().zip(trainable.parameters_mut()) {
            place.copy_from_slice(values);
        }
        let Parameters { values, averages, .. } = &mut held;
        if let Some(averages) = averages {
            averages.copy_from_slice(&values[piece.clone()]);
        }
        let frozen = Frozen::of(&settings.freeze, &held.layout)?;
        let weights = Arc::new(Layout::of(&trainable.model().weights));
        let weight_pieces = match trainable.made_of() {
            MadeOf::TheSame => pieces.clone(),
            MadeOf::All => Pieces::of_length(weights.length(), ranks.count()),
        };
        let scratch = Vec::new();
        Ok(Worker {
            ranks,
            team,
            lesson,
            trainable,
            precision,
            teacher,
            held,
            frozen,
            piece,
            pieces,
            weight_pieces,
            weights,
            scratch,
        })
    }

    /// The model that the parameters make now.
    pub fn model(&self) -> &Model<Dense<f32>> {
        self.trainable.model()
    }

    /// All ranks' update: the gradient of the mean loss a token, times `min(1, clip_norm / |g|)`, then the optimiser.
    pub fn update(&mut self, portion: &Portion) -> Result<StepReport, TrainError> {
        let settings = self.lesson.settings;
        let (mut sum, loss) = self.gradients(portion);
        let loss = self.sum_losses(loss)?;
        self.sum_over_ranks(&mut sum)?;
        let layout = self.held.layout.clone();
        let workspace = self.team.workspace(0);
        let mut gradients = self.trainable.parameter_gradients(sum, &layout, workspace);
        self.frozen.clear(&mut gradients);
        let gradient_norm = self.norm(&gradients)?;
        let (clipping, factor) = match settings.clip_norm {
            limit if limit > 0.0 && gradient_norm > limit => {
                (Clipping::Clipped, limit / gradient_norm)
            }
            _ => (Clipping::Unchanged, 1.0),
        };
        if gradient_norm.is_finite() {
            self.step(&gradients, portion, factor)?;
        }
        self.team.workspace(0).give_back(gradients);
        Ok(StepReport { loss, gradient_norm, clipping })
    }

    /// Of this rank's shares: gradients of the mean loss a token with respect to the model's weights, and the loss:
    ///
    /// `g = (1 / tokens) * sum over batches and shares of d loss / d weights`
    fn gradients(&mut self, portion: &Portion) -> (Gradients<Host<f32>>, LossSums) {
        let Lesson { settings, seed, guide, .. } = self.lesson;
        let Portion { batches, tokens, number, .. } = portion;
        let (precision, teacher) = (self.precision, self.teacher.as_ref());
        let guide = guide.map(|guide| (guide, settings.guided_alignment));
        let model = self.trainable.model();
        let gradient_scale = 1.0 / *tokens as f64;
        let rates = model.config.architecture.dropout;
        let shares = shares_of(self.ranks.rank(), self.ranks.count(), settings.shares);
        let layout = &self.weights;
        let done = self.team.run(shares.clone().collect(), |workspace, share: usize| {
            let mut gradients = workspace.gradients(layout);
            let mut loss = LossSums::default();
            for (index, batch) in batches.iter().enumerate() {
                let Some(batch) = &batch[share - shares.start] else { continue };
                let place = (number * batches.len() as u64 + index as u64) * settings.shares as u64;
                let dropout = DropoutSource { rates, seed, step: place + share as u64 };
                let gradients = &mut gradients;
                let pass =
                    Pass::Train { precision, teacher, guide, dropout, gradient_scale, gradients };
                loss += run_batch(model, workspace, batch, settings.label_smoothing, pass);
            }
            (gradients, loss)
        });
        let mut free = (1..self.team.shares()).map(|share| self.team.workspace(share));
        tree_sum(done, |(sum, loss), (gradients, sums)| {
            sum.add(&gradients);
            *loss += sums;
            free.next().expect("a workspace for each share but the first").give_back(gradients);
        })
    }

    /// The loss of all ranks, in the tree's order.
    fn sum_losses(&self, own: LossSums) -> Result<LossSums, TrainError> {
        let mut said = Packet::default();
        said.loss(&own);
        let all = gather(self.ranks, said.into_bytes())?;
        let losses = all.iter().map(|said| Unpack(said).loss()).collect();
        Ok(tree_sum(losses, |sum: &mut LossSums, other| *sum += other))
    }

    /// Adds the gradients of all ranks, as far as this one needs them.
    fn sum_over_ranks(&mut self, gradients: &mut Gradients<Host<f32>>) -> Result<(), TrainError> {
        let Worker { ranks, weight_pieces, scratch, .. } = self;
        sum_into_pieces(*ranks, weight_pieces, gradients.data_mut(), scratch)?;
        match self.trainable.made_of() {
            MadeOf::TheSame => Ok(()),
            MadeOf::All => join_pieces(self.ranks, &self.weight_pieces, gradients.data_mut()),
        }
    }

    /// Euclidean norm of the gradient: square sums of stretches of [`PIECE`] numbers of a tensor, then of tensors, then of
    /// all, each in its order.
    fn norm(&self, gradients: &Gradients<Host<f32>>) -> Result<f64, TrainError> {
        let ranges = self.held.layout.ranges();
        let own = ranges.iter().filter_map(|named| overlap(&named.range, &self.piece));
        let own: Vec<f64> =
            own.flat_map(|range| sums_of_squares(&gradients.data()[range])).collect();
        let mut said = Packet::default();
        said.reals(&own);
        let all = gather(self.ranks, said.into_bytes())?;
        let mut by_piece = vec![Vec::new(); all.len()];
        for (rank, said) in all.iter().enumerate() {
            by_piece[self.pieces.number_of(rank)] = Unpack(said).reals();
        }
        let mut stretches = by_piece.into_iter().flatten();
        let tensors = ranges.iter().map(|named| named.range.len().div_ceil(PIECE));
        let squares = tensors.map(|count| stretches.by_ref().take(count).sum::<f64>());
        Ok(squares.sum::<f64>().sqrt())
    }

    /// Steps this rank's piece, and gives every rank all parameters.
    fn step(
        &mut self,
        gradients: &Gradients<Host<f32>>,
        portion: &Portion,
        gradient_factor: f64,
    ) -> Result<(), TrainError> {
        let (settings, number) = (self.lesson.settings, portion.number);
        let learning_rate = portion.rate_factor * settings.learning_rate_at(number);
        let frozen = &self.frozen;
        let step = Step { settings, number, learning_rate, gradient_factor, frozen };
        let Parameters { layout, values, first_moments, second_moments, averages } = &mut self.held;
        let piece = self.piece.clone();
        let copies = self.trainable.parameters_mut();
        let gradients = gradients.data();
        optimiser::step(
            Stepped {
                layout,
                piece: piece.clone(),
                values,
                first_moments,
                second_moments,
                gradients,
                copies,
            },
            step,
        );
        if let Some(averages) = averages {
            // The moving average with decay `d`: `a = a + (1 - d) (p - a)`.
            let rate = (1.0 - step.settings.moving_average_decay_at(step.number)) as f32;
            let pairs = averages.iter_mut().zip(&values[piece.clone()]);
            pairs.for_each(|(average, value)| *average += rate * (*value - *average));
        }
        join_pieces(self.ranks, &self.pieces, values)?;
        for (named, copy) in layout.ranges().iter().zip(self.trainable.parameters_mut()) {
            let own = overlap(&named.range, &piece).unwrap_or(named.range.end..named.range.end);
            for others in [named.range.start..own.start, own.end..named.range.end] {
                let start = others.start - named.range.start;
                copy[start..start + others.len()].copy_from_slice(&values[others]);
            }
        }
        self.trainable.refresh();
        Ok(())
    }

    /// The loss of a model, the current one if there is no other, in a text; for a rank that is alone.
    pub fn loss_in_text(
        &mut self,
        other: Option<&Model<Dense<f32>>>,
        text: &EncodedCorpus,
    ) -> LossSums {
        let model = other.unwrap_or(self.trainable.model());
        loss_in_text(text, model, &mut self.team, self.lesson.settings)
    }

    /// Losses of a model, the current one if there is no other, in some batches.
    pub fn losses(
        &mut self,
        other: Option<&Model<Dense<f32>>>,
        batches: Vec<Batch>,
    ) -> Vec<LossSums> {
        let model = other.unwrap_or(self.trainable.model());
        let smoothing = self.lesson.settings.label_smoothing;
        self.team.run(batches, |workspace, batch| {
            run_batch(model, workspace, &batch, smoothing, Pass::Validate)
        })
    }

    /// A model of the same shape, whose weights rank 0 has.
    pub fn other_model(
        &self,
        of_leader: Option<&Model<Dense<f32>>>,
    ) -> Result<Model<Dense<f32>>, TrainError> {
        let mut model = of_leader.unwrap_or(self.trainable.model()).clone();
        let slices = model.weights.slices_mut().into_iter();
        for (_, slice) in slices {
            spread_numbers(self.ranks, slice)?;
        }
        Ok(model)
    }

    /// Gives the trainable its parameters as they are now.
    fn refresh(&mut self) {
        give(&mut *self.trainable, &self.held.layout, &self.held.values);
    }

    /// What this rank holds, which is everything if it is alone.
    pub fn held(&self) -> &Parameters {
        &self.held
    }

    /// Everything that training changes, at rank 0; elsewhere of no use.
    pub fn collect_state(&self) -> Result<Parameters, TrainError> {
        let Parameters { layout, values, first_moments, second_moments, .. } = &self.held;
        let whole = |own: &[f32]| collect(self.ranks, &self.pieces, own);
        let first_moments = whole(first_moments)?;
        let second_moments = whole(second_moments)?;
        let averages = self.collect_averages()?;
        let (layout, values) = (layout.clone(), values.clone());
        Ok(Parameters { layout, values, first_moments, second_moments, averages })
    }

    /// The moving average, if there is one, at rank 0; elsewhere of no use.
    pub fn collect_averages(&self) -> Result<Option<Vec<f32>>, TrainError> {
        let averages = self.held.averages.as_deref();
        averages.map(|own| collect(self.ranks, &self.pieces, own)).transpose()
    }

    /// The model that the moving average makes, at rank 0.
    pub fn averaged_model(&mut self, averages: &[f32]) -> Model<Dense<f32>> {
        give(&mut *self.trainable, &self.held.layout, averages);
        let model = self.trainable.model().clone();
        self.refresh();
        model
    }

    /// Goes on from a state that rank 0 has; the others give none.
    pub fn restore(&mut self, state: Option<Parameters>) -> Result<(), TrainError> {
        let Worker { ranks, pieces, held, .. } = self;
        if ranks.count() == 1 {
            *held = state.expect("a rank alone is given a state");
        } else {
            if let Some(state) = &state {
                held.values.copy_from_slice(&state.values);
            }
            spread_numbers(*ranks, &mut held.values)?;
            let state = state.unwrap_or_else(|| Parameters {
                values: Vec::new(),
                first_moments: Vec::new(),
                second_moments: Vec::new(),
                averages: None,
                layout: held.layout.clone(),
            });
            deal_out(*ranks, pieces, &state.first_moments, &mut held.first_moments)?;
            deal_out(*ranks, pieces, &state.second_moments, &mut held.second_moments)?;
            if let Some(averages) = &mut held.averages {
                deal_out(*ranks, pieces, &state.averages.unwrap_or_default(), averages)?;
            }
        }
        self.refresh();
        Ok(())
    }
}

/// Gives a trainable these parameters.
fn give(trainable: &mut (impl Trainable + ?Sized), layout: &Layout, values: &[f32]) {
    let places = trainable.parameters_mut().into_iter();
    places.zip(layout.slices(values)).for_each(|(place, values)| place.copy_from_slice(values));
    trainable.refresh();
}
