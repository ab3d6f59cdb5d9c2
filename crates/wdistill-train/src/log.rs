//! What a run writes down as it goes: `metrics.jsonl`, and the same for TensorBoard.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize};
use wdistill_base::{FileError, atomic_write};

use crate::error::TrainError;
use crate::tensorboard;

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

    /// When it was written, in UTC; empty in a log of an earlier version.
    pub fn time(&self) -> &str {
        match self {
            Event::Training(event) => &event.time,
            Event::Validation(event) => &event.time,
        }
    }
}

/// Now, in UTC: `2026-11-28T16:50:37Z`.
pub fn now() -> String {
    humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string()
}

/// Means over some updates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingEvent {
    /// Updates done.
    pub updates: u64,
    /// Label-smoothed cross-entropy a target token, in nats; under word-level distillation mixed with
    /// the cross-entropy with the teacher's distribution, which a validation's is not.
    pub loss: f64,
    /// What a student misses of its teacher's states and relations, or a head of word alignments, times their weights, a target
    /// token: it is added to the loss, and this number is not part of that one.
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
    /// When it was written, in UTC.
    #[serde(default)]
    pub time: String,
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
    /// Of other texts, by their names; they decide nothing.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub others: BTreeMap<String, OtherScores>,
    /// Seconds of training since the run began.
    pub seconds: f64,
    /// When it was written, in UTC.
    #[serde(default)]
    pub time: String,
}

/// What a validation found in a text that decides nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OtherScores {
    /// Label-smoothed cross-entropy a target token, in nats.
    pub loss: f64,
    /// BLEU of decoded text; absent if the criterion is the loss.
    pub bleu: Option<f64>,
    /// chrF of decoded text; absent if the criterion is the loss.
    pub chrf: Option<f64>,
}

/// JSON has no infinity.
pub(crate) fn finite_or_infinite<'d, D: Deserializer<'d>>(
    deserializer: D,
) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::INFINITY))
}

/// The log of a run, in two files: lines of JSON, and events of TensorBoard.
pub struct MetricsLog {
    lines: Appended,
    events: Appended,
}

/// The lines of a log, in the folder of its training.
pub const LINES_FILE: &str = "metrics.jsonl";

/// The same for TensorBoard, which knows its files by the middle of their names.
pub const EVENTS_FILE: &str = "events.out.tfevents.wdistill";

/// A file that grows.
struct Appended {
    path: PathBuf,
    file: File,
}

impl Appended {
    /// Replaces what is there.
    fn begin(path: PathBuf, content: &[u8]) -> Result<Appended, TrainError> {
        atomic_write(&path, content)?;
        let file =
            File::options().append(true).open(&path).map_err(FileError::when("open", &path))?;
        Ok(Appended { path, file })
    }

    fn write(&mut self, content: &[u8]) -> Result<(), TrainError> {
        Ok(self.file.write_all(content).map_err(FileError::when("write", &self.path))?)
    }
}

impl MetricsLog {
    /// Opens the log of a run that goes on after these events. What else the files hold, of a run that was killed before its
    /// next checkpoint or that was changed, is replaced: the run itself remembers its events.
    ///
    /// # Errors
    /// [`TrainError::Io`].
    pub fn open(folder: &Path, events: &[Event]) -> Result<MetricsLog, TrainError> {
        let lines: String = events.iter().map(line).collect();
        let begun = events.first().map_or_else(now, |event| event.time().to_string());
        let first = tensorboard::version(seconds_of(&begun));
        let records: Vec<u8> = first.into_iter().chain(events.iter().flat_map(record)).collect();
        Ok(MetricsLog {
            lines: Appended::begin(folder.join(LINES_FILE), lines.as_bytes())?,
            events: Appended::begin(folder.join(EVENTS_FILE), &records)?,
        })
    }

    /// Appends an event.
    ///
    /// # Errors
    /// [`TrainError::Io`].
    pub fn write(&mut self, event: &Event) -> Result<(), TrainError> {
        self.lines.write(line(event).as_bytes())?;
        self.events.write(&record(event))
    }
}

/// Seconds since 1970 of a time as [`now`] gives it; 0 for that of an earlier version's log, which has none.
fn seconds_of(time: &str) -> f64 {
    let time = humantime::parse_rfc3339(time).ok();
    let since = time.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    since.map_or(0.0, |since| since.as_secs_f64())
}

/// An event for TensorBoard.
fn record(event: &Event) -> Vec<u8> {
    let numbers = match event {
        Event::Training(event) => vec![
            ("training/loss".to_string(), Some(event.loss)),
            ("training/inside".to_string(), Some(event.inside).filter(|inside| *inside != 0.0)),
            ("training/perplexity".to_string(), Some(event.perplexity)),
            ("training/learning_rate".to_string(), Some(event.learning_rate)),
            ("training/gradient_norm".to_string(), Some(event.gradient_norm)),
            ("training/tokens_per_second".to_string(), Some(event.tokens_per_second)),
        ],
        Event::Validation(event) => {
            let others =
                event.others.iter().flat_map(|(name, OtherScores { loss, bleu, chrf })| {
                    let scores = [("loss", Some(*loss)), ("bleu", *bleu), ("chrf", *chrf)];
                    scores.map(|(score, number)| (format!("validation/{name}/{score}"), number))
                });
            let first = [
                ("validation/loss".to_string(), Some(event.loss)),
                ("validation/perplexity".to_string(), Some(event.perplexity)),
                ("validation/bleu".to_string(), event.bleu),
                ("validation/chrf".to_string(), event.chrf),
            ];
            first.into_iter().chain(others).collect()
        }
    };
    let numbers: Vec<(&str, f64)> =
        numbers.iter().filter_map(|(tag, number)| Some((tag.as_str(), (*number)?))).collect();
    tensorboard::scalars(seconds_of(event.time()), event.updates(), &numbers)
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
            others: BTreeMap::from([(
                "talks".to_string(),
                OtherScores { loss: 3.0, bleu: None, chrf: Some(40.0) },
            )]),
            seconds: 1.0,
            time: "2026-11-28T16:50:37Z".to_string(),
        })
    }

    fn lines(path: &Path) -> Vec<Event> {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_log_is_what_the_run_remembers_and_what_comes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(LINES_FILE);
        std::fs::write(&path, "changed\n{\"kind\":\"trai").unwrap();
        let remembered = [validation(10), validation(20)];
        let mut log = MetricsLog::open(folder.path(), &remembered).unwrap();
        log.write(&validation(30)).unwrap();
        assert_eq!(lines(&path), [10, 20, 30].map(validation));
        // 2026-11-28T16:50:37Z by GNU date.
        let time = 1_795_884_637.0;
        let records = [10, 20, 30].map(|updates| record(&validation(updates)));
        let expected = [tensorboard::version(time), records.concat()].concat();
        assert_eq!(std::fs::read(folder.path().join(EVENTS_FILE)).unwrap(), expected);
    }

    #[test]
    fn an_infinite_perplexity_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(LINES_FILE);
        let Event::Validation(event) = validation(10) else { unreachable!() };
        let event = Event::Validation(ValidationEvent { perplexity: f64::INFINITY, ..event });
        MetricsLog::open(folder.path(), &[]).unwrap().write(&event).unwrap();
        assert_eq!(lines(&path), [event]);
    }
}
