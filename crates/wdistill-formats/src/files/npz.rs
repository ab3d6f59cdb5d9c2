//! NumPy's archives of arrays (`numpy/lib/format.py`): a zip archive of `.npy` files.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::archive::Archive;
use super::arrays::{Array, Arrays, NumberType};
use super::bytes::{Reader, text};

const MAGIC: &[u8] = b"\x93NUMPY";

/// All arrays of an archive.
///
/// # Errors
/// What is wrong, and in which array.
pub(crate) fn read(bytes: &[u8]) -> Result<Arrays<'static>, String> {
    let mut archive = Archive::open(bytes)?;
    let mut arrays = BTreeMap::new();
    for entry in archive.names()? {
        let name = entry.strip_suffix(".npy").ok_or_else(|| format!("{entry} is no array"))?;
        let array =
            array(&archive.read(&entry)?).map_err(|problem| format!("{name}: {problem}"))?;
        arrays.insert(name.to_string(), array);
    }
    Ok(arrays)
}

/// One `.npy` file.
fn array(bytes: &[u8]) -> Result<Array<'static>, String> {
    let mut reader = Reader::new(bytes);
    if reader.take(MAGIC.len(), "the start of an array")? != MAGIC {
        return Err("it does not start as an array of NumPy".to_string());
    }
    let version = reader.u8("a version")?;
    reader.u8("a version")?;
    let length = match version {
        1 => u32::from(reader.u16("the length of the header")?),
        2 | 3 => reader.u32("the length of the header")?,
        other => return Err(format!("its version is {other}, expected 1 to 3")),
    };
    let header = text(reader.take(length as usize, "the header")?, "the header")?;
    let Header { kind, is_fortran, shape } = Header::parse(header)?;
    let data = reader.take(reader.left(), "the numbers")?.to_vec();
    if !is_fortran || shape.len() < 2 {
        return Array::new(shape, kind, Cow::Owned(data));
    }
    let mut strides = vec![1usize; shape.len()];
    for axis in 1..shape.len() {
        strides[axis] = strides[axis - 1].saturating_mul(shape[axis - 1]);
    }
    Array::strided(shape, strides, kind, Cow::Owned(data))
}

/// What the header of an array says.
#[derive(Debug, PartialEq)]
struct Header {
    kind: NumberType,
    /// Whether the first axis runs fastest.
    is_fortran: bool,
    shape: Vec<usize>,
}

impl Header {
    /// `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`
    fn parse(header: &str) -> Result<Header, String> {
        let fault = || format!("its header is {header:?}");
        let after = |key: &str| {
            let (_, rest) = header.split_once(&format!("'{key}':"))?;
            Some(rest.trim_start())
        };
        let descr = after("descr").and_then(|rest| rest.strip_prefix('\'')?.split('\'').next());
        let kind = match descr.ok_or_else(fault)? {
            "<f8" => NumberType::Float64,
            "<f4" => NumberType::Float32,
            "<f2" => NumberType::Float16,
            "<i8" => NumberType::Int64,
            "<i4" => NumberType::Int32,
            "<i2" => NumberType::Int16,
            "|i1" | "<i1" => NumberType::Int8,
            "|u1" | "<u1" | "|b1" => NumberType::UInt8,
            other => return Err(format!("its numbers are {other:?}, which is not known")),
        };
        let is_fortran = match after("fortran_order").ok_or_else(fault)? {
            rest if rest.starts_with("True") => true,
            rest if rest.starts_with("False") => false,
            _ => return Err(fault()),
        };
        let shape = after("shape").and_then(|rest| rest.strip_prefix('(')?.split(')').next());
        let axes =
            shape.ok_or_else(fault)?.split(',').map(str::trim).filter(|axis| !axis.is_empty());
        let shape = axes.map(|axis| axis.parse().map_err(|_| fault())).collect::<Result<_, _>>()?;
        Ok(Header { kind, is_fortran, shape })
    }
}

/// Writes an archive, uncompressed; equal arrays give equal bytes.
///
/// # Errors
/// What the archive cannot hold.
pub(crate) fn write<'a>(
    arrays: impl IntoIterator<Item = (String, Vec<usize>, NumberType, Cow<'a, [u8]>)>,
) -> Result<Vec<u8>, String> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(DateTime::default());
    for (name, shape, kind, bytes) in arrays {
        let large = options.large_file(bytes.len() as u64 > u64::from(u32::MAX / 2));
        zip.start_file(format!("{name}.npy"), large).map_err(|error| format!("{name}: {error}"))?;
        zip.write_all(&header(&shape, kind)).map_err(|error| error.to_string())?;
        zip.write_all(&bytes).map_err(|error| error.to_string())?;
    }
    zip.finish().map(Cursor::into_inner).map_err(|error| error.to_string())
}

/// Start of an array, padded so that its numbers lie at a multiple of 64 bytes.
fn header(shape: &[usize], kind: NumberType) -> Vec<u8> {
    let descr = match kind {
        NumberType::Float64 => "<f8",
        NumberType::Float32 => "<f4",
        NumberType::Float16 => "<f2",
        NumberType::BFloat16 => unreachable!("NumPy has no bfloat16"),
        NumberType::Int64 => "<i8",
        NumberType::Int32 => "<i4",
        NumberType::Int16 => "<i2",
        NumberType::Int8 => "|i1",
        NumberType::UInt8 => "|u1",
    };
    let axes: String = shape.iter().map(|axis| format!("{axis}, ")).collect();
    let axes = match shape {
        [_] => axes.trim_end(),
        _ => axes.trim_end_matches(", "),
    };
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({axes}), }}");
    let start = MAGIC.len() + 4;
    let padded = (start + text.len() + 1).next_multiple_of(64) - start;
    text.extend(std::iter::repeat_n(' ', padded - text.len() - 1));
    text.push('\n');
    let length = u16::try_from(text.len()).expect("a shape is written in far less than 64 KiB");
    [MAGIC, &[1, 0], &length.to_le_bytes(), text.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        [MAGIC, &[1, 0], &(header.len() as u16).to_le_bytes(), header.as_bytes(), data].concat()
    }

    #[test]
    fn headers_are_read() {
        let parse = |text| Header::parse(text).unwrap();
        let (kind, is_fortran) = (NumberType::Float32, false);
        let expected = Header { kind, is_fortran, shape: vec![3, 4] };
        assert_eq!(parse("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }"), expected);
        let expected = Header { kind, is_fortran: true, shape: vec![3] };
        assert_eq!(parse("{'shape': (3,), 'fortran_order': True, 'descr': '<f4'}"), expected);
        let expected = Header { kind: NumberType::Int8, is_fortran, shape: vec![] };
        assert_eq!(parse("{'descr': '|i1', 'fortran_order': False, 'shape': (), }"), expected);
    }

    #[test]
    fn the_first_axis_may_run_fastest() {
        let header = "{'descr': '|i1', 'fortran_order': True, 'shape': (2, 3), }";
        assert_eq!(
            array(&file(header, &[1, 2, 3, 4, 5, 6])).unwrap().numbers(),
            [1.0, 3.0, 5.0, 2.0, 4.0, 6.0]
        );
    }

    #[test]
    fn damaged_arrays_are_errors() {
        let good = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }";
        for (bytes, problem) in [
            (b"".to_vec(), "start of an array"),
            (b"\x93NUMPX\x01\x00".to_vec(), "does not start"),
            (file(good, &[0; 7]), "has 7 bytes"),
            (file(&good.replace("(2,)", "(99999999999999999999,)"), &[]), "its header is"),
            (file(&good.replace("(2,)", "(4611686018427387904, 4)"), &[]), "has 0 bytes"),
            (file(&good.replace("(2,)", "(-1,)"), &[]), "its header is"),
            (file(&good.replace("<f4", "|O"), &[]), "its numbers are \"|O\""),
            (file(&good.replace("<f4", ">f4"), &[]), "its numbers are \">f4\""),
            (file("{'descr': '<f4'}", &[]), "its header is"),
            (file(good, &[])[..30].to_vec(), "are left"),
        ] {
            let error = array(&bytes).unwrap_err();
            assert!(error.contains(problem), "{error}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let bytes: Vec<u8> = (0..24).collect();
        let arrays = [
            ("a".to_string(), vec![2, 3], NumberType::Float32, Cow::Borrowed(&bytes[..])),
            ("b:c".to_string(), vec![24], NumberType::Int8, Cow::Borrowed(&bytes[..])),
        ];
        let file = write(arrays.clone()).unwrap();
        let found = read(&file).unwrap();
        for (name, shape, kind, bytes) in arrays {
            let array = &found[&name];
            assert_eq!((&array.shape, array.kind, &array.bytes), (&shape, kind, &bytes));
        }
        let cut = read(&file[..file.len() - 30]).unwrap_err();
        assert!(!cut.is_empty());
    }

    #[test]
    fn an_archive_may_not_grow_beyond_its_size() {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        zip.start_file("a.npy", options).unwrap();
        zip.write_all(&vec![0; 1 << 24]).unwrap();
        let bomb = zip.finish().unwrap().into_inner();
        assert!(bomb.len() < 1 << 17);
        assert!(read(&bomb).unwrap_err().contains("far more than the file's size justifies"));
    }
}
