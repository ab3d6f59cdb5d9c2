//! A teacher with what matters most in front, for rivals that cut.

use std::collections::HashMap;
use std::convert::Infallible;

use nalgebra::{DMatrix, DVector};
use wdistill_autograd::{Place, Workspace};
use wdistill_generator::{Side, inner_side};
use wdistill_model::tree::{Leaf, Map, MatrixSpec, VectorSpec};
use wdistill_model::{
    Axis, Block, Config, Dense, Embeddings, LayerPlace, Matrix, Model, Slot, Spec, Stack, SubLayer,
    Transformer,
};

use crate::observe::{Examples, see};

/// Sums of the sizes of activations.
#[derive(Default)]
struct Sizes {
    /// Of each number of a stack's stream.
    streams: HashMap<Stack, DVector<f64>>,
    /// Of each element of heads, or each hidden unit.
    inner: HashMap<(LayerPlace, SubLayer), DVector<f64>>,
}

fn add_sizes(sum: &mut DVector<f64>, rows: &DMatrix<f64>) {
    match sum.is_empty() {
        true => *sum = rows.abs().row_sum().transpose(),
        false => *sum += rows.abs().row_sum().transpose(),
    }
}

/// The numbers of an axis, the largest first, and of equals the first.
fn falling(sizes: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by(|one, other| sizes[*other].total_cmp(&sizes[*one]).then(one.cmp(other)));
    order
}

/// The same teacher with other numbers for what has none of its own: hidden units and heads of each layer, and, where the
/// student's is narrower, the numbers of a stack's stream, by the mean size of their activations over some examples, the
/// largest first (Samragh et al., "Weight subcloning", 2023). It computes the same, except that positions are added to other
/// numbers of a stream.
///
/// # Panics
/// If there are no examples.
pub fn reordered(
    teacher: &Model<Dense<f32>>,
    student: &Config,
    examples: &[Examples<'_>],
) -> Model<Dense<f32>> {
    assert!(!examples.is_empty(), "an order needs examples");
    let sizes = measured(teacher, examples);
    let mut reorder = Reorder { teacher, orders: Orders::of(&sizes, &teacher.config, student) };
    let Ok(weights) = Transformer::catalogue(&teacher.config).map(&mut reorder);
    Model { config: teacher.config.clone(), weights }
}

fn measured(teacher: &Model<Dense<f32>>, examples: &[Examples<'_>]) -> Sizes {
    let workspace = Workspace::new();
    let mut sizes = Sizes::default();
    for examples in examples {
        see(teacher, &workspace, examples, |seen| {
            for stack in [Stack::Encoder, Stack::Decoder] {
                let sub_layers = teacher.config.architecture.sub_layers(stack);
                let layers = 0..teacher.config.shape(stack).layers;
                for (layer, sub_layer) in
                    layers.flat_map(|layer| sub_layers.iter().map(move |sub| (layer, *sub)))
                {
                    let block = Block { place: LayerPlace { stack, layer }, sub_layer };
                    let stream = sizes.streams.entry(stack).or_insert_with(|| DVector::zeros(0));
                    add_sizes(stream, &seen.at(Place::Stream(block.norm())));
                    // Its cells are the stream's own elements.
                    if sub_layer == SubLayer::Recurrence {
                        continue;
                    }
                    let key = (block.place, sub_layer);
                    let inner = sizes.inner.entry(key).or_insert_with(|| DVector::zeros(0));
                    add_sizes(inner, &seen.at(Place::Read(block.back())));
                }
            }
        });
    }
    sizes
}

/// The new order of each axis that has one: for each place the number that stood elsewhere.
struct Orders {
    streams: HashMap<Axis, Vec<usize>>,
    inner: HashMap<(LayerPlace, SubLayer), Vec<usize>>,
}

impl Orders {
    fn of(sizes: &Sizes, teacher: &Config, student: &Config) -> Orders {
        let narrower = |stack| student.shape(stack).width < teacher.shape(stack).width;
        // One table for both stacks has one order.
        let is_tied = teacher.architecture.embeddings == Embeddings::AllTied;
        let leading = if is_tied { Stack::Decoder } else { Stack::Encoder };
        let stacks = [
            (Stack::Encoder, Axis::EncoderWidth, leading),
            (Stack::Decoder, Axis::DecoderWidth, Stack::Decoder),
        ];
        let streams = stacks
            .into_iter()
            .filter(|(stack, ..)| match is_tied {
                true => narrower(Stack::Encoder) && narrower(Stack::Decoder),
                false => narrower(*stack),
            })
            .map(|(_, axis, by)| (axis, falling(sizes.streams[&by].as_slice())))
            .collect();
        let inner = sizes.inner.iter().map(|(key, sizes)| {
            let width = teacher.shape(key.0.stack).pieces(key.1).elements;
            let pieces: Vec<f64> = sizes.as_slice().chunks(width).map(|p| p.iter().sum()).collect();
            let order = falling(&pieces).into_iter();
            (*key, order.flat_map(|piece| piece * width..(piece + 1) * width).collect())
        });
        Orders { streams, inner: inner.collect() }
    }

    /// Of a side of a weight.
    fn side(&self, slot: Slot, side: Side, axis: Axis) -> Option<&Vec<usize>> {
        match (inner_side(slot), slot.layer()) {
            (Some((sub_layer, inner)), Some(place)) if inner == side => {
                self.inner.get(&(place, sub_layer))
            }
            _ => self.streams.get(&axis),
        }
    }
}

struct Reorder<'a> {
    teacher: &'a Model<Dense<f32>>,
    orders: Orders,
}

impl Reorder<'_> {
    fn numbers(&self, slot: Slot) -> Vec<f32> {
        let mut slices = self.teacher.weights.slices().into_iter();
        let (_, numbers) = slices.find(|(place, _)| *place == slot).expect("the teacher's slot");
        numbers.to_vec()
    }
}

impl Map<Spec, Dense<f32>> for Reorder<'_> {
    type Error = Infallible;

    fn matrix(
        &mut self,
        slot: Slot,
        spec: &MatrixSpec,
    ) -> Result<<Dense<f32> as Leaf>::Matrix, Infallible> {
        let [rows, columns] =
            [spec.rows, spec.columns].map(|axis| self.teacher.config.length(axis));
        let matrix = Matrix::new(rows, columns, self.numbers(slot));
        let row_order = self.orders.side(slot, Side::Output, spec.rows);
        let column_order = self.orders.side(slot, Side::Input, spec.columns);
        let at = |order: Option<&Vec<usize>>, place: usize| order.map_or(place, |o| o[place]);
        Ok(Matrix::from_fn(rows, columns, |row, column| {
            matrix.at(at(row_order, row), at(column_order, column))
        }))
    }

    fn vector(&mut self, slot: Slot, spec: &VectorSpec) -> Result<Vec<f32>, Infallible> {
        let numbers = self.numbers(slot);
        Ok(match self.orders.side(slot, Side::Output, spec.axis) {
            Some(order) => order.iter().map(|place| numbers[*place]).collect(),
            None => numbers,
        })
    }
}
