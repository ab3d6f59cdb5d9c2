//! Segmentations that are drawn at random. Expected frequencies come from the SentencePiece library through a fixture.

use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use wdistill_base::Random;
use wdistill_text::{
    SentencePieceModel, SubwordNmtCodes, SubwordSampling, TokenList, TokenRole, Vocabulary,
};

/// What fixtures/sampling/make.py wrote.
#[derive(Deserialize)]
struct Case {
    model: String,
    text: String,
    alpha: f64,
    probabilities: Option<Vec<(Vec<u32>, f64)>>,
    counts: Option<Vec<(Vec<u32>, f64)>>,
}

/// Draws of each case.
const DRAWS: usize = 20_000;

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)).unwrap()
}

/// A model of the fixtures with its own ids, without a table of replacements.
fn imported(name: &str) -> Vocabulary {
    let model = SentencePieceModel::from_bytes(&fixture(name)).unwrap();
    Vocabulary::from_sentence_piece(model).unwrap()
}

fn both(strength: f64) -> SubwordSampling {
    SubwordSampling { dropout: strength, smoothing: strength }
}

/// How often each segmentation of a text is drawn.
fn drawn(vocabulary: &Vocabulary, text: &str, alpha: f64) -> BTreeMap<Vec<u32>, f64> {
    let mut random = Random::new(7);
    let mut counts = BTreeMap::new();
    for _ in 0..DRAWS {
        let ids = vocabulary.sample(text, both(alpha), &mut random).unwrap();
        *counts.entry(ids).or_insert(0.0) += 1.0;
    }
    counts
}

/// Pearson's statistic against its mean under the same distribution, the degrees of freedom, with about five of its standard
/// deviations; cells of fewer than 5 expected draws are one.
fn assert_fits(what: &str, cells: &[(f64, f64, f64)]) {
    let (large, small): (Vec<_>, Vec<_>) =
        cells.iter().copied().partition(|(_, mean, _)| *mean >= 5.0);
    let rest = small
        .iter()
        .fold((0.0, 0.0, 0.0), |sum, cell| (sum.0 + cell.0, sum.1 + cell.1, sum.2 + cell.2));
    let rest = Some(rest).filter(|rest| rest.1 > 0.0);
    let cells: Vec<_> = large.into_iter().chain(rest).collect();
    let square: f64 =
        cells.iter().map(|(count, mean, variance)| (count - mean).powi(2) / variance).sum();
    let freedom = (cells.len() - 1) as f64;
    assert!(freedom >= 1.0, "{what}: {cells:?}");
    let bound = freedom + 5.0 * (2.0 * freedom).sqrt() + 5.0;
    assert!(square < bound, "{what}: {square} of {freedom}, {cells:?}");
}

#[test]
fn segmentations_are_as_frequent_as_the_library_draws_them() {
    let cases: Vec<Case> = serde_json::from_slice(&fixture("sampling/expected.json")).unwrap();
    assert_eq!(cases.len(), 12);
    for Case { model, text, alpha, probabilities, counts } in cases {
        let mut vocabularies = vec![imported(&model)];
        if model.starts_with("native") {
            let own = fixture(&model.replace(".spm", ".json"));
            vocabularies.push(Vocabulary::from_json(&own).unwrap());
        }
        for vocabulary in vocabularies {
            let what = format!("{model}, {text}, {:?}", vocabulary.kind());
            let mut found = drawn(&vocabulary, &text, alpha);
            let mut count = |ids: &Vec<u32>| found.remove(ids).unwrap_or(0.0);
            let draws = DRAWS as f64;
            let cells: Vec<_> = match (&probabilities, &counts) {
                (Some(all), None) => {
                    all.iter().map(|(ids, p)| (count(ids), draws * p, draws * p)).collect()
                }
                (None, Some(counts)) => {
                    let all: f64 = counts.iter().map(|(_, count)| count).sum();
                    // Both are drawn: the variance of the difference is that of both.
                    let cell = |(ids, other): &(Vec<u32>, f64)| {
                        let mean = draws * other / all;
                        (count(ids), mean, mean * (1.0 + draws / all))
                    };
                    counts.iter().map(cell).collect()
                }
                _ => panic!("{what}"),
            };
            let others: f64 = found.values().sum();
            assert!(if counts.is_some() { others < 10.0 } else { others == 0.0 }, "{what}");
            assert_fits(&what, &cells);
        }
    }
}

/// Codes of subword-nmt with all their subwords.
fn codes(merges: &str, tokens: &[&str]) -> Vocabulary {
    let codes = SubwordNmtCodes::from_bytes(merges.as_bytes()).unwrap();
    let tokens = ["</s>", "<unk>"].iter().chain(tokens).map(|token| token.to_string()).collect();
    let list = TokenList { tokens, end: 0, unknown: 1, controls: Vec::new() };
    Vocabulary::from_subword_nmt(codes, list).unwrap()
}

const MERGES: &str = "#version: 0.2\na b\nab c</w>\n";

#[test]
fn merges_of_codes_are_left_out_with_their_probability() {
    let vocabulary = codes(MERGES, &["a@@", "b@@", "c", "ab@@", "abc"]);
    // The first merge is kept with probability 1 - p, and the second then again.
    let p: f64 = 0.3;
    let expected = [(vec![6], (1.0 - p).powi(2)), (vec![5, 4], (1.0 - p) * p), (vec![2, 3, 4], p)];
    let found = drawn(&vocabulary, "abc", p);
    assert_eq!(found.len(), 3);
    let mean = |p: f64| DRAWS as f64 * p;
    let cells = expected.map(|(ids, p)| (found[&ids], mean(p), mean(p)));
    assert_fits("codes", &cells);
}

#[test]
fn no_subword_is_drawn_that_the_list_lacks() {
    let whole = codes(MERGES, &["a@@", "b@@", "c", "abc"]);
    let found = drawn(&whole, "abc", 0.3);
    // What has ab@@ is cut in the usual way.
    assert_eq!(found.keys().cloned().collect::<Vec<_>>(), [vec![2, 3, 4], vec![5]]);
    for model in ["sentence_piece/unigram.spm", "sentence_piece/bpe.spm"] {
        let model = SentencePieceModel::from_bytes(&fixture(model)).unwrap();
        let pieces = model.parts().pieces.iter().map(|piece| piece.text.clone());
        // Every other longer piece is missing.
        let kept = pieces.enumerate().filter(|(number, piece)| {
            number % 2 == 0 || piece.chars().nth(1).is_none() || piece.starts_with('<')
        });
        let tokens = kept.map(|(_, piece)| piece).collect();
        let list = TokenList { tokens, end: 2, unknown: 0, controls: vec![1] };
        let listed = Vocabulary::from_sentence_piece_tokens(model, list).unwrap();
        assert_eq!(listed.piece(listed.end_id()), Some("</s>"));
        let line = "the children sleep, two dogs under 25 trees";
        let mut random = Random::new(1);
        assert!(listed.encode(line).contains(&listed.unknown_id()), "the usual segmentation");
        let mut different = BTreeSet::new();
        for _ in 0..50 {
            let ids = listed.sample(line, both(0.2), &mut random).unwrap();
            assert!(!ids.contains(&listed.unknown_id()), "{ids:?}");
            assert_eq!(listed.decode(&ids).unwrap(), line);
            different.insert(ids);
        }
        assert!(different.len() > 5, "{}", different.len());
    }
}

const LINES: [&str; 5] = [
    "",
    "a",
    "two dogs  running",
    "the children sleep, 公園で ☃☃ x",
    "zwei Hunde schläft auf der Straße!",
];

#[test]
fn without_dropout_nothing_changes_and_with_all_of_it_there_are_characters() {
    let names = ["bpe", "bpe_bytes", "bpe_symbols", "bpe_unused", "bpe_suffix", "bpe_tied_symbols"];
    let mut all: Vec<Vocabulary> =
        names.map(|name| imported(&format!("sentence_piece/{name}.spm"))).into();
    all.push(Vocabulary::from_json(&fixture("native_export/bpe.json")).unwrap());
    all.push(codes(MERGES, &["a@@", "b@@", "c@@", "c", "ab@@", "abc", "a"]));
    for vocabulary in &all {
        for line in LINES.iter().chain(&["abc abcabc"]) {
            let sample = |dropout| vocabulary.sample(line, both(dropout), &mut Random::new(3));
            assert_eq!(sample(0.0).unwrap(), vocabulary.encode(line), "{line}");
            for id in sample(1.0).unwrap() {
                let piece = vocabulary.piece(id).unwrap();
                let is_character = piece.trim_end_matches("@@").chars().count() == 1;
                let is_whole = ["<mask>", "[A]", "[AB]", "dogs", "acab", "bdb"].contains(&piece);
                let role = vocabulary.role(id).unwrap();
                assert!(is_character || is_whole || role != TokenRole::Text, "{line}: {piece}");
            }
        }
    }
}

#[test]
fn user_defined_pieces_and_the_bytes_of_a_character_stay_together() {
    for name in ["unigram_symbols", "bpe_symbols"] {
        let vocabulary = imported(&format!("sentence_piece/{name}.spm"));
        let mask = vocabulary.id("<mask>").unwrap();
        let mut random = Random::new(1);
        for _ in 0..200 {
            let ids =
                vocabulary.sample("a <mask> dog<mask>[A][AB]", both(0.1), &mut random).unwrap();
            assert_eq!(ids.iter().filter(|id| **id == mask).count(), 2, "{name}: {ids:?}");
            for whole in ["[A]", "[AB]"] {
                assert!(ids.contains(&vocabulary.id(whole).unwrap()), "{name}: {ids:?}");
            }
        }
    }
    for name in ["unigram_bytes", "bpe_bytes"] {
        let vocabulary = imported(&format!("sentence_piece/{name}.spm"));
        let mut random = Random::new(1);
        let bytes: Vec<u32> =
            "☃".bytes().map(|byte| vocabulary.id(&format!("<0x{byte:02X}>")).unwrap()).collect();
        for _ in 0..200 {
            let ids = vocabulary.sample("two dogs☃", both(0.3), &mut random).unwrap();
            assert!(ids.ends_with(&bytes), "{name}: {ids:?}");
            assert_eq!(vocabulary.decode(&ids).unwrap(), "two dogs☃");
        }
    }
}

#[test]
fn a_seed_decides_and_an_export_draws_the_same() {
    for name in ["unigram_nfkc", "unigram_ties", "bpe"] {
        let vocabulary =
            Vocabulary::from_json(&fixture(&format!("native_export/{name}.json"))).unwrap();
        let sample = |vocabulary: &Vocabulary, seed| {
            vocabulary.sample("zwei Hunde 0000 running", both(0.2), &mut Random::new(seed)).unwrap()
        };
        assert_eq!(sample(&vocabulary, 5), sample(&vocabulary, 5));
        let all: BTreeSet<_> = (0..20).map(|seed| sample(&vocabulary, seed)).collect();
        assert!(all.len() > 1, "{name}");
        if name != "bpe" {
            let exported = vocabulary.to_sentence_piece().unwrap();
            let exported = Vocabulary::from_sentence_piece(exported).unwrap();
            assert_eq!(sample(&vocabulary, 5), sample(&exported, 5));
        }
    }
}

#[test]
fn a_large_smoothing_gives_the_best_segmentation() {
    let vocabulary = imported("sentence_piece/unigram.spm");
    for line in LINES {
        let sampling = SubwordSampling { smoothing: 1e4, dropout: 0.0 };
        let found = vocabulary.sample(line, sampling, &mut Random::new(2)).unwrap();
        assert_eq!(found, vocabulary.encode(line), "{line}");
    }
}

#[test]
fn words_have_no_parts() {
    let tokens = ["</s>", "<unk>", "a"].map(str::to_owned).into();
    let list = TokenList { tokens, end: 0, unknown: 1, controls: Vec::new() };
    let vocabulary = Vocabulary::from_words(list).unwrap();
    assert!(!vocabulary.can_sample());
    assert_eq!(vocabulary.sample("a", both(0.1), &mut Random::new(1)), None);
}
