//! Files of `torch.save`: a pickle whose tensors lie outside it (`torch/serialization.py`).
//!
//! Since PyTorch 1.6 such a file is a zip archive with `data.pkl` and one entry for each storage; before, it was
//! several pickles and then the storages.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use super::archive::Archive;
use super::arrays::{Array, Arrays, NumberType, count};
use super::bytes::Reader;
use super::pickle::{Id, Pickle, Value};

/// What files before the zip archives start with: 0x1950a86a20f9469cfc6c, little-endian.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/// Version of the files before the zip archives.
const OLD_PROTOCOL: i64 = 1001;

/// A file's pickle, and where its storages are.
pub(crate) struct TorchFile<'f> {
    pub(crate) pickle: Pickle,
    storages: Storages<'f>,
    /// Bytes of the file.
    size: usize,
}

/// Tied weights are there once for each name; no model ties more than this.
const MOST_COPIES: usize = 8;

enum Storages<'f> {
    Archive {
        archive: Archive<'f>,
        prefix: String,
    },
    /// By their keys.
    Behind(HashMap<String, &'f [u8]>),
}

impl<'f> TorchFile<'f> {
    /// Reads everything but the storages.
    ///
    /// # Errors
    /// What is wrong.
    pub(crate) fn open(bytes: &'f [u8]) -> Result<TorchFile<'f>, String> {
        match bytes {
            [b'P', b'K', ..] => TorchFile::open_archive(bytes),
            _ => TorchFile::open_old(bytes),
        }
    }

    fn open_archive(bytes: &'f [u8]) -> Result<TorchFile<'f>, String> {
        let mut archive = Archive::open(bytes)?;
        let names = archive.names()?;
        let mut prefixes = names.iter().filter_map(|name| name.strip_suffix("data.pkl"));
        let prefix = match (prefixes.next(), prefixes.next()) {
            (Some(prefix), None) => prefix.to_string(),
            (None, _) => return Err("the archive has no data.pkl".to_string()),
            _ => return Err("the archive has more than one data.pkl".to_string()),
        };
        let order = format!("{prefix}byteorder");
        if names.contains(&order) && archive.read(&order)? != b"little" {
            return Err("its numbers are not little-endian".to_string());
        }
        let pickle = archive.read_stored(&format!("{prefix}data.pkl"))?;
        let pickle = Pickle::read(&mut Reader::new(&pickle))?;
        Ok(TorchFile { pickle, storages: Storages::Archive { archive, prefix }, size: bytes.len() })
    }

    fn open_old(bytes: &'f [u8]) -> Result<TorchFile<'f>, String> {
        let mut reader = Reader::new(bytes);
        let magic = Pickle::read(&mut reader)?;
        if *magic.value(magic.root()) != Value::Long(MAGIC.to_vec()) {
            return Err("it does not start as a file of torch.save".to_string());
        }
        let protocol = Pickle::read(&mut reader)?;
        if protocol.integer(protocol.root()) != Some(OLD_PROTOCOL) {
            return Err(format!("its protocol is not {OLD_PROTOCOL}"));
        }
        let system = Pickle::read(&mut reader)?;
        let little = system.get(system.root(), "little_endian");
        if little.and_then(|little| system.integer(little)) == Some(0) {
            return Err("its numbers are not little-endian".to_string());
        }
        let pickle = Pickle::read(&mut reader)?;
        let sizes = storage_types(&pickle);
        let keys = Pickle::read(&mut reader)?;
        let list = keys.list(keys.root()).ok_or("the keys of its storages are no list")?;
        let mut storages = HashMap::new();
        for key in list {
            let key = keys.text(*key).ok_or("the key of a storage is no text")?.to_string();
            let numbers = reader.u64("the length of a storage")?;
            let kind = sizes
                .get(key.as_str())
                .ok_or_else(|| format!("storage {key} is of no known type"))?;
            let length = usize::try_from(numbers).ok().and_then(|n| n.checked_mul(kind.size()));
            let length = length.ok_or_else(|| format!("storage {key} has {numbers} numbers"))?;
            storages.insert(key, reader.take(length, "a storage")?);
        }
        match reader.left() {
            0 => Ok(TorchFile { pickle, storages: Storages::Behind(storages), size: bytes.len() }),
            left => Err(format!("{left} bytes follow after its end")),
        }
    }

    /// The tensors of a dictionary from names to tensors.
    ///
    /// # Errors
    /// The first entry that is no tensor, or one whose numbers are not there.
    pub(crate) fn arrays(&mut self, dictionary: Id) -> Result<Arrays<'f>, String> {
        let entries =
            self.pickle.items(dictionary).ok_or("the weights are no dictionary")?.to_vec();
        let mut read: HashMap<String, Cow<'f, [u8]>> = HashMap::new();
        let mut arrays = BTreeMap::new();
        let mut described = 0;
        for (name, tensor) in entries {
            let name = self.pickle.text(name).ok_or("the name of a weight is no text")?.to_string();
            let tensor =
                tensor_of(&self.pickle, tensor).map_err(|problem| format!("{name} {problem}"))?;
            let array =
                self.array(tensor, &mut read).map_err(|problem| format!("{name} {problem}"))?;
            described += array.bytes.len();
            if described > MOST_COPIES * self.size {
                return Err("its tensors share storages far beyond the file's size".to_string());
            }
            if let Some(name) = arrays.insert(name.clone(), array).map(|_| name) {
                return Err(format!("{name} comes twice"));
            }
        }
        Ok(arrays)
    }

    /// `read` keeps storages that several tensors share.
    fn array(
        &mut self,
        tensor: Tensor,
        read: &mut HashMap<String, Cow<'f, [u8]>>,
    ) -> Result<Array<'f>, String> {
        let Tensor { kind, key, offset, shape, strides } = tensor;
        if !read.contains_key(&key) {
            let bytes = self.storages.read(&key)?;
            read.insert(key.clone(), bytes);
        }
        let storage = &read[&key];
        let start = offset.checked_mul(kind.size()).filter(|start| *start <= storage.len());
        let start = start.ok_or_else(|| {
            format!("starts at number {offset} of a storage of {} bytes", storage.len())
        })?;
        let whole = start == 0
            && count(&shape).and_then(|n| n.checked_mul(kind.size())) == Some(storage.len());
        // What is not there is an error below, which says how much there is.
        let end = extent(&shape, &strides)
            .and_then(|numbers| numbers.checked_mul(kind.size())?.checked_add(start))
            .map_or(storage.len(), |end| end.min(storage.len()));
        let bytes = match (whole, storage) {
            // A storage of one tensor, the usual case, is not copied.
            (true, Cow::Owned(_)) => read.remove(&key).expect("a storage that was read"),
            (_, Cow::Borrowed(bytes)) => Cow::Borrowed(&bytes[start..end]),
            (_, Cow::Owned(bytes)) => Cow::Owned(bytes[start..end].to_vec()),
        };
        Array::strided(shape, strides, kind, bytes)
    }
}

/// Numbers from the first of an array to its last.
fn extent(shape: &[usize], strides: &[usize]) -> Option<usize> {
    let last = shape.iter().zip(strides).try_fold(0usize, |last, (axis, stride)| {
        last.checked_add(axis.checked_sub(1)?.checked_mul(*stride)?)
    })?;
    last.checked_add(1)
}

impl<'f> Storages<'f> {
    fn read(&mut self, key: &str) -> Result<Cow<'f, [u8]>, String> {
        match self {
            Storages::Archive { archive, prefix } => {
                archive.read(&format!("{prefix}data/{key}")).map(Cow::Owned)
            }
            Storages::Behind(storages) => match storages.get(key) {
                Some(bytes) => Ok(Cow::Borrowed(bytes)),
                None => Err(format!("lies in storage {key}, which is not there")),
            },
        }
    }
}

/// A tensor as the pickle describes it.
struct Tensor {
    kind: NumberType,
    key: String,
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

/// Most axes of a tensor: no model's has more than four.
const MOST_AXES: usize = 8;

/// Longest key of a storage: they are numbers.
const LONGEST_KEY: usize = 100;

/// Types of all storages that the pickle speaks of.
fn storage_types(pickle: &Pickle) -> HashMap<&str, NumberType> {
    pickle.ids().filter_map(|id| storage_of(pickle, id).ok()).collect()
}

/// `('storage', type, key, location, numbers)`, kept outside.
fn storage_of(pickle: &Pickle, id: Id) -> Result<(&str, NumberType), String> {
    let Value::Outside(description) = pickle.value(id) else {
        return Err("has no storage".to_string());
    };
    let parts = pickle.list(*description).ok_or("has a storage without a description")?;
    let [what, kind, key, ..] = parts else {
        return Err("has a storage with too short a description".to_string());
    };
    if pickle.text(*what) != Some("storage") {
        return Err("has a storage that is none".to_string());
    }
    let [_, kind] = pickle.name(*kind).ok_or("has a storage without a type")?;
    let key = pickle.text(*key).filter(|key| key.len() <= LONGEST_KEY);
    Ok((key.ok_or("has a storage without a proper key")?, number_type(kind)?))
}

fn number_type(storage: &str) -> Result<NumberType, String> {
    match Some(storage) {
        Some("DoubleStorage") => Ok(NumberType::Float64),
        Some("FloatStorage") => Ok(NumberType::Float32),
        Some("HalfStorage") => Ok(NumberType::Float16),
        Some("BFloat16Storage") => Ok(NumberType::BFloat16),
        Some("LongStorage") => Ok(NumberType::Int64),
        Some("IntStorage") => Ok(NumberType::Int32),
        Some("ShortStorage") => Ok(NumberType::Int16),
        Some("CharStorage") => Ok(NumberType::Int8),
        Some("ByteStorage" | "BoolStorage") => Ok(NumberType::UInt8),
        _ => Err("holds numbers of a type that is not known".to_string()),
    }
}

/// `_rebuild_tensor_v2(storage, offset, shape, strides, ...)`, perhaps inside `_rebuild_parameter(tensor, ...)`.
fn tensor_of(pickle: &Pickle, id: Id) -> Result<Tensor, String> {
    let (mut by, mut arguments) = pickle.made(id).ok_or("is no tensor")?;
    if let (["torch._utils", "_rebuild_parameter"], [tensor, ..]) = (by, arguments) {
        (by, arguments) = pickle.made(*tensor).ok_or("is no tensor")?;
    }
    let is_tensor = matches!(by, ["torch._utils", "_rebuild_tensor_v2" | "_rebuild_tensor"]);
    let (true, [storage, offset, shape, strides, ..]) = (is_tensor, arguments) else {
        return Err(format!("is made by {}, expected a tensor", by.join(".")));
    };
    let (key, kind) = storage_of(pickle, *storage)?;
    let sizes = |id: Id| {
        let sizes = pickle.list(id).filter(|sizes| sizes.len() <= MOST_AXES)?.iter();
        sizes.map(|size| pickle.integer(*size).and_then(|size| size.try_into().ok())).collect()
    };
    let offset = pickle.integer(*offset).and_then(|offset| offset.try_into().ok());
    let shape: Option<Vec<usize>> = sizes(*shape);
    let strides: Option<Vec<usize>> = sizes(*strides);
    match (offset, shape, strides) {
        (Some(offset), Some(shape), Some(strides)) if shape.len() == strides.len() => {
            Ok(Tensor { kind, key: key.to_string(), offset, shape, strides })
        }
        _ => Err("has no proper shape, strides or offset".to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a tensor says of itself.
    struct Described {
        kind: &'static str,
        storage: &'static str,
        offset: u8,
        shape: Vec<u8>,
        strides: Vec<u8>,
    }

    fn described() -> Described {
        let (shape, strides) = (vec![2, 1], vec![1, 2]);
        Described { kind: "FloatStorage", storage: "s", offset: 1, shape, strides }
    }

    fn short_text(text: &str) -> Vec<u8> {
        [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat()
    }

    fn numbers(numbers: &[u8]) -> Vec<u8> {
        let items = numbers.iter().flat_map(|number| [b'K', *number]);
        [b'('].into_iter().chain(items).chain([b't']).collect()
    }

    /// The pickle of a tensor, as `torch.save` writes it.
    fn tensor(described: &Described) -> Vec<u8> {
        let Described { kind, storage, offset, shape, strides } = described;
        [
            b"ctorch._utils\n_rebuild_tensor_v2\n((".to_vec(),
            short_text("storage"),
            format!("ctorch\n{kind}\n").into_bytes(),
            short_text(storage),
            short_text("cpu"),
            b"K\x04tQ".to_vec(),
            vec![b'K', *offset],
            numbers(shape),
            numbers(strides),
            b"\x89}tR".to_vec(),
        ]
        .concat()
    }

    /// A file of the old form: the tensors, and a storage `s` of the numbers 0, 1, 2, 3.
    fn file(tensors: &[Vec<u8>]) -> Vec<u8> {
        let mut file = [b"\x8a\x0a".as_slice(), &MAGIC, b".M\xe9\x03.}.}("].concat();
        for (number, tensor) in tensors.iter().enumerate() {
            file.extend([short_text(&format!("w{number}")), tensor.clone()].concat());
        }
        file.extend([b"u.](".to_vec(), short_text("s"), b"e.".to_vec()].concat());
        file.extend(4u64.to_le_bytes());
        file.extend([0f32, 1.0, 2.0, 3.0].iter().flat_map(|number| number.to_le_bytes()));
        file
    }

    fn read(bytes: &[u8]) -> Result<Arrays<'_>, String> {
        let mut file = TorchFile::open(bytes)?;
        file.arrays(file.pickle.root())
    }

    #[test]
    fn tensors_are_views_of_storages() {
        let bytes = file(&[tensor(&described())]);
        assert_eq!(read(&bytes).unwrap()["w0"].numbers(), [1.0, 2.0]);
    }

    #[test]
    fn any_number_of_tensors_may_share_a_storage_but_not_each_all_of_it() {
        let view = |offset: u8, count: u8| {
            let (shape, strides) = (vec![count], vec![1]);
            tensor(&Described { offset, shape, strides, ..described() })
        };
        // Each a number at the start of a storage of 255, or all of it.
        let wide = |views: usize, count: u8| {
            let mut bytes = file(&vec![view(0, count); views]);
            bytes.truncate(bytes.len() - 4 * 4 - 8);
            bytes.extend(255u64.to_le_bytes());
            bytes.extend([0; 4 * 255]);
            bytes
        };
        assert_eq!(read(&wide(200, 1)).unwrap().len(), 200);
        assert_eq!(read(&wide(2, 255)).unwrap().len(), 2);
        let error = read(&wide(200, 255)).map(|_| ()).unwrap_err();
        assert!(error.contains("share storages far beyond the file's size"), "{error}");
    }

    #[test]
    fn tensors_outside_their_storages_are_errors() {
        let with = |change: fn(&mut Described)| {
            let mut described = described();
            change(&mut described);
            file(&[tensor(&described)])
        };
        let good = with(|_| {});
        for (bytes, problem) in [
            (with(|d| d.offset = 5), "w0 starts at number 5 of a storage of 16 bytes"),
            (with(|d| d.offset = 3), "w0 is [2, 1] with strides [1, 2], but its storage has 1"),
            (with(|d| d.shape = vec![200, 200]), "but its storage has 3 numbers"),
            (with(|d| d.strides = vec![1]), "w0 has no proper shape"),
            (with(|d| (d.shape, d.strides) = (vec![1; 9], vec![1; 9])), "w0 has no proper shape"),
            (with(|d| d.storage = "t"), "storage s is of no known type"),
            (with(|d| d.kind = "ComplexStorage"), "storage s is of no known type"),
            (good[..good.len() - 1].to_vec(), "a storage of 16 bytes was expected"),
            ([good.clone(), vec![0]].concat(), "1 bytes follow after its end"),
            (file(&[b"K\x07".to_vec()]), "storage s is of no known type"),
            (good[1..].to_vec(), "is not known"),
            ([b"K\x01.", &good[12..]].concat(), "does not start as a file of torch.save"),
            (b"PK\x03\x04".to_vec(), ""),
        ] {
            let error = read(&bytes).map(|_| ()).unwrap_err();
            assert!(error.contains(problem), "{problem}: {error}");
        }
    }
}
