//! What is asked of whoever imports or exports a model.

use std::collections::BTreeMap;
use std::path::PathBuf;

use wdistill_model::{Languages, Slot, SourceEnding};
use wdistill_text::LexicalTable;

/// What the numbers of a written model are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbers {
    /// As they are.
    Float32,
    /// Matrices in 8 bits, with a factor for each row.
    Int8,
}

impl Numbers {
    /// The name as it is written.
    pub fn name(self) -> &'static str {
        match self {
            Numbers::Float32 => "float32",
            Numbers::Int8 => "int8",
        }
    }
}

/// How a text becomes words of a vocabulary, where a model does not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subwords {
    /// A SentencePiece model, or codes of subword-nmt or fastBPE.
    File(PathBuf),
    /// None: words stand between spaces.
    Whitespace,
}

/// Answers to what a model of another toolkit may leave open. What is not asked for is not looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportOptions {
    /// Subwords of the source, and of the target unless that has its own.
    pub subwords: Option<Subwords>,
    /// Subwords of the target.
    pub target_subwords: Option<Subwords>,
    /// File with the words of the source, and of the target unless that has its own.
    pub vocabulary: Option<PathBuf>,
    /// File with the words of the target.
    pub target_vocabulary: Option<PathBuf>,
    /// Whether the encoder reads the end token.
    pub source_ending: Option<SourceEnding>,
    /// From which language to which it translates, whatever it says itself.
    pub languages: Option<Languages>,
}

/// What can be written beside a model's weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extra {
    /// Which words each source word may be translated with.
    Shortlist,
    /// How large activations become.
    Activations,
}

/// For each matrix of a product the factor that makes its inputs whole numbers, `127 / a`, where `a` is about the largest that
/// an input becomes.
pub type ActivationFactors = BTreeMap<Slot, f32>;

/// How a model is written.
#[derive(Clone, Debug)]
pub struct ExportOptions {
    /// What its numbers are.
    pub numbers: Numbers,
    /// Word translations.
    pub shortlist: Option<LexicalTable>,
    /// Factors of activations, learnt on some text.
    pub activations: Option<ActivationFactors>,
}

impl ExportOptions {
    /// What there is to be written beside the weights.
    pub(crate) fn extras(&self) -> Vec<Extra> {
        let shortlist = self.shortlist.as_ref().map(|_| Extra::Shortlist);
        let activations = self.activations.as_ref().map(|_| Extra::Activations);
        [shortlist, activations].into_iter().flatten().collect()
    }
}

impl From<Numbers> for ExportOptions {
    /// Nothing but the weights.
    fn from(numbers: Numbers) -> ExportOptions {
        ExportOptions { numbers, shortlist: None, activations: None }
    }
}
