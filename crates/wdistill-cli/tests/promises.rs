//! What a user may rely on: nobody's run is changed by another, changed products are named, messages never
//! end the work, and signals lose nothing.

mod common;
mod program;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use common::{Sizes, write_texts};
use program::{finish, program};

const RECIPE: &str = r#"
title = "Toy"
[data]
train = { source = "train.en", target = "train.de" }
validation = { source = "validation.en", target = "validation.de" }
test = { source = "test.en", target = "test.de" }
[vocabulary]
size = 400
[teacher]
preset = "transformer-nano"
training = { updates = 30, max_tokens = 400, validate_every = 15, checkpoint_every = 1000, average_last = 1 }
[student]
preset = "transformer-nano"
architecture = { decoder = { layers = 1 } }
training = { updates = 5, max_tokens = 400, validate_every = 5, average_last = 1 }
[pseudo_data]
beam = 1
max_length = 10
[decoding]
beam = 1
max_length = 10
[benchmark]
rounds = 1
sentences = 3
[[systems]]
method = "kd"
"#;

fn task() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_texts(folder.path(), Sizes { train: 150, validation: 8, test: 8 });
    fs::write(folder.path().join("toy.toml"), RECIPE).unwrap();
    folder
}

/// The toy teacher knows next to nothing.
const RUN: &str = "run toy.toml --threads 1 --force --out out";

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn succeed(folder: &Path, arguments: &str) -> Output {
    let output = finish(program(folder, arguments), b"");
    assert!(output.status.success(), "{arguments}: {}", said(&output));
    output
}

fn other_toolkits_model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../wdistill-formats/fixtures/huggingface/separate")
}

#[test]
fn a_refused_command_writes_nothing_into_a_run_that_is_at_work() {
    let folder = task();
    for command_line in [
        "distill --teacher {} --train train.en train.de --validation validation.en \
                          validation.de --out busy",
        "run given.toml --out busy",
    ] {
        let busy = folder.path().join("busy");
        fs::create_dir_all(busy.join("imported-teacher")).unwrap();
        fs::write(busy.join("imported-teacher/config.toml"), "of the one at work").unwrap();
        let teacher = other_toolkits_model().display().to_string();
        let given = RECIPE
            .replace("preset = \"transformer-nano\"\ntraining = { updates = 30", "model = \"T\"\n#")
            .replace("[vocabulary]\nsize = 400\n", "")
            .replace("\"T\"", &format!("{teacher:?}"));
        fs::write(folder.path().join("given.toml"), given).unwrap();
        let lock = fs::File::create(busy.join("lock")).unwrap();
        lock.lock().unwrap();
        let arguments = command_line.replace("{}", &teacher);
        let output = program(folder.path(), &arguments).output().unwrap();
        assert!(said(&output).contains("another wdistill is at work"), "{}", said(&output));
        let left: Vec<_> = fs::read_dir(busy.join("imported-teacher")).unwrap().collect();
        assert_eq!(left.len(), 1, "{left:?}");
        let text = fs::read_to_string(busy.join("imported-teacher/config.toml")).unwrap();
        assert_eq!(text, "of the one at work");
    }
}

#[test]
fn changed_products_of_finished_stages_are_named() {
    let folder = task();
    succeed(folder.path(), RUN);
    let out = folder.path().join("out");
    for product in ["teacher/model/model.safetensors", "evaluation/kd/test.txt"] {
        let path = out.join(product);
        let right = fs::read(&path).unwrap();
        let mut wrong = right.clone();
        let at = wrong.len() - 2;
        wrong[at] ^= 1;
        fs::write(&path, wrong).unwrap();
        let output = program(folder.path(), RUN).output().unwrap();
        let said = said(&output);
        assert!(!output.status.success() && said.contains(product), "{product}: {said}");
        assert!(said.contains("was changed after it was made\nhint: "), "{said}");
        // The way out that the message names.
        fs::remove_file(&path).unwrap();
        succeed(folder.path(), RUN);
        assert!(fs::read(&path).unwrap() == right, "{product}");
    }
}

/// A report draws its curves from what the stage recorded; the log beside it is for people.
#[test]
fn a_lost_or_changed_log_changes_no_report() {
    let folder = task();
    succeed(folder.path(), RUN);
    let out = folder.path().join("out");
    let report = || -> serde_json::Value {
        serde_json::from_str(&fs::read_to_string(out.join("report.json")).unwrap()).unwrap()
    };
    let right = report();
    let points = |curve: &serde_json::Value| curve["points"].as_array().unwrap().len();
    let curves: Vec<usize> = right["curves"].as_array().unwrap().iter().map(points).collect();
    // Of teacher and student; training is logged at the end, validated every 15 and 5 updates.
    assert_eq!(curves, [3, 2]);
    fs::remove_file(out.join("teacher/metrics.jsonl")).unwrap();
    fs::write(out.join("kd/student/metrics.jsonl"), "nonsense").unwrap();
    succeed(folder.path(), RUN);
    assert_eq!(report()["curves"], right["curves"]);
    // A record that was changed is refused like any product.
    let path = out.join("teacher/result.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("\"tokens\": ", "\"tokens\": 1", 1)).unwrap();
    let output = program(folder.path(), RUN).output().unwrap();
    assert!(!output.status.success());
    assert!(said(&output).contains("teacher/result.json was changed"), "{}", said(&output));
}

#[test]
fn a_report_says_which_weights_were_handed_on_how_training_ended_and_what_the_teacher_knows() {
    let folder = task();
    // From the fifth update on the rate is so low that nothing changes, or far too high.
    let patient = RECIPE.replace(
        "validate_every = 5, average_last = 1",
        "validate_every = 1, average_last = 2, snapshot_every = 1, patience = 2, learning_rate = 1e-12",
    );
    fs::write(folder.path().join("toy.toml"), patient).unwrap();
    let said = said(&succeed(folder.path(), RUN));
    let early = "kd/student: ends at update ";
    assert!(said.contains(early) && said.contains("(training.patience = 2)"), "{said}");
    let text = fs::read_to_string(folder.path().join("out/report.json")).unwrap();
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    let notes: Vec<&str> =
        report["notes"].as_array().unwrap().iter().map(|note| note.as_str().unwrap()).collect();
    let has = |start: &str, part: &str| {
        assert!(
            notes.iter().any(|note| note.starts_with(start) && note.contains(part)),
            "{start} ... {part}: {notes:#?}"
        );
    };
    has("kd/student: hands on ", ", compared with the ");
    has("kd/student: stopped early, after ", " updates");
    has("kd/student: has learnt nothing that helps", "the validation loss is ");
    // The teacher's figures are those of its own validation and of its row.
    let teacher = &report["systems"][0];
    let bleu = teacher["bleu_validation"]["value"].as_f64().unwrap();
    let text = fs::read_to_string(folder.path().join("out/teacher/result.json")).unwrap();
    let record: serde_json::Value = serde_json::from_str(&text).unwrap();
    let loss = record["result"]["selected"]["judgement"]["loss"].as_f64().unwrap();
    has(&format!("teacher: validation loss {loss:.3}, BLEU {bleu:.2}, chrF "), "");
}

#[test]
fn a_teacher_that_knows_less_than_a_guess_teaches_nobody_unless_told() {
    let folder = task();
    let untaught = RECIPE.replace("updates = 30", "updates = 1, learning_rate = 1e-12");
    fs::write(folder.path().join("toy.toml"), untaught).unwrap();
    let output = program(folder.path(), &RUN.replace(" --force", "")).output().unwrap();
    let said_first = said(&output);
    assert_eq!(output.status.code(), Some(1), "{said_first}");
    let reason = "the teacher does not know the validation text: the validation loss is ";
    assert!(said_first.contains(reason), "{said_first}");
    assert!(said_first.contains("\nhint: "), "{said_first}");
    assert!(!folder.path().join("out/pseudo").exists());
    // The word that training had said already.
    assert!(said_first.contains("teacher: has learnt nothing that helps"), "{said_first}");
    assert!(said(&succeed(folder.path(), RUN)).contains(reason));
}

#[test]
fn a_missing_snapshot_is_said_and_the_stage_still_ends() {
    let folder = task();
    fs::write(
        folder.path().join("toy.toml"),
        RECIPE.replace(
            "average_last = 1 }\n[student]",
            "average_last = 3, snapshot_every = 10 }\n[student]",
        ),
    )
    .unwrap();
    succeed(folder.path(), RUN);
    let teacher = folder.path().join("out/teacher");
    fs::remove_file(teacher.join("result.json")).unwrap();
    fs::remove_file(teacher.join("snapshots/20.safetensors")).unwrap();
    let said = said(&succeed(folder.path(), RUN));
    assert!(said.contains("averages 2 snapshots of 3 wanted"), "{said}");
    assert!(said.contains("20.safetensors"), "{said}");
}

/// Standard error is a pipe that nobody reads, or a full device.
#[cfg(target_os = "linux")]
#[test]
fn messages_that_nobody_can_read_end_no_work() {
    let folder = task();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = program(folder.path(), RUN).stderr(writer).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(folder.path().join("out/report.html").exists());
    // The other commands have something to say too: a note on the import, progress, a truncated line.
    let import = format!("import {} --out theirs", other_toolkits_model().display());
    let corpus = "--train train.en train.de --validation validation.en validation.de --threads 1";
    let short = "--set training.updates=2 --set training.max_tokens=400";
    for arguments in [
        import.as_str(),
        "export theirs --format ctranslate2 --out exported",
        "quantize theirs --out small",
        "shortlist --model out/kd/student/model --source train.en --target train.de --out lex.txt",
        "bench out/kd/student/model --input validation.en --rounds 1",
        "vocab train.en train.de --size 400 --out words.json",
        &format!("train {corpus} {short} --vocabulary-size 400 --preset transformer-nano --out t"),
        &format!("distill --force --teacher t/teacher/model {corpus} {short} --out d"),
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = program(folder.path(), arguments).stderr(writer).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments}");
    }
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let translate = "translate --model out/kd/student/model --long truncate --max-source 1";
    let text = fs::File::open(folder.path().join("test.en")).unwrap();
    let output = program(folder.path(), translate).stdin(text).stderr(writer).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 8);
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let output = program(folder.path(), RUN).stderr(full).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
}

#[cfg(unix)]
fn interrupted_with(signal: &str, status: i32) {
    let folder = task();
    succeed(folder.path(), &RUN.replace("--out out", "--out whole"));
    let log = folder.path().join("out/teacher/metrics.jsonl");
    let mut child =
        program(folder.path(), RUN).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let start = Instant::now();
    // The log is there when training begins; no checkpoint is due in this run.
    while !log.exists() {
        assert!(start.elapsed() < Duration::from_secs(120), "training never began");
        std::thread::sleep(Duration::from_millis(1));
    }
    let killed = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let output = child.wait_with_output().unwrap();
    child = program(folder.path(), RUN).stderr(Stdio::piped()).spawn().unwrap();
    let again = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(status), "{}", said(&output));
    assert!(said(&output).contains(" is saved"), "{}", said(&output));
    assert!(said(&again).contains("teacher: goes on after update"), "{}", said(&again));
    let weights = |out: &str| {
        fs::read(folder.path().join(out).join("kd/student/model/model.safetensors")).unwrap()
    };
    assert!(weights("whole") == weights("out"), "other weights");
}

#[cfg(unix)]
#[test]
fn an_interrupt_saves_what_was_done() {
    interrupted_with("-INT", 130);
}

#[cfg(unix)]
#[test]
fn a_termination_saves_what_was_done() {
    interrupted_with("-TERM", 143);
}

#[test]
fn distill_refuses_a_teacher_of_the_other_direction_and_shows_how_the_student_does() {
    let folder = task();
    // Trained long enough to know which way it goes.
    let training = "--set training.updates=300 --set training.max_tokens=600 --set training.warm_up=50 \
                    --set training.learning_rate=0.01 --set training.validate_every=300";
    let corpus = "--train train.en train.de --validation validation.en validation.de --threads 2";
    succeed(
        folder.path(),
        &format!(
            "train {corpus} --preset transformer-nano --vocabulary-size 400 {training} --out t"
        ),
    );
    let short = "--set training.updates=6 --set training.max_tokens=400 --set pseudo_data.beam=1 \
                 --set training.validate_every=6 --set training.average_last=1";
    let distill = |corpus: &str, out: &str| {
        let line = format!("distill --teacher t/teacher/model {corpus} {short} --out {out}");
        program(folder.path(), &line).output().unwrap()
    };
    let swapped = "--train train.de train.en --validation validation.de validation.en --threads 2";
    let output = distill(swapped, "swapped");
    assert!(!output.status.success());
    assert!(said(&output).contains("in the teacher's direction?"), "{}", said(&output));
    assert!(!folder.path().join("swapped/pseudo").exists());
    // The training text alone is the wrong way round.
    let half = "--train train.de train.en --validation validation.en validation.de --threads 2";
    let output = distill(half, "half");
    assert!(!output.status.success());
    assert!(
        said(&output).contains("the teacher's loss in the training text is"),
        "{}",
        said(&output)
    );
    assert!(!folder.path().join("half/pseudo").exists());
    // A validation text that is no translation.
    let same = "--train train.en train.de --validation validation.en validation.en --threads 2";
    let output = distill(same, "same");
    assert!(!output.status.success());
    assert!(said(&output).contains("8 have the same text on both sides"), "{}", said(&output));
    let output = distill(corpus, "right");
    assert!(output.status.success(), "{}", said(&output));
    let said = said(&output);
    let row = |name: &str| {
        let line = said.lines().rfind(|line| line.starts_with(name)).unwrap_or_default();
        line.split_whitespace().count()
    };
    assert!(said.contains("on the validation text:"), "{said}");
    assert_eq!((row("teacher "), row("cut ")), (8, 8), "{said}");
}
