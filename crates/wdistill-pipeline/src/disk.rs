//! How much room a training takes.

use wdistill_train::{Selection, TrainingSettings};

/// Bytes of a number in a file.
const NUMBER: u64 = 4;

/// Bytes that a finished training keeps: its checkpoint, with values, both moments and perhaps a moving average; its last
/// snapshots; the best model and the finished one. `trained` numbers are those of a generator, if there is one.
pub fn kept_by_training(settings: &TrainingSettings, trained: u64, parameters: u64) -> u64 {
    let buffers = match settings.selection {
        Selection::MovingAverage => 4,
        Selection::Last | Selection::Best | Selection::Average => 3,
    };
    let snapshots = settings.updates.div_ceil(settings.snapshot_every);
    let snapshots = snapshots.min(settings.average_last as u64);
    NUMBER * (buffers * trained + (snapshots + 2) * parameters)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The demonstration's teacher: 1,020,000 parameters in 40.8 MB.
    #[test]
    fn a_training_keeps_a_checkpoint_snapshots_and_two_models() {
        let settings = TrainingSettings { updates: 1000, snapshot_every: 50, ..Default::default() };
        assert_eq!(kept_by_training(&settings, 1_020_000, 1_020_000), 40_800_000);
        let moving = TrainingSettings { selection: Selection::MovingAverage, ..settings };
        assert_eq!(kept_by_training(&moving, 1_020_000, 1_020_000), 44_880_000);
    }
}
