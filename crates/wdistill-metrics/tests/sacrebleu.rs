//! Every number and every text against sacreBLEU, from `fixtures/sacrebleu/scores.json` (made by `make.py` beside it).

mod common;

use common::{
    assert_bootstrap, assert_close, assert_signatures, corpora, list, number, strings, text,
};
use serde_json::Value;
use wdistill_metrics::cli_text::{self, Entry};
use wdistill_metrics::{
    Bleu, Bootstrap, Case, Chrf, ChrfSmoothing, Confidence, CorpusMetric, Form, Orders,
    SACREBLEU_VERSION, Score, Smoothing, Tokenizer, Whitespace, confidence,
};

fn fixture() -> Value {
    serde_json::from_str(include_str!("../fixtures/sacrebleu/scores.json")).unwrap()
}

fn case(settings: &Value) -> Case {
    if settings["lowercase"] == true { Case::Lower } else { Case::Mixed }
}

/// Settings under sacreBLEU's names; one left out is the default.
fn bleu(settings: &Value) -> Bleu {
    let given = settings["smooth_value"].as_f64();
    let smoothing = match settings["smooth_method"].as_str() {
        None => Smoothing::default(),
        Some("floor") if given.is_some() => Smoothing::Floor(given.unwrap()),
        Some("add-k") if given.is_some() => Smoothing::AddK(given.unwrap()),
        Some(name) => name.parse().unwrap(),
    };
    let tokenizer = settings["tokenize"].as_str().map(|name| name.parse().unwrap());
    let orders = if settings["effective_order"] == true { Orders::Effective } else { Orders::All };
    Bleu { tokenizer: tokenizer.unwrap_or_default(), case: case(settings), smoothing, orders }
}

fn chrf(settings: &Value) -> Chrf {
    let order =
        |name: &str, default| settings[name].as_u64().map_or(default, |value| value as usize);
    let smoothing = if settings["eps_smoothing"] == true {
        ChrfSmoothing::Epsilon
    } else {
        ChrfSmoothing::EffectiveOrder
    };
    let whitespace =
        if settings["whitespace"] == true { Whitespace::Counted } else { Whitespace::Ignored };
    Chrf {
        character_order: order("char_order", 6),
        word_order: order("word_order", 0),
        beta: order("beta", 2) as u32,
        case: case(settings),
        whitespace,
        smoothing,
    }
}

#[test]
fn the_fixture_is_of_the_version_signatures_name() {
    assert_eq!(text(&fixture()["made_with"], "sacrebleu"), SACREBLEU_VERSION);
}

#[test]
fn tokens_are_equal() {
    let fixture = fixture();
    let tokenizers: Vec<Tokenizer> =
        strings(&fixture["tokenizers"]).iter().map(|name| name.parse().unwrap()).collect();
    assert_eq!(tokenizers.len(), Tokenizer::ALL.len());
    let rows = list(&fixture, "tokens");
    assert!(rows.len() > 100);
    for row in rows {
        let row = strings(row);
        for (tokenizer, expected) in tokenizers.iter().zip(&row[1..]) {
            assert_eq!(&tokenizer.tokenize(&row[0]), expected, "{tokenizer}: {:?}", row[0]);
        }
    }
}

#[test]
fn corpus_bleu_is_equal_under_all_settings() {
    let fixture = fixture();
    let corpora = corpora(&fixture);
    let rows = list(&fixture, "bleu");
    assert_eq!(rows.len(), 5 * 2 * 2 * 7);
    for row in rows {
        let bleu = bleu(&row["settings"]);
        assert_signatures(&bleu, row);
        for (corpus, expected) in corpora.iter().zip(list(row, "results")) {
            let what = format!("{} {bleu:?}", corpus.name);
            let score = bleu.corpus_score(&corpus.hypotheses, &corpus.references).unwrap();
            assert_eq!(score.to_string(), text(expected, "text"), "{what}");
            assert_close(score.score, number(expected, "score"), &what);
            assert_close(score.brevity_penalty, number(expected, "brevity_penalty"), &what);
            for (found, expected) in score.precisions.iter().zip(list(expected, "precisions")) {
                assert_close(*found, expected.as_f64().unwrap(), &what);
            }
            let totals = [score.system_length, score.reference_length];
            let totals = totals.iter().chain(&score.counts).chain(&score.totals);
            let expected = list(expected, "totals").iter().map(|value| value.as_u64().unwrap());
            assert_eq!(totals.copied().collect::<Vec<_>>(), expected.collect::<Vec<_>>(), "{what}");
        }
    }
}

#[test]
fn corpus_chrf_is_equal_under_all_settings() {
    let fixture = fixture();
    let corpora = corpora(&fixture);
    let rows = list(&fixture, "chrf");
    assert_eq!(rows.len(), 6 * 2 * 2 * 2);
    for row in rows {
        let chrf = chrf(&row["settings"]);
        assert_signatures(&chrf, row);
        for (corpus, expected) in corpora.iter().zip(list(row, "results")) {
            let what = format!("{} {chrf:?}", corpus.name);
            let score = chrf.corpus_score(&corpus.hypotheses, &corpus.references).unwrap();
            assert_eq!(score.to_string(), text(expected, "text"), "{what}");
            assert_eq!(score.format(1), text(expected, "text1"), "{what}");
            assert_close(score.score, number(expected, "score"), &what);
        }
    }
}

#[test]
fn sentence_scores_are_equal() {
    let fixture = fixture();
    let lines: Vec<Vec<String>> = list(&fixture, "awkward").iter().map(strings).collect();
    let rows = list(&fixture, "sentences");
    assert_eq!(rows.len(), 5 * 4 + 4);
    for row in rows {
        match text(row, "metric") {
            "bleu" => assert_sentences(&bleu(&row["settings"]), &lines, list(row, "scores")),
            _ => assert_sentences(&chrf(&row["settings"]), &lines, list(row, "scores")),
        }
    }
}

/// `scores` holds for each line the score against its first reference, then against all three.
fn assert_sentences(metric: &impl CorpusMetric, lines: &[Vec<String>], scores: &[Value]) {
    assert_eq!(scores.len(), 2 * lines.len());
    let cases = lines.iter().flat_map(|line| [(line, &line[1..2]), (line, &line[1..])]);
    for ((line, references), expected) in cases.zip(scores) {
        let score = metric.sentence_score(&line[0], references).unwrap();
        assert_eq!(score.format(2), expected[1].as_str().unwrap(), "{line:?}");
        assert_close(score.value(), expected[0].as_f64().unwrap(), &line[0]);
    }
}

#[test]
fn paired_bootstrap_draws_and_decides_as_sacrebleu() {
    let fixture = fixture();
    let rows = list(&fixture["bootstrap"], "rows");
    assert_eq!(rows.len(), 6 * 4);
    for row in rows {
        let set = &fixture["bootstrap"]["sets"][row["set"].as_u64().unwrap() as usize];
        match text(row, "metric") {
            "bleu" => assert_bootstrap(&bleu(&row["settings"]), set, row),
            _ => assert_bootstrap(&chrf(&row["settings"]), set, row),
        }
    }
}

#[test]
fn the_command_line_prints_the_same() {
    let fixture = fixture();
    let rows = list(&fixture, "command_lines");
    assert_eq!(rows.len(), 9);
    for row in rows {
        assert_eq!(printed(&fixture, row) + "\n", text(row, "output"), "{}", row["options"]);
    }
}

/// What the command line of `row` prints, by this crate.
fn printed(fixture: &Value, row: &Value) -> String {
    let (hypotheses, reference) = match text(row, "corpus") {
        "plain" => {
            let lines: Vec<Vec<String>> = list(fixture, "plain").iter().map(strings).collect();
            lines.into_iter().map(|line| (line[0].clone(), line[1].clone())).unzip()
        }
        _ => {
            let set = &fixture["bootstrap"]["sets"][3];
            (strings(&set["system"]), strings(&set["reference"]))
        }
    };
    let references = [reference];
    let options = strings(&row["options"]);
    let has = |name: &str| options.iter().any(|option| option == name);
    let bootstrap = has("--confidence").then(Bootstrap::default);
    let width = options.iter().position(|option| option == "-w");
    let decimals = width.map_or(1, |position| options[position + 1].parse().unwrap());
    let form = if has("--short") { Form::Short } else { Form::Long };

    let (bleu, chrf) = (Bleu::default(), Chrf::default());
    let bleu_score = bleu.corpus_score(&hypotheses, &references).unwrap();
    let chrf_score = chrf.corpus_score(&hypotheses, &references).unwrap();
    let signed = |signature: wdistill_metrics::Signature| match bootstrap {
        Some(bootstrap) => signature.with_bootstrap(bootstrap),
        None => signature,
    };
    let (bleu_signature, chrf_signature) = (signed(bleu.signature(1)), signed(chrf.signature(1)));
    let mut entries = Vec::new();
    for name in strings(&row["metrics"]) {
        entries.push(if name == "bleu" {
            let confidence = spread(&bleu, &hypotheses, &references, bootstrap);
            Entry { score: &bleu_score, signature: &bleu_signature, confidence }
        } else {
            let confidence = spread(&chrf, &hypotheses, &references, bootstrap);
            Entry { score: &chrf_score, signature: &chrf_signature, confidence }
        });
    }
    if has("json") {
        cli_text::json(&entries, decimals)
    } else {
        cli_text::text(&entries, form, decimals)
    }
}

fn spread(
    metric: &impl CorpusMetric,
    hypotheses: &[String],
    references: &[Vec<String>],
    bootstrap: Option<Bootstrap>,
) -> Option<Confidence> {
    let bootstrap = bootstrap?;
    let statistics = metric.corpus_statistics(hypotheses, references).unwrap();
    Some(confidence(metric, &statistics, bootstrap).unwrap())
}
