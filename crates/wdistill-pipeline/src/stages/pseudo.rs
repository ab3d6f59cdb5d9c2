//! Pseudo data: the teacher's translations of the training source (sequence-level knowledge distillation,
//! Kim and Rush, 2016).

use std::path::Path;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use wdistill_base::{FileError, Problem, atomic_write, hash_bytes};
use wdistill_corpus::{Corpus, PairFiles};
use wdistill_metrics::{Chrf, CorpusMetric, MetricsError};
use wdistill_runtime::{Notice, Scored, Translation, Translator};
use wdistill_train::{Interrupt, line_by_line};

use crate::error::PipelineError;
use crate::names::PSEUDO_DATA;
use crate::pipeline::{Pipeline, RunOptions};
use crate::progress::{Display, Progress};
use crate::settings::Keep;
use crate::stage::{Fingerprint, MADE_AGAIN, read, write};
use crate::stages::pairs::PairChecks;
use crate::stages::prepare::Prepared;
use crate::stages::train::Trained;

/// Lines a shard; a kill loses at most one shard's work.
const SHARD: usize = 1000;

/// The lines that were translated, each as often as it has translations.
pub(crate) const SOURCE: &str = "source.txt";

/// The translations, one for each of these lines.
pub(crate) const TARGET: &str = "target.txt";

/// Some translations, with what they are translations of.
#[derive(Serialize, Deserialize)]
struct Shard {
    /// Hash of the source lines.
    source_hash: String,
    /// As many for each source line as are kept, line after line.
    translations: Vec<String>,
    /// Hash of the translations; shards of earlier versions have none.
    #[serde(default)]
    target_hash: Option<String>,
    /// Translations cut at the maximum length.
    cut: usize,
    /// Translations in which a line break was written as a space.
    joined: usize,
    /// Seconds of decoding.
    seconds: f64,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PseudoReport {
    /// Lines translated.
    pub lines: usize,
    /// Hash of the file of source lines; line N of the translations translates line N of it.
    pub source_hash: String,
    /// Hash of the file of translations.
    pub target_hash: String,
    /// Translations without a word.
    pub empty: usize,
    /// Translations cut at the maximum length.
    pub cut: usize,
    /// Translations in which a line break was written as a space.
    pub joined: usize,
    /// Target tokens.
    pub tokens: usize,
    /// Seconds of decoding.
    pub seconds: f64,
}

/// A text to translate, and what becomes of its translations.
#[derive(Clone, Copy)]
pub struct Untranslated<'a> {
    /// Its lines.
    pub lines: &'a [String],
    /// Their translations in the training text, for [`Keep::Nearest`].
    pub references: &'a [String],
    /// Which of the translations become pairs.
    pub keep: Keep,
}

impl Untranslated<'_> {
    /// The lines of a shard, with their references if there are any.
    fn shard(&self, index: usize) -> Untranslated<'_> {
        let part = |lines: &'_ [String]| {
            let first = (index * SHARD).min(lines.len());
            first..(first + SHARD).min(lines.len())
        };
        let (lines, references) = (part(self.lines), part(self.references));
        Untranslated {
            lines: &self.lines[lines],
            references: &self.references[references],
            keep: self.keep,
        }
    }
}

impl Keep {
    /// How many pairs a line has, of a beam of so many hypotheses.
    pub fn per_line(self, beam_size: usize) -> usize {
        match self {
            Keep::All => beam_size,
            Keep::Best | Keep::Nearest | Keep::Consensus => 1,
        }
    }

    /// How many hypotheses of a beam have to be known.
    fn n_best(self, beam_size: usize) -> usize {
        match self {
            Keep::Best => 1,
            Keep::All | Keep::Nearest | Keep::Consensus => beam_size,
        }
    }

    /// Which of a line's translations are kept, of which there is at least one, the best first; `reference` is its translation
    /// in the training text.
    fn choose(
        self,
        translations: &[Scored],
        reference: Option<&String>,
        count: usize,
    ) -> Result<Vec<usize>, PipelineError> {
        let best_by = |score: &dyn Fn(usize) -> Result<f64, MetricsError>| {
            let mut best = (0, f64::NEG_INFINITY);
            for index in 0..translations.len() {
                // Of equals the one with the higher score.
                let score = score(index)?;
                best = if score > best.1 { (index, score) } else { best };
            }
            Ok::<_, PipelineError>(vec![best.0])
        };
        let chrf = |index: usize, reference: &String| {
            let score = Chrf::default().sentence_score(&translations[index].text, &[reference])?;
            Ok::<_, MetricsError>(score.score)
        };
        match self {
            Keep::Best => Ok(vec![0]),
            // A beam that ended early has fewer: they are repeated from the best on.
            Keep::All => Ok((0..translations.len()).cycle().take(count).collect()),
            Keep::Nearest => {
                let reference = reference.expect("a training line has a translation");
                best_by(&|index| chrf(index, reference))
            }
            Keep::Consensus => best_by(&|index| {
                let others = (0..translations.len()).filter(|other| *other != index);
                others.map(|other| chrf(index, &translations[other].text)).sum()
            }),
        }
    }
}

fn hash(lines: &[String]) -> String {
    hash_bytes(lines.join("\n").as_bytes())
}

fn write_lines<'l>(
    path: &Path,
    lines: impl Iterator<Item = &'l String>,
) -> Result<String, PipelineError> {
    let text: String = lines.flat_map(|line| [line.as_str(), "\n"]).collect();
    atomic_write(path, text.as_bytes())?;
    Ok(hash_bytes(text.as_bytes()))
}

/// Translates lines, kept as `folder/source.txt`, into `folder/target.txt`, shard by shard; shards that
/// are there are not made again. Line N of one file translates line N of the other: counts and hashes of every
/// shard are checked.
///
/// # Errors
/// [`PipelineError::PseudoData`] for a shard of other text, [`PipelineError::Train`] if it was interrupted, and what translating and writing can bring.
pub fn translate_corpus(
    translator: &Translator,
    text: Untranslated<'_>,
    folder: &Path,
    display: Display,
    interrupt: &Interrupt,
) -> Result<PseudoReport, PipelineError> {
    let _willing = interrupt.willing();
    let lines = text.lines;
    let per_line = text.keep.per_line(translator.options().decoding.search.n_best);
    let progress = Progress::new(display, "pseudo data", lines.len() as u64);
    let shards = folder.join("shards");
    std::fs::create_dir_all(&shards).map_err(FileError::when("create", &shards))?;
    let mut report = PseudoReport {
        lines: 0,
        source_hash: write_lines(
            &folder.join(SOURCE),
            lines.iter().flat_map(|line| std::iter::repeat_n(line, per_line)),
        )?,
        target_hash: String::new(),
        empty: 0,
        cut: 0,
        joined: 0,
        tokens: 0,
        seconds: 0.0,
    };
    let mut translations = Vec::with_capacity(lines.len() * per_line);
    for index in 0..lines.len().div_ceil(SHARD) {
        let part = text.shard(index);
        let path = shards.join(format!("{index:05}.json"));
        let shard = match read::<Shard>(&path)? {
            Some(shard) => shard,
            None => {
                let shard = translate_shard(translator, part, per_line)?;
                write(&path, &shard)?;
                shard
            }
        };
        check(&path, part.lines, per_line, &shard)?;
        report.lines += part.lines.len();
        report.empty += shard.translations.iter().filter(|line| line.is_empty()).count();
        report.cut += shard.cut;
        report.joined += shard.joined;
        report.seconds += shard.seconds;
        let tokens = |line: &String| translator.vocabularies().target.encode(line).len() + 1;
        report.tokens += shard.translations.iter().map(tokens).sum::<usize>();
        translations.extend(shard.translations);
        let speed = report.tokens as f64 / report.seconds;
        progress.update(report.lines as u64, || format!("{speed:.0} tokens/s"));
        progress.log(&format!("{}/{} lines, {speed:.0} tokens/s", report.lines, lines.len()));
        interrupt.check()?;
    }
    progress.finish();
    report.target_hash = write_lines(&folder.join(TARGET), translations.iter())?;
    Ok(report)
}

fn translate_shard(
    translator: &Translator,
    text: Untranslated<'_>,
    per_line: usize,
) -> Result<Shard, PipelineError> {
    let start = Instant::now();
    let found = translator.translate(text.lines)?;
    let seconds = start.elapsed().as_secs_f64();
    let (mut translations, mut cut, mut joined) = (Vec::new(), 0, 0);
    for (number, Translation { text: best, score, notices, others, .. }) in
        found.into_iter().enumerate()
    {
        let all = [vec![Scored { text: best, score, notices }], others].concat();
        for index in text.keep.choose(&all, text.references.get(number), per_line)? {
            let Scored { text, notices, .. } = &all[index];
            translations.push(text.clone());
            cut += usize::from(notices.contains(&Notice::Cut));
            joined += usize::from(notices.contains(&Notice::LineBreak));
        }
    }
    let target_hash = Some(hash(&translations));
    Ok(Shard { source_hash: hash(text.lines), translations, target_hash, cut, joined, seconds })
}

fn check(
    path: &Path,
    source: &[String],
    per_line: usize,
    shard: &Shard,
) -> Result<(), PipelineError> {
    let expected = source.len() * per_line;
    let fact = if shard.source_hash != hash(source) {
        "it translates another text".to_string()
    } else if shard.translations.len() != expected {
        format!("it has {} lines, expected {expected}", shard.translations.len())
    } else if shard.target_hash.as_ref().is_some_and(|found| *found != hash(&shard.translations)) {
        "its translations were changed".to_string()
    } else {
        return Ok(());
    };
    let problem = Problem::with_hint(fact, MADE_AGAIN);
    Err(PipelineError::PseudoData { path: path.to_path_buf(), problem })
}

impl Pipeline {
    /// Appends the teacher's translations of the training text's sources, as pairs, to the training text;
    /// lines that the checks left out are not translated.
    ///
    /// # Errors
    /// [`PipelineError::PseudoData`], [`PipelineError::Translate`], [`PipelineError::Text`].
    pub fn pseudo_data(
        &self,
        prepared: &mut Prepared,
        teacher: &Trained,
    ) -> Result<Fingerprint, PipelineError> {
        let mut settings = self.plan.pseudo_data.clone();
        let search = &mut settings.decoding.search;
        search.n_best = settings.keep.n_best(search.beam_size);
        let inputs = Fingerprint::of(&(&prepared.fingerprint, &teacher.fingerprint, &settings));
        let training = &prepared.training;
        let report: PseudoReport =
            self.stages.run("pseudo", &inputs, &[SOURCE, TARGET], |folder| {
                let model = self.load(teacher)?;
                let keep = settings.keep;
                let options = line_by_line(&settings.decoding, self.options.threads);
                let translator = Translator::new(&model, prepared.vocabularies.clone(), options)?;
                let lines = training.sources()?;
                let references = match keep {
                    Keep::Nearest => training.targets()?,
                    Keep::Best | Keep::All | Keep::Consensus => Vec::new(),
                };
                let text = Untranslated { lines: &lines, references: &references, keep };
                let RunOptions { display, interrupt, .. } = &self.options;
                translate_corpus(&translator, text, folder, *display, interrupt)
            })?;
        let summary = pseudo_summary(&report);
        self.say("pseudo data", &summary);
        let folder = self.path("pseudo");
        let files = PairFiles::Aligned { source: folder.join(SOURCE), target: folder.join(TARGET) };
        let name = PSEUDO_DATA.to_string();
        let text =
            self.survey(PSEUDO_DATA, vec![Corpus { name, files: vec![files], tag: None }])?;
        let per_line = settings.keep.per_line(settings.decoding.search.beam_size);
        let vocabularies = &prepared.vocabularies;
        let checks = PairChecks { vocabularies, filters: &[], alternatives: per_line };
        let pairs = self.pairs("pseudo data", PSEUDO_DATA, &text, checks)?;
        self.write_data_report("pseudo/data.txt", pairs.named_reports())?;
        prepared.notes.push(format!("pseudo data: {summary}"));
        for report in &pairs.reports {
            let report = report.without_folders().to_string();
            prepared.notes.extend(report.lines().map(|line| format!("pseudo data: {line}")));
        }
        prepared.pseudo = Some(pairs);
        Ok(inputs)
    }
}

fn pseudo_summary(report: &PseudoReport) -> String {
    let PseudoReport { lines, empty, cut, joined, tokens, seconds, .. } = report;
    let speed = *tokens as f64 / seconds;
    format!(
        "{lines} lines, {tokens} target tokens, {speed:.0} tokens/s; {empty} empty, {cut} cut at the \
         maximum length, {joined} with a line break written as a space"
    )
}
