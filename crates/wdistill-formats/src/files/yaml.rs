//! The little of YAML that Marian's files use: one mapping from names to texts or lists of texts.
//!
//! The parser's events are taken one by one, so that no file can nest deeper or refer to itself: anchors and
//! aliases are refused.

use std::collections::HashSet;

use yaml_rust2::parser::{Event, Parser};

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Text(String),
    List(Vec<String>),
    /// A list or mapping that holds other ones.
    Nested,
}

/// All entries of the mapping, in the order of the file. A byte order mark before it is none of them.
///
/// # Errors
/// What is wrong, and in which line.
pub(crate) fn parse(text: &str) -> Result<Vec<(String, Value)>, String> {
    let mut events = Events { parser: Parser::new_from_str(text.trim_start_matches('\u{feff}')) };
    while matches!(events.peek()?, Event::StreamStart | Event::DocumentStart | Event::Nothing) {
        events.next()?;
    }
    let mut entries = Vec::new();
    match events.next()? {
        (Event::MappingStart(..), _) => {}
        (Event::StreamEnd | Event::DocumentEnd, _) => return Ok(entries),
        (_, line) => return Err(format!("line {line}: expected `name: value`")),
    }
    let mut names = HashSet::new();
    loop {
        match events.next()? {
            (Event::MappingEnd, _) => return Ok(entries),
            (Event::Scalar(name, ..), line) => {
                if !names.insert(name.clone()) {
                    return Err(format!("line {line}: {name:?} comes twice"));
                }
                entries.push((name, events.value()?));
            }
            (_, line) => return Err(format!("line {line}: expected `name: value`")),
        }
    }
}

struct Events<'t> {
    parser: Parser<std::str::Chars<'t>>,
}

impl Events<'_> {
    fn peek(&mut self) -> Result<Event, String> {
        self.parser.peek().map(|(event, _)| event.clone()).map_err(|error| error.to_string())
    }

    /// The next event and its line; anchors and aliases are errors.
    fn next(&mut self) -> Result<(Event, usize), String> {
        let (event, marker) = self.parser.next_token().map_err(|error| error.to_string())?;
        let line = marker.line();
        let anchor = match &event {
            Event::Alias(_) => 1,
            Event::Scalar(_, _, anchor, _)
            | Event::SequenceStart(anchor, _)
            | Event::MappingStart(anchor, _) => *anchor,
            _ => 0,
        };
        match anchor {
            0 => Ok((event, line)),
            _ => Err(format!("line {line}: anchors and aliases are not read")),
        }
    }

    fn value(&mut self) -> Result<Value, String> {
        match self.next()? {
            (Event::Scalar(text, ..), _) => Ok(Value::Text(text)),
            (Event::SequenceStart(..), _) => self.list(),
            (Event::MappingStart(..), _) => {
                self.skip(1)?;
                Ok(Value::Nested)
            }
            (_, line) => Err(format!("line {line}: expected a value")),
        }
    }

    fn list(&mut self) -> Result<Value, String> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::Scalar(text, ..), _) => items.push(text),
                (Event::SequenceEnd, _) => return Ok(Value::List(items)),
                (Event::SequenceStart(..) | Event::MappingStart(..), _) => {
                    self.skip(2)?;
                    return Ok(Value::Nested);
                }
                (_, line) => return Err(format!("line {line}: expected an item of a list")),
            }
        }
    }

    /// Leaves as many lists and mappings as are open.
    fn skip(&mut self, mut open: usize) -> Result<(), String> {
        while open > 0 {
            match self.next()? {
                (Event::SequenceStart(..) | Event::MappingStart(..), _) => open += 1,
                (Event::SequenceEnd | Event::MappingEnd, _) => open -= 1,
                (Event::StreamEnd, line) => {
                    return Err(format!("line {line}: a list or mapping has no end"));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::Text(text.to_string())
    }

    #[test]
    fn names_stand_for_texts_and_lists() {
        let entries = parse(
            "# comment\n\"</s>\": 0\n\"\\\"\": 1\ndim-emb: 512\ndim-vocabs:\n  - 10\n  - 20\n\
             empty: []\nflow: [a, \"b c\"]\ndeep: {a: [1, {b: c}]}\nnested:\n  - [x]\n  - y\n▁the: 7\n",
        );
        let list =
            |items: &[&str]| Value::List(items.iter().map(|item| item.to_string()).collect());
        let expected = [
            ("</s>", text("0")),
            ("\"", text("1")),
            ("dim-emb", text("512")),
            ("dim-vocabs", list(&["10", "20"])),
            ("empty", list(&[])),
            ("flow", list(&["a", "b c"])),
            ("deep", Value::Nested),
            ("nested", Value::Nested),
            ("▁the", text("7")),
        ];
        assert_eq!(entries.unwrap(), expected.map(|(name, value)| (name.to_string(), value)));
        assert_eq!(parse("").unwrap(), []);
    }

    #[test]
    fn what_could_grow_or_contradict_is_refused() {
        for (text, problem) in [
            ("a: 1\na: 2\n", "line 2: \"a\" comes twice"),
            ("a: &x [1]\nb: *x\n", "anchors"),
            ("a: *x\n", "anchor"),
            ("- a\n- b\n", "line 1: expected `name: value`"),
            ("a: [1, 2\n", ""),
            ("a: {b: c\n", ""),
            ("? [a]\n: b\n", "expected `name: value`"),
            ("\"a: 1\n", ""),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(problem), "{text:?}: {error}");
        }
        let deep = format!("a: {}1{}", "[".repeat(50_000), "]".repeat(50_000));
        assert!(parse(&deep).is_err() || parse(&deep) == Ok(vec![("a".into(), Value::Nested)]));
    }
}
