//! Corpora, checked and encoded: text and pairs on disk.

use std::path::Path;

use wdistill_base::parallel;
use wdistill_text::{
    Candidate, CorpusLimits, CorpusReport, Filter, FindingKind, Link, Objection, Occurrences,
    PairChecker, Place, Verdict, VocabularyPair, token_links,
};

use crate::corpus::Corpus;
use crate::error::CorpusError;
use crate::raw::{RawPair, ReadPairs};
use crate::reader::PairFiles;
use crate::scores::PairScores;
use crate::store::{Alternative, StoreWriter, TextWriter};
use crate::survey::Repeats;

/// The pairs that were left out: corpus, files, lines and reason, divided by tabulators.
pub const LEFT_OUT: &str = "left-out.tsv";

/// Pairs that are checked together.
const PAIRS_AT_ONCE: usize = 8192;

/// What decides which pairs are kept.
pub struct Checks<'c> {
    /// Both sides' vocabularies.
    pub vocabularies: &'c VocabularyPair,
    /// Limits of all corpora.
    pub limits: &'c CorpusLimits,
    /// Further checks, for each corpus.
    pub filters: &'c [Vec<Box<dyn Filter>>],
    /// Scores that a model gave to the pairs of each corpus; none, or one for each.
    pub scores: &'c [Option<PairScores>],
    /// Which pairs repeat an earlier one.
    pub repeats: &'c Repeats<'c>,
    /// How many neighbours are alternatives of each other, such as several translations of one line; 1 for none.
    pub alternatives: usize,
}

/// Reads corpora, leaves out what [`PairChecker`] objects to, and writes the rest into `folder`: encoded and as
/// text, as a [`PairStore`](crate::PairStore). [`LEFT_OUT`] names every pair that was
/// left out. `progress` is told the pairs so far now and then, and may stop it.
///
/// # Errors
/// What reading and writing bring, what `progress` returns, and
/// [`TextError::NothingLeft`](wdistill_text::TextError::NothingLeft) for a corpus of which nothing is left.
pub fn write_pairs<E: From<CorpusError>>(
    corpora: &[Corpus],
    checks: &Checks<'_>,
    folder: &Path,
    mut progress: impl FnMut(u64) -> Result<(), E>,
) -> Result<Vec<CorpusReport>, E> {
    let mut output = Output::create(folder, checks.vocabularies)?;
    if corpora.iter().flat_map(|corpus| &corpus.files).any(|files| files.alignments().is_some()) {
        output.store.begin_links()?;
    }
    let mut number = 0;
    let mut reports = Vec::new();
    for (index, (corpus, filters)) in corpora.iter().zip(checks.filters).enumerate() {
        let scores = checks.scores.get(index).and_then(Option::as_ref);
        let mut scores = scores.map(PairScores::open).transpose()?;
        output.store.begin_part(&corpus.name)?;
        let VocabularyPair { source, target } = checks.vocabularies;
        let mut checker = PairChecker::new([source, target], checks.limits, filters)
            .map_err(CorpusError::from)?;
        for files in &corpus.files {
            let mut reader = files.open()?;
            loop {
                let pairs = read_some(corpus, &mut *reader)?;
                if pairs.is_empty() {
                    break;
                }
                let known = pairs.iter().map(|_| match &mut scores {
                    Some(scores) => scores.next(),
                    None => Ok(None),
                });
                let known = known.collect::<Result<Vec<_>, _>>()?;
                let pairs_and_known = (&pairs[..], known, number);
                check(&mut checker, checks, (corpus, files), pairs_and_known, &mut output)?;
                number += pairs.len() as u64;
                progress(number)?;
            }
            for (kind, path, found) in reader.changes() {
                checker.add_occurrences(kind, path, found);
            }
            if let Some(path) = files.alignments() {
                let unmapped = std::mem::take(&mut output.unmapped);
                checker.add_occurrences(FindingKind::UnmappedAlignment, path, &unmapped);
            }
        }
        let [source, target] = corpus.paths();
        let report = checker.into_report(&source, &target);
        report.check_something_left().map_err(CorpusError::from)?;
        reports.push(report);
    }
    output.finish()?;
    Ok(reports)
}

fn read_some(corpus: &Corpus, reader: &mut dyn ReadPairs) -> Result<Vec<RawPair>, CorpusError> {
    let mut pairs = Vec::new();
    while pairs.len() < PAIRS_AT_ONCE {
        let mut pair = RawPair::default();
        if !corpus.read(reader, &mut pair)? {
            break;
        }
        pairs.push(pair);
    }
    Ok(pairs)
}

/// Checks some pairs, with what is known to be wrong with each, and writes what is kept. The first pair has this number over all
/// corpora.
fn check(
    checker: &mut PairChecker<'_>,
    checks: &Checks<'_>,
    (corpus, files): (&Corpus, &PairFiles),
    (pairs, known, first): (&[RawPair], Vec<Option<Objection>>, u64),
    output: &mut Output,
) -> Result<(), CorpusError> {
    let candidates: Vec<Candidate<'_>> = (first..)
        .zip(pairs)
        .zip(known)
        .map(|((number, RawPair { source, target, lines, .. }), known)| {
            let place = Place { files: files.paths(), lines: *lines };
            Candidate { source, target, place, repeats: checks.repeats.of(number), known }
        })
        .collect();
    let verdicts = checker.check(&candidates)?;
    let mut links = all_links(pairs, &verdicts, checks.vocabularies).into_iter();
    for (number, (candidate, verdict)) in (first..).zip(candidates.iter().zip(verdicts)) {
        let given = links.next().unwrap_or(Given::Nothing);
        match verdict {
            Verdict::Kept { source, target } => {
                let group = number / checks.alternatives as u64;
                output.keep(candidate, group, &source, &target)?;
                match given {
                    Given::Nothing => {}
                    Given::Links(links) => output.store.link(&links),
                    Given::Unmapped => output.unmapped.add(candidate.place.lines[0]),
                }
            }
            Verdict::LeftOut(objection) => {
                let Place { files, lines } = candidate.place;
                let reason = objection.kind.describe();
                output.left_out.line(&format!(
                    "{}\t{}\t{}\t{}\t{}\t{reason}\t{}",
                    corpus.name,
                    files[0].display(),
                    lines[0],
                    files[1].display(),
                    lines[1],
                    objection.detail
                ))?;
            }
        }
    }
    Ok(())
}

/// What is given of a pair's word alignment.
enum Given {
    Nothing,
    Links(Vec<Link>),
    /// Tokens cross its words.
    Unmapped,
}

/// What is given for each of some pairs; nothing at all if none has an alignment.
fn all_links(pairs: &[RawPair], verdicts: &[Verdict], vocabularies: &VocabularyPair) -> Vec<Given> {
    if pairs.iter().all(|pair| pair.alignment.is_none()) {
        return Vec::new();
    }
    let both: Vec<(&RawPair, &Verdict)> = pairs.iter().zip(verdicts).collect();
    parallel::map_at_least(16, &both, |(pair, verdict)| {
        let (Some(words), Verdict::Kept { source, target }) = (&pair.alignment, verdict) else {
            return Given::Nothing;
        };
        let sources = vocabularies.source.word_ends(&pair.source, source);
        let ends = sources.zip(vocabularies.target.word_ends(&pair.target, target));
        match ends {
            Some((sources, targets)) => Given::Links(token_links(words, [&sources, &targets])),
            None => Given::Unmapped,
        }
    })
}

/// What is written.
struct Output {
    store: StoreWriter,
    left_out: TextWriter,
    /// Lines of alignments whose words tokens cross, of the files that are read.
    unmapped: Occurrences,
    /// Of the pair that was kept last.
    group: Option<u64>,
}

impl Output {
    fn create(folder: &Path, vocabularies: &VocabularyPair) -> Result<Output, CorpusError> {
        let mut left_out = TextWriter::create(folder.join(LEFT_OUT))?;
        left_out
            .line("corpus\tsource file\tsource line\ttarget file\ttarget line\treason\tdetail")?;
        Ok(Output {
            store: StoreWriter::create(folder, vocabularies.special_tokens())?,
            left_out,
            unmapped: Occurrences::default(),
            group: None,
        })
    }

    fn keep(
        &mut self,
        candidate: &Candidate<'_>,
        group: u64,
        source: &[u32],
        target: &[u32],
    ) -> Result<(), CorpusError> {
        let alternative = match self.group.replace(group) == Some(group) {
            true => Alternative::OfLast,
            false => Alternative::New,
        };
        self.store.push([source, target], [candidate.source, candidate.target], alternative)
    }

    fn finish(self) -> Result<(), CorpusError> {
        self.left_out.finish()?;
        self.store.finish()
    }
}
