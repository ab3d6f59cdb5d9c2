//! Model folders whose weights are int8.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::Path;

use safetensors::Dtype;
use wdistill_base::Folder;
use wdistill_model::tree::{LeafRef, Map, MatrixSpec, VectorSpec};
use wdistill_model::{Config, Dense, Int8, Int8Rows, Model, Slot, Spec, Transformer};

use super::{
    WEIGHTS_FILE, absent, check_version, compare, load_config, metadata, not_finite, publish,
    read_float32, refuse,
};
use crate::error::{FormatError, TensorProblem};
use crate::tensors::{self, Metadata, Named, Numbers, TensorFile, foreign_type};

/// Entry of the header that tells what the weights are.
const WEIGHTS: &str = "weights";

/// A model as its folder holds it.
pub enum Stored {
    /// Weights in float32.
    Float32(Model<Dense<f32>>),
    /// Quantised weights.
    Int8(Model<Int8>),
}

impl Stored {
    /// What the model is.
    pub fn config(&self) -> &Config {
        match self {
            Stored::Float32(model) => &model.config,
            Stored::Int8(model) => &model.config,
        }
    }
}

/// Whether a model's weights are int8.
pub(super) fn is_quantised(metadata: &Metadata) -> bool {
    metadata.get(WEIGHTS).is_some_and(|weights| weights == "int8")
}

fn scale_name(path: &str) -> String {
    format!("{path}.scale")
}

/// What the file of a quantised model holds: float32 first, so that all of it is aligned.
fn int8_tensors(config: &Config) -> Vec<Named> {
    let (mut floats, mut bytes) = (Vec::new(), Vec::new());
    for slot in Transformer::list(config) {
        let path = slot.slot.to_string();
        match slot.shape[..] {
            [rows, _] => {
                floats.push(Named::float32(scale_name(&path), vec![rows]));
                bytes.push(Named { name: path, shape: slot.shape, dtype: Dtype::I8 });
            }
            _ => floats.push(Named::float32(path, slot.shape)),
        }
    }
    floats.append(&mut bytes);
    floats
}

/// Writes a quantised model, as [`save`](super::save) does a float32 one.
///
/// # Errors
/// [`FormatError::Tensors`] if a scale or a vector is infinite or NaN, [`FormatError::Io`].
pub fn save_int8(model: &Model<Int8>, folder: &Path) -> Result<(), FormatError> {
    let path = folder.join(WEIGHTS_FILE);
    let leaves = model.weights.leaves();
    let mut floats: BTreeMap<String, &[f32]> = BTreeMap::new();
    let mut bytes: BTreeMap<String, &[i8]> = BTreeMap::new();
    for (slot, leaf) in &leaves {
        match leaf {
            LeafRef::Matrix(matrix) => {
                floats.insert(scale_name(&slot.to_string()), &matrix.scales);
                bytes.insert(slot.to_string(), &matrix.data);
            }
            LeafRef::Vector(vector) => {
                floats.insert(slot.to_string(), vector);
            }
        }
    }
    let problems = floats.iter().filter_map(|(name, numbers)| not_finite(name, numbers));
    refuse(&path, problems.collect())?;
    let tensors = int8_tensors(&model.config);
    let mut header = metadata();
    header.insert(WEIGHTS.to_string(), "int8".to_string());
    let weights = tensors::prepare(&path, &tensors, &header, |file| {
        for Named { name, dtype, .. } in &tensors {
            match dtype {
                Dtype::I8 => {
                    let numbers: Vec<u8> = bytes[name].iter().map(|byte| *byte as u8).collect();
                    file.write_all(&numbers)?;
                }
                _ => tensors::write_numbers(file, floats[name])?,
            }
        }
        Ok(())
    })?;
    publish(&model.config, weights, folder)
}

/// Reads a model folder, quantised or not.
///
/// # Errors
/// As [`load`](super::load), which reads float32 only.
pub fn load_any<'a>(folder: impl Into<Folder<'a>>) -> Result<Stored, FormatError> {
    let folder = folder.into();
    let config = load_config(folder)?;
    let path = folder.path(WEIGHTS_FILE);
    let file = TensorFile::open(folder, &path).map_err(|error| absent(&path, error))?;
    check_version(&path, &file.metadata)?;
    if is_quantised(&file.metadata) {
        Ok(Stored::Int8(read_int8(config, &path, file)?))
    } else {
        Ok(Stored::Float32(read_float32(config, &path, file)?))
    }
}

fn read_int8(
    config: Config,
    path: &Path,
    file: TensorFile<'_>,
) -> Result<Model<Int8>, FormatError> {
    let needed = int8_tensors(&config);
    let found = file.named();
    let mut problems = compare(&needed, &found);
    let types: BTreeMap<&str, Dtype> =
        needed.iter().map(|tensor| (tensor.name.as_str(), tensor.dtype)).collect();
    problems.extend(found.into_iter().filter_map(|tensor| {
        let expected = *types.get(tensor.name.as_str())?;
        foreign_type(tensor, expected)
    }));
    refuse(path, problems)?;

    let tensors = file.read_all()?;
    let problems = tensors.iter().filter_map(|(name, numbers)| match numbers {
        Numbers::Float32(numbers) => not_finite(name, numbers),
        Numbers::Int8(numbers) => {
            if numbers.iter().copied().fold(i8::MAX, i8::min) > i8::MIN {
                return None;
            }
            let count = numbers.iter().filter(|number| **number == i8::MIN).count();
            Some(TensorProblem::OutOfRange { name: name.clone(), count })
        }
    });
    refuse(path, problems.collect())?;
    let Ok(weights) = Transformer::catalogue(&config).map(&mut Take { tensors });
    Ok(Model { config, weights })
}

/// Moves tensors, which fit, to their places in the tree.
struct Take {
    tensors: BTreeMap<String, Numbers>,
}

impl Take {
    fn floats(&mut self, name: &str) -> Vec<f32> {
        match self.tensors.remove(name) {
            Some(Numbers::Float32(numbers)) => numbers,
            _ => unreachable!("{name} was compared with the file"),
        }
    }

    fn bytes(&mut self, name: &str) -> Vec<i8> {
        match self.tensors.remove(name) {
            Some(Numbers::Int8(numbers)) => numbers,
            _ => unreachable!("{name} was compared with the file"),
        }
    }
}

impl Map<Spec, Int8> for Take {
    type Error = Infallible;
    fn matrix(&mut self, slot: Slot, _: &MatrixSpec) -> Result<Int8Rows, Infallible> {
        let path = slot.to_string();
        let (data, scales) = (self.bytes(&path), self.floats(&scale_name(&path)));
        Ok(Int8Rows { columns: data.len() / scales.len().max(1), data, scales })
    }
    fn vector(&mut self, slot: Slot, _: &VectorSpec) -> Result<Vec<f32>, Infallible> {
        Ok(self.floats(&slot.to_string()))
    }
}
