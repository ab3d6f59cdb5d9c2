//! Files and functions stay short enough to be read at once: 500 lines of code in a file, 60 in a function. Comments, blank
//! lines and tests do not count.

use std::fs;
use std::path::{Path, PathBuf};

const LONGEST_FILE: usize = 500;
const LONGEST_FUNCTION: usize = 60;

/// What may be longer: a file, one of its functions or none for the file itself, and why.
const EXCEPTIONS: &[(&str, Option<&str>, &str)] = &[
    (
        "wdistill-kernels/src/attention.rs",
        Some("backward_sentence_body"),
        "a kernel, whose sums share buffers",
    ),
    ("wdistill-cli/src/commands/bench.rs", Some("run"), "to be divided"),
    ("wdistill-cli/src/commands/info.rs", Some("run"), "to be divided"),
    ("wdistill-cli/src/commands/score.rs", None, "to be divided"),
    ("wdistill-pipeline/src/stages/train.rs", Some("student"), "to be divided"),
    ("wdistill-pipeline/src/stages/train.rs", Some("train"), "to be divided"),
];

/// The text with comments taken away and what stands inside literals replaced, line by line as before.
fn code_of(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let literal = literal_at(rest, code.chars().next_back());
        let (length, shown) = if rest.starts_with("//") {
            (rest.find('\n').unwrap_or(rest.len()), None)
        } else if rest.starts_with("/*") {
            (rest.find("*/").map_or(rest.len(), |end| end + 2), None)
        } else if literal > 0 {
            (literal, Some('_'))
        } else {
            code.push(next);
            rest = &rest[next.len_utf8()..];
            continue;
        };
        let hidden = rest[..length].chars();
        code.extend(hidden.filter_map(|c| if c == '\n' { Some(c) } else { shown }));
        rest = &rest[length..];
    }
    code
}

/// Bytes of the string or character that starts here; `before` is the character in front of it.
fn literal_at(text: &str, before: Option<char>) -> usize {
    let is_in_name = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let raw = text.strip_prefix('r').filter(|_| !is_in_name || before == Some('b'));
    if let Some(raw) = raw {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if let Some(inside) = raw[hashes..].strip_prefix('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            return inside.find(&end).map_or(text.len(), |at| at + 2 + hashes + end.len());
        }
    }
    if text.starts_with('"') {
        return end_of_quoted(text, '"');
    }
    // A lifetime has no second quotation mark.
    let mut inside = text.strip_prefix('\'').unwrap_or_default().chars();
    match (inside.next(), inside.next()) {
        (Some('\\'), _) => end_of_quoted(text, '\''),
        (Some(c), Some('\'')) => 2 + c.len_utf8(),
        _ => 0,
    }
}

fn end_of_quoted(text: &str, mark: char) -> usize {
    let mut is_escaped = false;
    for (index, character) in text.char_indices().skip(1) {
        if character == mark && !is_escaped {
            return index + 1;
        }
        is_escaped = character == '\\' && !is_escaped;
    }
    text.len()
}

/// The place after the bracket that closes the first `open` of the text, or after the `;` that comes before any.
fn end_of_item(code: &str) -> usize {
    let (mut depth, mut round) = (0usize, 0usize);
    for (index, character) in code.char_indices() {
        match character {
            '(' | '[' => round += 1,
            ')' | ']' => round = round.saturating_sub(1),
            '{' => depth += 1,
            '}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return index + 1;
                }
            }
            ';' if depth == 0 && round == 0 => return index + 1,
            _ => {}
        }
    }
    code.len()
}

/// Code without the items that only tests compile.
fn without_tests(code: &str) -> String {
    let mut kept = String::new();
    let mut rest = code;
    while let Some(at) =
        ["#[cfg(test)]", "#[cfg(all(test,"].iter().filter_map(|m| rest.find(m)).min()
    {
        kept.push_str(&rest[..at]);
        let attribute = at + rest[at..].find(")]").expect("an attribute ends") + 2;
        rest = &rest[attribute + end_of_item(&rest[attribute..])..];
    }
    kept + rest
}

fn lines_of(code: &str) -> usize {
    code.lines().filter(|line| !line.trim().is_empty()).count()
}

/// Every function with a body: its name and its lines of code.
fn functions(code: &str) -> Vec<(&str, usize)> {
    let is_of_name = |c: char| c.is_alphanumeric() || c == '_';
    let starts = code.match_indices("fn ").filter(|(at, _)| !code[..*at].ends_with(is_of_name));
    let function = |(at, _): (usize, &str)| {
        let rest = &code[at + 3..];
        let name = &rest[..rest.find(|c| !is_of_name(c)).unwrap_or(rest.len())];
        (name, lines_of(&rest[..end_of_item(rest)]))
    };
    starts.map(function).filter(|(name, _)| !name.is_empty()).collect()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let below = |path: PathBuf| if path.is_dir() { sources(&path) } else { vec![path] };
    let files = paths.into_iter().flat_map(below);
    // What stands in a file `tests.rs` is compiled for tests only.
    let is_code = |path: &Path| !path.ends_with("tests.rs");
    files
        .filter(|path| path.extension().is_some_and(|kind| kind == "rs") && is_code(path))
        .collect()
}

#[test]
fn files_and_functions_are_short() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut long = Vec::new();
    let mut count = 0;
    for entry in fs::read_dir(crates).unwrap() {
        for path in sources(&entry.unwrap().path().join("src")) {
            let code = without_tests(&code_of(&fs::read_to_string(&path).unwrap()));
            let name = path.strip_prefix(crates).unwrap().to_str().unwrap().replace('\\', "/");
            let lines = lines_of(&code);
            if lines > LONGEST_FILE {
                long.push((name.clone(), None, lines, LONGEST_FILE));
            }
            for (function, lines) in functions(&code) {
                if lines > LONGEST_FUNCTION {
                    long.push((name.clone(), Some(function.to_owned()), lines, LONGEST_FUNCTION));
                }
            }
            count += 1;
        }
    }
    assert!(count > 200, "only {count} files were found");
    let mut problems = Vec::new();
    for (file, function, lines, most) in &long {
        let is_known = |(other, part, _): &(&str, Option<&str>, &str)| {
            other == file && *part == function.as_deref()
        };
        if !EXCEPTIONS.iter().any(is_known) {
            let what = function.as_ref().map_or(String::new(), |name| format!(", function {name}"));
            problems.push(format!("{file}{what}: {lines} lines of code, expected at most {most}"));
        }
    }
    for (file, part, _) in EXCEPTIONS {
        if !long.iter().any(|(other, function, ..)| other == file && function.as_deref() == *part) {
            problems
                .push(format!("{file} {part:?}: short enough now. hint: take it from EXCEPTIONS"));
        }
    }
    problems.sort();
    assert!(problems.is_empty(), "\n{}\nhint: divide them", problems.join("\n"));
}

#[test]
fn comments_and_tests_are_no_code() {
    let text = "// no\nfn one() { /* {\n */ let a = \"}\\\"//\";\n\n    let b = ['{', '\\'']; let c: &'static str = r#\"}\"{\"#; }\n\
                #[cfg(test)]\nmod tests {\n    fn two() {}\n}\nfn three(x: [u8; 2]);\n";
    let code = without_tests(&code_of(text));
    assert_eq!(functions(&code), [("one", 3), ("three", 1)]);
    assert_eq!(lines_of(&code), 4);
    assert_eq!(functions(&code_of("impl A { fn f() {\n1\n} }\nstruct B(fn (u8));")), [("f", 3)]);
}
