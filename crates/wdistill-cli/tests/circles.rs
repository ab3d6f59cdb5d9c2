//! The parts of a crate, each a file below `src` with the folder of its name, use each other in one direction only.

mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use source::{code_of, sources, without_tests};

/// The names at the ends of the paths that start here, each with the first: `a::{b, c::d}` has `(a, b)` and `(a, d)`.
fn paths(code: &str) -> Vec<(String, String)> {
    let is_of_path = |c: char| c.is_alphanumeric() || c == '_';
    let end = code.find(|c| !is_of_path(c)).unwrap_or(code.len());
    let (name, rest) = code.split_at(end);
    if let Some(inside) = name.is_empty().then(|| rest.strip_prefix('{')).flatten() {
        let (mut depth, mut start, mut found) = (0usize, 0, Vec::new());
        for (index, character) in inside.char_indices() {
            match character {
                '{' => depth += 1,
                '}' if depth > 0 => depth -= 1,
                ',' | '}' if depth == 0 => {
                    found.extend(paths(inside[start..index].trim_start()));
                    start = index + 1;
                    if character == '}' {
                        break;
                    }
                }
                _ => {}
            }
        }
        return found;
    }
    let below = rest.strip_prefix("::").map(paths).unwrap_or_default();
    if below.is_empty() && !name.is_empty() {
        return vec![(name.to_owned(), name.to_owned())];
    }
    below.into_iter().map(|(_, last)| (name.to_owned(), last)).collect()
}

/// Which parts of a crate use which.
fn arrows(folder: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let mut parts: BTreeMap<String, String> = BTreeMap::new();
    let mut root = String::new();
    for path in sources(folder) {
        let code = without_tests(&code_of(&fs::read_to_string(&path).unwrap()));
        let first = path.strip_prefix(folder).unwrap().components().next().unwrap();
        match first.as_os_str().to_str().unwrap().trim_end_matches(".rs") {
            "lib" | "main" => root += &code,
            part => *parts.entry(part.to_owned()).or_default() += &code,
        }
    }
    // What the crate's root passes on belongs to the part where it stands.
    let passed_on = root.split("pub use ").skip(1).flat_map(paths);
    let owners: BTreeMap<String, String> = passed_on.map(|(part, name)| (name, part)).collect();
    let owner = |name: String| {
        if parts.contains_key(&name) { Some(name) } else { owners.get(&name).cloned() }
    };
    let uses = |(part, code): (&String, &String)| {
        let used = code.split("crate::").skip(1).flat_map(paths);
        let used = used.filter_map(|(first, _)| owner(first));
        let others = used.filter(|used| used != part && parts.contains_key(used)).collect();
        (part.clone(), others)
    };
    parts.iter().map(uses).collect()
}

/// Everything that can be reached from a part.
fn reached<'a>(
    arrows: &'a BTreeMap<String, BTreeSet<String>>,
    start: &'a str,
) -> BTreeSet<&'a String> {
    let mut found = BTreeSet::new();
    let mut waiting = vec![start];
    while let Some(part) = waiting.pop() {
        waiting.extend(arrows[part].iter().filter(|used| found.insert(*used)).map(String::as_str));
    }
    found
}

/// Groups of parts that all reach each other.
fn circles(arrows: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<Vec<&String>> {
    let returns = |part: &&String| reached(arrows, part).contains(part);
    let circle = |part: &String| -> Vec<&String> {
        let there = reached(arrows, part);
        arrows.keys().filter(|o| there.contains(o) && reached(arrows, o).contains(part)).collect()
    };
    arrows.keys().filter(returns).map(circle).collect()
}

#[test]
fn no_part_of_a_crate_uses_itself_through_others() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut problems = Vec::new();
    let mut seen = 0;
    for entry in fs::read_dir(crates).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let arrows = arrows(&entry.path().join("src"));
        let use_each_other = |circle: &Vec<&String>| format!("{name}: {circle:?} use each other");
        problems.extend(circles(&arrows).iter().map(use_each_other));
        seen += arrows.values().map(BTreeSet::len).sum::<usize>();
    }
    assert!(seen > 200, "only {seen} arrows were found");
    assert!(
        problems.is_empty(),
        "\n{}\nhint: move what both need to a file of its own",
        problems.join("\n")
    );
}

#[test]
fn a_circle_is_seen() {
    let used = |paths: &[&str]| paths.iter().map(|path| path.to_string()).collect();
    let arrows = BTreeMap::from([
        ("a".to_owned(), used(&["b"])),
        ("b".to_owned(), used(&["c"])),
        ("c".to_owned(), used(&["b"])),
    ]);
    let expected = ["b".to_owned(), "c".to_owned()];
    assert_eq!(circles(&arrows), BTreeSet::from([expected.iter().collect()]));
    let found = paths("a::{self, b::{c, d}, e::f};");
    let ends: Vec<&str> = found.iter().map(|(_, last)| last.as_str()).collect();
    assert_eq!((ends, found[0].0.as_str()), (vec!["self", "c", "d", "f"], "a"));
}
