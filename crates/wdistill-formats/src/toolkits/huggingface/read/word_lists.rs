//! The words of a MarianMT folder, and tokens that were added to them.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};

use super::super::{ADDED_TOKENS_FILE, TARGET_WORDS_FILE, TOKENIZER_FILE, WORDS_FILE};
use super::{Settings, malformed};
use crate::error::FormatError;
use crate::files::read_optional;
use crate::toolkits::words::{self, Side, Words};

/// The words of both sides; a folder of a model with one matrix for both has one list.
pub(super) fn words(
    folder: &Path,
    settings: &mut Settings<'_>,
) -> Result<Option<Words>, FormatError> {
    let is_shared = settings.shares_embeddings();
    let added = added_tokens(folder, settings)?;
    let side = |file: &str, added: &[(String, u64)]| {
        let side = read_optional(&folder.join(file))?.map(|bytes| {
            let mut tokens = words::json(&bytes)?;
            let added = append(&mut tokens, added)?;
            let side = Side::new(tokens, "</s>", "<unk>")?;
            // Special words are text where a line holds them.
            let is_special =
                |id: &u32| *id == side.end || *id == side.unknown || side.controls.contains(id);
            let added = added.into_iter().filter(|id| !is_special(id)).collect();
            Ok(Side { added, ..side })
        });
        Ok::<_, FormatError>(
            side.map(|side| side.map_err(|problem: String| format!("{file}: {problem}"))),
        )
    };
    let source =
        side(WORDS_FILE, &added)?.unwrap_or_else(|| Err(format!("there is no {WORDS_FILE}")));
    // Numbers of added tokens follow those of the source.
    let target = if is_shared { None } else { side(TARGET_WORDS_FILE, &[])? };
    let source = settings.findings.some(source);
    let target = match target {
        None => source.clone(),
        Some(target) => settings.findings.some(target),
    };
    Ok(source.zip(target).map(|(source, target)| Words { source, target }))
}

/// Puts added tokens behind a list's, unless it has them already, and gives their numbers.
fn append(tokens: &mut Vec<String>, added: &[(String, u64)]) -> Result<Vec<u32>, String> {
    let mut numbers = Vec::new();
    for (token, number) in added {
        match usize::try_from(*number).ok().and_then(|number| tokens.get(number)) {
            Some(listed) if listed == token => {}
            None if *number == tokens.len() as u64 => tokens.push(token.clone()),
            _ => {
                return Err(format!(
                    "the added token {token:.60?} has number {number}, expected {}, the next",
                    tokens.len()
                ));
            }
        }
        numbers.push(*number as u32);
    }
    Ok(numbers)
}

/// Tokens that were added to a tokenizer, by their numbers: of `added_tokens.json`, and of `added_tokens_decoder`
/// in `tokenizer_config.json`, which says how as well.
fn added_tokens(
    folder: &Path,
    settings: &mut Settings<'_>,
) -> Result<Vec<(String, u64)>, FormatError> {
    let read = |name: &str| {
        let path = folder.join(name);
        let bytes = read_optional(&path)?;
        let map = bytes.map(|bytes| serde_json::from_slice::<Map<String, Value>>(&bytes));
        let map = map.transpose().map_err(|error| malformed(&path, error.to_string()))?;
        Ok::<_, FormatError>(map.unwrap_or_default())
    };
    let mut added = BTreeMap::new();
    let mut problems = Vec::new();
    for (token, number) in read(ADDED_TOKENS_FILE)? {
        match number.as_u64() {
            Some(number) => drop(added.insert(number, token)),
            None => problems.push(format!("{ADDED_TOKENS_FILE}: {token:.60?} has number {number}")),
        }
    }
    let tokenizer = read(TOKENIZER_FILE)?;
    let decoder = tokenizer.get("added_tokens_decoder").and_then(Value::as_object);
    for (number, entry) in decoder.into_iter().flatten() {
        let content = entry.get("content").and_then(Value::as_str);
        let Some((number, content)) = number.parse::<u64>().ok().zip(content) else {
            problems
                .push(format!("{TOKENIZER_FILE}: added_tokens_decoder has {number:.60?}: {entry}"));
            continue;
        };
        if entry.get("single_word") == Some(&Value::Bool(true)) {
            problems.push(format!(
                "{TOKENIZER_FILE}: {content:.60?} is only one between spaces (single_word), which cannot be expressed"
            ));
        }
        match added.insert(number, content.to_string()) {
            Some(other) if other != content => problems.push(format!(
                "number {number} is {other:.60?} in {ADDED_TOKENS_FILE}, but {content:.60?} in {TOKENIZER_FILE}"
            )),
            _ => {}
        }
    }
    problems.into_iter().for_each(|problem| settings.findings.problem(problem));
    Ok(added.into_iter().map(|(number, token)| (token, number)).collect())
}
