//! Lists of words as other toolkits keep them: the word with number 0 first.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde_json::Value as Json;

use wdistill_base::Problem;

use crate::error::FormatError;
use crate::files::bytes::text;
use crate::files::yaml::{self, Value};

/// The words of one side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Side {
    /// By their numbers.
    pub tokens: Vec<String>,
    /// Number of the word that ends a sentence.
    pub end: u32,
    /// Number of the word that stands for all others.
    pub unknown: u32,
    /// Numbers of further words that stand for no text.
    pub controls: Vec<u32>,
    /// Numbers of words that a text is divided at before anything else is done with it.
    pub added: Vec<u32>,
}

/// Names of tokens that stand for no text, wherever they are in use.
const CONTROLS: &[&str] = &["<s>", "<pad>", "<blank>"];

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
        let is_control = |(_, token): &(u32, &String)| CONTROLS.contains(&token.as_str());
        let controls = (0..).zip(&tokens).filter(is_control).map(|(number, _)| number).collect();
        Ok(Side { tokens, end, unknown, controls, added: Vec::new() })
    }

    /// Keeps the first words.
    pub(crate) fn truncate(&mut self, count: usize) {
        self.tokens.truncate(count);
        self.controls.retain(|number| (*number as usize) < count);
        self.added.retain(|number| (*number as usize) < count);
    }

    /// Numbers whose word a later one of the same dictionary has taken over.
    pub(crate) fn overwritten(&self) -> usize {
        let is_overwritten =
            |(number, token): &(usize, &String)| token.starts_with(&overwritten(*number, ""));
        self.tokens.iter().enumerate().filter(is_overwritten).count()
    }
}

/// Name of a number without a word.
fn overwritten(number: usize, word: &str) -> String {
    format!("overwritten {number}: {word}")
}

/// The words of both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// Of the source.
    pub source: Side,
    /// Of the target.
    pub target: Side,
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

/// Words that each dictionary of fairseq has, before those of its file.
pub(crate) const FAIRSEQ_SPECIALS: [&str; 4] = ["<s>", "<pad>", "</s>", "<unk>"];

/// Says in a dictionary of fairseq that a word comes again on purpose.
pub(crate) const OVERWRITE: &str = "#fairseq:overwrite";

/// A dictionary of fairseq, by the rule of `fairseq/data/dictionary.py`: `word count`, and perhaps a flag, in each
/// line, after four words that each has.
///
/// A word that comes again with the flag is from then on the one with the later number. The earlier number keeps
/// its place under a name of its own, and its role: a special word stays what it was.
///
/// # Errors
/// The first line that is none, or that repeats a word without the flag.
pub(crate) fn fairseq(bytes: &[u8]) -> Result<Side, Problem> {
    let mut tokens = FAIRSEQ_SPECIALS.map(str::to_string).to_vec();
    let mut numbers: HashMap<String, usize> = tokens.iter().cloned().zip(0..).collect();
    let mut controls = vec![0, 1];
    for (line, number) in python_lines(text(bytes, "it")?).zip(1..) {
        let (word, repetition) = fairseq_entry(line).ok_or_else(|| {
            format!(
                "line {number}: expected `word count`, perhaps with {OVERWRITE}, found {line:?}"
            )
        })?;
        if let Some(earlier) = numbers.insert(word.to_string(), tokens.len()) {
            if repetition == Repetition::Error {
                return Err(Problem::with_hint(
                    format!(
                        "line {number}: the word {word:?} comes again, first as number {earlier}"
                    ),
                    format!("{OVERWRITE} at the line's end says that it is meant"),
                ));
            }
            tokens[earlier] = overwritten(earlier, word);
            if earlier >= FAIRSEQ_SPECIALS.len() {
                controls.push(earlier as u32);
            }
        }
        tokens.push(word.to_string());
    }
    Ok(Side { tokens, end: 2, unknown: 3, controls, added: Vec::new() })
}

/// What a word is that came before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Repetition {
    Error,
    Overwrites,
}

/// The word of a line, whose count, a whole number, says nothing of the model.
fn fairseq_entry(line: &str) -> Option<(&str, Repetition)> {
    let (entry, field) = line.trim_end_matches(is_python_blank).rsplit_once(' ')?;
    let (word, count, repetition) = if field == OVERWRITE {
        let (word, count) = entry.rsplit_once(' ')?;
        (word, count, Repetition::Overwrites)
    } else {
        (entry, field, Repetition::Error)
    };
    is_python_integer(count).then_some((word, repetition))
}

/// Lines as Python's text files have them.
fn python_lines(text: &str) -> impl Iterator<Item = &str> {
    let whole = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    let mut lines: Vec<&str> = whole.flat_map(|line| line.split('\r')).collect();
    if lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
    lines.into_iter()
}

/// Python counts four separators among its white space.
fn is_python_blank(character: char) -> bool {
    character.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&character)
}

/// What Python's `int` takes: a sign, and digits that single underscores may divide.
fn is_python_integer(text: &str) -> bool {
    let text = text.trim_matches(is_python_blank);
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    digits.split('_').all(is_number)
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

/// The error of a file that holds no words.
pub(crate) fn not_words(path: &Path, reason: impl Into<Problem>) -> FormatError {
    FormatError::Malformed {
        path: path.to_path_buf(),
        format: "a vocabulary",
        reason: reason.into(),
    }
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
        assert_eq!(yaml("\u{feff}</s>: 0\n<unk>: 1\na b: 2\n".as_bytes()).unwrap(), expected);
        assert_eq!(lines(b"</s>\n<unk>\r\na b\n").unwrap(), expected);
        let side = Side::new(expected.clone(), "</s>", "<unk>").unwrap();
        assert_eq!((side.end, side.unknown), (0, 1));
        let error = Side::new(expected, "<eos>", "UNK").unwrap_err();
        assert_eq!(error, "the vocabulary has no <eos>; the vocabulary has no UNK");
    }

    /// Lines that fairseq 0.12 reads, with the numbers that it gives.
    #[test]
    fn dictionaries_of_fairseq_are_read_by_its_own_rule() {
        let words = |text: &str| fairseq(text.as_bytes()).unwrap().tokens.split_off(4);
        assert_eq!(words("the 12\n▁a 3 #fairseq:overwrite\n"), ["the", "▁a"]);
        assert_eq!(words("ie -0\n▁p -1\na +2\nb 1_000\n"), ["ie", "▁p", "a", "b"]);
        assert_eq!(words("ie 5 \n▁p 4\t\r\na 3\u{a0}\rb \t2\u{1c}"), ["ie", "▁p", "a", "b"]);
        assert_eq!(words("a b 5\n\u{3000} 4\n  3\n"), ["a b", "\u{3000}", " "]);
    }

    #[test]
    fn words_that_overwrite_others_have_the_later_number() {
        let lines = "</s> 0 #fairseq:overwrite\n<s> 0 #fairseq:overwrite \na 2\nb 1\na 1 #fairseq:overwrite\n";
        let side = fairseq(lines.as_bytes()).unwrap();
        let number = |word: &str| side.tokens.iter().position(|token| token == word);
        assert_eq!(["</s>", "<s>", "<pad>", "a", "b"].map(number), [4, 5, 1, 8, 7].map(Some));
        assert_eq!((side.end, side.unknown, side.controls), (2, 3, vec![0, 1, 6]));
        assert_eq!(side.tokens.len(), 9);
    }

    #[test]
    fn lines_that_fairseq_refuses_are_refused() {
        for (lines, problem) in [
            (
                "a 1\nb\n",
                "line 2: expected `word count`, perhaps with #fairseq:overwrite, found \"b\"",
            ),
            ("a 1\n\nb 1\n", "line 2: expected `word count`"),
            ("a 1.5\n", "line 1: expected `word count`"),
            ("a 1__0\n", "line 1: expected `word count`"),
            ("a 1  #fairseq:overwrite\n", "line 1: expected `word count`"),
            ("a 1\na 2\n", "line 2: the word \"a\" comes again, first as number 4"),
            ("<s> 1\n", "line 1: the word \"<s>\" comes again, first as number 0"),
        ] {
            let error = fairseq(lines.as_bytes()).unwrap_err();
            assert!(error.fact.contains(problem), "{lines:?}: {error}");
        }
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
            (yaml(b"\xff: 1\n"), "not UTF-8"),
            (yaml(b"a: b\n"), "word \"a\" has number"),
            (yaml(b"a: [1]\n"), "word \"a\" has number"),
            (lines(b"\xff\n"), "not UTF-8"),
        ] {
            let error = result.unwrap_err();
            assert!(error.contains(problem), "{error}");
        }
    }
}
