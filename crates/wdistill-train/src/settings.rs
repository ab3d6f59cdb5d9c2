//! What a training run is told.

use serde::{Deserialize, Serialize};
use wdistill_base::Precision;
use wdistill_kernels::supported;

use crate::divergence::Divergence;
use crate::length::{Epoch, Length};
use crate::schedule::Schedule;

/// Which weights a run hands on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Selection {
    /// Those after the last update.
    Last,
    /// Those of the best validation.
    Best,
    /// The mean of the last snapshots, which is validated; or those of the best validation or after the
    /// last update, if they are better by the criterion.
    #[default]
    Average,
    /// The exponential moving average over all updates, which is validated; or those of the best validation or after the
    /// last update, if they are better by the criterion.
    MovingAverage,
}

/// What "best" means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Criterion {
    /// Lowest validation loss; validation decodes nothing.
    Loss,
    /// Highest validation BLEU of decoded text.
    #[default]
    Bleu,
    /// Highest validation chrF of decoded text.
    Chrf,
}

impl Criterion {
    /// As tables and messages have it.
    pub fn name(self) -> &'static str {
        match self {
            Criterion::Loss => "loss",
            Criterion::Bleu => "BLEU",
            Criterion::Chrf => "chrF",
        }
    }
}

/// How an update follows from a gradient.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Optimiser {
    /// Adam, number by number (Kingma and Ba, 2015).
    #[default]
    Adam,
    /// Muon for the matrices of linear layers: the update is the running mean of gradients with its singular values taken
    /// close to 1, as large as Adam's at the same rate (Jordan et al., 2024). Adam for everything else.
    Muon,
}

/// Settings of one training run; equal for a teacher, a student and a generator. Its lengths are of the type `L`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(bound = "L: schemars::JsonSchema + Serialize + From<u64>")
)]
#[serde(deny_unknown_fields, default)]
pub struct Training<L> {
    /// How long it is: optimiser steps, or epochs or target tokens, as every length here: 20000, "20k", "5 epochs", "2G tokens".
    pub updates: L,
    /// Most tokens of a batch: sentences times the longest of either side.
    pub max_tokens: usize,
    /// Batches whose gradients make one update.
    pub accumulation: usize,
    /// Shares that a batch is divided into, whatever the number of threads or machines: a power of two. The bits of a
    /// result depend on it.
    pub shares: usize,
    /// In what numbers the products of linear layers and of the output layer are computed, there and back: `"float32"`, or
    /// `"bf16"`, whose operands are rounded to 8 bits of precision, which is faster on processors with AVX-512 BF16; others keep
    /// float32, and say so. Weights, sums, gradients and everything else are float32 in both.
    pub precision: Precision,
    /// Highest learning rate, reached at the end of the warm-up.
    pub learning_rate: f64,
    /// How long the learning rate rises linearly from 0.
    pub warm_up: L,
    /// How the learning rate falls after the warm-up.
    pub schedule: Schedule,
    /// When a linear or cosine schedule has come to its end, if that is not the end of this training but of a later phase; 0
    /// for this training's.
    pub schedule_updates: L,
    /// What the rate is multiplied by at a plateau, for `schedule = "plateau"`.
    pub plateau_factor: f64,
    /// Validations in a row without a new best that are a plateau.
    pub plateau_validations: u64,
    /// Parameters that stay as they are: patterns of their names, such as `"encoder.*"`, in which `*` stands for anything.
    /// What a pattern names is frozen with everything below it.
    pub freeze: Vec<String>,
    /// How an update follows from a gradient.
    pub optimiser: Optimiser,
    /// Decay of Adam's moments.
    pub adam_betas: [f64; 2],
    /// Adam's epsilon.
    pub adam_epsilon: f64,
    /// Decay of Muon's running mean of gradients.
    pub muon_momentum: f64,
    /// What a matrix of a linear layer loses of itself at each update, times the learning rate: AdamW's decay, and
    /// Muon's; 0 for none.
    pub weight_decay: f64,
    /// Probability mass spread over wrong words.
    pub label_smoothing: f64,
    /// Weight of the teacher's distribution over words in a student's loss, from 0 (off) to 1; the right
    /// words have the rest (word-level knowledge distillation).
    pub word_distillation: f64,
    /// Weight of the teacher's states in a student's loss, which is added; 0 for off. Of each layer of a student of the
    /// teacher's width: `|s - t|² / |t|²`, the mean over layers, where `t` is the teacher's state after the group of
    /// layers that it stands for.
    pub state_distillation: f64,
    /// Weight of the teacher's relations in a student's loss, which is added; 0 for off. Of queries, keys and values of
    /// the last layers: the divergence of softmax(x xᵀ / sqrt(d)) over the tokens of a sentence, whatever the widths
    /// (MiniLMv2; Wang et al., 2021).
    pub relation_distillation: f64,
    /// Weight of word alignments in the loss, which is added; 0 for off. A head of the decoder's last layer learns which
    /// source word each target word comes from, as the file `alignments` of a corpus says, or as IBM model 1 finds it in the
    /// training text: `-a log p`, summed over source words (Chen et al., 2016; Marian's `guided-alignment-weight`, whose
    /// default is 0.1).
    pub guided_alignment: f64,
    /// Longest gradient, as a Euclidean norm over all parameters; 0 for no limit.
    pub clip_norm: f64,
    /// How far lines of the log are apart.
    pub log_every: L,
    /// How far validations are apart.
    pub validate_every: L,
    /// What makes a validation the best; where BLEU or chrF are equal, the lower loss does.
    pub criterion: Criterion,
    /// Stop after this many validations without a new best; 0 for never.
    pub patience: u64,
    /// How far checkpoints are apart.
    pub checkpoint_every: L,
    /// Minutes after which a checkpoint is written in any case; 0 for never.
    pub checkpoint_minutes: u64,
    /// How far snapshots for averaging are apart.
    pub snapshot_every: L,
    /// Snapshots averaged.
    pub average_last: usize,
    /// Which weights to hand on.
    pub selection: Selection,
    /// How much of the moving average is kept at each update, if that is what is handed on.
    pub moving_average_decay: f64,
    /// Training is given up with an error when its loss has been more than 1 nat above its lowest running
    /// mean for this many updates, or when a validation after the warm-up finds a loss that is above that
    /// of a uniform guess and has risen, or is 1 nat above it; `"off"` for never.
    pub divergence: Divergence,
}

/// A training whose lengths are known in updates.
pub type TrainingSettings = Training<u64>;

/// A training as it is asked for.
pub type TrainingRecipe = Training<Length>;

/// More shares, or batches of one update, are slips of the pen.
const MOST_SHARES: usize = 1024;
const MOST_BATCHES: usize = 100_000;

/// One for each core of a small machine.
const SHARES: usize = 2;

/// A thousand updates, or thereabouts.
const MOVING_AVERAGE_DECAY: f64 = 0.999;

impl<L: From<u64>> Default for Training<L> {
    /// The paper's settings, scaled to nothing: 30,000 updates of 4,096 tokens.
    fn default() -> Self {
        Training {
            updates: 30_000.into(),
            max_tokens: 4096,
            accumulation: 1,
            shares: SHARES,
            precision: Precision::Float32,
            learning_rate: 7e-4,
            warm_up: 4000.into(),
            schedule: Schedule::default(),
            schedule_updates: 0.into(),
            plateau_factor: 0.5,
            plateau_validations: 3,
            freeze: Vec::new(),
            optimiser: Optimiser::default(),
            adam_betas: [0.9, 0.98],
            adam_epsilon: 1e-9,
            muon_momentum: 0.95,
            weight_decay: 0.0,
            label_smoothing: 0.1,
            word_distillation: 0.0,
            state_distillation: 0.0,
            relation_distillation: 0.0,
            guided_alignment: 0.0,
            clip_norm: 0.0,
            log_every: 50.into(),
            validate_every: 1000.into(),
            criterion: Criterion::Bleu,
            patience: 0,
            checkpoint_every: 500.into(),
            checkpoint_minutes: 10,
            snapshot_every: 1000.into(),
            average_last: 5,
            selection: Selection::Average,
            moving_average_decay: MOVING_AVERAGE_DECAY,
            divergence: Divergence::After(1000),
        }
    }
}

impl<L: Copy + From<u64> + Into<Length>> Training<L> {
    /// Everything that makes no sense, each in a line.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let is_zero = |length: L| length.into().is_zero();
        let at_least_one = [
            ("updates", is_zero(self.updates)),
            ("max_tokens", self.max_tokens == 0),
            ("accumulation", self.accumulation == 0),
            ("log_every", is_zero(self.log_every)),
            ("validate_every", is_zero(self.validate_every)),
            ("checkpoint_every", is_zero(self.checkpoint_every)),
            ("snapshot_every", is_zero(self.snapshot_every)),
            ("average_last", self.average_last == 0),
            ("plateau_validations", self.plateau_validations == 0),
        ];
        let zeros = at_least_one.iter().filter(|(_, is_zero)| *is_zero);
        problems.extend(zeros.map(|(name, _)| format!("{name} is 0, expected at least 1")));
        if !self.shares.is_power_of_two() || self.shares > MOST_SHARES {
            let found = self.shares;
            problems
                .push(format!("shares is {found}, expected a power of two up to {MOST_SHARES}"));
        }
        if self.accumulation > MOST_BATCHES {
            let found = self.accumulation;
            problems.push(format!("accumulation is {found}, expected at most {MOST_BATCHES}"));
        }
        if self.divergence == Divergence::After(0) {
            problems.push("divergence is 0, expected at least 1 update, or \"off\"".to_string());
        }
        self.check_rates(&mut problems);
        let (schedule, updates) = (self.schedule_updates.into(), self.updates.into());
        if !schedule.is_zero() && updates.is_longer(schedule) == Some(true) {
            problems.push(format!(
                "schedule_updates is {schedule}, expected 0, or at least updates = {updates}"
            ));
        }
        if !(0.0..=1.0).contains(&self.word_distillation) {
            let found = self.word_distillation;
            problems.push(format!("word_distillation is {found}, expected 0 <= value <= 1"));
        }
        let at_least_zero = [
            ("clip_norm", self.clip_norm),
            ("weight_decay", self.weight_decay),
            ("state_distillation", self.state_distillation),
            ("relation_distillation", self.relation_distillation),
            ("guided_alignment", self.guided_alignment),
        ];
        for (name, value) in at_least_zero {
            if !(value >= 0.0 && value.is_finite()) {
                problems.push(format!("{name} is {value}, expected 0 or more"));
            }
        }
        problems
    }

    /// What is no rate, or out of its bounds.
    fn check_rates(&self, problems: &mut Vec<String>) {
        let [beta1, beta2] = self.adam_betas;
        let below_one = [
            ("adam_betas[0]", beta1),
            ("adam_betas[1]", beta2),
            ("label_smoothing", self.label_smoothing),
            ("muon_momentum", self.muon_momentum),
            ("moving_average_decay", self.moving_average_decay),
        ];
        for (name, value) in below_one {
            if !(0.0..1.0).contains(&value) {
                problems.push(format!("{name} is {value}, expected 0 <= value < 1"));
            }
        }
        if !(self.plateau_factor > 0.0 && self.plateau_factor < 1.0) {
            let found = self.plateau_factor;
            problems.push(format!("plateau_factor is {found}, expected 0 < value < 1"));
        }
        let positive = [("learning_rate", self.learning_rate), ("adam_epsilon", self.adam_epsilon)];
        for (name, value) in positive {
            if !(value > 0.0 && value.is_finite()) {
                problems.push(format!("{name} is {value}, expected more than 0"));
            }
        }
    }

    /// In which this processor computes: the precision of the settings, or float32 where that is missing.
    pub fn available_precision(&self) -> Precision {
        supported(self.precision)
    }

    /// Whether a student learns more of its teacher than its translations.
    pub fn learns_of_teacher(&self) -> bool {
        [self.word_distillation, self.state_distillation, self.relation_distillation]
            .into_iter()
            .any(|weight| weight > 0.0)
    }

    /// These settings without those that change only what is told and kept on the way: runs that agree
    /// in the rest train the same weights.
    pub fn decisive(&self) -> Training<L> {
        let Training { log_every, checkpoint_every, checkpoint_minutes, divergence, .. } =
            Training::default();
        Training { log_every, checkpoint_every, checkpoint_minutes, divergence, ..self.clone() }
    }

    /// Whether the decoded text of validations decides which weights come out.
    pub fn is_steered_by_decoding(&self) -> bool {
        self.criterion != Criterion::Loss
            && (self.patience > 0 || self.selection != Selection::Last)
    }
}

impl TrainingRecipe {
    /// Whether all its lengths are known without a look at the text.
    pub fn is_in_updates(&self) -> bool {
        let lengths = [
            self.updates,
            self.warm_up,
            self.schedule_updates,
            self.log_every,
            self.validate_every,
            self.checkpoint_every,
            self.snapshot_every,
        ];
        lengths.into_iter().all(Length::is_in_updates)
    }

    /// The same with all lengths in updates, where an epoch is as large as that.
    ///
    /// # Panics
    /// Without an epoch, if one is not [in updates](Self::is_in_updates).
    pub fn in_updates(&self, epoch: Option<Epoch>) -> TrainingSettings {
        let updates = |length: Length| length.in_updates(epoch);
        Training {
            updates: updates(self.updates),
            max_tokens: self.max_tokens,
            accumulation: self.accumulation,
            shares: self.shares,
            learning_rate: self.learning_rate,
            warm_up: updates(self.warm_up),
            schedule: self.schedule,
            schedule_updates: updates(self.schedule_updates),
            plateau_factor: self.plateau_factor,
            plateau_validations: self.plateau_validations,
            freeze: self.freeze.clone(),
            optimiser: self.optimiser,
            precision: self.precision,
            adam_betas: self.adam_betas,
            adam_epsilon: self.adam_epsilon,
            muon_momentum: self.muon_momentum,
            weight_decay: self.weight_decay,
            label_smoothing: self.label_smoothing,
            word_distillation: self.word_distillation,
            state_distillation: self.state_distillation,
            relation_distillation: self.relation_distillation,
            guided_alignment: self.guided_alignment,
            clip_norm: self.clip_norm,
            log_every: updates(self.log_every),
            validate_every: updates(self.validate_every),
            criterion: self.criterion,
            patience: self.patience,
            checkpoint_every: updates(self.checkpoint_every),
            checkpoint_minutes: self.checkpoint_minutes,
            snapshot_every: updates(self.snapshot_every),
            average_last: self.average_last,
            selection: self.selection,
            moving_average_decay: self.moving_average_decay,
            divergence: self.divergence,
        }
    }
}

impl TrainingSettings {
    /// The learning rate of an update, counted from 1, before any plateau:
    ///
    /// `rate * min(update / warm_up, fall(update))`, where the [`Schedule`] says how it falls.
    pub fn learning_rate_at(&self, update: u64) -> f64 {
        let rise = update as f64 / self.warm_up.max(1) as f64;
        let length = self.schedule_length();
        self.learning_rate * rise.min(self.schedule.fall(update, self.warm_up.max(1), length))
    }

    /// Updates after which the schedule has come to its end.
    pub fn schedule_length(&self) -> u64 {
        match self.schedule_updates {
            0 => self.updates,
            longer => longer,
        }
    }

    /// How much of the moving average is kept at an update, counted from 1: less at first, when there is little to keep.
    pub fn moving_average_decay_at(&self, update: u64) -> f64 {
        self.moving_average_decay.min((1 + update) as f64 / (10 + update) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_warm_up_the_first_update_has_the_full_rate() {
        let settings = TrainingSettings { warm_up: 0, ..TrainingSettings::default() };
        assert_eq!(settings.learning_rate_at(1), 7e-4);
    }

    #[test]
    fn numbers_that_no_machine_has_memory_for_are_refused() {
        let settings = TrainingSettings {
            shares: 1 << 62,
            accumulation: 1_000_000_000_000,
            ..TrainingSettings::default()
        };
        assert_eq!(settings.problems().len(), 2, "{:?}", settings.problems());
    }

    #[test]
    fn all_problems_are_named() {
        let settings = TrainingSettings {
            updates: 0,
            label_smoothing: 1.0,
            learning_rate: f64::NAN,
            clip_norm: -1.0,
            ..TrainingSettings::default()
        };
        let problems = settings.problems();
        assert_eq!(problems.len(), 4, "{problems:?}");
        assert!(TrainingSettings::default().problems().is_empty());
    }
}
