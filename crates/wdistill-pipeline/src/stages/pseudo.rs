//! Pseudo data: the teacher's translations of the training source (sequence-level knowledge distillation,
//! Kim and Rush, 2016).

use std::path::Path;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use wdistill_base::{FileError, Problem, atomic_write, hash_bytes};
use wdistill_runtime::Translator;
use wdistill_text::{EncodedCorpus, read_lines};
use wdistill_train::{Decoded, Interrupt, line_by_line};

use crate::data::{TextSet, encode, limits, read_pair};
use crate::error::PipelineError;
use crate::pipeline::{Pipeline, RunOptions};
use crate::progress::{Display, Progress};
use crate::settings::TextPair;
use crate::stage::{Fingerprint, MADE_AGAIN, read, write};
use crate::stages::prepare::Prepared;
use crate::stages::train::Trained;

/// Lines a shard; a kill loses at most one shard's work.
const SHARD: usize = 1000;

/// The lines that were translated.
pub(crate) const SOURCE: &str = "source.txt";

/// The translations, one for each source line.
pub(crate) const TARGET: &str = "target.txt";

/// Some translations, with what they are translations of.
#[derive(Serialize, Deserialize)]
struct Shard {
    /// Hash of the source lines.
    source_hash: String,
    /// One for each source line.
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

/// Translates `lines`, kept as `folder/source.txt`, into `folder/target.txt`, shard by shard; shards that
/// are there are not made again. Line N of the result translates line N: counts and hashes of every
/// shard are checked.
///
/// # Errors
/// [`PipelineError::PseudoData`] for a shard of other text, [`PipelineError::Train`] if it was interrupted, and what translating and writing can bring.
pub fn translate_corpus(
    translator: &Translator,
    lines: &[String],
    folder: &Path,
    display: Display,
    interrupt: &Interrupt,
) -> Result<PseudoReport, PipelineError> {
    let _willing = interrupt.willing();
    let progress = Progress::new(display, "pseudo data", lines.len() as u64);
    let shards = folder.join("shards");
    std::fs::create_dir_all(&shards).map_err(FileError::when("create", &shards))?;
    let mut report = PseudoReport {
        lines: 0,
        source_hash: write_lines(&folder.join(SOURCE), lines.iter())?,
        target_hash: String::new(),
        empty: 0,
        cut: 0,
        joined: 0,
        tokens: 0,
        seconds: 0.0,
    };
    let mut translations = Vec::with_capacity(lines.len());
    for (index, source) in lines.chunks(SHARD).enumerate() {
        let path = shards.join(format!("{index:05}.json"));
        let shard = match read::<Shard>(&path)? {
            Some(shard) => shard,
            None => {
                let shard = translate_shard(translator, source)?;
                write(&path, &shard)?;
                shard
            }
        };
        check(&path, source, &shard)?;
        report.lines += shard.translations.len();
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

fn translate_shard(translator: &Translator, lines: &[String]) -> Result<Shard, PipelineError> {
    let start = Instant::now();
    let Decoded { lines: translations, cut, joined } = Decoded::of(translator.translate(lines)?);
    let seconds = start.elapsed().as_secs_f64();
    let target_hash = Some(hash(&translations));
    Ok(Shard { source_hash: hash(lines), translations, target_hash, cut, joined, seconds })
}

fn check(path: &Path, source: &[String], shard: &Shard) -> Result<(), PipelineError> {
    let fact = if shard.source_hash != hash(source) {
        "it translates another text".to_string()
    } else if shard.translations.len() != source.len() {
        format!("it has {} lines, expected {}", shard.translations.len(), source.len())
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
        let settings = &self.plan.pseudo_data;
        let inputs = Fingerprint::of(&(&prepared.fingerprint, &teacher.fingerprint, settings));
        let training = &prepared.training;
        let report: PseudoReport =
            self.stages.run("pseudo", &inputs, &[SOURCE, TARGET], |folder| {
                let model = self.load(teacher)?;
                let options = line_by_line(settings, self.options.threads);
                let translator = Translator::new(&model, prepared.vocabularies.clone(), options)?;
                let all = self.unchanged_lines(training)?;
                let kept: Vec<String> =
                    training.lines.iter().map(|line| all[line - 1].clone()).collect();
                drop(all);
                let RunOptions { display, interrupt, .. } = &self.options;
                translate_corpus(&translator, &kept, folder, *display, interrupt)
            })?;
        let summary = pseudo_summary(&report);
        self.say("pseudo data", &summary);
        let folder = self.path("pseudo");
        let files = TextPair { source: folder.join(SOURCE), target: folder.join(TARGET) };
        let text = read_pair(Path::new(""), &files)?;
        let set = encode("pseudo data", text, &prepared.vocabularies, &limits(&self.plan.data))?;
        self.tell("pseudo data", &set.report);
        self.write_data_report("pseudo/data.txt", std::iter::once(&set))?;
        let pseudo = set.report.without_folders().to_string();
        prepared.notes.push(format!("pseudo data: {summary}"));
        prepared.notes.extend(pseudo.lines().map(|line| format!("pseudo data: {line}")));
        let original =
            std::mem::replace(&mut prepared.training.corpus, EncodedCorpus::concatenate([]));
        prepared.training.corpus = EncodedCorpus::concatenate([&original, &set.corpus]);
        Ok(inputs)
    }

    /// The source lines of a text, which were not kept in memory.
    fn unchanged_lines(&self, set: &TextSet) -> Result<Vec<String>, PipelineError> {
        let text = read_lines(&set.report.source)?;
        match text.hash == set.hashes[0] {
            true => Ok(text.lines),
            false => Err(PipelineError::Changed { path: text.path }),
        }
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
