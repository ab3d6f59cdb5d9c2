//! Merges of subword-nmt and of fastBPE against their results, which fixtures/subword_nmt/make.py and
//! fixtures/fast_bpe/make.py wrote.

use proptest::prelude::*;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use wdistill_text::{
    CodesVersion, SubwordNmtCodes, TextError, TokenList, TokenRole, Vocabulary, VocabularyKind,
};

#[derive(Deserialize)]
struct Row {
    line: String,
    subwords: Vec<String>,
}

fn fixture(name: &str) -> Vec<u8> {
    fixture_of("subword_nmt", name)
}

fn fixture_of(tool: &str, name: &str) -> Vec<u8> {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "fixtures", tool, name].iter().collect();
    std::fs::read(path).unwrap()
}

fn expected() -> BTreeMap<String, Vec<Row>> {
    serde_json::from_slice(&fixture("expected.json")).unwrap()
}

fn codes(name: &str) -> SubwordNmtCodes {
    SubwordNmtCodes::from_bytes(&fixture(name)).unwrap()
}

#[test]
fn words_are_cut_as_subword_nmt_cuts_them() {
    let expected = expected();
    assert_eq!(expected.len(), 4);
    for (name, rows) in &expected {
        let codes = codes(name);
        assert!(rows.iter().any(|row| row.subwords.iter().any(|word| word.ends_with("@@"))));
        for row in rows {
            assert_eq!(codes.segment(&row.line), row.subwords, "{name}: {:?}", row.line);
        }
    }
}

#[test]
fn words_are_cut_as_fast_bpe_cuts_them() {
    let expected: BTreeMap<String, Vec<Row>> =
        serde_json::from_slice(&fixture_of("fast_bpe", "expected.json")).unwrap();
    assert_eq!(expected.len(), 2);
    for (name, rows) in &expected {
        let codes = SubwordNmtCodes::from_bytes(&fixture_of("fast_bpe", name)).unwrap();
        assert_eq!(codes.version(), CodesVersion::EndMarkerJoined);
        assert!(rows.iter().any(|row| row.subwords.iter().any(|word| word.ends_with("@@"))));
        for row in rows {
            assert_eq!(codes.segment(&row.line), row.subwords, "{name}: {:?}", row.line);
        }
    }
    let problem =
        |text: &str| SubwordNmtCodes::from_bytes(text.as_bytes()).unwrap_err().to_string();
    assert!(problem("a b 7\nc d\n").contains(":2: \"c d\", expected two parts and a count"));
    assert!(problem("a b\nc d 7\n").contains(":2: \"c d 7\", expected two parts with one space"));
    assert!(problem("a b many\n").contains(":1: "));
}

#[test]
fn versions_and_merges_are_read() {
    assert_eq!(codes("codes-0.2").version(), CodesVersion::EndMarkerJoined);
    assert_eq!(codes("codes-0.1").version(), CodesVersion::EndMarkerApart);
    let first = ("w".to_owned(), "e".to_owned());
    assert_eq!(codes("codes-0.2").merges()[0], first);
    let read = |text: &str| SubwordNmtCodes::from_bytes(text.as_bytes()).unwrap();
    let merges = vec![("a".to_owned(), "b".to_owned())];
    let apart = SubwordNmtCodes::new(CodesVersion::EndMarkerApart, merges.clone()).unwrap();
    let joined = SubwordNmtCodes::new(CodesVersion::EndMarkerJoined, merges).unwrap();
    for text in ["a b", "a b\n\n", "#version: 0.1\na b\n", "#version: 0.1.0\na b\r\n"] {
        assert_eq!(read(text), apart, "{text:?}");
    }
    for text in ["#version: 0.2\na b\n", "#version: 0.2.0.0\r\na b\r\n"] {
        assert_eq!(read(text), joined, "{text:?}");
    }
}

#[test]
fn broken_files_are_reported_line_by_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("codes");
    std::fs::write(&path, "#version: 0.3\na b\n\na  b\nabc\na b c\n").unwrap();
    let Err(TextError::Unusable { origin, problems, .. }) = SubwordNmtCodes::load(&path) else {
        panic!("expected problems")
    };
    assert_eq!(origin, path.display().to_string());
    let starts: Vec<&str> =
        problems.iter().map(|problem| problem.fact.split(':').nth(1).unwrap()).collect();
    assert_eq!(starts, ["1", "3", "4", "5", "6"], "{problems:?}");
    assert!(problems[0].fact.contains("#version: 0.3"), "{problems:?}");
    std::fs::write(&path, b"a b\nb \xFF\n").unwrap();
    let error = SubwordNmtCodes::load(&path).unwrap_err().to_string();
    assert!(error.contains("codes:2: byte 6"), "{error}");
    for text in ["", "#version: 0.2\n"] {
        let error = SubwordNmtCodes::from_bytes(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("no merges"), "{error}");
    }
    let error = SubwordNmtCodes::load(Path::new("no/codes")).unwrap_err().to_string();
    assert!(error.contains("no/codes"), "{error}");
    let merges = vec![("a".to_owned(), String::new()), ("a b".to_owned(), "c".to_owned())];
    let Err(TextError::Unusable { problems, .. }) =
        SubwordNmtCodes::new(CodesVersion::EndMarkerApart, merges)
    else {
        panic!("expected problems")
    };
    assert_eq!(problems.len(), 2, "{problems:?}");
}

/// All subwords of the fixture with fairseq's special tokens in front, `<unk>` at 3.
fn tokens(rows: &[Row]) -> Vec<String> {
    let subwords: BTreeSet<&String> = rows.iter().flat_map(|row| &row.subwords).collect();
    let is_special = |word: &&&String| ["<unk>", "</s>"].contains(&word.as_str());
    let special = ["<s>", "<pad>", "</s>", "<unk>"].map(str::to_owned);
    special
        .into_iter()
        .chain(subwords.iter().filter(|w| !is_special(w)).map(|w| (*w).clone()))
        .collect()
}

fn list(tokens: Vec<String>) -> TokenList {
    TokenList { tokens, end: 2, unknown: 3, controls: vec![0, 1] }
}

#[test]
fn subwords_get_the_ids_of_the_list() {
    let expected = expected();
    let rows = &expected["codes-0.2"];
    let mut all = tokens(rows);
    all.push(">>fra<<".to_owned());
    let language = all.len() as u32 - 1;
    let codes = codes("codes-0.2");
    let vocabulary = Vocabulary::from_subword_nmt(codes.clone(), list(all.clone())).unwrap();
    assert_eq!(vocabulary.kind(), VocabularyKind::SubwordNmt);
    for row in rows {
        let id = |word: &String| all.iter().position(|token| token == word).unwrap() as u32;
        // What looks like a special token is a word that the list lacks.
        let ids: Vec<u32> =
            row.subwords.iter().map(id).map(|id| if id == 2 { 3 } else { id }).collect();
        assert_eq!(vocabulary.encode(&row.line), ids, "{:?}", row.line);
    }
    let dog = vocabulary.encode("dog");
    assert_eq!(vocabulary.encode(">>fra<< dog"), [&[language][..], &dog].concat());
    assert_ne!(vocabulary.encode("dog >>fra<<").last(), Some(&language));
    // A language that the list lacks is a word like others.
    assert!(vocabulary.encode(">>deu<< dog").len() > dog.len() + 1);
    all.retain(|token| token != "dog");
    let without = Vocabulary::from_subword_nmt(codes, list(all)).unwrap();
    assert_eq!(without.encode("dog"), [3]);
}

#[test]
fn subwords_are_joined() {
    let words = ["<s>", "<pad>", "</s>", "<unk>", "lo@@", "w@@", "er", "dog"];
    let tokens = words.map(str::to_owned).to_vec();
    let vocabulary = Vocabulary::from_subword_nmt(codes("codes-0.2"), list(tokens)).unwrap();
    assert_eq!(vocabulary.decode(&[7, 4, 5, 6, 7]).unwrap(), "dog lower dog");
    assert_eq!(vocabulary.decode(&[0, 7, 1, 3, 6, 1]).unwrap(), "dog <unk> er");
    // A model may stop within a word.
    assert_eq!(vocabulary.decode(&[7, 4, 1, 5]).unwrap(), "dog low");
    assert_eq!(vocabulary.decode(&[]).unwrap(), "");
    match vocabulary.decode(&[7, 2]) {
        Err(TextError::EndInText { position: 1, length: 2 }) => {}
        other => panic!("{other:?}"),
    }
    let roles: Vec<TokenRole> = (0..5).map(|id| vocabulary.role(id).unwrap()).collect();
    use TokenRole::{Control, End, Text, Unknown};
    assert_eq!(roles, [Control, Control, End, Unknown, Text]);
    assert_eq!(vocabulary.role(8), None);
}

#[test]
fn a_very_long_word_takes_no_quadratic_time() {
    for name in ["codes-0.2", "codes-0.1", "twisted"] {
        let codes = codes(name);
        for part in ["a", "ab", "lowest", "🐕"] {
            assert!(!codes.segment(&part.repeat(200_000)).is_empty());
        }
    }
}

/// What subword-nmt does, in the plainest way.
fn plain_cut(codes: &SubwordNmtCodes, word: &str) -> Vec<String> {
    let mut symbols: Vec<String> = word.chars().map(String::from).collect();
    if symbols.len() == 1 {
        return symbols;
    }
    match codes.version() {
        CodesVersion::EndMarkerApart => symbols.push("</w>".to_owned()),
        CodesVersion::EndMarkerJoined => symbols.last_mut().unwrap().push_str("</w>"),
    }
    let rank = |left: &String, right: &String| {
        codes.merges().iter().position(|(a, b)| (a, b) == (left, right))
    };
    while let Some(best) = symbols.windows(2).filter_map(|pair| rank(&pair[0], &pair[1])).min() {
        let mut merged: Vec<String> = Vec::new();
        let mut index = 0;
        while index < symbols.len() {
            let pair = symbols.get(index + 1).and_then(|next| rank(&symbols[index], next));
            let step = if pair == Some(best) { 2 } else { 1 };
            merged.push(symbols[index..index + step].concat());
            index += step;
        }
        symbols = merged;
    }
    let last = symbols.pop().unwrap().strip_suffix("</w>").unwrap().to_owned();
    symbols.extend(Some(last).filter(|last| !last.is_empty()));
    symbols
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn any_merges_cut_any_word_as_the_plain_method(
        merges in prop::collection::vec(("[abc]{1,3}", "[abc]{1,2}|[abc]{0,2}</w>"), 1..20),
        version in prop::sample::select(vec![
            CodesVersion::EndMarkerApart, CodesVersion::EndMarkerJoined,
        ]),
        word in "[abc]{1,30}",
    ) {
        let codes = SubwordNmtCodes::new(version, merges).unwrap();
        let found = codes.segment(&word);
        let found: Vec<&str> = found.iter().map(|part| part.trim_end_matches("@@")).collect();
        prop_assert_eq!(found, plain_cut(&codes, &word));
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let _ = SubwordNmtCodes::from_bytes(&bytes);
    }

    #[test]
    fn random_text_never_panics(text in "(#version: 0\\.[0-3])?(\\PC{0,10}[ \n]){0,10}", line in ".{0,30}") {
        if let Ok(codes) = SubwordNmtCodes::from_bytes(text.as_bytes()) {
            codes.segment(&line);
        }
    }
}
