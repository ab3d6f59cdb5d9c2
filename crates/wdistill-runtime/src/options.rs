//! How to translate.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use wdistill_base::Problem;
use wdistill_kernels::supported;
use wdistill_search::SearchOptions;
use wdistill_text::SentenceLanguage;

/// How to decode: a search, and how it is computed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct DecodingOptions {
    /// The search.
    #[serde(flatten)]
    pub search: SearchOptions,
    /// Most source tokens of a batch, each counted `beam_size` times, a short sentence as 16; a longer sentence
    /// is a batch alone.
    pub batch_tokens: usize,
    /// What the weights' products are computed in.
    pub precision: Precision,
}

/// What the weights' products are computed in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// float32.
    #[default]
    Float32,
    /// Weights and activations rounded to bfloat16, products and sums in float32; float32 where the processor has no
    /// instructions for it.
    #[serde(rename = "bf16")]
    Bfloat16,
    /// int8 weights, one scale for each output; activations quantised row by row, sums in int32.
    Int8,
}

impl Precision {
    /// As options and reports have it.
    pub fn name(self) -> &'static str {
        match self {
            Precision::Float32 => "float32",
            Precision::Bfloat16 => "bf16",
            Precision::Int8 => "int8",
        }
    }

    /// What this processor computes in when it is asked for this.
    pub fn available(self) -> Precision {
        let bfloat16 = wdistill_base::Precision::Bfloat16;
        match self {
            Precision::Bfloat16 if supported(bfloat16) != bfloat16 => Precision::Float32,
            precision => precision,
        }
    }

    /// What is to be said if that is something else.
    pub fn note(self) -> Option<Problem> {
        let name = self.name();
        (self.available() != self).then(|| {
            Problem::with_hint(
                format!("this processor has no AVX-512 BF16: {name} stays float32 on it"),
                "translations are float32's then, and so is the speed; int8 is faster on every processor",
            )
        })
    }
}

impl Default for DecodingOptions {
    /// The default search in float32, in batches of 4096 tokens.
    fn default() -> Self {
        DecodingOptions {
            search: SearchOptions::default(),
            batch_tokens: 4096,
            precision: Precision::default(),
        }
    }
}

/// What to do with a text that is longer than allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LongText {
    /// Translate nothing; the error names the line.
    #[default]
    Refuse,
    /// Translate its first tokens, and say so.
    Truncate,
    /// Translate it in parts, cut after punctuation or between words, and say so.
    Split,
}

/// What a line holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LineContent {
    /// One sentence, whatever it looks like, as Marian and CTranslate2 take it.
    Sentence,
    /// Sentences, which are translated one by one and joined with the blanks that stood between them.
    #[default]
    Text,
}

/// How to translate text; [`Translator::open`](crate::Translator::open) checks it.
#[derive(Clone, Debug, PartialEq)]
pub struct TranslatorOptions {
    /// Threads, each of which works on a batch of its own.
    pub threads: usize,
    /// How to decode.
    pub decoding: DecodingOptions,
    /// A file of word translations, as [`LexicalTable`](wdistill_text::LexicalTable) reads it: each translation uses the
    /// words that its source's may be translated with, and those that any sentence may have.
    pub shortlist: Option<PathBuf>,
    /// What each line holds.
    pub content: LineContent,
    /// Whose abbreviations end no sentence.
    pub language: SentenceLanguage,
    /// Most source tokens of a sentence, without its end token, and
    /// [`CHARACTERS_OF_A_TOKEN`](wdistill_text::CHARACTERS_OF_A_TOKEN) characters for each.
    pub max_source_length: usize,
    /// What to do with longer ones.
    pub long_text: LongText,
}

impl Default for TranslatorOptions {
    /// One thread; lines of any number of sentences, each of at most 512 tokens.
    fn default() -> Self {
        TranslatorOptions {
            threads: 1,
            decoding: DecodingOptions::default(),
            shortlist: None,
            content: LineContent::default(),
            language: SentenceLanguage::Any,
            max_source_length: 512,
            long_text: LongText::default(),
        }
    }
}

impl TranslatorOptions {
    /// What does not hold together, apart from the search.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        let mut problems: Vec<Problem> = Vec::new();
        if self.max_source_length == 0 {
            problems.push("max_source_length is 0, expected at least 1".into());
        }
        problems
    }
}
