//! What a run writes down as it goes: `metrics.jsonl`.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize};
use wdistill_base::{FileError, atomic_write};

use crate::error::TrainError;

/// One line of `metrics.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Event {
    /// Means over the updates since the line before.
    Training(TrainingEvent),
    /// A validation.
    Validation(ValidationEvent),
}

impl Event {
    /// Updates done when it was written.
    pub fn updates(&self) -> u64 {
        match self {
            Event::Training(event) => event.updates,
            Event::Validation(event) => event.updates,
        }
    }
}

/// Means over some updates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingEvent {
    /// Updates done.
    pub updates: u64,
    /// Label-smoothed cross-entropy a target token, in nats; under word-level distillation mixed with
    /// the cross-entropy with the teacher's distribution, which a validation's is not.
    pub loss: f64,
    /// What a student misses of its teacher's states and relations, times their weights, a target token: it is added to the
    /// loss, and this number is not part of that one.
    #[serde(default)]
    pub inside: f64,
    /// `e` to the negative log-likelihood a token; in the file `null` if that is infinite.
    #[serde(deserialize_with = "finite_or_infinite")]
    pub perplexity: f64,
    /// Of the last update.
    pub learning_rate: f64,
    /// Mean norm of the gradient before clipping.
    pub gradient_norm: f64,
    /// Updates whose gradient was clipped.
    pub clipped_updates: u64,
    /// Target tokens.
    pub tokens: u64,
    /// Target tokens a second.
    pub tokens_per_second: f64,
    /// Seconds of training since the run began, without the time between interruptions.
    pub seconds: f64,
}

/// One validation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ValidationEvent {
    /// Updates done.
    pub updates: u64,
    /// Label-smoothed cross-entropy a target token, in nats.
    pub loss: f64,
    /// `e` to the negative log-likelihood a token; in the file `null` if that is infinite.
    #[serde(deserialize_with = "finite_or_infinite")]
    pub perplexity: f64,
    /// BLEU of decoded text; absent if the criterion is the loss.
    pub bleu: Option<f64>,
    /// chrF of decoded text; absent if the criterion is the loss.
    #[serde(default)]
    pub chrf: Option<f64>,
    /// Whether it is the best so far.
    pub best: bool,
    /// Translations that were cut at the maximum length.
    pub cut_translations: usize,
    /// Seconds of training since the run began.
    pub seconds: f64,
}

/// JSON has no infinity.
pub(crate) fn finite_or_infinite<'d, D: Deserializer<'d>>(
    deserializer: D,
) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::INFINITY))
}

/// `metrics.jsonl` of a run.
pub struct MetricsLog {
    path: PathBuf,
    file: File,
}

impl MetricsLog {
    /// Opens the log of a run that goes on after these events. What else the file holds, lines of a run that was killed
    /// before its next checkpoint or lines that were changed, is replaced: the run itself remembers its events.
    ///
    /// # Errors
    /// [`TrainError::Io`].
    pub fn open(path: &Path, events: &[Event]) -> Result<MetricsLog, TrainError> {
        let text: String = events.iter().map(line).collect();
        atomic_write(path, text.as_bytes())?;
        let file =
            File::options().append(true).open(path).map_err(FileError::when("open", path))?;
        Ok(MetricsLog { path: path.to_path_buf(), file })
    }

    /// Appends a line.
    ///
    /// # Errors
    /// [`TrainError::Io`].
    pub fn write(&mut self, event: &Event) -> Result<(), TrainError> {
        self.file
            .write_all(line(event).as_bytes())
            .map_err(FileError::when("write", &self.path))?;
        Ok(())
    }
}

fn line(event: &Event) -> String {
    serde_json::to_string(event).expect("an event is plain data") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn validation(updates: u64) -> Event {
        Event::Validation(ValidationEvent {
            updates,
            loss: 2.5,
            perplexity: 9.0,
            bleu: Some(20.0),
            chrf: Some(50.0),
            best: true,
            cut_translations: 0,
            seconds: 1.0,
        })
    }

    fn lines(path: &Path) -> Vec<Event> {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_log_is_what_the_run_remembers_and_what_comes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        std::fs::write(&path, "changed\n{\"kind\":\"trai").unwrap();
        let remembered = [validation(10), validation(20)];
        let mut log = MetricsLog::open(&path, &remembered).unwrap();
        log.write(&validation(30)).unwrap();
        assert_eq!(lines(&path), [10, 20, 30].map(validation));
    }

    #[test]
    fn an_infinite_perplexity_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let Event::Validation(event) = validation(10) else { unreachable!() };
        let event = Event::Validation(ValidationEvent { perplexity: f64::INFINITY, ..event });
        MetricsLog::open(&path, &[]).unwrap().write(&event).unwrap();
        assert_eq!(lines(&path), [event]);
    }
}
