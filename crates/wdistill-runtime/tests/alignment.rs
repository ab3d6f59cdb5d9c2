//! Attention that aligns words is that of the library that a model comes from (`fixtures/alignment/make.py`), and the head
//! is found that aligns best.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use wdistill_formats::{ImportOptions, import};
use wdistill_model::{AlignmentHead, AlignmentQuery, Config};
use wdistill_runtime::{DecodingOptions, TokenTranslator, best_alignment_head};

#[derive(Deserialize)]
struct Pair {
    source: Vec<u32>,
    target: Vec<u32>,
    /// `[layer][head][query][key]`.
    attention: Vec<Vec<Vec<Vec<f32>>>>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/alignment")
}

#[test]
fn alignments_are_the_attention_of_the_head_that_a_model_names() {
    let text = std::fs::read(folder().join("attention.json")).unwrap();
    let models: BTreeMap<String, Vec<Pair>> = serde_json::from_slice(&text).unwrap();
    assert_eq!(models.len(), 2);
    for (name, pairs) in models {
        let path = folder().join("../../../wdistill-formats/fixtures/huggingface").join(&name);
        let model = import(&path, &ImportOptions::default()).unwrap().folder.model;
        let inputs: Vec<_> = pairs.iter().map(|pair| (&*pair.source, &*pair.target)).collect();
        let align = |config: Config| {
            let mut model = model.clone();
            model.config = config;
            let translator = TokenTranslator::new(&model, 1, DecodingOptions::default(), None);
            translator.unwrap().align_here(&inputs).unwrap()
        };
        let decoder = model.config.architecture.decoder;
        let mut compared = 0;
        for layer in 0..decoder.layers {
            for head in 0..decoder.heads {
                for (query, first) in
                    [(AlignmentQuery::Predicting, 0), (AlignmentQuery::Reading, 1)]
                {
                    let head_of = AlignmentHead { layer, head, query };
                    let config = model.config.clone().with_alignment(head_of).unwrap();
                    for (pair, alignment) in pairs.iter().zip(align(config)) {
                        assert_eq!(alignment.rows().len(), pair.target.len());
                        let expected = &pair.attention[layer][head][first..];
                        for (row, expected) in alignment.rows().zip(expected) {
                            assert_eq!(row.len(), pair.source.len() - 1);
                            for (found, expected) in row.iter().zip(expected) {
                                assert!(
                                    (found - expected).abs() < 1e-5,
                                    "{name} {found} {expected}"
                                );
                                compared += 1;
                            }
                        }
                    }
                }
            }
        }
        assert!(compared > 100, "{name}: {compared}");
        // Without a head the mean of all of one layer.
        let layer = decoder.layers.saturating_sub(2);
        let alignment = &align(model.config.clone())[0];
        let expected: f32 =
            (0..decoder.heads).map(|head| pairs[0].attention[layer][head][0][0]).sum();
        let found = alignment.rows().next().unwrap()[0] * decoder.heads as f32;
        assert!((found - expected).abs() < 1e-5, "{name}: {found} {expected}");
    }
}

/// The chosen head explains its text better than any other, by the attention that the library gives.
#[test]
fn the_best_head_is_found_by_the_text_that_it_explains() {
    let path = folder().join("../../../wdistill-formats/fixtures/huggingface/swish-shared");
    let model = import(&path, &ImportOptions::default()).unwrap().folder.model;
    // A word for a word: what stands at a place comes from the same place.
    let pairs: Vec<(Vec<u32>, Vec<u32>)> = (0..40)
        .map(|index| {
            let source: Vec<u32> = (0..4).map(|place| 10 + (index * 7 + place * 3) % 11).collect();
            let target = source.iter().map(|word| word + 1).collect();
            (source, target)
        })
        .collect();
    let (best, score) = best_alignment_head(&model, &pairs).unwrap();
    assert!(score.is_finite() && score < 0.0);
    assert!(model.config.clone().with_alignment(best).is_ok());
    assert_eq!(best_alignment_head(&model, &pairs), Some((best, score)));
    assert_eq!(best_alignment_head(&model, &[]), None);
    // What is empty or very long changes nothing.
    let odd = [(vec![11; 201], vec![12]), (vec![11], vec![12; 201]), (vec![], vec![12])];
    let more: Vec<_> = pairs.iter().cloned().chain(odd).collect();
    assert_eq!(best_alignment_head(&model, &more), Some((best, score)));
    let outside = AlignmentHead { layer: 99, ..best };
    let error = model.config.clone().with_alignment(outside).unwrap_err().to_string();
    assert!(error.contains("decoder layer 99"), "{error}");
}
