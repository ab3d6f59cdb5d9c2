//! Word translations: probabilities as NLTK has them, files, and what is refused.

use serde::Deserialize;
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
    let pairs = fixture.pairs.iter().map(|(source, target)| (&source[..], &target[..]));
    LexicalTable::learn(pairs, fixture.source_words, fixture.iterations)
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
    let lines = ["a dog", "dogs run a lot"].map(|line| vocabulary.encode(line));
    let pairs = [(&lines[0][..], &lines[1][..]), (&lines[1][..], &lines[0][..])];
    let table = LexicalTable::learn(pairs.into_iter(), vocabulary.size(), 3).best(4, 0.01, 5);
    table.write(&path, &vocabulary, &vocabulary).unwrap();
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
        ("▁a NULL 0.5\n▁a ▁a\n", "lex.txt:2: 2 words, expected TARGET SOURCE PROBABILITY"),
        ("▁a ▁a much\n", "lex.txt:1: probability \"much\", expected a number from 0 to 1"),
        ("▁a ▁a 1.5\n", "lex.txt:1: probability \"1.5\", expected a number from 0 to 1"),
        ("cat ▁a 0.5\n", "lex.txt:1: \"cat\" is not in the target vocabulary; hint"),
        ("▁a cat 0.5\n", "lex.txt:1: \"cat\" is not in the source vocabulary; hint"),
        ("▁a ▁a 0.5\n", "lex.txt:1: the file ends without a line of the source word NULL"),
        ("", "lex.txt:0: the file ends without"),
    ];
    for (text, expected) in cases {
        std::fs::write(&path, text).unwrap();
        let error = LexicalTable::read(&path, &vocabulary, &vocabulary).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
