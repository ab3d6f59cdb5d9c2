//! The vocabularies of both sides of a translation model.

use std::path::Path;

use serde::{Deserialize, Serialize};
use wdistill_base::Folder;

use crate::error::TextError;
use crate::left_out::LeftOut;
use crate::vocabulary::{SpecialTokens, TrainedVocabulary, Vocabulary, VocabularySettings};

/// The vocabularies of both sides.
#[derive(Clone)]
pub struct VocabularyPair {
    /// What the encoder reads.
    pub source: Vocabulary,
    /// What the decoder reads and writes.
    pub target: Vocabulary,
}

/// What to read of a parallel text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sides {
    /// Sources.
    Source,
    /// Targets.
    Target,
    /// Both.
    Both,
}

/// Whether source and target share a vocabulary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Sharing {
    /// One vocabulary, learned from both sides.
    #[default]
    Joint,
    /// Two vocabularies of the given size.
    Separate,
}

/// Name of the source vocabulary in a model folder.
pub const SOURCE_FILE: &str = "source.vocabulary.json";
/// Name of the target vocabulary in a model folder.
pub const TARGET_FILE: &str = "target.vocabulary.json";

impl VocabularyPair {
    /// Learns vocabularies from a training text, of whose sides `lines` gives the lines; says what was obtained.
    ///
    /// # Errors
    /// As [`Vocabulary::train`].
    pub fn train<I>(
        lines: impl Fn(Sides) -> I,
        settings: &VocabularySettings,
        sharing: Sharing,
    ) -> Result<(VocabularyPair, Vec<String>), TextError>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        match sharing {
            Sharing::Joint => {
                let joint = Vocabulary::train(lines(Sides::Both), settings)?;
                let note = obtained("joint vocabulary", &joint);
                let vocabulary = joint.vocabulary;
                Ok((VocabularyPair { source: vocabulary.clone(), target: vocabulary }, vec![note]))
            }
            Sharing::Separate => {
                let source = Vocabulary::train(lines(Sides::Source), settings)?;
                let target = Vocabulary::train(lines(Sides::Target), settings)?;
                let notes = vec![
                    obtained("source vocabulary", &source),
                    obtained("target vocabulary", &target),
                ];
                Ok((VocabularyPair { source: source.vocabulary, target: target.vocabulary }, notes))
            }
        }
    }

    /// Reads both from files that [`Vocabulary::save`] wrote, or from SentencePiece models.
    ///
    /// # Errors
    /// As [`Vocabulary::open`].
    pub fn open(source: &Path, target: &Path) -> Result<VocabularyPair, TextError> {
        let source = Vocabulary::open(source)?;
        Ok(VocabularyPair { source, target: Vocabulary::open(target)? })
    }

    /// Writes both into a folder; a model's folder has its own, so that it can be used alone.
    ///
    /// # Errors
    /// As [`Vocabulary::save`].
    pub fn save(&self, folder: &Path) -> Result<(), TextError> {
        self.source.save(&folder.join(SOURCE_FILE))?;
        self.target.save(&folder.join(TARGET_FILE))
    }

    /// Reads both from a folder.
    ///
    /// # Errors
    /// As [`Vocabulary::load`].
    pub fn load<'a>(folder: impl Into<Folder<'a>>) -> Result<VocabularyPair, TextError> {
        let folder = folder.into();
        let load = |name| Vocabulary::parse(&folder.read(name)?, &folder.path(name));
        Ok(VocabularyPair { source: load(SOURCE_FILE)?, target: load(TARGET_FILE)? })
    }

    /// Special tokens of source and target.
    pub fn special_tokens(&self) -> [SpecialTokens; 2] {
        [self.source.special_tokens(), self.target.special_tokens()]
    }
}

/// What a text gave, for people.
fn obtained(name: &str, trained: &TrainedVocabulary) -> String {
    let size = trained.vocabulary.size();
    let obtained = match size < trained.requested {
        true => format!(
            "{name}: the text supports {size} tokens of the {} asked for",
            trained.requested
        ),
        false => format!("{name}: {size} tokens"),
    };
    match trained.left_out == LeftOut::default() {
        true => obtained,
        false => format!("{obtained}; {}", trained.left_out),
    }
}
