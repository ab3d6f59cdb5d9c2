//! Corpus checks on small files with known faults.

use std::path::{Path, PathBuf};
use wdistill_text::{
    Action, CHARACTERS_OF_A_TOKEN, CheckedCorpus, CorpusLimits, CorpusReport, FindingKind,
    PairPolicy, ParallelText, SubwordModel, TextError, Vocabulary, VocabularySettings,
    encode_corpus,
};

/// One token for each character and one for the space in front: `abc` has 5 tokens with the end.
fn vocabulary() -> Vocabulary {
    let settings = VocabularySettings::new(SubwordModel::Bpe, 258 + 27);
    Vocabulary::train(["abcdefghijklmnopqrstuvwxyz"], &settings).unwrap().vocabulary
}

struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new(source: &[u8], target: &[u8]) -> Self {
        let files = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::write(files.source(), source).unwrap();
        std::fs::write(files.target(), target).unwrap();
        files
    }

    fn source(&self) -> PathBuf {
        self.folder.path().join("text.de")
    }

    fn target(&self) -> PathBuf {
        self.folder.path().join("text.en")
    }

    fn read(&self) -> Result<ParallelText, TextError> {
        ParallelText::read(&self.source(), &self.target())
    }

    fn check(&self, limits: &CorpusLimits) -> Result<CheckedCorpus, TextError> {
        encode_corpus(&self.read()?, &vocabulary(), &vocabulary(), limits)
    }
}

fn found(report: &CorpusReport, kind: FindingKind) -> (usize, Action, Vec<usize>) {
    let finding = report.finding(kind).unwrap_or_else(|| panic!("{kind:?} not in\n{report}"));
    let lines = finding.examples.iter().map(|example| example.line).collect();
    (finding.count, finding.action, lines)
}

/// Lines 2, 4 and 6 have an empty side, line 3 is too long (8 letters, 10 tokens), line 5 is too
/// uneven (3 and 7 tokens), line 7 repeats line 1, line 8 has equal sides.
fn faulty() -> Files {
    Files::new(
        b"ab\n\nabcdefgh\ncd\na\n \nab\nxy\nok\n",
        b"ba\nq\nabcdefg\n\nabcde\n\t\nba\nxy\nko\n",
    )
}

fn strict() -> CorpusLimits {
    CorpusLimits { max_tokens_per_sentence: 9, max_length_ratio: 2.0, ..CorpusLimits::training() }
}

#[test]
fn doubtful_training_pairs_are_left_out_and_reported() {
    let checked = faulty().check(&strict()).unwrap();
    assert_eq!(checked.lines, [1, 7, 8, 9]);
    assert_eq!(checked.corpus.len(), 4);
    let report = &checked.report;
    assert_eq!((report.pairs, report.kept), (9, 4));
    assert_eq!(found(report, FindingKind::EmptySource), (1, Action::LeftOut, vec![2]));
    assert_eq!(found(report, FindingKind::TooLong), (1, Action::LeftOut, vec![3]));
    assert_eq!(found(report, FindingKind::EmptyTarget), (1, Action::LeftOut, vec![4]));
    assert_eq!(found(report, FindingKind::LengthRatio), (1, Action::LeftOut, vec![5]));
    assert_eq!(found(report, FindingKind::EmptyPair), (1, Action::LeftOut, vec![6]));
    assert_eq!(found(report, FindingKind::DuplicatePairs), (1, Action::Kept, vec![7]));
    assert_eq!(found(report, FindingKind::IdenticalSides), (1, Action::Kept, vec![8]));
}

#[test]
fn the_limits_themselves_are_allowed() {
    // 10 tokens at most, and line 5 is 7 / 3 < 2.34.
    let limits = CorpusLimits { max_tokens_per_sentence: 10, max_length_ratio: 2.34, ..strict() };
    assert_eq!(faulty().check(&limits).unwrap().lines, [1, 3, 5, 7, 8, 9]);
    let limits = CorpusLimits { max_length_ratio: 2.33, ..limits };
    assert_eq!(faulty().check(&limits).unwrap().lines, [1, 3, 7, 8, 9]);
}

#[test]
fn repeated_and_identical_pairs_are_left_out_when_asked() {
    let limits = CorpusLimits {
        duplicates: PairPolicy::LeaveOut,
        identical_sides: PairPolicy::LeaveOut,
        ..strict()
    };
    let checked = faulty().check(&limits).unwrap();
    assert_eq!(checked.lines, [1, 9]);
    assert_eq!(found(&checked.report, FindingKind::DuplicatePairs).1, Action::LeftOut);
    assert_eq!(found(&checked.report, FindingKind::IdenticalSides).1, Action::LeftOut);
    let left_out = checked.report.findings.iter().filter(|f| f.action == Action::LeftOut);
    assert_eq!(left_out.map(|finding| finding.count).sum::<usize>(), 9 - 2);
}

#[test]
fn a_pair_is_a_duplicate_only_when_both_sides_are() {
    let checked = Files::new(b"a\na\nb\na\n", b"x\ny\nx\nx\n").check(&strict()).unwrap();
    assert_eq!(found(&checked.report, FindingKind::DuplicatePairs), (1, Action::Kept, vec![4]));
    let finding = checked.report.finding(FindingKind::DuplicatePairs).unwrap();
    assert_eq!(finding.examples[0].detail, "as line 1");
}

#[test]
fn nothing_is_left_out_of_an_evaluation_set() {
    let files = Files::new(b"ab\nabcdefgh\na\nab\nxy\n", b"ba\nabcdefg\nabcde\nba\nxy\n");
    let limits = CorpusLimits {
        duplicates: PairPolicy::LeaveOut,
        max_tokens_per_sentence: 9,
        max_length_ratio: 2.0,
        ..CorpusLimits::evaluation()
    };
    let checked = files.check(&limits).unwrap();
    assert_eq!(checked.lines, [1, 2, 3, 4, 5]);
    assert_eq!(found(&checked.report, FindingKind::TooLong), (1, Action::Kept, vec![2]));
    assert_eq!(found(&checked.report, FindingKind::LengthRatio), (1, Action::Kept, vec![3]));
    assert_eq!(found(&checked.report, FindingKind::DuplicatePairs), (1, Action::Kept, vec![4]));
}

#[test]
fn an_empty_line_of_an_evaluation_set_is_an_error() {
    let error = Files::new(b"ab\ncd\n", b"ba\n\n").check(&CorpusLimits::evaluation()).unwrap_err();
    match error {
        TextError::EmptyLine { path, line } => {
            assert!(path.ends_with("text.en"));
            assert_eq!(line, 2);
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_line_that_would_take_too_much_memory_is_an_error_in_an_evaluation_set_only() {
    let files = Files::new(b"ab\nab\n", b"ba\nabcdefghijkl\n");
    let limits = CorpusLimits { max_tokens_in_evaluation: 4, ..CorpusLimits::evaluation() };
    match files.check(&limits).unwrap_err() {
        TextError::LineTooLong { path, line, tokens, limit } => {
            assert!(path.ends_with("text.en"), "{}", path.display());
            assert_eq!((line, tokens, limit), (2, 14, 4));
        }
        other => panic!("{other}"),
    }
    let limits = CorpusLimits { max_tokens_in_evaluation: 4, ..CorpusLimits::training() };
    assert!(files.check(&limits).is_ok());
}

#[test]
fn unequal_line_counts_are_an_error_with_both_counts() {
    let error = Files::new(b"a\nb\nc\n", b"a\nb\n").read().unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains("text.de has 3 lines") && message.contains("text.en has 2"),
        "{message}"
    );
}

#[test]
fn invalid_utf8_is_an_error_with_its_place() {
    let error = Files::new(b"a\nb\n", b"ok\nna\xefve\n").read().unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains("text.en:2: not valid UTF-8 at byte 2 of the line (byte 5"),
        "{message}"
    );
}

#[test]
fn missing_files_are_named() {
    let error = ParallelText::read(Path::new("missing.de"), Path::new("missing.en")).unwrap_err();
    assert!(error.to_string().contains("missing.de"), "{error}");
}

#[test]
fn marks_and_line_endings_are_stripped_and_reported() {
    let files = Files::new(b"\xef\xbb\xbfab\r\ncd\n", b"ba\ndc\r\n");
    let checked = files.check(&strict()).unwrap();
    assert_eq!(found(&checked.report, FindingKind::ByteOrderMark), (1, Action::Stripped, vec![1]));
    assert_eq!(
        found(&checked.report, FindingKind::CarriageReturns),
        (2, Action::Stripped, vec![1, 2])
    );
    let clean = Files::new(b"ab\ncd\n", b"ba\ndc\n").check(&strict()).unwrap();
    assert_eq!(checked.corpus, clean.corpus);
    assert!(clean.report.findings.is_empty());
}

#[test]
fn a_corpus_of_which_nothing_is_left_is_an_error_with_the_report() {
    let error = Files::new(b"\n", b"a\n").check(&strict()).unwrap_err();
    let message = error.to_string();
    assert!(message.contains("none of 1 pairs") && message.contains("empty source"), "{message}");
    let error = Files::new(b"", b"").check(&strict()).unwrap_err();
    assert!(matches!(error, TextError::NothingLeft { lines: 0, .. }), "{error}");
}

#[test]
fn an_impossible_ratio_is_an_error() {
    for ratio in [0.5, f64::NAN] {
        let limits = CorpusLimits { max_length_ratio: ratio, ..strict() };
        let error = faulty().check(&limits).unwrap_err();
        assert!(matches!(error, TextError::Setting { name: "max_length_ratio", .. }), "{error}");
    }
}

#[test]
fn only_the_first_five_examples_are_kept() {
    let checked = Files::new("a\n".repeat(9).as_bytes(), "b\n".repeat(9).as_bytes());
    let report = checked.check(&strict()).unwrap().report;
    assert_eq!(found(&report, FindingKind::DuplicatePairs), (8, Action::Kept, vec![2, 3, 4, 5, 6]));
}

#[test]
fn a_report_reads_well_and_survives_its_serialised_form() {
    let files = Files::new(b"a\nab\n", b"abcde\nba\n");
    let mut report = files.check(&strict()).unwrap().report;
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<CorpusReport>(&json).unwrap(), report);
    report.source = "text.de".into();
    report.target = "text.en".into();
    report.findings[0].examples[0].file = "text.de".into();
    assert_eq!(
        report.to_string(),
        "text.de, text.en: 2 pairs, 1 kept, 1 left out\n  \
         1 pairs over the length ratio, left out, such as\n    \
         text.de:1 (3 source and 7 target tokens)\n"
    );
}

#[test]
fn encoded_pairs_are_the_lines_with_the_end() {
    let text = Files::new(b"ab\n", b"c\n").read().unwrap();
    let vocabulary = vocabulary();
    let checked = encode_corpus(&text, &vocabulary, &vocabulary, &strict()).unwrap();
    let (source, target) = checked.corpus.pair(0);
    assert_eq!(vocabulary.decode(&source[..source.len() - 1]).unwrap(), "ab");
    assert_eq!(vocabulary.decode(&target[..target.len() - 1]).unwrap(), "c");
    assert_eq!((source.last(), target.last()), (Some(&0), Some(&0)));
}

#[test]
fn a_line_of_far_too_many_characters_is_not_divided() {
    // Blanks fold: divided, the line would have three tokens and pass.
    let long = format!("a{}b\n", " ".repeat(10 * CHARACTERS_OF_A_TOKEN));
    let files = Files::new(format!("ab\n{long}").as_bytes(), b"ba\nb\n");
    let checked = files.check(&strict()).unwrap();
    assert_eq!(checked.lines, [1]);
    let finding = checked.report.finding(FindingKind::TooLong).unwrap();
    assert_eq!((finding.count, finding.examples[0].line), (1, 2));
    assert_eq!(finding.examples[0].detail, "642 source characters");

    let limits = CorpusLimits { max_tokens_in_evaluation: 9, ..CorpusLimits::evaluation() };
    match files.check(&limits).unwrap_err() {
        TextError::LineOfTooManyCharacters { path, line, characters, limit } => {
            assert_eq!((path, line, characters, limit), (files.source(), 2, 642, 576));
        }
        other => panic!("{other}"),
    }
    let allowed = CorpusLimits { max_tokens_in_evaluation: 11, ..limits };
    assert_eq!(files.check(&allowed).unwrap().lines, [1, 2]);
}
