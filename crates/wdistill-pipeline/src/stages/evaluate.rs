//! Scores of finished systems.

use serde::{Deserialize, Serialize};
use wdistill_base::atomic_write;
use wdistill_metrics::{Bleu, Chrf, CorpusMetric, Score, Statistics, Ter};
use wdistill_runtime::Translator;
use wdistill_text::read_lines;
use wdistill_train::{Decoded, Judgement, line_by_line};

use crate::data::TextSet;
use crate::error::PipelineError;
use crate::pipeline::Pipeline;
use crate::plan::ResolvedSystem;
use crate::progress::Progress;
use crate::stage::Fingerprint;
use crate::stages::prepare::Prepared;
use crate::stages::train::Trained;

/// What is known of a system's translations besides themselves: of the validation text, then of every test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Translations cut at the maximum length.
    pub cut_translations: Vec<usize>,
    /// Translations in which a line break was written as a space.
    pub joined_lines: Vec<usize>,
}

/// A system's translations of a text, counted for each metric.
#[derive(Clone, Debug, PartialEq)]
pub struct TextScores {
    /// Name of the text.
    pub text: String,
    /// The translations.
    pub lines: Vec<String>,
    /// Counts for BLEU.
    pub bleu: Statistics,
    /// Counts for chrF.
    pub chrf: Statistics,
    /// Counts for TER.
    pub ter: Statistics,
}

/// A trained and evaluated model.
#[derive(Clone, Debug, PartialEq)]
pub struct Finished {
    /// The model.
    pub trained: Trained,
    /// What is known of its translations.
    pub evaluation: Evaluation,
    /// The validation text's, then every test's.
    pub scores: Vec<TextScores>,
}

/// A learning rate that was tried.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TriedRate {
    /// The rate.
    pub learning_rate: f64,
    /// How the student that it trained was judged.
    pub judgement: Judgement,
}

/// A system of the plan, or the teacher, with all of its students.
#[derive(Clone, Debug, PartialEq)]
pub struct FinishedSystem {
    /// Its name in the table.
    pub name: String,
    /// The system; none for the teacher.
    pub system: Option<ResolvedSystem>,
    /// One student for each seed.
    pub students: Vec<Finished>,
    /// Learning rates that were tried, if there was more than one.
    pub rates: Vec<TriedRate>,
}

impl TextScores {
    fn of(set: &TextSet, lines: Vec<String>) -> Result<TextScores, PipelineError> {
        let references = &set.references;
        Ok(TextScores {
            text: set.role.clone(),
            bleu: Bleu::default().corpus_statistics(&lines, references)?,
            chrf: Chrf::default().corpus_statistics(&lines, references)?,
            ter: Ter::default().corpus_statistics(&lines, references)?,
            lines,
        })
    }

    /// BLEU and chrF of the whole text.
    pub fn values(&self) -> (f64, f64) {
        (
            Bleu::default().score_of_totals(&self.bleu.totals()).value(),
            Chrf::default().score_of_totals(&self.chrf.totals()).value(),
        )
    }
}

impl Pipeline {
    /// Decodes validation and test texts and counts; the translations are kept.
    ///
    /// # Errors
    /// [`PipelineError::Translate`], [`PipelineError::Metrics`].
    pub(crate) fn finished(
        &self,
        prepared: &Prepared,
        trained: Trained,
    ) -> Result<Finished, PipelineError> {
        let evaluation = self.evaluate(prepared, &trained)?;
        let folder = self.path(&evaluation_folder(&trained));
        let scores = prepared
            .held_out()
            .map(|set| {
                let lines = read_lines(&folder.join(translations(set)))?.lines;
                TextScores::of(set, lines)
            })
            .collect::<Result<_, _>>()?;
        Ok(Finished { trained, evaluation, scores })
    }

    fn evaluate(&self, prepared: &Prepared, system: &Trained) -> Result<Evaluation, PipelineError> {
        let decoding = &self.plan.decoding;
        let files: Vec<_> = prepared.held_out().map(|set| &set.hashes).collect();
        let inputs = Fingerprint::of(&(&system.fingerprint, files, decoding));
        let name = evaluation_folder(system);
        let products: Vec<String> = prepared.held_out().map(translations).collect();
        let products: Vec<&str> = products.iter().map(String::as_str).collect();
        self.stages.run(&name, &inputs, &products, |folder| {
            let busy = Progress::busy(self.options.display, &name, "translating");
            let model = self.load(system)?;
            let options = line_by_line(decoding, self.options.threads);
            let translator = Translator::new(&model, prepared.vocabularies.clone(), options)?;
            let mut evaluation =
                Evaluation { cut_translations: Vec::new(), joined_lines: Vec::new() };
            let mut said = Vec::new();
            for set in prepared.held_out() {
                let decoded = Decoded::of(translator.translate_ids(set.corpus.sources())?);
                let text = decoded.lines.join("\n") + "\n";
                atomic_write(&folder.join(translations(set)), text.as_bytes())?;
                evaluation.cut_translations.push(decoded.cut);
                evaluation.joined_lines.push(decoded.joined);
                let (bleu, chrf) = TextScores::of(set, decoded.lines)?.values();
                said.push(format!("{} BLEU {bleu:.2} chrF {chrf:.2}", set.role));
            }
            busy.finish();
            self.say(&name, &said.join("  "));
            Ok(evaluation)
        })
    }
}

/// Where a system's translations are.
fn evaluation_folder(system: &Trained) -> String {
    format!("evaluation/{}", system.name)
}

/// The file of a text's translations.
fn translations(set: &TextSet) -> String {
    format!("{}.txt", set.role)
}
