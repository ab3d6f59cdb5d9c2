//! Reading a model of Marian.

use std::path::Path;

use wdistill_model::{
    Activation, Architecture, Autoregression, Config, DecoderStart, DropoutRates, EmbeddingScale, Embeddings,
    FinalNorm, NormPlacement, OutputBias, PositionTable, Shape, Slot, SourceEnding, Vocabularies,
};

use super::{
    ACTIVATION_FACTOR, EPSILON, FORMAT, OLD_OUTPUT, OUTPUT, OUTPUT_BIAS, POSITIONS, SETTINGS, SHARED, SOURCE,
    TARGET, place, words,
};
use crate::error::FormatError;
use crate::files::arrays::Arrays;
use crate::files::bytes::text;
use crate::files::yaml::{self, Value};
use crate::files::{items, npz, read_file};
use crate::toolkits::findings::{Findings, Foreign, unify};
use crate::toolkits::options::ImportOptions;
use crate::toolkits::words::Words;

/// Settings that a Transformer as it is here has in one way only; Marian's defaults are the same.
const REQUIRED: &[(&str, &[&str])] = &[
    ("type", &["transformer"]),
    ("transformer-decoder-autoreg", &["self-attention", "rnn"]),
    ("transformer-preprocess", &["", "n"]),
    ("transformer-postprocess-emb", &["", "d"]),
    ("transformer-postprocess", &["dan", "an", "da", "a"]),
    ("transformer-postprocess-top", &["", "n"]),
    ("transformer-ffn-depth", &["2"]),
    ("transformer-decoder-ffn-depth", &["0", "2"]),
    ("transformer-no-projection", &["false"]),
    ("transformer-no-bias", &["false"]),
    ("transformer-no-affine", &["false"]),
    ("transformer-tied-layers", &[""]),
    ("transformer-disable-position-embeddings", &["false"]),
    ("transformer-attention-mask", &["default"]),
    ("transformer-alibi-shift", &["false"]),
    ("transformer-alibi-trainable", &["false"]),
    ("transformer-pool", &["false"]),
    ("transformer-rnn-projection", &["false"]),
    ("layer-normalization", &["false", "true"]),
    ("lemma-dim-emb", &["0"]),
    ("lemma-dependency", &[""]),
    ("factors-combine", &["sum"]),
    ("bert-train-type-embeddings", &["false", "true"]),
    ("ulr", &["false"]),
    ("right-left", &["false"]),
    ("input-types", &[""]),
];

/// Settings that are read elsewhere, or that do not change what a Transformer computes.
const UNDERSTOOD: &[&str] = &[
    "bert-type-vocab-size",
    "dec-cell",
    "dec-cell-base-depth",
    "dec-cell-high-depth",
    "dec-depth",
    "dim-emb",
    "dim-rnn",
    "dim-vocabs",
    "enc-cell",
    "enc-cell-depth",
    "enc-depth",
    "enc-type",
    "factors-dim-emb",
    "output-omit-bias",
    // Of use to shifted ALiBi only.
    "separator-symbol",
    "skip",
    "tied-embeddings",
    "tied-embeddings-all",
    "tied-embeddings-src",
    "transformer-aan-activation",
    "transformer-aan-depth",
    "transformer-aan-nogate",
    "transformer-decoder-dim-ffn",
    "transformer-depth-scaling",
    "transformer-dim-aan",
    "transformer-dim-ffn",
    "transformer-dropout",
    "transformer-dropout-attention",
    "transformer-dropout-ffn",
    "transformer-ffn-activation",
    "transformer-guided-alignment-layer",
    "transformer-heads",
    "transformer-train-position-embeddings",
    "ulr-dim-emb",
    "ulr-trainable-transformation",
    "version",
];

/// How the names of settings begin that describe the network.
const OF_THE_NETWORK: &[&str] = &[
    "transformer-",
    "dec-",
    "enc-",
    "tied-",
    "dim-",
    "layer-",
    "skip-",
    "lemma-",
    "factors-",
    "type",
];

/// Values that switch nothing on: the defaults of settings that later versions add.
const OFF: &[&str] = &["", "false", "0"];

/// Until this version a norm before a sub-layer was not that of the sub-layer's input alone.
const LAST_WITH_OTHER_PRE_NORM: Version = Version(1, 10, u32::MAX);

/// From this version on gelu is the usual one; before, it was a swish with a factor.
const FIRST_WITH_GELU: Version = Version(1, 12, 3);

/// Version of Marian: three numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version(u32, u32, u32);

impl Version {
    /// Of `v1.12.42 c9f287d 2024-01-01`; what is not a number after the second counts as 0.
    fn parse(text: &str) -> Option<Version> {
        let numbers = text.split_whitespace().next()?.trim_start_matches('v');
        let mut parts = numbers.split(['.', '+', '-']).map(str::parse);
        let (first, second) = (parts.next()?.ok()?, parts.next()?.ok()?);
        Some(Version(first, second, parts.next().and_then(Result::ok).unwrap_or(0)))
    }
}

/// What decides how many words a vocabulary has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    /// The model: of a list Marian takes as many words from the start.
    OfTheModel,
    /// The vocabulary: a SentencePiece model is taken whole.
    OfTheVocabulary,
}

/// Reads a file.
///
/// # Errors
/// [`FormatError::Malformed`], or [`FormatError::Import`] with everything that stands in the way.
pub(crate) fn read(path: &Path, options: &ImportOptions) -> Result<Foreign, FormatError> {
    let (mut words, own_models) = words::read(path, options)?;
    let lengths = own_models.each_ref().map(|model| match model {
        Some(_) => Length::OfTheVocabulary,
        None => Length::OfTheModel,
    });
    let malformed = |reason: String| FormatError::Malformed {
        path: path.to_path_buf(),
        format: FORMAT,
        reason: reason.into(),
    };
    let bytes = read_file(path)?;
    let is_archive = path.extension().is_some_and(|extension| extension == "npz");
    let arrays = if is_archive { npz::read(&bytes) } else { items::read(&bytes) };
    let mut arrays = arrays.map_err(malformed)?;
    let entries = arrays.remove(SETTINGS).ok_or(format!("it has no array {SETTINGS}"));
    let entries = entries.and_then(|array| {
        let end = array.bytes.iter().position(|byte| *byte == 0).unwrap_or(array.bytes.len());
        yaml::parse(text(&array.bytes[..end], SETTINGS)?)
    });
    let mut findings = Findings::default();
    without_factors(&mut arrays, &mut findings);
    let mut settings = Settings { entries: entries.map_err(malformed)?, findings: &mut findings };
    let architecture = settings.architecture(&mut arrays);
    let vocabularies = settings.vocabularies(&mut words, lengths, &mut arrays);
    let config = architecture
        .clone()
        .zip(vocabularies)
        .map(|(architecture, vocabularies)| Config::new(architecture, vocabularies));
    // A table needs an architecture; without one there is nothing to look up either.
    let table = |slot: Slot| {
        place(slot, architecture.as_ref().expect("a configuration has an architecture"))
    };
    let (model, notes) = findings.finish(path, config, &table, arrays)?;
    Ok(Foreign { model, words, notes })
}

/// Leaves out what only products in int8 need.
fn without_factors(arrays: &mut Arrays<'_>, findings: &mut Findings) {
    let count = arrays.len();
    arrays.retain(|name, _| !name.ends_with(ACTIVATION_FACTOR));
    let factors = count - arrays.len();
    if factors > 0 {
        findings.note(format!(
            "{factors} factors of activations ({ACTIVATION_FACTOR}), which only products in int8 need, are left out"
        ));
    }
}

struct Settings<'a> {
    entries: Vec<(String, Value)>,
    findings: &'a mut Findings,
}

impl Settings<'_> {
    fn value(&self, name: &str) -> Option<&Value> {
        self.entries.iter().find(|(entry, _)| entry == name).map(|(_, value)| value)
    }

    /// A setting as text; lists are joined by spaces, and one that is absent is `None`.
    fn text(&self, name: &str) -> Option<String> {
        Some(match self.value(name)? {
            Value::Text(text) if text == "~" || text == "null" => String::new(),
            Value::Text(text) => text.clone(),
            Value::List(items) => items.join(" "),
            Value::Nested => "a list of lists".to_string(),
        })
    }

    fn flag(&self, name: &str) -> bool {
        self.text(name).as_deref() == Some("true")
    }

    fn number(&mut self, name: &str) -> Option<usize> {
        let text = self.text(name);
        let number = text.as_ref().and_then(|text| text.parse().ok());
        if number.is_none() {
            let found = text.unwrap_or("missing".to_string());
            self.findings.problem(format!("{name} is {found}, expected a number"));
        }
        number
    }

    /// A number whose absence, or 0, means another setting's.
    fn number_or(&mut self, name: &str, other: Option<usize>) -> Option<usize> {
        match self.value(name) {
            None => other,
            Some(_) => {
                self.number(name).and_then(|number| if number == 0 { other } else { Some(number) })
            }
        }
    }

    fn check_required(&mut self) {
        let is_known = |name: &str| {
            UNDERSTOOD.contains(&name) || REQUIRED.iter().any(|(required, _)| *required == name)
        };
        let unknown = self.entries.iter().filter(|(name, _)| !is_known(name));
        for name in unknown.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            let value = self.text(&name).unwrap_or_default();
            let is_off = OFF.contains(&value.as_str());
            if OF_THE_NETWORK.iter().any(|start| name.starts_with(start)) && !is_off {
                self.findings.problem(format!(
                    "setting {name:.60?} is {value:.60?}, but is not known here and may change what the model \
                     computes"
                ))
            } else {
                self.findings
                    .note(format!("setting {name:.60?} is not known here, and is passed over"))
            }
        }
        for (name, allowed) in REQUIRED {
            let Some(found) = self.text(name) else { continue };
            if allowed.contains(&found.as_str()) {
                continue;
            }
            let allowed: Vec<String> = allowed.iter().map(|text| format!("{text:?}")).collect();
            let allowed = allowed.join(" or ");
            self.findings.problem(format!("{name} is {found:?}, expected {allowed}"));
        }
    }

    fn architecture(&mut self, arrays: &mut Arrays<'_>) -> Option<Architecture> {
        self.check_required();
        self.findings.note_default_dropout();
        let has = |text: Option<String>| text.is_some_and(|text| text.contains('n'));
        let is_pre = has(self.text("transformer-preprocess"));
        let is_post = has(self.text("transformer-postprocess").or(Some("dan".to_string())));
        if is_pre == is_post {
            self.findings.problem(
                "transformer-preprocess and transformer-postprocess: expected a norm in one of them",
            );
        }
        if is_pre {
            self.check_pre_norm();
        }
        self.check_positions(arrays);
        let activation = self.activation();
        let autoregression = self.autoregression();
        let width = self.number("dim-emb");
        let heads = self.number("transformer-heads");
        let feed_forward = self.number("transformer-dim-ffn");
        let decoder_feed_forward = self.number_or("transformer-decoder-dim-ffn", feed_forward);
        let (encoder, decoder) = (self.number("enc-depth"), self.number("dec-depth"));
        let shape = |layers: Option<usize>, feed_forward: Option<usize>| {
            Some(Shape {
                layers: layers?,
                width: width?,
                feed_forward: feed_forward?,
                heads: heads?,
            })
        };
        let (encoder, decoder) =
            (shape(encoder, feed_forward), shape(decoder, decoder_feed_forward));
        Some(Architecture {
            norm: if is_pre { NormPlacement::Pre } else { NormPlacement::Post },
            final_norm: if has(self.text("transformer-postprocess-top")) {
                FinalNorm::Present
            } else {
                FinalNorm::Absent
            },
            norm_epsilon: EPSILON,
            activation: activation?,
            autoregression: autoregression?,
            embeddings: self.tie(arrays),
            embedding_scale: EmbeddingScale::SquareRootOfWidth,
            positions: PositionTable::Tensor2tensor,
            output_bias: if self.flag("output-omit-bias") {
                OutputBias::Absent
            } else {
                OutputBias::Present
            },
            encoder: encoder?,
            decoder: decoder?,
            dropout: DropoutRates::default(),
        })
    }

    fn autoregression(&mut self) -> Option<Autoregression> {
        if self.text("transformer-decoder-autoreg").as_deref() != Some("rnn") {
            return Some(Autoregression::SelfAttention);
        }
        let cell = self.text("dec-cell").unwrap_or("missing".to_string());
        let has_norm = self.flag("layer-normalization");
        if cell == "ssru" && !has_norm {
            return Some(Autoregression::Ssru);
        }
        let found = if has_norm { "with layer-normalization" } else { cell.as_str() };
        self.findings.problem(format!(
            "transformer-decoder-autoreg is rnn, and its dec-cell is {found:.60}, expected ssru without norms of its own"
        ));
        None
    }

    fn version(&self) -> Option<Version> {
        Version::parse(&self.text("version")?)
    }

    /// The version as it stands in the file.
    fn version_shown(&self) -> String {
        self.text("version").map_or("missing".to_string(), |text| format!("{text:.60?}"))
    }

    fn check_pre_norm(&mut self) {
        match self.version() {
            Some(version) if version <= LAST_WITH_OTHER_PRE_NORM => {
                let shown = self.version_shown();
                self.findings.problem(format!(
                    "version is {shown}, and transformer-preprocess has a norm: until 1.10 Marian normalised something \
                     else there, which cannot be expressed"
                ));
            }
            Some(_) => {}
            None => {
                let shown = self.version_shown();
                self.findings.note(format!(
                    "version is {shown}: its norms before sub-layers are taken to be those of Marian 1.11 and later"
                ));
            }
        }
    }

    /// Marian looks for trained positions under another name than its option has, so that none are trained.
    fn check_positions(&mut self, arrays: &Arrays<'_>) {
        if !self.flag("transformer-train-position-embeddings") {
            return;
        }
        if arrays.contains_key(POSITIONS) {
            self.findings.problem(format!(
                "transformer-train-position-embeddings is \"true\", and there is {POSITIONS}: trained positions cannot \
                 be expressed"
            ))
        } else {
            self.findings.note(format!(
                "transformer-train-position-embeddings is \"true\", but there is no {POSITIONS}: its positions are \
                 sinusoids, as in Marian"
            ))
        }
    }

    fn activation(&mut self) -> Option<Activation> {
        match self.text("transformer-ffn-activation").as_deref() {
            Some("relu") => Some(Activation::Relu),
            Some("swish" | "silu") | None => Some(Activation::Swish),
            Some("gelu") if self.version() >= Some(FIRST_WITH_GELU) => Some(Activation::Gelu),
            Some("gelu") => {
                let shown = self.version_shown();
                self.findings.problem(format!(
                    "transformer-ffn-activation is gelu, and version is {shown}: before 1.12.3 Marian's gelu was an \
                     approximation of its own, which cannot be expressed"
                ));
                None
            }
            Some(other) => {
                self.findings.problem(format!(
                    "transformer-ffn-activation is {other:.60}, expected relu, swish or gelu"
                ));
                None
            }
        }
    }

    /// Which embeddings are one matrix; each stays under the name that the table gives it.
    fn tie(&mut self, arrays: &mut Arrays<'_>) -> Embeddings {
        let (all, source) = (self.flag("tied-embeddings-all"), self.flag("tied-embeddings-src"));
        let output = self.flag("tied-embeddings");
        let findings = &mut *self.findings;
        if all || (source && output) {
            unify(arrays, &[SHARED, SOURCE, TARGET], findings);
            return Embeddings::AllTied;
        }
        if source {
            if let Some(shared) = arrays.remove(SHARED) {
                arrays.insert(SOURCE.to_string(), shared.clone());
                arrays.insert(TARGET.to_string(), shared);
            }
            findings.note("the matrix that encoder and decoder share becomes two equal ones");
        }
        if output {
            Embeddings::DecoderTied
        } else {
            transpose(arrays, OLD_OUTPUT, OUTPUT);
            Embeddings::Separate
        }
    }

    fn vocabularies(
        &mut self,
        words: &mut Words,
        lengths: [Length; 2],
        arrays: &mut Arrays<'_>,
    ) -> Option<Vocabularies> {
        let sizes = match self.value("dim-vocabs") {
            Some(Value::List(sizes)) => sizes.iter().filter_map(|size| size.parse().ok()).collect(),
            _ => Vec::new(),
        };
        let [mut source, mut target] = sizes[..] else {
            let found = self.text("dim-vocabs").unwrap_or("missing".to_string());
            let problem = format!("dim-vocabs is {found}, expected the sizes of two vocabularies");
            self.findings.problem(problem);
            return None;
        };
        let sides = [
            ("source", &mut words.source, &mut source, OF_SOURCE),
            ("target", &mut words.target, &mut target, OF_TARGET),
        ];
        for ((side, words, rows, tables), length) in sides.into_iter().zip(lengths) {
            let found = words.tokens.len();
            let has_specials = *rows > words.end.max(words.unknown) as usize;
            if found > *rows && length == Length::OfTheModel && has_specials {
                words.truncate(*rows);
                self.findings.note(format!(
                    "the vocabulary of the {side} has {found} words; as in Marian, the first {rows} are taken, which \
                     is what dim-vocabs says"
                ));
            } else if found < *rows && length == Length::OfTheVocabulary {
                self.findings.note(format!(
                    "the model has {rows} words of the {side}, {} more than its vocabulary, which nobody can read or \
                     should write; they are left out",
                    *rows - found
                ));
                cut_words(arrays, tables, *rows, found);
                *rows = found;
            } else if found != *rows {
                self.findings.problem(format!(
                    "dim-vocabs gives {rows} words of the {side}, but the vocabulary has {found}"
                ));
            }
        }
        Some(Vocabularies {
            source,
            source_end: words.source.end,
            source_ending: SourceEnding::EndToken,
            target,
            target_end: words.target.end,
            decoder_start: DecoderStart::ZeroVector,
            padding: None,
        })
    }
}

/// Arrays with an axis of source words, and which axis that is.
const OF_SOURCE: &[(&str, usize)] = &[(SHARED, 0), (SOURCE, 0)];

/// Arrays with an axis of target words.
const OF_TARGET: &[(&str, usize)] = &[(SHARED, 0), (TARGET, 0), (OUTPUT, 0), (OUTPUT_BIAS, 1)];

/// Leaves out the last words of a side's arrays; one for both sides is cut once.
fn cut_words(arrays: &mut Arrays<'_>, tables: &[(&str, usize)], from: usize, to: usize) {
    for (name, axis) in tables {
        if let Some(array) = arrays.get_mut(*name)
            && array.shape.get(*axis) == Some(&from)
        {
            array.cut(*axis, to);
        }
    }
}

/// Renames a matrix `[input, output]` to one that is read as `[output, input]`.
fn transpose(arrays: &mut Arrays<'_>, from: &str, to: &str) {
    if let Some(array) = arrays.remove(from) {
        arrays.insert(to.to_string(), array.transposed());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        let version = |text| Version::parse(text);
        assert_eq!(version("v1.12.42 c9f287d 2024-01-01 10:00:00 +0000"), Some(Version(1, 12, 42)));
        assert_eq!(version("1.9.0"), Some(Version(1, 9, 0)));
        assert_eq!(version("v1.10.22+ab12"), Some(Version(1, 10, 22)));
        assert_eq!((version(""), version("unknown")), (None, None));
        assert!(version("v1.10.99") <= Some(LAST_WITH_OTHER_PRE_NORM));
        assert!(version("v1.11.0") > Some(LAST_WITH_OTHER_PRE_NORM));
    }
}
