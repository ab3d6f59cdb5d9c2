//! Joining words into a sentence.

use crate::grammar::Number;
use crate::lexicon::ManyForms;

/// Words and phrases in order, none empty.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    words: Vec<String>,
}

impl Pieces {
    /// Adds a piece; an empty one (a verb without a prefix) leaves no trace.
    pub(crate) fn add(&mut self, piece: impl Into<String>) {
        let piece = piece.into();
        if !piece.is_empty() {
            self.words.push(piece);
        }
    }

    pub(crate) fn add_some(&mut self, piece: Option<impl Into<String>>) {
        if let Some(piece) = piece {
            self.add(piece);
        }
    }

    pub(crate) fn text(self) -> String {
        self.words.join(" ")
    }
}

/// The form of a verb for this number.
pub(crate) fn choose(forms: &ManyForms, number: Number) -> &'static str {
    match number {
        Number::Singular => forms.singular,
        Number::Plural => forms.plural,
    }
}

/// Capital, full stop, and one comma where clauses and appositions both asked for one.
pub(crate) fn finish(pieces: Pieces) -> String {
    let text = format!("{}.", pieces.text());
    let text = text.replace(" ,", ",").replace(",,", ",").replace(",.", ".");
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
