//! Parallel text: reading it, checking it, encoding what passes.

mod checker;
mod report;

pub use checker::{Candidate, Filter, Objection, PairChecker, Place, Verdict};
pub use report::{Action, CorpusReport, Example, Finding, FindingKind};

use crate::encoded::EncodedCorpus;
use crate::error::TextError;
use crate::lines::{TextLines, read_lines};
use crate::vocabulary::Vocabulary;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::Path;

/// Two texts aligned line by line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParallelText {
    /// The source side.
    pub source: TextLines,
    /// The target side, with as many lines.
    pub target: TextLines,
}

impl ParallelText {
    /// Reads both files.
    ///
    /// # Errors
    /// [`TextError::File`] and [`TextError::InvalidUtf8`] as [`read_lines`];
    /// [`TextError::UnequalLines`] when the files are not aligned.
    pub fn read(source: &Path, target: &Path) -> Result<Self, TextError> {
        let text = Self { source: read_lines(source)?, target: read_lines(target)? };
        let (source_lines, target_lines) = (text.source.lines.len(), text.target.lines.len());
        if source_lines != target_lines {
            return Err(TextError::UnequalLines {
                source_path: source.to_path_buf(),
                source_lines,
                target_path: target.to_path_buf(),
                target_lines,
            });
        }
        Ok(text)
    }

    /// Keeps no more than these pairs, from the first.
    pub fn truncate(&mut self, pairs: usize) {
        self.source.lines.truncate(pairs);
        self.target.lines.truncate(pairs);
    }

    /// Number of pairs.
    pub fn len(&self) -> usize {
        self.source.lines.len()
    }

    /// Whether there are no pairs.
    pub fn is_empty(&self) -> bool {
        self.source.lines.is_empty()
    }
}

/// What a corpus is for, which decides whether pairs may be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CorpusRole {
    /// Doubtful pairs are left out and reported.
    Training,
    /// Scores count every sentence: doubtful pairs are kept and reported; empty lines, and lines that
    /// would take too much memory, are errors.
    Evaluation,
}

/// Whether training pairs that only look odd are kept; they are reported in either case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PairPolicy {
    /// Keep them.
    Keep,
    /// Leave them out.
    LeaveOut,
}

/// What a pair has to satisfy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorpusLimits {
    /// What the corpus is for.
    pub role: CorpusRole,
    /// Most tokens on either side, with the end-of-sentence token.
    pub max_tokens_per_sentence: usize,
    /// Most tokens of a line in an evaluation set, with the end-of-sentence token.
    pub max_tokens_in_evaluation: usize,
    /// Most times the longer side may be as long as the shorter one, in tokens with the
    /// end-of-sentence token; at least 1.
    pub max_length_ratio: f64,
    /// Pairs of which both sides occurred before; the first one is always kept.
    pub duplicates: PairPolicy,
    /// Pairs whose source and target are the same text.
    pub identical_sides: PairPolicy,
}

impl CorpusLimits {
    /// For training: 200 tokens, a ratio of 9, duplicates and identical sides kept.
    pub fn training() -> Self {
        Self {
            role: CorpusRole::Training,
            max_tokens_per_sentence: 200,
            max_tokens_in_evaluation: 1024,
            max_length_ratio: 9.0,
            duplicates: PairPolicy::Keep,
            identical_sides: PairPolicy::Keep,
        }
    }

    /// For validation and test sets: the same limits, only reported, and 1,024 tokens a line.
    pub fn evaluation() -> Self {
        Self { role: CorpusRole::Evaluation, ..Self::training() }
    }

    fn check(&self) -> Result<(), TextError> {
        // Written so that NaN fails too.
        let ratio_is_valid = self.max_length_ratio >= 1.0;
        if ratio_is_valid {
            return Ok(());
        }
        Err(TextError::Setting {
            name: "max_length_ratio",
            found: self.max_length_ratio.to_string(),
            expected: "a number of at least 1",
        })
    }

    /// Most tokens of a line that is kept, with the end.
    fn most_tokens(&self) -> usize {
        match self.role {
            CorpusRole::Training => self.max_tokens_per_sentence,
            CorpusRole::Evaluation => self.max_tokens_in_evaluation,
        }
    }

    /// What to do with pairs that are doubtful in this way.
    fn action(&self, kind: FindingKind) -> Action {
        let policy = match kind {
            FindingKind::ByteOrderMark | FindingKind::CarriageReturns => return Action::Stripped,
            FindingKind::LineBreaks => return Action::Replaced,
            FindingKind::UnmappedAlignment => return Action::Aligned,
            FindingKind::DuplicatePairs => self.duplicates,
            FindingKind::IdenticalSides => self.identical_sides,
            _ => PairPolicy::LeaveOut,
        };
        match (self.role, policy) {
            (CorpusRole::Training, PairPolicy::LeaveOut) => Action::LeftOut,
            _ => Action::Kept,
        }
    }
}

/// What [`encode_corpus`] gives.
#[derive(Clone, Debug)]
pub struct CheckedCorpus {
    /// The pairs that were kept, in order.
    pub corpus: EncodedCorpus,
    /// The line number, from 1, of each of them.
    pub lines: Vec<usize>,
    /// What was found.
    pub report: CorpusReport,
}

/// Encodes a parallel text and leaves out, or only reports, the pairs outside the limits, as [`PairChecker`] does.
///
/// # Errors
/// As [`PairChecker::new`] and [`PairChecker::check`], and [`TextError::NothingLeft`] when no pair is kept.
pub fn encode_corpus(
    text: &ParallelText,
    source_vocabulary: &Vocabulary,
    target_vocabulary: &Vocabulary,
    limits: &CorpusLimits,
) -> Result<CheckedCorpus, TextError> {
    let mut checker = PairChecker::new([source_vocabulary, target_vocabulary], limits, &[])?;
    for TextLines { path, byte_order_mark, carriage_returns, .. } in [&text.source, &text.target] {
        checker.add_occurrences(FindingKind::ByteOrderMark, path, byte_order_mark);
        checker.add_occurrences(FindingKind::CarriageReturns, path, carriage_returns);
    }
    let mut seen = HashMap::new();
    let pairs = text.source.lines.iter().zip(&text.target.lines).enumerate();
    let candidates: Vec<Candidate<'_>> = pairs
        .map(|(index, (source, target))| {
            let first = *seen.entry((source, target)).or_insert(index);
            let repeats = (first < index).then(|| format!("line {}", first + 1));
            let files = [text.source.path.as_path(), &text.target.path];
            let place = Place { files, lines: [index + 1; 2] };
            Candidate { source, target, place, repeats, known: None }
        })
        .collect();
    let (mut ids, mut lines) = (Vec::new(), Vec::new());
    for (index, verdict) in checker.check(&candidates)?.into_iter().enumerate() {
        if let Verdict::Kept { source, target } = verdict {
            ids.push((source, target));
            lines.push(index + 1);
        }
    }
    let report = checker.into_report(&text.source.path, &text.target.path);
    report.check_something_left()?;
    let pairs = ids.iter().map(|(source, target)| (&source[..], &target[..]));
    let [source, target] = [source_vocabulary, target_vocabulary].map(Vocabulary::special_tokens);
    Ok(CheckedCorpus { corpus: EncodedCorpus::from_pairs(source, target, pairs), lines, report })
}
