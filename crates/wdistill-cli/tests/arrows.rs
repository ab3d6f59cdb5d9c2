//! Crates depend downwards only (ARCHITECTURE.md, "Crates").

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Level of every crate; a crate may use crates of lower levels.
const LEVELS: &[(&str, u32)] = &[
    ("wdistill-base", 0),
    ("wdistill-report", 0),
    ("wdistill-metrics", 1),
    ("wdistill-search", 1),
    ("wdistill-kernels", 1),
    ("wdistill-text", 1),
    ("wdistill-model", 1),
    ("wdistill-corpus", 2),
    ("wdistill-generator", 2),
    ("wdistill-formats", 2),
    ("wdistill-demo", 2),
    ("wdistill-runtime", 3),
    ("wdistill-autograd", 3),
    ("wdistill-fit", 4),
    ("wdistill-train", 4),
    ("wdistill-cuda", 4),
    ("wdistill-pipeline", 5),
    ("wdistill", 6),
    ("wdistill-serve", 6),
    ("wdistill-wasm", 6),
    ("wdistill-cli", 7),
    ("wdistill-python", 7),
];

fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

#[test]
fn every_arrow_points_down() {
    let levels: HashMap<&str, u32> = LEVELS.iter().copied().collect();
    let packages = packages();
    assert_eq!(packages.len(), levels.len(), "a crate is missing in the table of levels");
    for package in &packages {
        let name = package["name"].as_str().unwrap();
        let level = levels[name];
        for dependency in package["dependencies"].as_array().unwrap() {
            let used = dependency["name"].as_str().unwrap();
            let Some(below) = levels.get(used) else { continue };
            assert!(*below < level, "{name} must not use {used}");
        }
    }
}

/// A browser has no threads, and who decodes trains nothing.
#[test]
fn decoding_needs_neither_threads_nor_training() {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--package", "wdistill-runtime", "--no-default-features"])
        .args(["--edges", "normal", "--prefix", "none", "--format", "{lib} "])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let used = String::from_utf8(output.stdout).unwrap();
    let used: Vec<&str> = used.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(used.contains(&"wdistill_kernels") && used.contains(&"gemm"), "{used:?}");
    for unwanted in
        ["rayon", "tokenizers", "wdistill_autograd", "wdistill_generator", "wdistill_train"]
    {
        assert!(!used.contains(&unwanted), "wdistill-runtime without its features uses {unwanted}");
    }
}

/// All Rust files below a folder, as one text.
fn text_below(folder: &Path) -> String {
    let Ok(entries) = fs::read_dir(folder) else { return String::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    let text = |path: PathBuf| match path.is_dir() {
        true => text_below(&path),
        false if path.extension().is_some_and(|kind| kind == "rs") => {
            fs::read_to_string(&path).unwrap()
        }
        false => String::new(),
    };
    paths.map(text).collect()
}

#[test]
fn every_dependency_is_used() {
    for package in packages() {
        let manifest = Path::new(package["manifest_path"].as_str().unwrap());
        let folder = |name: &str| text_below(&manifest.parent().unwrap().join(name));
        let sources = folder("src");
        let all = sources.clone() + &folder("tests") + &folder("examples") + &folder("benches");
        for dependency in package["dependencies"].as_array().unwrap() {
            let name = dependency["name"].as_str().unwrap();
            let text = if dependency["kind"] == "dev" { &all } else { &sources };
            let used = text.contains(&name.replace('-', "_"));
            assert!(used, "{} does not use {name}", package["name"]);
        }
    }
}
