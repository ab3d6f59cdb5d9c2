//! Teachers and students.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use wdistill_base::{Random, hash_file};
use wdistill_formats::{native, save_model};
use wdistill_generator::{ParameterGenerator, Saturation, Start};
use wdistill_model::{Architecture, Config, Dense, Model, Vocabularies};
use wdistill_runtime::DecodingOptions;
use wdistill_text::{SOURCE_FILE, TARGET_FILE};
use wdistill_train::{
    DenseModel, Ended, Event, GeneratedStudent, HostLearner, Lesson, Run, Selected, Trainable,
    TrainingSettings, Validator, line_by_line,
};

use crate::data::conventions;
use crate::error::PipelineError;
use crate::methods::{LearnsFrom, Origin, Sources};
use crate::names::{GENERATOR, TEACHER};
use crate::pipeline::Pipeline;
use crate::plan::{ResolvedSystem, ResolvedTeacher};
use crate::progress::RunProgress;
use crate::settings::Pairs;
use crate::stage::Fingerprint;
use crate::stages::prepare::Prepared;

/// A trained model in the run's folder.
#[derive(Clone, Debug, PartialEq)]
pub struct Trained {
    /// Name in the table.
    pub name: String,
    /// What it is, in a few words.
    pub description: String,
    /// Folder with its weights, configuration and vocabularies.
    pub model: PathBuf,
    /// Of everything that decided it.
    pub fingerprint: Fingerprint,
    /// Hashes of its configuration and its weights, as they were when it was finished or first read.
    pub hashes: [String; 2],
    /// Stages that trained it, in order: folder and result.
    pub stages: Vec<(String, TrainingResult)>,
}

/// Result of one training stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingResult {
    /// Updates done.
    pub updates: u64,
    /// Seconds of training.
    pub seconds: f64,
    /// Whether it ran out of patience.
    pub early: bool,
    /// Which weights were handed on; absent in results of earlier versions.
    #[serde(default)]
    pub selected: Option<Selected>,
    /// Every line of its log, of which a report draws its curves.
    pub events: Vec<Event>,
}

/// Everything that decides a training stage.
#[derive(Serialize)]
struct TrainingInputs<'a> {
    stage: &'a str,
    architecture: &'a Architecture,
    conventions: &'a Vocabularies,
    settings: TrainingSettings,
    /// Only if it can decide which weights come out.
    decoding: Option<&'a DecodingOptions>,
    seed: u64,
    data: &'a Fingerprint,
    from: Option<&'a Fingerprint>,
}

/// One training stage.
#[derive(Clone, Copy)]
struct TrainingStage<'a> {
    name: &'a str,
    architecture: &'a Architecture,
    settings: &'a TrainingSettings,
    pairs: Pairs,
    data: &'a Fingerprint,
    from: Option<&'a Fingerprint>,
    /// The teacher, for word-level distillation.
    teacher: Option<&'a Trained>,
    /// Decides its random choices, together with its name.
    seed: u64,
}

/// What belongs to one carrying out of a stage.
struct Place<'a> {
    /// Decides its random choices.
    seed: u64,
    /// Names everything else that decides the result.
    inputs: &'a str,
    /// Where it keeps what it does.
    folder: &'a Path,
}

impl Pipeline {
    /// Trains the teacher, or takes the one that the recipe names.
    ///
    /// # Errors
    /// What [`Run::train`] brings, or [`PipelineError::Format`] for a model that cannot be read.
    pub fn teacher(&self, prepared: &Prepared) -> Result<Trained, PipelineError> {
        let trained = |model: PathBuf, hashes, fingerprint, stages| Trained {
            name: TEACHER.to_string(),
            description: "the large model".to_string(),
            model,
            fingerprint,
            hashes,
            stages,
        };
        let (architecture, settings) = match &self.plan.teacher {
            ResolvedTeacher::Trained(architecture, settings) => (architecture, settings),
            ResolvedTeacher::Given(folder, _) => {
                let hashes = model_hashes(folder)?;
                let fingerprint = Fingerprint::of(&hashes);
                return Ok(trained(folder.clone(), hashes, fingerprint, Vec::new()));
            }
        };
        let stage = TrainingStage {
            name: TEACHER,
            architecture,
            settings,
            pairs: Pairs::Original,
            data: &prepared.fingerprint,
            from: None,
            teacher: None,
            seed: self.plan.seed,
        };
        let (result, fingerprint) = self.train(prepared, &stage, |config, seed| {
            Ok(Box::new(DenseModel(Model::initialise(config, seed))))
        })?;
        let stages = vec![(TEACHER.to_string(), result)];
        let model = self.path("teacher/model");
        let hashes = model_hashes(&model)?;
        Ok(trained(model, hashes, fingerprint, stages))
    }

    /// Sizes of the vocabularies and special tokens of every model: those of a teacher that is given.
    fn conventions(&self, prepared: &Prepared) -> Vocabularies {
        match &self.plan.teacher {
            ResolvedTeacher::Given(_, config) => config.vocabularies,
            ResolvedTeacher::Trained(..) => conventions(&prepared.vocabularies),
        }
    }

    /// Carries out a training stage, whose weights start as `start` makes them.
    fn train(
        &self,
        prepared: &Prepared,
        stage: &TrainingStage<'_>,
        start: impl FnOnce(Config, u64) -> Result<Box<dyn Trainable>, PipelineError>,
    ) -> Result<(TrainingResult, Fingerprint), PipelineError> {
        let &TrainingStage { name, architecture, settings, data, from, .. } = stage;
        // Stages draw apart: phase 2 must not see the batches and masks of phase 1 again, nor a student
        // start from the teacher's own numbers.
        let seed = Random::named(stage.seed, name).bits();
        let conventions = self.conventions(prepared);
        let fingerprint = Fingerprint::of(&TrainingInputs {
            stage: name,
            architecture,
            conventions: &conventions,
            settings: settings.decisive(),
            decoding: settings.is_steered_by_decoding().then_some(&self.plan.decoding),
            seed,
            data,
            from,
        });
        let model_file = |file: &str| format!("model/{file}");
        let products =
            [native::CONFIG_FILE, native::WEIGHTS_FILE, SOURCE_FILE, TARGET_FILE].map(model_file);
        let products = products.each_ref().map(String::as_str);
        let result = self.stages.run(name, &fingerprint, &products, |folder| {
            let trainable = start(Config::new(architecture.clone(), conventions)?, seed)?;
            self.learn(prepared, stage, trainable, Place { seed, inputs: &fingerprint.0, folder })
        })?;
        Ok((result, fingerprint))
    }

    /// Trains, and writes the weights that are handed on.
    fn learn(
        &self,
        prepared: &Prepared,
        stage: &TrainingStage<'_>,
        trainable: Box<dyn Trainable>,
        Place { seed, inputs, folder }: Place<'_>,
    ) -> Result<TrainingResult, PipelineError> {
        let &TrainingStage { name, settings, pairs, teacher, .. } = stage;
        let (corpus, threads) = (&prepared.training.corpus, self.options.threads);
        let translator = line_by_line(&self.plan.decoding, threads);
        let validator = Validator {
            corpus: &prepared.validation.corpus,
            references: &prepared.validation.references,
            vocabularies: &prepared.vocabularies,
            translator: &translator,
        };
        let teacher = match teacher {
            Some(teacher) if settings.word_distillation > 0.0 => Some(self.load(teacher)?),
            _ => None,
        };
        // Where no student is made, the model is nobody's teacher.
        let is_alone = name == TEACHER && self.plan.systems.is_empty();
        let name = if is_alone { "model" } else { name };
        let lesson = Lesson { corpus, teacher: teacher.as_ref(), settings, seed };
        let mut learner = HostLearner::start(trainable, lesson, threads)?;
        let run = Run {
            name,
            corpus,
            pairs: match pairs {
                Pairs::Original => corpus.part_sizes()[0],
                Pairs::OriginalAndPseudo => corpus.len(),
            },
            validator: &validator,
            settings,
            seed,
            inputs,
            folder,
            observer: &RunProgress::new(self.options.display, name, settings),
            interrupt: &self.options.interrupt,
            save_model: &|model, folder| Ok(save_model(model, &prepared.vocabularies, folder)?),
        };
        let outcome = run.train(&mut learner)?;
        save_model(&outcome.model, &prepared.vocabularies, &folder.join("model"))?;
        Ok(TrainingResult {
            updates: outcome.updates,
            seconds: outcome.seconds,
            early: outcome.ended == Ended::OutOfPatience,
            selected: Some(outcome.selected),
            events: outcome.events,
        })
    }

    /// Trains a student by the system's method.
    ///
    /// # Errors
    /// [`PipelineError::Grow`] if teacher and student do not fit, and what [`Run::train`] brings.
    pub fn student(
        &self,
        prepared: &Prepared,
        teacher: &Trained,
        pseudo: &Fingerprint,
        system: &ResolvedSystem,
    ) -> Result<Trained, PipelineError> {
        let learns_from_teacher = system.method.learns_from == LearnsFrom::Teacher;
        let word_teacher = learns_from_teacher.then_some(teacher);
        let [student, generator] =
            ["student", GENERATOR].map(|phase| format!("{}/{phase}", system.name));
        let stage = TrainingStage {
            name: &student,
            architecture: &system.architecture,
            settings: &system.training,
            pairs: system.pairs,
            data: match system.pairs {
                Pairs::Original => &prepared.fingerprint,
                Pairs::OriginalAndPseudo => pseudo,
            },
            from: None,
            teacher: word_teacher,
            seed: system.seed,
        };
        let mut stages = Vec::new();
        let mut from = word_teacher.map(|_| teacher.fingerprint.clone());
        if let Some(settings) = &system.generator {
            let from_start = Fingerprint::of(&(system.start, &from));
            let stage =
                TrainingStage { name: &generator, settings, from: Some(&from_start), ..stage };
            let (result, fingerprint) = self.generator(prepared, &stage, teacher, system.start)?;
            stages.push((generator.clone(), result));
            from = Some(fingerprint);
        }
        let stage = TrainingStage { from: from.as_ref(), ..stage };
        let (result, fingerprint) = self.train(prepared, &stage, |config, seed| {
            let model = (system.method.start)(Sources {
                config,
                seed,
                teacher: &|| self.load(teacher),
                generated: &|| Ok(native::load(&self.path(&generator).join("model"))?),
            })?;
            Ok(Box::new(DenseModel(model)))
        })?;
        let model = self.path(&student).join("model");
        stages.push((student, result));
        Ok(Trained {
            name: system.name.clone(),
            description: description(system),
            hashes: model_hashes(&model)?,
            model,
            fingerprint,
            stages,
        })
    }

    /// Trains the generator of a student: phase 1.
    fn generator(
        &self,
        prepared: &Prepared,
        stage: &TrainingStage<'_>,
        teacher: &Trained,
        start: Start,
    ) -> Result<(TrainingResult, Fingerprint), PipelineError> {
        self.train(prepared, stage, |config, seed| {
            let teacher = self.load(teacher)?;
            self.warn_of_saturation(&teacher, start);
            let generator = ParameterGenerator::grow(&teacher, &config, start, seed)?;
            Ok(Box::new(GeneratedStudent::new(generator)))
        })
    }

    /// A finished model, if it is still what it was.
    pub(crate) fn load(&self, trained: &Trained) -> Result<Model<Dense<f32>>, PipelineError> {
        match model_hashes(&trained.model)? == trained.hashes {
            true => Ok(native::load(&trained.model)?),
            false => Err(PipelineError::Changed { path: trained.model.clone() }),
        }
    }

    fn warn_of_saturation(&self, teacher: &Model<Dense<f32>>, start: Start) {
        let Saturation { outside, all } = Saturation::of(&teacher.weights);
        if start == Start::Xavier && outside > 0 {
            let share = 100.0 * outside as f64 / all as f64;
            self.say(
                "generator",
                &format!(
                    "{outside} of the teacher's {all} weights ({share:.2}%) lie outside [-1, 1]; \
                     a tanh with a scale of 1 cannot reach them at first"
                ),
            );
        }
    }
}

/// What a system is, in a few words.
fn description(system: &ResolvedSystem) -> String {
    let mut parts = vec![system.method.description];
    if system.method.origin == Origin::Generator && system.start == Start::Cut {
        parts.push("cut start");
    }
    if system.method.learns_from == LearnsFrom::Teacher {
        let sequence_level = system.pairs == Pairs::OriginalAndPseudo;
        parts.extend(sequence_level.then_some("sequence-level distillation"));
        parts.extend(system.learns_words().then_some("word-level distillation"));
    }
    parts.join(", ")
}

/// Hashes of a model's configuration and weights.
fn model_hashes(folder: &Path) -> Result<[String; 2], PipelineError> {
    let hash = |file: &str| hash_file(&folder.join(file));
    Ok([hash(native::CONFIG_FILE)?, hash(native::WEIGHTS_FILE)?])
}
