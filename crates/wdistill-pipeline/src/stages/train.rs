//! Teachers and students.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use wdistill_base::{Random, hash_file};
use wdistill_corpus::{Modifications, evenly_spaced};
use wdistill_formats::{native, save_model};
use wdistill_generator::{Saturation, Start};
use wdistill_model::{Architecture, Config, Dense, Languages, Model, Vocabularies};
use wdistill_runtime::{DecodingOptions, best_alignment_head};
use wdistill_text::{EncodedCorpus, LexicalTable, SOURCE_FILE, TARGET_FILE, sorted_batches};
use wdistill_train::{
    Batch, Device, Ended, Event, Guide, Judgement, Learner, Lesson, Run, Selected, Trainee,
    TrainingRecipe, TrainingSettings, has_checkpoint, line_by_line,
};

use crate::data::conventions;
use crate::disk::kept_by_training;
use crate::error::PipelineError;
use crate::lengths::in_updates;
use crate::methods::{Beginning, LearnsFrom, Method, Origin, Sources};
use crate::names::{GENERATOR, STUDENT, TEACHER};
use crate::pipeline::Pipeline;
use crate::plan::{ResolvedSystem, ResolvedTeacher};
use crate::progress::{Progress, RunProgress};
use crate::settings::{Pairs, TeacherDecoder};
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
    /// Decided its random choices; none for a teacher that is given.
    pub seed: Option<u64>,
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
    /// Which weights were handed on.
    pub selected: Selected,
    /// Every line of its log, of which a report draws its curves.
    pub events: Vec<Event>,
    /// How many of the pairs it was given had been changed, in each way.
    #[serde(default, skip_serializing_if = "Modifications::is_empty")]
    pub modified: Modifications,
}

impl TrainingResult {
    /// How many pairs were changed in each way, in words; none if nothing changes any.
    pub fn modified_in_words(&self) -> Option<String> {
        let counts = self.modified.iter().map(|(way, count)| format!("{count} {}", way.in_words()));
        let counts: Vec<String> = counts.collect();
        (!counts.is_empty()).then(|| format!("pairs were changed: {}", counts.join(", ")))
    }
}

impl Trained {
    /// How the weights that its last stage handed on were judged; nothing for a teacher that is given.
    pub fn judgement(&self) -> Option<Judgement> {
        self.stages.last().map(|(_, result)| result.selected.judgement)
    }
}

/// Pairs that say which head aligns best; more say the same.
const ALIGNED_PAIRS: usize = 500;

/// A model that knows which of its heads aligns words, which a text with markup and a list of alignments ask for.
fn with_alignment(mut model: Model<Dense<f32>>, text: &EncodedCorpus) -> Model<Dense<f32>> {
    let words = |ids: &[u32]| ids[..ids.len() - 1].to_vec();
    let pairs: Vec<_> = (0..text.len().min(ALIGNED_PAIRS))
        .map(|index| text.pair(index))
        .map(|(source, target)| (words(source), words(target)))
        .collect();
    model.config.alignment = best_alignment_head(&model, &pairs).map(|(head, _)| head);
    model
}

/// Everything that decides a training stage.
#[derive(Serialize)]
struct TrainingInputs<'a> {
    stage: &'a str,
    architecture: &'a Architecture,
    conventions: &'a Vocabularies,
    /// Those of the recipe: a given teacher's belong to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    languages: Option<&'a Languages>,
    settings: TrainingRecipe,
    /// What it begins with.
    begins: &'a Begins,
    /// Only if it can decide which weights come out.
    decoding: Option<&'a DecodingOptions>,
    seed: u64,
    pairs: Pairs,
    data: &'a Fingerprint,
    /// Of the corpora, if an epoch has not each pair once.
    #[serde(skip_serializing_if = "Option::is_none")]
    mixture: Option<serde_json::Value>,
    /// Of a teacher that runs beside its student.
    teacher: Option<&'a Fingerprint>,
}

/// What a stage begins with, as far as it decides the result.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Begins {
    /// Random numbers.
    Random,
    /// What a method makes of a teacher.
    Made {
        method: Method,
        start: Option<Start>,
        teacher_decoder: TeacherDecoder,
        teacher: Option<Fingerprint>,
    },
    /// The model of the phase before, or a finished one that is trained on.
    Model(Fingerprint),
}

/// What a student learns from besides the text.
#[derive(Clone, Copy)]
pub struct Teachers<'a> {
    /// Its translations, and its distribution over words.
    pub words: &'a Trained,
    /// Its weights: the same model, or a step on the way.
    pub weights: &'a Trained,
}

impl<'a> Teachers<'a> {
    /// One for both.
    pub fn one(teacher: &'a Trained) -> Teachers<'a> {
        Teachers { words: teacher, weights: teacher }
    }
}

/// One training stage.
#[derive(Clone, Copy)]
struct TrainingStage<'a> {
    name: &'a str,
    architecture: &'a Architecture,
    settings: &'a TrainingRecipe,
    pairs: Pairs,
    data: &'a Fingerprint,
    begins: &'a Begins,
    /// The teacher, if it may run beside its student.
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
            seed: match self.plan.teacher {
                ResolvedTeacher::Given(..) => None,
                ResolvedTeacher::Trained(..) | ResolvedTeacher::Tuned(..) => Some(self.plan.seed),
            },
            stages,
        };
        let (architecture, settings, from) = match &self.plan.teacher {
            ResolvedTeacher::Trained(architecture, settings) => (architecture, settings, None),
            ResolvedTeacher::Tuned(folder, config, settings) => {
                (&config.architecture, settings, Some(folder))
            }
            ResolvedTeacher::Given(folder, _) => {
                let hashes = model_hashes(folder)?;
                let fingerprint = Fingerprint::of(&hashes);
                return Ok(trained(folder.clone(), hashes, fingerprint, Vec::new()));
            }
        };
        let begins = match from {
            None => Begins::Random,
            Some(folder) => Begins::Model(Fingerprint::of(&model_hashes(folder)?)),
        };
        let stage = TrainingStage {
            name: TEACHER,
            architecture,
            settings,
            pairs: Pairs::Original,
            data: &prepared.fingerprint,
            begins: &begins,
            teacher: None,
            seed: self.plan.seed,
        };
        let (result, fingerprint) = self.train(prepared, &stage, |config, seed, _| {
            Ok(Trainee::weights(match from {
                None => Model::initialise(config, seed),
                // The folder's own settings, but for dropout and what the data says of languages.
                Some(folder) => Model { config, ..native::load(folder)? },
            }))
        })?;
        let stages = vec![(TEACHER.to_string(), result)];
        let model = self.path("teacher/model");
        let hashes = model_hashes(&model)?;
        Ok(trained(model, hashes, fingerprint, stages))
    }

    /// Sizes of the vocabularies and special tokens of every model: those of a teacher that is given.
    fn conventions(&self, prepared: &Prepared) -> Vocabularies {
        match self.plan.teacher.known_config() {
            Some(config) => config.vocabularies,
            None => conventions(&prepared.vocabularies),
        }
    }

    /// The languages of every model: those of the recipe, or those of a teacher that is given.
    fn languages(&self) -> Option<Languages> {
        let of_teacher = self.plan.teacher.known_config().and_then(|known| known.languages.clone());
        self.plan.data.languages.clone().or(of_teacher)
    }

    /// Carries out a training stage, whose weights start as `start` makes them.
    fn train(
        &self,
        prepared: &Prepared,
        stage: &TrainingStage<'_>,
        start: impl FnOnce(Config, u64, Beginning) -> Result<Trainee, PipelineError>,
    ) -> Result<(TrainingResult, Fingerprint), PipelineError> {
        let &TrainingStage { name, architecture, settings, data, begins, teacher, .. } = stage;
        // Stages draw apart: phase 2 must not see the batches and masks of phase 1 again, nor a student
        // start from the teacher's own numbers.
        let seed = Random::named(stage.seed, name).bits();
        let conventions = self.conventions(prepared);
        let fingerprint = Fingerprint::of(&TrainingInputs {
            stage: name,
            architecture,
            conventions: &conventions,
            languages: self.plan.data.languages.as_ref(),
            settings: settings.decisive(),
            decoding: settings.is_steered_by_decoding().then_some(&self.plan.decoding),
            begins,
            seed,
            pairs: stage.pairs,
            data,
            mixture: self.plan.data.decisive_mixture(),
            teacher: running_teacher(teacher, settings).map(|teacher| &teacher.fingerprint),
        });
        let model_file = |file: &str| format!("model/{file}");
        let products =
            [native::CONFIG_FILE, native::WEIGHTS_FILE, SOURCE_FILE, TARGET_FILE].map(model_file);
        let products = products.each_ref().map(String::as_str);
        let result = self.stages.run(name, &fingerprint, &products, |folder| {
            let beginning = match has_checkpoint(folder) {
                true => Beginning::Again,
                false => Beginning::Anew,
            };
            let config = Config {
                languages: self.languages(),
                ..Config::new(architecture.clone(), conventions)?
            };
            let trainee = start(config, seed, beginning)?;
            self.learn(prepared, stage, trainee, Place { seed, inputs: &fingerprint.0, folder })
        })?;
        Ok((result, fingerprint))
    }

    /// Trains, and writes the weights that are handed on.
    fn learn(
        &self,
        prepared: &Prepared,
        stage: &TrainingStage<'_>,
        trainee: Trainee,
        Place { seed, inputs, folder }: Place<'_>,
    ) -> Result<TrainingResult, PipelineError> {
        let &TrainingStage { name, pairs, teacher, .. } = stage;
        let threads = self.options.threads;
        let stages = self.plan.data.in_stages(prepared.parts(pairs), &prepared.vocabularies)?;
        let (mixture, settings) = in_updates(stages, stage.settings, seed, folder)?;
        let settings = &settings;
        let translator = line_by_line(&self.plan.decoding, threads);
        let validator = |set| prepared.validator(set, &translator);
        let others: Vec<_> = prepared.other_validations.iter().map(validator).collect();
        let validator = validator(&prepared.validation);
        let teacher = running_teacher(teacher, stage.settings).map(|teacher| self.load(teacher));
        let teacher = teacher.transpose()?;
        // Where no student is made, the model is nobody's teacher.
        let is_alone = name == TEACHER && self.plan.systems.is_empty();
        let name = if is_alone { "model" } else { name };
        let guide = self.guide(prepared, stage)?;
        let (teacher, guide) = (teacher.as_ref(), guide.as_ref());
        let lesson = Lesson { teacher, guide, settings, seed };
        let mut learner =
            Device::Host { threads }.learner(trainee, lesson, &*self.options.ranks)?;
        let takes = takes(&mut *learner, settings)?;
        let run = Run {
            name,
            mixture: &mixture,
            validator: &validator,
            other_validators: &others,
            settings,
            seed,
            inputs,
            folder,
            observer: &RunProgress::new(self.options.display, name, settings, takes),
            interrupt: &self.options.interrupt,
            save_model: &|model, folder| Ok(save_model(model, &prepared.vocabularies, folder)?),
        };
        let outcome = run.train(&mut *learner)?;
        let model = with_alignment(outcome.model, validator.corpus);
        save_model(&model, &prepared.vocabularies, &folder.join("model"))?;
        let result = TrainingResult {
            updates: outcome.updates,
            seconds: outcome.seconds,
            early: outcome.ended == Ended::OutOfPatience,
            selected: outcome.selected,
            events: outcome.events,
            modified: outcome.modified,
        };
        result.modified_in_words().into_iter().for_each(|words| self.say(name, &words));
        Ok(result)
    }

    /// Word alignments of the pairs that a stage learns from, if its settings give them a weight: IBM model 1's.
    fn guide(
        &self,
        prepared: &Prepared,
        stage: &TrainingStage<'_>,
    ) -> Result<Option<Guide>, PipelineError> {
        if stage.settings.guided_alignment == 0.0 {
            return Ok(None);
        }
        let busy = Progress::busy(self.options.display, stage.name, "learning word alignments");
        let corpus = evenly_spaced(&prepared.parts(stage.pairs), ALIGNING_PAIRS)?;
        let words = |ids: &[u32]| ids[..ids.len() - 1].to_vec();
        let pairs: Vec<_> = (0..corpus.len())
            .map(|index| corpus.pair(index))
            .map(|(source, target)| (words(source), words(target)))
            .collect();
        let size = prepared.vocabularies.source.size();
        let table = LexicalTable::learn(&pairs, size, ITERATIONS, &mut |_| {});
        busy.finish();
        Ok(Some(Guide::new(&table)))
    }

    /// Trains a student by the system's method.
    ///
    /// # Errors
    /// [`PipelineError::Grow`] if teacher and student do not fit, and what [`Run::train`] brings.
    pub fn student(
        &self,
        prepared: &Prepared,
        teachers: Teachers<'_>,
        pseudo: &Fingerprint,
        system: &ResolvedSystem,
    ) -> Result<Trained, PipelineError> {
        let Teachers { words, weights } = teachers;
        let method = system.method;
        let [student, generator] =
            [STUDENT, GENERATOR].map(|phase| format!("{}/{phase}", system.name));
        let begins = Begins::Made {
            method,
            start: system.start,
            teacher_decoder: system.teacher_decoder,
            teacher: (method.origin == Origin::Teacher).then(|| weights.fingerprint.clone()),
        };
        let stage = TrainingStage {
            name: &student,
            architecture: &system.architecture,
            settings: &system.training,
            pairs: system.pairs,
            data: match system.pairs {
                Pairs::Original => &prepared.fingerprint,
                Pairs::OriginalAndPseudo | Pairs::Pseudo => pseudo,
            },
            begins: &begins,
            teacher: (method.learns_from == LearnsFrom::Teacher).then_some(words),
            seed: system.seed,
        };
        let begin = |stage: &TrainingStage<'_>, config: Config, seed, beginning| {
            let teacher = &|| self.load_for(weights, system);
            let batches = &|| self.examples(prepared, stage, &config);
            let say = &|what: &str| self.say(stage.name, what);
            let (config, start) = (config.clone(), system.start);
            let sources = Sources { config, seed, start, beginning, teacher, batches, say };
            (method.begin)(&method, sources)
        };
        let Some(settings) = &system.generator else {
            let (result, fingerprint) =
                self.train(prepared, &stage, |config, seed, beginning| {
                    begin(&stage, config, seed, beginning)
                })?;
            return self.trained(system, fingerprint, vec![(student, result)]);
        };
        let first = TrainingStage { name: &generator, settings, ..stage };
        let (first, fingerprint) = self.train(prepared, &first, |config, seed, beginning| {
            begin(&first, config, seed, beginning)
        })?;
        let stage = TrainingStage { begins: &Begins::Model(fingerprint), ..stage };
        let (second, fingerprint) = self.train(prepared, &stage, |_, _, _| {
            Ok(Trainee::weights(native::load(&self.path(&generator).join("model"))?))
        })?;
        self.trained(system, fingerprint, vec![(generator.clone(), first), (student, second)])
    }

    /// A finished student, whose last stage has its model.
    fn trained(
        &self,
        system: &ResolvedSystem,
        fingerprint: Fingerprint,
        stages: Vec<(String, TrainingResult)>,
    ) -> Result<Trained, PipelineError> {
        let (last, _) = stages.last().expect("a student has a stage");
        let model = self.path(last).join("model");
        Ok(Trained {
            name: system.name.clone(),
            description: description(system),
            hashes: model_hashes(&model)?,
            model,
            fingerprint,
            seed: Some(system.seed),
            stages,
        })
    }

    /// Packed batches of some of the pairs that a student will learn from, evenly spaced, for a start that looks at what the
    /// teacher computes.
    fn examples(
        &self,
        prepared: &Prepared,
        stage: &TrainingStage<'_>,
        config: &Config,
    ) -> Result<Vec<Batch>, PipelineError> {
        let corpus = evenly_spaced(&prepared.parts(stage.pairs), EXAMPLES)?;
        let batches = sorted_batches(&corpus.lengths(), stage.settings.max_tokens).into_iter();
        Ok(batches.map(|pairs| Batch::new(&corpus, &pairs, &config.vocabularies)).collect())
    }

    /// The teacher as a system's weights are made of it.
    fn load_for(
        &self,
        teacher: &Trained,
        system: &ResolvedSystem,
    ) -> Result<Model<Dense<f32>>, PipelineError> {
        let mut teacher = self.load(teacher)?;
        if system.start == Some(Start::Xavier) {
            self.warn_of_saturation(&teacher);
        }
        if system.teacher_decoder == TeacherDecoder::Blank {
            // The same for all systems of a seed.
            let seed = Random::named(system.seed, "blank decoder").bits();
            let blank = Model::initialise(teacher.config.clone(), seed);
            teacher.weights.decoder = blank.weights.decoder;
        }
        Ok(teacher)
    }

    /// A finished model, if it is still what it was.
    pub(crate) fn load(&self, trained: &Trained) -> Result<Model<Dense<f32>>, PipelineError> {
        match model_hashes(&trained.model)? == trained.hashes {
            true => Ok(native::load(&trained.model)?),
            false => Err(PipelineError::Changed { path: trained.model.clone() }),
        }
    }

    fn warn_of_saturation(&self, teacher: &Model<Dense<f32>>) {
        let Saturation { outside, all } = Saturation::of(&teacher.weights);
        if outside > 0 {
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

/// Pairs that IBM model 1 learns from at most, whose words are in memory, and how often it goes over them.
const ALIGNING_PAIRS: usize = 200_000;
const ITERATIONS: usize = 5;

/// What a training takes besides time, in words.
fn takes(learner: &mut dyn Learner, settings: &TrainingSettings) -> Result<String, PipelineError> {
    let layout = learner.state()?.layout.clone();
    let trained = layout.ranges().iter().map(|named| named.range.len() as u64).sum();
    let parameters = learner.model()?.weights.count() as u64;
    let disk = kept_by_training(settings, trained, parameters) as f64 / 1e6;
    let trained = trained as f64 / 1e6;
    Ok(format!("it trains {trained:.2} million numbers and keeps {disk:.0} MB on the disk"))
}

/// Pairs that a start looks at.
const EXAMPLES: usize = 2000;

/// The teacher that runs beside its student, if the settings give anything that it computes a weight.
fn running_teacher<'a>(
    teacher: Option<&'a Trained>,
    settings: &TrainingRecipe,
) -> Option<&'a Trained> {
    teacher.filter(|_| settings.learns_of_teacher())
}

/// What a system is, in a few words.
fn description(system: &ResolvedSystem) -> String {
    let ResolvedSystem { method, start, from, teacher_decoder, pairs, .. } = system;
    let learns_from_teacher = method.learns_from == LearnsFrom::Teacher;
    let translations = match pairs {
        _ if !learns_from_teacher => None,
        Pairs::Original => None,
        Pairs::OriginalAndPseudo => Some("sequence-level distillation"),
        Pairs::Pseudo => Some("sequence-level distillation without the original pairs"),
    };
    let is_blank = *teacher_decoder == TeacherDecoder::Blank;
    let usual = method.start(None);
    let parts = [
        Some(method.description.to_string()),
        from.as_ref().map(|from| format!("made of {from}")),
        start.filter(|_| *start != usual).map(|start| start.in_words().to_string()),
        is_blank.then(|| "with a blank teacher's decoder".to_string()),
        translations.map(str::to_string),
    ];
    let more = system.learned_of_teacher().filter(|_| learns_from_teacher).map(str::to_string);
    parts.into_iter().flatten().chain(more).collect::<Vec<_>>().join(", ")
}

/// A finished model that somebody gives.
///
/// # Errors
/// [`PipelineError::Io`] if its files cannot be read.
pub(crate) fn given(name: &str, folder: &Path) -> Result<Trained, PipelineError> {
    let hashes = model_hashes(folder)?;
    Ok(Trained {
        name: name.to_string(),
        description: String::new(),
        model: folder.to_path_buf(),
        fingerprint: Fingerprint::of(&hashes),
        hashes,
        seed: None,
        stages: Vec::new(),
    })
}

/// Hashes of a model's configuration and weights.
pub(crate) fn model_hashes(folder: &Path) -> Result<[String; 2], PipelineError> {
    let hash = |file: &str| hash_file(&folder.join(file));
    Ok([hash(native::CONFIG_FILE)?, hash(native::WEIGHTS_FILE)?])
}
