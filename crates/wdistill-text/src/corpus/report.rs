//! What the checks found, for people and for files.

use crate::error::TextError;
use crate::lines::{EXAMPLES, Occurrences};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// What can be odd about a corpus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// A file starts with a byte order mark.
    ByteOrderMark,
    /// Lines end with carriage return and line feed.
    CarriageReturns,
    /// A segment has line breaks inside.
    LineBreaks,
    /// Only the source is empty.
    EmptySource,
    /// Only the target is empty.
    EmptyTarget,
    /// Both sides are empty.
    EmptyPair,
    /// A side has too many tokens.
    TooLong,
    /// One side is many times as long as the other.
    LengthRatio,
    /// Too few of a side's characters are letters.
    FewLetters,
    /// A side is in another language than it should be.
    OtherLanguage,
    /// A model finds the pair unlikely.
    PoorScore,
    /// Source and target are the same text.
    IdenticalSides,
    /// The pair occurred before.
    DuplicatePairs,
    /// The pair's word alignment is given, but tokens cross its words.
    UnmappedAlignment,
}

impl FindingKind {
    /// What it is, in the plural.
    pub fn describe(self) -> &'static str {
        match self {
            Self::ByteOrderMark => "byte order marks",
            Self::CarriageReturns => "line endings with a carriage return",
            Self::LineBreaks => "segments with line breaks inside",
            Self::EmptySource => "pairs with an empty source",
            Self::EmptyTarget => "pairs with an empty target",
            Self::EmptyPair => "pairs with both sides empty",
            Self::TooLong => "pairs over the token limit",
            Self::LengthRatio => "pairs over the length ratio",
            Self::FewLetters => "pairs with too few letters",
            Self::OtherLanguage => "pairs in another language",
            Self::PoorScore => "pairs with a poor score",
            Self::IdenticalSides => "pairs with identical source and target",
            Self::DuplicatePairs => "repetitions of an earlier pair",
            Self::UnmappedAlignment => "given word alignments of words that tokens cross",
        }
    }
}

/// What was done about a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// The pairs are in the corpus.
    Kept,
    /// The pairs are not in the corpus.
    LeftOut,
    /// The bytes were taken out of the lines.
    Stripped,
    /// Spaces stand in their place.
    Replaced,
    /// The pairs are in the corpus, and IBM model 1's word alignments stand in place of the given ones.
    Aligned,
}

impl Action {
    fn describe(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::LeftOut => "left out",
            Self::Stripped => "stripped",
            Self::Replaced => "replaced by spaces",
            Self::Aligned => "replaced by those of IBM model 1",
        }
    }
}

/// One place where something was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Example {
    /// The file: the target's for an empty target, the source's for other pairs.
    pub file: PathBuf,
    /// The line number, from 1.
    pub line: usize,
    /// More about it, or nothing.
    pub detail: String,
}

impl fmt::Display for Example {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.file.display(), self.line)?;
        if self.detail.is_empty() { Ok(()) } else { write!(formatter, " ({})", self.detail) }
    }
}

/// One kind of oddness, counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What it is.
    pub kind: FindingKind,
    /// What was done.
    pub action: Action,
    /// How often.
    pub count: usize,
    /// The first few places: up to five, or up to five in each file for what was stripped.
    pub examples: Vec<Example>,
}

/// What the checks found in one corpus. The counts of all findings that were left out add up to
/// `pairs - kept`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorpusReport {
    /// The source side's file.
    pub source: PathBuf,
    /// The target side's file.
    pub target: PathBuf,
    /// Pairs that were read.
    pub pairs: usize,
    /// Pairs in the corpus.
    pub kept: usize,
    /// What was found, at most once for each kind.
    pub findings: Vec<Finding>,
}

impl CorpusReport {
    /// The same report with file names instead of paths: for a document that leaves this machine.
    pub fn without_folders(&self) -> CorpusReport {
        let name = |path: &Path| PathBuf::from(path.file_name().unwrap_or(path.as_os_str()));
        let mut report = self.clone();
        report.source = name(&self.source);
        report.target = name(&self.target);
        for example in report.findings.iter_mut().flat_map(|finding| &mut finding.examples) {
            example.file = name(&example.file);
        }
        report
    }

    /// Refuses a text of which nothing is left.
    ///
    /// # Errors
    /// [`TextError::NothingLeft`].
    pub fn check_something_left(&self) -> Result<(), TextError> {
        match self.kept {
            0 => Err(TextError::NothingLeft {
                source_path: self.source.clone(),
                target_path: self.target.clone(),
                lines: self.pairs,
                report: self.to_string(),
            }),
            _ => Ok(()),
        }
    }

    /// Both sides' files; one that has both comes once.
    pub fn files(&self) -> String {
        match self.source == self.target {
            true => self.source.display().to_string(),
            false => format!("{}, {}", self.source.display(), self.target.display()),
        }
    }

    /// The finding of a kind, if there is one.
    pub fn finding(&self, kind: FindingKind) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.kind == kind)
    }
}

impl fmt::Display for CorpusReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files = self.files();
        let (pairs, kept) = (self.pairs, self.kept);
        let left_out = pairs - kept;
        writeln!(formatter, "{files}: {pairs} pairs, {kept} kept, {left_out} left out")?;
        for finding in &self.findings {
            let (kind, action) = (finding.kind.describe(), finding.action.describe());
            writeln!(formatter, "  {} {kind}, {action}, such as", finding.count)?;
            for example in &finding.examples {
                writeln!(formatter, "    {example}")?;
            }
        }
        Ok(())
    }
}

/// Findings as they come in.
#[derive(Default)]
pub(super) struct Findings {
    by_kind: BTreeMap<FindingKind, Finding>,
}

impl Findings {
    fn entry(&mut self, kind: FindingKind, action: Action) -> &mut Finding {
        let empty = Finding { kind, action, count: 0, examples: Vec::new() };
        self.by_kind.entry(kind).or_insert(empty)
    }

    pub(super) fn add(
        &mut self,
        kind: FindingKind,
        action: Action,
        file: &Path,
        line: usize,
        detail: String,
    ) {
        let finding = self.entry(kind, action);
        finding.count += 1;
        if finding.examples.len() < EXAMPLES {
            finding.examples.push(Example { file: file.to_path_buf(), line, detail });
        }
    }

    pub(super) fn add_occurrences(
        &mut self,
        kind: FindingKind,
        action: Action,
        file: &Path,
        occurrences: &Occurrences,
    ) {
        if occurrences.count == 0 {
            return;
        }
        let finding = self.entry(kind, action);
        finding.count += occurrences.count;
        let example =
            |&line: &usize| Example { file: file.to_path_buf(), line, detail: String::new() };
        finding.examples.extend(occurrences.first_lines.iter().map(example));
    }

    pub(super) fn into_list(self) -> Vec<Finding> {
        self.by_kind.into_values().collect()
    }
}
