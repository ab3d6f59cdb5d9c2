//! Scores of finished systems.

use serde::{Deserialize, Serialize};
use wdistill_base::atomic_write;
use wdistill_metrics::{Bleu, Chrf, CorpusMetric};
use wdistill_runtime::Translator;
use wdistill_train::{Decoded, line_by_line};

use crate::data::TextSet;
use crate::error::PipelineError;
use crate::pipeline::Pipeline;
use crate::progress::Progress;
use crate::stage::Fingerprint;
use crate::stages::prepare::Prepared;
use crate::stages::train::Trained;

/// Scores of a finished system.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// BLEU on the validation text.
    pub bleu_validation: f64,
    /// BLEU on the test text.
    pub bleu_test: f64,
    /// chrF on the test text.
    pub chrf_test: f64,
    /// Signature of BLEU.
    pub bleu_signature: String,
    /// Signature of chrF.
    pub chrf_signature: String,
    /// Translations cut at the maximum length, of validation and test text.
    pub cut_translations: [usize; 2],
    /// Translations in which a line break was written as a space, of validation and test text.
    pub joined_lines: [usize; 2],
}

/// A trained and evaluated model.
#[derive(Clone, Debug, PartialEq)]
pub struct Finished {
    /// The model.
    pub trained: Trained,
    /// Its scores.
    pub evaluation: Evaluation,
}

impl Pipeline {
    pub(crate) fn finished(
        &self,
        prepared: &Prepared,
        trained: Trained,
    ) -> Result<Finished, PipelineError> {
        let evaluation = self.evaluate(prepared, prepared.test(), &trained)?;
        Ok(Finished { trained, evaluation })
    }

    /// Decodes validation and test text and scores them; the translations are kept.
    ///
    /// # Errors
    /// [`PipelineError::Translate`], [`PipelineError::Metrics`].
    pub fn evaluate(
        &self,
        prepared: &Prepared,
        test: &TextSet,
        system: &Trained,
    ) -> Result<Evaluation, PipelineError> {
        let decoding = &self.plan.decoding;
        let texts = [&prepared.validation, test];
        let files = texts.map(|set| &set.hashes);
        let inputs = Fingerprint::of(&(&system.fingerprint, files, decoding));
        let name = format!("evaluation/{}", system.name);
        let products = texts.map(|set| format!("{}.txt", set.role));
        let products = products.each_ref().map(String::as_str);
        self.stages.run(&name, &inputs, &products, |folder| {
            let busy = Progress::busy(self.options.display, &name, "translating");
            let model = self.load(system)?;
            let options = line_by_line(decoding, self.options.threads);
            let translator = Translator::new(&model, prepared.vocabularies.clone(), options)?;
            let mut decoded = Vec::new();
            for set in texts {
                let decoded_set = Decoded::of(translator.translate_ids(set.corpus.sources())?);
                let path = folder.join(format!("{}.txt", set.role));
                atomic_write(&path, (decoded_set.lines.join("\n") + "\n").as_bytes())?;
                decoded.push(decoded_set);
            }
            busy.finish();
            let references = texts.map(|set| [set.references.as_slice()]);
            let (bleu, chrf) = (Bleu::default(), Chrf::default());
            let [validation, test] = &decoded[..] else { unreachable!("two texts were decoded") };
            let evaluation = Evaluation {
                bleu_validation: bleu.corpus_score(&validation.lines, &references[0])?.score,
                bleu_test: bleu.corpus_score(&test.lines, &references[1])?.score,
                chrf_test: chrf.corpus_score(&test.lines, &references[1])?.score,
                bleu_signature: bleu.signature(1).to_string(),
                chrf_signature: chrf.signature(1).to_string(),
                cut_translations: [validation.cut, test.cut],
                joined_lines: [validation.joined, test.joined],
            };
            let Evaluation { bleu_validation, bleu_test, chrf_test, .. } = &evaluation;
            self.say(
                &name,
                &format!(
                    "BLEU validation {bleu_validation:.2}  test {bleu_test:.2}  chrF {chrf_test:.2}"
                ),
            );
            Ok(evaluation)
        })
    }
}
