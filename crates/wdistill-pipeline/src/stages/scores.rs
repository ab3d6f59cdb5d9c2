//! What models find of pairs to learn from: a stage for each corpus whose pairs are scored, in shards that several programs can
//! make.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use wdistill_base::{FileError, Pending, Problem, atomic_write, hash_bytes, hash_file};
use wdistill_corpus::{Corpus, PairScores, RawPair, score_of_share};
use wdistill_formats::{load_vocabularies, native};
use wdistill_model::{Dense, Model};
use wdistill_text::{EncodedCorpus, VocabularyPair};
use wdistill_train::{Team, pair_losses};

use crate::error::PipelineError;
use crate::names::TRAINING;
use crate::pipeline::Pipeline;
use crate::progress::Progress;
use crate::settings::ScoreRecipe;
use crate::shards::{Part, SHARD};
use crate::stage::{Fingerprint, MADE_AGAIN, read, write};
use crate::stages::pairs::Surveyed;
use crate::stages::train::model_hashes;

/// The scores of a corpus, in the folder of its stage: a float32 in little-endian bytes for each pair.
const SCORES: &str = "scores.bin";

/// Bytes of a score.
const SIZE: u64 = 4;

/// Tokens of a side above which a pair is not scored, as a multiple of those that the recipe allows: a model's subwords count
/// otherwise than those that are learned here.
const LONGEST: usize = 4;

/// Tokens of a batch.
const BATCH: usize = 4096;

/// Shares of the work, for the threads.
const SHARES: usize = 2;

/// What the stage finds.
#[derive(Serialize, Deserialize)]
struct Found {
    pairs: u64,
}

/// A model that scores.
struct Scorer {
    model: Model<Dense<f32>>,
    vocabularies: VocabularyPair,
}

impl Scorer {
    fn open(folder: &Path) -> Result<Scorer, PipelineError> {
        let model = native::load(folder)?;
        let vocabularies = load_vocabularies(folder, &model.config)?;
        Ok(Scorer { model, vocabularies })
    }

    /// The cross-entropies of pairs; infinite for those that are too long, or that have an empty side.
    fn losses(
        &self,
        sources: &[&str],
        targets: &[&str],
        longest: usize,
        team: &mut Team,
    ) -> Vec<f64> {
        let VocabularyPair { source, target } = &self.vocabularies;
        let (sources, targets) = (source.encode_batch(sources), target.encode_batch(targets));
        let fits = |ids: &Vec<u32>| (1..=longest).contains(&ids.len());
        let fitting: Vec<usize> = (0..sources.len())
            .filter(|&pair| fits(&sources[pair]) && fits(&targets[pair]))
            .collect();
        let [source, target] = self.vocabularies.special_tokens();
        let ids = fitting.iter().map(|&pair| (&sources[pair][..], &targets[pair][..]));
        let corpus = EncodedCorpus::from_pairs(source, target, ids);
        let found = pair_losses(&corpus, &self.model, team, BATCH.max(longest + 1));
        let mut losses = vec![f64::INFINITY; sources.len()];
        fitting.into_iter().zip(found).for_each(|(pair, loss)| losses[pair] = loss);
        losses
    }
}

/// A model of this direction, and perhaps one of the other.
struct Scorers {
    forward: Scorer,
    reverse: Option<Scorer>,
    longest: usize,
    team: Team,
}

impl Scorers {
    /// The scores of pairs: `H1`, or `|H1 - H2| + (H1 + H2) / 2` (Junczys-Dowmunt, 2018, equation 4 without its exponential).
    fn scores(&mut self, pairs: &[RawPair]) -> Vec<f32> {
        let Scorers { forward, reverse, longest, team } = self;
        let sources: Vec<&str> = pairs.iter().map(|pair| &pair.source[..]).collect();
        let targets: Vec<&str> = pairs.iter().map(|pair| &pair.target[..]).collect();
        let there = forward.losses(&sources, &targets, *longest, team);
        let Some(reverse) = reverse else {
            return there.into_iter().map(|loss| loss as f32).collect();
        };
        let back = reverse.losses(&targets, &sources, *longest, team);
        let both = there.into_iter().zip(back);
        both.map(|(there, back)| dual(there, back) as f32).collect()
    }
}

/// The dual score of two cross-entropies; infinite if one is.
fn dual(there: f64, back: f64) -> f64 {
    match there.is_finite() && back.is_finite() {
        true => (there - back).abs() + (there + back) / 2.0,
        false => f64::INFINITY,
    }
}

/// The scores of a corpus, and what they were made from.
pub(crate) struct Judged {
    pub(crate) inputs: Fingerprint,
    pub(crate) scores: PairScores,
}

/// A corpus whose pairs are scored.
struct Scored<'a> {
    corpus: &'a Corpus,
    recipe: &'a ScoreRecipe,
    pairs: u64,
    stage: String,
    inputs: Fingerprint,
}

impl Scored<'_> {
    fn shards(&self) -> usize {
        self.pairs.div_ceil(SHARD as u64) as usize
    }

    /// Pairs of a shard.
    fn pairs_of(&self, shard: usize) -> u64 {
        (self.pairs - (shard * SHARD) as u64).min(SHARD as u64)
    }
}

/// The hash of a shard.
fn record_file(folder: &Path, shard: usize) -> PathBuf {
    folder.join(format!("shards/{shard:05}.json"))
}

fn shard_file(folder: &Path, shard: usize) -> PathBuf {
    folder.join(format!("shards/{shard:05}.bin"))
}

impl Pipeline {
    /// The scores of each corpus, and the highest that a pair may have; none for one that no model is to judge.
    ///
    /// # Errors
    /// [`PipelineError::Corpus`], [`PipelineError::Format`] for a model that cannot be read.
    pub(crate) fn scores(&self, text: &Surveyed) -> Result<Vec<Option<Judged>>, PipelineError> {
        let mut all: Vec<Option<Judged>> = text.corpora.iter().map(|_| None).collect();
        for (index, scored) in self.scored(text)? {
            let Scored { stage, inputs, recipe, pairs, .. } = &scored;
            let found: Found = self.stages.run_shared(stage, inputs, &[SCORES], |folder| {
                self.make_scores(&scored, folder, Part::WHOLE)?;
                text.check_unchanged()?;
                join(&scored, folder)?;
                Ok(Found { pairs: *pairs })
            })?;
            let path = self.path(stage).join(SCORES);
            let highest = match (recipe.highest, recipe.share) {
                (Some(highest), _) => highest as f32,
                (None, share) => score_of_share(&path, share.unwrap_or(1.0))?,
            };
            self.say(stage, &format!("{} pairs, {highest:.3} is the highest score", found.pairs));
            let scores = PairScores { path, highest };
            all[index] = Some(Judged { inputs: scored.inputs, scores });
        }
        Ok(all)
    }

    /// Makes the shards of a part of the scores, as [`Pipeline::pseudo_part`] does.
    ///
    /// # Errors
    /// As [`Pipeline::pseudo_part`], and [`PipelineError::Settings`] if nothing is scored.
    pub fn scores_part(&self, part: Part) -> Result<(), PipelineError> {
        let text = self.survey(TRAINING, self.plan.data.corpora()?)?;
        let scored = self.scored(&text)?;
        if scored.is_empty() {
            let problems = vec![Problem::from("no filters have scores")];
            return Err(PipelineError::Settings { place: "the recipe".to_string(), problems });
        }
        let mut open = Vec::new();
        for (_, scored) in scored {
            match self.stages.open(&scored.stage, &scored.inputs)? {
                Some(folder) => open.push((scored, folder)),
                None => self.say(&scored.stage, "is finished already"),
            }
        }
        self.folder.give_up()?;
        open.iter().try_for_each(|(scored, folder)| self.make_scores(scored, folder, part))
    }

    /// The corpora that are scored, by their numbers.
    fn scored<'a>(&'a self, text: &'a Surveyed) -> Result<Vec<(usize, Scored<'a>)>, PipelineError> {
        let data = &self.plan.data;
        let mut all = Vec::new();
        // One model is mostly that of all corpora.
        let mut hashes: BTreeMap<&Path, [String; 2]> = BTreeMap::new();
        let mut hashes_of = |folder: &'a Path| match hashes.get(folder) {
            Some(known) => Ok::<_, PipelineError>(known.clone()),
            None => Ok(hashes.entry(folder).or_insert(model_hashes(folder)?).clone()),
        };
        for (index, (corpus, recipe)) in text.corpora.iter().zip(&data.train).enumerate() {
            let Some(recipe) = &data.filters_of(recipe).scores else { continue };
            let model = hashes_of(&recipe.model)?;
            let reverse = recipe.reverse_model.as_deref().map(&mut hashes_of).transpose()?;
            let limit = data.max_sentence_tokens;
            let inputs = Fingerprint::of(&(&text.hashes[index], model, reverse, limit));
            let pairs = text.survey.corpora[index].pairs;
            let stage = format!("scores/{}", corpus.name);
            all.push((index, Scored { corpus, recipe, pairs, stage, inputs }));
        }
        Ok(all)
    }

    /// Makes the shards of a part that are not there.
    fn make_scores(
        &self,
        scored: &Scored<'_>,
        folder: &Path,
        part: Part,
    ) -> Result<(), PipelineError> {
        let own = (0..scored.shards()).filter(|shard| part.has(*shard));
        let checked = own.map(|shard| Ok((shard, is_there(scored, folder, shard)?)));
        let checked = checked.collect::<Result<Vec<_>, PipelineError>>()?;
        let missing: Vec<usize> =
            checked.into_iter().filter(|(_, is_there)| !is_there).map(|(shard, _)| shard).collect();
        let Some(last) = missing.last() else { return Ok(()) };
        let mut scorers = Scorers {
            forward: Scorer::open(&scored.recipe.model)?,
            reverse: scored.recipe.reverse_model.as_deref().map(Scorer::open).transpose()?,
            longest: LONGEST * self.plan.data.max_sentence_tokens,
            team: Team::start(SHARES, self.options.threads)?,
        };
        let _willing = self.options.interrupt.willing();
        let progress = Progress::new(self.options.display, &scored.stage, scored.pairs);
        // What stands in front of a source is no part of what is judged.
        let corpus = Corpus { tag: None, ..scored.corpus.clone() };
        let mut waiting: Vec<RawPair> = Vec::new();
        let mut number = 0u64;
        corpus.for_each::<PipelineError>(|_, pair| {
            let shard = (number / SHARD as u64) as usize;
            number += 1;
            if shard > *last || missing.binary_search(&shard).is_err() {
                return Ok(());
            }
            waiting.push(pair.clone());
            if (waiting.len() as u64) < scored.pairs_of(shard) {
                return Ok(());
            }
            let scores = scorers.scores(&waiting);
            waiting.clear();
            let bytes: Vec<u8> = scores.iter().flat_map(|score| score.to_le_bytes()).collect();
            atomic_write(&shard_file(folder, shard), &bytes)?;
            write(&record_file(folder, shard), &hash_bytes(&bytes))?;
            progress.update(number, String::new);
            self.options.interrupt.check().map_err(PipelineError::from)
        })?;
        progress.finish();
        Ok(())
    }
}

/// Whether a shard is there, as it was made.
///
/// # Errors
/// [`PipelineError::PseudoData`] for one that was changed.
fn is_there(scored: &Scored<'_>, folder: &Path, shard: usize) -> Result<bool, PipelineError> {
    let path = shard_file(folder, shard);
    let Some(hash) = read::<String>(&record_file(folder, shard))?.filter(|_| path.exists()) else {
        return Ok(false);
    };
    let length = fs::metadata(&path).map_err(FileError::when("read", &path))?.len();
    match length == SIZE * scored.pairs_of(shard) && hash_file(&path)? == hash {
        true => Ok(true),
        false => {
            let problem = Problem::with_hint("its scores were changed", MADE_AGAIN);
            Err(PipelineError::PseudoData { path, problem })
        }
    }
}

/// Joins the shards of a corpus.
fn join(scored: &Scored<'_>, folder: &Path) -> Result<(), PipelineError> {
    let path = folder.join(SCORES);
    for shard in 0..scored.shards() {
        if !is_there(scored, folder, shard)? {
            let path = shard_file(folder, shard);
            let problem = Problem::with_hint("it is gone", "give the same command again");
            return Err(PipelineError::PseudoData { path, problem });
        }
    }
    let pending = Pending::write(&path, |out: &mut dyn std::io::Write| {
        for shard in 0..scored.shards() {
            std::io::copy(&mut fs::File::open(shard_file(folder, shard))?, out)?;
        }
        Ok(())
    })?;
    Ok(pending.publish()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dual_scores_by_hand() {
        assert_eq!(dual(2.0, 3.0), 3.5);
        assert_eq!(dual(3.0, 2.0), 3.5);
        assert_eq!(dual(f64::INFINITY, f64::INFINITY), f64::INFINITY);
    }
}
