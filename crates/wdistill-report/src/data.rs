//! The report as plain data.

use serde::{Deserialize, Serialize};

/// One run, complete: read alone, it says what was done and what came out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Headline.
    pub title: String,
    /// What is translated, and what the run was to find out.
    pub task_description: String,
    /// When the report was made, as the caller writes dates.
    pub created: String,
    /// Where it ran.
    pub machine: Machine,
    /// Commit of the program, if known.
    pub commit: Option<String>,
    /// Version of the program.
    pub version: String,
    /// What is still to be done, of a run that goes on.
    #[serde(default)]
    pub unfinished: Option<String>,
    /// The seed that every random choice came from.
    pub seed: u64,
    /// The recipe with all defaults filled in, as TOML.
    pub recipe_toml: String,
    /// The data sets, training first.
    pub data: Vec<DataSet>,
    /// How the systems were decoded.
    pub decoding: Decoding,
    /// One row a system, teacher first.
    pub systems: Vec<SystemRow>,
    /// Learning curves, one for each stage of each system.
    pub curves: Vec<Curve>,
    /// Scores on each test set, if there are several.
    pub tests: Vec<TestRow>,
    /// Learning rates that were tried.
    pub rates: Vec<RateRow>,
    /// Paired bootstrap tests between systems.
    pub comparisons: Vec<Comparison>,
    /// Some sentences of the tests.
    pub samples: Vec<Sample>,
    /// Whatever a reader should know besides.
    pub notes: Vec<String>,
}

/// The computer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Model of the processor.
    pub cpu: String,
    /// Processors that the run might have used.
    pub cores: usize,
    /// Threads that the run used.
    pub threads: usize,
    /// Main memory in GiB.
    #[serde(with = "crate::spelling::number")]
    pub memory_gib: f64,
    /// Operating system.
    pub operating_system: String,
    /// Instruction sets in use, such as `avx512f`.
    pub features: Vec<String>,
}

/// One data set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DataSet {
    /// What it was used for: training, validation, test.
    pub role: String,
    /// What it judges; a report of an earlier version does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judges: Option<Judges>,
    /// Where it came from.
    pub label: String,
    /// Sentence pairs.
    pub pairs: u64,
    /// Subword tokens on the source side.
    pub source_tokens: u64,
    /// Subword tokens on the target side.
    pub target_tokens: u64,
    /// What was left out or changed, with counts.
    pub notes: Vec<String>,
}

/// What a text judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Judges {
    /// Nothing: it is learned from.
    Nothing,
    /// Models while they are trained.
    Training,
    /// Finished systems.
    Finished,
}

/// Settings of the search, the same for every system.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Decoding {
    /// Hypotheses kept at each step; 1 is greedy search.
    pub beam: usize,
    /// Exponent of the length in the score of a hypothesis.
    #[serde(with = "crate::spelling::number")]
    pub length_penalty: f64,
    /// A translation may have this many tokens for each of its source,
    #[serde(with = "crate::spelling::number")]
    pub max_ratio: f64,
    /// and so many more,
    #[serde(default)]
    pub max_surplus: usize,
    /// but never more than this.
    #[serde(default)]
    pub max_length: usize,
    /// Source tokens of a batch, each counted once for every hypothesis.
    pub batch: usize,
    /// What the weights' products are computed in, such as `float32`.
    #[serde(default)]
    pub precision: String,
}

/// One system and its results: of several seeds the means.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SystemRow {
    /// Name, unique in the report; curves and comparisons refer to it.
    pub name: String,
    /// What kind of system it is, in a few words.
    pub description: String,
    /// Layers, width and feed-forward width, such as `4x128/512 + 1x64/256`.
    pub shape: String,
    /// Trainable parameters of the system as it is used.
    pub parameters: u64,
    /// The seeds that its random choices came from, one for each student; none for a model that was given.
    pub seeds: Vec<u64>,
    /// The learning rate that was chosen of several.
    #[serde(with = "crate::spelling::optional_number")]
    pub learning_rate: Option<f64>,
    /// Updates in all stages together; absent for a model that was given.
    pub updates: Option<u64>,
    /// Loss on the validation set, in nats per token; absent for a model that was given.
    pub loss_validation: Option<Measured>,
    /// BLEU on the validation set, 0 to 100.
    pub bleu_validation: Option<Measured>,
    /// Scores on the lines of all test sets together.
    pub test: Option<TestScores>,
    /// What it inherits of the teacher's decoder layers, if it has a twin that inherits nothing.
    pub inheritance: Option<Inheritance>,
    /// Target tokens decoded in a second.
    #[serde(with = "crate::spelling::optional_number")]
    pub tokens_per_second: Option<f64>,
    /// Sentences decoded in a second.
    #[serde(with = "crate::spelling::optional_number")]
    pub sentences_per_second: Option<f64>,
    /// Decoding speed as a multiple of the reference system's.
    #[serde(with = "crate::spelling::optional_number")]
    pub speed_up: Option<f64>,
    /// Seconds of training in all stages together, of all students.
    #[serde(with = "crate::spelling::optional_number")]
    pub training_seconds: Option<f64>,
    /// How the scores were computed.
    pub signatures: Signatures,
}

/// A mean, and how sure it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The value, or the mean over seeds.
    #[serde(with = "crate::spelling::number")]
    pub value: f64,
    /// Standard deviation over seeds, with their number less one as divisor; absent for one seed.
    #[serde(with = "crate::spelling::optional_number")]
    pub deviation: Option<f64>,
    /// Half the width of its 95% confidence interval over sentences, by bootstrap resampling.
    #[serde(with = "crate::spelling::optional_number")]
    pub half_width: Option<f64>,
}

/// Scores on a test set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TestScores {
    /// Name of the test set.
    pub text: String,
    /// BLEU, 0 to 100.
    pub bleu: Measured,
    /// chrF, 0 to 100.
    pub chrf: Measured,
    /// TER: edits for each hundred words of the references; lower is better.
    pub ter: Measured,
    /// Tokens of the translations over tokens of the references, as BLEU counts them.
    #[serde(with = "crate::spelling::number")]
    pub length_ratio: f64,
}

/// A system less its twin for which the teacher's decoder layers were random numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Inheritance {
    /// Name of the twin.
    pub twin: String,
    /// Loss on the validation set: below 0 is a gain.
    #[serde(with = "crate::spelling::number")]
    pub loss: f64,
    /// BLEU on all test sets together.
    pub bleu: Difference,
    /// chrF on all test sets together.
    pub chrf: Difference,
}

/// A difference between two systems on the same sentences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// The difference of the means over seeds.
    #[serde(with = "crate::spelling::number")]
    pub value: f64,
    /// Half the width of its 95% confidence interval, by paired bootstrap resampling.
    #[serde(with = "crate::spelling::number")]
    pub half_width: f64,
    /// Probability of such a difference between equal systems.
    #[serde(with = "crate::spelling::number")]
    pub p_value: f64,
}

/// Scores of a system on one of several test sets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TestRow {
    /// The system.
    pub system: String,
    /// Its scores.
    pub scores: TestScores,
}

/// A learning rate that was tried for a system.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RateRow {
    /// The system.
    pub system: String,
    /// The rate.
    #[serde(with = "crate::spelling::number")]
    pub learning_rate: f64,
    /// Loss on the validation set of the student that it trained, in nats per token; the lowest decides.
    #[serde(with = "crate::spelling::number")]
    pub loss_validation: f64,
    /// What validations were judged by, if that is a score: BLEU or chrF, 0 to 100.
    #[serde(with = "crate::spelling::optional_number")]
    pub score_validation: Option<f64>,
}

/// A sentence of the test, as systems translate it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Name of the test set.
    pub text: String,
    /// Line number in it, from 1.
    pub line: u64,
    /// Why it is shown.
    pub reason: String,
    /// What a person wrote.
    pub reference: String,
    /// Names of systems, and what they wrote.
    pub translations: Vec<(String, String)>,
}

/// Signatures of the metrics in the manner of sacreBLEU: everything that a score depends on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Signatures {
    /// Signature of BLEU.
    pub bleu: Option<String>,
    /// Signature of chrF.
    pub chrf: Option<String>,
    /// Signature of TER.
    pub ter: Option<String>,
}

/// The course of one stage of one system.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// Name of the system.
    pub system: String,
    /// Name of the stage.
    pub stage: String,
    /// Seed of the student.
    pub seed: Option<u64>,
    /// Measurements in the order in which they were made.
    pub points: Vec<CurvePoint>,
}

/// What was measured after some update.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// Updates of the system so far, counted through all of its stages.
    pub updates: u64,
    /// Training loss per target token, in nats.
    #[serde(with = "crate::spelling::optional_number")]
    pub training_loss: Option<f64>,
    /// Validation loss per target token, in nats.
    #[serde(with = "crate::spelling::optional_number")]
    pub validation_loss: Option<f64>,
    /// BLEU on the validation set, 0 to 100.
    #[serde(with = "crate::spelling::optional_number")]
    pub validation_bleu: Option<f64>,
}

/// Paired bootstrap test of one system against another (Koehn, EMNLP 2004).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The system with the higher score.
    pub better: String,
    /// The system it is compared with.
    pub than: String,
    /// The metric, such as `BLEU`.
    pub metric: String,
    /// Score of `better` less score of `than`.
    #[serde(with = "crate::spelling::number")]
    pub difference: f64,
    /// Half the width of the 95% confidence interval of the difference.
    #[serde(with = "crate::spelling::number")]
    pub confidence_half_width: f64,
    /// Probability of such a difference between equal systems.
    #[serde(with = "crate::spelling::number")]
    pub p_value: f64,
    /// Bootstrap samples.
    pub samples: u64,
}

/// How far a training of a run has come, for a page that shows it while it goes on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StageRow {
    /// Its folder.
    pub name: String,
    /// Whether it has begun, and ended.
    pub state: StageState,
    /// Updates done.
    pub updates: u64,
    /// All its updates; not known for one that is asked for in epochs, and has not begun.
    pub all_updates: Option<u64>,
    /// Training loss of the last line of its log.
    pub training_loss: Option<f64>,
    /// Loss of the last validation.
    pub validation_loss: Option<f64>,
    /// BLEU of the last validation.
    pub validation_bleu: Option<f64>,
    /// Target tokens that it learns from in a second.
    pub tokens_per_second: Option<f64>,
    /// Seconds so far.
    pub seconds: Option<f64>,
    /// Seconds that are left, at the speed so far.
    pub seconds_left: Option<f64>,
    /// When the last line of its log was written.
    pub last_line: Option<String>,
}

/// Whether a stage has begun, and ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StageState {
    /// It has not begun.
    #[default]
    ToCome,
    /// It has begun.
    UnderWay,
    /// It is finished.
    Finished,
}
