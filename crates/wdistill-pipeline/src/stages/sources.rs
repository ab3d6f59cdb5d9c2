//! What is translated: the sources of the training text, and texts of one language.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use wdistill_base::hash_file;
use wdistill_corpus::{LineFile, TextWriter, files_of};
use wdistill_text::{LineReader, Vocabulary};

use crate::error::PipelineError;
use crate::pipeline::Pipeline;
use crate::settings::SourceRecipe;
use crate::shards::SHARD;
use crate::stage::Fingerprint;
use crate::stages::prepare::Prepared;

/// The lines that are translated, in the folder of a stage.
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

/// Lines to translate, in stretches of a shard, and what decides them.
pub(crate) struct SourceLines {
    pub(crate) lines: LineFile,
    pub(crate) fingerprint: Fingerprint,
}

/// Texts of one language, from which lines are gathered.
pub(crate) struct Gathered<'a> {
    /// The stage that does it.
    pub(crate) stage: &'a str,
    /// Lines that come first.
    pub(crate) first: Option<LineFile>,
    /// Of what decides them.
    pub(crate) fingerprint: &'a Fingerprint,
    /// The texts.
    pub(crate) texts: &'a [SourceRecipe],
    /// Says how many tokens a line has.
    pub(crate) vocabulary: &'a Vocabulary,
}

impl Pipeline {
    /// The lines that the teacher translates: the sources of the training text that were kept, then those of every text of
    /// `pseudo_data.sources`.
    ///
    /// # Errors
    /// As [`Self::gather`].
    pub(crate) fn source_lines(&self, prepared: &Prepared) -> Result<SourceLines, PipelineError> {
        let texts = &self.plan.pseudo_data.sources;
        let lines = prepared.training.sources(SHARD)?;
        if texts.is_empty() {
            return Ok(SourceLines { lines, fingerprint: prepared.fingerprint.clone() });
        }
        self.gather(Gathered {
            stage: "sources",
            first: Some(lines),
            fingerprint: &prepared.fingerprint,
            texts,
            vocabulary: &prepared.vocabularies.source,
        })
    }

    /// Gathers lines in a file, without empty ones and those of too many tokens, which are counted.
    ///
    /// # Errors
    /// [`PipelineError::Corpus`], [`PipelineError::Text`].
    pub(crate) fn gather(&self, gathered: Gathered<'_>) -> Result<SourceLines, PipelineError> {
        let Gathered { stage, first, fingerprint, texts: recipes, vocabulary } = gathered;
        let folder = &self.plan.data.folder;
        let texts: Vec<Vec<PathBuf>> = recipes
            .iter()
            .map(|recipe| files_of(&folder.join(&recipe.file)))
            .collect::<Result<_, _>>()?;
        let hashes: Vec<String> =
            texts.iter().flatten().map(|path| hash_file(path)).collect::<Result<_, _>>()?;
        let limit = self.plan.data.max_sentence_tokens;
        let fingerprint = Fingerprint::of(&(fingerprint, &hashes, limit));
        let counts: Vec<Counts> = self.stages.run(stage, &fingerprint, &[LINES], |folder| {
            let mut out = TextWriter::create(folder.join(LINES))?;
            if let Some(first) = &first {
                for stretch in 0..first.stretches() {
                    first.read(stretch)?.iter().try_for_each(|line| out.line(line))?;
                }
            }
            let mut counts = Vec::new();
            for files in &texts {
                let mut found = Counts::default();
                for file in files {
                    add_lines(&mut out, file, vocabulary, limit, &mut found)?;
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
                stage,
                &format!("{file}: {kept} lines, {empty} empty and {too_long} over the token limit left out"),
            );
        }
        let lines = LineFile::open(&self.path(stage).join(LINES), SHARD)?;
        Ok(SourceLines { lines, fingerprint })
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
