//! Learning subwords from lines, the same for the same lines on every run.

use super::words::{Segment, WordSplitter, choose_alphabet, may_join_alphabet};
use super::{BASE_SIZE, Normalisation, Vocabulary};
use super::{bpe, unigram};
use crate::error::TextError;
use crate::left_out::{LONGEST_LINE, LONGEST_WORD, LeftOut};
use crate::length::is_longer;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, HashSet};
use wdistill_base::Problem;

/// Log probabilities are kept in units of one over this.
pub(super) const SCORE_UNITS: f64 = 1e6;

/// Words are counted in 32 bits.
const MOST_CHARACTERS: u64 = i32::MAX as u64;

/// Which subwords to learn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum SubwordModel {
    /// Byte pair encoding (Sennrich et al. 2016).
    Bpe,
    /// Unigram language model (Kudo 2018).
    Unigram,
}

impl SubwordModel {
    fn name(self) -> &'static str {
        match self {
            Self::Bpe => "bpe",
            Self::Unigram => "unigram",
        }
    }
}

/// How to train a vocabulary.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VocabularySettings {
    /// Which subwords.
    pub model: SubwordModel,
    /// Number of tokens, with the 258 special and byte tokens.
    pub size: usize,
    /// Share of the text's characters (spaces aside) that the alphabet covers, above 0 and at most
    /// 1. Rarer characters are spelled in bytes, which also gives the byte tokens some training.
    pub character_coverage: f64,
    /// What becomes of blanks and look-alikes before lines are cut.
    #[serde(default)]
    pub normalisation: Normalisation,
}

impl VocabularySettings {
    /// These subwords and size, with a character coverage of 0.9995 (SentencePiece's) and the
    /// normalisation that is SentencePiece's default, too.
    pub fn new(model: SubwordModel, size: usize) -> Self {
        Self { model, size, character_coverage: 0.9995, normalisation: Normalisation::NmtNfkc }
    }
}

/// A vocabulary and how large it became.
#[derive(Clone, Debug)]
pub struct TrainedVocabulary {
    /// The vocabulary.
    pub vocabulary: Vocabulary,
    /// The size that was asked for.
    pub requested: usize,
    /// Its size: less than requested if the text does not support more pieces.
    pub obtained: usize,
    /// What was too long to learn from.
    pub left_out: LeftOut,
}

/// Characters of the longest piece, the marker for a space included; SentencePiece has the same limit.
pub(super) const LONGEST_PIECE: usize = 16;

/// Words with their counts, sorted, and the characters they are made of.
struct WordCounts {
    words: Vec<(String, u32)>,
    alphabet: HashSet<char>,
    left_out: LeftOut,
}

/// Larger vocabularies are slips of the pen; the trainer takes memory for as many words at once.
const LARGEST_SIZE: usize = 1 << 24;

impl Vocabulary {
    /// Learns a vocabulary. The same lines in the same order give the same file to the byte, on any
    /// number of threads. For a joint vocabulary chain both sides' lines.
    ///
    /// # Errors
    /// [`TextError::NoText`] without any word, [`TextError::VocabularyTooSmall`] if the size leaves
    /// no room for the alphabet, [`TextError::Setting`] for a coverage out of range,
    /// [`TextError::TooMuchText`], and [`TextError::Training`] when the trainer gives up, and for BPE without the feature
    /// `learn`.
    pub fn train<I>(lines: I, settings: &VocabularySettings) -> Result<TrainedVocabulary, TextError>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let coverage = settings.character_coverage;
        if !(coverage > 0.0 && coverage <= 1.0) {
            return Err(TextError::Setting {
                name: "character_coverage",
                found: coverage.to_string(),
                expected: "a share above 0 and at most 1",
            });
        }
        if settings.size > LARGEST_SIZE {
            return Err(TextError::Setting {
                name: "vocabulary size",
                found: settings.size.to_string(),
                expected: "at most 16777216",
            });
        }
        let mut counts = count_words(lines, settings)?;
        let left_out = std::mem::take(&mut counts.left_out);
        let (alphabet, base) = (counts.alphabet.len(), BASE_SIZE + counts.alphabet.len());
        if settings.size < base {
            return Err(TextError::VocabularyTooSmall { requested: settings.size, base, alphabet });
        }
        let pieces = settings.size - BASE_SIZE;
        let vocabulary = match settings.model {
            SubwordModel::Bpe => train_bpe(counts, pieces, settings.normalisation),
            SubwordModel::Unigram => train_unigram(counts, pieces, settings.normalisation),
        };
        let failed = |problem| TextError::Training { model: settings.model.name(), problem };
        let vocabulary = vocabulary.map_err(failed)?;
        let obtained = vocabulary.size();
        Ok(TrainedVocabulary { vocabulary, requested: settings.size, obtained, left_out })
    }
}

fn count_words<I>(lines: I, settings: &VocabularySettings) -> Result<WordCounts, TextError>
where
    I: IntoIterator,
    I::Item: AsRef<str>,
{
    let splitter = WordSplitter::new();
    let mut raw: HashMap<String, u64> = HashMap::new();
    let mut line_count = 0;
    let mut left_out = LeftOut::default();
    for line in lines {
        line_count += 1;
        let visit = |segment: Segment<'_>| {
            if let Segment::Word(word) = segment {
                match raw.get_mut(word) {
                    Some(count) => *count += 1,
                    None if is_longer(word, LONGEST_WORD) => {
                        left_out.words += 1;
                        let beginning = || word.chars().take(20).collect();
                        left_out.first_word.get_or_insert_with(|| (beginning(), line_count));
                    }
                    None => drop(raw.insert(word.to_owned(), 1)),
                }
            }
        };
        let line = line.as_ref();
        if is_longer(line, LONGEST_LINE) {
            left_out.lines += 1;
            left_out.first_line.get_or_insert(line_count);
            continue;
        }
        settings.normalisation.for_each_segment(&splitter, line, may_join_alphabet, visit);
    }
    if raw.is_empty() {
        return Err(TextError::NoText { lines: line_count as usize, left_out });
    }
    let characters = count_characters(raw.iter().map(|(word, count)| (word.as_str(), *count)));
    let total = characters.values().sum();
    if total > MOST_CHARACTERS {
        return Err(TextError::TooMuchText { characters: total, limit: MOST_CHARACTERS });
    }
    let alphabet = choose_alphabet(&characters, settings.character_coverage);
    Ok(WordCounts { words: within_alphabet(&raw, &alphabet), alphabet, left_out })
}

/// How often each character is in words with these counts.
pub(super) fn count_characters<'w>(
    words: impl Iterator<Item = (&'w str, u64)>,
) -> BTreeMap<char, u64> {
    let mut characters = BTreeMap::new();
    for (word, count) in words {
        for character in word.chars() {
            *characters.entry(character).or_insert(0) += count;
        }
    }
    characters
}

/// Cuts words where encoding will cut them, sorted so that no hash map's order remains.
fn within_alphabet(words: &HashMap<String, u64>, alphabet: &HashSet<char>) -> Vec<(String, u32)> {
    let mut cut: BTreeMap<String, u32> = BTreeMap::new();
    for (word, &count) in words {
        for run in word.split(|character| !alphabet.contains(&character)) {
            if !run.is_empty() {
                // The total was checked to fit in 31 bits.
                *cut.entry(run.to_owned()).or_insert(0) += count as u32;
            }
        }
    }
    cut.into_iter().collect()
}

fn train_bpe(
    counts: WordCounts,
    pieces: usize,
    normalisation: Normalisation,
) -> Result<Vocabulary, Problem> {
    let (pieces, merges) = bpe::learn(counts.words, counts.alphabet, pieces)?;
    Ok(Vocabulary::from_merges(pieces, merges, normalisation)?)
}

fn train_unigram(
    counts: WordCounts,
    pieces: usize,
    normalisation: Normalisation,
) -> Result<Vocabulary, Problem> {
    let learnt = unigram::train(&counts.words, &counts.alphabet, pieces);
    let (names, scores) = learnt
        .into_iter()
        .map(|(piece, score)| (piece, (score * SCORE_UNITS).round() as i64))
        .unzip();
    Ok(Vocabulary::from_scores(names, scores, normalisation)?)
}
