//! Where in a text a value stands.

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::schema::{Place, Step};

/// A TOML text with the places of its keys.
pub(super) struct Lines<'t> {
    text: &'t str,
    table: Option<Spanned<DeTable<'t>>>,
}

impl Lines<'_> {
    /// Of a text that is TOML.
    pub(super) fn of(text: &str) -> Lines<'_> {
        Lines { text, table: DeTable::parse(text).ok() }
    }

    /// The line, from 1, of the last key on the way to a value.
    pub(super) fn line(&self, place: &Place) -> Option<usize> {
        let mut table = Some(self.table.as_ref()?.get_ref());
        let mut rows: Option<&DeArray<'_>> = None;
        let mut at = None;
        for step in &place.0 {
            let value = match step {
                Step::Key(name) => {
                    let (key, value) = table?.iter().find(|(key, _)| key.get_ref() == name)?;
                    at = Some(key.span().start);
                    value
                }
                Step::Index(index) => {
                    let value = rows?.get(*index)?;
                    at = Some(value.span().start);
                    value
                }
            };
            (table, rows) = match value.get_ref() {
                DeValue::Table(table) => (Some(table), None),
                DeValue::Array(rows) => (None, Some(rows)),
                _ => (None, None),
            };
        }
        Some(self.text[..at?].matches('\n').count() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_by_their_lines() {
        let text = "a = 1\n[b]\nc = { d = 2 }\n[[e]]\nf = 1\n[[e]]\n\nf = 2\n";
        let lines = Lines::of(text);
        let key = |name: &str| Step::Key(name.to_string());
        let line = |steps: &[Step]| lines.line(&Place(steps.to_vec()));
        assert_eq!(line(&[key("a")]), Some(1));
        assert_eq!(line(&[key("b"), key("c"), key("d")]), Some(3));
        assert_eq!(line(&[key("e"), Step::Index(1), key("f")]), Some(8));
        assert_eq!(line(&[key("g")]), None);
    }
}
