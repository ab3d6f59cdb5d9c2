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
    assert_eq!(EXPECTED.len(), 15);
    assert!(EXPECTED.values().all(|expected| expected.lines.len() > 70));
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

#[test]
fn special_pieces_have_the_ids_that_the_library_says() {
    let or_none = |id: Option<u32>| id.map_or(-1, i64::from);
    for (name, expected) in EXPECTED.iter() {
        let model = &MODELS[name];
        let found = [
            i64::from(model.unknown_id()),
            or_none(model.begin_id()),
            or_none(model.end_id()),
            or_none(model.padding_id()),
        ];
        assert_eq!(found, expected.special, "{name}");
    }
}

#[test]
fn what_is_written_is_read_again() {
    for (name, model) in MODELS.iter() {
        let again = SentencePieceModel::from_bytes(&model.to_bytes()).unwrap();
        assert!(again == *model, "{name}");
        let line = "two dogs  ＦＵＬＬ 🐕 <mask>";
        assert_eq!(again.encode_pieces(line), model.encode_pieces(line), "{name}");
    }
}

#[test]
fn a_file_is_read_by_path_and_named_in_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.spm");
    std::fs::write(&path, content("bpe_bytes", None)).unwrap();
    assert!(SentencePieceModel::load(&path).unwrap() == MODELS["bpe_bytes"]);
    std::fs::write(&path, [0x0A]).unwrap();
    let error = SentencePieceModel::load(&path).unwrap_err().to_string();
    assert!(error.contains("model.spm") && error.contains("inside a varint"), "{error}");
    let error = SentencePieceModel::load(Path::new("no/such.spm")).unwrap_err().to_string();
    assert!(error.contains("no/such.spm"), "{error}");
}

#[test]
fn very_long_words_take_no_quadratic_time() {
    // Work that grows with the square of the length would take minutes.
    for model in MODELS.values() {
        for part in ["a", "abc", "公園", "🐕", "▁", " ", "dogs"] {
            let line = part.repeat(300_000);
            let ids = model.encode(&line);
            assert!(ids.len() <= line.len() + 3);
            model.decode(&ids).unwrap();
        }
    }
}

/// A model of the least size that can be used, for changing.
fn small(algorithm: SentencePieceAlgorithm) -> SentencePieceParts {
    let piece = |text: &str, score, kind| SentencePiece { text: text.to_owned(), score, kind };
    SentencePieceParts {
        algorithm,
        pieces: vec![
            piece("<unk>", 0.0, PieceKind::Unknown),
            piece("</s>", 0.0, PieceKind::Control),
            piece("▁", -1.0, PieceKind::Normal),
            piece("a", -2.0, PieceKind::Normal),
            piece("▁a", -2.5, PieceKind::Normal),
        ],
        ..SentencePieceParts::default()
    }
}

fn problems(parts: SentencePieceParts) -> Vec<String> {
    match SentencePieceModel::new(parts) {
        Err(TextError::Unusable { problems, .. }) => {
            problems.into_iter().map(|problem| problem.fact).collect()
        }
        other => panic!("expected problems, got {other:?}"),
    }
}

#[test]
fn all_problems_of_pieces_are_reported_at_once() {
    let mut parts = small(SentencePieceAlgorithm::Unigram);
    parts.pieces[0].kind = PieceKind::Control;
    parts.pieces[2].score = f32::NAN;
    parts.pieces[3].text = "▁a".to_owned();
    parts.pieces.push(SentencePiece { text: String::new(), ..parts.pieces[1].clone() });
    parts.pieces.push(SentencePiece { text: "b\0".to_owned(), ..parts.pieces[1].clone() });
    parts.pieces.push(SentencePiece {
        text: "<0x41>".to_owned(),
        score: f32::INFINITY,
        kind: PieceKind::Byte,
    });
    parts.unknown_surface = "\0".to_owned();
    parts.names.end = String::new();
    assert_eq!(
        problems(parts),
        [
            "piece 2 (\"▁\") has the score NaN",
            "pieces 3 and 4 are both \"▁a\"",
            "piece 5 is empty",
            "piece 6 (\"b\\0\") holds a zero byte",
            "piece 7 (\"<0x41>\") has the score inf",
            "0 unknown pieces (UNKNOWN), expected one",
            "a special piece's name is empty",
            "unk_surface holds a zero byte",
            "1 byte pieces, but byte_fallback is off",
        ]
    );
}

#[test]
fn models_without_what_they_need_are_refused() {
    let expected =
        ["0 unknown pieces (UNKNOWN), expected one", "no piece for texts (NORMAL or USER_DEFINED)"];
    assert_eq!(problems(SentencePieceParts::default()), expected);
    let error = SentencePieceModel::from_bytes(&[]).unwrap_err().to_string();
    assert!(error.contains("no piece for texts"), "{error}");
    let mut parts = small(SentencePieceAlgorithm::Bpe);
    parts.pieces[1].text = "b".to_owned();
    assert!(problems(parts)[0].contains("a control piece and a single character"));
    let mut parts = small(SentencePieceAlgorithm::Bpe);
    parts.byte_fallback = ByteFallback::On;
    parts.pieces.push(SentencePiece {
        text: "<0x4g>".to_owned(),
        score: 0.0,
        kind: PieceKind::Byte,
    });
    let expected = [
        "byte piece \"<0x4g>\", expected <0x00> to <0xFF>",
        "0 bytes have a piece, byte_fallback needs all 256",
    ];
    assert_eq!(problems(parts), expected);
    // A broken file may have a problem for each of millions of pieces.
    let mut parts = small(SentencePieceAlgorithm::Unigram);
    parts.pieces.extend((0..1000).map(|_| parts.pieces[3].clone()).collect::<Vec<_>>());
    let found = problems(parts);
    assert_eq!((found.len(), found[20].as_str()), (21, "and 980 more"));
    // Twins that are searched for in every text.
    let mut parts = small(SentencePieceAlgorithm::Unigram);
    let symbol = SentencePiece {
        text: "<sep>".to_owned(),
        kind: PieceKind::UserDefined,
        ..parts.pieces[1].clone()
    };
    let first = parts.pieces.len();
    parts.pieces.extend([symbol.clone(), symbol]);
    assert_eq!(problems(parts), [format!("pieces {first} and {} are both \"<sep>\"", first + 1)]);
}

/// A message field that holds bytes.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    assert!(content.len() < 128 && number < 16);
    [&[number << 3 | 2, content.len() as u8], content].concat()
}

#[test]
fn broken_and_unsupported_files_say_what_is_wrong() {
    let unigram = SentencePieceModel::new(small(SentencePieceAlgorithm::Unigram)).unwrap();
    let with = |more: Vec<u8>| [unigram.to_bytes(), more].concat();
    let start = unigram.to_bytes().len();
    let cases: [(Vec<u8>, String); 14] = [
        (with(field(1, &[0x0A])), "the file ends inside a varint".to_owned()),
        (with(vec![0x0A, 0xFF, 0xFF, 3, 1]), "a length of 65535 where 1 bytes are left".to_owned()),
        (with(vec![0x0A; 1]), "the file ends inside a varint".to_owned()),
        (with([&[0x08][..], &[0xFF; 10]].concat()), "a varint of more than 64 bits".to_owned()),
        (with(vec![0x08, 1]), format!("byte {start}: a piece is stored as a varint")),
        (with(field(1, &[0x08, 1])), "a piece's text is stored as a varint".to_owned()),
        (with(field(1, &[0x10, 1])), "a piece's score is stored as a varint".to_owned()),
        (with(field(1, &field(1, &[0xFF]))), "a piece's text is not valid UTF-8".to_owned()),
        (with(field(1, &[0x0A, 1, b'x', 0x18, 9])), "\"x\" has type 9, expected 1 to 6".to_owned()),
        (with(field(2, &[0x18, 3])), "model_type is WORD, expected UNIGRAM or BPE".to_owned()),
        (with(field(2, &[0x18, 4])), "model_type is CHAR, expected UNIGRAM or BPE".to_owned()),
        (with(field(2, &[0x18, 9])), "model_type is number 9".to_owned()),
        (with(field(5, &field(2, b"x"))), "denormalizer_spec".to_owned()),
        (with(field(3, &field(2, b"x"))), "precompiled_charsmap: 1 bytes".to_owned()),
    ];
    for (bytes, expected) in cases {
        let error = SentencePieceModel::from_bytes(&bytes).unwrap_err().to_string();
        assert!(error.contains(&expected), "{error}\nexpected {expected}");
    }
    // Unknown fields, self-test samples, and a denormaliser without replacements are passed over.
    let more =
        [field(4, &field(1, b"")), field(5, &[0x18, 1]), field(15, b"x"), vec![0x75, 0, 0, 0, 0]];
    assert!(SentencePieceModel::from_bytes(&with(more.concat())).unwrap() == unigram);
}

#[test]
fn every_truncation_of_a_file_is_an_error_or_a_smaller_model() {
    let bytes = content("bpe_symbols", None);
    for length in 0..bytes.len() {
        if let Ok(model) = SentencePieceModel::from_bytes(&bytes[..length]) {
            assert!(model.size() <= MODELS["bpe_symbols"].size());
        }
    }
    let table = fixture("nmt_nfkc.table");
    for length in [3, 4, 5, 9, 100, table.len() / 2, table.len() - 1] {
        let cut = [bytes.clone(), table[..length].to_vec()].concat();
        assert!(SentencePieceModel::from_bytes(&cut).is_err(), "{length}");
    }
}

/// A table of 256 units, those not given without a match, and replacement texts.
fn table(units: &[(usize, u32)], texts: &[u8]) -> Vec<u8> {
    let mut all = [u32::MAX; 256];
    for &(index, unit) in units {
        all[index] = unit;
    }
    let mut bytes = 1024u32.to_le_bytes().to_vec();
    bytes.extend(all.iter().flat_map(|unit| unit.to_le_bytes()));
    bytes.extend(texts);
    bytes
}

fn with_table(charsmap: Vec<u8>) -> Result<SentencePieceModel, TextError> {
    let mut parts = small(SentencePieceAlgorithm::Unigram);
    parts.normalizer.charsmap = charsmap;
    SentencePieceModel::new(parts)
}

/// A unit with a label, perhaps a value (bit 8), and an offset.
fn unit(label: u8, value: u32, offset: u32) -> u32 {
    u32::from(label) | value << 8 | offset << 10
}

#[test]
fn tables_with_wrong_jumps_are_refused() {
    // The root's children are at 1 ^ byte, so that of "a" (0x61) at 0x60; its value is in unit 2.
    let root = (0, unit(0, 0, 1));
    let good = [root, (0x60, unit(0x61, 1, 0x62)), (2, 0x8000_0000)];
    let model = with_table(table(&good, b"xy\0")).unwrap();
    assert_eq!(model.normalize("abax"), "▁xybxyx");
    // The end of the table ends a text, too.
    assert_eq!(with_table(table(&good, b"xy")).unwrap().normalize("a"), "▁xy");
    assert_eq!(with_table(table(&good, b"")).unwrap().normalize("ab"), "▁b");

    let cases: [(Vec<u8>, &str); 9] = [
        (vec![0; 3], "3 bytes, expected at least 4"),
        (vec![4, 0, 0, 0, 1], "a trie of 4 bytes, expected a multiple of 4 up to the 1 that"),
        (vec![3, 0, 0, 0, 1, 1, 1], "a trie of 3 bytes"),
        (vec![0; 8], "a trie of 0 bytes"),
        (table(&[(0, unit(0, 0, 0x100))], b""), "unit 0 of its trie leads to unit 256"),
        (
            table(&[root, (0x60, unit(0x61, 0, 0xFF00))], b""),
            "unit 96 of its trie leads to unit 65376",
        ),
        (table(&[root, (0x60, unit(0x61, 0, 0x61))], b""), "unit 96 of its trie leads back"),
        (
            table(&[root, (0x60, unit(0x61, 1, 0x62)), (2, 0x8000_0009)], b"xy\0"),
            "points to byte 9 of the replacement texts",
        ),
        (
            // 0xC3 begins a character of two bytes.
            table(&[root, (0xC2, unit(0xC3, 1, 0xC0)), (2, 0x8000_0000)], b"xy\0"),
            "unit 194 of its trie ends a string inside a character",
        ),
    ];
    for (bytes, expected) in cases {
        let error = with_table(bytes).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}\nexpected {expected}");
    }
    let inside = [root, (0x60, unit(0x61, 1, 0x62)), (2, 0x8000_0001)];
    let error = with_table(table(&inside, "é\0".as_bytes())).unwrap_err().to_string();
    assert!(error.contains("points to byte 1"), "{error}");
    let error = with_table(table(&good, &[0xFF, 0])).unwrap_err().to_string();
    assert!(error.contains("replacement texts are not valid UTF-8"), "{error}");
}

fn any_kind() -> impl Strategy<Value = PieceKind> {
    prop::sample::select(vec![
        PieceKind::Normal,
        PieceKind::Normal,
        PieceKind::Normal,
        PieceKind::Control,
        PieceKind::UserDefined,
        PieceKind::Unused,
    ])
}

fn any_normalizer() -> impl Strategy<Value = NormalizerParts> {
    (
        "[a-z_]{0,8}",
        prop::sample::select(vec![DummySpace::None, DummySpace::Front, DummySpace::Back]),
        prop::sample::select(vec![ExtraSpaces::Keep, ExtraSpaces::Remove]),
        prop::sample::select(vec![SpaceEscape::None, SpaceEscape::Marker]),
        any::<bool>(),
    )
        .prop_map(|(name, dummy_space, extra_spaces, space_escape, replaces)| {
            let units = [(0, unit(0, 0, 1)), (0x60, unit(0x61, 1, 0x62)), (2, 0x8000_0000)];
            let charsmap = if replaces { table(&units, b"xy\0") } else { Vec::new() };
            NormalizerParts { name, charsmap, dummy_space, extra_spaces, space_escape }
        })
}

prop_compose! {
    fn any_parts()(
        algorithm in prop::sample::select(vec![
            SentencePieceAlgorithm::Unigram, SentencePieceAlgorithm::Bpe,
        ]),
        texts in prop::collection::btree_map(
            "[ab▁ é公]{1,4}|\\PC{2,6}", (-1e3f32..1e3, any_kind()), 1..40,
        ),
        byte_fallback in prop::sample::select(vec![ByteFallback::Off, ByteFallback::On]),
        unknown_surface in "\\PC{0,5}",
        names in prop::array::uniform4("\\PC{1,5}"),
        normalizer in any_normalizer(),
    ) -> SentencePieceParts {
        let piece = |text: &str, kind| SentencePiece { text: text.to_owned(), score: 0.0, kind };
        let mut pieces = vec![piece("<UNKNOWN>", PieceKind::Unknown), piece("NORMAL7", PieceKind::Normal)];
        if byte_fallback == ByteFallback::On {
            pieces.extend((0..=255).map(|byte: u8| piece(&format!("<0x{byte:02X}>"), PieceKind::Byte)));
        }
        for (text, (score, kind)) in texts {
            let kind = if text.chars().count() == 1 { PieceKind::Normal } else { kind };
            pieces.push(SentencePiece { text, score, kind });
        }
        let [unknown, begin, end, padding] = names;
        let names = SpecialNames { unknown, begin, end, padding };
        SentencePieceParts { algorithm, pieces, byte_fallback, unknown_surface, names, normalizer }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_model_is_written_and_read(parts in any_parts(), line in "[ab▁ é公]{0,20}|\\PC{0,20}") {
        let model = SentencePieceModel::new(parts.clone()).unwrap();
        let again = SentencePieceModel::from_bytes(&model.to_bytes()).unwrap();
        prop_assert_eq!(again.parts(), &parts);
        let pieces = model.encode_pieces(&line);
        prop_assert_eq!(&again.encode_pieces(&line), &pieces);
        if model.parts().byte_fallback == ByteFallback::Off {
            // Nothing of the text gets lost.
            let joined: String = pieces.iter().map(|piece| piece.text.as_str()).collect();
            prop_assert_eq!(joined, model.normalize(&line));
        }
        prop_assert!(model.decode(&model.encode(&line)).is_ok());
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = SentencePieceModel::from_bytes(&bytes);
        let _ = with_table(bytes);
    }

    #[test]
    fn changed_files_never_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        line in "\\PC{0,20}",
    ) {
        let mut bytes = MODELS["unigram_symbols"].to_bytes();
        // The table of replacements is at the end and most of the file.
        let length = bytes.len();
        for (place, byte) in changes {
            bytes[place.index(length)] = byte;
        }
        if let Ok(model) = SentencePieceModel::from_bytes(&bytes) {
            let ids = model.encode(&line);
            prop_assert!(model.decode(&ids).is_ok());
        }
    }
}

#[test]
fn ids_outside_the_model_are_refused() {
    let model = &MODELS["bpe"];
    let size = model.size();
    match model.decode(&[3, size as u32]) {
        Err(TextError::InvalidId { position: 1, .. }) => {}
        other => panic!("{other:?}"),
    }
}
