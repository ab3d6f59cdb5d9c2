//! Reading fixtures, and comparing signatures and bootstraps with them.

use serde_json::Value;
use wdistill_metrics::{
    Bootstrap, Confidence, CorpusMetric, Form, Score, Statistics, confidence, paired_bootstrap,
    paired_bootstrap_of_means,
};

const TOLERANCE: f64 = 1e-9;

pub fn list<'a>(value: &'a Value, name: &str) -> &'a Vec<Value> {
    value[name].as_array().unwrap_or_else(|| panic!("{name} is not a list"))
}

pub fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} is not text"))
}

pub fn number(value: &Value, name: &str) -> f64 {
    value[name].as_f64().unwrap_or_else(|| panic!("{name} is not a number"))
}

pub fn strings(value: &Value) -> Vec<String> {
    let strings = value.as_array().expect("a list").iter();
    strings.map(|value| value.as_str().expect("text").to_owned()).collect()
}

pub fn assert_close(found: f64, expected: f64, what: &str) {
    assert!((found - expected).abs() <= TOLERANCE, "{what}: {found} is not {expected}");
}

pub struct Corpus {
    pub name: String,
    pub hypotheses: Vec<String>,
    pub references: Vec<Vec<String>>,
}

pub fn corpora(fixture: &Value) -> Vec<Corpus> {
    let corpus = |value: &Value| Corpus {
        name: text(value, "name").to_owned(),
        hypotheses: strings(&value["hypotheses"]),
        references: list(value, "references").iter().map(strings).collect(),
    };
    list(fixture, "corpora").iter().map(corpus).collect()
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

pub fn assert_signatures(metric: &impl CorpusMetric, row: &Value) {
    let by_references = row["signatures"].as_object().unwrap();
    assert_eq!(by_references.len(), 3, "one, two and three references");
    for (references, expected) in by_references {
        assert_eq!(signatures(metric, references.parse().unwrap()), strings(expected));
    }
}

pub fn assert_bootstrap(metric: &impl CorpusMetric, set: &Value, row: &Value) {
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
