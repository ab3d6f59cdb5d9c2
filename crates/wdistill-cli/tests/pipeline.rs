//! A whole recipe at toy size, as a user runs it: to its end, again, and killed and resumed.

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use common::{Sizes, write_texts};
use serde_json::Value;
use wdistill_text::Vocabulary;

const RECIPE: &str = r#"
title = "Toy"
[data]
description = "everyday sentences"
train = { source = "train.en", target = "train.de" }
validation = { source = "validation.en", target = "validation.de" }
test = { source = "test.en", target = "test.de" }
[vocabulary]
size = 500
[teacher]
preset = "transformer-nano"
training = { updates = 60, max_tokens = 400, clip_norm = 2, warm_up = 10, log_every = 5, validate_every = 30, checkpoint_every = 7, snapshot_every = 10, average_last = 2 }
[student]
preset = "transformer-nano"
architecture = { decoder = { layers = 1, width = 8, feed_forward = 16 } }
training = { updates = 20, max_tokens = 400, accumulation = 2, warm_up = 10, log_every = 5, validate_every = 10, checkpoint_every = 3, snapshot_every = 5, average_last = 2 }
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
generator = { updates = 10, word_distillation = 0.5, relation_distillation = 0.5 }
training = { word_distillation = 0.25 }
[[systems]]
name = "word-kd"
method = "kd"
pairs = "original"
seed = 2
architecture = { decoder = { layers = 2 } }
training = { word_distillation = 0.5 }
"#;

fn write_task(folder: &Path) {
    write_texts(folder, Sizes { train: 300, validation: 12, test: 12 });
    fs::write(folder.join("toy.toml"), RECIPE).unwrap();
}

fn command(task: &Path, out: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wdistill"));
    command.arg("run").arg(task.join("toy.toml")).arg("--out").arg(out);
    // A toy teacher knows next to nothing.
    command.args(["--threads", "2", "--force"]);
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
        for field in ["seconds", "tokens_per_second", "time"] {
            fields.remove(field);
        }
        event
    };
    text.lines().map(line).collect()
}

/// A model's folder says what the report says, and what is made of it says so too.
fn check_card(report: &Value, out: &Path) {
    let row = &report["systems"][2];
    assert_eq!(row["name"], "kd");
    let model = out.join("kd/student/model");
    let card = fs::read_to_string(model.join("README.md")).unwrap();
    let bleu = format!("value: {:.2}\n", row["test"]["bleu"]["value"].as_f64().unwrap());
    let parts = ["library_name: wdistill\n", "pipeline_tag: translation\n", &bleu, "| training |"];
    for part in parts.into_iter().chain(row["signatures"]["bleu"].as_str()) {
        assert!(card.contains(part), "no {part:?} in:\n{card}");
    }
    for (command, folder, library) in
        [("export", "kd-ct2", "ctranslate2"), ("quantize", "kd-int8", "wdistill")]
    {
        let mut program = Command::new(env!("CARGO_BIN_EXE_wdistill"));
        let target = out.with_file_name(folder);
        program.arg(command).arg(&model).arg("--out").arg(&target);
        if command == "export" {
            program.args(["--format", "ctranslate2"]);
        }
        let output = program.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let carried = fs::read_to_string(target.join("README.md")).unwrap();
        assert!(carried.contains(&format!("library_name: {library}\n")), "{carried}");
        assert!(carried.contains(&bleu), "{carried}");
    }
}

/// The table of a run beside itself, and of something that is none.
fn check_compare(out: &Path) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_wdistill"));
    let output = program.arg("compare").args([out, &out.join("report.json")]).output().unwrap();
    let table = String::from_utf8(output.stdout).unwrap();
    assert_eq!(table.lines().filter(|line| line.starts_with("out/kd ")).count(), 2, "{table}");
    let mut program = Command::new(env!("CARGO_BIN_EXE_wdistill"));
    let output = program.arg("compare").arg(out.join("data")).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8(output.stderr).unwrap().contains("there is no"));
}

/// What `wdistill clean` says of a run.
fn clean(out: &Path, arguments: &[&str]) -> String {
    let mut program = Command::new(env!("CARGO_BIN_EXE_wdistill"));
    let output = program.arg("clean").arg(out).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A run that was cleaned goes on as if nothing had happened; a copy of which models alone are kept has these.
fn check_clean(folder: &Path, out: &Path) {
    let model = "wd/student/model/model.safetensors";
    let weights = fs::read(out.join(model)).unwrap();
    let told = clean(out, &["--dry-run"]);
    assert!(told.contains("wd/generator/checkpoint.safetensors\n"), "{told}");
    assert!(
        told.contains("teacher/snapshots\n") && told.contains("MB, would be removed"),
        "{told}"
    );
    assert!(out.join("wd/generator/checkpoint.safetensors").exists());
    assert_eq!(clean(out, &[]), told.replace("would be removed", "removed"));
    assert!(!out.join("wd/generator/checkpoint.safetensors").exists());
    assert!(!out.join("teacher/snapshots").exists() && !out.join("teacher/best").exists());
    let said = String::from_utf8(run(folder, out).stderr).unwrap();
    for stage in ["teacher", "pseudo", "wd/generator", "wd/student"] {
        let expected = format!("{stage}: nothing changed, skipped");
        assert!(said.contains(&expected), "{expected:?} in:\n{said}");
    }
    assert!(fs::read(out.join(model)).unwrap() == weights);

    let copy = out.with_file_name("copy");
    let copied = Command::new("cp").arg("-r").arg(out).arg(&copy).status().unwrap();
    assert!(copied.success());
    clean(&copy, &["--keep", "models"]);
    assert!(fs::read(copy.join(model)).unwrap() == weights);
    assert!(copy.join("report.html").exists() && copy.join("recipe.toml").exists());
    for gone in ["pseudo", "data", "evaluation", "wd/student/metrics.jsonl"] {
        assert!(!copy.join(gone).exists(), "{gone}");
    }
}

#[test]
fn a_recipe_ends_with_a_table_and_skips_what_is_done() {
    let folder = tempfile::tempdir().unwrap();
    write_task(folder.path());
    let out = folder.path().join("out");
    let first = run(folder.path(), &out);
    let table = String::from_utf8(first.stdout).unwrap();
    for system in ["teacher", "scratch", "kd", "cut", "wd", "wd-cut", "word-kd"] {
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
    assert_eq!(updates, [60, 20, 20, 20, 20, 20, 20]);
    // The pseudo pairs are not counted with the text.
    let text = fs::read_to_string(folder.path().join("train.en")).unwrap();
    let vocabulary = Vocabulary::load(&out.join("vocabulary/source.vocabulary.json")).unwrap();
    let tokens: usize = text.lines().map(|line| vocabulary.encode(line).len()).sum();
    assert_eq!(report["data"][0]["pairs"], 300);
    assert_eq!(report["data"][0]["source_tokens"], tokens);
    assert!(fs::read_to_string(out.join("report.html")).unwrap().contains("</html>"));
    // A curve of loss and of BLEU for every stage of every system.
    let curves: Vec<(&str, &str)> = report["curves"]
        .as_array()
        .unwrap()
        .iter()
        .map(|curve| {
            let points = curve["points"].as_array().unwrap();
            for value in ["training_loss", "validation_loss", "validation_bleu"] {
                assert!(points.iter().any(|point| point[value].is_number()), "{value}: {curve}");
            }
            (curve["system"].as_str().unwrap(), curve["stage"].as_str().unwrap())
        })
        .collect();
    let expected = [
        ("teacher", "teacher"),
        ("scratch", "student"),
        ("kd", "student"),
        ("cut", "student"),
        ("wd", "generator"),
        ("wd", "student"),
        ("wd-cut", "generator"),
        ("wd-cut", "student"),
        ("word-kd", "student"),
    ];
    assert_eq!(curves, expected);

    check_card(&report, &out);
    check_compare(&out);

    let again = run(folder.path(), &out);
    let said = String::from_utf8(again.stderr).unwrap();
    let stages =
        ["vocabulary", "teacher", "pseudo", "kd/student", "wd/generator", "evaluation/wd", "speed"];
    for stage in stages {
        let expected = format!("{stage}: nothing changed, skipped");
        assert!(said.contains(&expected), "{expected:?} in:\n{said}");
    }

    // The recipe that the run leaves is whole: carried out from where it lies, it changes nothing.
    let mut saved = Command::new(env!("CARGO_BIN_EXE_wdistill"));
    saved.arg("run").arg(out.join("recipe.toml")).arg("--out").arg(&out);
    saved.args(["--threads", "2", "--force"]);
    let output = saved.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("wd/student: nothing changed, skipped"), "{said}");

    // What is gone is made again, from what is left.
    for gone in
        ["pseudo/target.txt", "kd/student/model/model.safetensors", "evaluation/cut/test.txt"]
    {
        let before = fs::read(out.join(gone)).unwrap();
        fs::remove_file(out.join(gone)).unwrap();
        let said = String::from_utf8(run(folder.path(), &out).stderr).unwrap();
        assert!(said.contains("is gone, and is made again"), "{gone}: {said}");
        assert!(fs::read(out.join(gone)).unwrap() == before, "{gone}");
    }

    check_clean(folder.path(), &out);

    let target = out.join("pseudo/target.txt");
    let changed = format!("changed {}", fs::read_to_string(&target).unwrap());
    fs::write(&target, changed).unwrap();
    let output = command(folder.path(), &out).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("was changed after it was made"), "{said}");
}

/// Starts a command and kills it as soon as a file is there; then the stage of that file is under way.
fn kill_at(mut command: Command, file: &Path) {
    let mut child = command.stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    let start = Instant::now();
    while !file.exists() {
        assert!(start.elapsed() < Duration::from_secs(300), "{} never came", file.display());
        assert_eq!(child.try_wait().unwrap(), None, "it ended before {}", file.display());
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_killed_run_goes_on_and_ends_with_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    write_task(folder.path());
    let (whole, killed) = (folder.path().join("whole"), folder.path().join("killed"));
    run(folder.path(), &whole);
    // Killed in the teacher, in both phases, then left alone.
    let stages = ["teacher", "wd/generator", "wd/student"];
    for (index, stage) in stages.iter().enumerate() {
        kill_at(
            command(folder.path(), &killed),
            &killed.join(stage).join("checkpoint.safetensors"),
        );
        // What it had before the kill is what it goes on from.
        if let Some(before) = index.checked_sub(1).map(|index| stages[index]) {
            assert!(killed.join(before).join("result.json").exists(), "{before} was not finished");
        }
    }
    let said = String::from_utf8(run(folder.path(), &killed).stderr).unwrap();
    assert!(said.contains("wd/student: goes on after update"), "{said}");
    for stage in ["teacher", "kd/student", "wd/generator", "wd/student"] {
        let log = |folder: &Path| losses(&folder.join(stage).join("metrics.jsonl"));
        assert_eq!(log(&whole), log(&killed), "{stage}");
        let weights =
            |folder: &Path| fs::read(folder.join(stage).join("model/model.safetensors")).unwrap();
        assert!(weights(&whole) == weights(&killed), "{stage}: other weights");
    }

    // `distill` from the same teacher, killed in its phase, or in the first of two.
    let distill = |out: &str, method: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wdistill"));
        command.current_dir(folder.path()).args(["distill", "--force", "--teacher"]);
        command.arg(whole.join("teacher/model"));
        command.args(["--train", "train.en", "train.de"]);
        command.args(["--validation", "validation.en", "validation.de", "--out", out]);
        command.args(["--method", method]);
        for change in ["updates=16", "max_tokens=400", "checkpoint_every=3", "average_last=1"] {
            command.arg("--set").arg(format!("training.{change}"));
        }
        command
    };
    for (method, killed) in [("cut", "cut/student"), ("wd", "wd/generator")] {
        let (whole, again) = (format!("whole-{method}"), format!("again-{method}"));
        assert!(distill(&whole, method).output().unwrap().status.success());
        let checkpoint = folder.path().join(&again).join(killed).join("checkpoint.safetensors");
        kill_at(distill(&again, method), &checkpoint);
        let output = distill(&again, method).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(&format!("{killed}: goes on after update")), "{said}");
        // What a checkpoint replaces is not solved again.
        assert!(!said.contains("solving the layers"), "{said}");
        let student = |out: &str, file: &str| {
            let model = folder.path().join(out).join(method).join("student/model");
            fs::read(model.join(file)).unwrap()
        };
        assert!(student(&whole, "model.safetensors") == student(&again, "model.safetensors"));
        let config = String::from_utf8(student(&again, "config.toml")).unwrap();
        assert!(config.contains("layers = 1") && config.contains("width = 16"), "{config}");
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
    let lock = fs::File::create(folder.path().join("bad/lock")).unwrap();
    lock.lock().unwrap();
    refused(RECIPE, "another wdistill is at work in");
    drop(lock);
    // Somebody else's run is left as it is, its texts too.
    let demo = folder.path().join("demo");
    fs::create_dir(&demo).unwrap();
    let lock = fs::File::create(demo.join("lock")).unwrap();
    lock.lock().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_wdistill"));
    let output = command.arg("demo").arg("--out").arg(&demo).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("another wdistill is at work"), "{said}");
    assert!(!demo.join("data").exists());
    let other = RECIPE
        .replace("{ decoder = { layers = 1,", "{ activation = \"gelu\", decoder = { layers = 1,");
    refused(&other, "teacher and student must agree in activation");
    assert!(!folder.path().join("bad/teacher").exists(), "it ran before it was checked");
    let test = fs::read_to_string(folder.path().join("test.en")).unwrap();
    let long = test.replacen('\n', &format!("{}\n", " word".repeat(2000)), 1);
    fs::write(folder.path().join("test.en"), long).unwrap();
    refused(RECIPE, "test.en:1: ");
    refused(RECIPE, "at most 1024 are allowed");
    fs::write(folder.path().join("test.en"), test).unwrap();
    let longer = fs::read_to_string(folder.path().join("train.en")).unwrap() + "one more\n";
    fs::write(folder.path().join("train.en"), longer).unwrap();
    refused(RECIPE, "train.en has 301 lines but");
}
