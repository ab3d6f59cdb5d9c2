//! The forward pass over the reference engine: decoding is training, and neighbours do not matter.

use wdistill_model::reference::Reference;
use wdistill_model::{
    Architecture, Autoregression, Config, DecoderState, Dense, Embeddings, FinalNorm, Matrix,
    Model, NormPlacement, OutputBias, Tokens, Vocabularies,
};

type Sentence = Vec<u32>;

fn models() -> Vec<Model<Dense<f64>>> {
    let post = Architecture::preset("transformer-nano").unwrap();
    let mut narrow = post.clone();
    narrow.decoder.width = 8;
    narrow.embeddings = Embeddings::Separate;
    narrow.output_bias = OutputBias::Present;
    let mut pre = post.clone();
    pre.norm = NormPlacement::Pre;
    pre.final_norm = FinalNorm::Present;
    pre.embeddings = Embeddings::AllTied;
    let ssru = Architecture { autoregression: Autoregression::Ssru, ..post.clone() };
    [post, narrow, pre, ssru]
        .into_iter()
        .map(|architecture| Config::new(architecture, Vocabularies::shared(17)).unwrap())
        .map(|config| Model::initialise(config, 5).convert::<f64>())
        .collect()
}

fn logits(model: &Model<Dense<f64>>, pairs: &[(Sentence, Sentence)]) -> Matrix<f64> {
    let source = Tokens::from_sentences(pairs.iter().map(|(source, _)| source.as_slice()));
    let target = Tokens::from_sentences(pairs.iter().map(|(_, target)| target.as_slice()));
    let encoded = model.encode(&Reference, &source);
    let mut state = DecoderState::new(&model.config);
    let states = model.decode(&Reference, &target, target.spans(), &encoded, &mut state);
    model.logits(&Reference, &states)
}

fn largest_difference(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

fn pairs() -> Vec<(Sentence, Sentence)> {
    vec![
        (vec![3, 1, 4, 1, 5, 0], vec![0, 2, 7, 1]),
        (vec![9, 0], vec![0, 8, 2, 8, 1, 8, 2]),
        (vec![6, 6, 6, 0], vec![0]),
    ]
}

#[test]
fn one_token_at_a_time_equals_all_at_once() {
    for model in models() {
        for (source, target) in pairs() {
            let all = logits(&model, &[(source.clone(), target.clone())]);
            let encoded = model.encode(&Reference, &Tokens::from_sentences([source.as_slice()]));
            let mut state = DecoderState::new(&model.config);
            let mut rows = Vec::new();
            for token in &target {
                let step = Tokens::step(vec![*token]);
                let states = model.decode(&Reference, &step, step.spans(), &encoded, &mut state);
                rows.extend(model.logits(&Reference, &states).into_data());
            }
            assert!(largest_difference(all.data(), &rows) < 1e-12);
        }
    }
}

#[test]
fn a_sentence_gets_the_same_result_in_a_batch_as_alone() {
    for model in models() {
        let together = logits(&model, &pairs());
        let alone: Vec<f64> =
            pairs().into_iter().flat_map(|pair| logits(&model, &[pair]).into_data()).collect();
        assert!(largest_difference(together.data(), &alone) < 1e-12);
    }
}

#[test]
fn the_decoder_does_not_see_the_future() {
    for model in models() {
        let target = |last| vec![0, 3, 5, last];
        let one = logits(&model, &[(vec![4, 0], target(6))]);
        let other = logits(&model, &[(vec![4, 0], target(7))]);
        let words = one.columns();
        assert_eq!(one.data()[..3 * words], other.data()[..3 * words]);
        assert!(largest_difference(one.row(3), other.row(3)) > 1e-3);
    }
}

#[test]
fn hypotheses_of_one_sentence_share_its_encoding() {
    let pair = (vec![3, 1, 4, 0], vec![0]);
    for model in models() {
        let encoded = model.encode(&Reference, &Tokens::from_sentences([pair.0.as_slice()]));
        let step = Tokens::step(vec![0, 5]);
        let by_source = wdistill_model::Spans::from_lengths([2]);
        let mut state = DecoderState::new(&model.config);
        let states = model.decode(&Reference, &step, &by_source, &encoded, &mut state);
        let both = model.logits(&Reference, &states);
        let alone = |token| logits(&model, &[(pair.0.clone(), vec![token])]);
        assert!(largest_difference(both.row(0), alone(0).data()) < 1e-12);
        assert!(largest_difference(both.row(1), alone(5).data()) < 1e-12);
    }
}
