//! What a kill or a failing disk costs: at a file-system call a command is killed, or the call fails, and the
//! next try ends with the same bits as an undisturbed one.
//!
//! A sample of the calls by default; with `WDISTILL_FAULTS=all` every call (`fuzz/faults/campaign.sh`).
#![cfg(target_os = "linux")]

mod common;

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use common::{Sizes, write_texts};

const RECIPE: &str = r#"
title = "Faults"
[data]
description = "everyday sentences"
train = { source = "train.en", target = "train.de" }
validation = { source = "validation.en", target = "validation.de" }
test = { source = "test.en", target = "test.de" }
[vocabulary]
size = 400
[teacher]
preset = "transformer-nano"
training = { updates = 4, max_tokens = 200, warm_up = 2, log_every = 2, validate_every = 2, checkpoint_every = 2, snapshot_every = 2, average_last = 2 }
[student]
preset = "transformer-nano"
architecture = { decoder = { layers = 1 } }
training = { updates = 4, max_tokens = 200, warm_up = 2, log_every = 2, validate_every = 2, checkpoint_every = 2, snapshot_every = 2, average_last = 2 }
[pseudo_data]
beam = 1
max_length = 8
[decoding]
beam = 1
max_length = 8
[benchmark]
rounds = 1
sentences = 1
[[systems]]
method = "wd"
generator = { updates = 2 }
"#;

/// Calls of each kind of fault that the sample looks at.
const SAMPLE: usize = 12;

#[derive(Clone, Copy, Debug)]
enum Fault {
    Kill,
    /// The disk is full.
    NoSpace,
    /// The disk is broken.
    InputOutput,
}

const FAULTS: [Fault; 3] = [Fault::Kill, Fault::NoSpace, Fault::InputOutput];

impl Fault {
    /// As the shim takes it.
    fn setting(self) -> &'static str {
        match self {
            Fault::Kill => "kill",
            Fault::NoSpace => "28",
            Fault::InputOutput => "5",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Fault::Kill => "killed",
            Fault::NoSpace => "ENOSPC",
            Fault::InputOutput => "EIO",
        })
    }
}

/// What is done, and with which files it ends.
struct Work<'a> {
    name: &'a str,
    arguments: Vec<String>,
    folder: &'a Path,
    shim: &'a Path,
    is_product: fn(&str) -> bool,
}

type Products = BTreeMap<String, Vec<u8>>;

impl Work<'_> {
    fn command(&self, out: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wdistill"));
        command.current_dir(self.folder).args(&self.arguments).arg("--out").arg(out);
        command
    }

    /// Where a command's folder goes. What is written beside it while it is made counts too.
    fn new_out(&self, name: &str) -> PathBuf {
        let around = self.folder.join(format!("{}-{name}", self.name));
        fs::create_dir(&around).unwrap();
        around.join("out")
    }

    /// Carries the command out with a fault at a call; call 0 is never reached.
    fn disturbed(&self, out: &Path, fault: Fault, call: usize) -> (Output, Option<usize>) {
        let count = out.parent().unwrap().with_extension("count");
        let mut command = self.command(out);
        command.env("LD_PRELOAD", self.shim).env("FAULT_BELOW", out.parent().unwrap());
        command.env("FAULT_AT", call.to_string()).env("FAULT_KIND", fault.setting());
        let output = command.env("FAULT_COUNT", &count).output().unwrap();
        let calls = fs::read_to_string(&count).ok().map(|text| text.parse().unwrap());
        let _ = fs::remove_file(&count);
        (output, calls)
    }

    /// The files that must come out the same, and the name of whatever was only for the time of writing.
    fn products(&self, out: &Path) -> Products {
        let mut found = Products::new();
        let around = out.parent().unwrap();
        collect(around, around, &mut found);
        found.retain(|name, _| (self.is_product)(name) || name.contains(".partial"));
        found
    }

    /// What is wrong after a fault at a call and another try.
    fn problem(&self, expected: &Products, fault: Fault, call: usize) -> Option<String> {
        let out = self.new_out(&format!("{fault}-{call}"));
        let (first, _) = self.disturbed(&out, fault, call);
        let said = String::from_utf8_lossy(&first.stderr);
        let problem = wrong_end(fault, &first)
            .map(|wrong| format!("{wrong}: {said}"))
            .or_else(|| self.wrong_after_another_try(expected, &out, &first));
        let _ = fs::remove_dir_all(out.parent().unwrap());
        problem
            .map(|problem| format!("{} {fault} at call {call}: {}", self.name, problem.trim_end()))
    }

    fn wrong_after_another_try(
        &self,
        expected: &Products,
        out: &Path,
        first: &Output,
    ) -> Option<String> {
        if first.status.success() {
            return difference(expected, &self.products(out))
                .map(|difference| format!("success, but {difference}"));
        }
        let second = self.command(out).output().unwrap();
        let said = String::from_utf8_lossy(&second.stderr);
        let difference = difference(expected, &self.products(out));
        match (second.status.success(), difference) {
            (true, None) => None,
            // Refused because the whole model is there already is right; refused over a part is not.
            (false, None) if said.contains(" holds a model of ") => None,
            (false, _) => Some(format!("the next try fails: {said}")),
            (true, Some(difference)) => {
                Some(format!("the next try ends with another result: {difference}"))
            }
        }
    }
}

/// A fault must kill, be reported by name, or do no harm.
fn wrong_end(fault: Fault, output: &Output) -> Option<&'static str> {
    let said = String::from_utf8_lossy(&output.stderr);
    let error_is_named = match fault {
        Fault::Kill => return (output.status.signal() != Some(9)).then_some("not killed"),
        Fault::NoSpace => said.contains("No space left on device"),
        Fault::InputOutput => said.contains("Input/output error"),
    };
    if said.contains("panicked") {
        Some("panic")
    } else if output.status.success() || (error_is_named && output.status.code() == Some(1)) {
        None
    } else {
        Some("the error is not named")
    }
}

fn collect(root: &Path, folder: &Path, found: &mut Products) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, found);
        } else {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_string();
            found.insert(name, fs::read(path).unwrap());
        }
    }
}

fn difference(expected: &Products, found: &Products) -> Option<String> {
    let names: Vec<&str> = expected
        .keys()
        .chain(found.keys())
        .filter(|name| expected.get(*name) != found.get(*name))
        .map(String::as_str)
        .collect();
    (!names.is_empty()).then(|| format!("other files: {}", names.join(", ")))
}

/// Calls to disturb: all, or a sample that is spread over them and holds the first and the last.
fn calls_to_disturb(calls: usize) -> Vec<usize> {
    if std::env::var_os("WDISTILL_FAULTS").is_some_and(|value| value == "all") || calls <= SAMPLE {
        return (1..=calls).collect();
    }
    (0..SAMPLE).map(|index| 1 + index * (calls - 1) / (SAMPLE - 1)).collect()
}

fn build_shim(folder: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/faults/shim.c");
    let shim = folder.join("shim.so");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&shim).arg(source).arg("-ldl");
    let output = compiler.output().expect("`cc`, which links Rust programs, is there");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    shim
}

/// Disturbs some work at its calls and collects what goes wrong.
fn survives(work: &Work) {
    let whole = work.new_out("whole");
    let (output, calls) = work.disturbed(&whole, Fault::Kill, 0);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let calls = calls.expect("the shim counts the calls");
    let expected = work.products(&whole);
    assert!(calls > SAMPLE && !expected.is_empty(), "{calls} calls, {} files", expected.len());
    let points: Vec<(Fault, usize)> = FAULTS
        .into_iter()
        .flat_map(|fault| calls_to_disturb(calls).into_iter().map(move |call| (fault, call)))
        .collect();
    let problems = Mutex::new(Vec::new());
    let next = AtomicUsize::new(0);
    let disturb = || {
        while let Some(&(fault, call)) = points.get(next.fetch_add(1, Ordering::Relaxed)) {
            problems.lock().unwrap().extend(work.problem(&expected, fault, call));
        }
    };
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| (0..workers).for_each(|_| drop(scope.spawn(disturb))));
    let problems = problems.into_inner().unwrap();
    assert!(
        problems.is_empty(),
        "{}: {calls} calls, {} of {} faults did harm:\n{}",
        work.name,
        problems.len(),
        points.len(),
        problems.join("\n")
    );
}

fn write_task(folder: &Path) {
    write_texts(folder, Sizes { train: 40, validation: 3, test: 3 });
    fs::write(folder.join("recipe.toml"), RECIPE).unwrap();
}

fn words(arguments: &str) -> Vec<String> {
    arguments.split_whitespace().map(str::to_string).collect()
}

/// What a run ends with, without what depends on the clock.
fn is_product_of_run(name: &str) -> bool {
    let ends = ["model.safetensors", "config.toml", "vocabulary.json", "target.txt", "test.txt"];
    ends.iter().any(|end| name.ends_with(end))
}

/// A scratch folder, its path without links, as the shim compares paths.
fn scratch() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().canonicalize().unwrap();
    (folder, path)
}

#[test]
fn a_run_ends_with_the_same_bits() {
    let (_kept, folder) = scratch();
    write_task(&folder);
    survives(&Work {
        name: "run",
        arguments: words("run recipe.toml --threads 1 --force"),
        folder: &folder,
        shim: &build_shim(&folder),
        is_product: is_product_of_run,
    });
}

const MARIAN: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../wdistill-formats/fixtures/marian/joint-yaml");

/// A model folder made from another toolkit's.
fn write_model(folder: &Path) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wdistill"));
    command.arg("import").arg(MARIAN).arg("--out").arg(folder.join("model"));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn folder_survives(name: &str, arguments: &str) {
    let (_kept, folder) = scratch();
    write_model(&folder);
    survives(&Work {
        name,
        arguments: words(arguments),
        folder: &folder,
        shim: &build_shim(&folder),
        is_product: |_| true,
    });
}

#[test]
fn an_import_is_whole_or_can_be_tried_again() {
    folder_survives("import", &format!("import {MARIAN}"));
}

#[test]
fn an_export_is_whole_or_can_be_tried_again() {
    for format in ["huggingface", "ctranslate2", "marian"] {
        folder_survives(&format!("export-{format}"), &format!("export model --format {format}"));
    }
}

#[test]
fn a_quantised_model_is_whole_or_can_be_tried_again() {
    folder_survives("quantize", "quantize model");
}
