//! Where training is computed.

use crate::error::TrainError;
use crate::host::{HostLearner, Lesson};
use crate::learner::Learner;
use crate::trainable::Trainee;

/// A machine that can train: each has a learner of its own, and a line here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// This machine's processor.
    Host {
        /// Threads of a batch's shares.
        threads: usize,
    },
}

impl Device {
    /// A learner that computes there.
    ///
    /// # Errors
    /// What the machine brings.
    pub fn learner<'a>(
        self,
        trainee: Trainee,
        lesson: Lesson<'a>,
    ) -> Result<Box<dyn Learner + 'a>, TrainError> {
        match self {
            Device::Host { threads } => Ok(Box::new(HostLearner::start(trainee, lesson, threads)?)),
        }
    }
}
