//! The learner of processors: of this machine's alone, or of those of all ranks, which this one leads.

use std::borrow::Cow;

use wdistill_autograd::LossSums;
use wdistill_model::{Dense, Model};
use wdistill_text::{EncodedCorpus, sorted_batches};

use crate::batch::Batch;
use crate::decode::{decode_together, sentences_message};
use crate::error::TrainError;
use crate::learner::{Learner, Parameters, StepReport, Weights};
use crate::order::{Divided, Order, batches_message};
use crate::ranks::{Alone, Ranks, Unpack, agree, count_problem};
use crate::shipment::ship;
use crate::team::{shares, total};
use crate::trainable::Trainee;
use crate::validation::{Decoded, Validator};
use crate::worker::{Lesson, Worker, shares_of};

/// Trains on processors, over a tape: a batch is divided into shares, each runs forward and backward on threads of its own,
/// and their gradients are summed as a balanced binary tree over shares, so that results do not depend on who has which.
pub struct HostLearner<'a> {
    worker: Worker<'a>,
    /// What every rate is multiplied by.
    rate_factor: f64,
}

impl<'a> HostLearner<'a> {
    /// Starts the threads of this machine.
    ///
    /// # Errors
    /// [`TrainError::Settings`] if there is a teacher of whom nothing is learned, or none where something is, or one that
    /// the student cannot be compared with, or a pattern of what is to be frozen names nothing; [`TrainError::Threads`].
    pub fn start(
        trainee: Trainee,
        lesson: Lesson<'a>,
        threads: usize,
    ) -> Result<HostLearner<'a>, TrainError> {
        HostLearner::over(&Alone, trainee, lesson, threads)
    }

    /// Starts the threads of all ranks; this one is rank 0, and the others [follow](crate::follow).
    ///
    /// # Errors
    /// As [`HostLearner::start`]; [`TrainError::Settings`] if the ranks cannot have the shares evenly;
    /// [`TrainError::Rank`].
    pub fn over(
        ranks: &'a dyn Ranks,
        trainee: Trainee,
        lesson: Lesson<'a>,
        threads: usize,
    ) -> Result<HostLearner<'a>, TrainError> {
        if let Some(problem) = count_problem(ranks.count(), lesson.settings.shares) {
            return Err(TrainError::settings(problem));
        }
        let trainee = if ranks.count() > 1 { ship(ranks, trainee, lesson)? } else { trainee };
        let worker = agree(ranks, Worker::start(ranks, trainee, lesson, threads))?;
        Ok(HostLearner { worker, rate_factor: 1.0 })
    }

    fn ranks(&self) -> &'a dyn Ranks {
        self.worker.ranks
    }
}

impl Drop for HostLearner<'_> {
    /// The others wait for orders; one that has gone needs none.
    fn drop(&mut self) {
        let _ = Order::End.tell(self.ranks());
    }
}

impl Learner for HostLearner<'_> {
    /// The gradient of the mean loss a token, times `min(1, clip_norm / |g|)`, then the optimiser.
    fn update(&mut self, batches: &[EncodedCorpus], number: u64) -> Result<StepReport, TrainError> {
        let ranks = self.ranks();
        let all = self.worker.lesson.settings.shares;
        let shares = batches.iter().map(|batch| shares(batch, all)).collect();
        let divided = Divided { batches, shares, number, rate_factor: self.rate_factor };
        let tokens = divided.tokens();
        for other in 1..ranks.count() {
            let shares = shares_of(other, ranks.count(), all);
            ranks.send(other, &divided.message(shares, tokens))?;
        }
        let own = shares_of(0, ranks.count(), all);
        let portion = divided.portion(own, &self.worker.model().config.vocabularies);
        self.worker.update(&portion)
    }

    fn scale_rate(&mut self, factor: f64) -> Result<(), TrainError> {
        self.rate_factor = factor;
        Ok(())
    }

    fn loss(&mut self, weights: Weights<'_>, text: &EncodedCorpus) -> Result<LossSums, TrainError> {
        let (ranks, settings) = (self.ranks(), self.worker.lesson.settings);
        let other = match weights {
            Weights::Current => None,
            Weights::Of(model) => Some(model),
        };
        if ranks.count() == 1 {
            return Ok(self.worker.loss_in_text(other, text));
        }
        let batches = sorted_batches(&text.lengths(), settings.max_tokens);
        let of = |rank: usize| -> Vec<&[usize]> {
            batches.iter().skip(rank).step_by(ranks.count()).map(Vec::as_slice).collect()
        };
        let order = if other.is_some() { Order::LossOf } else { Order::Loss };
        for rank in 1..ranks.count() {
            ranks.send(rank, &batches_message(order, text, &of(rank)))?;
        }
        if let Some(model) = other {
            self.worker.other_model(Some(model))?;
        }
        let vocabularies = &self.worker.model().config.vocabularies;
        let own = of(0).into_iter().map(|pairs| Batch::new(text, pairs, vocabularies)).collect();
        let mut losses = vec![LossSums::default(); batches.len()];
        let mut place = |rank: usize, found: Vec<LossSums>| {
            let places = losses.iter_mut().skip(rank).step_by(ranks.count());
            places.zip(found).for_each(|(place, loss)| *place = loss);
        };
        place(0, self.worker.losses(other, own));
        for rank in 1..ranks.count() {
            let message = ranks.receive(rank)?;
            let mut message = Unpack(&message);
            place(rank, (0..message.count()).map(|_| message.loss()).collect());
        }
        Ok(total(losses))
    }

    fn decode(
        &mut self,
        weights: Weights<'_>,
        validator: &Validator<'_>,
    ) -> Result<Decoded, TrainError> {
        let ranks = self.ranks();
        let (order, model) = match weights {
            Weights::Current => (Order::Decode, self.worker.model()),
            Weights::Of(model) => (Order::DecodeOf, model),
        };
        if ranks.count() == 1 {
            return validator.decode(model);
        }
        let sentences = validator.corpus.sources();
        for other in 1..ranks.count() {
            let own: Vec<_> = sentences.iter().skip(other).step_by(ranks.count()).collect();
            ranks.send(other, &sentences_message(order, validator, own.into_iter()))?;
        }
        if order == Order::DecodeOf {
            self.worker.other_model(Some(model))?;
        }
        decode_together(ranks, validator, model, &sentences)
    }

    fn model(&mut self) -> Result<&Model<Dense<f32>>, TrainError> {
        Ok(self.worker.model())
    }

    fn averaged_model(&mut self) -> Result<Option<Model<Dense<f32>>>, TrainError> {
        Order::Averages.tell(self.ranks())?;
        let averages = self.worker.collect_averages()?;
        Ok(averages.map(|averages| self.worker.averaged_model(&averages)))
    }

    fn state(&mut self) -> Result<Cow<'_, Parameters>, TrainError> {
        if self.ranks().count() == 1 {
            return Ok(Cow::Borrowed(self.worker.held()));
        }
        Order::State.tell(self.ranks())?;
        Ok(Cow::Owned(self.worker.collect_state()?))
    }

    fn restore(&mut self, state: Parameters) -> Result<(), TrainError> {
        Order::Restore.tell(self.ranks())?;
        self.worker.restore(Some(state))
    }
}
