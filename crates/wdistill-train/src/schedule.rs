//! How the learning rate falls.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

/// How the learning rate falls after the warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// With the inverse square root of the updates; where it ends, it is far from 0.
    #[default]
    InverseSquareRoot,
    /// In a straight line, to 0 after the last update.
    Linear,
    /// Along half a cosine, to 0 after the last update.
    Cosine,
    /// Not at all.
    Constant,
    /// By `plateau_factor`, whenever `plateau_validations` validations in a row were no better than the best.
    Plateau,
}

/// What a schedule that waits for validations remembers: part of a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plateau {
    /// What the rate is multiplied by.
    factor: f64,
    /// Validations since the best one or since the rate fell.
    stale: u64,
}

/// What a validation found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It is the best so far.
    Better,
    /// It is not.
    NoBetter,
}

impl Default for Plateau {
    fn default() -> Self {
        Plateau { factor: 1.0, stale: 0 }
    }
}

impl Plateau {
    /// What the rate is multiplied by.
    pub fn factor(&self) -> f64 {
        self.factor
    }

    /// After a validation: `factor` is multiplied by `by` where `patience` validations in a row were no better, as by
    /// `torch.optim.lr_scheduler.ReduceLROnPlateau(factor=by, patience=patience - 1, threshold=0)`. Says whether it was.
    pub fn validated(&mut self, progress: Progress, by: f64, patience: u64) -> bool {
        self.stale = match progress {
            Progress::Better => 0,
            Progress::NoBetter => self.stale + 1,
        };
        let falls = self.stale >= patience;
        if falls {
            *self = Plateau { factor: self.factor * by, stale: 0 };
        }
        falls
    }
}

impl Schedule {
    /// The part of the highest rate that an update has, if it comes after the warm-up. With update `u`, counted from 1,
    /// warm-up `w` and length `U`:
    ///
    /// ```text
    /// inverse square root   sqrt(w / u)                        fairseq, inverse_square_root_schedule.py
    /// linear                r = (U - u + 1) / (U - w)          transformers, get_linear_schedule_with_warmup
    /// cosine                (1 - cos(pi r)) / 2                transformers, get_cosine_schedule_with_warmup
    /// constant, plateau     1                                  transformers, get_constant_schedule_with_warmup
    /// ```
    ///
    /// The second and third are at least 0 and, in a warm-up that is longer than `U`, 1.
    pub fn fall(self, update: u64, warm_up: u64, length: u64) -> f64 {
        let left = (length + 1).saturating_sub(update) as f64;
        let rest = match length.saturating_sub(warm_up) {
            0 => 1.0,
            updates => (left / updates as f64).min(1.0),
        };
        match self {
            Schedule::InverseSquareRoot => (warm_up as f64 / update as f64).sqrt(),
            Schedule::Linear => rest,
            Schedule::Cosine => (1.0 - (PI * rest).cos()) / 2.0,
            Schedule::Constant | Schedule::Plateau => 1.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::TrainingSettings;

    /// Lines of a name and numbers, written by `make.py` beside the file.
    const FIXTURE: &str = include_str!("../fixtures/schedules/rates.txt");

    fn numbers(name: &str) -> Vec<f64> {
        let line = FIXTURE.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let line = line.unwrap_or_else(|| panic!("no {name}"));
        line.split(' ').map(|number| number.parse().unwrap()).collect()
    }

    fn settings(schedule: Schedule, updates: u64) -> TrainingSettings {
        let (learning_rate, warm_up) = (7e-4, 40);
        TrainingSettings {
            learning_rate,
            warm_up,
            schedule,
            updates,
            ..TrainingSettings::default()
        }
    }

    /// The step `s` of a schedule of transformers is the rate of its update `s + 1`: our rise is one update ahead of it, and
    /// our fall is level with it, but for the inverse square root.
    #[test]
    fn schedules_rise_and_fall_as_transformers_do() {
        let all = [
            ("inverse-square-root", Schedule::InverseSquareRoot),
            ("linear", Schedule::Linear),
            ("cosine", Schedule::Cosine),
            ("constant", Schedule::Constant),
        ];
        for (name, schedule) in all {
            let (settings, rates) = (settings(schedule, 200), numbers(name));
            for update in 1..=200 {
                let is_level = update > 40 && schedule != Schedule::InverseSquareRoot;
                let expected = rates[if is_level { update - 1 } else { update }];
                let found = settings.learning_rate_at(update as u64);
                assert!((found - expected).abs() < 1e-15, "{name}, {update}: {found}, {expected}");
            }
        }
    }

    #[test]
    fn a_plateau_is_pytorchs() {
        let (losses, rates) = (numbers("losses"), numbers("plateau"));
        let (mut plateau, mut best) = (Plateau::default(), f64::INFINITY);
        let mut falls = 0;
        for (number, (loss, expected)) in losses.into_iter().zip(rates).enumerate() {
            let progress = if loss < best { Progress::Better } else { Progress::NoBetter };
            best = best.min(loss);
            falls += u64::from(plateau.validated(progress, 0.3, 3));
            let found = 7e-4 * plateau.factor();
            assert!((found - expected).abs() < 1e-15, "validation {number}: {found}, {expected}");
        }
        assert_eq!(falls, 3);
    }

    #[test]
    fn a_schedule_may_end_in_a_later_phase() {
        let whole = TrainingSettings { warm_up: 100, ..settings(Schedule::Linear, 1000) };
        let first = TrainingSettings { updates: 400, schedule_updates: 1000, ..whole.clone() };
        assert_eq!(first.learning_rate_at(400), whole.learning_rate_at(400));
        assert!(first.problems().is_empty());
        let short = TrainingSettings { schedule_updates: 399, ..first };
        assert_eq!(short.problems().len(), 1);
    }

    #[test]
    fn a_training_that_is_all_warm_up_has_a_rate() {
        for schedule in [Schedule::Linear, Schedule::Cosine] {
            assert!((settings(schedule, 30).learning_rate_at(30) - 5.25e-4).abs() < 1e-12);
        }
    }
}
