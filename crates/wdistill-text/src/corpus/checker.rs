//! Pairs, checked one after the other.

use std::path::Path;

use super::report::Findings;
use super::{Action, CorpusLimits, CorpusReport, CorpusRole, FindingKind};
use crate::error::TextError;
use crate::length::{CHARACTERS_OF_A_TOKEN, is_longer};
use crate::lines::Occurrences;
use crate::vocabulary::Vocabulary;

/// Where a pair stands: the files of its sides, and its lines in them, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'t> {
    /// Source and target; the same file twice for one that has both sides.
    pub files: [&'t Path; 2],
    /// Lines, from 1.
    pub lines: [usize; 2],
}

/// A pair that may become part of a corpus.
#[derive(Clone, Debug)]
pub struct Candidate<'t> {
    /// Its source.
    pub source: &'t str,
    /// Its target.
    pub target: &'t str,
    /// Where it stands.
    pub place: Place<'t>,
    /// Where the same pair stood before, in words; none if it did not.
    pub repeats: Option<String>,
    /// What is known to be wrong with it, if anything is.
    pub known: Option<Objection>,
}

/// What is wrong with a pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objection {
    /// What kind of thing.
    pub kind: FindingKind,
    /// More about it, or nothing.
    pub detail: String,
}

/// A further check of the text of a pair.
pub trait Filter: Sync {
    /// What is wrong with the pair, if anything is.
    fn object(&self, source: &str, target: &str) -> Option<Objection>;
}

/// What becomes of a pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is part of the corpus, as token ids without ends.
    Kept {
        /// Of the source.
        source: Vec<u32>,
        /// Of the target.
        target: Vec<u32>,
    },
    /// It is not.
    LeftOut(Objection),
}

/// Encodes pairs and leaves out, or only reports, those outside the limits.
///
/// A pair is left out for one reason, the first that holds of: an empty side (white space counts
/// as empty), too many tokens, too different lengths, what a filter finds, what is known already, identical sides, a
/// repetition. Findings for
/// which pairs are kept are counted for every pair that is not left out, a pair perhaps in several.
pub struct PairChecker<'c> {
    vocabularies: [&'c Vocabulary; 2],
    limits: &'c CorpusLimits,
    filters: &'c [Box<dyn Filter>],
    findings: Findings,
    pairs: usize,
    kept: usize,
}

impl<'c> PairChecker<'c> {
    /// A checker that has seen nothing.
    ///
    /// # Errors
    /// [`TextError::Setting`] for a ratio below 1.
    pub fn new(
        vocabularies: [&'c Vocabulary; 2],
        limits: &'c CorpusLimits,
        filters: &'c [Box<dyn Filter>],
    ) -> Result<PairChecker<'c>, TextError> {
        limits.check()?;
        let findings = Findings::default();
        Ok(PairChecker { vocabularies, limits, filters, findings, pairs: 0, kept: 0 })
    }

    /// Counts what was changed in the lines of a file when it was read.
    pub fn add_occurrences(&mut self, kind: FindingKind, path: &Path, found: &Occurrences) {
        self.findings.add_occurrences(kind, self.limits.action(kind), path, found);
    }

    /// Decides on pairs, in their order.
    ///
    /// # Errors
    /// [`TextError::EmptyLine`], [`TextError::LineTooLong`] and [`TextError::LineOfTooManyCharacters`] in an evaluation
    /// set.
    pub fn check(&mut self, candidates: &[Candidate<'_>]) -> Result<Vec<Verdict>, TextError> {
        let sources: Vec<&str> = candidates.iter().map(|candidate| candidate.source).collect();
        let targets: Vec<&str> = candidates.iter().map(|candidate| candidate.target).collect();
        let sources = self.encode_side(&sources, self.vocabularies[0]);
        let targets = self.encode_side(&targets, self.vocabularies[1]);
        let encoded = sources.into_iter().zip(targets);
        candidates
            .iter()
            .zip(encoded)
            .map(|(candidate, sides)| self.judge(candidate, sides.into()))
            .collect()
    }

    /// What was found in all pairs so far; `source` and `target` are what a report calls the text.
    pub fn into_report(self, source: &Path, target: &Path) -> CorpusReport {
        CorpusReport {
            source: source.to_path_buf(),
            target: target.to_path_buf(),
            pairs: self.pairs,
            kept: self.kept,
            findings: self.findings.into_list(),
        }
    }

    /// The tokens of each line, and its length; a line of far too many characters is not divided.
    fn encode_side(&self, lines: &[&str], vocabulary: &Vocabulary) -> Vec<(Vec<u32>, Length)> {
        let most = self.limits.most_tokens().saturating_mul(CHARACTERS_OF_A_TOKEN);
        let is_divided = |line: &str| !is_longer(line, most);
        let divided: Vec<&str> =
            lines.iter().map(|line| if is_divided(line) { line } else { "" }).collect();
        let with_length = |(line, ids): (&&str, Vec<u32>)| {
            let length = match is_divided(line) {
                true => Length::Tokens(ids.len() + 1),
                false => Length::Characters { found: line.chars().count(), most },
            };
            (ids, length)
        };
        lines.iter().zip(vocabulary.encode_batch(&divided)).map(with_length).collect()
    }

    /// Decides on one pair.
    fn judge(
        &mut self,
        candidate: &Candidate<'_>,
        [(source, source_length), (target, target_length)]: [(Vec<u32>, Length); 2],
    ) -> Result<Verdict, TextError> {
        let mut objections = Vec::new();
        objections.extend(self.empty_side(candidate)?);
        let Place { files, lines } = candidate.place;
        self.check_length(files[0], lines[0], source_length)?;
        self.check_length(files[1], lines[1], target_length)?;
        objections.extend(self.too_long_or_uneven(source_length, target_length));
        let (source_text, target_text) = (candidate.source, candidate.target);
        objections.extend(
            self.filters.iter().filter_map(|filter| filter.object(source_text, target_text)),
        );
        objections.extend(candidate.known.clone());
        objections.extend(same_text(candidate));
        self.pairs += 1;
        let leaves_out =
            |objection: &Objection| self.limits.action(objection.kind) == Action::LeftOut;
        if let Some(first) = objections.iter().position(leaves_out) {
            let objection = objections.swap_remove(first);
            self.record(candidate.place, &objection);
            return Ok(Verdict::LeftOut(objection));
        }
        for objection in &objections {
            self.record(candidate.place, objection);
        }
        self.kept += 1;
        Ok(Verdict::Kept { source, target })
    }

    fn record(&mut self, place: Place<'_>, objection: &Objection) {
        let side = match objection.kind {
            FindingKind::EmptyTarget => 1,
            _ => 0,
        };
        let Objection { kind, detail } = objection;
        let action = self.limits.action(*kind);
        self.findings.add(*kind, action, place.files[side], place.lines[side], detail.clone());
    }

    fn empty_side(&self, candidate: &Candidate<'_>) -> Result<Option<Objection>, TextError> {
        let is_empty = |line: &str| line.trim().is_empty();
        let (kind, side) = match (is_empty(candidate.source), is_empty(candidate.target)) {
            (false, false) => return Ok(None),
            (true, false) => (FindingKind::EmptySource, 0),
            (false, true) => (FindingKind::EmptyTarget, 1),
            (true, true) => (FindingKind::EmptyPair, 0),
        };
        match self.limits.role {
            CorpusRole::Training => Ok(Some(Objection { kind, detail: String::new() })),
            CorpusRole::Evaluation => {
                let Place { files, lines } = candidate.place;
                Err(TextError::EmptyLine { path: files[side].to_path_buf(), line: lines[side] })
            }
        }
    }

    fn check_length(&self, path: &Path, line: usize, length: Length) -> Result<(), TextError> {
        let path = path.to_path_buf();
        let limit = self.limits.max_tokens_in_evaluation;
        match (self.limits.role, length) {
            (CorpusRole::Evaluation, Length::Characters { found, most }) => {
                Err(TextError::LineOfTooManyCharacters {
                    path,
                    line,
                    characters: found,
                    limit: most,
                })
            }
            (CorpusRole::Evaluation, Length::Tokens(tokens)) if tokens > limit => {
                Err(TextError::LineTooLong { path, line, tokens, limit })
            }
            _ => Ok(()),
        }
    }

    fn too_long_or_uneven(&self, source: Length, target: Length) -> Vec<Objection> {
        let too_long = |detail: String| vec![Objection { kind: FindingKind::TooLong, detail }];
        let (source, target) = match (source, target) {
            (Length::Tokens(source), Length::Tokens(target)) => (source, target),
            (Length::Characters { found, .. }, _) => {
                return too_long(format!("{found} source characters"));
            }
            (_, Length::Characters { found, .. }) => {
                return too_long(format!("{found} target characters"));
            }
        };
        let detail = || format!("{source} source and {target} target tokens");
        let (longer, shorter) = (source.max(target), source.min(target));
        let mut objections = Vec::new();
        if longer > self.limits.max_tokens_per_sentence {
            objections.extend(too_long(detail()));
        }
        if longer as f64 > self.limits.max_length_ratio * shorter as f64 {
            objections.push(Objection { kind: FindingKind::LengthRatio, detail: detail() });
        }
        objections
    }
}

fn same_text(candidate: &Candidate<'_>) -> Vec<Objection> {
    let mut objections = Vec::new();
    if candidate.source == candidate.target {
        objections.push(Objection { kind: FindingKind::IdenticalSides, detail: String::new() });
    }
    if let Some(first) = &candidate.repeats {
        let detail = format!("as {first}");
        objections.push(Objection { kind: FindingKind::DuplicatePairs, detail });
    }
    objections
}

/// A line's length, as far as it is known.
#[derive(Clone, Copy)]
enum Length {
    /// With the end.
    Tokens(usize),
    /// So many that the line counts as too long before its tokens are known.
    Characters { found: usize, most: usize },
}
