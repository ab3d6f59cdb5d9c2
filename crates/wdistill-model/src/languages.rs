//! From which language to which a model translates.

use std::fmt;

use serde::{Deserialize, Serialize};
use wdistill_base::Problem;

/// From which language to which a model translates.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Languages {
    /// Code of the source language, such as `en`.
    pub source: String,
    /// Code of the target language.
    pub target: String,
}

impl Languages {
    /// Checks two codes.
    ///
    /// # Errors
    /// As [`Languages::check`].
    pub fn new(source: &str, target: &str) -> Result<Languages, Problem> {
        let languages = Languages { source: source.to_string(), target: target.to_string() };
        languages.check().map(|()| languages)
    }

    /// Whether both are codes: two or three letters, perhaps with a script or a region after `-` or `_`, as `pt_BR` (BCP 47,
    /// as far as translation models use it).
    ///
    /// # Errors
    /// The first that is none.
    pub fn check(&self) -> Result<(), Problem> {
        match [&self.source, &self.target].into_iter().find(|code| !is_code(code)) {
            None => Ok(()),
            Some(code) => {
                let fact = format!("{code:?} is no code of a language");
                Err(Problem::with_hint(fact, "expected one such as en, deu or pt_BR"))
            }
        }
    }

    /// The languages that a folder is named after: `en-de`.
    pub fn of_folder_name(name: &str) -> Option<Languages> {
        let (source, target) = name.split_once('-')?;
        // With two hyphens nobody knows where the source ends.
        let is_plain = !target.contains('-');
        Languages::new(source, target).ok().filter(|_| is_plain)
    }
}

impl fmt::Display for Languages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.source, self.target)
    }
}

fn is_code(code: &str) -> bool {
    let mut parts = code.split(['-', '_']);
    let is_language = |part: &str| {
        (2..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphabetic())
    };
    let is_suffix = |part: &str| {
        (2..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    parts.next().is_some_and(is_language) && parts.all(is_suffix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_two_codes() {
        let languages = Languages::of_folder_name("en-pt_BR").unwrap();
        assert_eq!((languages.source.as_str(), languages.target.as_str()), ("en", "pt_BR"));
        assert_eq!(languages.to_string(), "en-pt_BR");
        for none in ["english-german", "en", "en-", "en-de-x", "..-de", "en-d/e", "e1-de"] {
            assert_eq!(Languages::of_folder_name(none), None, "{none}");
        }
        let error = Languages::new("en", "../x").unwrap_err();
        assert_eq!(error.fact, "\"../x\" is no code of a language");
    }
}
