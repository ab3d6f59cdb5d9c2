//! Parameters that a training leaves as they are.

use std::collections::BTreeSet;

use wdistill_autograd::Gradients;
use wdistill_kernels::Host;
use wdistill_model::Layout;

use crate::error::TrainError;

/// Which tensors of a layout stay as they are: they have no gradient, no step of the optimiser changes them or their moments,
/// and weight decay does not either.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Frozen(Vec<bool>);

impl Frozen {
    /// Those that patterns name.
    ///
    /// # Errors
    /// [`TrainError::Settings`] if a pattern names none, or if nothing is left.
    pub fn of(patterns: &[String], layout: &Layout) -> Result<Frozen, TrainError> {
        let names: Vec<&str> = layout.ranges().iter().map(|named| named.name.as_str()).collect();
        let problems = freezing_problems(patterns, &names);
        if !problems.is_empty() {
            return Err(TrainError::Settings { place: "training settings".to_string(), problems });
        }
        let holds = |name: &&str| patterns.iter().any(|pattern| covers(pattern, name));
        Ok(Frozen(names.iter().map(holds).collect()))
    }

    /// Whether it holds a tensor, by its place in the layout.
    pub fn holds(&self, index: usize) -> bool {
        self.0[index]
    }

    /// Removes the gradients of what is frozen, which count for nothing, nor for the gradient's norm.
    pub fn clear(&self, gradients: &mut Gradients<Host<f32>>) {
        if self.0.contains(&true) {
            let slices = gradients.slices_mut().into_iter().zip(&self.0);
            slices.filter(|(_, frozen)| **frozen).for_each(|(slice, _)| slice.fill(0.0));
        }
    }
}

/// Names that are shown for a pattern that names nothing.
const NEAREST: usize = 3;

/// What is wrong with patterns of parameters that are to be frozen, of which these are the names; each in a line.
pub fn freezing_problems(patterns: &[String], names: &[&str]) -> Vec<String> {
    let mut problems = Vec::new();
    for pattern in patterns {
        if !names.iter().any(|name| covers(pattern, name)) {
            let all: BTreeSet<&str> = names.iter().copied().flat_map(wholes).collect();
            let mut nearest = Vec::from_iter(all);
            nearest.sort_by_cached_key(|name| strsim::damerau_levenshtein(name, pattern));
            nearest.truncate(NEAREST);
            let nearest = nearest.join(", ");
            problems
                .push(format!("freeze: no parameter is named {pattern:?}; near it are {nearest}"));
        }
    }
    let is_left = |name: &&str| !patterns.iter().any(|pattern| covers(pattern, name));
    if problems.is_empty() && !names.iter().any(is_left) {
        problems.push("freeze leaves nothing to train".to_string());
    }
    problems
}

/// Whether a pattern names a parameter, or something that the parameter is a part of.
fn covers(pattern: &str, name: &str) -> bool {
    wholes(name).any(|whole| matches(pattern, whole))
}

/// A name, and what it is a part of.
fn wholes(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices('.').map(|(end, _)| &name[..end]).chain([name])
}

/// Whether a text is a pattern in which `*` stands for anything.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(text) = text.strip_prefix(start) else { return false };
    let ends = text.char_indices().map(|(index, _)| index).chain([text.len()]);
    ends.into_iter().any(|end| matches(rest, &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 4] = [
        "encoder.layers.0.feed_forward.up.weight",
        "encoder.layers.1.feed_forward.up.bias",
        "decoder.layers.0.self_attention.key.weight",
        "embeddings.target",
    ];

    fn covered(pattern: &str) -> Vec<usize> {
        (0..NAMES.len()).filter(|index| covers(pattern, NAMES[*index])).collect()
    }

    #[test]
    fn a_pattern_names_what_it_matches_and_everything_below() {
        assert_eq!(covered("encoder.*"), [0, 1]);
        assert_eq!(covered("encoder"), [0, 1]);
        assert_eq!(covered("*.layers.0"), [0, 2]);
        assert_eq!(covered("*.bias"), [1]);
        assert_eq!(covered("*attention*"), [2]);
        assert_eq!(covered("*"), [0, 1, 2, 3]);
        // A name that only begins so is another.
        assert_eq!(covered("embed"), Vec::<usize>::new());
        assert_eq!(covered("*.layers.*.weight"), [0, 2]);
    }

    #[test]
    fn a_pattern_that_names_nothing_is_an_error_with_the_nearest_names() {
        let problems = |patterns: &[&str]| {
            let patterns: Vec<String> =
                patterns.iter().map(|pattern| pattern.to_string()).collect();
            freezing_problems(&patterns, &NAMES)
        };
        assert!(problems(&[]).is_empty() && problems(&["encoder.*"]).is_empty());
        let [problem] = &problems(&["encoder", "embeddings.tarjet"])[..] else { panic!() };
        assert!(problem.contains("\"embeddings.tarjet\"; near it are embeddings.target, "));
        assert_eq!(
            problems(&["encoder", "decoder", "embeddings.*"]),
            ["freeze leaves nothing to train"]
        );
    }
}
