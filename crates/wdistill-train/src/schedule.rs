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
}

impl Schedule {
    /// The part of the highest rate that an update has, if it comes after the warm-up. With update `u`, counted from 1,
    /// warm-up `w` and length `U`:
    ///
    /// ```text
    /// inverse square root   sqrt(w / u)                        fairseq, inverse_square_root_schedule.py
    /// linear                r = (U - u + 1) / (U - w)          transformers, get_linear_schedule_with_warmup
    /// cosine                (1 - cos(pi r)) / 2                transformers, get_cosine_schedule_with_warmup
    /// constant              1                                  transformers, get_constant_schedule_with_warmup
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
            Schedule::Constant => 1.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Schedule;
    use crate::settings::TrainingSettings;

    fn close(schedule: Schedule, updates: u64, expected: &[(u64, f64)]) {
        let warm_up = 4000;
        let settings =
            TrainingSettings { warm_up, schedule, updates, ..TrainingSettings::default() };
        for (update, rate) in expected {
            let ours = settings.learning_rate_at(*update);
            assert!((ours - rate).abs() < 1e-9, "{schedule:?}, {update}: {ours}, not {rate}");
        }
    }

    #[test]
    fn schedules_rise_linearly_and_fall_as_they_say() {
        let inverse = [(1, 7e-4 / 4000.0), (2000, 3.5e-4), (4000, 7e-4), (16_000, 3.5e-4)];
        close(Schedule::InverseSquareRoot, 20_000, &inverse);
        // transformers 4.57: get_linear_schedule_with_warmup(optimizer, 4000, 20000), the rate of each of its steps;
        // its rise is one update behind.
        let linear = [(2000, 3.5e-4), (4001, 7e-4), (8001, 5.25e-4), (20_000, 4.375e-8)];
        close(Schedule::Linear, 20_000, &linear);
        // get_cosine_schedule_with_warmup, the same.
        let cosine =
            [(2000, 3.5e-4), (4001, 7e-4), (8001, 5.974_873_734_152_917e-4), (12_001, 3.5e-4)];
        close(Schedule::Cosine, 20_000, &cosine);
        // get_constant_schedule_with_warmup, the same.
        close(Schedule::Constant, 20_000, &[(2000, 3.5e-4), (4001, 7e-4), (20_000, 7e-4)]);
    }

    #[test]
    fn a_schedule_may_end_in_a_later_phase() {
        let whole = TrainingSettings {
            updates: 1000,
            warm_up: 100,
            schedule: Schedule::Linear,
            ..TrainingSettings::default()
        };
        let first = TrainingSettings { updates: 400, schedule_updates: 1000, ..whole.clone() };
        assert_eq!(first.learning_rate_at(400), whole.learning_rate_at(400));
        assert!(first.problems().is_empty());
        let short = TrainingSettings { schedule_updates: 399, ..first };
        assert_eq!(short.problems().len(), 1);
    }

    #[test]
    fn a_training_that_is_all_warm_up_has_a_rate() {
        close(Schedule::Linear, 3000, &[(3000, 5.25e-4)]);
        close(Schedule::Cosine, 3000, &[(3000, 5.25e-4)]);
    }
}
