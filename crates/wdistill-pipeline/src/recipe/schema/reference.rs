//! All keys of a recipe, in tables.

use serde_json::{Map, Value};

use super::{Node, RECIPE, choices, node, required};

/// Keys that stand together.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyTable {
    /// Where the table stands: one path, or several that take the same keys. The recipe's own keys have the empty path.
    pub paths: Vec<String>,
    /// What it is for, one for each path.
    pub descriptions: Vec<String>,
    /// Its keys by name.
    pub keys: Vec<Key>,
}

/// A key.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// Its name in its table.
    pub name: String,
    /// What it takes: `whole number`, `number`, `text`, `one of a, b`, ...
    pub takes: String,
    /// The value of a recipe that does not have it, as TOML; none if there has to be one, or if it may be absent.
    pub default: Option<String>,
    /// The words that it may be.
    pub choices: Vec<Choice>,
    /// What it says.
    pub description: String,
}

/// A word that a key may be.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// The word.
    pub name: String,
    /// What it says.
    pub description: String,
}

/// All tables of keys, from the outside in; a table that stands in several places comes once.
pub fn key_tables() -> Vec<KeyTable> {
    let mut tables = Vec::new();
    let keys = RECIPE["properties"].as_object().expect("a recipe is a table");
    add(&mut tables, "", &RECIPE, keys);
    tables
}

/// Adds the tables at a path and below. A table's own default has the values of the keys that it does not hold.
fn add(tables: &mut Vec<KeyTable>, path: &str, schema: &Value, keys: &Map<String, Value>) {
    let description = one_paragraph(&schema["description"]);
    let defaults = &schema["default"];
    let is_value = |schema: &Value| matches!(node(schema), Node::Value);
    let own = keys.iter().filter(|(_, schema)| is_value(schema));
    let own: Vec<Key> = own.map(|(name, schema)| key(name, schema, defaults)).collect();
    match tables.iter_mut().find(|table| !own.is_empty() && table.keys == own) {
        Some(table) => {
            table.paths.push(path.to_string());
            table.descriptions.push(description);
        }
        None => tables.push(KeyTable {
            paths: vec![path.to_string()],
            descriptions: vec![description],
            keys: own,
        }),
    }
    for (name, schema) in keys {
        let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match node(schema) {
            Node::Table(keys) => add(tables, &below, schema, keys),
            Node::Tables(keys) => add(tables, &format!("{below}[]"), schema, keys),
            Node::Value => {}
        }
    }
}

fn key(name: &str, schema: &Value, defaults: &Value) -> Key {
    let default = defaults.get(name).or(schema.get("default"));
    Key {
        name: name.to_string(),
        takes: takes(schema),
        default: default.filter(|value| !value.is_null()).map(as_toml),
        choices: choices(schema),
        description: one_paragraph(&schema["description"]),
    }
}

/// What a value has to be, in words.
fn takes(schema: &Value) -> String {
    let schema = required(schema);
    let words = choices(schema);
    let words: Vec<&str> = words.iter().map(|choice| choice.name.as_str()).collect();
    match words.as_slice() {
        [] => {}
        [only] => return format!("{only:?}"),
        words => return format!("one of {}", words.join(", ")),
    }
    if let Some(either) = schema["anyOf"].as_array() {
        return either.iter().map(takes).collect::<Vec<_>>().join(" or ");
    }
    // Of what may be left out the type is a list with `null`.
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().find(|kind| *kind != "null"),
        kind => Some(kind),
    };
    match kind.and_then(Value::as_str) {
        Some("integer") => "whole number".to_string(),
        Some("number") => "number".to_string(),
        Some("boolean") => "true or false".to_string(),
        Some("array") => format!("list of: {}", takes(&schema["items"])),
        Some("object") => {
            let keys = schema["additionalProperties"]["properties"].as_object();
            let keys: Vec<&str> = keys.into_iter().flatten().map(|(key, _)| key.as_str()).collect();
            format!("tables by name, each with {}", keys.join(", "))
        }
        _ => "text".to_string(),
    }
}

fn as_toml(value: &Value) -> String {
    toml::Value::try_from(value).map_or_else(|_| value.to_string(), |value| value.to_string())
}

/// A documentation comment as running text: line breaks are the source's, links lead into the code.
pub(super) fn one_paragraph(description: &Value) -> String {
    let text = description.as_str().unwrap_or_default();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("[`") {
        let Some(length) = rest[start..].find("`]") else { break };
        let (name, after) = (&rest[start + 1..start + length + 1], &rest[start + length + 2..]);
        plain += &rest[..start];
        plain += name;
        rest = match after.strip_prefix('(').and_then(|target| target.split_once(')')) {
            Some((_, after)) => after,
            None => after,
        };
    }
    plain += rest;
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_key_says_what_it_is_and_what_it_takes() {
        let tables = key_tables();
        for table in &tables {
            for key in &table.keys {
                let place = format!("{:?} {}", table.paths, key.name);
                assert!(!key.description.is_empty(), "{place}");
                assert_eq!(key.takes.starts_with("one of "), !key.choices.is_empty(), "{place}");
                assert!(key.choices.iter().all(|choice| !choice.name.is_empty()), "{place}");
            }
        }
        let find = |path: &str, name: &str| {
            let table = tables.iter().find(|table| table.paths.iter().any(|own| own == path));
            table.and_then(|table| table.keys.iter().find(|key| key.name == name)).cloned()
        };
        let updates = find("systems[].generator", "updates").unwrap();
        assert_eq!(
            (updates.takes.as_str(), updates.default.as_deref()),
            ("whole number or text", Some("30000"))
        );
        assert_eq!(find("systems[].generator", "updates"), find("teacher.training", "updates"));
        assert_eq!(find("student.architecture.encoder", "layers").unwrap().default, None);
        assert_eq!(
            find("teacher.training", "divergence").unwrap().takes,
            "whole number or \"off\""
        );
        let others = find("data", "other_tests").unwrap().takes;
        assert_eq!(others, "tables by name, each with other_references, source, target");
        assert_eq!(find("decoding", "beam_size").unwrap().default.as_deref(), Some("4"));
        assert_eq!(find("pseudo_data", "beam_size").unwrap().default.as_deref(), Some("6"));
        let methods: Vec<String> = find("systems[]", "method")
            .unwrap()
            .choices
            .into_iter()
            .map(|choice| choice.name)
            .collect();
        assert_eq!(methods, crate::METHODS.map(|method| method.name));
    }

    #[test]
    fn links_into_the_code_are_read_as_words() {
        let text = json!("Ends ([`Ending`](crate::Ending)) as\n[`Other`] does, `so`.");
        assert_eq!(one_paragraph(&text), "Ends (`Ending`) as `Other` does, `so`.");
    }
}
