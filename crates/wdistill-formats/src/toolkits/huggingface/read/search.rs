//! What a folder says of how its translations are searched.

use std::path::Path;

use serde_json::{Map, Value};

use super::{CONFIG_FILE, Findings, malformed};
use crate::error::FormatError;
use crate::files::read_file;
use crate::toolkits::huggingface::GENERATION_FILE;

/// Settings that force words into every translation: without them the model translates wrongly, often into another
/// language.
const FORCING: &[&str] = &[
    "decoder_input_ids",
    "force_bos_token_to_be_generated",
    "forced_bos_token_id",
    "forced_decoder_ids",
    "prefix",
];

/// Settings under which `transformers` searches in a way that is not done here, and the values under which it does not.
const ELSEWHERE: &[(&str, &[f64])] = &[
    ("begin_suppress_tokens", &[]),
    ("diversity_penalty", &[0.0]),
    ("do_sample", &[0.0]),
    ("encoder_no_repeat_ngram_size", &[0.0]),
    ("encoder_repetition_penalty", &[1.0]),
    ("min_length", &[0.0]),
    ("min_new_tokens", &[0.0]),
    ("no_repeat_ngram_size", &[0.0]),
    ("penalty_alpha", &[0.0]),
    ("repetition_penalty", &[1.0]),
    ("sequence_bias", &[]),
    ("suppress_tokens", &[]),
];

/// Looks at both files that may hold such settings; the second is not in every folder.
pub(super) fn check(
    folder: &Path,
    config: &Map<String, Value>,
    findings: &mut Findings,
) -> Result<(), FormatError> {
    check_settings(CONFIG_FILE, config, findings);
    let path = folder.join(GENERATION_FILE);
    if path.exists() {
        let settings: Map<String, Value> = serde_json::from_slice(&read_file(&path)?)
            .map_err(|error| malformed(&path, error.to_string()))?;
        check_settings(GENERATION_FILE, &settings, findings);
    }
    Ok(())
}

fn check_settings(file: &str, settings: &Map<String, Value>, findings: &mut Findings) {
    for (key, value) in FORCING.iter().filter_map(|key| Some((key, settings.get(*key)?))) {
        if is_on(value, &[]) {
            findings.problem(format!(
                "{file}: {key} is {value}, which forces words into every translation and cannot be expressed"
            ));
        }
    }
    for (key, neutral) in ELSEWHERE {
        let value = settings.get(*key).filter(|value| is_on(value, neutral));
        if let Some(value) = value {
            let note = format!(
                "{file}: {key} is {value}; transformers heeds it, translations made here do not"
            );
            findings.note(note);
        }
    }
    // The padding alone is never written here either.
    let padding = settings.get("pad_token_id");
    let words = settings.get("bad_words_ids").and_then(Value::as_array);
    let others =
        words.into_iter().flatten().filter(|word| word.get(0) != padding || padding.is_none());
    if let Some(word) = others.into_iter().next() {
        findings.note(format!(
            "{file}: bad_words_ids forbids {word}; transformers heeds it, translations made here do not"
        ));
    }
}

/// Whether a value switches something on.
fn is_on(value: &Value, neutral: &[f64]) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Bool(true) => true,
        Value::Number(number) => !number.as_f64().is_some_and(|number| neutral.contains(&number)),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(items) => !items.is_empty(),
    }
}
