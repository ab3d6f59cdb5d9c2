//! Methods: ways to make a student. A method is a value; resolving, training and reporting read its fields, and nobody
//! compares with its name.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::json;
use wdistill_fit::{Examples, Fitted, fit, reordered};
use wdistill_generator::{Choice, Fit, GrowError, ParameterGenerator, Start, check_fit, cut};
use wdistill_model::{Config, Dense, Model};
use wdistill_train::{Batch, Trainee};

use crate::error::PipelineError;

/// What a student learns from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LearnsFrom {
    /// The training text alone.
    Text,
    /// The teacher too: its translations and, if the settings give it a weight, its distribution over words.
    Teacher,
}

/// Where a student's weights come from when its training begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Random numbers: any shape will do.
    Random,
    /// The teacher's weights, or a part of them: the student has to fit them.
    Teacher,
}

/// How often a student's training begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phases {
    /// Once.
    One,
    /// Twice: what the first phase has made is trained as it is in the second, by an optimiser and along a schedule of its
    /// own. The first has a share of the student's updates.
    Two,
}

/// What a report compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It is held against every rival.
    Proposed,
    /// What the others are held against.
    Rival,
}

/// Whether a training begins, or goes on from a checkpoint.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Beginning {
    /// It begins.
    Anew,
    /// The numbers that it begins with will be replaced by a checkpoint's, so that none have to be found by work.
    Again,
}

/// What a student's training can begin with.
pub struct Sources<'a> {
    /// The student's configuration.
    pub config: Config,
    /// Decides random numbers.
    pub seed: u64,
    /// What the recipe chooses of [`MethodFields::starts`], or the first of them; nothing if there are none.
    pub start: Option<Start>,
    /// Whether what is made will be used.
    pub beginning: Beginning,
    /// Reads the teacher.
    pub teacher: &'a dyn Fn() -> Result<Model<Dense<f32>>, PipelineError>,
    /// Some of the pairs that it will learn from, for a start that looks at what the teacher computes.
    pub batches: &'a dyn Fn() -> Result<Vec<Batch>, PipelineError>,
    /// Tells what was found.
    pub say: &'a dyn Fn(&str),
}

/// The fields of a method.
pub struct MethodFields {
    /// As recipes have it.
    pub name: &'static str,
    /// In a few words, for the report.
    pub description: &'static str,
    /// What it learns from.
    pub learns_from: LearnsFrom,
    /// Where its weights come from.
    pub origin: Origin,
    /// How often its training begins.
    pub phases: Phases,
    /// What a report compares it with.
    pub role: Role,
    /// What a recipe may choose as its start; the first if it chooses nothing.
    pub starts: &'static [Start],
    /// What the teacher's numbers are taken by, if `starts` leaves no choice.
    pub choice: Option<Choice>,
    /// Whether a student can be made of a teacher: both configurations, the teacher's first.
    pub fits: fn(Choice, &Config, &Config) -> Result<(), GrowError>,
    /// What is trained in its first phase, as it is at first.
    pub begin: fn(&Method, Sources<'_>) -> Result<Trainee, PipelineError>,
}

/// A way to make a student.
#[derive(Clone, Copy)]
pub struct Method(&'static MethodFields);

/// All methods.
pub const METHODS: [Method; 9] =
    [SCRATCH, KD, ENCODER, CUT, CUT_TWICE, LAYER_COPY, WEIGHT_SELECTION, SUBCLONING, WD];

/// Random start, original pairs only: no teacher.
pub const SCRATCH: Method = Method(&MethodFields {
    name: "scratch",
    description: "random start, original pairs",
    learns_from: LearnsFrom::Text,
    ..RANDOM
});

/// Random start, original and pseudo pairs: knowledge distillation.
pub const KD: Method = Method(&RANDOM);

/// A random start.
const RANDOM: MethodFields = MethodFields {
    name: "kd",
    description: "random start",
    learns_from: LearnsFrom::Teacher,
    origin: Origin::Random,
    phases: Phases::One,
    role: Role::Rival,
    starts: &[],
    choice: None,
    fits: |_, _, _| Ok(()),
    begin: |_, Sources { config, seed, .. }| Ok(Trainee::weights(Model::initialise(config, seed))),
};

/// The teacher's encoder and embeddings cut down, and a random decoder: what the teacher's decoder layers bring is what a
/// method has over this.
pub const ENCODER: Method = Method(&MethodFields {
    name: "encoder",
    description: "teacher's encoder and embeddings, random decoder",
    starts: &[Start::Cut, Start::Strided, Start::Concatenated],
    fits: |choice, teacher, student| {
        check_fit(teacher, &with_decoder_layers(student, teacher), choice.layers)
    },
    begin: |method, Sources { config, seed, start, teacher, .. }| {
        let teacher = teacher()?;
        let like = with_decoder_layers(&config, &teacher.config);
        let mut weights = cut(&teacher, &like, method.choice(start))?.weights;
        weights.decoder = Model::initialise(config.clone(), seed).weights.decoder;
        Ok(Trainee::weights(Model { config, weights }))
    },
    ..CUT_DOWN
});

/// The teacher cut down, then as `kd`.
pub const CUT: Method = Method(&CUT_DOWN);

/// A part of the teacher's numbers.
const CUT_DOWN: MethodFields = MethodFields {
    name: "cut",
    description: "teacher cut down",
    origin: Origin::Teacher,
    starts: &[Start::Cut, Start::Strided, Start::Concatenated, Start::Fitted],
    fits: |choice, teacher, student| check_fit(teacher, student, choice.layers),
    begin: |method, sources| {
        let teacher = (sources.teacher)()?;
        let student = cut(&teacher, &sources.config, method.choice(sources.start))?;
        Ok(Trainee::weights(match fit_of(sources.start) {
            Fit::AsChosen => student,
            Fit::ToStates => sources.fitted(&teacher, student)?,
        }))
    },
    ..RANDOM
};

/// The teacher cut down, and trained in two phases as `wd` is, without a generator in the first: what the generator brings is
/// what `wd` has over this.
pub const CUT_TWICE: Method = Method(&MethodFields {
    name: "cut-twice",
    description: "teacher cut down, two phases",
    phases: Phases::Two,
    ..CUT_DOWN
});

/// Whole layers of the teacher's, evenly spaced.
pub const LAYER_COPY: Method = Method(&MethodFields {
    name: "layer-copy",
    description: "evenly spaced layers of the teacher",
    starts: &[],
    choice: Some(Choice::LAYER_COPY),
    ..CUT_DOWN
});

/// Evenly spaced elements of the teacher's first layers.
pub const WEIGHT_SELECTION: Method = Method(&MethodFields {
    name: "weight-selection",
    description: "evenly spaced elements of the teacher's first layers",
    starts: &[],
    choice: Some(Choice::WEIGHT_SELECTION),
    ..CUT_DOWN
});

/// The teacher's most important elements, heads and hidden units, of evenly spaced layers.
pub const SUBCLONING: Method = Method(&MethodFields {
    name: "subcloning",
    description: "the teacher's most important elements, evenly spaced layers",
    starts: &[],
    choice: Some(Choice::SUBCLONING),
    begin: |method, sources| {
        let (batches, teacher) = ((sources.batches)()?, (sources.teacher)()?);
        // With as many word tables as the student, so that each can have its order.
        let mut untied = teacher.config.clone();
        untied.architecture.embeddings = sources.config.architecture.embeddings;
        let teacher = cut(&teacher, &untied, Choice::CUT)?;
        let teacher = reordered(&teacher, &sources.config, &examples(&batches));
        Ok(Trainee::weights(cut(&teacher, &sources.config, method.choice(None))?))
    },
    ..CUT_DOWN
});

/// Weight distillation: a generator trained through the student, then the student itself.
pub const WD: Method = Method(&MethodFields {
    name: "wd",
    description: "weight distillation",
    phases: Phases::Two,
    role: Role::Proposed,
    starts: &[Start::Xavier, Start::Cut, Start::Strided, Start::Concatenated, Start::Fitted],
    begin: |_, sources| {
        let teacher = (sources.teacher)()?;
        let Sources { config, seed, start, .. } = &sources;
        let mut generator =
            ParameterGenerator::grow(&teacher, config, start.unwrap_or_default(), *seed)?;
        if fit_of(*start) == Fit::ToStates {
            let student = sources.fitted(&teacher, generator.materialise())?;
            generator.make(&student.weights);
        }
        Ok(Trainee::generator(generator))
    },
    ..CUT_DOWN
});

impl Sources<'_> {
    /// A student whose layers are solved so that its states are its teacher's.
    fn fitted(
        &self,
        teacher: &Model<Dense<f32>>,
        student: Model<Dense<f32>>,
    ) -> Result<Model<Dense<f32>>, PipelineError> {
        if self.beginning == Beginning::Again {
            return Ok(student);
        }
        let batches = (self.batches)()?;
        let tokens: usize = batches.iter().map(Batch::tokens).sum();
        (self.say)(&format!("solving the layers on {tokens} target tokens"));
        let Fitted { model, stacks, explained } = fit(teacher, student, &examples(&batches));
        if stacks.is_empty() {
            (self.say)(
                "nothing is fitted: the student has the teacher's shape, or more of something than the teacher has",
            );
        }
        for (place, part) in explained {
            (self.say)(&format!("{place}: {:.1}% of the teacher's states explained", 100.0 * part));
        }
        Ok(model)
    }
}

fn examples(batches: &[Batch]) -> Vec<Examples<'_>> {
    batches
        .iter()
        .map(|batch| {
            let (source, target, words) = (batch.source(), batch.target(), batch.words());
            Examples { source, target, words }
        })
        .collect()
}

/// What follows the choice of a start, if there is one.
fn fit_of(start: Option<Start>) -> Fit {
    start.map_or(Fit::AsChosen, Start::fit)
}

/// A configuration with as many decoder layers as another: a decoder that is not taken from the teacher may have any depth.
fn with_decoder_layers(config: &Config, other: &Config) -> Config {
    let mut config = config.clone();
    config.architecture.decoder.layers = other.architecture.decoder.layers;
    config
}

impl Method {
    /// The start of a system that chooses this one, or none.
    pub fn start(&self, chosen: Option<Start>) -> Option<Start> {
        chosen.or(self.starts.first().copied())
    }

    /// Which of the teacher's numbers it takes with a start.
    pub fn choice(&self, start: Option<Start>) -> Choice {
        let of_start = start.and_then(Start::choice);
        self.choice.or(of_start).unwrap_or(Choice::CUT)
    }
}

impl Deref for Method {
    type Target = MethodFields;

    fn deref(&self) -> &MethodFields {
        self.0
    }
}

impl PartialEq for Method {
    fn eq(&self, other: &Method) -> bool {
        self.name == other.name
    }
}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Serialize for Method {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name)
    }
}

impl JsonSchema for Method {
    fn schema_name() -> Cow<'static, str> {
        "Method".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let methods: Vec<_> = METHODS
            .iter()
            .map(|method| json!({ "const": method.name, "description": method.description }))
            .collect();
        json_schema!({ "oneOf": methods })
    }
}

impl<'d> Deserialize<'d> for Method {
    fn deserialize<D: Deserializer<'d>>(deserializer: D) -> Result<Method, D::Error> {
        static NAMES: [&str; METHODS.len()] = names();
        let name = String::deserialize(deserializer)?;
        let found = METHODS.into_iter().find(|method| method.name == name);
        found.ok_or_else(|| D::Error::unknown_variant(&name, &NAMES))
    }
}

/// Names of all methods, as errors list them.
const fn names() -> [&'static str; METHODS.len()] {
    let mut names = [""; METHODS.len()];
    let mut index = 0;
    while index < METHODS.len() {
        names[index] = METHODS[index].0.name;
        index += 1;
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_known_by_their_names() {
        assert_eq!(METHODS.map(|method| method.name), names());
        for method in METHODS {
            let text = serde_json::to_string(&method).unwrap();
            assert_eq!(serde_json::from_str::<Method>(&text).unwrap(), method);
        }
        let error = serde_json::from_str::<Method>("\"dk\"").unwrap_err().to_string();
        assert!(error.contains("unknown variant `dk`") && error.contains("`kd`"), "{error}");
    }
}
