//! The stages of a run, a file each: work that is done once, skipped while its inputs stay the same, and resumed if it was
//! cut off.

mod back_translation;
mod benchmark;
mod evaluate;
mod pairs;
mod prepare;
mod pseudo;
mod report;
mod scores;
mod sources;
mod train;
mod validate;

pub use benchmark::{Speed, benchmark};
pub use evaluate::{Evaluation, Finished, FinishedSystem, TriedRate};
pub use prepare::Prepared;
pub use pseudo::translate_corpus;
pub(crate) use report::point;
pub use train::{Teachers, Trained, TrainingResult};
pub use validate::{Standing, SystemValidation};
