//! Models for other toolkits' engines.

use std::path::Path;

use wdistill_model::{
    Config, DecoderStart, Dense, Embeddings, Matrix, Model, OutputBias, SourceEnding,
};

use crate::error::FormatError;
use crate::model_folder::{ModelFolder, write_model_folder};
use crate::{ctranslate2, huggingface, marian};
use wdistill_base::Pending;

/// What a model can be written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    /// A MarianMT folder for `transformers`.
    HuggingFace,
    /// A folder for CTranslate2.
    CTranslate2(Numbers),
    /// A `.npz` model for `marian-decoder`.
    Marian,
}

/// What the numbers of a written model are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbers {
    /// As they are.
    Float32,
    /// Matrices in 8 bits, with a factor for each row.
    Int8,
}

impl ExportFormat {
    /// The name as its users write it.
    pub fn name(self) -> &'static str {
        match self {
            ExportFormat::HuggingFace => "a MarianMT folder of Hugging Face",
            ExportFormat::CTranslate2(_) => "a CTranslate2 folder",
            ExportFormat::Marian => "a Marian model",
        }
    }
}

/// Writes a model into a folder, with its tokenisers, so that the other toolkit can load it as it is. The folder appears
/// when it is whole ([`write_model_folder`]).
///
/// Returns what its user should know: where results may differ, and what has to be done by hand.
///
/// # Errors
/// [`FormatError::Export`] with every property that the format cannot express, before anything is written;
/// [`FormatError::Io`].
pub fn export(
    given: &ModelFolder,
    format: ExportFormat,
    folder: &Path,
) -> Result<Vec<String>, FormatError> {
    // Before the folder is touched.
    check_export(given, format)?;
    write_model_folder(folder, |folder| match format {
        ExportFormat::HuggingFace => huggingface::write(given, folder),
        ExportFormat::CTranslate2(numbers) => ctranslate2::write(given, numbers, folder),
        ExportFormat::Marian => marian::write(given, folder),
    })
}

/// Whether a model can be written: as [`export`], without writing.
///
/// # Errors
/// [`FormatError::Export`] with every property that the format cannot express.
pub fn check_export(given: &ModelFolder, format: ExportFormat) -> Result<Vec<String>, FormatError> {
    let obstacles = match format {
        ExportFormat::HuggingFace => huggingface::obstacles(given),
        ExportFormat::CTranslate2(_) => ctranslate2::obstacles(given),
        ExportFormat::Marian => marian::obstacles(given),
    };
    obstacles.finish(format)
}

/// Problems of a model that is to be written, and notes.
#[derive(Debug, Default)]
pub(crate) struct Obstacles {
    pub(crate) problems: Vec<String>,
    pub(crate) notes: Vec<String>,
}

impl Obstacles {
    /// Notes the problem if the condition does not hold.
    pub(crate) fn need(&mut self, holds: bool, problem: impl FnOnce() -> String) {
        if !holds {
            self.problems.push(problem());
        }
    }

    /// What a format needs in which both stacks have one width and sinusoids are Marian's.
    pub(crate) fn need_marian_like(&mut self, config: &Config) {
        let architecture = &config.architecture;
        let widths = [architecture.encoder.width, architecture.decoder.width];
        self.need(widths[0] == widths[1], || {
            format!(
                "the encoder is {} wide and the decoder {}, but the format has one width; hint: CTranslate2 \
                 takes both",
                widths[0], widths[1]
            )
        });
        self.need(config.vocabularies.source_ending == SourceEnding::EndToken, || {
            "the encoder reads no end token, but the format always adds one".to_string()
        });
    }

    /// # Errors
    /// [`FormatError::Export`] with all problems.
    pub(crate) fn finish(self, format: ExportFormat) -> Result<Vec<String>, FormatError> {
        match self.problems.is_empty() {
            true => Ok(self.notes),
            false => Err(FormatError::Export { format: format.name(), problems: self.problems }),
        }
    }
}

/// Logit of a word that is never written: its probability is 0 in float32, and the number fits in float16.
pub(crate) const NEVER: f32 = -1e4;

/// Adds a word that is never written at number `at` of both vocabularies, with an embedding of zeros.
pub(crate) fn insert_padding(model: &Model<Dense<f32>>, at: usize) -> Model<Dense<f32>> {
    let mut model = model.clone();
    let embeddings = &mut model.weights.embeddings;
    let vocabulary = &mut model.config.vocabularies;
    let mut bias = embeddings.output_bias.take().unwrap_or_else(|| vec![0.0; vocabulary.target]);
    bias.insert(at, NEVER);
    embeddings.output_bias = Some(bias);
    let tables =
        [Some(&mut embeddings.source), embeddings.target.as_mut(), embeddings.output.as_mut()];
    for table in tables.into_iter().flatten() {
        *table = with_row_of_zeros(table, at);
    }
    let after = |token: u32| if token as usize >= at { token + 1 } else { token };
    vocabulary.source += 1;
    vocabulary.target += 1;
    vocabulary.source_end = after(vocabulary.source_end);
    vocabulary.target_end = after(vocabulary.target_end);
    vocabulary.padding = Some(at as u32);
    vocabulary.decoder_start = DecoderStart::Word(match vocabulary.decoder_start {
        DecoderStart::Word(word) => after(word),
        DecoderStart::ZeroVector => at as u32,
    });
    model.config.architecture.output_bias = OutputBias::Present;
    model
}

fn with_row_of_zeros(table: &Matrix<f32>, at: usize) -> Matrix<f32> {
    let columns = table.columns();
    let (before, after) = table.data().split_at(at * columns);
    Matrix::new(table.rows() + 1, columns, [before, &vec![0.0; columns], after].concat())
}

/// Takes away a padding word from whose embedding of zeros the decoder starts, if it is the last word of one joint
/// vocabulary: it then starts from a vector of zeros, and no number of another word changes.
pub(crate) fn without_zero_start(model: &Model<Dense<f32>>) -> Option<Model<Dense<f32>>> {
    let vocabularies = &model.config.vocabularies;
    let last = vocabularies.target.checked_sub(1)?;
    let table = &model.weights.embeddings.source;
    let is_last = vocabularies.decoder_start == DecoderStart::Word(last as u32)
        && vocabularies.padding == Some(last as u32)
        && model.config.architecture.embeddings == Embeddings::AllTied;
    if !is_last || table.row(last).iter().any(|number| *number != 0.0) {
        return None;
    }
    let mut model = model.clone();
    let embeddings = &mut model.weights.embeddings;
    let rows = table.data()[..last * table.columns()].to_vec();
    embeddings.source = Matrix::new(last, table.columns(), rows);
    if let Some(bias) = &mut embeddings.output_bias {
        bias.truncate(last);
    }
    let vocabularies = &mut model.config.vocabularies;
    (vocabularies.source, vocabularies.target) = (last, last);
    vocabularies.padding = None;
    vocabularies.decoder_start = DecoderStart::ZeroVector;
    Some(model)
}

/// Little-endian bytes of numbers.
pub(crate) fn float32_bytes(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// Writes all files of a folder to the disk before the first takes its place.
///
/// # Errors
/// [`FormatError::Io`].
pub(crate) fn publish(folder: &Path, files: Vec<(&str, Vec<u8>)>) -> Result<(), FormatError> {
    let pending = files
        .into_iter()
        .map(|(name, bytes)| Pending::write(&folder.join(name), |file| file.write_all(&bytes)))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(pending.into_iter().try_for_each(Pending::publish)?)
}
