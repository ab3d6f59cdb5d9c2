//! What input is refused, and in which words.

use wdistill_base::Hinted;
use wdistill_metrics::{
    Bleu, Bootstrap, Chrf, CorpusMetric, MetricsError, Smoothing, Statistics, confidence,
    paired_bootstrap,
};

const NO_REFERENCES: [Vec<&str>; 0] = [];

fn statistics(metric: &impl CorpusMetric, hypotheses: &[&str]) -> Statistics {
    metric.corpus_statistics(hypotheses, &[hypotheses]).unwrap()
}

#[test]
fn a_reference_of_another_length_is_named() {
    let references = [vec!["one", "two"], vec!["one", "two", "three"]];
    let error = Bleu::default().corpus_score(&["one", "two"], &references).unwrap_err();
    assert_eq!(error, MetricsError::LineCount { reference: 2, lines: 3, hypotheses: 2 });
    assert_eq!(error.to_string(), "reference 2 has 3 lines but there are 2 hypotheses");
    let expected =
        "line i of every reference translates the same source sentence as line i of the hypotheses";
    assert_eq!(error.hint().unwrap(), expected);
}

#[test]
fn nothing_to_score_is_refused() {
    let empty: [&str; 0] = [];
    let error = Chrf::default().corpus_score(&empty, &[empty]).unwrap_err();
    assert_eq!(error, MetricsError::NoLines);
    let error = Chrf::default().corpus_score(&["one"], &NO_REFERENCES).unwrap_err();
    assert_eq!(error, MetricsError::NoReferences);
    let error = Bleu::for_sentences().sentence_score("one", &empty).unwrap_err();
    assert_eq!(error, MetricsError::NoReferences);
    // Hypotheses that are missing are a matter of length, not of an empty corpus.
    let error = Bleu::default().corpus_score(&empty, &[["one"]]).unwrap_err();
    assert_eq!(error, MetricsError::LineCount { reference: 1, lines: 1, hypotheses: 0 });
}

#[test]
fn settings_without_a_score_are_refused() {
    let bleu = Bleu { smoothing: Smoothing::AddK(-1.0), ..Bleu::default() };
    let error = bleu.corpus_score(&["one"], &[["one"]]).unwrap_err();
    assert_eq!(error, MetricsError::SmoothingValue { method: "add-k", value: -1.0 });
    let bleu = Bleu { smoothing: Smoothing::Floor(f64::INFINITY), ..Bleu::default() };
    assert!(matches!(bleu.check(), Err(MetricsError::SmoothingValue { method: "floor", .. })));
    let chrf = Chrf { character_order: 0, ..Chrf::default() };
    assert_eq!(chrf.corpus_score(&["one"], &[["one"]]).unwrap_err(), MetricsError::NoOrders);
    assert!("laplace".parse::<Smoothing>().is_err());
}

#[test]
fn statistics_that_do_not_belong_together_are_refused() {
    let (bleu, chrf) = (Bleu::default(), Chrf::default());
    let short = statistics(&bleu, &["one"]);
    let long = statistics(&bleu, &["one", "two"]);
    let error = paired_bootstrap(&bleu, &short, &long, Bootstrap::default()).unwrap_err();
    assert_eq!(error, MetricsError::SystemLines { baseline: 1, system: 2 });
    let error = confidence(&chrf, &short, Bootstrap::default()).unwrap_err();
    assert_eq!(error, MetricsError::StatisticsWidth { found: 10, expected: 18 });
    let none = Bootstrap { samples: 0, ..Bootstrap::default() };
    assert_eq!(confidence(&bleu, &short, none).unwrap_err(), MetricsError::NoSamples);
}

#[test]
fn systems_that_score_alike_do_not_differ() {
    let bleu = Bleu::default();
    let own =
        bleu.corpus_statistics(&["a b c d e", "f g h i j"], &[["a b c d x", "f g h i j"]]).unwrap();
    let result = paired_bootstrap(&bleu, &own, &own, Bootstrap::default()).unwrap();
    assert_eq!(result.p_value, 1.0);
    assert_eq!(result.baseline_confidence, result.system_confidence);
}
