//! Source files as tests read them.

// Each test uses a part of this.
#![allow(dead_code)]

use std::fs;
use std::path::{Path, PathBuf};

/// The text with comments taken away and what stands inside literals replaced, line by line as before.
pub fn code_of(text: &str) -> String {
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
pub fn end_of_item(code: &str) -> usize {
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
pub fn without_tests(code: &str) -> String {
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

/// All Rust files below a folder that are more than tests.
pub fn sources(folder: &Path) -> Vec<PathBuf> {
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
