//! Every number and every text against sacreBLEU, from `fixtures/sacrebleu/scores.json` (made by `make.py` beside it).

use serde_json::Value;
use wdistill_metrics::cli_text::{self, Entry};
use wdistill_metrics::{
    Bleu, Bootstrap, Case, Chrf, ChrfSmoothing, Confidence, CorpusMetric, Form, Orders,
    SACREBLEU_VERSION, Score, Smoothing, Statistics, Tokenizer, Whitespace, confidence,
    paired_bootstrap, paired_bootstrap_of_means,
};

const TOLERANCE: f64 = 1e-9;

fn fixture() -> Value {
    serde_json::from_str(include_str!("../fixtures/sacrebleu/scores.json")).unwrap()
}

fn list<'a>(value: &'a Value, name: &str) -> &'a Vec<Value> {
    value[name].as_array().unwrap_or_else(|| panic!("{name} is not a list"))
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} is not text"))
}

fn number(value: &Value, name: &str) -> f64 {
    value[name].as_f64().unwrap_or_else(|| panic!("{name} is not a number"))
}

fn strings(value: &Value) -> Vec<String> {
    let strings = value.as_array().expect("a list").iter();
    strings.map(|value| value.as_str().expect("text").to_owned()).collect()
}

fn assert_close(found: f64, expected: f64, what: &str) {
    assert!((found - expected).abs() <= TOLERANCE, "{what}: {found} is not {expected}");
}

struct Corpus {
    name: String,
    hypotheses: Vec<String>,
    references: Vec<Vec<String>>,
}

fn corpora(fixture: &Value) -> Vec<Corpus> {
    let corpus = |value: &Value| Corpus {
        name: text(value, "name").to_owned(),
        hypotheses: strings(&value["hypotheses"]),
        references: list(value, "references").iter().map(strings).collect(),
    };
    list(fixture, "corpora").iter().map(corpus).collect()
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

/// Signatures in the order of the fixture: long, short, and both again with a bootstrap.
fn signatures(metric: &impl CorpusMetric, references: usize) -> Vec<String> {
    let plain = metric.signature(references);
    let resampled = plain.clone().with_bootstrap(Bootstrap::default());
    [plain, resampled]
        .iter()
        .flat_map(|signature| [signature.format(Form::Long), signature.format(Form::Short)])
        .collect()
}

fn assert_signatures(metric: &impl CorpusMetric, row: &Value) {
    let by_references = row["signatures"].as_object().unwrap();
    assert_eq!(by_references.len(), 3, "one, two and three references");
    for (references, expected) in by_references {
        assert_eq!(signatures(metric, references.parse().unwrap()), strings(expected));
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

fn assert_bootstrap(metric: &impl CorpusMetric, set: &Value, row: &Value) {
    let reference = [strings(&set["reference"])];
    let statistics = |system: &str| -> Statistics {
        metric.corpus_statistics(&strings(&set[system]), &reference).unwrap()
    };
    let bootstrap = Bootstrap {
        samples: row["samples"].as_u64().unwrap() as usize,
        seed: row["seed"].as_u64().unwrap(),
    };
    let (baseline, system) = (statistics("baseline"), statistics("system"));
    let found = paired_bootstrap(metric, &baseline, &system, bootstrap).unwrap();

    // The same definition in exact arithmetic.
    let exact = &row["exact"];
    assert_close(found.baseline.value(), number(exact, "baseline"), "baseline");
    assert_close(found.system.value(), number(exact, "system"), "system");
    assert_spread(found.baseline_confidence, &exact["baseline_spread"]);
    assert_spread(found.system_confidence, &exact["system_spread"]);
    assert_close(found.p_value, number(exact, "p_value"), "p-value");
    assert_eq!(confidence(metric, &system, bootstrap).unwrap(), found.system_confidence);

    // Means of one system, or of the same one twice, are that system.
    for (baselines, systems) in
        [(vec![&baseline], vec![&system]), (vec![&baseline; 2], vec![&system; 2])]
    {
        let means = paired_bootstrap_of_means(metric, &baselines, &systems, bootstrap).unwrap();
        assert_close(means.difference, found.system.value() - found.baseline.value(), "means");
        assert_close(
            means.confidence.half_width,
            found.difference_confidence.half_width,
            "spread of means",
        );
        assert_close(means.p_value, found.p_value, "p-value of means");
    }
    // Half of a system and half of another are half as far away.
    let mixed = paired_bootstrap_of_means(metric, &[&baseline], &[&baseline, &system], bootstrap);
    let half = (found.system.value() - found.baseline.value()) / 2.0;
    assert_close(mixed.unwrap().difference, half, "half way");
    assert!(paired_bootstrap_of_means(metric, &[], &[&system], bootstrap).is_err());

    // What sacreBLEU itself prints after summing in single precision.
    let own = &row["own"];
    let shown = |score: f64, spread: Confidence| {
        format!("{score:.2} ({:.2} ± {:.2})", spread.mean, spread.half_width)
    };
    let texts = [
        shown(found.baseline.value(), found.baseline_confidence),
        shown(found.system.value(), found.system_confidence),
    ];
    assert_eq!(texts.as_slice(), strings(&own["texts"]));
    assert_eq!(format!("{:.4}", found.p_value), text(own, "p_text"));
    let signature = metric.signature(1).with_bootstrap(bootstrap);
    assert_eq!(signature.to_string(), text(own, "signature"));
}

fn assert_spread(found: Confidence, expected: &Value) {
    assert_close(found.mean, expected[0].as_f64().unwrap(), "mean");
    assert_close(found.half_width, expected[1].as_f64().unwrap(), "half width");
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
