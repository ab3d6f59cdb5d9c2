//! Named, shaped ranges of one flat buffer.

use std::ops::Range;

use crate::dense::Dense;
use crate::slot::{LinearPart, Slot};
use crate::tree::{LeafRef, Transformer};

/// What a tensor is to an optimiser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A matrix that maps one space of activations to another.
    LinearMap,
    /// A vector, a table of words, or factors of single numbers.
    Numbers,
}

/// Numbers that stand together in a flat buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedRange {
    /// What they are, such as the path of a weight.
    pub name: String,
    /// Length of every axis, outermost first.
    pub shape: Vec<usize>,
    /// What they are to an optimiser.
    pub part: Part,
    /// Where they stand.
    pub range: Range<usize>,
}

/// Where each of several tensors stands in one flat buffer. Values, gradients and an optimiser's moments are buffers over
/// one layout, so that what works number by number works on the whole, and what needs a shape asks here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    ranges: Vec<NamedRange>,
    length: usize,
}

/// Ranges start at multiples of so many numbers: a cache line of float32. What is between them is zero in every buffer.
const ALIGNMENT: usize = 16;

impl Part {
    /// A model's own weight.
    pub fn of(slot: Slot) -> Part {
        match slot {
            Slot::Linear(_, LinearPart::Weight) => Part::LinearMap,
            Slot::Table(_)
            | Slot::OutputBias
            | Slot::Linear(_, LinearPart::Bias)
            | Slot::Norm(..) => Part::Numbers,
        }
    }
}

impl Layout {
    /// Tensors by name, shape and part, one after the other.
    pub fn new(tensors: impl IntoIterator<Item = (String, Vec<usize>, Part)>) -> Layout {
        let mut layout = Layout::default();
        for (name, shape, part) in tensors {
            let start = layout.length;
            let range = start..start + shape.iter().product::<usize>();
            layout.length = range.end.next_multiple_of(ALIGNMENT);
            layout.ranges.push(NamedRange { name, shape, part, range });
        }
        layout
    }

    /// The weights of a model, in declaration order, by their paths.
    pub fn of<R>(weights: &Transformer<Dense<R>>) -> Layout {
        Layout::new(weights.leaves().into_iter().map(|(slot, leaf)| {
            let shape = match leaf {
                LeafRef::Matrix(matrix) => vec![matrix.rows(), matrix.columns()],
                LeafRef::Vector(vector) => vec![vector.len()],
            };
            (slot.to_string(), shape, Part::of(slot))
        }))
    }

    /// Numbers of a buffer.
    pub fn length(&self) -> usize {
        self.length
    }

    /// The ranges, in order.
    pub fn ranges(&self) -> &[NamedRange] {
        &self.ranges
    }

    /// Each tensor's numbers.
    ///
    /// # Panics
    /// If the buffer is shorter than [`Layout::length`].
    pub fn slices<'b, T>(&'b self, buffer: &'b [T]) -> impl Iterator<Item = &'b [T]> {
        self.ranges.iter().map(|named| &buffer[named.range.clone()])
    }

    /// The same, to be changed.
    ///
    /// # Panics
    /// If the buffer is shorter than [`Layout::length`].
    pub fn slices_mut<'b, T>(&self, buffer: &'b mut [T]) -> Vec<&'b mut [T]> {
        let (mut rest, mut before) = (buffer, 0);
        let mut slices = Vec::with_capacity(self.ranges.len());
        for NamedRange { range, .. } in &self.ranges {
            let (slice, after) = rest[range.start - before..].split_at_mut(range.len());
            slices.push(slice);
            (rest, before) = (after, range.end);
        }
        slices
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Architecture, Config, Model, Vocabularies};

    #[test]
    fn slices_are_those_of_the_weights_and_do_not_overlap() {
        let architecture = Architecture::preset("transformer-nano").unwrap();
        let config = Config::new(architecture, Vocabularies::shared(21)).unwrap();
        let model = Model::initialise(config, 1);
        let layout = Layout::of(&model.weights);
        let mut buffer = vec![0; layout.length()];
        for (number, slice) in (1..).zip(layout.slices_mut(&mut buffer)) {
            slice.fill(number);
        }
        for ((number, slice), (slot, weight)) in
            (1..).zip(layout.slices(&buffer)).zip(model.weights.slices())
        {
            assert!(slice.len() == weight.len() && slice.iter().all(|n| *n == number), "{slot}");
        }
        let table = &layout.ranges()[0];
        assert_eq!(
            (table.name.as_str(), table.shape.as_slice()),
            ("embeddings.source", &[21, 16][..])
        );
        assert!(layout.ranges().iter().all(|named| named.range.start.is_multiple_of(ALIGNMENT)));
    }
}
