//! Judging a model on a held-out set.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use wdistill_autograd::LossSums;
use wdistill_metrics::{Bleu, Chrf, CorpusMetric};
use wdistill_model::{Dense, Model};
use wdistill_runtime::{
    DecodingOptions, LineContent, Notice, Translation, Translator, TranslatorOptions,
};
use wdistill_text::{EncodedCorpus, VocabularyPair};

use crate::error::TrainError;
use crate::log::OtherScores;
use crate::selection::Judgement;
use crate::settings::Criterion;

/// A held-out set and how to decode it.
pub struct Validator<'a> {
    /// Its name in the log.
    pub name: &'a str,
    /// Its pairs.
    pub corpus: &'a EncodedCorpus,
    /// Target lines as they stand in the file, then other translations of the same sources.
    pub references: &'a [Vec<String>],
    /// Turn tokens into text.
    pub vocabularies: &'a Arc<VocabularyPair>,
    /// Decoding for BLEU and chrF.
    pub translator: &'a TranslatorOptions,
}

/// What a validation found.
#[derive(Clone, Copy, Debug)]
pub struct Scores {
    /// Sums over all target tokens.
    pub loss: LossSums,
    /// BLEU of decoded text.
    pub bleu: Option<f64>,
    /// chrF of decoded text.
    pub chrf: Option<f64>,
    /// Translations that were cut at the maximum length.
    pub cut_translations: usize,
}

impl Scores {
    /// Of a text that was not decoded.
    pub fn of_loss(loss: LossSums) -> Scores {
        Scores { loss, bleu: None, chrf: None, cut_translations: 0 }
    }

    /// As the log has them, of a text that decides nothing.
    pub fn as_other(&self) -> OtherScores {
        OtherScores { loss: self.loss.mean(), bleu: self.bleu, chrf: self.chrf }
    }

    /// What decides by a criterion.
    pub fn judgement(&self, criterion: Criterion) -> Judgement {
        let score = match criterion {
            Criterion::Loss => None,
            Criterion::Bleu => self.bleu,
            Criterion::Chrf => self.chrf,
        };
        Judgement { score, loss: self.loss.mean() }
    }
}

impl Validator<'_> {
    /// A loss in the text, and, unless the loss is the criterion, BLEU and chrF of a model's translations.
    ///
    /// # Errors
    /// [`TrainError::Translator`], [`TrainError::Translate`], [`TrainError::Metrics`].
    pub fn validate(
        &self,
        loss: LossSums,
        model: &Model<Dense<f32>>,
        criterion: Criterion,
    ) -> Result<Scores, TrainError> {
        match criterion {
            Criterion::Loss => Ok(Scores::of_loss(loss)),
            Criterion::Bleu | Criterion::Chrf => self.scores(loss, &self.decode(model)?),
        }
    }

    /// A model's translations of the text.
    ///
    /// # Errors
    /// [`TrainError::Translator`], [`TrainError::Translate`].
    pub fn decode(&self, model: &Model<Dense<f32>>) -> Result<Decoded, TrainError> {
        let translator =
            Translator::new(model, self.vocabularies.clone(), self.translator.clone())?;
        Ok(Decoded::of(translator.translate_ids(self.corpus.sources())?))
    }

    /// A loss in the text, and the scores of its translations.
    ///
    /// # Errors
    /// [`TrainError::Metrics`].
    pub fn scores(&self, loss: LossSums, decoded: &Decoded) -> Result<Scores, TrainError> {
        let bleu = Bleu::default().corpus_score(&decoded.lines, self.references)?.score;
        let chrf = Chrf::default().corpus_score(&decoded.lines, self.references)?.score;
        Ok(Scores { loss, bleu: Some(bleu), chrf: Some(chrf), cut_translations: decoded.cut })
    }
}

/// Translations as lines of text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decoded {
    /// One line for each source, without line breaks.
    pub lines: Vec<String>,
    /// Translations cut at the maximum length.
    pub cut: usize,
    /// Translations in which a line break was written as a space.
    pub joined: usize,
}

impl Decoded {
    /// The best translations, and how many of them are not whole.
    pub fn of(translations: Vec<Translation>) -> Decoded {
        let with = |notice: Notice| {
            translations.iter().filter(|translation| translation.notices.contains(&notice)).count()
        };
        let (cut, joined) = (with(Notice::Cut), with(Notice::LineBreak));
        let lines = translations.into_iter().map(|translation| translation.text).collect();
        Decoded { lines, cut, joined }
    }
}

/// Options of a translator of texts whose lines all count: none is too long, each is one sentence.
pub fn line_by_line(decoding: &DecodingOptions, threads: usize) -> TranslatorOptions {
    TranslatorOptions {
        threads,
        decoding: decoding.clone(),
        content: LineContent::Sentence,
        max_source_length: usize::MAX,
        ..TranslatorOptions::default()
    }
}
