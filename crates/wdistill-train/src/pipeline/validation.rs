//! How a teacher, and its student, do on the validation text: does the teacher know these languages at all?

use serde::{Deserialize, Serialize};
use wdistill_formats::native;
use wdistill_text::EncodedCorpus;

use super::{Caution, Pipeline, Prepared, Trained};
use crate::benchmark::Speed;
use crate::divergence::above_uniform;
use crate::error::TrainError;
use crate::log::Progress;
use crate::settings::{Criterion, TrainingSettings};
use crate::stage::Fingerprint;
use crate::step::Team;
use crate::validation::{Validator, validation_loss};

/// Scores of a model on the validation text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SystemValidation {
    /// Label-smoothed cross-entropy a target token, in nats.
    pub loss: f64,
    /// The same with source and target swapped.
    pub swapped_loss: f64,
    /// BLEU of decoded text.
    pub bleu: f64,
    /// chrF of decoded text.
    pub chrf: f64,
}

/// A system as a table shows it that compares it with its teacher.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Its name.
    pub name: String,
    /// Trained numbers.
    pub parameters: usize,
    /// Bytes of the file of weights.
    pub bytes: u64,
    /// Scores on the validation text.
    pub validation: SystemValidation,
    /// Decoding speed on the validation text.
    pub speed: Speed,
}

/// The sides of a text are taken for swapped if the loss is lower by this much the other way round, in nats.
const FAR_BETTER: f64 = 1.0;

impl Pipeline {
    /// Validates a teacher before anything is learned from it, and says how it does.
    ///
    /// # Errors
    /// [`TrainError::Suspicious`] if it knows less than a uniform guess, or does far better with the sides
    /// swapped.
    pub fn check_teacher(
        &self,
        prepared: &mut Prepared,
        teacher: &Trained,
    ) -> Result<SystemValidation, TrainError> {
        let found = self.validated(prepared, teacher)?;
        let summary = format!(
            "validation loss {:.3}, BLEU {:.2}, chrF {:.2}",
            found.loss, found.bleu, found.chrf
        );
        self.say(&teacher.name, &summary);
        prepared.notes.push(format!("{}: {summary}", teacher.name));
        let words = prepared.vocabularies.target.size();
        let (loss, swapped) = (found.loss, found.swapped_loss);
        if swapped + FAR_BETTER < loss {
            self.suspect(
                format!(
                    "the teacher's validation loss is {loss:.3}, and {swapped:.3} with the sides swapped"
                ),
                "are source and target given in the teacher's direction?",
            )?;
        }
        if let Some(problem) = above_uniform(found.loss, words) {
            self.suspect(
                format!("the teacher does not know this text: {problem}"),
                "are these the teacher's languages, in its direction?",
            )?;
        }
        Ok(found)
    }

    /// Refuses what cannot be meant, unless the user insists.
    pub(super) fn suspect(&self, problem: String, hint: &str) -> Result<(), TrainError> {
        match self.options.caution {
            Caution::Stop => Err(TrainError::Suspicious { problem, hint: hint.to_string() }),
            Caution::GoOn => {
                self.say("warning", &format!("{problem}; {hint}"));
                Ok(())
            }
        }
    }

    fn validated(
        &self,
        prepared: &Prepared,
        system: &Trained,
    ) -> Result<SystemValidation, TrainError> {
        let set = &prepared.validation;
        let decoding = &self.recipe.decoding;
        let inputs = Fingerprint::of(&(&system.fingerprint, &set.hashes, decoding));
        let name = format!("validation/{}", system.name);
        self.stages.run(&name, &inputs, &[], |_| {
            let busy = Progress::busy(self.options.display, &name, "validating");
            let model = self.load(system)?;
            let translator = decoding.translator(self.options.threads);
            let validator = Validator {
                corpus: &set.corpus,
                references: &set.references,
                target_vocabulary: &prepared.vocabularies.target,
                translator: &translator,
            };
            let settings =
                TrainingSettings { criterion: Criterion::Bleu, ..TrainingSettings::default() };
            let mut team = Team::start(rayon::current_num_threads())?;
            let scores = validator.validate(&model, &mut team, &settings)?;
            let swapped = self.swapped(prepared)?;
            let swapped_loss = validation_loss(&swapped, &model, &mut team, &settings).mean();
            busy.finish();
            Ok(SystemValidation {
                loss: scores.loss.mean(),
                swapped_loss,
                bleu: scores.bleu.unwrap_or_default(),
                chrf: scores.chrf.unwrap_or_default(),
            })
        })
    }

    /// The validation text with its sides swapped, each divided as the other side's text is.
    fn swapped(&self, prepared: &Prepared) -> Result<EncodedCorpus, TrainError> {
        let set = &prepared.validation;
        let vocabularies = &prepared.vocabularies;
        let sources = vocabularies.source.encode_batch(&set.references);
        let targets = vocabularies.target.encode_batch(&self.unchanged_lines(set)?);
        let rows = sources.iter().zip(&targets).map(|(source, target)| (&source[..], &target[..]));
        let special =
            [&vocabularies.source, &vocabularies.target].map(|side| side.special_tokens());
        let [source, target] = special;
        Ok(EncodedCorpus::from_pairs(source, target, rows))
    }

    /// Teacher and student beside each other, on the validation text.
    ///
    /// # Errors
    /// [`TrainError::Translate`], [`TrainError::Format`].
    pub fn standings(
        &self,
        prepared: &Prepared,
        systems: &[&Trained],
    ) -> Result<Vec<Standing>, TrainError> {
        let speeds = self.speeds(&prepared.validation, systems)?;
        let standing = |(system, speed): (&&Trained, Speed)| {
            let weights = system.model.join(native::WEIGHTS_FILE);
            let model = native::load(&system.model)?;
            Ok(Standing {
                name: system.name.clone(),
                parameters: model.weights.count(),
                bytes: weights.metadata().map_err(TrainError::io(&weights))?.len(),
                validation: self.validated(prepared, system)?,
                speed,
            })
        };
        systems.iter().zip(speeds).map(standing).collect()
    }
}
