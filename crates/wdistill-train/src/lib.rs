//! From a parallel corpus to a distilled student: training, pseudo data, stages, report.
//!
//! * [`Run`] is the one training loop. What it trains is a [`Trainable`]: a model's own weights, or a
//!   generator through the student that it makes.
//! * [`Pipeline`] carries out a [`Recipe`]: teacher, pseudo data, students, evaluation, speed. Each is a
//!   stage that is skipped while its inputs stay the same and resumed if it was cut off.

mod benchmark;
mod checkpoint;
mod data;
mod divergence;
mod error;
mod interrupt;
mod log;
mod machine;
mod messages;
mod pipeline;
mod pseudo;
mod recipe;
mod run_folder;
mod selection;
mod settings;
mod stage;
mod step;
mod trainable;
mod trainer;
mod validation;

pub use benchmark::{Speed, benchmark};
pub use data::{TextSet, encode, limits, read_pair};
pub use divergence::{Divergence, Off};
pub use error::TrainError;
pub use interrupt::{Interrupt, Reaction};
pub use log::{Display, Event, Progress, TrainingEvent, ValidationEvent, read_events};
pub use machine::{describe as describe_machine, peak_memory};
pub use messages::message;
pub use pipeline::{
    Caution, Evaluation, Finished, Pipeline, Prepared, RunOptions, Standing, SystemValidation,
    Trained, TrainingResult,
};
pub use pseudo::{PseudoReport, translate_corpus};
pub use recipe::{
    BenchmarkRecipe, DataRecipe, Duplicates, IMPORTED_TEACHER, Method, ModelRecipe, Pairs, Recipe,
    Resolved, ResolvedSystem, ResolvedTeacher, SystemRecipe, TEACHER, TeacherRecipe, TextPair,
    VocabularyOrigin, VocabularyRecipe, pseudo_data_decoding, with_changes,
};
pub use run_folder::RunFolder;
pub use selection::{Candidate, Judgement, Selected};
pub use settings::{Criterion, Selection, TrainingSettings};
pub use stage::{Fingerprint, Stages, is_stage};
pub use step::{
    Batch, Clipping, Moments, Pass, SHARES, StepReport, Team, Update, WordTeacher, optimiser_step,
    run_batch, shares,
};
pub use trainable::{DenseModel, GeneratedStudent, Trainable};
pub use trainer::{BEST_FOLDER, Ended, Outcome, Run, SaveModel};
pub use validation::{Decoded, Scores, Validator, line_by_line};
