//! Crates depend downwards only (ARCHITECTURE.md, "Crates").

use std::collections::HashMap;
use std::process::Command;

use serde_json::Value;

/// Level of every crate; a crate may use crates of lower levels.
const LEVELS: &[(&str, u32)] = &[
    ("wdistill-base", 0),
    ("wdistill-metrics", 0),
    ("wdistill-search", 0),
    ("wdistill-report", 0),
    ("wdistill-demo", 0),
    ("wdistill-kernels", 1),
    ("wdistill-text", 1),
    ("wdistill-model", 1),
    ("wdistill-generator", 2),
    ("wdistill-formats", 2),
    ("wdistill-runtime", 3),
    ("wdistill-autograd", 3),
    ("wdistill-train", 4),
    ("wdistill-pipeline", 5),
    ("wdistill", 6),
    ("wdistill-cli", 7),
];

#[test]
fn every_arrow_points_down() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let levels: HashMap<&str, u32> = LEVELS.iter().copied().collect();
    let packages = metadata["packages"].as_array().unwrap();
    assert_eq!(packages.len(), levels.len(), "a crate is missing in the table of levels");
    for package in packages {
        let name = package["name"].as_str().unwrap();
        let level = levels[name];
        for dependency in package["dependencies"].as_array().unwrap() {
            let used = dependency["name"].as_str().unwrap();
            let Some(below) = levels.get(used) else { continue };
            assert!(*below < level, "{name} must not use {used}");
        }
    }
}
