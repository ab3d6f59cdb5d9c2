//! Lists of words as other toolkits keep them: the word with number 0 first.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::bytes::text;
use super::yaml::{self, Value};

/// The words of one side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Side {
    /// By their numbers.
    pub(crate) tokens: Vec<String>,
    /// Number of the word that ends a sentence.
    pub(crate) end: u32,
    /// Number of the word that stands for all others.
    pub(crate) unknown: u32,
}

impl Side {
    /// Looks up the special words.
    ///
    /// # Errors
    /// Those that the list lacks.
    pub(crate) fn new(tokens: Vec<String>, end: &str, unknown: &str) -> Result<Side, String> {
        let find = |word: &str| {
            let number = tokens.iter().position(|token| token == word);
            number.map(|number| number as u32).ok_or(format!("the vocabulary has no {word}"))
        };
        let (end, unknown) = match (find(end), find(unknown)) {
            (Ok(end), Ok(unknown)) => (end, unknown),
            (end, unknown) => {
                return Err([end.err(), unknown.err()]
                    .into_iter()
                    .flatten()
                    .collect::<Vec<_>>()
                    .join("; "));
            }
        };
        Ok(Side { tokens, end, unknown })
    }
}

/// The words of both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Words {
    pub(crate) source: Side,
    pub(crate) target: Side,
}

/// A reader of a list of words.
pub(crate) type WordReader = fn(&[u8]) -> Result<Vec<String>, String>;

/// A JSON list of words, or an object from words to their numbers.
///
/// # Errors
/// What is wrong.
pub(crate) fn json(bytes: &[u8]) -> Result<Vec<String>, String> {
    match serde_json::from_slice(bytes).map_err(|error| error.to_string())? {
        Json::Array(items) => items
            .into_iter()
            .enumerate()
            .map(|(number, item)| match item {
                Json::String(word) => Ok(word),
                other => Err(format!("word {number} is {other}, expected a text")),
            })
            .collect(),
        Json::Object(entries) => by_number(entries.into_iter().map(|(word, number)| {
            number.as_u64().ok_or(format!("word {word:?} has number {number}")).map(|n| (word, n))
        })),
        _ => Err("expected a list of words, or an object from words to numbers".to_string()),
    }
}

/// A YAML mapping from words to their numbers (Marian).
///
/// # Errors
/// What is wrong.
pub(crate) fn yaml(bytes: &[u8]) -> Result<Vec<String>, String> {
    by_number(yaml::parse(text(bytes, "it")?)?.into_iter().map(|(word, number)| match number {
        Value::Text(number) if number.parse::<u64>().is_ok() => {
            Ok((word, number.parse().expect("a number, as was seen")))
        }
        other => Err(format!("word {word:?} has number {other:?}")),
    }))
}

/// One word a line.
///
/// # Errors
/// What is wrong.
pub(crate) fn lines(bytes: &[u8]) -> Result<Vec<String>, String> {
    let text = text(bytes, "it")?;
    Ok(text.split_terminator('\n').map(|line| line.trim_end_matches('\r').to_string()).collect())
}

/// A dictionary of fairseq: `word count` in each line, after four words that each has (`fairseq/data/dictionary.py`).
///
/// # Errors
/// The first line that is none.
pub(crate) fn fairseq(bytes: &[u8]) -> Result<Vec<String>, String> {
    let mut words = ["<s>", "<pad>", "</s>", "<unk>"].map(str::to_string).to_vec();
    for (number, line) in text(bytes, "it")?.lines().enumerate() {
        let entry = line.strip_suffix(" #fairseq:overwrite").unwrap_or(line);
        match entry.rsplit_once(' ') {
            Some((word, count)) if count.parse::<u64>().is_ok() => words.push(word.to_string()),
            _ => return Err(format!("line {}: expected `word count`, found {line:?}", number + 1)),
        }
    }
    Ok(words)
}

/// Words in the order of their numbers, which have to be 0, 1 and so on.
fn by_number(
    entries: impl Iterator<Item = Result<(String, u64), String>>,
) -> Result<Vec<String>, String> {
    let mut words: BTreeMap<u64, String> = BTreeMap::new();
    for entry in entries {
        let (word, number) = entry?;
        if let Some(other) = words.insert(number, word.clone()) {
            return Err(format!("words {other:?} and {word:?} have the same number {number}"));
        }
    }
    if let Some((expected, (number, word))) =
        (0..).zip(&words).find(|(expected, (number, _))| expected != *number)
    {
        return Err(format!("no word has number {expected}; the next, {word:?}, has {number}"));
    }
    Ok(words.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_in_the_order_of_their_numbers() {
        let expected = ["</s>", "<unk>", "a b"].map(str::to_string).to_vec();
        assert_eq!(json(br#"["</s>", "<unk>", "a b"]"#).unwrap(), expected);
        assert_eq!(json(br#"{"a b": 2, "</s>": 0, "<unk>": 1}"#).unwrap(), expected);
        assert_eq!(yaml(b"\"a b\": 2\n\"</s>\": 0\n<unk>: 1\n").unwrap(), expected);
        assert_eq!(lines(b"</s>\n<unk>\r\na b\n").unwrap(), expected);
        let fairseq = fairseq("the 12\n▁a 3 #fairseq:overwrite\n".as_bytes()).unwrap();
        assert_eq!(fairseq, ["<s>", "<pad>", "</s>", "<unk>", "the", "▁a"]);
        let side = Side::new(expected.clone(), "</s>", "<unk>").unwrap();
        assert_eq!((side.end, side.unknown), (0, 1));
        let error = Side::new(expected, "<eos>", "UNK").unwrap_err();
        assert_eq!(error, "the vocabulary has no <eos>; the vocabulary has no UNK");
    }

    #[test]
    fn what_is_no_list_of_words_is_refused() {
        for (result, problem) in [
            (json(b"[1]"), "word 0 is 1"),
            (json(b"7"), "expected a list"),
            (json(b"{\"a\": 0, \"b\": 0}"), "have the same number 0"),
            (json(b"{\"a\": 0, \"b\": 2}"), "no word has number 1; the next, \"b\", has 2"),
            (json(b"{\"a\": -1}"), "has number -1"),
            (json(b"{\"a\": 99999999999999}"), "no word has number 0"),
            (json(b"["), "EOF"),
            (yaml(b"a: b\n"), "word \"a\" has number"),
            (yaml(b"a: [1]\n"), "word \"a\" has number"),
            (lines(b"\xff\n"), "not UTF-8"),
            (fairseq(b"a 1\nb\n"), "line 2: expected `word count`, found \"b\""),
        ] {
            let error = result.unwrap_err();
            assert!(error.contains(problem), "{error}");
        }
    }
}
