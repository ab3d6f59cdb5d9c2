//! Texts to score: references and translations.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use wdistill_base::Problem;
use wdistill_text::text_reader;

/// Translations of one system, or one stream of references.
pub struct System {
    /// The file.
    pub name: String,
    /// A line for each sentence.
    pub lines: Vec<String>,
}

fn lines(text: &str) -> Vec<String> {
    // What Python's rstrip takes away.
    let is_space = |c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c);
    text.lines().map(|line| line.trim_end_matches(is_space).to_string()).collect()
}

/// The path that stands for standard input.
pub const STANDARD_INPUT: &str = "-";

/// A file, or standard input.
pub fn read(path: &Path) -> anyhow::Result<System> {
    if path == Path::new(STANDARD_INPUT) {
        return read_text("standard input", std::io::stdin());
    }
    let name = path.display().to_string();
    let file = File::open(path).with_context(|| format!("cannot read {name}"))?;
    read_text(&name, file)
}

/// A text, compressed or not.
fn read_text(name: &str, input: impl Read + Send) -> anyhow::Result<System> {
    let mut bytes = Vec::new();
    text_reader(input)
        .and_then(|mut text| text.read_to_end(&mut bytes))
        .with_context(|| format!("cannot read {name}"))?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(System { lines: lines(&text), name: name.to_string() }),
        Err(error) => {
            let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
            let fact = format!("{name}:{line}: not valid UTF-8");
            bail!(Problem::with_hint(fact, "convert the file to UTF-8"))
        }
    }
}

/// The systems on standard input, in which tabs divide each line.
pub fn systems_on_standard_input() -> anyhow::Result<Vec<System>> {
    let text = read_text("standard input", std::io::stdin())?;
    let count = text.lines.first().map_or(1, |line| line.split('\t').count());
    if count == 1 && text.lines.iter().all(|line| !line.contains('\t')) {
        return Ok(vec![text]);
    }
    let mut systems: Vec<System> = (1..=count)
        .map(|number| System { name: format!("System {number}"), lines: Vec::new() })
        .collect();
    for (number, line) in (1..).zip(&text.lines) {
        let found = line.split('\t').count();
        if found != count {
            let fact = format!(
                "{}:{number}: found {found} systems with tabs between them, expected {count} as on line 1",
                text.name
            );
            bail!(Problem::with_hint(fact, "a text with tabs of its own is given by --input"));
        }
        for (system, translation) in systems.iter_mut().zip(line.split('\t')) {
            system.lines.extend(lines(translation).pop().or_else(|| Some(String::new())));
        }
    }
    Ok(systems)
}

/// The streams of references in a file in which tabs divide each line.
pub fn divided_references(file: &System, count: usize) -> anyhow::Result<Vec<System>> {
    let mut streams = vec![Vec::new(); count];
    for (number, line) in (1..).zip(&file.lines) {
        // As in sacreBLEU, further tabs belong to the last reference.
        let fields: Vec<&str> = line.splitn(count, '\t').collect();
        ensure!(
            fields.len() == count,
            "{}:{number}: found {} references with tabs between them, expected {count} by --num-refs",
            file.name,
            fields.len()
        );
        for (stream, field) in streams.iter_mut().zip(fields) {
            stream.push(field.to_string());
        }
    }
    let stream = |lines| System { name: file.name.clone(), lines };
    Ok(streams.into_iter().map(stream).collect())
}

/// Refuses systems that are not as long as the references.
pub fn check_lengths(systems: &[System], references: &[System]) -> anyhow::Result<()> {
    for system in systems {
        for reference in references {
            let (found, expected) = (system.lines.len(), reference.lines.len());
            if found != expected {
                let fact = format!(
                    "{} has {found} lines, but {} has {expected}",
                    system.name, reference.name
                );
                let hint = "line N of every reference translates the same sentence as line N of the translations";
                bail!(Problem::with_hint(fact, hint));
            }
        }
    }
    Ok(())
}
