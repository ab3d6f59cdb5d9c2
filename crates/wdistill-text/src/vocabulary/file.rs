//! The vocabulary's file: one JSON object, written in one step.

use super::{BASE_SIZE, Segmenter, SubwordModel, Vocabulary};
use crate::error::{TextError, file_error};
use crate::hash::hash_bytes;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::{Path, PathBuf};

const FORMAT: &str = "wdistill-vocabulary";
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct VocabularyFile {
    format: String,
    version: u32,
    model: SubwordModel,
    /// Learnt pieces in the order of their ids, from id 258.
    pieces: Vec<String>,
    /// BPE: `left right`, by rank.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    merges: Option<Vec<String>>,
    /// Unigram: log probabilities in millionths of a nat, one for each piece.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scores_in_millionths: Option<Vec<i64>>,
}

impl Vocabulary {
    /// The file's content.
    pub fn to_json(&self) -> String {
        let (merges, scores) = match &self.segmenter {
            Segmenter::Bpe { merges, .. } => {
                // Pieces have markers for spaces, so one space separates them.
                (Some(merges.iter().map(|(left, right)| format!("{left} {right}")).collect()), None)
            }
            Segmenter::Unigram { scores, .. } => (None, Some(scores.clone())),
        };
        let file = VocabularyFile {
            format: FORMAT.to_owned(),
            version: VERSION,
            model: self.model(),
            pieces: self.tokens[BASE_SIZE..].to_vec(),
            merges,
            scores_in_millionths: scores,
        };
        let mut json = serde_json::to_string_pretty(&file).expect("strings and numbers serialise");
        json.push('\n');
        json
    }

    /// A hash of the file's content, the same as [`crate::hash_file`] of the saved file.
    pub fn content_hash(&self) -> String {
        hash_bytes(self.to_json().as_bytes())
    }

    /// Writes the vocabulary to a file, usually named `tokenizer.json`: to a file beside it first,
    /// which then takes its name, so that no half-written file is ever seen.
    ///
    /// # Errors
    /// [`TextError::File`] with the path; what was there before stays.
    pub fn save(&self, path: &Path) -> Result<(), TextError> {
        let partial = partial_path(path);
        write_and_sync(&partial, self.to_json().as_bytes())
            .and_then(|()| std::fs::rename(&partial, path))
            .map_err(|error| {
                // The write's error matters more than what becomes of the partial file.
                let _ = std::fs::remove_file(&partial);
                file_error("write", path)(error)
            })
    }

    /// Reads a vocabulary that [`Self::save`] wrote.
    ///
    /// # Errors
    /// [`TextError::File`] when it cannot be read, [`TextError::VocabularyFile`] when it is not
    /// such a file or contradicts itself.
    pub fn load(path: &Path) -> Result<Self, TextError> {
        let bytes = std::fs::read(path).map_err(file_error("read", path))?;
        let invalid = |message| TextError::VocabularyFile { path: path.to_path_buf(), message };
        let file: VocabularyFile =
            serde_json::from_slice(&bytes).map_err(|error| invalid(error.to_string()))?;
        from_file(file).map_err(invalid)
    }
}

fn from_file(file: VocabularyFile) -> Result<Vocabulary, String> {
    if (file.format.as_str(), file.version) != (FORMAT, VERSION) {
        let (format, version) = (file.format, file.version);
        return Err(format!(
            "format {format:?} version {version}, expected {FORMAT:?} version {VERSION}"
        ));
    }
    match (file.model, file.merges, file.scores_in_millionths) {
        (SubwordModel::Bpe, Some(merges), None) => {
            let merges = merges.iter().map(|merge| split_merge(merge)).collect::<Result<_, _>>()?;
            Vocabulary::from_merges(file.pieces, merges)
        }
        (SubwordModel::Unigram, None, Some(scores)) => Vocabulary::from_scores(file.pieces, scores),
        _ => Err("expected merges for bpe, or scores_in_millionths for unigram".to_owned()),
    }
}

fn split_merge(merge: &str) -> Result<(String, String), String> {
    match merge.split_once(' ') {
        Some((left, right)) if !left.is_empty() && !right.is_empty() && !right.contains(' ') => {
            Ok((left.to_owned(), right.to_owned()))
        }
        _ => Err(format!("merge {merge:?}, expected two pieces with a space between")),
    }
}

fn partial_path(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // Named as all temporary files are, so that what a kill leaves is found: .NAME.PROCESS-ATTEMPT.partial.
    path.with_file_name(format!(".{name}.{}-0.partial", std::process::id()))
}

fn write_and_sync(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = std::fs::File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
