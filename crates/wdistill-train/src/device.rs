//! Where training is computed.

use crate::error::TrainError;
use crate::host::HostLearner;
use crate::learner::Learner;
use crate::ranks::Ranks;
use crate::trainable::Trainee;
use crate::worker::Lesson;

/// A machine that can train: each has a learner of its own, and a line here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// This machine's processor, and those of the other ranks.
    Host {
        /// Threads of this rank's shares of a batch.
        threads: usize,
    },
}

impl Device {
    /// A learner that computes there, together with the others if there are more ranks than this one.
    ///
    /// # Errors
    /// What the machine brings.
    pub fn learner<'a>(
        self,
        trainee: Trainee,
        lesson: Lesson<'a>,
        ranks: &'a dyn Ranks,
    ) -> Result<Box<dyn Learner + 'a>, TrainError> {
        match self {
            Device::Host { threads } => {
                Ok(Box::new(HostLearner::over(ranks, trainee, lesson, threads)?))
            }
        }
    }
}
