//! What a run tells those who watch it.

use std::path::Path;

use wdistill_base::Problem;

use crate::log::{TrainingEvent, ValidationEvent};
use crate::selection::{Candidate, Selected};
use crate::settings::TrainingSettings;

/// Something that happened in a run.
pub enum Happening<'a> {
    /// The run goes on where it was cut off.
    Resumed {
        /// After so many updates.
        updates: u64,
    },
    /// The run was cut off before, but there is nothing to go on from.
    StartsAgain {
        /// The checkpoint that is not there.
        checkpoint: &'a Path,
    },
    /// An update is done.
    Updated {
        /// Means over the updates since the last line of the log.
        event: &'a TrainingEvent,
        /// How many these are.
        window: u64,
    },
    /// A line of the log is due.
    Logged {
        /// Means over the updates since the line before.
        event: &'a TrainingEvent,
        /// How many these are.
        window: u64,
    },
    /// A validation begins.
    Validating {
        /// Updates done.
        updates: u64,
    },
    /// A validation is done.
    Validated(&'a ValidationEvent),
    /// The rate falls, since no validation was better for as long as the schedule waits.
    Slower {
        /// What the settings' rate is multiplied by from now on.
        factor: f64,
    },
    /// No validation was better for as long as the settings allow.
    OutOfPatience {
        /// Updates done.
        updates: u64,
        /// The settings.
        settings: &'a TrainingSettings,
    },
    /// The run was asked to stop, and everything that was done is saved.
    Saved {
        /// Updates done.
        updates: u64,
    },
    /// Weights that could have been handed on cannot be read.
    LeftOut {
        /// Which; none for a snapshot of an average.
        candidate: Option<Candidate>,
        /// Why.
        problem: Problem,
    },
    /// An average has fewer snapshots than were asked for.
    FewSnapshots {
        /// How many there are.
        found: usize,
        /// How many were asked for.
        wanted: usize,
    },
    /// The weights that are handed on do worse on the validation text than a guess, though not so much worse that the
    /// settings give up.
    KnowsNothing {
        /// By how much.
        problem: String,
    },
    /// All updates are done.
    Trained,
    /// The weights that are handed on.
    Selected(&'a Selected),
}

/// Watches a run.
pub trait Observer {
    /// Is told what happened, when it happened.
    fn observe(&self, happening: Happening<'_>);
}

/// Watches nothing.
pub struct Unobserved;

impl Observer for Unobserved {
    fn observe(&self, _: Happening<'_>) {}
}
