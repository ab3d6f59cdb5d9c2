//! Pseudo data: the teacher's translations of the training source (sequence-level knowledge distillation,
//! Kim and Rush, 2016).

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use wdistill_formats::atomic_write;
use wdistill_runtime::Translator;
use wdistill_text::{Vocabulary, hash_bytes, hash_file};

use crate::error::TrainError;
use crate::log::{Display, Progress};
use crate::stage::{read, write};
use crate::validation::translate;

/// Lines a shard; a kill loses at most one shard's work.
const SHARD: usize = 1000;

/// The translations, one for each source line.
const TARGET: &str = "target.txt";

/// Some translations, with what they are translations of.
#[derive(Serialize, Deserialize)]
struct Shard {
    /// Hash of the source lines.
    source_hash: String,
    /// One for each source line.
    translations: Vec<String>,
    /// Translations cut at the maximum length.
    cut: usize,
    /// Seconds of decoding.
    seconds: f64,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PseudoReport {
    /// Lines translated.
    pub lines: usize,
    /// Hash of all source lines; the same text is on line N of both sides.
    pub source_hash: String,
    /// Hash of the file of translations.
    pub target_hash: String,
    /// Translations without a word.
    pub empty: usize,
    /// Translations cut at the maximum length.
    pub cut: usize,
    /// Target tokens.
    pub tokens: usize,
    /// Seconds of decoding.
    pub seconds: f64,
}

fn hash(lines: &[String]) -> String {
    hash_bytes(lines.join("\n").as_bytes())
}

/// Translates `lines` into `folder/target.txt`, shard by shard; shards that are there are not made
/// again. Line N of the result translates line N: counts and hashes of every shard are checked.
///
/// # Errors
/// [`TrainError::PseudoData`] for a shard of other text, and what translating and writing can bring.
pub fn translate_corpus(
    translator: &Translator,
    source_vocabulary: &Vocabulary,
    target_vocabulary: &Vocabulary,
    lines: &[String],
    folder: &Path,
    display: Display,
) -> Result<PseudoReport, TrainError> {
    let progress = Progress::new(display, "pseudo data", lines.len() as u64);
    let shards = folder.join("shards");
    std::fs::create_dir_all(&shards).map_err(TrainError::io(&shards))?;
    let mut report = PseudoReport {
        lines: 0,
        source_hash: hash(lines),
        target_hash: String::new(),
        empty: 0,
        cut: 0,
        tokens: 0,
        seconds: 0.0,
    };
    let mut text = String::new();
    for (index, source) in lines.chunks(SHARD).enumerate() {
        let path = shards.join(format!("{index:05}.json"));
        let shard = match read::<Shard>(&path)? {
            Some(shard) => shard,
            None => {
                let shard =
                    translate_shard(translator, source_vocabulary, target_vocabulary, source)?;
                write(&path, &shard)?;
                shard
            }
        };
        check(&path, source, &shard)?;
        report.lines += shard.translations.len();
        report.empty += shard.translations.iter().filter(|line| line.is_empty()).count();
        report.cut += shard.cut;
        report.seconds += shard.seconds;
        for line in &shard.translations {
            report.tokens += target_vocabulary.encode(line).len() + 1;
            text.push_str(line);
            text.push('\n');
        }
        let speed = report.tokens as f64 / report.seconds;
        progress.update(report.lines as u64, || format!("{speed:.0} tokens/s"));
        progress.log(&format!("{}/{} lines, {speed:.0} tokens/s", report.lines, lines.len()));
    }
    progress.finish();
    atomic_write(&folder.join(TARGET), text.as_bytes())?;
    report.target_hash = hash_bytes(text.as_bytes());
    Ok(report)
}

/// The file of translations, if it is still the one that was written.
///
/// # Errors
/// [`TrainError::PseudoData`] if it was changed, [`TrainError::Text`] if it cannot be read.
pub fn verified_target(folder: &Path, report: &PseudoReport) -> Result<PathBuf, TrainError> {
    let path = folder.join(TARGET);
    if hash_file(&path)? == report.target_hash {
        return Ok(path);
    }
    let problem =
        "it was changed after it was made; hint: remove its folder, and it will be made again";
    Err(TrainError::PseudoData { path, problem: problem.to_string() })
}

fn translate_shard(
    translator: &Translator,
    source_vocabulary: &Vocabulary,
    target_vocabulary: &Vocabulary,
    lines: &[String],
) -> Result<Shard, TrainError> {
    let start = Instant::now();
    let end = translator.model().config.vocabularies.source_end;
    let sources: Vec<Vec<u32>> =
        lines.iter().map(|line| [source_vocabulary.encode(line), vec![end]].concat()).collect();
    let (translations, cut) = translate(translator, &sources, target_vocabulary)?;
    // A piece that stands for a line break would shift every later line.
    let translations: Vec<String> =
        translations.into_iter().map(|line| line.replace(['\n', '\r'], " ")).collect();
    let seconds = start.elapsed().as_secs_f64();
    Ok(Shard { source_hash: hash(lines), translations, cut, seconds })
}

fn check(path: &Path, source: &[String], shard: &Shard) -> Result<(), TrainError> {
    let problem = if shard.source_hash != hash(source) {
        "it translates another text; hint: remove it, and it will be made again".to_string()
    } else if shard.translations.len() != source.len() {
        format!("it has {} lines, expected {}", shard.translations.len(), source.len())
    } else {
        return Ok(());
    };
    Err(TrainError::PseudoData { path: path.to_path_buf(), problem })
}
