//! Settings with changes, table by table.

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::schema::{Unknown, schema_of, today, unknown};
use wdistill_base::Problem;

/// Plain settings whose keys are documented: what recipes and jobs consist of.
pub trait Settings: Serialize + DeserializeOwned + JsonSchema {}

impl<T: Serialize + DeserializeOwned + JsonSchema> Settings for T {}

/// Plain settings with changes.
///
/// # Errors
/// Every name that is unknown, with the nearest one, or the value that is of another type.
pub fn with_changes<T: Settings>(base: &T, changes: &Table) -> Result<T, Problem> {
    changed(&table(base), changes)
}

/// A table with changes, read as settings.
pub(crate) fn changed<T: Settings>(base: &Table, changes: &Table) -> Result<T, Problem> {
    let unknown = unknown(&schema_of::<T>(), changes);
    if !unknown.is_empty() {
        let problem = |Unknown { fact, hint, .. }| Problem::with_hint(fact, hint);
        return Err(Problem::together(unknown.into_iter().map(problem).collect()));
    }
    let mut table = base.clone();
    merge(&mut table, changes);
    table.try_into().map_err(|error: toml::de::Error| error.message().into())
}

/// Settings as a table.
pub(crate) fn table(settings: &impl Serialize) -> Table {
    Table::try_from(settings).expect("settings are plain tables of numbers and strings")
}

pub(crate) fn merge(base: &mut Table, changes: &Table) {
    for (key, change) in changes {
        let key = today(key);
        match (base.get_mut(key), change) {
            (Some(Value::Table(base)), Value::Table(change)) => merge(base, change),
            _ => {
                base.insert(key.to_string(), change.clone());
            }
        }
    }
}
