//! Which weights a run hands on.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::log::finite_or_infinite;
use crate::settings::Criterion;

/// What decides between two sets of weights.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// BLEU or chrF of the validation text; none if the criterion is the loss.
    pub score: Option<f64>,
    /// Label-smoothed cross-entropy a target token, in nats; in a file `null` if that is infinite.
    #[serde(deserialize_with = "finite_or_infinite")]
    pub loss: f64,
}

impl Judgement {
    /// A higher score is better; where scores are equal, or there are none, the lower loss.
    pub fn is_better_than(&self, other: &Judgement) -> bool {
        let scores = self.score.unwrap_or(0.0).partial_cmp(&other.score.unwrap_or(0.0));
        match scores {
            Some(std::cmp::Ordering::Equal) | None => self.loss < other.loss,
            Some(order) => order == std::cmp::Ordering::Greater,
        }
    }

    /// In a few words.
    pub fn in_words(&self, criterion: Criterion) -> String {
        let loss = format!("loss {:.3}", self.loss);
        match self.score {
            Some(score) => format!("{} {score:.2}, {loss}", criterion.name()),
            None => loss,
        }
    }
}

/// A set of weights that could be handed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Candidate {
    /// The mean of so many snapshots.
    Average(usize),
    /// The exponential moving average over all updates.
    MovingAverage,
    /// Those of the best validation, after so many updates.
    Best(u64),
    /// Those after the last update.
    Last(u64),
}

impl fmt::Display for Candidate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Candidate::Average(1) => write!(formatter, "the last snapshot"),
            Candidate::Average(snapshots) => {
                write!(formatter, "the average of {snapshots} snapshots")
            }
            Candidate::MovingAverage => formatter.write_str("the moving average"),
            Candidate::Best(updates) => {
                write!(formatter, "the best validation, at update {updates}")
            }
            Candidate::Last(updates) => write!(formatter, "the last update, {updates}"),
        }
    }
}

/// What was handed on, and what it was compared with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Selected {
    /// Validations are compared by it.
    pub criterion: Criterion,
    /// The weights that were handed on.
    pub candidate: Candidate,
    /// How they did.
    pub judgement: Judgement,
    /// The others.
    pub others: Vec<(Candidate, Judgement)>,
}

impl Selected {
    /// Says which weights were handed on and by how much they were better.
    pub fn in_words(&self) -> String {
        let judged = |candidate: &Candidate, judgement: &Judgement| {
            format!("{candidate} ({})", judgement.in_words(self.criterion))
        };
        let mut text = format!("hands on {}", judged(&self.candidate, &self.judgement));
        let others: Vec<String> = self.others.iter().map(|(one, how)| judged(one, how)).collect();
        if !others.is_empty() {
            text += &format!(", compared with {}", others.join(" and "));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_equal_scores_the_lower_loss_is_the_better() {
        let judge = |score, loss| Judgement { score, loss };
        assert!(judge(Some(0.0), 4.8).is_better_than(&judge(Some(0.0), 6.3)));
        assert!(!judge(Some(0.0), 6.3).is_better_than(&judge(Some(0.0), 4.8)));
        assert!(judge(Some(0.1), 9.0).is_better_than(&judge(Some(0.0), 1.0)));
        assert!(judge(None, 1.0).is_better_than(&judge(None, 2.0)));
        assert!(!judge(None, 1.0).is_better_than(&judge(None, 1.0)));
    }

    #[test]
    fn an_infinite_loss_is_read_back() {
        let judgement = Judgement { score: Some(1.0), loss: f64::INFINITY };
        let text = serde_json::to_string(&judgement).unwrap();
        assert_eq!(serde_json::from_str::<Judgement>(&text).unwrap(), judgement);
    }
}
