//! Names in a recipe that no type knows.

use std::fmt;

use serde_json::Value;
use toml::{Table, Value as Toml};

use super::{Node, choices, node};

/// Earlier names of keys, and today's.
const RENAMED: [(&str, &str); 1] = [("beam", "beam_size")];

/// Today's name of a key.
pub fn today(key: &str) -> &str {
    RENAMED.iter().find(|(earlier, _)| *earlier == key).map_or(key, |(_, today)| today)
}

/// A step on the way to a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Into a table.
    Key(String),
    /// Into a row of tables.
    Index(usize),
}

/// The way to a value, such as `systems[1].training`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place(pub Vec<Step>);

impl Place {
    fn with(&self, step: Step) -> Place {
        Place(self.0.iter().cloned().chain([step]).collect())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if index > 0 => write!(f, ".{key}")?,
                Step::Key(key) => write!(f, "{key}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// A key, or a word as a value, that no type knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// Where it stands; of a key the key itself is the last step.
    pub place: Place,
    /// What is wrong.
    pub fact: String,
    /// The way out.
    pub hint: String,
}

/// All names in a table that its schema does not know, in the order of the table.
pub fn unknown(schema: &Value, table: &Table) -> Vec<Unknown> {
    let mut found = Vec::new();
    visit(schema, &Toml::Table(table.clone()), &Place::default(), &mut found);
    found
}

fn visit(schema: &Value, value: &Toml, place: &Place, found: &mut Vec<Unknown>) {
    match (node(schema), value) {
        (Node::Table(keys), Toml::Table(table)) => {
            for (name, value) in table {
                let place = place.with(Step::Key(name.clone()));
                match keys.get(today(name)) {
                    Some(schema) => visit(schema, value, &place, found),
                    None => {
                        let expected = keys.keys().map(String::as_str);
                        let fact = format!("unknown key `{place}`");
                        found.push(Unknown { place, fact, hint: hint(name, expected.collect()) });
                    }
                }
            }
        }
        (Node::Tables(_), Toml::Array(rows)) => {
            for (index, row) in rows.iter().enumerate() {
                visit(&schema["items"], row, &place.with(Step::Index(index)), found);
            }
        }
        // One table alone may stand for a row of one.
        (Node::Tables(_), Toml::Table(_)) => visit(&schema["items"], value, place, found),
        (Node::Value, Toml::String(word)) => {
            let choices = choices(schema);
            let names: Vec<&str> = choices.iter().map(|choice| choice.name.as_str()).collect();
            if !names.is_empty() && !names.contains(&word.as_str()) {
                let fact = format!("{place} is \"{word}\"");
                found.push(Unknown { place: place.clone(), fact, hint: hint(word, names) });
            }
        }
        // What is of another type altogether, its reader refuses.
        _ => {}
    }
}

/// The nearest of the expected names, if it is near, or all of them. Who writes almost an earlier name means today's.
fn hint(name: &str, expected: Vec<&str>) -> String {
    let earlier =
        RENAMED.iter().filter(|(_, today)| expected.contains(today)).map(|(name, _)| *name);
    let distance = |known: &&str| strsim::damerau_levenshtein(name, known);
    match expected.iter().copied().chain(earlier).min_by_key(distance) {
        Some(nearest) if distance(&nearest) * 2 <= name.chars().count() => {
            format!("did you mean `{}`?", today(nearest))
        }
        _ => format!("expected one of {}", expected.join(", ")),
    }
}

/// A word for each key that a table has by an earlier name.
pub fn renamed(table: &Table) -> Vec<String> {
    let mut found = Vec::new();
    for (key, value) in table {
        let name = today(key);
        if name != key {
            found.push(format!(
                "the key {key} is called {name} now; the earlier name is still read"
            ));
        }
        let rows = match value {
            Toml::Table(table) => vec![table],
            Toml::Array(rows) => rows.iter().filter_map(Toml::as_table).collect(),
            _ => Vec::new(),
        };
        found.extend(rows.into_iter().flat_map(renamed));
    }
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::super::RECIPE;
    use super::*;

    fn found(text: &str) -> Vec<(String, String)> {
        let found = unknown(&RECIPE, &text.parse().unwrap()).into_iter();
        found.map(|Unknown { fact, hint, .. }| (fact, hint)).collect()
    }

    #[test]
    fn all_unknown_names_are_found_at_any_depth() {
        let text = r#"
            titel = "x"
            [decoding]
            beem = 3
            [student.training]
            warmup = 3
            criterion = "bleu"
            [student.architecture.encoder]
            depth = 3
            [[systems]]
            method = "kd"
            [[systems]]
            method = "dk"
            generator = { selection = "mean" }
        "#;
        let expected = [
            ("unknown key `decoding.beem`", "did you mean `beam_size`?"),
            (
                "unknown key `student.architecture.encoder.depth`",
                "expected one of feed_forward, heads, layers, width",
            ),
            ("unknown key `student.training.warmup`", "did you mean `warm_up`?"),
            (
                "systems[1].generator.selection is \"mean\"",
                "expected one of last, best, average, moving-average",
            ),
            ("systems[1].method is \"dk\"", "did you mean `kd`?"),
            ("unknown key `titel`", "did you mean `title`?"),
        ];
        let expected = expected.map(|(fact, hint)| (fact.to_string(), hint.to_string()));
        assert_eq!(found(text), expected);
    }

    #[test]
    fn earlier_names_are_known_and_said() {
        let text = "[decoding]\nbeam = 3\n[pseudo_data]\nbeam = 2";
        assert!(found(text).is_empty());
        let expected = "the key beam is called beam_size now; the earlier name is still read";
        assert_eq!(renamed(&text.parse().unwrap()), [expected]);
    }
}
