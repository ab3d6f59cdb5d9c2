//! The model folder.
//!
//! MUST, MUST NOT and MAY are meant as in RFC 2119.
//!
//! # Files
//!
//! | file | content |
//! |---|---|
//! | `config.toml` | what the model is: [`Config`] as [`Config::to_toml`] writes it |
//! | `model.safetensors` | its weights |
//!
//! Both files MUST be there. The folder MAY hold others, such as the tokenisers; this module neither
//! reads nor removes them.
//!
//! # `config.toml`
//!
//! * It MUST have the tables `vocabularies` and `architecture`, the latter with `encoder` and `decoder`.
//! * It MUST NOT have keys that [`Config`] does not know. Keys that have a default MAY be left out; a
//!   writer MUST spell out all of them.
//!
//! # `model.safetensors`
//!
//! * The header's `__metadata__` MUST have `"format": "wdistill"` and `"format_version": "1"`. It MAY have
//!   other entries; a reader MUST ignore them. A reader MUST refuse a version that it does not know.
//! * `__metadata__` SHOULD have `checksum`: `xxh3:` and the XXH3 hash (64 bits, seed 0, 16 hexadecimal digits) of all
//!   bytes after the header. A reader MUST refuse numbers that do not have it. Folders of older versions are
//!   without it.
//! * There MUST be exactly one tensor for each line of
//!   [`Transformer::list`]`(config)`, named by its path (`encoder.layers.0.self_attention.query.weight`),
//!   and no other. Their order is free.
//! * A matrix MUST have shape `[rows, columns]`, row-major: `[output, input]` for a product `x Wᵀ`,
//!   `[words, width]` for embeddings. A vector MUST have shape `[n]`.
//! * A matrix that is tied MUST be there once, under its first name in the order source, target, output:
//!   with `embeddings = "all-tied"` only `embeddings.source`, with `"decoder-tied"` no
//!   `embeddings.output`.
//! * The type MUST be `F32`, and every number finite.
//! * Tables of positions MUST NOT be there: `positions` in the configuration determines them.
//!
//! # Quantised models
//!
//! A folder that `wdistill quantize` wrote differs in this:
//!
//! * `__metadata__` MUST have `"weights": "int8"`. Without that entry the weights are float32.
//! * The type of a matrix MUST be `I8`, its numbers from -127 to 127. For each matrix there MUST be a tensor
//!   named by its path and `.scale`, `F32` of shape `[rows]`: `w[i, j] = scale[i] * number[i, j]`. Vectors
//!   are `F32`.
//!
//! # Replacing a model
//!
//! Each file is replaced as a whole. Both are on the disk, complete, before the first takes its place; a
//! crash between the two renames leaves the old configuration with the new weights, or, in a new folder, weights
//! alone, which are not taken for a model.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::io::{self, Write};
use std::path::Path;

use wdistill_model::tree::{Leaf, Map, MatrixSpec, SlotInfo, VectorSpec};
use wdistill_model::{Config, Dense, Matrix, Model, Slot, Spec, Transformer};

use crate::error::{FormatError, TensorProblem};
use crate::tensors::{self, Metadata, Named, Tensor, TensorFile};
use wdistill_base::{FileError, Folder, Pending};

mod int8;

pub use int8::{Stored, load_any, save_int8};

/// Name of the configuration in a model folder.
pub const CONFIG_FILE: &str = "config.toml";

/// Name of the weights in a model folder.
pub const WEIGHTS_FILE: &str = "model.safetensors";

/// Value of `format` in the header of [`WEIGHTS_FILE`].
pub const FORMAT: &str = "wdistill";

/// Value of `format_version` in the header of [`WEIGHTS_FILE`].
pub const FORMAT_VERSION: u64 = 1;

/// Writes `config.toml` and `model.safetensors`, creating the folder if need be and replacing an older
/// model. Equal models give equal bytes.
///
/// # Errors
/// [`FormatError::Tensors`] if weights are infinite or NaN (nobody could load them) or do not fit the
/// configuration, with every such tensor; [`FormatError::Io`]. The older model, if any, is then untouched.
pub fn save(model: &Model<Dense<f32>>, folder: &Path) -> Result<(), FormatError> {
    let path = folder.join(WEIGHTS_FILE);
    let mut inspect = Inspect { names: Vec::new(), not_finite: Vec::new() };
    let Ok(_) = model.weights.map(&mut inspect);
    let mut problems = compare(&float32_tensors(&model.config), &inspect.names);
    problems.extend(inspect.not_finite);
    refuse(&path, problems)?;

    let weights = tensors::prepare(&path, &inspect.names, &metadata(), |file| {
        model.weights.map(&mut WriteNumbers { file }).map(|_| ())
    })?;
    publish(&model.config, weights, folder)
}

/// Puts a model's two files in their places once both are on the disk.
fn publish(config: &Config, weights: Pending, folder: &Path) -> Result<(), FormatError> {
    let text = config.to_toml();
    let config = Pending::write(&folder.join(CONFIG_FILE), |file| file.write_all(text.as_bytes()))?;
    weights.publish()?;
    Ok(config.publish()?)
}

/// Leaf family of a map that is made for what it does on the way.
struct Nothing;

impl Leaf for Nothing {
    type Matrix = ();
    type Vector = ();
}

/// Collects names and shapes, and weights that nobody could load.
struct Inspect {
    names: Vec<Named>,
    not_finite: Vec<TensorProblem>,
}

impl Inspect {
    fn tensor(&mut self, slot: Slot, shape: Vec<usize>, data: &[f32]) {
        let path = slot.to_string();
        self.not_finite.extend(not_finite(&path, data));
        self.names.push(Named::float32(path, shape));
    }
}

impl Map<Dense<f32>, Nothing> for Inspect {
    type Error = Infallible;
    fn matrix(&mut self, slot: Slot, from: &Matrix<f32>) -> Result<(), Infallible> {
        self.tensor(slot, vec![from.rows(), from.columns()], from.data());
        Ok(())
    }
    fn vector(&mut self, slot: Slot, from: &Vec<f32>) -> Result<(), Infallible> {
        self.tensor(slot, vec![from.len()], from);
        Ok(())
    }
}

/// Writes the numbers of every weight, in the order in which [`Inspect`] meets them.
struct WriteNumbers<'a> {
    file: &'a mut dyn Write,
}

impl Map<Dense<f32>, Nothing> for WriteNumbers<'_> {
    type Error = io::Error;
    fn matrix(&mut self, _: Slot, from: &Matrix<f32>) -> io::Result<()> {
        tensors::write_numbers(self.file, from.data())
    }
    fn vector(&mut self, _: Slot, from: &Vec<f32>) -> io::Result<()> {
        tensors::write_numbers(self.file, from)
    }
}

/// Reads a model folder.
///
/// # Errors
/// [`FormatError::NoSuchFile`] if one of the two files is not there; [`FormatError::Config`];
/// [`FormatError::NotSafetensors`] or [`FormatError::WrongLength`] if the weights' file is not whole;
/// [`FormatError::NotAModel`] or [`FormatError::NewerVersion`] if it is not for this reader;
/// [`FormatError::Tensors`] with every tensor that is missing, superfluous, of another shape or type, or,
/// once all of these are right, not finite; [`FormatError::Checksum`] if numbers have changed since they were
/// written.
pub fn load<'a>(folder: impl Into<Folder<'a>>) -> Result<Model<Dense<f32>>, FormatError> {
    let folder = folder.into();
    let config = load_config(folder)?;
    let path = folder.path(WEIGHTS_FILE);
    let file = TensorFile::open(folder, &path).map_err(|error| absent(&path, error))?;
    check_version(&path, &file.metadata)?;
    if int8::is_quantised(&file.metadata) {
        return Err(FormatError::Quantised { path: path.clone() });
    }
    read_float32(config, &path, file)
}

fn read_float32(
    config: Config,
    path: &Path,
    file: TensorFile<'_>,
) -> Result<Model<Dense<f32>>, FormatError> {
    let mut problems = compare(&float32_tensors(&config), &file.named());
    problems.extend(file.foreign_types());
    refuse(path, problems)?;

    let mut tensors = file.read()?;
    let not_finite = tensors.iter().filter_map(|(name, tensor)| not_finite(name, &tensor.data));
    refuse(path, not_finite.collect())?;
    let weights = weights(&config, |slot| {
        tensors.remove(&slot.to_string()).expect("every slot was compared with the file")
    });
    Ok(Model { config, weights })
}

/// The tree of weights from a tensor for each slot, which fits.
pub(crate) fn weights(
    config: &Config,
    tensor: impl FnMut(Slot) -> Tensor,
) -> Transformer<Dense<f32>> {
    let Ok(weights) = Transformer::catalogue(config).map(&mut Take { tensor });
    weights
}

/// Whether a folder holds a model of wdistill, whole or not.
pub fn is_folder_of(folder: &Path) -> bool {
    folder.join(CONFIG_FILE).exists()
}

/// Reads only what the model is, not its weights.
///
/// # Errors
/// [`FormatError::NoSuchFile`], [`FormatError::Io`] or [`FormatError::Config`].
pub fn load_config<'a>(folder: impl Into<Folder<'a>>) -> Result<Config, FormatError> {
    let folder = folder.into();
    let path = folder.path(CONFIG_FILE);
    let bytes = folder.read(CONFIG_FILE).map_err(|error| absent(&path, FormatError::Io(error)))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        FileError::when("read", &path)(io::Error::new(io::ErrorKind::InvalidData, error))
    })?;
    Config::from_toml(&text).map_err(|error| FormatError::Config { path, error })
}

/// The checksum that a model's weights are held against when they are read; folders of older versions have none.
///
/// # Errors
/// As [`load`] for the header of the weights' file.
pub fn checksum<'a>(folder: impl Into<Folder<'a>>) -> Result<Option<String>, FormatError> {
    let folder = folder.into();
    let path = folder.path(WEIGHTS_FILE);
    let file = TensorFile::open(folder, &path).map_err(|error| absent(&path, error))?;
    check_version(&path, &file.metadata)?;
    Ok(file.checksum)
}

/// A file that is not there is told apart from one that cannot be read.
fn absent(path: &Path, error: FormatError) -> FormatError {
    match error {
        FormatError::Io(FileError { error, .. }) if error.kind() == io::ErrorKind::NotFound => {
            FormatError::NoSuchFile { path: path.to_path_buf() }
        }
        other => other,
    }
}

fn refuse(path: &Path, problems: Vec<TensorProblem>) -> Result<(), FormatError> {
    match problems.as_slice() {
        [] => Ok(()),
        _ => Err(FormatError::Tensors { path: path.to_path_buf(), problems }),
    }
}

fn metadata() -> Metadata {
    Metadata::from([
        ("format".to_string(), FORMAT.to_string()),
        ("format_version".to_string(), FORMAT_VERSION.to_string()),
    ])
}

fn check_version(path: &Path, metadata: &Metadata) -> Result<(), FormatError> {
    let not_a_model = |key, expected| FormatError::NotAModel {
        path: path.to_path_buf(),
        key,
        found: metadata.get(key).cloned(),
        expected,
    };
    if metadata.get("format").map(String::as_str) != Some(FORMAT) {
        return Err(not_a_model("format", "\"wdistill\""));
    }
    let version = metadata.get("format_version").and_then(|version| version.parse().ok());
    match version {
        Some(FORMAT_VERSION) => Ok(()),
        Some(found) if found > FORMAT_VERSION => Err(FormatError::NewerVersion {
            path: path.to_path_buf(),
            found,
            supported: FORMAT_VERSION,
        }),
        _ => Err(not_a_model("format_version", "a whole number of at least 1")),
    }
}

/// The tensors of a float32 model.
fn float32_tensors(config: &Config) -> Vec<Named> {
    let slots = Transformer::list(config).into_iter();
    slots.map(|SlotInfo { slot, shape, .. }| Named::float32(slot.to_string(), shape)).collect()
}

/// Holds names and shapes against what a model needs.
pub(crate) fn compare(needed: &[Named], found: &[Named]) -> Vec<TensorProblem> {
    let shapes: BTreeMap<&str, &[usize]> =
        found.iter().map(|tensor| (tensor.name.as_str(), tensor.shape.as_slice())).collect();
    let names: BTreeSet<&str> = needed.iter().map(|tensor| tensor.name.as_str()).collect();
    let missing = || needed.iter().filter(|tensor| !shapes.contains_key(tensor.name.as_str()));
    let superfluous = || found.iter().filter(|tensor| !names.contains(tensor.name.as_str()));

    let missing_ones = missing().map(|tensor| TensorProblem::Missing {
        name: tensor.name.clone(),
        shape: tensor.shape.clone(),
        similar: most_similar(&tensor.name, superfluous().map(|tensor| &tensor.name)),
    });
    let superfluous_ones = superfluous().map(|tensor| TensorProblem::Unexpected {
        name: tensor.name.clone(),
        shape: tensor.shape.clone(),
        similar: most_similar(&tensor.name, missing().map(|tensor| &tensor.name)),
    });
    let misshapen_ones = needed.iter().filter_map(|tensor| {
        let found = *shapes.get(tensor.name.as_str())?;
        (found != tensor.shape).then(|| TensorProblem::Shape {
            name: tensor.name.clone(),
            expected: tensor.shape.clone(),
            found: found.to_vec(),
        })
    });
    missing_ones.chain(superfluous_ones).chain(misshapen_ones).collect()
}

/// The candidate that takes the fewest edits, if these leave two thirds of the name as it was.
fn most_similar<'a>(name: &str, candidates: impl Iterator<Item = &'a String>) -> Option<String> {
    candidates
        .map(|candidate| (strsim::levenshtein(name, candidate), candidate))
        .min()
        .filter(|(edits, _)| 3 * edits <= name.chars().count())
        .map(|(_, candidate)| candidate.clone())
}

pub(crate) fn not_finite(name: &str, data: &[f32]) -> Option<TensorProblem> {
    // Almost always there are none, which this says in a fraction of the time that counting takes.
    let magnitude = |number: &f32| number.abs().to_bits() as i32;
    if data.iter().map(magnitude).fold(0, i32::max) < f32::INFINITY.to_bits() as i32 {
        return None;
    }
    let count = data.iter().filter(|number| !number.is_finite()).count();
    Some(TensorProblem::NotFinite { name: name.to_string(), count, of: data.len() })
}

/// Moves tensors, which fit, to their places in the tree.
struct Take<T> {
    tensor: T,
}

impl<T: FnMut(Slot) -> Tensor> Map<Spec, Dense<f32>> for Take<T> {
    type Error = Infallible;
    fn matrix(&mut self, slot: Slot, _: &MatrixSpec) -> Result<Matrix<f32>, Infallible> {
        let Tensor { shape, data } = (self.tensor)(slot);
        Ok(Matrix::new(shape[0], shape[1], data))
    }
    fn vector(&mut self, slot: Slot, _: &VectorSpec) -> Result<Vec<f32>, Infallible> {
        Ok((self.tensor)(slot).data)
    }
}
