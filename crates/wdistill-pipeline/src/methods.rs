//! Methods: ways to make a student. A method is a value; resolving, training and reporting read its fields, and nobody
//! compares with its name.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::json;
use wdistill_generator::cut;
use wdistill_model::{Config, Dense, Model};

use crate::error::PipelineError;

/// What a student learns from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LearnsFrom {
    /// The training text alone.
    Text,
    /// The teacher too: its translations and, if the settings give it a weight, its distribution over words.
    Teacher,
}

/// Where a student's weights come from when its own training begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Random numbers: any shape will do.
    Random,
    /// The teacher's weights: the student has to fit them.
    Teacher,
    /// A generator that is fed by the teacher's weights and trained before, for a share of the student's updates.
    Generator,
}

/// What a report compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It is held against every rival.
    Proposed,
    /// What the others are held against.
    Rival,
}

/// What a student's weights can be made of.
pub struct Sources<'a> {
    /// The student's configuration.
    pub config: Config,
    /// Decides random numbers.
    pub seed: u64,
    /// Reads the teacher.
    pub teacher: &'a dyn Fn() -> Result<Model<Dense<f32>>, PipelineError>,
    /// Reads the student that a generator has made.
    pub generated: &'a dyn Fn() -> Result<Model<Dense<f32>>, PipelineError>,
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
    /// What a report compares it with.
    pub role: Role,
    /// The weights with which its own training begins.
    pub start: fn(Sources<'_>) -> Result<Model<Dense<f32>>, PipelineError>,
}

/// A way to make a student.
#[derive(Clone, Copy)]
pub struct Method(&'static MethodFields);

/// All methods.
pub const METHODS: [Method; 4] = [SCRATCH, KD, CUT, WD];

/// Random start, original pairs only: no teacher.
pub const SCRATCH: Method = Method(&MethodFields {
    name: "scratch",
    description: "random start, original pairs",
    learns_from: LearnsFrom::Text,
    origin: Origin::Random,
    role: Role::Rival,
    start: random,
});

/// Random start, original and pseudo pairs: knowledge distillation.
pub const KD: Method = Method(&MethodFields {
    name: "kd",
    description: "random start",
    learns_from: LearnsFrom::Teacher,
    origin: Origin::Random,
    role: Role::Rival,
    start: random,
});

/// The teacher cut down, then as `kd`.
pub const CUT: Method = Method(&MethodFields {
    name: "cut",
    description: "teacher cut down",
    learns_from: LearnsFrom::Teacher,
    origin: Origin::Teacher,
    role: Role::Rival,
    start: |sources| Ok(cut(&(sources.teacher)()?, &sources.config)?),
});

/// Weight distillation: a generator trained through the student, then the student itself.
pub const WD: Method = Method(&MethodFields {
    name: "wd",
    description: "weight distillation",
    learns_from: LearnsFrom::Teacher,
    origin: Origin::Generator,
    role: Role::Proposed,
    start: |sources| (sources.generated)(),
});

fn random(sources: Sources<'_>) -> Result<Model<Dense<f32>>, PipelineError> {
    Ok(Model::initialise(sources.config, sources.seed))
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

/// Names of all methods, as errors list them.
static NAMES: [&str; METHODS.len()] = [SCRATCH.0.name, KD.0.name, CUT.0.name, WD.0.name];

impl<'d> Deserialize<'d> for Method {
    fn deserialize<D: Deserializer<'d>>(deserializer: D) -> Result<Method, D::Error> {
        let name = String::deserialize(deserializer)?;
        let found = METHODS.into_iter().find(|method| method.name == name);
        found.ok_or_else(|| D::Error::unknown_variant(&name, &NAMES))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_known_by_their_names() {
        assert_eq!(METHODS.map(|method| method.name), NAMES);
        for method in METHODS {
            let text = serde_json::to_string(&method).unwrap();
            assert_eq!(serde_json::from_str::<Method>(&text).unwrap(), method);
        }
        let error = serde_json::from_str::<Method>("\"dk\"").unwrap_err().to_string();
        assert!(error.contains("unknown variant `dk`") && error.contains("`kd`"), "{error}");
    }
}
