//! `wdistill plan`: what a recipe will take.

mod common;

use std::fs;
use std::process::Command;

use common::{Sizes, write_texts};
use wdistill_model::{Architecture, Config, Transformer, Vocabularies};

const RECIPE: &str = r#"
title = "Toy"
[data]
train = { source = "train.en", target = "train.de" }
validation = { source = "validation.en", target = "validation.de" }
test = { source = "test.en", target = "test.de" }
[vocabulary]
size = 500
[teacher]
preset = "transformer-nano"
training = { updates = 60, max_tokens = 400, snapshot_every = 10, average_last = 2 }
[student]
preset = "transformer-nano"
architecture = { decoder = { layers = 1 } }
training = { updates = 20, max_tokens = 400, word_distillation = 0.5 }
[[systems]]
method = "cut"
start = "fitted"
learning_rates = [1e-3, 2e-3]
seeds = [1, 2, 3]
[[systems]]
method = "wd"
generator = { updates = 10 }
"#;

/// The cells of a stage's row behind its name.
fn row<'t>(table: &'t str, stage: &str) -> Vec<&'t str> {
    let line = table.lines().find(|line| line.starts_with(stage));
    line.unwrap_or_else(|| panic!("{stage} in:\n{table}")).split_whitespace().skip(1).collect()
}

#[test]
fn a_plan_names_every_stage_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    write_texts(folder.path(), Sizes { train: 300, validation: 12, test: 12 });
    let recipe = folder.path().join("toy.toml");
    fs::write(&recipe, RECIPE).unwrap();
    let before = fs::read_dir(folder.path()).unwrap().count();
    let mut command = Command::new(env!("CARGO_BIN_EXE_wdistill"));
    command.arg("plan").arg(&recipe).args(["--threads", "2", "--quiet"]).current_dir(&folder);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let table = String::from_utf8(output.stdout).unwrap();
    // Times, millions of numbers, updates. Two rates and two more seeds are four trainings.
    let cells = |stage: &str| row(&table, stage)[..3].join(" ");
    let mut architecture = Architecture::preset("transformer-nano").unwrap();
    let millions = |architecture: &Architecture| {
        let config = Config::new(architecture.clone(), Vocabularies::shared(500)).unwrap();
        format!("{:.2}M", Transformer::parameters(&config) as f64 / 1e6)
    };
    assert_eq!(cells("teacher"), format!("1 {} 60", millions(&architecture)));
    architecture.decoder.layers = 1;
    let student = millions(&architecture);
    assert_eq!(cells("cut/student"), format!("4 {student} 20"));
    assert_eq!(cells("wd/student"), format!("1 {student} 10"));
    // A generator has factors for the student's weights and for their shapes.
    let generator = row(&table, "wd/generator");
    assert!(generator[1] > student.as_str() && generator[2] == "10", "{table}");
    assert_eq!(row(&table, "evaluation")[0], "5");
    for stage in ["teacher", "cut/student", "wd/generator", "wd/student"] {
        assert!(row(&table, stage)[3].parse::<f64>().unwrap() > 0.0, "{table}");
    }
    assert!(table.contains("training text: 300 pairs"), "{table}");
    assert!(
        ["pairs/training ", "pseudo "].iter().all(|stage| table.contains(&format!("\n{stage}"))),
        "{table}"
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), before, "something was written");
}
