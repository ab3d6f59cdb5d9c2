//! Back-translation: sources for texts of the target language, which a model of the other direction writes (Sennrich et al.,
//! 2016). The teacher and its students learn these pairs with the training text.

use std::sync::Arc;

use wdistill_corpus::PairFiles;
use wdistill_formats::{load_vocabularies, native};
use wdistill_text::VocabularyPair;

use crate::error::PipelineError;
use crate::names::BACK_TRANSLATION;
use crate::pipeline::Pipeline;
use crate::settings::{BackTranslationRecipe, Keep};
use crate::shards::{Part, SOURCE, TARGET};
use crate::stage::Fingerprint;
use crate::stages::prepare::Prepared;
use crate::stages::pseudo::Translating;
use crate::stages::sources::Gathered;
use crate::stages::train::given;
use crate::translating::Untranslated;

/// The stage that gathers the texts.
const LINES: &str = "back-translation/lines";

impl Pipeline {
    /// Translates the texts of `back_translation` and puts the pairs beside those of the training text, if there are any.
    ///
    /// # Errors
    /// As [`Pipeline::pseudo_data`], and [`PipelineError::Format`] for a model that cannot be read.
    pub(crate) fn back_translation(&self, prepared: &mut Prepared) -> Result<(), PipelineError> {
        let Some(recipe) = &self.plan.back_translation else { return Ok(()) };
        let (inputs, summary) = self.with_back_translation(prepared, recipe, |translating| {
            Ok((translating.inputs.clone(), self.translated(translating)?))
        })?;
        prepared.notes.push(format!("back translation: {summary}"));
        let folder = self.path(TEXT);
        // What was translated is what a student is to write.
        let files = PairFiles::Aligned {
            source: folder.join(TARGET),
            target: folder.join(SOURCE),
            alignments: None,
        };
        let pairs = self.made_pairs(prepared, BACK_TRANSLATION, files, recipe.tag.as_deref(), 1)?;
        let decides = (&prepared.fingerprint, &inputs, &recipe.tag, recipe.weight);
        prepared.fingerprint = Fingerprint::of(&decides);
        prepared.back_translation = Some((pairs, recipe.weight));
        Ok(())
    }

    /// Makes the shards of a part of the back-translation, as [`Pipeline::pseudo_part`] does.
    ///
    /// # Errors
    /// As [`Pipeline::pseudo_part`], and [`PipelineError::Settings`] if the recipe has no back-translation.
    pub fn back_translation_part(&self, part: Part) -> Result<(), PipelineError> {
        let Some(recipe) = &self.plan.back_translation else {
            return Err(PipelineError::Settings {
                place: "the recipe".to_string(),
                problems: vec!["it has no [back_translation]".into()],
            });
        };
        let prepared = self.texts()?;
        self.with_back_translation(&prepared, recipe, |translating| {
            self.translated_part(translating, part)
        })
    }

    /// Does something with what is to be translated back.
    fn with_back_translation<T>(
        &self,
        prepared: &Prepared,
        recipe: &BackTranslationRecipe,
        work: impl FnOnce(&Translating<'_>) -> Result<T, PipelineError>,
    ) -> Result<T, PipelineError> {
        let BackTranslationRecipe { model: folder, sources, decoding, .. } = recipe;
        let model = given(BACK_TRANSLATION, folder)?;
        let decoding = self.seeded(decoding, BACK_TRANSLATION);
        let gathered = self.gather(Gathered {
            stage: LINES,
            first: None,
            fingerprint: &Fingerprint::of(&prepared.vocabularies.target.content_hash()),
            texts: sources,
            vocabulary: &prepared.vocabularies.target,
        })?;
        let inputs = Fingerprint::of(&(&gathered.fingerprint, &model.fingerprint, &decoding));
        let vocabularies: Arc<VocabularyPair> =
            Arc::new(load_vocabularies(folder, &native::load_config(folder)?)?);
        work(&Translating {
            stage: TEXT,
            name: "back translation",
            model: &model,
            vocabularies: &vocabularies,
            decoding: &decoding,
            text: Untranslated { lines: &gathered.lines, references: None, keep: Keep::Best },
            inputs: &inputs,
        })
    }
}

/// The stage that translates.
const TEXT: &str = "back-translation/text";
