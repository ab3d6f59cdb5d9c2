//! Factors of activations, against the float64 reference.

mod common;

use std::collections::BTreeSet;

use common::{END, models, sentences};
use wdistill_model::reference::Reference;
use wdistill_model::{
    AttentionKind, AttentionRole, Dense, EmbeddingRule, Engine, LayerPlace, LinearPart,
    LinearPlace, Model, NormPlacement, Slot, Stack, Table, Tokens,
};
use wdistill_runtime::activation_factors;

/// The largest input of the first layer's queries, for each sentence.
fn largest(model: &Model<Dense<f64>>, sentence: &[u32]) -> f64 {
    let architecture = &model.config.architecture;
    let rule = EmbeddingRule {
        scale: architecture.embedding_scale.factor(architecture.encoder.width),
        positions: architecture.positions,
        first: 0,
    };
    let words = Reference.embed(
        &Tokens::from_sentences([sentence]),
        &model.weights.embeddings.source,
        &rule,
    );
    words.data().iter().fold(0.0, |largest, number| largest.max(number.abs()))
}

#[test]
fn factors_are_those_of_the_largest_inputs_of_each_sentence() {
    let sources = sentences(6, 9);
    let place = LayerPlace { stack: Stack::Encoder, layer: 0 };
    for model in models() {
        if model.config.architecture.norm == NormPlacement::Pre {
            continue;
        }
        let found = activation_factors(&model, &sources).unwrap();
        let reference = model.convert::<f64>();
        let all: Vec<f64> = sources.iter().map(|source| largest(&reference, source)).collect();
        let count = all.len() as f64;
        let mean = all.iter().sum::<f64>() / count;
        let variance = all.iter().map(|one| (one - mean).powi(2)).sum::<f64>() / count;
        let expected = 127.0 / (mean + 1.1 * variance.sqrt());
        for role in [AttentionRole::Query, AttentionRole::Key, AttentionRole::Value] {
            let query = LinearPlace::Attention(place, AttentionKind::SelfAttention, role);
            let found = f64::from(found[&Slot::Linear(query, LinearPart::Weight)]);
            assert!((found / expected - 1.0).abs() < 1e-5, "{found} {expected}");
        }
    }
}

/// Embeddings that are only looked up have no inputs; an output layer has, whatever it is tied to.
#[test]
fn every_matrix_of_a_product_has_a_factor_and_no_other() {
    for model in models() {
        let found: BTreeSet<Slot> =
            activation_factors(&model, &sentences(3, 5)).unwrap().into_keys().collect();
        let embeddings = &model.weights.embeddings;
        let output = match (&embeddings.output, &embeddings.target) {
            (Some(_), _) => Table::Output,
            (None, Some(_)) => Table::Target,
            (None, None) => Table::Source,
        };
        let is_product = |slot: &Slot| match slot {
            Slot::Linear(_, part) => *part == LinearPart::Weight,
            Slot::Table(table) => *table == output,
            Slot::OutputBias | Slot::Norm(..) => false,
        };
        let slots = model.weights.slices().into_iter().map(|(slot, _)| slot);
        assert_eq!(found, slots.filter(is_product).collect());
    }
}

#[test]
fn text_without_words_teaches_nothing() {
    let error = activation_factors(&models()[0], &[vec![END]]).unwrap_err();
    assert!(error.fact.contains("no text"), "{error}");
}
