//! What a run will take on this machine: parameters, memory, disk and hours of each stage, before anything starts.
//!
//! Speeds and memory are measured: untrained models of the plan's shapes make a few updates and translate a few sentences,
//! made-up ones whose lengths are those of the plan's texts. Everything else is counted or worked out from that.

mod measure;
mod stages;
mod texts;

use std::time::Duration;

use crate::error::PipelineError;
use crate::plan::Plan;
use crate::progress::{Display, Progress};
use measure::Measure;
use stages::Stages;
use texts::Texts;

/// What a run will take.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// Its stages, in their order.
    pub stages: Vec<StageEstimate>,
    /// What the numbers rest on, a line each.
    pub notes: Vec<String>,
}

/// What a stage will take.
#[derive(Clone, Debug, PartialEq)]
pub struct StageEstimate {
    /// Its folder.
    pub name: String,
    /// How often it is carried out: once for each learning rate that is tried, and for each further seed.
    pub times: u64,
    /// Numbers that it trains, or of the model that it decodes with; 0 for the texts.
    pub parameters: u64,
    /// Updates each time; none for a stage that only translates.
    pub updates: Option<u64>,
    /// Seconds of an update, as they were measured.
    pub seconds_per_update: Option<f64>,
    /// Seconds of all times together, with the validations.
    pub seconds: f64,
    /// The most memory in bytes; none where it was not measured.
    pub memory: Option<u64>,
    /// Bytes on the disk of all times together.
    pub disk: u64,
}

impl Estimate {
    /// Time of all stages.
    pub fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.stages.iter().map(|stage| stage.seconds).sum())
    }

    /// Bytes on the disk of all stages.
    pub fn disk(&self) -> u64 {
        self.stages.iter().map(|stage| stage.disk).sum()
    }

    /// The most memory of any stage, in bytes.
    pub fn memory(&self) -> Option<u64> {
        self.stages.iter().filter_map(|stage| stage.memory).max()
    }
}

/// Measures what a plan will take on so many threads. It trains and translates for some seconds for each shape, and writes
/// nothing.
///
/// # Errors
/// [`PipelineError::Text`] for texts that cannot be read, and what a shape that cannot be trained brings.
pub fn estimate(plan: &Plan, threads: usize, display: Display) -> Result<Estimate, PipelineError> {
    let progress = Progress::busy(display, "plan", "reading the texts");
    let texts = Texts::read(plan)?;
    progress.finish();
    let progress = Progress::new(display, "plan", 0);
    let mut measure = Measure::new(plan, &texts, threads, &progress);
    let stages = Stages { plan, texts: &texts }.estimate(&mut measure)?;
    progress.finish();
    let notes = notes(&texts, threads);
    Ok(Estimate { stages, notes })
}

fn notes(texts: &Texts, threads: usize) -> Vec<String> {
    let memory = match crate::machine::peak_memory() {
        Some(_) => "the most that the process had while it was measured",
        None => "not known on this system",
    };
    vec![
        format!(
            "measured on {threads} threads: seconds of an update, of a validation and of a translation, by untrained models on \
             made-up sentences as long as those of the texts; another program on this machine makes them longer"
        ),
        format!("memory: {memory}"),
        "disk: what stays when a stage is finished, worked out; a checkpoint that is replaced is there twice for a moment"
            .to_string(),
        texts.note(),
        "updates of lengths in epochs or tokens are estimated: by these pairs and the weights of the first stage"
            .to_string(),
        "not in it: learning subwords and word alignments, scoring pairs for a filter, solving layers for a fitted start, and the time that patience may save"
            .to_string(),
    ]
}
