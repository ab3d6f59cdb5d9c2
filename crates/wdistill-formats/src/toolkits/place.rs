//! The table between slots and another toolkit's arrays, read in both directions.

use std::collections::BTreeMap;

use wdistill_model::tree::SlotInfo;
use wdistill_model::{Config, Dense, Slot, Transformer};

use crate::error::TensorProblem;
use crate::files::arrays::Arrays;
use crate::native;
use crate::tensors::{Named, Tensor};

/// How an array lies in the other toolkit's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// As here: `[output, input]`, `[words, width]`, `[n]`.
    Same,
    /// A matrix as `[input, output]`.
    Transposed,
    /// A vector as `[1, n]`.
    RowVector,
}

/// Where a slot's numbers lie in another toolkit's model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArrayPlace {
    /// Name of the array.
    pub name: String,
    /// How the numbers lie in it.
    pub layout: Layout,
    /// Which of several slots it is that lie one below the other in the array, as `(index, of)`.
    pub part: (usize, usize),
}

impl ArrayPlace {
    /// A slot that has an array of its own.
    pub fn new(name: impl Into<String>, layout: Layout) -> ArrayPlace {
        ArrayPlace { name: name.into(), layout, part: (0, 1) }
    }

    /// One of `of` slots in the same array.
    pub fn part(self, index: usize, of: usize) -> ArrayPlace {
        ArrayPlace { part: (index, of), ..self }
    }
}

/// A toolkit's table: the place of each slot.
pub(crate) type Table<'t> = dyn Fn(Slot) -> ArrayPlace + 't;

/// All slots that lie in one array, in the order of their parts.
struct Group {
    layout: Layout,
    slots: Vec<SlotInfo>,
}

impl Group {
    /// The array's shape.
    fn shape(&self) -> Vec<usize> {
        let mut shape = self.slots[0].shape.clone();
        shape[0] = self.slots.iter().map(|slot| slot.shape[0]).sum();
        match self.layout {
            Layout::Same => {}
            Layout::Transposed => shape.reverse(),
            Layout::RowVector => shape.insert(0, 1),
        }
        shape
    }
}

/// Arrays by name, with the slots that lie in them.
fn groups(config: &Config, table: &Table<'_>) -> BTreeMap<String, Group> {
    let mut groups: BTreeMap<String, Vec<(ArrayPlace, SlotInfo)>> = BTreeMap::new();
    for slot in Transformer::list(config) {
        let place = table(slot.slot);
        groups.entry(place.name.clone()).or_default().push((place, slot));
    }
    let group = |(name, mut slots): (String, Vec<(ArrayPlace, SlotInfo)>)| {
        slots.sort_by_key(|(place, _)| place.part.0);
        let whole = slots.iter().enumerate().all(|(i, (place, _))| place.part == (i, slots.len()));
        assert!(whole, "the table gives {name} to other slots than it announces");
        let layout = slots[0].0.layout;
        (name, Group { layout, slots: slots.into_iter().map(|(_, slot)| slot).collect() })
    };
    groups.into_iter().map(group).collect()
}

/// Holds the arrays of a file against what a model of this configuration needs.
pub(crate) fn problems(
    config: &Config,
    table: &Table<'_>,
    arrays: &Arrays<'_>,
) -> Vec<TensorProblem> {
    let needed: Vec<Named> = groups(config, table)
        .iter()
        .map(|(name, group)| Named::float32(name.clone(), group.shape()))
        .collect();
    let found: Vec<Named> = arrays
        .iter()
        .map(|(name, array)| Named::float32(name.clone(), array.shape.clone()))
        .collect();
    native::compare(&needed, &found)
}

/// The weights, from arrays without [`problems`].
///
/// # Errors
/// Arrays with infinite or undefined numbers.
pub(crate) fn read(
    config: &Config,
    table: &Table<'_>,
    mut arrays: Arrays<'_>,
) -> Result<Transformer<Dense<f32>>, Vec<TensorProblem>> {
    let mut tensors = BTreeMap::new();
    let mut problems = Vec::new();
    for (name, group) in groups(config, table) {
        let array = arrays.remove(&name).expect("arrays were held against the configuration");
        let mut numbers = array.numbers();
        problems.extend(native::not_finite(&name, &numbers));
        if group.layout == Layout::Transposed {
            numbers = transposed(&numbers, array.shape[0], array.shape[1]);
        }
        let mut rest = numbers.as_slice();
        for SlotInfo { slot, shape, .. } in group.slots {
            let (data, after) = rest.split_at(shape.iter().product());
            rest = after;
            tensors.insert(slot, Tensor { shape, data: data.to_vec() });
        }
    }
    if problems.is_empty() {
        Ok(native::weights(config, |slot| {
            tensors.remove(&slot).expect("every slot lies in an array")
        }))
    } else {
        Err(problems)
    }
}

/// Names and shapes of a model's arrays, in the order of their names.
pub(crate) fn shapes(config: &Config, table: &Table<'_>) -> Vec<(String, Vec<usize>)> {
    groups(config, table).into_iter().map(|(name, group)| (name, group.shape())).collect()
}

/// Name, shape and numbers of an array to be written.
pub(crate) struct Written {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) data: Vec<f32>,
}

/// The arrays of a model, in the order of their names; each is put together when it is asked for.
pub(crate) fn write<'m>(
    config: &Config,
    table: &Table<'_>,
    weights: &'m Transformer<Dense<f32>>,
) -> impl Iterator<Item = Written> + use<'m> {
    let slices: BTreeMap<Slot, &[f32]> = weights.slices().into_iter().collect();
    groups(config, table).into_iter().map(move |(name, group)| {
        let mut data =
            group.slots.iter().map(|slot| slices[&slot.slot]).collect::<Vec<_>>().concat();
        if group.layout == Layout::Transposed {
            let columns = group.slots[0].shape[1];
            data = transposed(&data, data.len() / columns, columns);
        }
        Written { name, shape: group.shape(), data }
    })
}

/// `[rows, columns]` as `[columns, rows]`.
pub(crate) fn transposed(numbers: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    (0..columns)
        .flat_map(|column| (0..rows).map(move |row| numbers[row * columns + column]))
        .collect()
}
