//! Lengths of trainings in epochs and tokens, which become updates once the text is there.

use std::path::Path;

use wdistill_base::Problem;
use wdistill_corpus::{Batches, Mixture, MixtureStage, Part};
use wdistill_text::BatchSettings;
use wdistill_train::{Epoch, Length, TrainingRecipe, TrainingSettings};

use crate::corpora::MixedParts;
use crate::error::PipelineError;
use crate::stage::{read, write};

/// The size of an epoch, in the folder of a training that is asked for in epochs or tokens.
const EPOCH_FILE: &str = "epoch.json";

/// What a training learns from, and how, with all lengths in updates. If any has another unit, the first epoch is counted, and
/// kept in the training's folder.
///
/// # Errors
/// [`PipelineError::Settings`] for stages that end before they begin, and lengths that contradict each other once they are
/// updates; what reading brings.
pub(crate) fn in_updates(
    stages: Vec<MixedParts>,
    recipe: &TrainingRecipe,
    seed: u64,
    folder: &Path,
) -> Result<(Mixture, TrainingSettings), PipelineError> {
    let known = |stage: &MixedParts| stage.until.is_none_or(Length::is_in_updates);
    let epoch = match recipe.is_in_updates() && stages.iter().all(known) {
        true => None,
        false => Some(epoch_of(&stages[0].parts, recipe, seed, folder)?),
    };
    let settings = recipe.in_updates(epoch);
    let stages: Vec<MixtureStage> = stages
        .into_iter()
        .map(|MixedParts { until, parts }| MixtureStage {
            until: until.map(|end| end.in_updates(epoch)),
            parts,
        })
        .collect();
    let ends: Vec<u64> = stages.iter().filter_map(|stage| stage.until).collect();
    let mut problems: Vec<Problem> = settings.problems().into_iter().map(Problem::from).collect();
    if !ends.is_sorted_by(|one, next| one < next) {
        problems
            .push(format!("the stages end at the updates {ends:?}, expected rising ones").into());
    }
    match problems.is_empty() {
        true => Ok((Mixture::in_stages(stages), settings)),
        false => {
            let place = "the lengths, in updates".to_string();
            Err(PipelineError::Settings { place, problems })
        }
    }
}

/// The epoch of these parts: counted when the training begins, read when it goes on.
fn epoch_of(
    parts: &[Part],
    recipe: &TrainingRecipe,
    seed: u64,
    folder: &Path,
) -> Result<Epoch, PipelineError> {
    let path = folder.join(EPOCH_FILE);
    if let Some(epoch) = read(&path)? {
        return Ok(epoch);
    }
    let mixture = Mixture::of(parts.to_vec());
    let batches = BatchSettings { max_tokens: recipe.max_tokens };
    let size = Batches::new(&mixture, batches, seed)?.size_of_an_epoch()?;
    let updates = size.batches as f64 / recipe.accumulation as f64;
    let epoch = Epoch { updates, tokens: size.target_tokens };
    write(&path, &epoch)?;
    Ok(epoch)
}

/// How many updates a training of a run has; none if it is not in updates, and has not begun.
///
/// # Errors
/// [`PipelineError::Content`] for a damaged file.
pub(crate) fn updates_of(
    recipe: &TrainingRecipe,
    folder: &Path,
) -> Result<Option<u64>, PipelineError> {
    if let Length::Updates(updates) = recipe.updates {
        return Ok(Some(updates));
    }
    let epoch = read::<Epoch>(&folder.join(EPOCH_FILE))?;
    Ok(epoch.map(|epoch| recipe.updates.in_updates(Some(epoch))))
}
