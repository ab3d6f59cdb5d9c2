//! The stages of a plan, and what each takes.

use wdistill_formats::native;
use wdistill_model::Config;
use wdistill_train::{Epoch, Selection, TrainingRecipe, TrainingSettings};

use super::StageEstimate;
use super::measure::{Measure, TrainingCase, TrainingCost};
use super::texts::Texts;
use crate::disk::kept_by_training;
use crate::error::PipelineError;
use crate::methods::LearnsFrom;
use crate::names::{BACK_TRANSLATION, GENERATOR, STUDENT, TEACHER, TRAINING};
use crate::plan::{Plan, ResolvedSystem};
use crate::settings::Pairs;

/// A plan, and what is known of its texts.
pub struct Stages<'a> {
    pub plan: &'a Plan,
    pub texts: &'a Texts,
}

impl Stages<'_> {
    /// All stages in their order.
    ///
    /// # Errors
    /// What measuring brings.
    pub fn estimate(&self, measure: &mut Measure<'_>) -> Result<Vec<StageEstimate>, PipelineError> {
        let teacher = match self.plan.teacher.known_config() {
            Some(config) => config.clone(),
            None => Config::new(self.plan.teacher.architecture().clone(), self.texts.vocabularies)?,
        };
        let mut stages = vec![StageEstimate {
            disk: self.texts.training.stored(),
            ..translating(&format!("pairs/{TRAINING}"), 0)
        }];
        if let Some(recipe) = &self.plan.back_translation {
            let text = &self.texts.training;
            let config = native::load_config(&recipe.model)?;
            let seconds = measure.decoding(&config, &recipe.decoding)?;
            stages.push(StageEstimate {
                // A line is taken to be as long as those of the training text.
                seconds: self.texts.back * text.target_tokens() * seconds,
                disk: (text.stored() as f64 * self.texts.back / text.pairs) as u64,
                ..translating(BACK_TRANSLATION, parameters(&config))
            });
        }
        if let Some(settings) = self.plan.teacher.training() {
            let settings = self.in_updates(settings, Pairs::Original, &teacher);
            let config = teacher.clone();
            let case = TrainingCase { config, settings, teacher: None, begin: None };
            stages.push(training(TEACHER.to_string(), 1, &case, measure.training(&case)?));
        }
        let is_learned_from = |system: &ResolvedSystem| system.pairs != Pairs::Original;
        if self.plan.systems.iter().any(is_learned_from) {
            stages.push(self.pseudo(&teacher, measure)?);
        }
        for system in &self.plan.systems {
            self.system(system, &teacher, measure, &mut stages)?;
        }
        if self.plan.data.test.is_some() {
            stages.extend(self.judged(&teacher, measure)?);
        }
        Ok(stages)
    }

    fn pseudo(
        &self,
        teacher: &Config,
        measure: &mut Measure<'_>,
    ) -> Result<StageEstimate, PipelineError> {
        let text = &self.texts.training;
        let recipe = &self.plan.pseudo_data;
        let seconds = measure.decoding(teacher, &recipe.decoding)?;
        let copies = recipe.keep.per_line(recipe.decoding.search.beam_size) as f64;
        // Lines of the source language alone are taken to be as long as the others.
        let lines = text.pairs + self.texts.monolingual;
        let more = copies * lines / text.pairs;
        Ok(StageEstimate {
            seconds: lines * text.target_tokens() * seconds,
            // The translations stand in their shards too, and are half of the text.
            disk: ((text.stored() + text.bytes / 2) as f64 * more) as u64,
            ..translating("pseudo", parameters(teacher))
        })
    }

    /// The trainings of a system: of each phase one for each learning rate and further seed.
    fn system(
        &self,
        system: &ResolvedSystem,
        teacher: &Config,
        measure: &mut Measure<'_>,
        stages: &mut Vec<StageEstimate>,
    ) -> Result<(), PipelineError> {
        let times = (system.candidates().len() + system.other_seeds.len()) as u64;
        let config = teacher.with_architecture(system.architecture.clone())?;
        let runs = |settings: &TrainingSettings| {
            let learns = system.method.learns_from == LearnsFrom::Teacher;
            (learns && settings.learns_of_teacher()).then(|| teacher.clone())
        };
        let source = self.source(system, teacher)?;
        let phases = [GENERATOR, STUDENT]
            .into_iter()
            .zip([system.generator.as_ref(), Some(&system.training)]);
        for (phase, settings) in phases {
            let Some(settings) = settings else { continue };
            // A student costs the same, whatever it begins with; a generator trains factors in its place.
            let begin = (phase == GENERATOR).then(|| (system.method, system.start, source.clone()));
            let settings = self.in_updates(settings, system.pairs, &config);
            let teacher = runs(&settings);
            let case = TrainingCase { config: config.clone(), settings, teacher, begin };
            let name = format!("{}/{phase}", system.name);
            stages.push(training(name, times, &case, measure.training(&case)?));
        }
        Ok(())
    }

    /// A training with its lengths in updates, as far as an epoch can be told before the text is encoded.
    fn in_updates(
        &self,
        recipe: &TrainingRecipe,
        pairs: Pairs,
        config: &Config,
    ) -> TrainingSettings {
        if recipe.is_in_updates() {
            return recipe.in_updates(None);
        }
        let text = &self.texts.training;
        let weights = self.plan.weights_in(0);
        let translated = weights.pseudo_data * (text.pairs + self.texts.monolingual);
        let originals = self.texts.epoch + weights.back_translation * self.texts.back;
        let all = match pairs {
            Pairs::Original => originals,
            Pairs::OriginalAndPseudo => originals + translated,
            Pairs::Pseudo => translated,
        };
        let (corpus, batches) = text.made_up(&config.vocabularies, recipe.max_tokens);
        let of_a_batch = corpus.len() as f64 / batches.len() as f64;
        let updates = all / of_a_batch / recipe.accumulation as f64;
        let tokens = (all * text.target_tokens()) as u64;
        recipe.in_updates(Some(Epoch { updates, tokens }))
    }

    /// The configuration of the model whose weights a system is made of.
    fn source(&self, system: &ResolvedSystem, teacher: &Config) -> Result<Config, PipelineError> {
        let is_it = |other: &&ResolvedSystem| Some(&other.name) == system.from.as_ref();
        match self.plan.systems.iter().find(is_it) {
            Some(source) => Ok(teacher.with_architecture(source.architecture.clone())?),
            None => Ok(teacher.clone()),
        }
    }

    /// Scores and speeds of all finished models.
    fn judged(
        &self,
        teacher: &Config,
        measure: &mut Measure<'_>,
    ) -> Result<Vec<StageEstimate>, PipelineError> {
        let texts = self.texts.tests.iter().chain([&self.texts.validation]);
        let tokens: f64 = texts.map(|text| text.pairs * text.target_tokens()).sum();
        let bytes = |text: &super::texts::Lengths| text.bytes / 2;
        let files: u64 = self.texts.tests.iter().chain([&self.texts.validation]).map(bytes).sum();
        let benchmark = self.plan.benchmark;
        let timed = (benchmark.rounds + 1) as f64
            * (benchmark.sentences as f64).min(self.texts.tests[0].pairs)
            * self.texts.tests[0].target_tokens();
        let mut evaluation = translating("evaluation", parameters(teacher));
        let mut speed = translating("speed", parameters(teacher));
        (evaluation.times, speed.times) = (0, 0);
        let students = self.plan.systems.iter().map(|system| {
            let config = teacher.with_architecture(system.architecture.clone());
            Ok::<_, PipelineError>((config?, 1 + system.other_seeds.len() as u64))
        });
        for model in [Ok((teacher.clone(), 1))].into_iter().chain(students) {
            let (config, count) = model?;
            let seconds = measure.decoding(&config, &self.plan.decoding)?;
            evaluation.times += count;
            evaluation.seconds += count as f64 * tokens * seconds;
            evaluation.disk += count * files;
            speed.times += 1;
            speed.seconds += timed * seconds;
        }
        Ok(vec![evaluation, speed])
    }
}

fn parameters(config: &Config) -> u64 {
    let slots = wdistill_model::Transformer::list(config);
    slots.iter().map(|slot| slot.shape.iter().map(|size| *size as u64).product::<u64>()).sum()
}

/// A stage that only translates.
fn translating(name: &str, parameters: u64) -> StageEstimate {
    StageEstimate {
        name: name.to_string(),
        times: 1,
        parameters,
        updates: None,
        seconds_per_update: None,
        seconds: 0.0,
        memory: None,
        disk: 0,
    }
}

/// A stage that trains.
fn training(name: String, times: u64, case: &TrainingCase, cost: TrainingCost) -> StageEstimate {
    let settings = &case.settings;
    let validations = settings.updates.div_ceil(settings.validate_every)
        + match settings.selection {
            Selection::Last | Selection::Best => 0,
            // What is averaged is validated once more.
            Selection::Average | Selection::MovingAverage => 1,
        };
    let once = settings.updates as f64 * cost.update + validations as f64 * cost.validation;
    StageEstimate {
        name,
        times,
        parameters: cost.trained,
        updates: Some(settings.updates),
        seconds_per_update: Some(cost.update),
        seconds: times as f64 * once,
        memory: cost.memory,
        disk: times * kept_by_training(settings, cost.trained, cost.parameters),
    }
}
