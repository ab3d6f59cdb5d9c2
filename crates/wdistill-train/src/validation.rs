//! Judging a model on a held-out set.

use wdistill_autograd::{LossSums, Workspace};
use wdistill_metrics::{Bleu, CorpusMetric};
use wdistill_model::{Dense, Model};
use wdistill_runtime::{Translator, TranslatorOptions};
use wdistill_text::{EncodedCorpus, Vocabulary, sorted_batches};

use crate::error::TrainError;
use crate::settings::{Criterion, TrainingSettings};
use crate::step::{Batch, Pass, run_batch};

/// A held-out set and how to decode it.
pub struct Validator<'a> {
    /// Its pairs.
    pub corpus: &'a EncodedCorpus,
    /// Target lines as they stand in the file.
    pub references: &'a [String],
    /// Turns tokens into text.
    pub target_vocabulary: &'a Vocabulary,
    /// Decoding for BLEU.
    pub translator: &'a TranslatorOptions,
}

/// What a validation found.
#[derive(Clone, Copy, Debug)]
pub struct Scores {
    /// Sums over all target tokens.
    pub loss: LossSums,
    /// BLEU of decoded text.
    pub bleu: Option<f64>,
    /// Translations that were cut at the maximum length.
    pub cut_translations: usize,
}

impl Validator<'_> {
    /// Loss and, if it is the criterion, BLEU.
    ///
    /// # Errors
    /// [`TrainError::Translator`], [`TrainError::Translate`], [`TrainError::Text`],
    /// [`TrainError::Metrics`].
    pub fn validate(
        &self,
        model: &Model<Dense<f32>>,
        workspace: &Workspace<f32>,
        settings: &TrainingSettings,
    ) -> Result<Scores, TrainError> {
        let mut loss = LossSums::default();
        for pairs in sorted_batches(&self.corpus.lengths(), settings.max_tokens)? {
            let batch = Batch::new(self.corpus, &pairs, &model.config.vocabularies);
            let smoothing = settings.label_smoothing;
            loss += run_batch(model, workspace, &batch, smoothing, Pass::Validate);
        }
        match settings.criterion {
            Criterion::Loss => Ok(Scores { loss, bleu: None, cut_translations: 0 }),
            Criterion::Bleu => {
                let sources: Vec<Vec<u32>> =
                    (0..self.corpus.len()).map(|pair| self.corpus.pair(pair).0.to_vec()).collect();
                let translator = Translator::new(model.clone(), self.translator.clone())?;
                let (text, cut_translations) =
                    translate(&translator, &sources, self.target_vocabulary)?;
                let score = Bleu::default().corpus_score(&text, &[self.references.to_vec()])?;
                Ok(Scores { loss, bleu: Some(score.score), cut_translations })
            }
        }
    }
}

/// Best translations as text, and how many of them were cut at the maximum length.
///
/// # Errors
/// [`TrainError::Translate`], [`TrainError::Text`].
pub fn translate(
    translator: &Translator,
    sources: &[Vec<u32>],
    target_vocabulary: &Vocabulary,
) -> Result<(Vec<String>, usize), TrainError> {
    let translations = translator.translate_ids(sources)?;
    let text = translations
        .hypotheses
        .iter()
        .map(|hypotheses| target_vocabulary.decode(&hypotheses[0].tokens))
        .collect::<Result<_, _>>()?;
    Ok((text, translations.report.cut_translations.len()))
}
