//! Training that has come apart: noticed, so that no such model is handed on as a success.

use serde::{Deserialize, Serialize};

/// When training is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Divergence {
    /// Once the training loss has been far above its lowest for so many updates in a row, or a validation
    /// after the warm-up finds a loss above that of a uniform guess: by more than 1 nat, or not even the
    /// lowest so far, for a run that has only just begun to learn is none that diverges.
    After(u64),
    /// Only when the loss is not a number any more.
    Off(Off),
}

/// The word `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Off {
    /// The only one.
    Off,
}

/// Nats a token above the lowest mean that count as far: the perplexity is `e` times as high.
const FAR: f64 = 1.0;

/// Weight of the newest update in the running mean of the loss: some fifty updates count.
const NEWEST: f64 = 0.02;

/// The training loss, watched: `mean = 0.98 mean + 0.02 loss`, both in nats a target token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Watch {
    /// Running mean; none before the first update.
    mean: Option<f64>,
    /// Its lowest value.
    lowest: Option<f64>,
    /// Updates in a row that have been far above it.
    far: u64,
}

impl Watch {
    /// Takes the loss of an update, and says what is wrong if the settings give up here.
    pub fn update(&mut self, loss: f64, divergence: Divergence) -> Option<String> {
        let mean = self.mean.map_or(loss, |mean| mean + NEWEST * (loss - mean));
        let lowest = self.lowest.map_or(mean, |lowest| lowest.min(mean));
        self.far = if mean > lowest + FAR { self.far + 1 } else { 0 };
        (self.mean, self.lowest) = (Some(mean), Some(lowest));
        match divergence {
            Divergence::After(updates) if self.far >= updates => Some(format!(
                "for {updates} updates the training loss has been more than {FAR} above its lowest mean of \
                 {lowest:.3}; it is {mean:.3} now"
            )),
            _ => None,
        }
    }
}

/// What is wrong with a loss on held-out text. A guess that gives every one of `words` the same probability
/// has the loss `ln(words)`, whatever the label smoothing.
pub fn above_uniform(loss: f64, words: usize) -> Option<String> {
    let uniform = (words as f64).ln();
    (loss.is_nan() || loss > uniform).then(|| {
        format!(
            "the validation loss is {loss:.3}, and a guess that knows nothing of the {words} words has \
             {uniform:.3}"
        )
    })
}

/// What is wrong with a validation after the warm-up, whose loss is `loss` where the lowest was `lowest`, if the
/// settings give up here. A run that has only just begun to learn is none that diverges: above a uniform
/// guess by less than a nat, its loss has to rise.
pub fn diverged(loss: f64, lowest: f64, words: usize, divergence: Divergence) -> Option<String> {
    let problem = above_uniform(loss, words).filter(|_| divergence != Divergence::Off(Off::Off));
    problem.filter(|_| loss > lowest || above_uniform(loss - FAR, words).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_that_stays_far_above_its_lowest_is_given_up() {
        let mut watch = Watch::default();
        for _ in 0..100 {
            assert_eq!(watch.update(3.0, Divergence::After(10)), None);
        }
        let given_up = (1..200).find(|_| watch.update(9.0, Divergence::After(10)).is_some());
        // 6 (1 - 0.98^n) passes 1 at n = 10; nine more updates make ten in a row.
        assert_eq!(given_up, Some(19));
        assert_eq!(watch.update(9.0, Divergence::Off(Off::Off)), None);
    }

    #[test]
    fn one_bad_update_is_no_divergence() {
        let mut watch = Watch::default();
        watch.update(3.0, Divergence::After(5));
        assert_eq!(watch.update(30.0, Divergence::After(5)), None);
        for _ in 0..1000 {
            assert_eq!(watch.update(3.0, Divergence::After(5)), None);
        }
    }

    #[test]
    fn a_uniform_guess_is_the_limit_of_a_validation() {
        // ln(1000) is 6.908.
        let limit = Divergence::After(1);
        assert_eq!(above_uniform(6.9, 1000), None);
        assert!(above_uniform(6.91, 1000).is_some());
        assert!(above_uniform(f64::NAN, 1000).is_some());
        assert_eq!(diverged(7.0, 7.0, 1000, limit), None);
        assert!(diverged(7.0, 6.0, 1000, limit).is_some());
        assert!(diverged(7.91, 7.91, 1000, limit).is_some());
        assert_eq!(diverged(1e6, 6.0, 1000, Divergence::Off(Off::Off)), None);
    }

    #[test]
    fn settings_give_a_number_or_the_word_off() {
        let parse = |text: &str| serde_json::from_str::<Divergence>(text).ok();
        assert_eq!(parse("500"), Some(Divergence::After(500)));
        assert_eq!(parse("\"off\""), Some(Divergence::Off(Off::Off)));
        assert_eq!(parse("\"on\""), None);
    }
}
