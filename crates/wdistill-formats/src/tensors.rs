//! Named tensors, float32 or int8, in one safetensors file.
//!
//! The header is read and checked by the `safetensors` crate. Numbers are streamed between the file and
//! their vectors, so that a model is in memory once; the writer is our own because equal tensors have to
//! give equal bytes (the crate writes metadata in the order of a hash map) and be flushed to the disk
//! before they replace an older file.
//!
//! Every file written here holds a checksum of its numbers in its metadata (`checksum`), which is checked while they are
//! read: XXH3 takes a hundredth of the time that reading does. A file without one is read as it is.

use std::collections::BTreeMap;
use std::hash::Hasher;
use std::io::{self, Read, Write};
use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::TensorInfo;
use serde::Serialize;
use twox_hash::XxHash3_64;

use crate::error::{FormatError, TensorProblem};
use wdistill_base::{FileError, Folder, OpenFile, Pending};

/// Free text in the header of a safetensors file.
pub type Metadata = BTreeMap<String, String>;

/// Header entry that holds the metadata.
const METADATA: &str = "__metadata__";

/// Entry of the metadata that holds a checksum of all numbers.
const CHECKSUM: &str = "checksum";

/// Headers beyond this many bytes are refused (the same limit as in the `safetensors` crate).
const LONGEST_HEADER: u64 = 100_000_000;

/// Numbers converted at a time.
const BLOCK: usize = 1 << 14;

/// Numbers and their shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Length of every axis, outermost first.
    pub shape: Vec<usize>,
    /// All numbers, the last axis running fastest.
    pub data: Vec<f32>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum HeaderEntry<'a> {
    Metadata(&'a Metadata),
    Tensor(TensorInfo),
}

/// Name, shape and type of a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) dtype: Dtype,
}

impl Named {
    /// Of a tensor of float32.
    pub(crate) fn float32(name: String, shape: Vec<usize>) -> Named {
        Named { name, shape, dtype: Dtype::F32 }
    }

    fn bytes(&self) -> usize {
        let size = match self.dtype {
            Dtype::I8 => size_of::<i8>(),
            _ => size_of::<f32>(),
        };
        self.shape.iter().product::<usize>() * size
    }
}

/// Numbers of a tensor that was read.
pub(crate) enum Numbers {
    Float32(Vec<f32>),
    Int8(Vec<i8>),
}

/// Writes named tensors into one safetensors file, atomically (see [`atomic_write`](wdistill_base::atomic_write)).
/// Equal tensors and metadata give equal bytes, whatever the order. Numbers are written as they are, NaN
/// included. An entry `checksum` is added to the metadata, in place of one that is given.
///
/// # Errors
/// [`FormatError::Tensors`] if shapes and counts differ, or a name comes twice or is `__metadata__`, with
/// every such problem; [`FormatError::Io`].
pub fn write_tensors<'a, N: Into<String>>(
    path: &Path,
    tensors: impl IntoIterator<Item = (N, Vec<usize>, &'a [f32])>,
    metadata: &Metadata,
) -> Result<(), FormatError> {
    let (names, data) = in_order_of_names(tensors)
        .map_err(|problems| FormatError::Tensors { path: path.to_path_buf(), problems })?;
    let write = |file: &mut dyn Write| data.iter().try_for_each(|data| write_numbers(file, data));
    Ok(prepare(path, &names, metadata, write)?.publish()?)
}

type InOrder<'a> = (Vec<Named>, Vec<&'a [f32]>);

fn in_order_of_names<'a, N: Into<String>>(
    tensors: impl IntoIterator<Item = (N, Vec<usize>, &'a [f32])>,
) -> Result<InOrder<'a>, Vec<TensorProblem>> {
    let mut collected = BTreeMap::new();
    let mut problems = Vec::new();
    for (name, shape, data) in tensors {
        let name: String = name.into();
        if shape.iter().product::<usize>() != data.len() {
            let (name, shape) = (name.clone(), shape.clone());
            problems.push(TensorProblem::Count { name, shape, given: data.len() });
        }
        if name == METADATA {
            problems.push(TensorProblem::Reserved { name: name.clone() });
        }
        if collected.insert(name.clone(), (shape, data)).is_some() {
            problems.push(TensorProblem::Duplicate { name });
        }
    }
    if problems.is_empty() {
        let named = |(name, (shape, data))| (Named::float32(name, shape), data);
        Ok(collected.into_iter().map(named).unzip())
    } else {
        Err(problems)
    }
}

/// A complete file that is not yet in its place. `numbers` writes those of each tensor, in this order; it is called
/// twice, since the checksum stands before them.
pub(crate) fn prepare(
    path: &Path,
    tensors: &[Named],
    metadata: &Metadata,
    numbers: impl Fn(&mut dyn Write) -> io::Result<()>,
) -> Result<Pending, FormatError> {
    let mut sum = Summing { inner: io::sink(), hasher: XxHash3_64::new() };
    numbers(&mut sum).map_err(FileError::when("write", path))?;
    let mut metadata = metadata.clone();
    metadata.insert(CHECKSUM.to_string(), sum.text());
    let header = header(tensors, &metadata);
    Ok(Pending::write(path, |file| {
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(&header)?;
        numbers(file)
    })?)
}

/// Passes bytes on, and hashes them.
struct Summing<S> {
    inner: S,
    hasher: XxHash3_64,
}

impl<S> Summing<S> {
    /// The checksum as the header holds it.
    fn text(&self) -> String {
        format!("xxh3:{:016x}", self.hasher.finish())
    }
}

impl<W: Write> Write for Summing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hasher.write(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<R: Read> Read for Summing<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(bytes)?;
        self.hasher.write(&bytes[..count]);
        Ok(count)
    }
}

/// The JSON header, padded with blanks so that the numbers start at a multiple of 8 bytes.
fn header(tensors: &[Named], metadata: &Metadata) -> Vec<u8> {
    let mut entries = BTreeMap::new();
    let mut end = 0;
    for tensor in tensors {
        let Named { name, shape, dtype } = tensor;
        let start = end;
        end += tensor.bytes();
        let info = TensorInfo { dtype: *dtype, shape: shape.clone(), data_offsets: (start, end) };
        entries.insert(name.as_str(), HeaderEntry::Tensor(info));
    }
    entries.insert(METADATA, HeaderEntry::Metadata(metadata));
    let mut json = serde_json::to_vec(&entries).expect("plain maps of numbers and strings");
    json.resize(json.len().next_multiple_of(8), b' ');
    json
}

/// Little-endian, block by block.
pub(crate) fn write_numbers(file: &mut dyn Write, data: &[f32]) -> io::Result<()> {
    let mut bytes = vec![0; 4 * BLOCK.min(data.len())];
    for block in data.chunks(BLOCK) {
        let bytes = &mut bytes[..4 * block.len()];
        for (bytes, number) in bytes.chunks_exact_mut(4).zip(block) {
            bytes.copy_from_slice(&number.to_le_bytes());
        }
        file.write_all(bytes)?;
    }
    Ok(())
}

/// An open safetensors file whose header has been checked.
pub(crate) struct TensorFile<'a> {
    path: &'a Path,
    file: Box<dyn Read + Send + 'a>,
    /// Free text of the header, without the checksum.
    pub(crate) metadata: Metadata,
    /// What the numbers should sum up to; older files do not say.
    pub(crate) checksum: Option<String>,
    /// Name, type and shape of every tensor, in the order of the file.
    pub(crate) tensors: Vec<(String, TensorInfo)>,
}

impl<'a> TensorFile<'a> {
    /// Reads the header, and holds the length of the file against it.
    pub(crate) fn open(folder: Folder<'a>, path: &'a Path) -> Result<TensorFile<'a>, FormatError> {
        let io_error =
            |error| FormatError::Io(FileError { action: "read", path: path.to_path_buf(), error });
        let OpenFile { length, bytes: mut file } = folder.open_path(path)?;
        let not_safetensors =
            |reason| FormatError::NotSafetensors { path: path.to_path_buf(), reason };

        if length < 8 {
            return Err(not_safetensors(format!("it has {length} bytes, expected at least 8")));
        }
        let mut announced = [0; 8];
        file.read_exact(&mut announced).map_err(io_error)?;
        let announced = u64::from_le_bytes(announced);
        if announced > LONGEST_HEADER || announced > length - 8 {
            let reason = format!(
                "it announces a header of {announced} bytes, but has {} bytes after that",
                length - 8
            );
            return Err(not_safetensors(reason));
        }
        let mut header = vec![0; announced as usize];
        file.read_exact(&mut header).map_err(io_error)?;
        let header: safetensors::tensor::Metadata = serde_json::from_slice(&header)
            .map_err(|error| not_safetensors(format!("its header cannot be read: {error}")))?;
        let expected = 8 + announced + header.data_len() as u64;
        if length != expected {
            let path = path.to_path_buf();
            return Err(FormatError::WrongLength { path, expected, found: length });
        }
        let mut metadata = metadata_of(&header);
        let checksum = metadata.remove(CHECKSUM);
        Ok(TensorFile { path, file, metadata, checksum, tensors: tensors_of(&header) })
    }

    /// Names, shapes and types, in the order of the file.
    pub(crate) fn named(&self) -> Vec<Named> {
        let named = |(name, info): &(String, TensorInfo)| Named {
            name: name.clone(),
            shape: info.shape.clone(),
            dtype: info.dtype,
        };
        self.tensors.iter().map(named).collect()
    }

    /// Problems of tensors that are not float32.
    pub(crate) fn foreign_types(&self) -> Vec<TensorProblem> {
        let tensors = self.named().into_iter();
        tensors.filter_map(|tensor| foreign_type(tensor, Dtype::F32)).collect()
    }

    /// All tensors, which must be float32 or int8.
    pub(crate) fn read_all(self) -> Result<BTreeMap<String, Numbers>, FormatError> {
        let mut file = Summing { inner: self.file, hasher: XxHash3_64::new() };
        let mut tensors = BTreeMap::new();
        for (name, info) in self.tensors {
            let count = info.shape.iter().product();
            let numbers = match info.dtype {
                Dtype::I8 => read_bytes(&mut file, count).map(Numbers::Int8),
                _ => read_numbers(&mut file, count).map(Numbers::Float32),
            };
            tensors.insert(name, numbers.map_err(FileError::when("read", self.path))?);
        }
        let found = file.text();
        match self.checksum {
            Some(expected) if expected != found => {
                Err(FormatError::Checksum { path: self.path.to_path_buf(), expected, found })
            }
            _ => Ok(tensors),
        }
    }

    /// All tensors, which must be float32.
    pub(crate) fn read(self) -> Result<BTreeMap<String, Tensor>, FormatError> {
        let mut shapes: BTreeMap<String, Vec<usize>> =
            self.named().into_iter().map(|tensor| (tensor.name, tensor.shape)).collect();
        let tensors = self.read_all()?.into_iter().filter_map(|(name, numbers)| {
            let Numbers::Float32(data) = numbers else { return None };
            let shape = shapes.remove(&name)?;
            Some((name, Tensor { shape, data }))
        });
        Ok(tensors.collect())
    }
}

/// The problem of a tensor that is not of the type it should be.
pub(crate) fn foreign_type(tensor: Named, expected: Dtype) -> Option<TensorProblem> {
    (tensor.dtype != expected).then(|| TensorProblem::DataType {
        name: tensor.name,
        found: format!("{:?}", tensor.dtype),
        expected: format!("{expected:?}"),
    })
}

fn metadata_of(header: &safetensors::tensor::Metadata) -> Metadata {
    let entries = header.metadata().iter().flatten();
    entries.map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn tensors_of(header: &safetensors::tensor::Metadata) -> Vec<(String, TensorInfo)> {
    let names = header.offset_keys().into_iter();
    names.filter_map(|name| header.info(&name).cloned().map(|info| (name, info))).collect()
}

fn read_numbers(file: &mut impl Read, count: usize) -> io::Result<Vec<f32>> {
    let mut data = Vec::with_capacity(count);
    let mut bytes = vec![0; 4 * BLOCK.min(count)];
    while data.len() < count {
        let bytes = &mut bytes[..4 * BLOCK.min(count - data.len())];
        file.read_exact(bytes)?;
        let (numbers, _) = bytes.as_chunks::<4>();
        data.extend(numbers.iter().map(|number| f32::from_le_bytes(*number)));
    }
    Ok(data)
}

fn read_bytes(file: &mut impl Read, count: usize) -> io::Result<Vec<i8>> {
    let mut bytes = vec![0; count];
    file.read_exact(&mut bytes)?;
    Ok(bytes.into_iter().map(|byte| byte as i8).collect())
}

/// Reads a safetensors file of float32 tensors: every tensor, and the metadata without the checksum.
///
/// # Errors
/// [`FormatError::Io`], [`FormatError::NotSafetensors`] or [`FormatError::WrongLength`] for a file that is
/// not whole; [`FormatError::Tensors`] with every tensor that is not float32; [`FormatError::Checksum`] if numbers
/// have changed since they were written.
pub fn read_tensors(path: &Path) -> Result<(BTreeMap<String, Tensor>, Metadata), FormatError> {
    let file = TensorFile::open(Folder::from(path), path)?;
    let problems = file.foreign_types();
    if !problems.is_empty() {
        return Err(FormatError::Tensors { path: path.to_path_buf(), problems });
    }
    let metadata = file.metadata.clone();
    Ok((file.read()?, metadata))
}
