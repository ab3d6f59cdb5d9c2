//! How to translate, as JavaScript says it.

use serde::Deserialize;
use wdistill_base::Problem;
use wdistill_runtime::{DecodingOptions, LineContent, LongText, Precision, TranslatorOptions};
use wdistill_search::SearchOptions;
use wdistill_text::SentenceLanguage;

/// `TranslatorOptions` of `index.d.ts`; what is left out has the default of the library.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Options {
    beam_size: Option<usize>,
    length_penalty: Option<f64>,
    max_length_ratio: Option<f64>,
    max_length: Option<usize>,
    n_best: Option<usize>,
    quantize: Option<Quantize>,
    shortlist: Option<String>,
    sentences: Option<Sentences>,
    language: Option<String>,
    max_source: Option<usize>,
    long: Option<Long>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Quantize {
    Int8,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Sentences {
    Line,
    Split,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Long {
    Refuse,
    Truncate,
    Split,
}

impl Options {
    /// Reads them from JSON.
    ///
    /// # Errors
    /// With what is no option, or no value of one.
    pub fn from_json(json: &[u8]) -> Result<Options, Problem> {
        serde_json::from_slice(json).map_err(|error| format!("the options: {error}").into())
    }

    /// The library's options, which checks them.
    pub fn resolve(self) -> TranslatorOptions {
        let default = TranslatorOptions::default();
        let search = SearchOptions::default();
        let search = SearchOptions {
            beam_size: self.beam_size.unwrap_or(search.beam_size),
            length_penalty: self.length_penalty.unwrap_or(search.length_penalty),
            max_length_ratio: self.max_length_ratio.unwrap_or(search.max_length_ratio),
            max_length: self.max_length.unwrap_or(search.max_length),
            n_best: self.n_best.unwrap_or(search.n_best),
            ..search
        };
        let precision = match self.quantize {
            Some(Quantize::Int8) => Precision::Int8,
            None => Precision::Float32,
        };
        TranslatorOptions {
            threads: 1,
            decoding: DecodingOptions { search, precision, ..default.decoding },
            shortlist: self.shortlist.map(Into::into),
            content: match self.sentences {
                Some(Sentences::Line) => LineContent::Sentence,
                Some(Sentences::Split) | None => LineContent::Text,
            },
            language: self
                .language
                .map_or(default.language, |code| SentenceLanguage::from_code(&code)),
            max_source_length: self.max_source.unwrap_or(default.max_source_length),
            long_text: match self.long {
                Some(Long::Refuse) | None => LongText::Refuse,
                Some(Long::Truncate) => LongText::Truncate,
                Some(Long::Split) => LongText::Split,
            },
        }
    }
}
