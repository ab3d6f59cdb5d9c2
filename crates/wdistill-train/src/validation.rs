//! Judging a model on a held-out set.

use std::borrow::Cow;

use wdistill_autograd::LossSums;
use wdistill_metrics::{Bleu, Chrf, CorpusMetric};
use wdistill_model::{Dense, Model};
use wdistill_runtime::{Translator, TranslatorOptions};
use wdistill_text::{EncodedCorpus, Vocabulary, sorted_batches};

use crate::error::TrainError;
use crate::selection::Judgement;
use crate::settings::{Criterion, TrainingSettings};
use crate::step::{Batch, Pass, Team, run_batch};

/// A held-out set and how to decode it.
pub struct Validator<'a> {
    /// Its pairs.
    pub corpus: &'a EncodedCorpus,
    /// Target lines as they stand in the file.
    pub references: &'a [String],
    /// Turns tokens into text.
    pub target_vocabulary: &'a Vocabulary,
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
    /// Loss and, unless the loss is the criterion, BLEU and chrF.
    ///
    /// # Errors
    /// [`TrainError::Translator`], [`TrainError::Translate`], [`TrainError::Text`],
    /// [`TrainError::Metrics`].
    pub fn validate(
        &self,
        model: &Model<Dense<f32>>,
        team: &mut Team,
        settings: &TrainingSettings,
    ) -> Result<Scores, TrainError> {
        let loss = validation_loss(self.corpus, model, team, settings);
        match settings.criterion {
            Criterion::Loss => Ok(Scores { loss, bleu: None, chrf: None, cut_translations: 0 }),
            Criterion::Bleu | Criterion::Chrf => {
                let sources: Vec<Vec<u32>> =
                    (0..self.corpus.len()).map(|pair| self.corpus.pair(pair).0.to_vec()).collect();
                let translator = Translator::new(model, self.translator.clone())?;
                let decoded = translate(&translator, &sources, self.target_vocabulary)?;
                let references = [self.references.to_vec()];
                let bleu = Bleu::default().corpus_score(&decoded.lines, &references)?.score;
                let chrf = Chrf::default().corpus_score(&decoded.lines, &references)?.score;
                let cut_translations = decoded.cut;
                Ok(Scores { loss, bleu: Some(bleu), chrf: Some(chrf), cut_translations })
            }
        }
    }
}

/// Loss of a model on a text, of which nothing is learned.
pub fn validation_loss(
    corpus: &EncodedCorpus,
    model: &Model<Dense<f32>>,
    team: &mut Team,
    settings: &TrainingSettings,
) -> LossSums {
    let batches = sorted_batches(&corpus.lengths(), settings.max_tokens);
    let losses = team.run(batches, |workspace, pairs| {
        let batch = Batch::new(corpus, &pairs, &model.config.vocabularies);
        run_batch(model, workspace, &batch, settings.label_smoothing, Pass::Validate)
    });
    let mut loss = LossSums::default();
    losses.into_iter().for_each(|sums| loss += sums);
    loss
}

/// Translations as lines of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// One line for each source, without line breaks.
    pub lines: Vec<String>,
    /// Translations cut at the maximum length.
    pub cut: usize,
    /// Translations in which a line break was written as a space.
    pub joined: usize,
}

/// Best translations as text, one line each.
///
/// # Errors
/// [`TrainError::Translate`], [`TrainError::Text`].
pub fn translate(
    translator: &Translator,
    sources: &[Vec<u32>],
    target_vocabulary: &Vocabulary,
) -> Result<Decoded, TrainError> {
    let translations = translator.translate_ids(sources)?;
    let mut decoded = Decoded {
        lines: Vec::with_capacity(sources.len()),
        cut: translations.report.cut_translations.len(),
        joined: 0,
    };
    for hypotheses in &translations.hypotheses {
        let text = target_vocabulary.decode(&hypotheses[0].tokens)?;
        let line = one_line(&text);
        decoded.joined += usize::from(line != text);
        decoded.lines.push(line.into_owned());
    }
    Ok(decoded)
}

/// A text with its line breaks written as spaces: a vocabulary with bytes can spell one, and it would
/// shift every later line of a file.
pub fn one_line(text: &str) -> Cow<'_, str> {
    match text.contains(['\n', '\r']) {
        true => Cow::Owned(text.replace(['\n', '\r'], " ")),
        false => Cow::Borrowed(text),
    }
}
