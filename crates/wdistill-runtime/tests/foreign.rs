//! Models of other toolkits: logits, greedy and beam translations are those of the libraries that the models come
//! from (`wdistill-formats/fixtures/*/make.py`).

use std::path::{Path, PathBuf};

use serde::Deserialize;
use wdistill_formats::toolkits::MARIAN;
use wdistill_formats::{
    Format, ImportOptions, Imported, ModelFolder, Subwords, import, read_tensors,
};
use wdistill_kernels::Float32Matrix;
use wdistill_model::{DecoderState, NO_WORD, SourceEnding, Tokens};
use wdistill_runtime::{Cpu, DecodingOptions, TokenTranslator, pack_float32};
use wdistill_search::{SearchOptions, Stopping};

#[derive(Deserialize)]
struct Expected {
    text: Vec<Line>,
    logits: Vec<Logits>,
    maximum_length: Option<usize>,
}

#[derive(Deserialize)]
struct Line {
    line: String,
    source: Vec<u32>,
    greedy: Vec<u32>,
    greedy_text: Option<String>,
    beam4: Vec<u32>,
    beam4_score: f64,
    beam4_text: Option<String>,
    as_marian: Option<AsMarian>,
}

/// What Marian's own formulas give, where CTranslate2's differ.
#[derive(Deserialize)]
struct AsMarian {
    greedy: Vec<u32>,
    beam4: Vec<u32>,
    beam4_score: f64,
}

#[derive(Deserialize)]
struct Logits {
    source: Vec<u32>,
    /// No number stands for a vector of zeros.
    target: Vec<Option<u32>>,
    tensor: String,
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../wdistill-formats/fixtures")
}

impl Expected {
    /// What Marian's own formulas give.
    fn of_marian(mut self) -> Expected {
        for line in &mut self.text {
            let AsMarian { greedy, beam4, beam4_score } = line.as_marian.take().unwrap();
            (line.greedy, line.beam4, line.beam4_score) = (greedy, beam4, beam4_score);
            (line.greedy_text, line.beam4_text) = (None, None);
        }
        for logits in &mut self.logits {
            logits.tensor = logits.tensor.replace("logits", "as_marian");
        }
        self
    }
}

/// What is compared besides ids.
#[derive(Clone, Copy, PartialEq)]
enum Text {
    /// Lines, as the model's tokeniser divides and joins them.
    Compared,
    /// Ids only: the library gets words, not lines.
    Left,
}

/// Imports a model and holds it against `EXPECTED.expected.json` and `.safetensors`.
fn check(model: &str, expected: &str, options: &ImportOptions, text: Text) {
    let imported =
        import(&fixtures().join(model), options).unwrap_or_else(|error| panic!("{error}"));
    check_imported(&imported, model, expected, text);
}

fn check_imported(imported: &Imported, name: &str, expected: &str, text: Text) {
    let json = std::fs::read(fixtures().join(format!("{expected}.expected.json"))).unwrap();
    let mut expected_lines: Expected = serde_json::from_slice(&json).unwrap();
    if imported.format == Format::Other(MARIAN) {
        expected_lines = expected_lines.of_marian();
    }
    check_logits(imported, name, expected, &expected_lines.logits);
    for beam in [1, 4] {
        check_translations(imported, name, &expected_lines, beam, text);
    }
}

fn check_logits(imported: &Imported, name: &str, expected: &str, cases: &[Logits]) {
    assert!(!cases.is_empty());
    let tensors = fixtures().join(format!("{expected}.expected.safetensors"));
    let (tensors, _) = read_tensors(&tensors).unwrap();
    let model = pack_float32(&imported.folder.model);
    let engine = Cpu::<Float32Matrix>::default();
    for case in cases {
        let source = imported.folder.model.config.vocabularies.encoder_input(&case.source);
        // Sources are as the encoder gets them, so there may be no end token to leave out.
        let source = match imported.folder.model.config.vocabularies.source_ending {
            SourceEnding::EndToken => source,
            SourceEnding::Nothing => &case.source,
        };
        let target: Vec<u32> = case.target.iter().map(|id| id.unwrap_or(NO_WORD)).collect();
        let target = Tokens::from_sentences([target.as_slice()]);
        let encoded = model.encode(&engine, &Tokens::from_sentences([source]));
        let mut state = DecoderState::new(&model.config);
        let states = model.decode(&engine, &target, target.spans(), &encoded, &mut state);
        let logits = model.logits(&engine, &states);
        let expected = &tensors[&case.tensor];
        assert_eq!(expected.shape, [logits.rows(), logits.columns()], "{name} {}", case.tensor);
        for (found, expected) in logits.data().iter().zip(&expected.data) {
            let difference = (found - expected).abs();
            assert!(difference < tolerance(name), "{name} {}: {found} {expected}", case.tensor);
        }
    }
}

/// MarianTokenizer reads a special token that a text spells out as that token; here a text is only ever text.
fn spells_a_special_token(line: &str) -> bool {
    ["</s>", "<unk>", "<pad>"].iter().any(|token| line.contains(token))
}

/// Files in 16 bits hold rounded tables of positions, with which the expected values were computed; here tables
/// are always computed anew. A sine is rounded by up to 2^-12 in float16 and 2^-9 in bfloat16, and the layers make
/// more of it.
fn tolerance(name: &str) -> f32 {
    match name.rsplit('/').next() {
        Some("bfloat16") => 5e-2,
        Some("float16" | "int8_float16") => 5e-3,
        _ => 1e-4,
    }
}

fn check_translations(
    imported: &Imported,
    name: &str,
    expected: &Expected,
    beam: usize,
    text: Text,
) {
    assert!(expected.text.len() >= 10);
    let most = expected.maximum_length.unwrap_or(100);
    let search = SearchOptions {
        beam_size: beam,
        stopping: Stopping::BeamFinished,
        max_length_ratio: 0.0,
        max_length_constant: most,
        max_length: most,
        ..SearchOptions::default()
    };
    let options = DecodingOptions { search, ..DecodingOptions::default() };
    let translator = TokenTranslator::new(&imported.folder.model, 1, options, None).unwrap();
    let end = imported.folder.vocabularies.source.end_id();
    let sources: Vec<Vec<u32>> = expected
        .text
        .iter()
        .map(|line| match imported.folder.model.config.vocabularies.source_ending {
            SourceEnding::EndToken => line.source.clone(),
            SourceEnding::Nothing => [line.source.as_slice(), &[end]].concat(),
        })
        .collect();
    let found = translator.translate(&sources).unwrap();
    for ((line, source), found) in expected.text.iter().zip(&sources).zip(found.hypotheses) {
        // What has no words is translated to nothing without asking the model.
        if source == &[end] {
            assert!(found[0].tokens.is_empty());
            continue;
        }
        let (ids, joined) = match beam {
            1 => (&line.greedy, &line.greedy_text),
            _ => (&line.beam4, &line.beam4_text),
        };
        assert_eq!(&found[0].tokens, ids, "{name}, beam {beam}, {:?}", line.line);
        if beam == 4 {
            let difference = (found[0].score - line.beam4_score).abs();
            let most = f64::from(tolerance(name));
            assert!(difference < most, "{name}, {:?}: {}", line.line, found[0].score);
        }
        if text == Text::Compared && !spells_a_special_token(&line.line) {
            let divided =
                [imported.folder.vocabularies.source.encode(&line.line), vec![end]].concat();
            assert_eq!(&divided, source, "{name}, {:?}", line.line);
            let found = imported.folder.vocabularies.target.decode(&found[0].tokens).unwrap();
            if let Some(joined) = joined {
                assert_eq!(&found, joined, "{name}, {:?}", line.line);
            }
        }
    }
}

#[test]
fn marian_mt_of_hugging_face() {
    for case in ["swish-shared", "relu-legacy", "relu-legacy-old", "separate"] {
        let path = format!("huggingface/{case}");
        check(&path, &path, &ImportOptions::default(), Text::Compared);
    }
}

#[test]
fn checkpoints_of_fairseq() {
    let default = ImportOptions::default();
    check("fairseq/old-layout", "fairseq/old-layout", &default, Text::Compared);
    for file in ["", "/checkpoint_of_dictionaries.pt", "/checkpoint_of_omegaconf.pt"] {
        let path = format!("fairseq/new-layout{file}");
        check(&path, "fairseq/new-layout", &default, Text::Compared);
    }
}

/// A converted MarianMT model: `</s>` comes from the caller.
fn converted() -> ImportOptions {
    ImportOptions {
        subwords: Some(Subwords::Whitespace),
        source_ending: Some(SourceEnding::EndToken),
        ..ImportOptions::default()
    }
}

#[test]
fn ctranslate2_in_every_number_type() {
    for kind in ["float32", "float16", "bfloat16", "int16", "int8", "int8_float16"] {
        let path = format!("ctranslate2/converted/{kind}");
        check(&path, &path, &converted(), Text::Left);
    }
    let options = ImportOptions { subwords: None, ..converted() };
    let path = "ctranslate2/converted/float32";
    check(path, path, &options, Text::Compared);
}

#[test]
fn ctranslate2_in_every_version() {
    for version in 2..=5 {
        let path = format!("ctranslate2/versions/{version}");
        check(&path, "ctranslate2/versions", &converted(), Text::Left);
    }
}

#[test]
fn ctranslate2_with_stacks_of_different_widths() {
    let path = "ctranslate2/prenorm";
    check(path, path, &converted(), Text::Left);
}

#[test]
fn models_of_marian() {
    for case in ["joint-yaml", "separate-spm"] {
        let path = format!("marian/{case}");
        check(&path, &path, &ImportOptions::default(), Text::Compared);
    }
}

/// What pymarian wrote.
#[derive(Deserialize)]
struct OfMarian {
    source: Vec<String>,
    npz: Translations,
    intgemm8: Translations,
}

#[derive(Deserialize)]
struct Translations {
    text: Vec<String>,
    log_probability: Vec<f64>,
}

/// Of one model in float32, and in int8 whose numbers are made float32 again.
#[test]
fn a_model_of_marian_whose_decoder_is_an_ssru() {
    let json = std::fs::read(fixtures().join("marian/ssru/expected.json")).unwrap();
    let OfMarian { source, npz, intgemm8 } = serde_json::from_slice(&json).unwrap();
    assert_eq!(source.len(), 40);
    let vocabulary = fixtures().join("marian/ssru/vocab.spm");
    let given = ImportOptions { vocabulary: Some(vocabulary), ..ImportOptions::default() };
    for (file, expected) in [("ssru/model.npz", npz), ("ssru-int8/model.bin", intgemm8)] {
        let imported = import(&fixtures().join("marian").join(file), &given).unwrap();
        let ModelFolder { model, vocabularies } = &imported.folder;
        let search =
            SearchOptions { beam_size: 1, length_penalty: 0.0, ..SearchOptions::default() };
        let options = DecodingOptions { search, ..DecodingOptions::default() };
        let translator = TokenTranslator::new(model, 1, options, None).unwrap();
        let end = vocabularies.source.end_id();
        let sources: Vec<Vec<u32>> = source
            .iter()
            .map(|line| [vocabularies.source.encode(line), vec![end]].concat())
            .collect();
        let found = translator.translate(&sources).unwrap();
        let expected = expected.text.iter().zip(&expected.log_probability);
        for ((line, found), (text, log_probability)) in
            source.iter().zip(found.hypotheses).zip(expected)
        {
            let best = &found[0];
            assert_eq!(
                &vocabularies.target.decode(&best.tokens).unwrap(),
                text,
                "{file}, {line:?}"
            );
            let difference = (best.score - log_probability).abs();
            assert!(difference < 1e-4, "{file}, {line:?}: {} {log_probability}", best.score);
        }
    }
}
