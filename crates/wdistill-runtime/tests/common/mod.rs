//! Small models of every kind, and sentences for them.

use wdistill_base::Random;
use wdistill_model::{
    Activation, Architecture, Autoregression, Config, DecoderStart, Dense, Embeddings, FinalNorm,
    Model, NormPlacement, OutputBias, PositionTable, Vocabularies,
};

pub const WORDS: usize = 23;
/// Source and target end; the decoder starts with another token.
pub const END: u32 = 0;
pub const START: u32 = 22;

/// Every norm placement, activation, kind of decoder, tying and position table at least once; the third decoder is
/// narrower than its encoder, with heads of 5 columns.
pub fn models() -> Vec<Model<Dense<f32>>> {
    let post = Architecture::preset("transformer-nano").unwrap();
    let mut narrow = post.clone();
    narrow.decoder.width = 10;
    narrow.embeddings = Embeddings::Separate;
    narrow.output_bias = OutputBias::Present;
    narrow.activation = Activation::Swish;
    narrow.positions = PositionTable::Fairseq;
    let mut pre = post.clone();
    pre.norm = NormPlacement::Pre;
    pre.final_norm = FinalNorm::Present;
    pre.embeddings = Embeddings::AllTied;
    pre.activation = Activation::Gelu;
    pre.positions = PositionTable::Interleaved;
    let ssru = Architecture { autoregression: Autoregression::Ssru, ..post.clone() };
    [post, narrow, pre, ssru].into_iter().map(|architecture| model(architecture, 5)).collect()
}

pub fn model(architecture: Architecture, seed: u64) -> Model<Dense<f32>> {
    let vocabularies = Vocabularies {
        source: WORDS,
        target: WORDS,
        source_end: END,
        target_end: END,
        decoder_start: DecoderStart::Word(START),
        ..Vocabularies::shared(WORDS)
    };
    let mut model = Model::initialise(Config::new(architecture, vocabularies).unwrap(), seed);
    // Fresh biases are 0 and gains are 1, so that a bias or gain left out would not show.
    for (slot, slice) in model.weights.slices_mut() {
        let path = slot.to_string();
        let mut random = Random::named(seed, &format!("{path} moved"));
        if !path.ends_with("weight") && !path.starts_with("embeddings") {
            slice.iter_mut().for_each(|value| *value += random.symmetric(0.3) as f32);
        }
        if path == "embeddings.output_bias" {
            slice.iter_mut().for_each(|value| *value += random.symmetric(1.0) as f32);
        }
    }
    model
}

/// Sentences of 1 to `longest` words and an end token.
pub fn sentences(count: usize, longest: usize) -> Vec<Vec<u32>> {
    let mut random = Random::named(9, "sentences");
    let mut draw = |limit: usize| (random.uniform() * limit as f64) as usize;
    (0..count)
        .map(|_| {
            let words = 1 + draw(longest);
            let mut sentence: Vec<u32> = (0..words).map(|_| 1 + draw(WORDS - 2) as u32).collect();
            sentence.push(END);
            sentence
        })
        .collect()
}
