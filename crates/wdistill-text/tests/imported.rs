//! Imported vocabularies, and learnt ones exported as SentencePiece models. Expected values come from
//! the SentencePiece library and Hugging Face's tokenizer through fixtures.

use proptest::prelude::*;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::LazyLock;
use wdistill_base::{Hinted, hash_file};
use wdistill_text::{
    CodesVersion, SentencePieceAlgorithm, SentencePieceModel, SubwordModel, SubwordNmtCodes,
    TextError, TokenList, TokenRole, Vocabulary, VocabularyKind,
};

fn fixture(folder: &str, name: &str) -> Vec<u8> {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "fixtures", folder, name].iter().collect();
    std::fs::read(path).unwrap()
}

fn json<T: DeserializeOwned>(folder: &str) -> T {
    serde_json::from_slice(&fixture(folder, "expected.json")).unwrap()
}

#[derive(Deserialize)]
struct Expected {
    table: Option<String>,
    lines: Vec<Line>,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Line {
    line: String,
    pieces: Vec<String>,
    ids: Vec<u32>,
}

#[derive(Deserialize)]
struct Row {
    ids: Vec<u32>,
    decoded: String,
}

/// The models of fixtures/sentence_piece with what the library does with them.
fn models() -> BTreeMap<String, (SentencePieceModel, Expected)> {
    let expected: BTreeMap<String, Expected> = json("sentence_piece");
    let read = |(name, expected): (String, Expected)| {
        let mut bytes = fixture("sentence_piece", &format!("{name}.spm"));
        bytes.extend(expected.table.iter().flat_map(|table| fixture("sentence_piece", table)));
        (name, (SentencePieceModel::from_bytes(&bytes).unwrap(), expected))
    };
    expected.into_iter().map(read).collect()
}

#[test]
fn a_model_keeps_its_own_ids() {
    for (name, (model, expected)) in models() {
        let vocabulary = Vocabulary::from_sentence_piece(model.clone()).unwrap();
        assert_eq!(Some(vocabulary.end_id()), model.end_id(), "{name}");
        assert_eq!(vocabulary.unknown_id(), model.unknown_id(), "{name}");
        assert_eq!(vocabulary.kind(), VocabularyKind::SentencePiece(model.parts().algorithm));
        assert_eq!(vocabulary.model(), None);
        assert_eq!(vocabulary.tokens().len(), model.size());
        for case in &expected.lines {
            assert_eq!(vocabulary.encode(&case.line), case.ids, "{name}: {:?}", case.line);
        }
        let without_end = |row: &&Row| !row.ids.contains(&vocabulary.end_id());
        let mut rows = expected.rows.iter().filter(without_end).peekable();
        assert!(rows.peek().is_some());
        for row in rows {
            let decoded = vocabulary.decode(&row.ids).unwrap();
            // The library writes a replacement for every byte of a character that is cut off at the end; a
            // vocabulary leaves these out, so that no translation ends inside a character.
            let matches =
                (0..4).any(|cut| decoded.clone() + &"\u{fffd}".repeat(cut) == row.decoded);
            assert!(matches, "{name}: {:?}: {decoded:?}, expected {:?}", row.ids, row.decoded);
        }
        assert!(vocabulary.to_sentence_piece().unwrap() == model);
    }
}

#[test]
fn roles_of_a_model_s_pieces() {
    let (model, _) = models().remove("unigram_bytes").unwrap();
    let vocabulary = Vocabulary::from_sentence_piece(model).unwrap();
    let role = |piece: &str| vocabulary.role(vocabulary.id(piece).unwrap()).unwrap();
    assert_eq!(role("</s>"), TokenRole::End);
    assert_eq!(role("<s>"), TokenRole::Control);
    assert_eq!(role("<pad>"), TokenRole::Control);
    assert_eq!(role("<unk>"), TokenRole::Unknown);
    assert_eq!(role("<0x41>"), TokenRole::Byte(0x41));
    assert_eq!(role("a"), TokenRole::Text);
    assert_eq!(vocabulary.special_tokens().bytes.len(), 256);
}

#[test]
fn a_model_without_an_end_needs_a_list() {
    let (model, _) = models().remove("unigram").unwrap();
    let mut parts = model.parts().clone();
    parts.names.end = "</none>".to_owned();
    let model = SentencePieceModel::new(parts).unwrap();
    let error = Vocabulary::from_sentence_piece(model).unwrap_err();
    assert!(error.to_string().contains("no control piece \"</none>\""), "{error}");
    assert_eq!(error.hint().unwrap(), "give a list of tokens that has one");
}

/// A list of every other piece in reverse order, with special tokens of its own.
fn some_pieces(model: &SentencePieceModel) -> TokenList {
    let special = ["<unk>", "</s>", "<pad>", ">>fra<<", "Ω☃"];
    let pieces = model.parts().pieces.iter().rev().map(|piece| piece.text.as_str());
    let some = pieces.step_by(2).filter(|piece| !special.contains(piece));
    let tokens = special.into_iter().chain(some).map(str::to_owned).collect();
    TokenList { tokens, end: 1, unknown: 0, controls: vec![2] }
}

#[test]
fn listed_pieces_have_the_list_s_ids() {
    for (name, (model, expected)) in models() {
        let list = some_pieces(&model);
        let vocabulary = Vocabulary::from_sentence_piece_tokens(model, list.clone()).unwrap();
        assert_eq!((vocabulary.end_id(), vocabulary.unknown_id()), (1, 0));
        assert_eq!(vocabulary.tokens(), list.tokens);
        let id = |piece: &String| list.tokens.iter().position(|token| token == piece);
        for case in &expected.lines {
            let ids: Vec<u32> = case.pieces.iter().map(|p| id(p).unwrap_or(0) as u32).collect();
            // A piece that looks like one of the list's special tokens is not that token.
            let ids: Vec<u32> = ids.into_iter().map(|id| if id < 3 { 0 } else { id }).collect();
            assert_eq!(vocabulary.encode(&case.line), ids, "{name}: {:?}", case.line);
        }
    }
}

#[test]
fn characters_that_only_the_list_knows_are_found() {
    let (model, _) = models().remove("unigram").unwrap();
    let vocabulary =
        Vocabulary::from_sentence_piece_tokens(model.clone(), some_pieces(&model)).unwrap();
    let ids = vocabulary.encode("Ω☃");
    assert_eq!(ids.last(), Some(&4), "{ids:?}");
    assert_eq!(vocabulary.decode(&[4, 0, 2, 4]).unwrap(), "Ω☃ \u{2047} Ω☃");
}

/// What fixtures/marian_tokenizer/make.py wrote.
#[derive(Deserialize)]
struct Marian {
    models: BTreeMap<String, MarianModel>,
}

#[derive(Deserialize)]
struct MarianModel {
    tokens: Vec<String>,
    lines: Vec<MarianLine>,
}

#[derive(Deserialize)]
struct MarianLine {
    line: String,
    ids: Vec<u32>,
}

/// Lines that start almost like one with a language token.
const ODD_LANGUAGES: [&str; 2] = [">> fra<< a", ">><< a"];

#[test]
fn marian_tokenizer_gives_the_same_ids() {
    let expected: Marian = json("marian_tokenizer");
    let mut models = models();
    assert_eq!(expected.models.len(), 3);
    for (name, MarianModel { tokens, lines }) in expected.models {
        let id = |token: &str| tokens.iter().position(|known| known == token).unwrap() as u32;
        let (end, unknown, padding) = (id("</s>"), id("<unk>"), id("<pad>"));
        let list = TokenList { tokens: tokens.clone(), end, unknown, controls: vec![padding] };
        let model = models.remove(&name).unwrap().0;
        let vocabulary = Vocabulary::from_sentence_piece_tokens(model.clone(), list).unwrap();
        for MarianLine { line, ids } in lines {
            let mut found = vocabulary.encode(&line);
            found.push(end);
            if ODD_LANGUAGES.contains(&line.as_str()) {
                // MarianTokenizer takes any start up to `<<` for a language, here an unknown one.
                assert_eq!(ids[0], unknown, "{name}: {line:?}");
                let spelled = model.encode_pieces(&line);
                assert_eq!(found.len(), spelled.len() + 1, "{name}: {line:?}");
            } else {
                assert_eq!(found, ids, "{name}: {line:?}");
            }
        }
    }
}

/// What fixtures/added_tokens/make.py wrote.
#[derive(Deserialize)]
struct WithAdded {
    tokens: Vec<String>,
    added: Vec<u32>,
    lines: Vec<AddedLine>,
}

#[derive(Deserialize)]
struct AddedLine {
    line: String,
    ids: Vec<u32>,
    decoded: String,
}

#[test]
fn added_tokens_divide_a_text_as_marian_tokenizer_divides_it() {
    let WithAdded { tokens, added, lines } = json("added_tokens");
    let id = |token: &str| tokens.iter().position(|known| known == token).unwrap() as u32;
    let (end, unknown, padding) = (id("</s>"), id("<unk>"), id("<pad>"));
    let list = TokenList { tokens: tokens.clone(), end, unknown, controls: vec![padding] };
    let model = models().remove("unigram").unwrap().0;
    let plain = Vocabulary::from_sentence_piece_tokens(model.clone(), list).unwrap();
    assert_eq!(lines.len(), 15);
    let vocabulary = plain.clone().with_added_tokens(&added).unwrap();
    let saved = Vocabulary::from_json(vocabulary.to_json().as_bytes()).unwrap();
    for AddedLine { line, ids, decoded } in lines {
        let (last, ids) = ids.split_last().unwrap();
        assert_eq!((vocabulary.encode(&line), *last), (ids.to_vec(), end), "{line:?}");
        assert_eq!(saved.encode(&line), ids, "{line:?}");
        assert_eq!(vocabulary.decode(ids).unwrap(), decoded, "{line:?}");
    }
    assert_eq!(plain.clone().with_added_tokens(&[]).unwrap().to_json(), plain.to_json());
    assert!(plain.with_added_tokens(&[tokens.len() as u32]).is_err());
    let own = Vocabulary::from_sentence_piece(model).unwrap();
    assert!(own.with_added_tokens(&[3]).is_err());
}

fn problems<T: std::fmt::Debug>(result: Result<T, TextError>) -> Vec<String> {
    match result {
        Err(TextError::Unusable { problems, .. }) => {
            problems.into_iter().map(|problem| problem.fact).collect()
        }
        other => panic!("expected problems, got {other:?}"),
    }
}

fn words(tokens: &[&str]) -> TokenList {
    let tokens = tokens.iter().map(|&token| token.to_owned()).collect();
    TokenList { tokens, end: 0, unknown: 1, controls: vec![] }
}

#[test]
fn all_problems_of_a_list_are_reported() {
    let list = TokenList { end: 9, controls: vec![7, 1], ..words(&["</s>", "", "a", "a"]) };
    assert_eq!(
        problems(Vocabulary::from_words(list)),
        [
            "token 1 is empty",
            "tokens 2 and 3 are both \"a\"",
            "the end id is 9, but there are 4 tokens",
            "the control id is 7, but there are 4 tokens",
            "id 1 is among the further special tokens, but it is the end or unknown token",
        ]
    );
    let list = TokenList { end: 1, ..words(&["</s>", "<unk>"]) };
    let expected = ["id 1 is both the end and the unknown token"];
    assert_eq!(problems(Vocabulary::from_words(list)), expected);
    let (model, _) = models().remove("unigram").unwrap();
    let list = words(&["</s>", "<unk>", "unrelated"]);
    let found = problems(Vocabulary::from_sentence_piece_tokens(model, list));
    assert!(found[0].contains("none of the model's") && found[0].contains("3 tokens"), "{found:?}");
}

#[test]
fn words_are_looked_up_and_joined() {
    let list = TokenList { controls: vec![2], ..words(&["</s>", "<unk>", "<pad>", "a", "dog"]) };
    let vocabulary = Vocabulary::from_words(list).unwrap();
    assert_eq!(vocabulary.kind(), VocabularyKind::Words);
    assert_eq!(vocabulary.encode(" a \t dog\u{3000}a\u{a0}cat  "), [3, 4, 3, 1]);
    // Special tokens are no part of texts.
    assert_eq!(vocabulary.encode("</s> <unk> <pad> dog"), [1, 1, 1, 4]);
    assert!(vocabulary.encode("").is_empty());
    assert_eq!(vocabulary.decode(&[2, 3, 2, 4, 1]).unwrap(), "a dog <unk>");
    assert!(matches!(vocabulary.decode(&[3, 0]), Err(TextError::EndInText { position: 1, .. })));
    assert!(matches!(vocabulary.decode(&[5]), Err(TextError::InvalidId { id: 5, size: 5, .. })));
    let error = vocabulary.to_sentence_piece().unwrap_err().to_string();
    assert!(error.contains("whole words"), "{error}");
}

static EACH_KIND: LazyLock<Vec<Vocabulary>> = LazyLock::new(one_of_each_kind);

fn one_of_each_kind() -> Vec<Vocabulary> {
    let mut all = Vec::new();
    for (_, (model, _)) in models() {
        let list = some_pieces(&model);
        all.push(Vocabulary::from_sentence_piece(model.clone()).unwrap());
        all.push(Vocabulary::from_sentence_piece_tokens(model, list).unwrap());
    }
    for version in [CodesVersion::EndMarkerApart, CodesVersion::EndMarkerJoined] {
        let merges = vec![("d".to_owned(), "o".to_owned()), ("do".to_owned(), "g</w>".to_owned())];
        let codes = SubwordNmtCodes::new(version, merges).unwrap();
        let list = words(&["</s>", "<unk>", "do@@", "g", "dog", "a"]);
        all.push(Vocabulary::from_subword_nmt(codes, list).unwrap());
    }
    all.push(Vocabulary::from_words(words(&["</s>", "<unk>", "a", "dog"])).unwrap());
    all
}

#[test]
fn a_saved_vocabulary_is_the_same_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    for vocabulary in EACH_KIND.iter() {
        vocabulary.save(&path).unwrap();
        assert_eq!(hash_file(&path).unwrap(), vocabulary.content_hash());
        let again = Vocabulary::load(&path).unwrap();
        assert_eq!(again.to_json(), vocabulary.to_json());
        assert_eq!((again.kind(), again.tokens()), (vocabulary.kind(), vocabulary.tokens()));
        assert_eq!(again.special_tokens(), vocabulary.special_tokens());
        let line = "a  dog Ω☃ ＦＵＬＬ <mask>";
        assert_eq!(again.encode(line), vocabulary.encode(line));
        for id in (0..vocabulary.size() as u32).filter(|&id| id != vocabulary.end_id()) {
            assert_eq!(again.role(id), vocabulary.role(id));
            // No id but the end fails.
            assert_eq!(again.decode(&[id]).unwrap(), vocabulary.decode(&[id]).unwrap());
        }
    }
}

#[test]
fn files_are_checked_as_strictly_as_constructors() {
    let (model, _) = models().remove("unigram_unused").unwrap();
    let good = Vocabulary::from_sentence_piece(model).unwrap().to_json();
    let words = Vocabulary::from_words(words(&["</s>", "<unk>", "dog"])).unwrap().to_json();
    let cases = [
        (good.replace("\"version\":2", "\"version\":4"), "version 4, expected"),
        (good.replace("\"identity\"", "7"), "invalid type"),
        (good.replace("\"charsmap\":\"\"", "\"charsmap\":\"AAAA\""), "precompiled_charsmap"),
        (good.replace("\"charsmap\":\"\"", "\"charsmap\":\"A\""), "charsmap: "),
        (good.replace("\"▁dog\"", "\"</s>\""), "are both \"</s>\""),
        (good.replace("\"sentence-piece\"", "\"words\""), "tokens for words"),
        (good.replace("\"unknown\"]", "\"control\"]"), "0 unknown pieces"),
        (words.replace("\"dog\"", "\"</s>\""), "tokens 0 and 2"),
        (words.replace("\"end\":0", "\"end\":5"), "the end id is 5"),
        (words.replace("\"end\"", "\"more\":1,\"end\""), "unknown field `more`"),
        ("[]".to_owned(), "not a vocabulary"),
        (words[..words.len() / 2].to_owned(), "not a vocabulary"),
    ];
    for (json, expected) in cases {
        assert!(json != good && json != words, "{expected}");
        let error = Vocabulary::from_json(json.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}\nexpected {expected}");
    }
}

#[derive(Deserialize)]
struct Export {
    special: [i64; 4],
    size: usize,
    table: Option<String>,
    lines: Vec<ExportLine>,
}

#[derive(Deserialize)]
struct ExportLine {
    line: String,
    normalized: String,
    ids: Vec<u32>,
    decoded: String,
}

/// A model's file without its table of replacements, which must be the rule's own.
fn without_table(mut content: Vec<u8>, rule: Option<&str>) -> Vec<u8> {
    let Some(rule) = rule else { return content };
    let path = format!("{}/data/normalisation/{rule}.charsmap", env!("CARGO_MANIFEST_DIR"));
    let table = std::fs::read(path).unwrap();
    let start = content.windows(table.len()).position(|window| window == table).unwrap();
    content.drain(start..start + table.len());
    content
}

#[test]
fn the_library_cuts_text_as_the_exported_vocabulary() {
    let expected: BTreeMap<String, Export> = json("native_export");
    for (name, expected) in expected {
        let content = fixture("native_export", &format!("{name}.json"));
        let vocabulary = Vocabulary::from_json(&content).unwrap();
        assert_eq!(vocabulary.to_json().as_bytes(), content, "{name}");
        let model = vocabulary.to_sentence_piece().unwrap();
        // What the library read when it gave the expected ids.
        let content = without_table(model.to_bytes(), expected.table.as_deref());
        assert_eq!(content, fixture("native_export", &format!("{name}.spm")), "{name}");
        assert_eq!(expected.special, [1, -1, 0, -1], "{name}");
        assert_eq!(expected.size, vocabulary.size(), "{name}");
        for (id, token) in (0..).zip(vocabulary.tokens()) {
            assert_eq!(model.id(token), Some(id));
        }
        for ExportLine { line, normalized, ids, decoded } in &expected.lines {
            assert_eq!(&model.encode(line), ids, "{name}: {line:?}");
            assert_eq!(&model.normalize(line), normalized, "{name}: {line:?}");
            if expected.table.is_some() {
                assert_eq!(&vocabulary.encode(line), ids, "{name}: {line:?}");
                assert_eq!(&vocabulary.decode(ids).unwrap(), decoded, "{name}: {line:?}");
            } else if line.contains('▁') {
                // The one known difference: SentencePiece takes it for a space.
                assert_ne!(&vocabulary.encode(line), ids, "{name}: {line:?}");
                assert_eq!(decoded, &line.replace('▁', " "), "{name}");
            } else {
                assert_eq!(&vocabulary.encode(line), ids, "{name}: {line:?}");
                assert_eq!(decoded, line, "{name}");
            }
        }
    }
}

#[test]
fn kinds_of_learnt_vocabularies() {
    for (name, model, algorithm) in [
        ("bpe", SubwordModel::Bpe, SentencePieceAlgorithm::Bpe),
        ("unigram", SubwordModel::Unigram, SentencePieceAlgorithm::Unigram),
    ] {
        let content = fixture("native_export", &format!("{name}.json"));
        let vocabulary = Vocabulary::from_json(&content).unwrap();
        assert_eq!(vocabulary.kind(), VocabularyKind::Native(model));
        assert_eq!(vocabulary.model(), Some(model));
        assert!(vocabulary.sentence_piece().is_none());
        assert_eq!(vocabulary.to_sentence_piece().unwrap().parts().algorithm, algorithm);
        assert_eq!(vocabulary.role(0), Some(TokenRole::End));
        assert_eq!(vocabulary.role(1), Some(TokenRole::Unknown));
        assert_eq!(vocabulary.role(257), Some(TokenRole::Byte(255)));
        assert_eq!(vocabulary.role(258), Some(TokenRole::Text));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Vocabulary::from_json(&bytes);
    }

    #[test]
    fn changed_files_never_panic(
        name in prop::sample::select(vec!["bpe", "unigram"]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        line in "\\PC{0,20}",
    ) {
        let mut bytes = fixture("native_export", &format!("{name}.json"));
        let length = bytes.len();
        for (place, byte) in changes {
            bytes[place.index(length)] = byte;
        }
        if let Ok(vocabulary) = Vocabulary::from_json(&bytes) {
            let ids = vocabulary.encode(&line);
            prop_assert_eq!(vocabulary.decode(&ids).unwrap(), line);
        }
    }

    #[test]
    fn random_vocabularies_never_panic(
        pieces in prop::collection::vec("[▁ab]{1,3}", 1..8),
        merges in prop::collection::vec("[▁ab]{1,2} [▁ab]{1,2}", 0..6),
        scores in prop::collection::vec(any::<i64>(), 1..8),
        line in "[ab ]{0,20}",
    ) {
        let bpe = serde_json::json!({
            "format": "wdistill-vocabulary", "version": 1, "model": "bpe", "pieces": pieces,
            "merges": merges,
        });
        let unigram = serde_json::json!({
            "format": "wdistill-vocabulary", "version": 1, "model": "unigram", "pieces": pieces,
            "scores_in_millionths": scores,
        });
        for file in [bpe, unigram] {
            if let Ok(vocabulary) = Vocabulary::from_json(file.to_string().as_bytes()) {
                let ids = vocabulary.encode(&line);
                prop_assert_eq!(vocabulary.decode(&ids).unwrap(), &line[..]);
                prop_assert!(vocabulary.to_sentence_piece().is_ok());
            }
        }
    }

    #[test]
    fn imported_vocabularies_take_any_text(line in "(>>[a-z]{0,3}<<)?\\PC{0,30}") {
        for vocabulary in EACH_KIND.iter() {
            let ids = vocabulary.encode(&line);
            prop_assert!(ids.iter().all(|&id| (id as usize) < vocabulary.size()));
            prop_assert!(!ids.contains(&vocabulary.end_id()));
            prop_assert!(vocabulary.decode(&ids).is_ok());
        }
    }
}
