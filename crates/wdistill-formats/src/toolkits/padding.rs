//! Padding words, which some toolkits need and others cannot have.

use wdistill_model::{DecoderStart, Dense, Embeddings, Matrix, Model, OutputBias};

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
