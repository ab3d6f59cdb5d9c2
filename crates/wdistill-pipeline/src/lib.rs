//! From a parallel corpus to distilled students: recipes, methods, stages, reports.
//!
//! [`Pipeline`] carries out a [`Recipe`]: teacher, pseudo data, students, evaluation, speed. Each is a stage that is
//! skipped while its inputs stay the same and resumed if it was cut off. A [`Method`] is a value: what a student learns
//! from, and where its weights come from.

mod clean;
mod corpora;
mod data;
mod disk;
mod error;
mod estimate;
mod follow;
mod job;
mod lengths;
mod machine;
mod messages;
mod methods;
mod names;
mod pipeline;
mod plan;
mod progress;
mod recipe;
mod run;
mod run_folder;
mod settings;
mod shapes;
mod shards;
mod stage;
mod stages;
mod translating;
mod watch;

pub use clean::{Cleaned, Removal, Stay, clean};
pub use data::{StoredText, TextSet};
pub use error::PipelineError;
pub use estimate::{Estimate, StageEstimate, estimate};
pub use follow::follow;
pub use job::{DistillJob, TrainJob};
pub use machine::peak_memory;
pub use messages::{Listener, listen, message};
pub use methods::{CUT, LearnsFrom, METHODS, Method, Origin, Phases, Role, WD};
pub use names::{GENERATOR, IMPORTED_TEACHER, TEACHER};
pub use pipeline::{Caution, Pipeline, RunOptions};
pub use plan::{Plan, ResolvedSystem, ResolvedTeacher, StudentBase, VocabularyOrigin};
pub use progress::{Display, Progress};
pub use recipe::{
    Choice, Key, KeyTable, ModelRecipe, RECIPE, Recipe, Settings, SystemRecipe, TeacherRecipe,
    VocabularyRecipe, key_tables, renamed, with_changes,
};
pub use run_folder::RunFolder;
pub use settings::{
    BackTranslationRecipe, BenchmarkRecipe, CorpusRecipe, Cycle, DataRecipe, Duplicates,
    FilterRecipe, Keep, LanguageCheck, MixtureRecipe, ModifierRecipe, PairFormat, Pairs,
    PseudoDataRecipe, ScoreRecipe, SourceRecipe, TeacherDecoder, TextPair,
};
pub use shapes::{
    MeasuredIn, MeasuredShape, Measuring, Vary, largest_at, measure_shape, student_shapes,
};
pub use shards::{Part, PseudoReport, SHARD};
pub use stage::{Fingerprint, Stages, is_stage};
pub use stages::{
    Evaluation, Finished, Prepared, Speed, Standing, SystemValidation, Teachers, Trained,
    TrainingResult, benchmark, translate_corpus,
};
pub use translating::Untranslated;
pub use watch::watch;
