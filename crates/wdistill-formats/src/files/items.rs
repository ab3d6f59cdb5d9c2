//! Marian's binary models (`src/common/binary.cpp`): named items, one after the other.
//!
//! There are two dialects, of marian-nmt and of browsermt (Bergamot, Firefox), which differ in the codes of quantised
//! numbers and in how embeddings lie. Neither program reads the other's; both are read here.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use wdistill_base::FileError;

use super::arrays::{Array, Arrays, NumberType, count};
use super::bytes::{Reader, text};
use super::{float32_bytes, quantised};
use crate::error::FormatError;

/// What the file starts with: a version, as 8 bytes.
const VERSION: u64 = 1;

/// The version of a file that is encrypted.
const ENCRYPTED: u64 = 2;

/// Whether a file starts as such a model does. A `.bin` may be of many programs; of CTranslate2 it has the length of a name
/// where this one has zeros.
///
/// # Errors
/// [`FormatError::Io`].
pub(crate) fn is_one(path: &Path) -> Result<bool, FormatError> {
    let failed = FileError::when("read", path);
    let mut start = Vec::new();
    let file = File::open(path);
    file.and_then(|file| file.take(8).read_to_end(&mut start)).map_err(failed)?;
    Ok([VERSION, ENCRYPTED].iter().any(|version| start == version.to_le_bytes()))
}

/// How the numbers of an item lie.
enum Lying {
    /// Row by row.
    Plain(NumberType),
    /// Quantised, with one factor for all behind them: matrices of products transposed.
    Quantised(NumberType),
    /// The same, but for tables of words, which lie row by row.
    QuantisedTables(NumberType),
}

impl Lying {
    /// # Errors
    /// What the code says, if it is not read.
    fn of(code: u64) -> Result<Lying, String> {
        let packed = |what: &str| {
            Err(format!("its numbers are {what}, which lie as one kind of processor wants them"))
        };
        Ok(match code {
            0x101 => Lying::Plain(NumberType::Int8),
            0x102 => Lying::Plain(NumberType::Int16),
            0x104 => Lying::Plain(NumberType::Int32),
            0x108 => Lying::Plain(NumberType::Int64),
            0x201 => Lying::Plain(NumberType::UInt8),
            0x402 => Lying::Plain(NumberType::Float16),
            0x404 => Lying::Plain(NumberType::Float32),
            0x408 => Lying::Plain(NumberType::Float64),
            0x10001 => Lying::Quantised(NumberType::Int8),
            0x10002 => Lying::Quantised(NumberType::Int16),
            0x4101 => Lying::QuantisedTables(NumberType::Int8),
            0x4102 => Lying::QuantisedTables(NumberType::Int16),
            0x802 | 0x1801 | 0x2801 => return packed("packed for FBGEMM"),
            0x18001 | 0x11001 | 0x12001 | 0x13001 | 0x14002 | 0x11002 | 0x12002 => {
                return packed("intgemm's");
            }
            other => return Err(format!("its type {other:#x} is not known")),
        })
    }
}

/// What the file says of an item before its numbers.
struct Head {
    name_bytes: usize,
    code: u64,
    axes: usize,
    bytes: usize,
}

/// All items of a file.
///
/// # Errors
/// What is wrong, and in which item.
pub(crate) fn read(bytes: &[u8]) -> Result<Arrays<'_>, String> {
    let mut reader = Reader::new(bytes);
    match reader.u64("a version")? {
        VERSION => {}
        ENCRYPTED => return Err("it is encrypted".to_string()),
        other => return Err(format!("its version is {other}, expected {VERSION}")),
    }
    let items = size(reader.u64("the number of items")?)?;
    let mut heads = Vec::new();
    for _ in 0..items {
        heads.push(Head {
            name_bytes: size(reader.u64("the length of a name")?)?,
            code: reader.u64("a type")?,
            axes: size(reader.u64("a number of axes")?)?,
            bytes: size(reader.u64("a length")?)?,
        });
    }
    let mut names = Vec::new();
    for head in &heads {
        let name = text(reader.take(head.name_bytes, "a name")?, "a name")?;
        names.push(name.strip_suffix('\0').ok_or(format!("the name {name:?} has no end"))?);
    }
    let mut shapes = Vec::new();
    for (head, name) in heads.iter().zip(&names) {
        shapes.push(shape(&mut reader, head.axes).map_err(|problem| format!("{name}: {problem}"))?);
    }
    let gap = size(reader.u64("the length of a gap")?)?;
    reader.take(gap, "a gap")?;
    let mut arrays = BTreeMap::new();
    for ((head, name), shape) in heads.iter().zip(names).zip(shapes) {
        let numbers = reader.take(head.bytes, name)?;
        let array = item(name, head.code, shape, numbers);
        let array = array.map_err(|problem| format!("{name}: {problem}"))?;
        if arrays.insert(name.to_string(), array).is_some() {
            return Err(format!("there are two items {name}"));
        }
    }
    Ok(arrays)
}

/// Whether an item is a table of words, by its name, as browsermt's converter has it.
pub(crate) fn is_table(name: &str) -> bool {
    name.contains("Wemb")
}

/// A length as the machine counts; one that no file has otherwise.
fn size(length: u64) -> Result<usize, String> {
    usize::try_from(length).map_err(|_| format!("a length is {length}"))
}

fn shape(reader: &mut Reader<'_>, axes: usize) -> Result<Vec<usize>, String> {
    // Each axis takes 4 bytes, so that no list grows beyond the file.
    if axes > reader.left() / 4 {
        return Err(format!("it has {axes} axes"));
    }
    let axis = |_| {
        let length = reader.i32("an axis")?;
        usize::try_from(length).map_err(|_| format!("an axis of it has the length {length}"))
    };
    (0..axes).map(axis).collect()
}

fn item<'f>(
    name: &str,
    code: u64,
    shape: Vec<usize>,
    bytes: &'f [u8],
) -> Result<Array<'f>, String> {
    let lying = Lying::of(code)?;
    let (Lying::Plain(kind) | Lying::Quantised(kind) | Lying::QuantisedTables(kind)) = lying;
    let needed = count(&shape).and_then(|count| count.checked_mul(kind.size()));
    let numbers = needed.and_then(|needed| bytes.get(..needed));
    // What is left fills a line of memory.
    let numbers = numbers.ok_or(format!("is {shape:?}, but has {} bytes", bytes.len()))?;
    let is_transposed = match lying {
        Lying::Plain(_) => return Array::new(shape, kind, Cow::Borrowed(numbers)),
        Lying::Quantised(_) => true,
        Lying::QuantisedTables(_) => !is_table(name),
    };
    let multiplier = Reader::new(&bytes[numbers.len()..]).f32("a multiplier")?;
    if !(multiplier.is_finite() && multiplier > 0.0) {
        return Err(format!("its multiplier is {multiplier}"));
    }
    let mut array = match shape[..] {
        [rows, columns] if is_transposed => {
            Array::strided(vec![rows, columns], vec![1, rows], kind, Cow::Borrowed(numbers))?
        }
        _ => Array::new(shape, kind, Cow::Borrowed(numbers))?,
    };
    array.divisors = [multiplier].into();
    Ok(array)
}

/// Whose file it is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// marian-nmt's.
    Marian,
    /// browsermt's: Bergamot, Firefox, translateLocally.
    Browsermt,
}

/// Items and gaps end at multiples of this many bytes.
const LINE: usize = 256;

/// An item to be written.
pub(crate) struct Item {
    pub(crate) name: String,
    /// A text's is its length.
    pub(crate) shape: Vec<usize>,
    pub(crate) content: Content,
}

/// What an item holds.
pub(crate) enum Content {
    Float32(Vec<f32>),
    /// To be written in int8: a matrix `[inputs, outputs]`, given as it lies, `[outputs, inputs]`; or, for browsermt, a
    /// table of words `[words, width]`, which lies as it is.
    Quantised(Vec<f32>),
    Text(String),
}

impl Content {
    fn code(&self, dialect: Dialect) -> u64 {
        match (self, dialect) {
            (Content::Float32(_), _) => 0x404,
            (Content::Quantised(_), Dialect::Marian) => 0x10001,
            (Content::Quantised(_), Dialect::Browsermt) => 0x4101,
            (Content::Text(_), _) => 0x101,
        }
    }

    fn bytes(&self, dialect: Dialect) -> Vec<u8> {
        let mut bytes = match self {
            Content::Float32(numbers) => float32_bytes(numbers),
            Content::Quantised(numbers) => {
                let (bytes, factor) = quantised(numbers, numbers.len());
                [bytes, float32_bytes(&factor)].concat()
            }
            Content::Text(text) => {
                let bytes = [text.as_bytes(), &[0]].concat();
                if dialect == Dialect::Browsermt {
                    return bytes;
                }
                bytes
            }
        };
        bytes.resize(bytes.len().next_multiple_of(LINE), 0);
        bytes
    }
}

/// A file as the dialect's converter writes it: equal items give equal bytes.
pub(crate) fn write(mut items: Vec<Item>, dialect: Dialect) -> Vec<u8> {
    items.sort_by(|one, other| one.name.cmp(&other.name));
    let bodies: Vec<Vec<u8>> = items.iter().map(|item| item.content.bytes(dialect)).collect();
    let mut file = Vec::new();
    let put = |file: &mut Vec<u8>, number: usize| {
        file.extend((number as u64).to_le_bytes());
    };
    file.extend(VERSION.to_le_bytes());
    put(&mut file, items.len());
    // A text is as long as its bytes, zeros and all.
    let shape = |item: &Item, body: &[u8]| match item.content {
        Content::Text(_) => vec![body.len()],
        Content::Float32(_) | Content::Quantised(_) => item.shape.clone(),
    };
    for (item, body) in items.iter().zip(&bodies) {
        put(&mut file, item.name.len() + 1);
        file.extend(item.content.code(dialect).to_le_bytes());
        put(&mut file, shape(item, body).len());
        put(&mut file, body.len());
    }
    items.iter().for_each(|item| file.extend([item.name.as_bytes(), &[0]].concat()));
    for (item, body) in items.iter().zip(&bodies) {
        for axis in shape(item, body) {
            let axis = i32::try_from(axis).expect("no axis has two billion numbers");
            file.extend(axis.to_le_bytes());
        }
    }
    let start = (file.len() + 8) / LINE * LINE + LINE;
    let gap = start - file.len() - 8;
    put(&mut file, gap);
    file.resize(start, 0);
    file.extend(bodies.concat());
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of one item, put together by hand.
    fn file(code: u64, shape: &[i32], numbers: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for number in [VERSION, 1, 2, code, shape.len() as u64, numbers.len() as u64] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(b"a\0");
        shape.iter().for_each(|axis| bytes.extend(axis.to_le_bytes()));
        bytes.extend(3u64.to_le_bytes());
        bytes.extend([0; 3]);
        bytes.extend(numbers);
        bytes
    }

    #[test]
    fn quantised_matrices_lie_transposed_before_their_multiplier() {
        let numbers = [&[2, 4, 6, 8, 10, 12u8][..], &2.0f32.to_le_bytes(), &[0; 6]].concat();
        let bytes = file(0x10001, &[2, 3], &numbers);
        assert_eq!(read(&bytes).unwrap()["a"].numbers(), [1.0, 3.0, 5.0, 2.0, 4.0, 6.0]);
    }

    /// What `pymarian convert` wrote of the archive beside it, settings as they stand in it.
    #[test]
    fn what_is_written_is_what_marians_converter_writes() {
        let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/marian");
        let archive = std::fs::read(format!("{fixtures}/joint-yaml/model.npz")).unwrap();
        for kind in ["float32", "intgemm8"] {
            let expected = std::fs::read(format!("{fixtures}/binary/model.{kind}.bin")).unwrap();
            let arrays = read(&expected).unwrap();
            let mut items = Vec::new();
            for (name, array) in super::super::npz::read(&archive).unwrap() {
                let content = if name.starts_with("special:") {
                    let text = String::from_utf8(arrays[&name].bytes.to_vec()).unwrap();
                    Content::Text(text.trim_end_matches('\0').to_string())
                } else if arrays[&name].divisors.is_empty() {
                    Content::Float32(array.numbers())
                } else {
                    let [rows, columns] = array.shape[..] else { unreachable!("a matrix") };
                    let numbers = array.numbers();
                    let lying = (0..columns).flat_map(|c| (0..rows).map(move |r| (r, c)));
                    Content::Quantised(lying.map(|(r, c)| numbers[r * columns + c]).collect())
                };
                items.push(Item { name, shape: array.shape.clone(), content });
            }
            assert!(write(items, Dialect::Marian) == expected, "{kind}");
        }
    }

    /// What `fixtures/marian/binary/make.py` wrote of the same archive, with a factor of activations for each matrix.
    #[test]
    fn what_is_written_for_browsermt_is_what_its_layout_says() {
        let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/marian");
        let archive = std::fs::read(format!("{fixtures}/joint-yaml/model.npz")).unwrap();
        let expected = std::fs::read(format!("{fixtures}/binary/model.browsermt.bin")).unwrap();
        let mut items = Vec::new();
        for (name, array) in super::super::npz::read(&archive).unwrap() {
            let is_table = name.contains("Wemb");
            if name.starts_with("special:") {
                let text = String::from_utf8(array.bytes.to_vec()).unwrap();
                let content = Content::Text(text.trim_end_matches('\0').to_string());
                items.push(Item { name, shape: Vec::new(), content });
                continue;
            }
            let (shape, numbers) = (array.shape.clone(), array.numbers());
            let content = match shape[..] {
                [rows, columns] if name[..name.len() - 1].ends_with("_W") => {
                    let lying = (0..columns).flat_map(|c| (0..rows).map(move |r| (r, c)));
                    Content::Quantised(lying.map(|(r, c)| numbers[r * columns + c]).collect())
                }
                _ if is_table => Content::Quantised(numbers),
                _ => Content::Float32(numbers),
            };
            if matches!(content, Content::Quantised(_)) {
                let (name, shape) = (format!("{name}_QuantMultA"), vec![1]);
                items.push(Item { name, shape, content: Content::Float32(vec![127.0 / 4.0]) });
            }
            items.push(Item { name, shape, content });
        }
        assert!(write(items, Dialect::Browsermt) == expected);
    }

    #[test]
    fn damaged_files_are_errors() {
        let good = file(0x404, &[1], &1.5f32.to_le_bytes());
        assert_eq!(read(&good).unwrap()["a"].numbers(), [1.5]);
        for length in 0..good.len() {
            assert!(read(&good[..length]).is_err(), "{length} bytes");
        }
        let with = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            read(&bytes).unwrap_err()
        };
        for (at, byte, problem) in [
            (0, 2, "encrypted"),
            (0, 3, "its version is 3"),
            (15, 1, "are left"),
            (23, 1, "are left"),
            (39, 1, "axes"),
            (47, 1, "are left"),
            (49, b'b', "has no end"),
            (53, 255, "has the length"),
            (53, 1, "but has 4 bytes"),
        ] {
            let error = with(at, byte);
            assert!(error.contains(problem), "byte {at}: {error}");
        }
        for (code, problem) in [(0x12001, "one kind of processor"), (0x999, "0x999 is not known")] {
            let error = read(&file(code, &[1], &[0; 8])).unwrap_err();
            assert!(error.contains(problem), "{error}");
        }
        for multiplier in [0.0, -1.0, f32::NAN, f32::INFINITY] {
            let numbers = [&[1][..], &multiplier.to_le_bytes()].concat();
            let error = read(&file(0x10001, &[1, 1], &numbers)).unwrap_err();
            assert!(error.contains("its multiplier is"), "{error}");
        }
    }
}
