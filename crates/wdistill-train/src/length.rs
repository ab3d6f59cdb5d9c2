//! How long a training is, and how far apart its validations are: in updates, in epochs, or in target tokens.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use wdistill_base::Problem;

/// A length of training.
///
/// As text it is a number and a unit: `5 epochs`, `2G tokens`, `10k updates`, or a number alone, which counts updates. A
/// number may have a point and one of the suffixes k, M and G. Tokens are those of the target side, with the ends of
/// sentences. What is not a whole number of updates is rounded up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Length {
    /// Updates of the weights.
    Updates(u64),
    /// Passes through the text that is learned from.
    Epochs(f64),
    /// Tokens of targets.
    Tokens(u64),
}

/// How large a pass through a text is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Updates, with a part of one at the end.
    pub updates: f64,
    /// Tokens of targets, with the ends of sentences.
    pub tokens: u64,
}

/// Suffixes of numbers.
const SUFFIXES: [(char, f64); 3] = [('k', 1e3), ('M', 1e6), ('G', 1e9)];

/// Larger numbers are slips of the pen, and no float64 counts them one by one.
const MOST: f64 = 9e15;

impl Length {
    /// Whether it is nothing.
    pub fn is_zero(self) -> bool {
        match self {
            Length::Updates(count) | Length::Tokens(count) => count == 0,
            Length::Epochs(count) => count == 0.0,
        }
    }

    /// Whether it is known without a look at the text.
    pub fn is_in_updates(self) -> bool {
        matches!(self, Length::Updates(_))
    }

    /// In updates: of `e` epochs `e u`, of `t` tokens `t u / n`, where an epoch has `u` updates and `n` tokens; rounded up.
    ///
    /// # Panics
    /// Without an epoch, if it is not in updates.
    pub fn in_updates(self, epoch: Option<Epoch>) -> u64 {
        let epoch = || epoch.expect("only updates are known without an epoch");
        let updates = match self {
            Length::Updates(count) => return count,
            Length::Epochs(count) => count * epoch().updates,
            Length::Tokens(count) => count as f64 * epoch().updates / epoch().tokens as f64,
        };
        updates.ceil() as u64
    }

    /// Half of it, rounded down where it is counted.
    pub fn half(self) -> Length {
        match self {
            Length::Updates(count) => Length::Updates(count / 2),
            Length::Epochs(count) => Length::Epochs(count / 2.0),
            Length::Tokens(count) => Length::Tokens(count / 2),
        }
    }

    /// What is left of it after another; nothing if they have different units, or the other is longer.
    pub fn minus(self, other: Length) -> Option<Length> {
        match (self, other) {
            (Length::Updates(all), Length::Updates(part)) => {
                all.checked_sub(part).map(Length::Updates)
            }
            (Length::Tokens(all), Length::Tokens(part)) => {
                all.checked_sub(part).map(Length::Tokens)
            }
            (Length::Epochs(all), Length::Epochs(part)) => {
                (part <= all).then_some(Length::Epochs(all - part))
            }
            _ => None,
        }
    }

    /// One after the other; nothing if they have different units.
    pub fn plus(self, other: Length) -> Option<Length> {
        Some(match (self, other) {
            (Length::Updates(one), Length::Updates(other)) => {
                Length::Updates(one.saturating_add(other))
            }
            (Length::Tokens(one), Length::Tokens(other)) => {
                Length::Tokens(one.saturating_add(other))
            }
            (Length::Epochs(one), Length::Epochs(other)) => Length::Epochs(one + other),
            _ => return None,
        })
    }

    /// Whether it is as long as another, up to what adding parts of epochs loses.
    pub fn is_as_long(self, other: Length) -> bool {
        match (self, other) {
            (Length::Epochs(one), Length::Epochs(other)) => (one - other).abs() <= 1e-9 * other,
            _ => self == other,
        }
    }

    /// Whether it is longer than another; not known if they have different units.
    pub fn is_longer(self, other: Length) -> Option<bool> {
        match (self, other) {
            (Length::Updates(one), Length::Updates(other))
            | (Length::Tokens(one), Length::Tokens(other)) => Some(one > other),
            (Length::Epochs(one), Length::Epochs(other)) => Some(one > other),
            _ => None,
        }
    }
}

impl From<u64> for Length {
    fn from(updates: u64) -> Length {
        Length::Updates(updates)
    }
}

impl fmt::Display for Length {
    /// As it is read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Length::Updates(count) => write!(f, "{count}"),
            Length::Epochs(count) => {
                let unit = if *count == 1.0 { "epoch" } else { "epochs" };
                write!(f, "{count} {unit}")
            }
            Length::Tokens(count) => {
                let whole =
                    |(_, factor): &&(char, f64)| *count > 0 && count.is_multiple_of(*factor as u64);
                match SUFFIXES.iter().rev().find(whole) {
                    Some((suffix, factor)) => {
                        write!(f, "{}{suffix} tokens", count / *factor as u64)
                    }
                    None => write!(f, "{count} tokens"),
                }
            }
        }
    }
}

impl FromStr for Length {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Length, Problem> {
        let problem = || {
            let fact = format!("{text:?} is no length of training");
            format!("{fact}, expected 20000, \"20k\", \"5 epochs\" or \"2G tokens\"").into()
        };
        let trimmed = text.trim();
        let end =
            trimmed.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(trimmed.len());
        let (number, rest) = trimmed.split_at(end);
        let number: f64 = number.parse().map_err(|_| -> Problem { problem() })?;
        let suffix = SUFFIXES.iter().find(|(suffix, _)| rest.starts_with(*suffix));
        let (factor, unit) = suffix.map_or((1.0, rest), |(_, factor)| (*factor, &rest[1..]));
        let number = number * factor;
        // 2.01 times 1000 is no whole float64, but one that is nearly whole.
        let whole = || {
            let nearest = number.round();
            let is_whole = (number - nearest).abs() <= 1e-9 * nearest.max(1.0);
            if is_whole && nearest <= MOST { Ok(nearest as u64) } else { Err(problem()) }
        };
        match unit.trim() {
            "" | "update" | "updates" => Ok(Length::Updates(whole()?)),
            "epoch" | "epochs" if number <= MOST => Ok(Length::Epochs(number)),
            "token" | "tokens" => Ok(Length::Tokens(whole()?)),
            _ => Err(problem()),
        }
    }
}

impl Serialize for Length {
    /// A number of updates, or a text.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Length::Updates(count) => serializer.serialize_u64(*count),
            other => serializer.collect_str(other),
        }
    }
}

impl<'d> Deserialize<'d> for Length {
    fn deserialize<D: Deserializer<'d>>(deserializer: D) -> Result<Length, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Length;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of updates, \"5 epochs\" or \"2G tokens\"")
            }

            fn visit_u64<E: serde::de::Error>(self, count: u64) -> Result<Length, E> {
                Ok(Length::Updates(count))
            }

            fn visit_i64<E: serde::de::Error>(self, count: i64) -> Result<Length, E> {
                let wrong = || E::invalid_value(serde::de::Unexpected::Signed(count), &self);
                u64::try_from(count).map(Length::Updates).map_err(|_| wrong())
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Length, E> {
                text.parse().map_err(|problem: Problem| E::custom(problem))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Length {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Length".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "anyOf": [{ "type": "integer", "minimum": 0 }, { "type": "string" }] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_and_written() {
        let cases = [
            ("20000", Length::Updates(20_000), "20000"),
            ("10k", Length::Updates(10_000), "10000"),
            ("1.5k updates", Length::Updates(1500), "1500"),
            ("1 update", Length::Updates(1), "1"),
            ("5 epochs", Length::Epochs(5.0), "5 epochs"),
            ("0.5 epochs", Length::Epochs(0.5), "0.5 epochs"),
            ("1epoch", Length::Epochs(1.0), "1 epoch"),
            ("2G tokens", Length::Tokens(2_000_000_000), "2G tokens"),
            ("1.5M tokens", Length::Tokens(1_500_000), "1500k tokens"),
            ("2.01k", Length::Updates(2010), "2010"),
            ("1.005k tokens", Length::Tokens(1005), "1005 tokens"),
            ("7 tokens", Length::Tokens(7), "7 tokens"),
            ("0 tokens", Length::Tokens(0), "0 tokens"),
        ];
        for (text, length, written) in cases {
            assert_eq!(text.parse(), Ok(length), "{text}");
            assert_eq!(length.to_string(), written);
            assert_eq!(written.parse(), Ok(length), "{written}");
            let json = serde_json::to_string(&length).unwrap();
            assert_eq!(serde_json::from_str::<Length>(&json).unwrap(), length, "{json}");
        }
    }

    #[test]
    fn what_is_no_length_is_refused() {
        let wrong = [
            "",
            "k",
            "five epochs",
            "1.5 updates",
            "-3",
            "5 minutes",
            "1.2.3",
            "1kk",
            "3e",
            "99999999G",
        ];
        for text in wrong {
            let problem = text.parse::<Length>().unwrap_err();
            assert!(problem.fact.contains("is no length of training"), "{text}: {problem}");
        }
        assert!(serde_json::from_str::<Length>("-1").unwrap_err().to_string().contains("epochs"));
        assert!(serde_json::from_str::<Length>("1.5").is_err());
    }

    #[test]
    fn lengths_become_updates_rounded_up() {
        let epoch = Some(Epoch { updates: 10.5, tokens: 21_000 });
        assert_eq!(Length::Updates(7).in_updates(None), 7);
        assert_eq!(Length::Epochs(2.0).in_updates(epoch), 21);
        assert_eq!(Length::Epochs(0.1).in_updates(epoch), 2);
        assert_eq!(Length::Tokens(2000).in_updates(epoch), 1);
        assert_eq!(Length::Tokens(2001).in_updates(epoch), 2);
    }

    #[test]
    fn only_lengths_of_one_unit_are_put_together() {
        let (updates, epochs) = (Length::Updates(5), Length::Epochs(2.0));
        assert_eq!(updates.minus(Length::Updates(2)), Some(Length::Updates(3)));
        assert_eq!(updates.minus(Length::Updates(6)), None);
        assert_eq!(epochs.minus(Length::Epochs(0.5)), Some(Length::Epochs(1.5)));
        assert_eq!((updates.minus(epochs), updates.plus(epochs)), (None, None));
        assert_eq!(updates.is_longer(epochs), None);
        assert_eq!((updates.half(), epochs.half()), (Length::Updates(2), Length::Epochs(1.0)));
    }
}
