//! What the teacher translates: the sources of the training text, and texts of one language.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use wdistill_base::hash_file;
use wdistill_corpus::{LineFile, TextWriter, files_of};
use wdistill_text::{LineReader, Vocabulary};

use crate::error::PipelineError;
use crate::pipeline::Pipeline;
use crate::shards::SHARD;
use crate::stage::Fingerprint;
use crate::stages::prepare::Prepared;

/// The lines that are translated, if there are others than those of the training text.
const LINES: &str = "lines.txt";

/// Lines that are divided into tokens together.
const AT_ONCE: usize = 8192;

/// What there is of a text of one language.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Counts {
    /// Lines that are translated.
    kept: usize,
    /// Lines without a word.
    empty: usize,
    /// Lines of too many tokens.
    too_long: usize,
}

/// Lines to translate.
pub(crate) struct SourceLines {
    /// In stretches of a shard.
    pub(crate) lines: LineFile,
    /// Of the texts of one language; none if there are no such texts.
    pub(crate) fingerprint: Option<Fingerprint>,
}

impl Pipeline {
    /// The lines that the teacher translates: the sources of the training text that were kept, then those of every text of
    /// `pseudo_data.sources`, without empty lines and lines of too many tokens, which are counted.
    ///
    /// # Errors
    /// [`PipelineError::Corpus`], [`PipelineError::Text`].
    pub(crate) fn source_lines(&self, prepared: &Prepared) -> Result<SourceLines, PipelineError> {
        let folder = &self.plan.data.folder;
        let recipes = &self.plan.pseudo_data.sources;
        if recipes.is_empty() {
            let lines = prepared.training.sources(SHARD)?;
            return Ok(SourceLines { lines, fingerprint: None });
        }
        let texts: Vec<Vec<PathBuf>> = recipes
            .iter()
            .map(|recipe| files_of(&folder.join(&recipe.file)))
            .collect::<Result<_, _>>()?;
        let hashes: Vec<String> =
            texts.iter().flatten().map(|path| hash_file(path)).collect::<Result<_, _>>()?;
        let limit = self.plan.data.max_sentence_tokens;
        let fingerprint = Fingerprint::of(&(&prepared.fingerprint, &hashes, limit));
        let counts: Vec<Counts> = self.stages.run("sources", &fingerprint, &[LINES], |folder| {
            let mut out = TextWriter::create(folder.join(LINES))?;
            let training = prepared.training.sources(SHARD)?;
            for stretch in 0..training.stretches() {
                training.read(stretch)?.iter().try_for_each(|line| out.line(line))?;
            }
            let mut counts = Vec::new();
            for files in &texts {
                let mut found = Counts::default();
                for file in files {
                    add_lines(&mut out, file, &prepared.vocabularies.source, limit, &mut found)?;
                    self.options.interrupt.check()?;
                }
                counts.push(found);
            }
            out.finish()?;
            Ok(counts)
        })?;
        for (recipe, Counts { kept, empty, too_long }) in recipes.iter().zip(&counts) {
            let file = recipe.file.display();
            self.say(
                "sources",
                &format!("{file}: {kept} lines, {empty} empty and {too_long} over the token limit left out"),
            );
        }
        let lines = LineFile::open(&self.path("sources").join(LINES), SHARD)?;
        Ok(SourceLines { lines, fingerprint: Some(fingerprint) })
    }
}

/// Adds the lines of a text that are neither empty nor too long.
fn add_lines(
    out: &mut TextWriter,
    text: &Path,
    vocabulary: &Vocabulary,
    limit: usize,
    counts: &mut Counts,
) -> Result<(), PipelineError> {
    let mut reader = LineReader::open(text)?;
    loop {
        let mut lines = Vec::new();
        while lines.len() < AT_ONCE {
            let Some(line) = reader.next_line()? else { break };
            lines.push(line.to_string());
        }
        if lines.is_empty() {
            return Ok(());
        }
        for (line, ids) in lines.iter().zip(vocabulary.encode_batch(&lines)) {
            let count = match (line.trim().is_empty(), ids.len() < limit) {
                (true, _) => &mut counts.empty,
                (false, false) => &mut counts.too_long,
                (false, true) => {
                    out.line(line)?;
                    &mut counts.kept
                }
            };
            *count += 1;
        }
    }
}
