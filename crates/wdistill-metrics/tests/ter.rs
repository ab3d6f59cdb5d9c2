//! TER against sacreBLEU, from `fixtures/ter/scores.json` (made by `make.py` beside it).

mod common;

use common::{
    assert_bootstrap, assert_close, assert_signatures, corpora, list, number, strings, text,
};
use serde_json::Value;
use wdistill_metrics::cli_text::{self, Entry};
use wdistill_metrics::{
    AsianText, Bootstrap, Case, CorpusMetric, Form, Normalization, Punctuation, SACREBLEU_VERSION,
    Score, Ter, confidence,
};

fn fixture() -> Value {
    serde_json::from_str(include_str!("../fixtures/ter/scores.json")).unwrap()
}

/// Settings under sacreBLEU's names; one left out is the default.
fn ter(settings: &Value) -> Ter {
    let is_set = |name: &str| settings[name] == true;
    Ter {
        case: if is_set("case_sensitive") { Case::Mixed } else { Case::Lower },
        normalization: if is_set("normalized") {
            Normalization::Tercom
        } else {
            Normalization::None
        },
        punctuation: if is_set("no_punct") { Punctuation::Removed } else { Punctuation::Kept },
        asian_text: if is_set("asian_support") { AsianText::Separated } else { AsianText::AsOther },
    }
}

#[test]
fn the_fixture_is_of_the_version_signatures_name() {
    assert_eq!(text(&fixture()["made_with"], "sacrebleu"), SACREBLEU_VERSION);
}

#[test]
fn the_default_is_that_of_sacrebleu() {
    assert_eq!(Ter::default(), ter(&Value::Null));
}

#[test]
fn words_are_equal() {
    let fixture = fixture();
    let settings = list(&fixture, "settings");
    let rows = list(&fixture, "tokens");
    assert!(settings.len() == 16 && rows.len() > 150);
    for row in rows {
        let row = strings(row);
        for (setting, expected) in settings.iter().zip(&row[1..]) {
            let ter = ter(setting);
            assert_eq!(&ter.tokenize(&row[0]), expected, "{ter:?}: {:?}", row[0]);
        }
    }
}

#[test]
fn corpus_scores_are_equal_under_all_settings() {
    let fixture = fixture();
    let corpora = corpora(&fixture);
    let rows = list(&fixture, "corpus_scores");
    assert_eq!(rows.len(), 16);
    for row in rows {
        let ter = ter(&row["settings"]);
        assert_signatures(&ter, row);
        for (corpus, expected) in corpora.iter().zip(list(row, "results")) {
            let what = format!("{} {ter:?}", corpus.name);
            let score = ter.corpus_score(&corpus.hypotheses, &corpus.references).unwrap();
            assert_eq!(score.to_string(), text(expected, "text"), "{what}");
            assert_eq!(score.format(1), text(expected, "text1"), "{what}");
            assert_close(score.score, number(expected, "score"), &what);
            assert_eq!(score.edits, expected["edits"].as_u64().unwrap(), "{what}");
            assert_close(score.reference_length, number(expected, "reference_length"), &what);
        }
    }
}

#[test]
fn sentence_scores_are_equal() {
    let fixture = fixture();
    let rows = list(&fixture, "awkward_scores");
    assert_eq!(rows.len(), 16);
    for row in rows {
        assert_sentences(&ter(&row["settings"]), list(&fixture, "awkward"), list(row, "scores"));
    }
    let row = &list(&fixture, "shifted_scores")[0];
    assert!(list(&fixture, "shifted").len() > 150);
    assert_sentences(&Ter::default(), list(&fixture, "shifted"), list(row, "scores"));
}

/// `scores` holds for each line the score against its first reference, then against all three.
fn assert_sentences(ter: &Ter, lines: &[Value], scores: &[Value]) {
    assert_eq!(scores.len(), 2 * lines.len());
    for (line, expected) in lines.iter().zip(scores.chunks_exact(2)) {
        let line = strings(line);
        for (references, expected) in [&line[1..2], &line[1..]].into_iter().zip(expected) {
            let what = format!("{line:?} {} {ter:?}", references.len());
            let score = ter.sentence_score(&line[0], references).unwrap();
            assert_eq!(score.edits, expected[2].as_u64().unwrap(), "{what}");
            assert_eq!(score.to_string(), expected[1].as_str().unwrap(), "{what}");
            assert_close(score.score, expected[0].as_f64().unwrap(), &what);
        }
    }
}

#[test]
fn paired_bootstrap_draws_and_decides_as_sacrebleu() {
    let fixture = fixture();
    let rows = list(&fixture["bootstrap"], "rows");
    assert_eq!(rows.len(), 4 * 2);
    for row in rows {
        let set = &fixture["bootstrap"]["sets"][row["set"].as_u64().unwrap() as usize];
        assert_bootstrap(&ter(&row["settings"]), set, row);
    }
}

#[test]
fn the_command_line_prints_the_same() {
    let fixture = fixture();
    let set = list(&fixture["bootstrap"], "sets").last().unwrap();
    let (hypotheses, references) = (strings(&set["system"]), [strings(&set["reference"])]);
    let ter = Ter::default();
    let statistics = ter.corpus_statistics(&hypotheses, &references).unwrap();
    let score = ter.score_of_totals(&statistics.totals());
    let spread = confidence(&ter, &statistics, Bootstrap::default()).unwrap();
    let plain = ter.signature(1);
    let resampled = plain.clone().with_bootstrap(Bootstrap::default());
    let entry = Entry { score: &score, signature: &plain, confidence: None };
    let spread = Entry { score: &score, signature: &resampled, confidence: Some(spread) };
    let printed = [
        cli_text::json(&[entry], 4),
        cli_text::text(&[spread], Form::Long, 2),
        cli_text::text(&[entry], Form::Short, 1),
    ];
    let rows = list(&fixture, "command_lines");
    assert_eq!(rows.len(), printed.len());
    for (row, printed) in rows.iter().zip(printed) {
        assert_eq!(printed + "\n", text(row, "output"), "{}", row["options"]);
    }
}
