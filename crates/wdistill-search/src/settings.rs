//! How to search: raw options, and settings that cannot be invalid.

use serde::{Deserialize, Serialize};
use wdistill_base::{Problem, listed};

/// When a sentence is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Stopping {
    /// As soon as `beam` hypotheses are finished, as in fairseq (`sequence_generator.py`).
    #[default]
    BeamFinished,
    /// As soon as `n_best` hypotheses are finished and no live one can still score higher than the
    /// worst of these. A log-probability only falls, so a live hypothesis of log-probability `s` never
    /// scores above `s / (maximum length + 1)^length_penalty`, or, with a negative penalty, above its score
    /// if it ended at once. With a beam of one this is the same as
    /// [`BeamFinished`](Stopping::BeamFinished).
    NoneBetter,
}

/// Words drawn by chance in place of the best ones: `beam_size` translations of each sentence, independent of each other.
///
/// Of the `k` most probable next words each is drawn with the probability `p^(1 / temperature)`, scaled to a sum of 1 (Fan et
/// al., 2018, for `top_k`).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Sampling {
    /// Of how many of the most probable words the next one is drawn; 0 for all.
    pub top_k: usize,
    /// Below 1 the probable words are drawn more often, above 1 the others.
    pub temperature: f64,
    /// Decides every choice, together with the sentence's words: a sentence has the same samples wherever it stands.
    pub seed: u64,
}

impl Default for Sampling {
    /// Of all words, by their probabilities.
    fn default() -> Self {
        Sampling { top_k: 0, temperature: 1.0, seed: 1 }
    }
}

/// Raw options of a search; [`SearchSettings::new`] checks them.
///
/// A translation has at most `min(max_length, floor(max_length_ratio * source words) + max_length_constant)` words, where
/// neither side counts its end token. A hypothesis that reaches that is ended by force, and says so
/// ([`Ending::MaximumLength`](crate::Ending::MaximumLength)).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct SearchOptions {
    /// Live hypotheses of each sentence; 1 is greedy search.
    #[serde(alias = "beam")]
    pub beam_size: usize,
    /// Exponent of the length in a hypothesis' score: 0 prefers short translations, 1 scores by the
    /// mean log-probability; a negative one, down to -10, prefers short translations all the more.
    pub length_penalty: f64,
    /// Target words for each source word.
    pub max_length_ratio: f64,
    /// Target words on top.
    pub max_length_constant: usize,
    /// Most target words for any source.
    pub max_length: usize,
    /// Fewest words of a translation; the end token is not allowed before. Goes before the maximum.
    pub min_length: usize,
    /// Translations wanted for each sentence; at most `beam_size`.
    pub n_best: usize,
    /// When a sentence is done.
    pub stopping: Stopping,
    /// Words drawn by chance, in place of a search for the best ones; then `beam_size` counts the samples, and `n_best` of
    /// them, those with the highest scores, come out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampling: Option<Sampling>,
    /// Tokens that are never written, such as padding. The probabilities of the others stay as they are.
    pub forbidden: Vec<u32>,
}

impl Default for SearchOptions {
    /// Beam 4, length penalty 1, the best translation only.
    fn default() -> Self {
        SearchOptions {
            beam_size: 4,
            length_penalty: 1.0,
            max_length_ratio: 2.0,
            max_length_constant: 20,
            max_length: 512,
            min_length: 0,
            n_best: 1,
            stopping: Stopping::default(),
            sampling: None,
            forbidden: Vec::new(),
        }
    }
}

/// Why options were refused: every problem found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("these search options do not hold together:{}", listed(.0))]
pub struct SettingsError(pub Vec<Problem>);

/// Checked options.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchSettings {
    options: SearchOptions,
}

impl SearchSettings {
    /// Checks options against each other.
    ///
    /// # Errors
    /// [`SettingsError`] with every problem found.
    pub fn new(mut options: SearchOptions) -> Result<SearchSettings, SettingsError> {
        options.forbidden.sort_unstable();
        options.forbidden.dedup();
        let problems = problems(&options);
        if problems.is_empty() {
            Ok(SearchSettings { options })
        } else {
            Err(SettingsError(problems))
        }
    }

    /// The options, as checked; forbidden tokens are sorted and each appears once.
    pub fn options(&self) -> &SearchOptions {
        &self.options
    }

    /// Most words of the translation of a source of `source_words` words, neither with its end token.
    pub fn maximum_length(&self, source_words: usize) -> usize {
        let SearchOptions { max_length_ratio, max_length_constant, max_length, min_length, .. } =
            self.options;
        let proportional = (max_length_ratio * source_words as f64).floor() as usize;
        proportional.saturating_add(max_length_constant).min(max_length).max(min_length)
    }

    /// `log_probability / (words + 1)^length_penalty`: the end token counts as a word
    /// (fairseq, `sequence_generator.py`).
    pub fn score(&self, log_probability: f64, words: usize) -> f64 {
        log_probability / ((words + 1) as f64).powf(self.options.length_penalty)
    }

    pub(crate) fn is_forbidden(&self, token: u32) -> bool {
        self.options.forbidden.binary_search(&token).is_ok()
    }

    /// Next words that each hypothesis must name so that none is missed: `beam` words that go on, or those of which one is
    /// drawn, the end token, and as many as are thrown away.
    pub fn candidates(&self, vocabulary: usize) -> usize {
        let wanted = match self.options.sampling {
            None => self.options.beam_size,
            Some(Sampling { top_k: 0, .. }) => vocabulary,
            Some(Sampling { top_k, .. }) => top_k,
        };
        wanted.saturating_add(1 + self.options.forbidden.len()).min(vocabulary)
    }
}

/// Wider beams are slips of the pen.
const WIDEST_BEAM: usize = 10_000;

/// Scores with larger ones could be no numbers any more.
const LARGEST_PENALTY: f64 = 10.0;

fn problems(options: &SearchOptions) -> Vec<Problem> {
    let mut problems: Vec<Problem> = Vec::new();
    let SearchOptions { beam_size, n_best, length_penalty, .. } = options;
    if *beam_size == 0 {
        let fact = "beam_size is 0, expected at least 1";
        problems.push(Problem::with_hint(fact, "1 is greedy search"));
    }
    if *beam_size > WIDEST_BEAM {
        problems.push(format!("beam_size is {beam_size}, expected at most {WIDEST_BEAM}").into());
    }
    if *n_best == 0 || n_best > beam_size {
        problems.push(
            format!("n_best is {n_best}, expected 1 to beam_size, which is {beam_size}").into(),
        );
    }
    if let Some(Sampling { temperature, .. }) = options.sampling
        && !(temperature > 0.0 && temperature.is_finite())
    {
        let fact = format!("sampling.temperature is {temperature}, expected more than 0");
        problems
            .push(Problem::with_hint(fact, "without sampling the most probable words are taken"));
    }
    if !(length_penalty.is_finite() && length_penalty.abs() <= LARGEST_PENALTY) {
        let fact = format!(
            "length_penalty is {length_penalty}, expected -{LARGEST_PENALTY} to {LARGEST_PENALTY}"
        );
        problems.push(fact.into());
    }
    let SearchOptions { max_length_ratio, max_length_constant, max_length, min_length, .. } =
        options;
    if !(max_length_ratio.is_finite() && *max_length_ratio >= 0.0) {
        problems
            .push(format!("max_length_ratio is {max_length_ratio}, expected at least 0").into());
    }
    if *max_length_ratio == 0.0 && *max_length_constant == 0 {
        problems.push(
            "max_length_ratio and max_length_constant are both 0, which allows no word".into(),
        );
    }
    if *max_length == 0 {
        problems.push("max_length is 0, expected at least 1".into());
    } else if min_length > max_length {
        problems.push(
            format!(
                "max_length is {max_length}, expected at least min_length, which is {min_length}"
            )
            .into(),
        );
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_problems_are_reported_together() {
        let options = SearchOptions {
            beam_size: 0,
            length_penalty: -11.0,
            max_length_ratio: f64::NAN,
            max_length_constant: 0,
            max_length: 3,
            min_length: 4,
            ..SearchOptions::default()
        };
        let SettingsError(problems) = SearchSettings::new(options).unwrap_err();
        assert_eq!(problems.len(), 5, "{problems:#?}");
        assert!(problems[1].fact.contains("n_best is 1, expected 1 to beam_size, which is 0"));
        let options = SearchOptions {
            max_length_ratio: 0.0,
            max_length_constant: 0,
            ..SearchOptions::default()
        };
        assert!(SearchSettings::new(options).unwrap_err().to_string().contains("allows no word"));
    }

    #[test]
    fn lengths_and_scores_follow_their_formulas() {
        let settings = SearchSettings::new(SearchOptions {
            max_length_ratio: 1.5,
            max_length_constant: 2,
            max_length: 12,
            min_length: 4,
            length_penalty: 2.0,
            ..SearchOptions::default()
        })
        .unwrap();
        assert_eq!([0, 1, 3, 5, 7].map(|words| settings.maximum_length(words)), [4, 4, 6, 9, 12]);
        assert_eq!(settings.score(-8.0, 3), -0.5);
    }
}
