//! How learnt vocabularies change a line before they cut it.

use super::words::{Segment, WordSplitter};
use crate::sentence_piece::{DummySpace, ExtraSpaces, Normalizer, NormalizerParts, SpaceEscape};
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;

/// What becomes of blanks, and of characters that look alike, before a line is cut.
///
/// The two rules are SentencePiece's of the same names: the vocabulary sees the same text as a
/// SentencePiece model that was trained with the rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Normalisation {
    /// Unicode's compatibility form (NFKC) with further rules for translation: all kinds of blanks
    /// become spaces, and characters without a width and control characters go. Runs of spaces become
    /// one, and those at the ends go.
    #[default]
    NmtNfkc,
    /// Unicode's compatibility form. Runs of spaces become one, and those at the ends go.
    Nfkc,
    /// Nothing is changed: any text comes back exactly.
    None,
}

static NMT_NFKC: LazyLock<Rule> = LazyLock::new(|| {
    Rule::new("nmt_nfkc", include_bytes!("../../data/normalisation/nmt_nfkc.charsmap"))
});

static NFKC: LazyLock<Rule> =
    LazyLock::new(|| Rule::new("nfkc", include_bytes!("../../data/normalisation/nfkc.charsmap")));

/// A rule, ready for use; one for all vocabularies.
struct Rule {
    parts: NormalizerParts,
    normalizer: Normalizer,
}

impl Rule {
    fn new(name: &str, charsmap: &[u8]) -> Self {
        let parts = NormalizerParts {
            name: name.to_owned(),
            charsmap: charsmap.to_vec(),
            dummy_space: DummySpace::Front,
            extra_spaces: ExtraSpaces::Remove,
            space_escape: SpaceEscape::Marker,
        };
        let normalizer = Normalizer::without_pieces(&parts).expect("the rule's own table is valid");
        Self { parts, normalizer }
    }
}

impl Normalisation {
    fn rule(self) -> Option<&'static Rule> {
        match self {
            Self::NmtNfkc => Some(&NMT_NFKC),
            Self::Nfkc => Some(&NFKC),
            Self::None => None,
        }
    }

    /// The same for a SentencePiece model.
    pub(super) fn parts(self) -> NormalizerParts {
        match self.rule() {
            Some(rule) => rule.parts.clone(),
            None => NormalizerParts {
                name: "identity".to_owned(),
                charsmap: Vec::new(),
                dummy_space: DummySpace::Front,
                extra_spaces: ExtraSpaces::Keep,
                space_escape: SpaceEscape::Marker,
            },
        }
    }

    /// Visits the segments of a line in order.
    pub(super) fn for_each_segment(
        self,
        splitter: &WordSplitter,
        line: &str,
        in_alphabet: impl Fn(char) -> bool,
        visit: impl FnMut(Segment<'_>),
    ) {
        match self.rule() {
            None => splitter.for_each_segment(line, in_alphabet, visit),
            Some(rule) => {
                let marked = rule.normalizer.normalize(line);
                splitter.for_each_marked_segment(&marked, in_alphabet, visit);
            }
        }
    }
}
