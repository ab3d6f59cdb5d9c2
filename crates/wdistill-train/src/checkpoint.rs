//! Everything a run needs to go on as if it had never stopped, in one file.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use wdistill_base::{Hinted, Problem, hash_bytes};
use wdistill_corpus::{Modifications, Position};
use wdistill_formats::{Tensor, read_tensors, write_tensors};

use crate::divergence::Watch;
use crate::error::TrainError;
use crate::learner::Parameters;
use crate::log::Event;
use crate::schedule::Plateau;
use crate::selection::Judgement;

/// Sums since the last line of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// Smoothed loss.
    pub smoothed: f64,
    /// Negative log-likelihood.
    pub negative_log_likelihood: f64,
    /// What was missed of the teacher's states and relations.
    #[serde(default)]
    pub inside: f64,
    /// Target tokens.
    pub tokens: u64,
    /// Gradient norms.
    pub gradient_norms: f64,
    /// Updates.
    pub updates: u64,
    /// Updates whose gradient was clipped.
    pub clipped: u64,
    /// Seconds.
    pub seconds: f64,
}

/// A validation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Validated {
    /// Updates done.
    pub updates: u64,
    /// What it found.
    pub judgement: Judgement,
}

/// How far a run has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// What the run was told, as one text; a checkpoint of other settings is refused.
    pub fingerprint: String,
    /// Updates done.
    pub updates: u64,
    /// The next batch.
    pub position: Position,
    /// How many of the pairs so far had been changed, in each way.
    #[serde(default, skip_serializing_if = "Modifications::is_empty")]
    pub modified: Modifications,
    /// Sums since the last line of the log.
    pub window: Window,
    /// Best validation.
    pub best: Option<Validated>,
    /// Last validation.
    pub last: Option<Validated>,
    /// Validations since then.
    pub stale_validations: u64,
    /// How far the rate has fallen, for a schedule that waits for validations.
    #[serde(default)]
    pub plateau: Plateau,
    /// Updates at which there are snapshots, rising.
    pub snapshots: Vec<u64>,
    /// The training loss, watched for divergence.
    pub watch: Watch,
    /// Seconds of training.
    pub seconds: f64,
    /// Lines of the log so far: the file may be lost or changed, and a report shows what happened.
    pub events: Vec<Event>,
}

const STATE: &str = "state";

/// Hash of the state's text, which the file's own checksum, of its numbers, does not see.
const STATE_HASH: &str = "state-hash";

/// The way out of a checkpoint that cannot be used.
const AGAIN: &str = "remove it, and the stage starts again";

/// Writes parameters, moments and state; a kill at any moment leaves the old file or the new one.
///
/// # Errors
/// [`TrainError::Format`].
pub fn save(path: &Path, state: &State, parameters: &Parameters) -> Result<(), TrainError> {
    let ranges = parameters.layout.ranges();
    let tensors = parameters.buffers().into_iter().flat_map(|(kind, buffer)| {
        ranges.iter().map(move |named| {
            let data = &buffer[named.range.clone()];
            (format!("{kind}.{}", named.name), vec![data.len()], data)
        })
    });
    let text = serde_json::to_string(state).expect("a state is plain data");
    let hash = hash_bytes(text.as_bytes());
    let metadata = [(STATE, text), (STATE_HASH, hash)].map(|(name, text)| (name.to_string(), text));
    write_tensors(path, tensors, &BTreeMap::from(metadata))?;
    Ok(())
}

/// Reads a checkpoint into parameters, whose layout it has to have.
///
/// # Errors
/// [`TrainError::Checkpoint`] if it was written with other settings or for other parameters, or
/// [`TrainError::Format`].
pub fn load(
    path: &Path,
    fingerprint: &str,
    parameters: &mut Parameters,
) -> Result<State, TrainError> {
    let refuse_with_hint = |fact: String, hint: String| {
        let problem = Problem::with_hint(fact, hint);
        TrainError::Checkpoint { path: path.to_path_buf(), problem }
    };
    let refuse = |fact: String| refuse_with_hint(fact, AGAIN.to_string());
    let (mut tensors, metadata) = read_tensors(path).map_err(|error| {
        let hint = error.hint().map_or(AGAIN.to_string(), |hint| format!("{hint}; {AGAIN}"));
        refuse_with_hint(error.to_string(), hint)
    })?;
    let text = metadata.get(STATE).ok_or_else(|| refuse("it holds no state".to_string()))?;
    if metadata.get(STATE_HASH) != Some(&hash_bytes(text.as_bytes())) {
        return Err(refuse("its state is not what was written".to_string()));
    }
    let state: State =
        serde_json::from_str(text).map_err(|error| refuse(format!("its state: {error}")))?;
    if state.fingerprint != fingerprint {
        return Err(refuse_with_hint(
            format!(
                "it was written with other settings or data:\n  found    {}\n  expected {fingerprint}",
                state.fingerprint
            ),
            "choose another output folder, or remove this one to start over".to_string(),
        ));
    }
    let layout = parameters.layout.clone();
    for (kind, buffer) in parameters.buffers_mut() {
        for (named, place) in layout.ranges().iter().zip(layout.slices_mut(buffer)) {
            let name = format!("{kind}.{}", named.name);
            let Some(Tensor { data, .. }) = tensors.remove(&name) else {
                return Err(refuse(format!("it lacks {name}")));
            };
            if data.len() != place.len() {
                let (found, expected) = (data.len(), place.len());
                return Err(refuse(format!("{name} has {found} numbers, expected {expected}")));
            }
            place.copy_from_slice(&data);
        }
    }
    if let Some(name) = tensors.keys().next() {
        return Err(refuse(format!("it holds {name}, which this run does not train")));
    }
    Ok(state)
}
