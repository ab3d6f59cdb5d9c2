//! A whole recipe at toy size, as a user runs it: to its end, again, and killed and resumed.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use wdistill_demo::{Pair, Sizes, generate};

const RECIPE: &str = r#"
title = "Toy"
[data]
description = "generated"
train = { source = "train.en", target = "train.de" }
validation = { source = "validation.en", target = "validation.de" }
test = { source = "test.en", target = "test.de" }
[vocabulary]
size = 500
[teacher]
preset = "transformer-nano"
training = { updates = 60, max_tokens = 400, warm_up = 10, log_every = 5, validate_every = 30, checkpoint_every = 10, snapshot_every = 10, average_last = 2 }
[student]
preset = "transformer-nano"
architecture = { decoder = { layers = 1, width = 8, feed_forward = 16 } }
training = { updates = 20, max_tokens = 400, warm_up = 10, log_every = 5, validate_every = 10, checkpoint_every = 5, snapshot_every = 5, average_last = 2 }
[pseudo_data]
beam = 1
[decoding]
beam = 2
[benchmark]
rounds = 1
sentences = 5
[[systems]]
method = "scratch"
[[systems]]
method = "kd"
[[systems]]
method = "cut"
[[systems]]
method = "wd"
generator = { updates = 10 }
[[systems]]
name = "wd-cut"
method = "wd"
start = "cut"
generator = { updates = 10 }
"#;

fn write_task(folder: &Path) {
    let task = generate(7, Sizes { train: 300, validation: 12, test: 12 }).unwrap();
    let parts = [("train", task.train), ("validation", task.validation), ("test", task.test)];
    for (name, pairs) in parts {
        let side = |side: fn(&Pair) -> &str| -> String {
            pairs.iter().flat_map(|pair| [side(pair), "\n"]).collect()
        };
        fs::write(folder.join(format!("{name}.en")), side(|pair| &pair.source)).unwrap();
        fs::write(folder.join(format!("{name}.de")), side(|pair| &pair.target)).unwrap();
    }
    fs::write(folder.join("toy.toml"), RECIPE).unwrap();
}

fn command(task: &Path, out: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wdistill"));
    command.arg("run").arg(task.join("toy.toml")).arg("--out").arg(out).args(["--threads", "2"]);
    command
}

fn run(task: &Path, out: &Path) -> Output {
    let output = command(task, out).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

/// The lines of a log without what depends on the clock.
fn losses(log: &Path) -> Vec<Value> {
    let text = fs::read_to_string(log).unwrap();
    let line = |line: &str| -> Value {
        let mut event: Value = serde_json::from_str(line).unwrap();
        let fields = event.as_object_mut().unwrap();
        fields.remove("seconds");
        fields.remove("tokens_per_second");
        event
    };
    text.lines().map(line).collect()
}

#[test]
fn a_recipe_ends_with_a_table_and_skips_what_is_done() {
    let folder = tempfile::tempdir().unwrap();
    write_task(folder.path());
    let out = folder.path().join("out");
    let first = run(folder.path(), &out);
    let table = String::from_utf8(first.stdout).unwrap();
    for system in ["teacher", "scratch", "kd", "cut", "wd", "wd-cut"] {
        assert!(table.lines().any(|line| line.starts_with(system)), "{system} in:\n{table}");
    }
    let report: Value =
        serde_json::from_str(&fs::read_to_string(out.join("report.json")).unwrap()).unwrap();
    let updates: Vec<u64> = report["systems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["updates"].as_u64().unwrap())
        .collect();
    assert_eq!(updates, [60, 20, 20, 20, 20, 20]);
    assert!(fs::read_to_string(out.join("report.html")).unwrap().contains("</html>"));

    let again = run(folder.path(), &out);
    let said = String::from_utf8(again.stderr).unwrap();
    for stage in ["teacher", "pseudo", "kd/student", "wd/generator", "evaluation/wd", "speed"] {
        let expected = format!("{stage}: nothing changed, skipped");
        assert!(said.contains(&expected), "{expected:?} in:\n{said}");
    }

    let target = out.join("pseudo/target.txt");
    let changed = format!("changed {}", fs::read_to_string(&target).unwrap());
    fs::write(&target, changed).unwrap();
    let output = command(folder.path(), &out).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("was changed after it was made"), "{said}");
}

#[test]
fn a_killed_run_goes_on_and_ends_with_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    write_task(folder.path());
    let (whole, killed) = (folder.path().join("whole"), folder.path().join("killed"));
    run(folder.path(), &whole);
    // Killed in the teacher, again in a student, then left alone.
    for file in ["teacher/checkpoint.safetensors", "wd/generator/checkpoint.safetensors"] {
        let mut child = command(folder.path(), &killed)
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let start = Instant::now();
        while !killed.join(file).exists() {
            assert!(start.elapsed() < Duration::from_secs(300), "{file} never came");
            std::thread::sleep(Duration::from_millis(2));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    run(folder.path(), &killed);
    for stage in ["teacher", "kd/student", "wd/generator", "wd/student"] {
        let log = |folder: &Path| losses(&folder.join(stage).join("metrics.jsonl"));
        assert_eq!(log(&whole), log(&killed), "{stage}");
        let weights =
            |folder: &Path| fs::read(folder.join(stage).join("model/model.safetensors")).unwrap();
        assert!(weights(&whole) == weights(&killed), "{stage}: other weights");
    }
}

#[test]
fn bad_recipes_and_texts_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    write_task(folder.path());
    let refused = |recipe: &str, expected: &str| {
        fs::write(folder.path().join("toy.toml"), recipe).unwrap();
        let output = command(folder.path(), &folder.path().join("bad")).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(expected), "{expected:?} in:\n{said}");
    };
    refused(&RECIPE.replace("[vocabulary]", "[vocabulry]"), "did you mean `vocabulary`?");
    refused(&RECIPE.replace("train.en", "missing.en"), "missing.en");
    refused(&RECIPE.replace("layers = 1", "layers = 3"), "the teacher's decoder has 2 layers");
    let longer = fs::read_to_string(folder.path().join("train.en")).unwrap() + "one more\n";
    fs::write(folder.path().join("train.en"), longer).unwrap();
    refused(RECIPE, "train.en has 301 lines but");
}
