//! What a recipe may say. The types that read it are the declaration: from their JSON schema come the reference of all
//! keys, the commented recipe that a user starts from, and the suggestions of errors.

mod reference;
mod unknown;

use std::sync::LazyLock;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use super::Recipe;

pub use reference::{Choice, Key, KeyTable, key_tables};
pub use unknown::{Place, Step, Unknown, renamed, today, unknown};

/// The JSON schema of a type, without references.
pub fn schema_of<T: JsonSchema>() -> Value {
    let settings =
        SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

/// The JSON schema of a recipe, for editors.
pub static RECIPE: LazyLock<Value> = LazyLock::new(schema_of::<Recipe>);

/// What stands at a key.
enum Node<'s> {
    /// Keys of its own.
    Table(&'s Map<String, Value>),
    /// Tables in a row, each with these keys.
    Tables(&'s Map<String, Value>),
    /// A value.
    Value,
}

/// A schema without the `null` of what may be left out.
fn required(schema: &Value) -> &Value {
    let Some(either) = schema["anyOf"].as_array() else { return schema };
    match either.as_slice() {
        [some, null] if null["type"] == "null" => some,
        _ => schema,
    }
}

fn node(schema: &Value) -> Node<'_> {
    let schema = required(schema);
    if let Some(keys) = schema["properties"].as_object() {
        return Node::Table(keys);
    }
    match schema["items"]["properties"].as_object() {
        Some(keys) => Node::Tables(keys),
        None => Node::Value,
    }
}

/// The words that a value may be, each with what it says; none if it may be others.
fn choices(schema: &Value) -> Vec<Choice> {
    let schema = required(schema);
    let described = schema["oneOf"].as_array().into_iter().flatten().map(|choice| Choice {
        name: choice["const"].as_str().unwrap_or_default().to_string(),
        description: reference::one_paragraph(&choice["description"]),
    });
    let plain = schema["enum"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let plain = plain.map(|name| Choice { name: name.to_string(), description: String::new() });
    described.chain(plain).collect()
}
