//! Word translations: probabilities as NLTK has them, files, and what is refused.

use proptest::prelude::*;
use serde::Deserialize;
use wdistill_base::Hinted;
use wdistill_text::{LexicalTable, SubwordModel, Vocabulary, VocabularySettings};

#[derive(Deserialize)]
struct Fixture {
    iterations: usize,
    source_words: usize,
    pairs: Vec<(Vec<u32>, Vec<u32>)>,
    /// Source word, -1 for the null word; target word; probability.
    probabilities: Vec<(i64, u32, f64)>,
}

fn learnt(fixture: &Fixture) -> LexicalTable {
    let mut iterations = Vec::new();
    let said = &mut |done| iterations.push(done);
    let table = LexicalTable::learn(&fixture.pairs, fixture.source_words, fixture.iterations, said);
    assert_eq!(iterations, [1, 2, 3, 4]);
    table
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("../fixtures/lexical_table/table.json")).unwrap()
}

#[test]
fn probabilities_are_those_of_nltk() {
    let fixture = fixture();
    let table = learnt(&fixture);
    let entries = table.of_null().len() + table.of_source().iter().map(Vec::len).sum::<usize>();
    assert_eq!(entries, fixture.probabilities.len());
    for &(source, target, expected) in &fixture.probabilities {
        let row = match usize::try_from(source) {
            Ok(source) => &table.of_source()[source],
            Err(_) => table.of_null(),
        };
        let (_, found) = row.iter().find(|(word, _)| *word == target).unwrap();
        assert!((found - expected).abs() < 1e-12, "{target} of {source}: {found}, {expected}");
    }
    // A word that the text does not have translates as nothing.
    assert!(table.of_source().last().unwrap().is_empty());
}

#[test]
fn the_best_words_are_the_most_probable() {
    let table = learnt(&fixture());
    let best = table.best(3, 0.05, 2);
    assert_eq!(best.of_null().len(), 2);
    for (all, best) in table.of_source().iter().zip(best.of_source()) {
        assert!(best.len() <= 3);
        let worst = best.last().map_or(0.05, |(_, share)| *share);
        let left = all.iter().filter(|entry| !best.contains(entry));
        assert!(left.clone().all(|(_, share)| *share <= worst || *share < 0.05), "{best:?}");
        assert!(best.len() == 3 || left.clone().all(|(_, share)| *share < 0.05));
    }
}

fn vocabulary() -> Vocabulary {
    let settings = VocabularySettings::new(SubwordModel::Bpe, 280);
    Vocabulary::train(["a dog runs", "a dog sleeps", "NULL"], &settings).unwrap().vocabulary
}

#[test]
fn a_table_is_written_and_read() {
    let folder = tempfile::tempdir().unwrap();
    let (path, vocabulary) = (folder.path().join("lex.txt"), vocabulary());
    let [first, second] = ["a dog", "dogs run a lot"].map(|line| vocabulary.encode(line));
    let pairs = [(first.clone(), second.clone()), (second, first)];
    let table = LexicalTable::learn(&pairs, vocabulary.size(), 3, &mut |_| {}).best(4, 0.01, 5);
    assert!(table.write(&path, &vocabulary, &vocabulary).unwrap().is_empty());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    let found = LexicalTable::read(&path, &vocabulary, &vocabulary).unwrap();
    let words = |row: &[(u32, f64)]| row.iter().map(|(word, _)| *word).collect::<Vec<_>>();
    assert_eq!(words(found.of_null()), words(table.of_null()));
    for (found, expected) in found.of_source().iter().zip(table.of_source()) {
        assert_eq!(words(found), words(expected));
        for ((_, found), (_, expected)) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-7);
        }
    }
}

#[test]
fn broken_files_are_refused_with_the_line() {
    let folder = tempfile::tempdir().unwrap();
    let (path, vocabulary) = (folder.path().join("lex.txt"), vocabulary());
    let cases = [
        ("▁a NULL 0.5\n▁a ▁a\n", "lex.txt:2: \"▁a ▁a\", expected TARGET SOURCE PROBABILITY"),
        ("▁a ▁a much\n", "lex.txt:1: probability \"much\", expected a number from 0 to 1"),
        ("▁a ▁a 1.5\n", "lex.txt:1: probability \"1.5\", expected a number from 0 to 1"),
        ("cat ▁a 0.5\n", "lex.txt:1: \"cat\" is not in the target vocabulary"),
        ("▁a cat 0.5\n", "lex.txt:1: \"cat\" is not in the source vocabulary"),
        ("▁a NULL 0.5\n\n", "lex.txt:2: \"\", expected TARGET SOURCE PROBABILITY"),
        ("▁a ▁a 0.5\n", "lex.txt: no line has the source word NULL"),
        ("", "lex.txt: no line has the source word NULL"),
    ];
    for (text, expected) in cases {
        std::fs::write(&path, text).unwrap();
        let error = LexicalTable::read(&path, &vocabulary, &vocabulary).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        let has_way_out = expected.contains("is not in the") || expected.contains("NULL");
        assert_eq!(error.hint().is_some(), has_way_out, "{error}");
    }
}

#[test]
fn a_word_may_stay_as_it_is() {
    let vocabulary = vocabulary();
    let id = |piece| vocabulary.id(piece).unwrap();
    let pairs = [(vec![id("▁a")], vec![id("s")])];
    let table = LexicalTable::learn(&pairs, vocabulary.size(), 1, &mut |_| {});
    let translations = table.translations(&vocabulary, &vocabulary);
    assert_eq!(translations[id("▁a") as usize], [id("s"), id("▁a")]);
    assert_eq!(translations[id("<0x41>") as usize], [id("<0x41>")]);
    assert!(translations[id("</s>") as usize].is_empty());
    assert!(translations[id("<unk>") as usize].is_empty());
}

#[test]
fn words_that_a_line_cannot_hold_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("words.json");
    let json = r#"{"format": "wdistill-vocabulary", "version": 1, "model": "unigram",
        "pieces": ["▁", "N", "U", "L", "NULL"],
        "scores_in_millionths": [-1, -1, -1, -1, -1]}"#;
    std::fs::write(&path, json).unwrap();
    let vocabulary = Vocabulary::load(&path).unwrap();
    let null = vocabulary.id("NULL").unwrap();
    let pairs = [(vec![null], vec![null])];
    let table = LexicalTable::learn(&pairs, vocabulary.size(), 1, &mut |_| {});
    let path = folder.path().join("lex.txt");
    assert_eq!(table.write(&path, &vocabulary, &vocabulary).unwrap(), ["NULL"]);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "NULL NULL 1.0000000\n");
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(
        lines in prop::collection::vec("(▁a|s|NULL|\\PC{0,3})[ \t](▁a|NULL|\\PC{0,3}) (0\\.5|1|nan|\\PC{0,3})\r?", 0..4)
    ) {
        let folder = tempfile::tempdir().unwrap();
        let (path, vocabulary) = (folder.path().join("lex.txt"), vocabulary());
        std::fs::write(&path, lines.join("\n")).unwrap();
        match LexicalTable::read(&path, &vocabulary, &vocabulary) {
            Ok(table) => {
                let rows = [table.of_null()].into_iter().chain(table.of_source().iter().map(Vec::as_slice));
                let entries: Vec<&(u32, f64)> = rows.flatten().collect();
                prop_assert_eq!(entries.len(), lines.len());
                let is_good = |(word, share): &&(u32, f64)| {
                    (*word as usize) < vocabulary.size() && (0.0..=1.0).contains(share)
                };
                prop_assert!(entries.iter().all(is_good));
            }
            Err(error) => prop_assert!(error.to_string().contains("lex.txt:"), "{}", error),
        }
    }
}
