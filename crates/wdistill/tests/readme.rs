//! README shows the program that the documentation runs.

use std::path::Path;

#[test]
fn the_smallest_program_stands_in_readme_as_the_documentation_runs_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let documentation = std::fs::read_to_string(root.join("src/lib.rs")).unwrap();
    let block = documentation.split("//! ```\n").nth(1).expect("a first program");
    let shown = block.lines().map(|line| line.trim_start_matches("//!").trim_start_matches(' '));
    let indented = block.lines().map(|line| line.strip_prefix("//! ").unwrap_or_default());
    let program: Vec<&str> = shown
        .zip(indented)
        .filter(|(line, _)| !line.starts_with('#'))
        .map(|(_, line)| line)
        .collect();
    assert_eq!(program.len(), 5, "{program:#?}");
    let readme = std::fs::read_to_string(root.join("../../README.md")).unwrap();
    assert!(readme.contains(&program.join("\n")), "{program:#?}");
}
