//! Parallel text: reading it, checking it, encoding what passes.

mod report;

pub use report::{Action, CorpusReport, Example, Finding, FindingKind};

use crate::encoded::EncodedCorpus;
use crate::error::TextError;
use crate::length::{CHARACTERS_OF_A_TOKEN, is_longer};
use crate::lines::{TextLines, read_lines};
use crate::vocabulary::Vocabulary;
use report::Findings;
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

    /// The lines of both sides, source first: what a joint vocabulary is trained on.
    pub fn both_sides(&self) -> impl Iterator<Item = &str> {
        self.source.lines.iter().chain(&self.target.lines).map(String::as_str)
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

/// Encodes a parallel text and leaves out, or only reports, the pairs outside the limits.
///
/// A pair is left out for one reason, the first that holds of: an empty side (white space counts
/// as empty), too many tokens, too different lengths, identical sides, a duplicate. Findings for
/// which pairs are kept are counted for every pair that is not left out, a pair perhaps in several.
///
/// # Errors
/// [`TextError::EmptyLine`], [`TextError::LineTooLong`] and [`TextError::LineOfTooManyCharacters`] in an evaluation set,
/// [`TextError::NothingLeft`] when no pair is kept, [`TextError::Setting`] for a ratio below 1.
pub fn encode_corpus(
    text: &ParallelText,
    source_vocabulary: &Vocabulary,
    target_vocabulary: &Vocabulary,
    limits: &CorpusLimits,
) -> Result<CheckedCorpus, TextError> {
    limits.check()?;
    let (source_ids, source_lengths) = encode_side(&text.source, source_vocabulary, limits);
    let (target_ids, target_lengths) = encode_side(&text.target, target_vocabulary, limits);
    let mut checker = Checker::new(text, limits);
    let mut kept = Vec::new();
    for (index, (source, target)) in source_lengths.into_iter().zip(target_lengths).enumerate() {
        if checker.judge(index, source, target)? == Verdict::Keep {
            kept.push(index);
        }
    }
    let report = checker.findings.into_report(text, kept.len());
    if kept.is_empty() {
        return Err(TextError::NothingLeft {
            source_path: text.source.path.clone(),
            target_path: text.target.path.clone(),
            lines: text.len(),
            report: report.to_string(),
        });
    }
    let pairs = kept.iter().map(|&index| (&source_ids[index][..], &target_ids[index][..]));
    let special = [source_vocabulary, target_vocabulary].map(Vocabulary::special_tokens);
    let [source, target] = special;
    let corpus = EncodedCorpus::from_pairs(source, target, pairs);
    Ok(CheckedCorpus { corpus, lines: kept.iter().map(|index| index + 1).collect(), report })
}

/// The tokens of each line, and its length; a line of far too many characters is not divided.
fn encode_side(
    side: &TextLines,
    vocabulary: &Vocabulary,
    limits: &CorpusLimits,
) -> (Vec<Vec<u32>>, Vec<Length>) {
    let most = limits.most_tokens().saturating_mul(CHARACTERS_OF_A_TOKEN);
    let is_divided = |line: &&String| !is_longer(line, most);
    let divided: Vec<&str> = side
        .lines
        .iter()
        .map(|line| Some(line).filter(is_divided).map_or("", |line| line))
        .collect();
    let ids = vocabulary.encode_batch(&divided);
    let lengths = side.lines.iter().zip(&ids).map(|(line, ids)| match is_divided(&line) {
        true => Length::Tokens(ids.len() + 1),
        false => Length::Characters { found: line.chars().count(), most },
    });
    let lengths = lengths.collect();
    (ids, lengths)
}

/// A line's length, as far as it is known.
#[derive(Clone, Copy)]
enum Length {
    /// With the end.
    Tokens(usize),
    /// So many that the line counts as too long before its tokens are known.
    Characters { found: usize, most: usize },
}

#[derive(PartialEq, Eq)]
enum Verdict {
    Keep,
    LeaveOut,
}

/// Goes through the pairs in order.
struct Checker<'text> {
    text: &'text ParallelText,
    limits: &'text CorpusLimits,
    /// The index of each pair's first occurrence.
    seen: HashMap<(&'text str, &'text str), usize>,
    findings: Findings,
}

impl<'text> Checker<'text> {
    fn new(text: &'text ParallelText, limits: &'text CorpusLimits) -> Self {
        let mut findings = Findings::default();
        let strip = Action::Stripped;
        for side in [&text.source, &text.target] {
            findings.add_occurrences(
                FindingKind::ByteOrderMark,
                strip,
                &side.path,
                &side.byte_order_mark,
            );
            findings.add_occurrences(
                FindingKind::CarriageReturns,
                strip,
                &side.path,
                &side.carriage_returns,
            );
        }
        Self { text, limits, seen: HashMap::new(), findings }
    }

    /// Decides on one pair.
    fn judge(
        &mut self,
        index: usize,
        source_length: Length,
        target_length: Length,
    ) -> Result<Verdict, TextError> {
        let mut doubts = Vec::new();
        doubts.extend(self.empty_side(index)?);
        self.check_length(&self.text.source, index, source_length)?;
        self.check_length(&self.text.target, index, target_length)?;
        doubts.extend(self.length_doubts(source_length, target_length));
        doubts.extend(self.repetition_doubts(index));
        let leaves_out = |doubt: &&Doubt| self.limits.action(doubt.kind) == Action::LeftOut;
        if let Some(doubt) = doubts.iter().find(leaves_out) {
            self.record(index, doubt);
            return Ok(Verdict::LeaveOut);
        }
        for doubt in &doubts {
            self.record(index, doubt);
        }
        let (source, target) = self.lines(index);
        self.seen.entry((source, target)).or_insert(index);
        Ok(Verdict::Keep)
    }

    fn lines(&self, index: usize) -> (&'text str, &'text str) {
        (&self.text.source.lines[index], &self.text.target.lines[index])
    }

    fn record(&mut self, index: usize, doubt: &Doubt) {
        let side = match doubt.kind {
            FindingKind::EmptyTarget => &self.text.target,
            _ => &self.text.source,
        };
        let action = self.limits.action(doubt.kind);
        self.findings.add(doubt.kind, action, &side.path, index + 1, doubt.detail.clone());
    }

    fn empty_side(&self, index: usize) -> Result<Option<Doubt>, TextError> {
        let (source, target) = self.lines(index);
        let is_empty = |line: &str| line.trim().is_empty();
        let (kind, side) = match (is_empty(source), is_empty(target)) {
            (false, false) => return Ok(None),
            (true, false) => (FindingKind::EmptySource, &self.text.source),
            (false, true) => (FindingKind::EmptyTarget, &self.text.target),
            (true, true) => (FindingKind::EmptyPair, &self.text.source),
        };
        match self.limits.role {
            CorpusRole::Training => Ok(Some(Doubt { kind, detail: String::new() })),
            CorpusRole::Evaluation => {
                Err(TextError::EmptyLine { path: side.path.clone(), line: index + 1 })
            }
        }
    }

    fn check_length(
        &self,
        side: &TextLines,
        index: usize,
        length: Length,
    ) -> Result<(), TextError> {
        let (path, line) = (side.path.clone(), index + 1);
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

    fn length_doubts(&self, source: Length, target: Length) -> Vec<Doubt> {
        let too_long = |detail: String| vec![Doubt { kind: FindingKind::TooLong, detail }];
        let (source, target) = match (source, target) {
            (Length::Tokens(source), Length::Tokens(target)) => (source, target),
            (Length::Characters { found, .. }, _) => {
                return too_long(format!("{found} source characters"));
            }
            (_, Length::Characters { found, .. }) => {
                return too_long(format!("{found} target characters"));
            }
        };
        let detail = format!("{source} source and {target} target tokens");
        let (longer, shorter) = (source.max(target), source.min(target));
        let mut doubts = Vec::new();
        if longer > self.limits.max_tokens_per_sentence {
            doubts.extend(too_long(detail.clone()));
        }
        if longer as f64 > self.limits.max_length_ratio * shorter as f64 {
            doubts.push(Doubt { kind: FindingKind::LengthRatio, detail });
        }
        doubts
    }

    fn repetition_doubts(&self, index: usize) -> Vec<Doubt> {
        let (source, target) = self.lines(index);
        let mut doubts = Vec::new();
        if source == target {
            doubts.push(Doubt { kind: FindingKind::IdenticalSides, detail: String::new() });
        }
        if let Some(first) = self.seen.get(&(source, target)) {
            let detail = format!("as line {}", first + 1);
            doubts.push(Doubt { kind: FindingKind::DuplicatePairs, detail });
        }
        doubts
    }
}

/// One thing that is odd about one pair.
struct Doubt {
    kind: FindingKind,
    detail: String,
}
