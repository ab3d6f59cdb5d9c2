//! How a teacher, and its student, do on the validation text: does the teacher know these languages at all?

use serde::{Deserialize, Serialize};
use wdistill_base::{FileError, Problem};
use wdistill_corpus::evenly_spaced;
use wdistill_formats::native;
use wdistill_model::Transformer;
use wdistill_text::{EncodedCorpus, VocabularyPair};
use wdistill_train::{
    Criterion, Team, TrainingSettings, above_uniform, line_by_line, loss_in_text,
};

use crate::error::PipelineError;
use crate::pipeline::{Caution, Pipeline};
use crate::plan::ResolvedTeacher;
use crate::progress::Progress;
use crate::settings::Pairs;
use crate::stage::Fingerprint;
use crate::stages::benchmark::Speed;
use crate::stages::prepare::Prepared;
use crate::stages::train::Trained;

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

/// Pairs of the training text that say whether the teacher knows it.
const SAMPLE: usize = 500;

/// Losses in a text, as it stands and with its sides swapped.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Losses {
    loss: f64,
    swapped: f64,
}

impl Pipeline {
    /// Validates a teacher before anything is learned from it, and says how it does.
    ///
    /// # Errors
    /// [`PipelineError::Suspicious`] if it knows less than a uniform guess, or does far better with the sides
    /// swapped.
    pub fn check_teacher(
        &self,
        prepared: &mut Prepared,
        teacher: &Trained,
    ) -> Result<SystemValidation, PipelineError> {
        let found = self.validated(prepared, teacher)?;
        let summary = format!(
            "validation loss {:.3}, BLEU {:.2}, chrF {:.2}",
            found.loss, found.bleu, found.chrf
        );
        self.say(&teacher.name, &summary);
        prepared.notes.push(format!("{}: {summary}", teacher.name));
        self.check_losses("validation", prepared, found.loss, found.swapped_loss)?;
        if let ResolvedTeacher::Given(..) = self.plan.teacher {
            // A teacher that was trained here has learned from this very text.
            let Losses { loss, swapped } = self.losses_in_training_text(prepared, teacher)?;
            self.check_losses("training", prepared, loss, swapped)?;
        }
        Ok(found)
    }

    /// Refuses a teacher by its losses in a text, as it stands and with its sides swapped.
    fn check_losses(
        &self,
        text: &str,
        prepared: &Prepared,
        loss: f64,
        swapped: f64,
    ) -> Result<(), PipelineError> {
        if swapped + FAR_BETTER < loss {
            return self.suspect(
                format!(
                    "the teacher's loss in the {text} text is {loss:.3}, and {swapped:.3} with the sides swapped"
                ),
                "are source and target given in the teacher's direction?",
            );
        }
        let Some(problem) = above_uniform(loss, prepared.vocabularies.target.size()) else {
            return Ok(());
        };
        let hint = match self.plan.teacher {
            ResolvedTeacher::Given(..) => "are these the teacher's languages, in its direction?",
            ResolvedTeacher::Trained(..) | ResolvedTeacher::Tuned(..) => {
                "train the teacher for more updates"
            }
        };
        self.suspect(format!("the teacher does not know the {text} text: {problem}"), hint)
    }

    /// A teacher's losses in a sample of the training text.
    fn losses_in_training_text(
        &self,
        prepared: &Prepared,
        teacher: &Trained,
    ) -> Result<Losses, PipelineError> {
        let inputs = Fingerprint::of(&(&teacher.fingerprint, &prepared.fingerprint));
        self.stages.run("validation/training-text", &inputs, &[], |_| {
            let sample = evenly_spaced(&prepared.parts(Pairs::Original), SAMPLE)?;
            let model = self.load(teacher)?;
            let settings = TrainingSettings::default();
            let mut team = Team::start(settings.shares, self.options.threads)?;
            let mut loss =
                |corpus: &EncodedCorpus| loss_in_text(corpus, &model, &mut team, &settings).mean();
            let swapped = swapped(&sample, &prepared.vocabularies)?;
            Ok(Losses { loss: loss(&sample), swapped: loss(&swapped) })
        })
    }

    /// Refuses what cannot be meant, unless the user insists.
    pub(crate) fn suspect(&self, problem: String, hint: &str) -> Result<(), PipelineError> {
        match self.options.caution {
            Caution::Stop => Err(PipelineError::Suspicious { problem, hint: hint.to_string() }),
            Caution::GoOn => {
                let problem = Problem::with_hint(problem, hint);
                Progress::new(self.options.display, "warning", 0).warn(problem);
                Ok(())
            }
        }
    }

    fn validated(
        &self,
        prepared: &Prepared,
        system: &Trained,
    ) -> Result<SystemValidation, PipelineError> {
        let set = &prepared.validation;
        let decoding = &self.plan.decoding;
        let inputs = Fingerprint::of(&(&system.fingerprint, &set.hashes, decoding));
        let name = format!("validation/{}", system.name);
        self.stages.run(&name, &inputs, &[], |_| {
            let busy = Progress::busy(self.options.display, &name, "validating");
            let model = self.load(system)?;
            let translator = line_by_line(decoding, self.options.threads);
            let validator = prepared.validator(set, &translator);
            let settings =
                TrainingSettings { criterion: Criterion::Bleu, ..TrainingSettings::default() };
            let mut team = Team::start(settings.shares, self.options.threads)?;
            let loss = loss_in_text(&set.corpus, &model, &mut team, &settings);
            let scores = validator.validate(loss, &model, settings.criterion)?;
            let swapped = swapped(&set.corpus, &prepared.vocabularies)?;
            let swapped_loss = loss_in_text(&swapped, &model, &mut team, &settings).mean();
            busy.finish();
            Ok(SystemValidation {
                loss: scores.loss.mean(),
                swapped_loss,
                bleu: scores.bleu.unwrap_or_default(),
                chrf: scores.chrf.unwrap_or_default(),
            })
        })
    }

    /// Teacher and student beside each other, on the validation text.
    ///
    /// # Errors
    /// [`PipelineError::Translate`], [`PipelineError::Format`].
    pub fn standings(
        &self,
        prepared: &Prepared,
        systems: &[&Trained],
    ) -> Result<Vec<Standing>, PipelineError> {
        let speeds = self.speeds(&prepared.validation, systems)?;
        let standing = |(system, speed): (&&Trained, Speed)| {
            let weights = system.model.join(native::WEIGHTS_FILE);
            let config = native::load_config(&system.model)?;
            Ok(Standing {
                name: system.name.clone(),
                parameters: Transformer::parameters(&config),
                bytes: weights.metadata().map_err(FileError::when("read", &weights))?.len(),
                validation: self.validated(prepared, system)?,
                speed,
            })
        };
        systems.iter().zip(speeds).map(standing).collect()
    }
}

/// A text with its sides swapped, each divided as the other side's text is.
fn swapped(
    corpus: &EncodedCorpus,
    vocabularies: &VocabularyPair,
) -> Result<EncodedCorpus, PipelineError> {
    let VocabularyPair { source, target } = vocabularies;
    let swap = |index: usize| {
        let (source_ids, target_ids) = without_ends(corpus.pair(index));
        let (source_text, target_text) = (source.decode(source_ids)?, target.decode(target_ids)?);
        Ok((source.encode(&target_text), target.encode(&source_text)))
    };
    let pairs: Vec<_> = (0..corpus.len()).map(swap).collect::<Result<_, PipelineError>>()?;
    let pairs = pairs.iter().map(|(source, target)| (&source[..], &target[..]));
    let [source, target] = vocabularies.special_tokens();
    Ok(EncodedCorpus::from_pairs(source, target, pairs))
}

/// A pair without its end tokens.
fn without_ends<'c>((source, target): (&'c [u32], &'c [u32])) -> (&'c [u32], &'c [u32]) {
    (&source[..source.len() - 1], &target[..target.len() - 1])
}
