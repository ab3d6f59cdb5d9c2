//! Training: a loop over updates, validations, snapshots and checkpoints, and a learner that computes.
//!
//! * [`Run`] is the one training loop, for teachers, generators and students. It knows a [`Learner`], and nothing of the
//!   machine that computes; it tells an [`Observer`] how it goes, and draws nothing.
//! * [`Ranks`] are the programs that work on one run together, [`Alone`] if there is one. The first has the loop; the others
//!   [`follow`] it.
//! * [`Device`] is the list of machines that can train. [`HostLearner`] computes on this machine's processor, over a tape.
//!   What is trained is a [`Trainee`]: a model's own weights, or a generator through the student that it makes.
//!   [`Parameters`] are flat buffers over one layout.

mod batch;
mod checkpoint;
mod decode;
mod device;
mod divergence;
mod error;
mod follow;
mod freezing;
mod guide;
mod host;
mod interrupt;
mod learner;
mod length;
mod log;
mod observer;
mod optimiser;
mod order;
mod pass;
mod ranks;
mod run;
mod schedule;
mod score;
mod selection;
mod settings;
mod shipment;
mod teacher;
mod team;
mod tensorboard;
mod trainable;
mod validation;
mod worker;

pub use batch::Batch;
pub use device::Device;
pub use divergence::{Divergence, Off, above_uniform};
pub use error::TrainError;
pub use follow::{Work, answer, ask, dismiss, follow};
pub use freezing::freezing_problems;
pub use guide::Guide;
pub use host::HostLearner;
pub use interrupt::{Interrupt, Reaction, Willing};
pub use learner::{Clipping, Learner, Parameters, StepReport, Weights};
pub use length::{Epoch, Length};
pub use log::{EVENTS_FILE, Event, LINES_FILE, OtherScores, TrainingEvent, ValidationEvent, now};
pub use observer::{Happening, Observer, Unobserved};
pub use ranks::{
    Alone, Pieces, Ranks, Threads, count_problem, introduce, join_pieces, sum_into_pieces, threads,
};
#[cfg(feature = "mpi")]
pub use ranks::{Mpi, MpiSession};
pub use run::{BEST_FOLDER, Ended, KEPT_WHILE_TRAINING, Outcome, Run, SaveModel, has_checkpoint};
pub use schedule::Schedule;
pub use score::pair_losses;
pub use selection::{Candidate, Judgement, Selected};
pub use settings::{Criterion, Optimiser, Selection, Training, TrainingRecipe, TrainingSettings};
pub use teacher::check_inside;
pub use team::{Team, loss_in_text};
pub use trainable::Trainee;
pub use validation::{Decoded, Scores, Validator, line_by_line};
pub use worker::Lesson;
