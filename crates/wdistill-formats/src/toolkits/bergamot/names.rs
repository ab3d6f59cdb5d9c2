//! What Firefox and translateLocally call a model's files.

use wdistill_model::Languages;

/// Names of the files of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Names {
    /// Weights. Firefox takes from the name whether there are factors of activations.
    pub model: String,
    /// Word translations.
    pub shortlist: String,
    /// SentencePiece models of source and target, once if they are one.
    pub vocabularies: Vec<String>,
}

/// Whether a model's file has factors of activations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Activations {
    /// It has: `int8shiftAlphaAll`.
    Learnt,
    /// They are computed anew for every product: `int8shiftAll`.
    Measured,
}

impl Activations {
    /// Marian's name of the products.
    pub(super) fn precision(self) -> &'static str {
        match self {
            Activations::Learnt => "int8shiftAlphaAll",
            Activations::Measured => "int8shiftAll",
        }
    }
}

/// How many SentencePiece models there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sides {
    /// One for both sides.
    Joint,
    /// One for each.
    Two,
}

impl Names {
    pub(super) fn new(languages: &Languages, activations: Activations, sides: Sides) -> Names {
        let pair = format!("{}{}", languages.source, languages.target);
        let end = match activations {
            Activations::Learnt => "intgemm.alphas",
            Activations::Measured => "intgemm8",
        };
        let starts: &[&str] = match sides {
            Sides::Joint => &["vocab"],
            Sides::Two => &["srcvocab", "trgvocab"],
        };
        Names {
            model: format!("model.{pair}.{end}.bin"),
            shortlist: format!("lex.{pair}.s2t.bin"),
            vocabularies: starts.iter().map(|start| format!("{start}.{pair}.spm")).collect(),
        }
    }
}
