//! SentencePiece models against the library's results, which fixtures/sentence_piece/make.py wrote.

use proptest::prelude::*;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use wdistill_text::{
    ByteFallback, DummySpace, ExtraSpaces, NormalizerParts, PieceKind, SentencePiece,
    SentencePieceAlgorithm, SentencePieceModel, SentencePieceParts, SpaceEscape, SpecialNames,
    TextError,
};

#[derive(Deserialize)]
struct Expected {
    table: Option<String>,
    special: [i64; 4],
    lines: Vec<ExpectedLine>,
    rows: Vec<ExpectedRow>,
}

#[derive(Deserialize)]
struct ExpectedLine {
    line: String,
    normalized: String,
    pieces: Vec<String>,
    ids: Vec<u32>,
    decoded: String,
}

#[derive(Deserialize)]
struct ExpectedRow {
    ids: Vec<u32>,
    decoded: String,
}

fn fixture(name: &str) -> Vec<u8> {
    let path: PathBuf =
        [env!("CARGO_MANIFEST_DIR"), "fixtures", "sentence_piece", name].iter().collect();
    std::fs::read(path).unwrap()
}

/// The content of the library's file: a model and, behind it, its table of replacements.
fn content(name: &str, table: Option<&str>) -> Vec<u8> {
    let mut bytes = fixture(&format!("{name}.spm"));
    bytes.extend(table.map_or(Vec::new(), fixture));
    bytes
}

static EXPECTED: LazyLock<BTreeMap<String, Expected>> =
    LazyLock::new(|| serde_json::from_slice(&fixture("expected.json")).unwrap());

static MODELS: LazyLock<BTreeMap<String, SentencePieceModel>> = LazyLock::new(|| {
    let read = |(name, expected): (&String, &Expected)| {
        let bytes = content(name, expected.table.as_deref());
        (name.clone(), SentencePieceModel::from_bytes(&bytes).unwrap())
    };
    EXPECTED.iter().map(read).collect()
});

#[test]
fn all_models_of_the_fixture_are_tested() {
    assert_eq!(EXPECTED.len(), 10);
    assert!(EXPECTED.values().all(|expected| expected.lines.len() > 80));
}

#[test]
fn lines_are_cut_as_the_library_cuts_them() {
    for (name, expected) in EXPECTED.iter() {
        let model = &MODELS[name];
        for case in &expected.lines {
            let line = &case.line;
            assert_eq!(model.normalize(line), case.normalized, "{name}: {line:?}");
            let pieces = model.encode_pieces(line);
            let texts: Vec<&str> = pieces.iter().map(|piece| piece.text.as_str()).collect();
            assert_eq!(texts, case.pieces, "{name}: {line:?}");
            let ids: Vec<u32> = pieces.iter().map(|piece| piece.id).collect();
            assert_eq!(ids, case.ids, "{name}: {line:?}");
            assert_eq!(model.encode(line), case.ids, "{name}: {line:?}");
        }
    }
}

#[test]
fn ids_become_the_text_that_the_library_gives() {
    for (name, expected) in EXPECTED.iter() {
        let model = &MODELS[name];
        for case in &expected.lines {
            let decoded = model.decode(&case.ids).unwrap();
            assert_eq!(decoded, case.decoded, "{name}: {:?}", case.line);
        }
        for case in &expected.rows {
            let decoded = model.decode(&case.ids).unwrap();
            assert_eq!(decoded, case.decoded, "{name}: {:?}", case.ids);
        }
    }
}
