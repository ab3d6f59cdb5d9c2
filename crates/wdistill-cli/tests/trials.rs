//! A recipe that compares: methods and controls, learning rates, seeds, several tests.

mod common;
mod program;

use std::fs;
use std::path::Path;

use common::{Sizes, write_texts};
use program::{finish, program};
use serde_json::Value;

const RECIPE: &str = r#"
title = "Toy"
[data]
train = { source = "train.en", target = "train.de" }
validation = { source = "validation.en", target = "validation.de" }
test = { source = "test.en", target = "test.de" }
other_tests = { held-out = { source = "validation.en", target = "validation.de" } }
[vocabulary]
size = 500
[teacher]
preset = "transformer-nano"
training = { updates = 40, max_tokens = 400, warm_up = 10, validate_every = 20 }
[student]
preset = "transformer-nano"
architecture = { decoder = { layers = 1, width = 8, feed_forward = 16 } }
training = { updates = 12, max_tokens = 400, warm_up = 4, validate_every = 3, schedule = "linear", selection = "moving-average" }
[pseudo_data]
beam_size = 1
[decoding]
beam_size = 2
[benchmark]
rounds = 1
sentences = 5
[[systems]]
method = "wd"
start = "strided"
generator = { updates = 6 }
learning_rates = [1e-5, 2e-3]
seeds = [1, 2]
[[systems]]
name = "wd-blank"
method = "wd"
start = "strided"
teacher_decoder = "blank"
generator = { updates = 6 }
learning_rates = [1e-5, 2e-3]
seeds = [1, 2]
[[systems]]
method = "encoder"
architecture = { decoder = { layers = 3 } }
[[systems]]
method = "cut-twice"
generator = { updates = 6 }
[[systems]]
method = "layer-copy"
architecture = { decoder = { layers = 2, width = 16, feed_forward = 32 } }
[[systems]]
method = "weight-selection"
[[systems]]
method = "subcloning"
training = { optimiser = "muon" }
[[systems]]
name = "fitted"
method = "wd"
start = "fitted"
generator = { updates = 6, divergence = "off" }
training = { divergence = "off" }
[[systems]]
name = "step"
method = "cut"
from = "layer-copy"
"#;

fn run(folder: &Path, recipe: &str) -> String {
    fs::write(folder.join("toy.toml"), recipe).unwrap();
    let output = finish(program(folder, "run toy.toml --out out --threads 2 --force"), b"");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    said
}

fn report(folder: &Path) -> Value {
    let text = fs::read_to_string(folder.join("out/report.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn named<'r>(rows: &'r Value, key: &str, name: &str) -> Vec<&'r Value> {
    rows.as_array().unwrap().iter().filter(|row| row[key] == name).collect()
}

#[test]
fn rates_seeds_controls_and_tests_are_rows_of_one_table() {
    let folder = tempfile::tempdir().unwrap();
    write_texts(folder.path(), Sizes { train: 300, validation: 12, test: 14 });
    run(folder.path(), RECIPE);
    let found = report(folder.path());
    let names: Vec<&str> = found["systems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["name"].as_str().unwrap())
        .collect();
    let expected = [
        "teacher",
        "wd",
        "wd-blank",
        "encoder",
        "cut-twice",
        "layer-copy",
        "weight-selection",
        "subcloning",
        "fitted",
        "step",
    ];
    assert_eq!(names, expected);

    // The rate with the lower loss is the system's, and the second seed has it too.
    let wd = named(&found["systems"], "name", "wd")[0];
    let rates = named(&found["rates"], "system", "wd");
    let loss = |row: &Value| row["loss_validation"].as_f64().unwrap();
    assert_eq!(rates.len(), 2);
    let best = rates.iter().min_by(|one, other| loss(one).total_cmp(&loss(other))).unwrap();
    assert_eq!(wd["learning_rate"], best["learning_rate"]);
    assert_eq!(wd["learning_rate"], 2e-3);
    assert_eq!(wd["seeds"], serde_json::json!([1, 2]));
    assert!(wd["loss_validation"]["deviation"].as_f64().unwrap() > 0.0);
    let second = fs::read_to_string(folder.path().join("out/wd-seed-2/student/metrics.jsonl"));
    assert!(second.unwrap().contains("\"learning_rate\":"));

    // What it inherits is its difference from the twin.
    let blank = named(&found["systems"], "name", "wd-blank")[0];
    let inheritance = &wd["inheritance"];
    assert_eq!(inheritance["twin"], "wd-blank");
    assert!(blank["inheritance"].is_null());
    let value = |row: &Value, metric: &str| row["test"][metric]["value"].as_f64().unwrap();
    for metric in ["bleu", "chrf"] {
        let difference = value(wd, metric) - value(blank, metric);
        assert!((inheritance[metric]["value"].as_f64().unwrap() - difference).abs() < 1e-9);
    }
    let mean_loss = |row: &Value| row["loss_validation"]["value"].as_f64().unwrap();
    let difference = mean_loss(wd) - mean_loss(blank);
    assert!(difference != 0.0);
    assert!((inheritance["loss"].as_f64().unwrap() - difference).abs() < 1e-12);

    // A step on the way is what the next student is made of.
    let step = named(&found["systems"], "name", "step")[0];
    let description = step["description"].as_str().unwrap();
    assert!(description.starts_with("teacher cut down, made of layer-copy, "), "{description}");

    // Each test has scores of its own, and the table those of all lines.
    let tests = named(&found["tests"], "system", "wd");
    let texts: Vec<&Value> = tests.iter().map(|row| &row["scores"]["text"]).collect();
    assert_eq!(texts, ["test", "held-out"]);
    assert_eq!(wd["test"]["text"], "all tests");
    assert_eq!(found["samples"].as_array().unwrap().len(), 10);

    // The moving average stands among what could be handed on.
    let notes = found["notes"].to_string();
    assert!(notes.contains("the moving average"), "{notes}");
    let page = fs::read_to_string(folder.path().join("out/report.html")).unwrap();
    assert!(page.contains("class=\"band") && page.contains("Sample translations"));

    // A system that is the same but for its method is another system.
    let other = RECIPE
        .replace("method = \"weight-selection\"", "name = \"weight-selection\"\nmethod = \"kd\"");
    let said = run(folder.path(), &other);
    assert!(!said.contains("weight-selection/student: nothing changed"), "{said}");
    assert!(said.contains("cut-twice/student: nothing changed"), "{said}");
    assert!(said.contains("step/student: nothing changed"), "{said}");

    // What it learns from decides what comes out.
    let other = RECIPE.replace("name = \"fitted\"", "name = \"fitted\"\npairs = \"pseudo\"");
    let said = run(folder.path(), &other);
    assert!(said.contains("fitted/generator: decoder.layers.0.feed_forward_norm: "), "{said}");
    assert!(!said.contains("fitted/generator: nothing changed"), "{said}");
    assert!(said.contains("subcloning/student: nothing changed"), "{said}");

    // What is made of another student is made again if that one is.
    let other = RECIPE.replace("method = \"layer-copy\"", "method = \"layer-copy\"\nseed = 3");
    let said = run(folder.path(), &other);
    assert!(!said.contains("step/student: nothing changed"), "{said}");
    assert!(said.contains("cut-twice/student: nothing changed"), "{said}");
}
