//! Padding words, which some toolkits need and others cannot have, and sizes that are filled up.

use std::collections::HashMap;
use std::convert::Infallible;

use wdistill_model::tree::Map;
use wdistill_model::{
    Config, DecoderStart, Dense, Embeddings, Matrix, Model, OutputBias, Slot, Transformer,
};

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

/// Fills weights up with zeros, and the bias of words so that these are never written.
struct Enlarge {
    shapes: HashMap<Slot, Vec<usize>>,
}

impl Map<Dense<f32>, Dense<f32>> for Enlarge {
    type Error = Infallible;

    fn matrix(&mut self, slot: Slot, from: &Matrix<f32>) -> Result<Matrix<f32>, Infallible> {
        let shape = &self.shapes[&slot];
        Ok(Matrix::from_fn(shape[0], shape[1], |row, column| {
            if row < from.rows() && column < from.columns() { from.at(row, column) } else { 0.0 }
        }))
    }

    fn vector(&mut self, slot: Slot, from: &Vec<f32>) -> Result<Vec<f32>, Infallible> {
        let mut vector = from.clone();
        let filling = if slot == Slot::OutputBias { NEVER } else { 0.0 };
        vector.resize(self.shapes[&slot][0], filling);
        Ok(vector)
    }
}

/// The model with more hidden units and words, as `config` has them, and with a bias of words: it translates as before. A
/// hidden unit whose weights are zeros gives zero by every activation.
pub(crate) fn enlarged(model: &Model<Dense<f32>>, config: Config) -> Model<Dense<f32>> {
    let mut weights = model.weights.clone();
    let words = model.config.vocabularies.target;
    weights.embeddings.output_bias.get_or_insert_with(|| vec![0.0; words]);
    let shapes =
        Transformer::list(&config).into_iter().map(|info| (info.slot, info.shape)).collect();
    let Ok(weights) = weights.map(&mut Enlarge { shapes });
    Model { config, weights }
}
