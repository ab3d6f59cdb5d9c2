//! How large the inputs of products become: what int8 products with fixed factors need to know.

use std::convert::Infallible;
use std::ops::Range;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use wdistill_base::Problem;
use wdistill_formats::{ActivationFactors, ExportOptions, ModelFolder, Numbers};
use wdistill_kernels::{Epilogue, Float32Matrix, PackedWeight};
use wdistill_model::tree::{LeafRef, Map};
use wdistill_model::{Dense, Matrix, Model, Slot, Tokens};
use wdistill_search::{SearchOptions, SearchSettings, search};
use wdistill_text::{LexicalTable, VocabularyPair, read_lines};

use crate::cpu::Cpu;
use crate::decoder::BatchDecoder;
use crate::packed::Packed;

/// Lines of a text from which factors are learnt, if nobody says otherwise.
pub const CALIBRATION_SENTENCES: usize = 500;

/// The largest number of int8.
const LARGEST: f64 = 127.0;

/// Deviations above the mean up to which an input is told from others; what is larger becomes the largest number. As in
/// `extract_stats.py` of Firefox's training pipeline.
const DEVIATIONS: f64 = 1.1;

/// Sums over the products of a matrix.
#[derive(Clone, Copy, Debug, Default)]
struct Moments {
    products: f64,
    sum: f64,
    squares: f64,
}

impl Moments {
    fn add(&mut self, largest: f32) {
        let largest = f64::from(largest);
        self.products += 1.0;
        self.sum += largest;
        self.squares += largest * largest;
    }

    /// `127 / (mean + 1.1 deviations)` of the largest inputs; none without a product. Inputs that are all zero stay so by any
    /// factor.
    fn factor(self) -> Option<f32> {
        if self.products == 0.0 {
            return None;
        }
        let mean = self.sum / self.products;
        let variance = (self.squares / self.products - mean * mean).max(0.0);
        let largest = mean + DEVIATIONS * variance.sqrt();
        Some(if largest > 0.0 { (LARGEST / largest) as f32 } else { LARGEST as f32 })
    }
}

/// A matrix that watches its inputs.
struct Watched {
    matrix: Float32Matrix,
    moments: Mutex<Moments>,
}

/// Inputs, and the largest magnitude among them.
struct WatchedInput<'x> {
    input: <Float32Matrix as PackedWeight>::Input<'x>,
    largest: f32,
}

impl PackedWeight for Watched {
    type Scratch = <Float32Matrix as PackedWeight>::Scratch;
    type Input<'x> = WatchedInput<'x>;

    fn outputs(&self) -> usize {
        self.matrix.outputs()
    }

    fn inputs(&self) -> usize {
        self.matrix.inputs()
    }

    fn bytes(&self) -> usize {
        self.matrix.bytes()
    }

    fn input<'x>(x: &'x [f32], inputs: usize, scratch: &'x mut Self::Scratch) -> WatchedInput<'x> {
        let largest = x.iter().fold(0f32, |largest, number| largest.max(number.abs()));
        WatchedInput { input: Float32Matrix::input(x, inputs, scratch), largest }
    }

    fn product(
        &self,
        y: &mut [f32],
        x: &WatchedInput<'_>,
        outputs: Range<usize>,
        epilogue: &Epilogue<'_>,
    ) {
        // A product in blocks is one.
        if outputs.start == 0 {
            self.moments.lock().unwrap_or_else(PoisonError::into_inner).add(x.largest);
        }
        self.matrix.product(y, &x.input, outputs, epilogue);
    }

    fn row(&self, row: &mut [f32], output: usize) {
        self.matrix.row(row, output);
    }

    fn select(&self, outputs: &[u32]) -> Watched {
        Watched { matrix: self.matrix.select(outputs), moments: Mutex::default() }
    }
}

struct Watch;

impl Map<Dense<f32>, Packed<Watched>> for Watch {
    type Error = Infallible;
    fn matrix(&mut self, _: Slot, from: &Matrix<f32>) -> Result<Watched, Infallible> {
        let matrix = Float32Matrix::pack(from.data(), from.rows(), from.columns());
        Ok(Watched { matrix, moments: Mutex::default() })
    }
    fn vector(&mut self, _: Slot, from: &Vec<f32>) -> Result<Vec<f32>, Infallible> {
        Ok(from.clone())
    }
}

/// Reads word translations and learns factors of activations for a model that is to be written: the former from a file of
/// `wdistill shortlist`, the latter from the first lines of a source text.
///
/// # Errors
/// Those of the files, and of [`activation_factors`].
pub fn export_options(
    folder: &ModelFolder,
    numbers: Numbers,
    shortlist: Option<&Path>,
    source: Option<(&Path, usize)>,
) -> Result<ExportOptions, Problem> {
    let VocabularyPair { source: words, target } = &folder.vocabularies;
    let table = |path| LexicalTable::read(path, words, target);
    let factors = |(path, most): (&Path, usize)| {
        let lines = read_lines(path).map_err(|error| Problem::of(&error))?.lines;
        let sentence = |line: &String| [words.encode(line), vec![words.end_id()]].concat();
        let sentences: Vec<Vec<u32>> = lines.iter().take(most).map(sentence).collect();
        let factors = activation_factors(&folder.model, &sentences);
        factors.map_err(|problem| problem.at(path.display().to_string()))
    };
    Ok(ExportOptions {
        numbers,
        shortlist: shortlist.map(table).transpose().map_err(|error| Problem::of(&error))?,
        activations: source.map(factors).transpose()?,
    })
}

/// Learns the factors of activations by translating some sources, token ids with their end, greedily and one by one. A
/// matrix's factor is `127 / (mean + 1.1 deviations)` of the largest magnitude among the inputs of each product: of a
/// sentence in the encoder, of a word in the decoder.
///
/// # Errors
/// If the sources have no words, or the model gives numbers that are not finite.
pub fn activation_factors(
    model: &Model<Dense<f32>>,
    sources: &[Vec<u32>],
) -> Result<ActivationFactors, Problem> {
    let Ok(weights) = model.weights.map(&mut Watch);
    let watched = Model { config: model.config.clone(), weights };
    let options = SearchOptions { beam_size: 1, ..SearchOptions::default() };
    let settings = SearchSettings::new(options).expect("the defaults are good");
    let engine = Cpu::default();
    for source in sources.iter().filter(|source| source.len() > 1) {
        let tokens = Tokens::from_sentences([watched.config.vocabularies.encoder_input(source)]);
        let mut decoder = BatchDecoder::new(&watched, &engine, &tokens);
        search(&mut decoder, &[(source.len() - 1).into()], &settings)
            .map_err(|error| Problem::from(error.to_string()))?;
    }
    let leaves = watched.weights.leaves().into_iter();
    let factors = leaves.filter_map(|(slot, leaf)| match leaf {
        LeafRef::Matrix(Watched { moments, .. }) => {
            let moments = *moments.lock().unwrap_or_else(PoisonError::into_inner);
            Some((slot, moments.factor()?))
        }
        LeafRef::Vector(_) => None,
    });
    let factors: ActivationFactors = factors.collect();
    let wrong = factors.iter().find(|(_, factor)| !(factor.is_finite() && **factor > 0.0));
    match (wrong, factors.is_empty()) {
        (Some((slot, factor)), _) => Err(format!("the factor of {slot} is {factor}").into()),
        (None, true) => Err("there is no text to learn factors of activations from".into()),
        (None, false) => Ok(factors),
    }
}
