//! What a model is: its architecture, and the vocabularies it reads and writes.

use serde::{Deserialize, Serialize};

use wdistill_base::{Activation, Hinted, Problem, listed};

use crate::alignment::AlignmentHead;
use crate::axis::Axis;
use crate::languages::Languages;
use crate::positions::PositionTable;
use crate::slot::{Stack, SubLayer};
use crate::tokens::NO_WORD;

/// Larger sizes are no model's, and would take all memory before anything is read.
const LARGEST_SIZE: usize = 1 << 20;

/// More layers are no model's, and would make a list of weights longer than any file's.
const MOST_LAYERS: usize = 1 << 10;

/// Size of one stack of layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// Number of layers.
    pub layers: usize,
    /// Width of the residual stream.
    pub width: usize,
    /// Width of the hidden layer of each feed-forward block.
    pub feed_forward: usize,
    /// Number of attention heads; divides `width`.
    pub heads: usize,
}

/// Where layer normalisation stands in a sub-layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum NormPlacement {
    /// `norm(x + f(x))`, as in Vaswani et al. (2017).
    #[default]
    Post,
    /// `x + f(norm(x))`.
    Pre,
}

/// Whether a stack ends in a layer normalisation of its own (usual with [`NormPlacement::Pre`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum FinalNorm {
    /// The last layer's output is the stack's output.
    #[default]
    Absent,
    /// The last layer's output is normalised once more.
    Present,
}

/// What the inner axis of a sub-layer is divided into: heads of an attention, hidden units of a feed-forward block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pieces {
    /// How many there are.
    pub count: usize,
    /// Elements of each; a unit is one.
    pub elements: usize,
}

impl Shape {
    /// Heads or hidden units of a sub-layer.
    pub fn pieces(&self, sub_layer: SubLayer) -> Pieces {
        match sub_layer {
            SubLayer::Attention(_) => {
                Pieces { count: self.heads, elements: self.width / self.heads }
            }
            SubLayer::Recurrence => Pieces { count: self.width, elements: 1 },
            SubLayer::FeedForward => Pieces { count: self.feed_forward, elements: 1 },
        }
    }
}

/// How a decoder layer sees the target so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Autoregression {
    /// It attends to all of it, as in Vaswani et al. (2017).
    #[default]
    SelfAttention,
    /// It keeps one vector of cells, a simpler simple recurrent unit (Kim et al., "From Research to Production and Back",
    /// 2019): what a step costs does not grow with the sentence. The decoders of Firefox have it.
    Ssru,
}

/// Which of the three embedding matrices are one and the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Embeddings {
    /// Source, target and output matrices are three.
    Separate,
    /// Target and output matrix are one.
    #[default]
    DecoderTied,
    /// Source, target and output matrix are one; needs equal vocabularies and widths.
    AllTied,
}

impl Embeddings {
    /// How many matrices there are.
    pub fn tables(self) -> usize {
        match self {
            Embeddings::Separate => 3,
            Embeddings::DecoderTied => 2,
            Embeddings::AllTied => 1,
        }
    }
}

/// Factor on embeddings before positions are added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum EmbeddingScale {
    /// The square root of the width.
    #[default]
    SquareRootOfWidth,
    /// One.
    One,
}

impl EmbeddingScale {
    /// The factor for a stack of this width.
    pub fn factor(self, width: usize) -> f64 {
        match self {
            EmbeddingScale::SquareRootOfWidth => (width as f64).sqrt(),
            EmbeddingScale::One => 1.0,
        }
    }
}

/// Whether the output product adds a trained bias per word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum OutputBias {
    /// Logits are a plain product.
    #[default]
    Absent,
    /// Logits add a bias.
    Present,
}

/// Dropout probabilities in training; decoding never drops.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct DropoutRates {
    /// On embeddings and on the output of every sub-layer before it is added to its input.
    pub residual: f64,
    /// On attention probabilities.
    pub attention: f64,
    /// After the feed-forward activation.
    pub activation: f64,
}

impl DropoutRates {
    /// No dropout at all.
    pub const NONE: DropoutRates = DropoutRates { residual: 0.0, attention: 0.0, activation: 0.0 };
}

impl Default for DropoutRates {
    fn default() -> Self {
        DropoutRates { residual: 0.1, ..DropoutRates::NONE }
    }
}

/// Everything about a Transformer except its vocabularies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Architecture {
    /// Placement of layer normalisation.
    #[serde(default)]
    pub norm: NormPlacement,
    /// Normalisation after the last layer of each stack.
    #[serde(default)]
    pub final_norm: FinalNorm,
    /// Added to the variance before the square root.
    #[serde(default = "default_epsilon")]
    pub norm_epsilon: f64,
    /// Feed-forward non-linearity.
    #[serde(default)]
    pub activation: Activation,
    /// How the decoder sees the target so far.
    #[serde(default)]
    pub autoregression: Autoregression,
    /// Tied embedding matrices.
    #[serde(default)]
    pub embeddings: Embeddings,
    /// Factor on embeddings.
    #[serde(default)]
    pub embedding_scale: EmbeddingScale,
    /// Table of sinusoids: in a recipe `tensor2tensor` or, for a student, its teacher's. A model's configuration that
    /// names none is of a model with the one that was the only one once, `marian`.
    #[serde(default = "unnamed_positions")]
    #[cfg_attr(feature = "schema", schemars(extend("default" = null)))]
    pub positions: PositionTable,
    /// Bias of the output product.
    #[serde(default)]
    pub output_bias: OutputBias,
    /// The encoder's layers.
    pub encoder: Shape,
    /// The decoder's layers.
    pub decoder: Shape,
    /// Dropout in training.
    #[serde(default)]
    pub dropout: DropoutRates,
}

/// What toolkits do differently and nobody chooses: a student has its teacher's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conventions {
    /// Added to the variance before the square root.
    pub norm_epsilon: f64,
    /// Factor on embeddings.
    pub embedding_scale: EmbeddingScale,
    /// Table of sinusoids.
    pub positions: PositionTable,
}

impl Default for Conventions {
    /// Those of new models, and of all presets.
    fn default() -> Self {
        Conventions {
            norm_epsilon: default_epsilon(),
            embedding_scale: EmbeddingScale::default(),
            positions: PositionTable::default(),
        }
    }
}

impl Architecture {
    /// What it has of the conventions in which toolkits differ.
    pub fn conventions(&self) -> Conventions {
        let &Architecture { norm_epsilon, embedding_scale, positions, .. } = self;
        Conventions { norm_epsilon, embedding_scale, positions }
    }

    /// Everything but sizes and dropout, each by its key and as it is written: what a student that is made of a teacher
    /// has in common with it.
    pub fn properties(&self) -> Vec<(&'static str, String)> {
        // Every field is named, so that a new one has its place here or below.
        let Architecture {
            norm,
            final_norm,
            norm_epsilon,
            activation,
            autoregression,
            embeddings,
            embedding_scale,
            positions,
            output_bias,
            encoder: _,
            decoder: _,
            dropout: _,
        } = self;
        vec![
            ("norm", written(norm)),
            ("final_norm", written(final_norm)),
            ("norm_epsilon", format!("{norm_epsilon:e}")),
            ("activation", written(activation)),
            ("autoregression", written(autoregression)),
            ("embeddings", written(embeddings)),
            ("embedding_scale", written(embedding_scale)),
            ("positions", written(positions)),
            ("output_bias", written(output_bias)),
        ]
    }
}

/// A value as a configuration has it.
fn written(value: &impl Serialize) -> String {
    toml::Value::try_from(value).map_or_else(|error| error.to_string(), |value| value.to_string())
}

fn unnamed_positions() -> PositionTable {
    PositionTable::Marian
}

fn default_epsilon() -> f64 {
    1e-5
}

impl Architecture {
    /// The same with a decoder of one layer: where most of the time of translating goes, and little of the quality.
    pub fn with_one_decoder_layer(&self) -> Architecture {
        Architecture { decoder: Shape { layers: 1, ..self.decoder }, ..self.clone() }
    }

    /// Both stacks in a few characters, such as `6x512/2048 + 1x256/1024`.
    pub fn summary(&self) -> String {
        let stack = |s: &Shape| format!("{}x{}/{}", s.layers, s.width, s.feed_forward);
        format!("{} + {}", stack(&self.encoder), stack(&self.decoder))
    }

    fn problems(&self) -> Vec<Problem> {
        let mut problems = shape_problems("encoder", &self.encoder);
        problems.extend(shape_problems("decoder", &self.decoder));
        if self.embeddings == Embeddings::AllTied && self.encoder.width != self.decoder.width {
            let fact = format!(
                "embeddings are all-tied, but encoder.width is {} and decoder.width is {}",
                self.encoder.width, self.decoder.width
            );
            problems.push(Problem::with_hint(fact, "use decoder-tied"));
        }
        if !(self.norm_epsilon > 0.0 && self.norm_epsilon.is_finite()) {
            problems.push(
                format!("norm_epsilon is {}, expected more than 0", self.norm_epsilon).into(),
            );
        }
        let rates = [
            ("residual", self.dropout.residual),
            ("attention", self.dropout.attention),
            ("activation", self.dropout.activation),
        ];
        for (field, rate) in rates {
            if !(0.0..1.0).contains(&rate) {
                problems.push(format!("dropout.{field} is {rate}, expected 0 <= rate < 1").into());
            }
        }
        problems
    }
}

/// What does not hold together in the stack of this name.
fn shape_problems(name: &str, shape: &Shape) -> Vec<Problem> {
    let &Shape { layers, width, feed_forward, heads } = shape;
    let mut problems: Vec<String> = Vec::new();
    let sizes =
        [("layers", layers), ("width", width), ("feed_forward", feed_forward), ("heads", heads)];
    for (field, size) in sizes {
        if size == 0 {
            problems.push(format!("{name}.{field} is 0, expected at least 1"));
        }
        let most = if field == "layers" { MOST_LAYERS } else { LARGEST_SIZE };
        if size > most {
            problems.push(format!("{name}.{field} is {size}, expected at most {most}"));
        }
    }
    if heads > 0 && !width.is_multiple_of(heads) {
        problems
            .push(format!("{name}.heads is {heads}, which does not divide {name}.width = {width}"));
    }
    if !width.is_multiple_of(2) || width < 4 {
        problems.push(format!(
            "{name}.width is {width}, expected an even number of at least 4 (half of it holds sines, half cosines)"
        ));
    }
    problems.into_iter().map(Problem::from).collect()
}

/// What the decoder reads before the first word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "RawStart", into = "RawStart")]
pub enum DecoderStart {
    /// The embedding of a word; written as its number.
    Word(u32),
    /// A vector of zeros in place of an embedding, as in Marian; written `"zero-vector"`.
    ZeroVector,
}

impl DecoderStart {
    /// The token id that stands for it in a batch: [`NO_WORD`] for the zero vector.
    pub fn token(self) -> u32 {
        match self {
            DecoderStart::Word(word) => word,
            DecoderStart::ZeroVector => NO_WORD,
        }
    }
}

/// How [`DecoderStart`] is written.
#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a token's number or \"zero-vector\"")]
enum RawStart {
    Word(u32),
    Named(NamedStart),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum NamedStart {
    ZeroVector,
}

impl From<RawStart> for DecoderStart {
    fn from(raw: RawStart) -> DecoderStart {
        match raw {
            RawStart::Word(word) => DecoderStart::Word(word),
            RawStart::Named(NamedStart::ZeroVector) => DecoderStart::ZeroVector,
        }
    }
}

impl From<DecoderStart> for RawStart {
    fn from(start: DecoderStart) -> RawStart {
        match start {
            DecoderStart::Word(word) => RawStart::Word(word),
            DecoderStart::ZeroVector => RawStart::Named(NamedStart::ZeroVector),
        }
    }
}

/// Whether the encoder reads the end token of a source sentence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceEnding {
    /// It reads the words and the end token.
    #[default]
    EndToken,
    /// It reads the words only (OpenNMT).
    Nothing,
}

/// Sizes of the vocabularies, and the tokens that the model itself needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vocabularies {
    /// Number of source words.
    pub source: usize,
    /// Number of target words.
    pub target: usize,
    /// Token that ends every source sentence.
    pub source_end: u32,
    /// Whether the encoder reads it.
    #[serde(default)]
    pub source_ending: SourceEnding,
    /// Token that ends every target sentence.
    pub target_end: u32,
    /// What the decoder reads before the first word.
    pub decoder_start: DecoderStart,
    /// A target token that fills up sentences elsewhere and is never written; a model of another toolkit
    /// may have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub padding: Option<u32>,
}

impl Vocabularies {
    /// One vocabulary for both sides; token 0 ends a sentence and starts the decoder.
    pub fn shared(size: usize) -> Vocabularies {
        Vocabularies {
            source: size,
            target: size,
            source_end: 0,
            source_ending: SourceEnding::EndToken,
            target_end: 0,
            decoder_start: DecoderStart::Word(0),
            padding: None,
        }
    }

    /// What the encoder reads of a source sentence that ends in its end token.
    pub fn encoder_input<'a>(&self, sentence: &'a [u32]) -> &'a [u32] {
        match (self.source_ending, sentence) {
            (SourceEnding::Nothing, [words @ .., _end]) => words,
            _ => sentence,
        }
    }

    fn problems(&self) -> Vec<Problem> {
        let start = match self.decoder_start {
            DecoderStart::Word(word) => Some(word),
            DecoderStart::ZeroVector => None,
        };
        let outside = [
            ("source_end", Some(self.source_end), self.source),
            ("target_end", Some(self.target_end), self.target),
            ("decoder_start", start, self.target),
            ("padding", self.padding, self.target),
        ]
        .into_iter()
        .filter_map(|(field, token, size)| Some((field, token?, size)))
        .filter(|(_, token, size)| *token as usize >= *size)
        .map(|(field, token, size)| {
            format!("vocabularies.{field} is {token}, but that vocabulary has {size} words")
        });
        let same = (self.padding == Some(self.target_end)).then(|| {
            format!(
                "vocabularies.padding is {}, which is target_end too: no sentence could end",
                self.target_end
            )
        });
        outside.chain(same).map(Problem::from).collect()
    }
}

/// A complete, valid description of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RawConfig")]
pub struct Config {
    /// Vocabulary sizes and special tokens.
    pub vocabularies: Vocabularies,
    /// Layers, widths, norms.
    pub architecture: Architecture,
    /// From which language to which it translates, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub languages: Option<Languages>,
    /// Which attention says what each target word comes from, if somebody found out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alignment: Option<AlignmentHead>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConfig {
    vocabularies: Vocabularies,
    architecture: Architecture,
    languages: Option<Languages>,
    alignment: Option<AlignmentHead>,
}

impl TryFrom<RawConfig> for Config {
    type Error = ConfigError;
    fn try_from(raw: RawConfig) -> Result<Config, ConfigError> {
        let RawConfig { vocabularies, architecture, languages, alignment } = raw;
        if let Some(Err(problem)) = languages.as_ref().map(Languages::check) {
            return Err(ConfigError::Invalid(vec![problem.at("languages")]));
        }
        let config = Config { languages, ..Config::new(architecture, vocabularies)? };
        match alignment {
            Some(alignment) => config.with_alignment(alignment),
            None => Ok(config),
        }
    }
}

/// Why a configuration was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Every contradiction found, together.
    #[error("the model configuration does not hold together:{}", listed(.0))]
    Invalid(Vec<Problem>),
    /// No preset of that name.
    #[error("there is no preset {name:?}")]
    UnknownPreset {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// The text is not a configuration.
    #[error("the model configuration cannot be read: {0}")]
    Malformed(String),
}

impl Hinted for ConfigError {
    fn hint(&self) -> Option<String> {
        match self {
            ConfigError::UnknownPreset { known, .. } => Some(format!("the presets are {known}")),
            ConfigError::Invalid(_) | ConfigError::Malformed(_) => None,
        }
    }
}

impl Config {
    /// Checks architecture and vocabularies against each other.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] with every problem found.
    pub fn new(
        architecture: Architecture,
        vocabularies: Vocabularies,
    ) -> Result<Config, ConfigError> {
        let mut problems = architecture.problems();
        problems.extend(vocabularies.problems());
        if architecture.embeddings == Embeddings::AllTied
            && vocabularies.source != vocabularies.target
        {
            let fact = format!(
                "embeddings are all-tied, but the source vocabulary has {} words and the target vocabulary {}",
                vocabularies.source, vocabularies.target
            );
            let hint = "train a joint vocabulary, or use decoder-tied";
            problems.push(Problem::with_hint(fact, hint));
        }
        if problems.is_empty() {
            Ok(Config { vocabularies, architecture, languages: None, alignment: None })
        } else {
            Err(ConfigError::Invalid(problems))
        }
    }

    /// The configuration of a model that is made of this one: another architecture, the same text.
    ///
    /// # Errors
    /// As [`Config::new`].
    pub fn with_architecture(&self, architecture: Architecture) -> Result<Config, ConfigError> {
        let config = Config::new(architecture, self.vocabularies)?;
        Ok(Config { languages: self.languages.clone(), ..config })
    }

    /// The same, with the attention that aligns words.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] if the decoder does not have it.
    pub fn with_alignment(self, alignment: AlignmentHead) -> Result<Config, ConfigError> {
        let Shape { layers, heads, .. } = self.architecture.decoder;
        let AlignmentHead { layer, head, .. } = alignment;
        if layer >= layers || head >= heads {
            let fact = format!(
                "alignment is by head {head} of decoder layer {layer}, counted from 0, but there are {layers} layers \
                 of {heads} heads"
            );
            return Err(ConfigError::Invalid(vec![fact.into()]));
        }
        Ok(Config { alignment: Some(alignment), ..self })
    }

    /// Reads the TOML text of a model folder's `config.toml`.
    ///
    /// # Errors
    /// [`ConfigError::Malformed`] with the parser's line and column, or what [`Config::new`] finds.
    pub fn from_toml(text: &str) -> Result<Config, ConfigError> {
        toml::from_str(text).map_err(|error| ConfigError::Malformed(error.to_string()))
    }

    /// The TOML text that [`Config::from_toml`] reads; every property is spelled out.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a configuration is plain tables of numbers and strings")
    }

    /// Size of a stack.
    pub fn shape(&self, stack: Stack) -> &Shape {
        match stack {
            Stack::Encoder => &self.architecture.encoder,
            Stack::Decoder => &self.architecture.decoder,
        }
    }

    /// Length of an axis in this model.
    pub fn length(&self, axis: Axis) -> usize {
        match axis {
            Axis::SourceVocabulary => self.vocabularies.source,
            Axis::TargetVocabulary => self.vocabularies.target,
            Axis::EncoderWidth => self.architecture.encoder.width,
            Axis::DecoderWidth => self.architecture.decoder.width,
            Axis::EncoderFeedForward => self.architecture.encoder.feed_forward,
            Axis::DecoderFeedForward => self.architecture.decoder.feed_forward,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alignment::AlignmentQuery;
    use crate::presets::PRESETS;

    #[test]
    fn languages_and_alignment_are_kept_and_checked() {
        let architecture = Architecture::preset("small").unwrap();
        let mut config = Config::new(architecture, Vocabularies::shared(9)).unwrap();
        let head = AlignmentHead { layer: 1, head: 7, query: AlignmentQuery::Reading };
        config.languages = Some(Languages::new("en", "de").unwrap());
        config = config.with_alignment(head).unwrap();
        let text = config.to_toml();
        assert_eq!(Config::from_toml(&text).unwrap(), config);
        for (from, to, problem) in [
            ("head = 7", "head = 8", "head 8 of decoder layer 1"),
            ("\"de\"", "\"../de\"", "languages: \"../de\" is no code"),
        ] {
            let error = Config::from_toml(&text.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
        // What is made of it translates the same languages; its heads are others.
        let student = Architecture::preset("tiny").unwrap();
        let student = config.with_architecture(student).unwrap();
        assert_eq!((student.languages, student.alignment), (config.languages, None));
    }

    #[test]
    fn every_preset_is_valid_and_has_the_published_size() {
        for (name, _) in PRESETS {
            let architecture = Architecture::preset(name).unwrap();
            Config::new(architecture, Vocabularies::shared(100)).unwrap();
        }
        // Vaswani et al. (2017), table 3; Lin et al. (2021), table 1.
        let published = [
            ("transformer-base", "6x512/2048 + 6x512/2048"),
            ("transformer-big", "6x1024/4096 + 6x1024/4096"),
            ("small", "6x512/2048 + 2x512/2048"),
            ("tiny", "6x512/2048 + 1x256/1024"),
        ];
        for (name, summary) in published {
            assert_eq!(Architecture::preset(name).unwrap().summary(), summary, "{name}");
        }
        let base = Architecture::preset("transformer-base").unwrap();
        for (teacher, student) in
            [("transformer-base", "tiny"), ("mini", "mini-tiny"), ("micro", "micro-tiny")]
        {
            let mut half = Architecture::preset(teacher).unwrap().with_one_decoder_layer();
            half.decoder.width /= 2;
            half.decoder.feed_forward /= 2;
            assert_eq!(half, Architecture::preset(student).unwrap());
        }
        assert_eq!(base.with_one_decoder_layer().summary(), "6x512/2048 + 1x512/2048");
    }

    #[test]
    fn all_problems_are_reported_together() {
        let mut architecture = Architecture::preset("tiny").unwrap();
        architecture.encoder.heads = 7;
        architecture.decoder.layers = 0;
        architecture.dropout.attention = 1.0;
        architecture.embeddings = Embeddings::AllTied;
        let vocabularies = Vocabularies { target: 30, target_end: 30, ..Vocabularies::shared(40) };
        let Err(ConfigError::Invalid(problems)) = Config::new(architecture, vocabularies) else {
            panic!("accepted")
        };
        assert_eq!(problems.len(), 6, "{problems:#?}");
        assert!(problems[0].fact.contains("encoder.heads is 7"), "{}", problems[0]);
    }

    #[test]
    fn a_configuration_survives_its_own_text() {
        let architecture = Architecture::preset("transformer-big").unwrap();
        let config = Config::new(architecture, Vocabularies::shared(90)).unwrap();
        assert_eq!(Config::from_toml(&config.to_toml()).unwrap(), config);
        let mut foreign = config;
        foreign.vocabularies.decoder_start = DecoderStart::ZeroVector;
        foreign.vocabularies.source_ending = SourceEnding::Nothing;
        foreign.vocabularies.padding = Some(7);
        let text = foreign.to_toml();
        assert!(text.contains("decoder_start = \"zero-vector\"\npadding = 7\n"), "{text}");
        assert_eq!(Config::from_toml(&text).unwrap(), foreign);
        let text = text.replace("zero-vector", "zero");
        let error = Config::from_toml(&text).unwrap_err().to_string();
        assert!(error.contains("expected a token's number or \"zero-vector\""), "{error}");
    }

    #[test]
    fn new_models_have_marians_own_positions_and_old_configurations_keep_theirs() {
        for (name, _) in PRESETS {
            let positions = Architecture::preset(name).unwrap().positions;
            assert_eq!(positions, PositionTable::Tensor2tensor, "{name}");
        }
        let config =
            Config::new(Architecture::preset("small").unwrap(), Vocabularies::shared(9)).unwrap();
        let text = config.to_toml();
        let positions = |text: &str| Config::from_toml(text).unwrap().architecture.positions;
        assert_eq!(positions(&text), PositionTable::Tensor2tensor);
        let line = "positions = \"tensor2tensor\"\n";
        assert_eq!(positions(&text.replace(line, "")), PositionTable::Marian);
        assert_eq!(
            positions(&text.replace(line, "positions = \"marian\"\n")),
            PositionTable::Marian
        );
    }

    #[test]
    fn padding_can_be_neither_outside_nor_the_end() {
        let config = |padding| {
            let vocabularies = Vocabularies { padding: Some(padding), ..Vocabularies::shared(9) };
            Config::new(Architecture::preset("small").unwrap(), vocabularies)
        };
        assert!(config(8).is_ok());
        assert!(config(9).unwrap_err().to_string().contains("vocabularies.padding is 9"));
        assert!(config(0).unwrap_err().to_string().contains("no sentence could end"));
    }

    #[test]
    fn unknown_keys_and_invalid_values_are_refused() {
        let config =
            Config::new(Architecture::preset("small").unwrap(), Vocabularies::shared(9)).unwrap();
        let text = config.to_toml().replace("norm_epsilon", "norm_epsilom");
        let error = Config::from_toml(&text).unwrap_err().to_string();
        assert!(error.contains("norm_epsilom") && error.contains("norm_epsilon"), "{error}");
        let text = config.to_toml().replace("heads = 8", "heads = 5");
        assert!(Config::from_toml(&text).unwrap_err().to_string().contains("does not divide"));
    }
}
