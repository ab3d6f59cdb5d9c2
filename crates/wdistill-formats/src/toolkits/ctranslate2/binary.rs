//! `model.bin`: named arrays and aliases (CTranslate2, `python/ctranslate2/specs/model_spec.py` writes it,
//! `src/models/model.cc` reads it).
//!
//! Little-endian. A text is its length with a final NUL as `u16`, its bytes, and NUL.
//!
//! ```text
//! u32 version; from 2: text name of the specification, u32 its revision
//! u32 count, for each variable:
//!     text name, u8 rank, u32 length of every axis,
//!     from version 4: u8 type, u32 bytes; before: u8 bytes of a number, u32 numbers
//!     data
//! from 3: u32 count, for each alias: text name, text name of the variable
//! ```

use std::collections::BTreeMap;

use wdistill_base::Problem;

use crate::files::arrays::{Array, Arrays, NumberType};
use crate::files::bytes::{Reader, text};

/// Versions that are read.
pub(crate) const OLDEST: u32 = 2;
/// The version that is written.
pub(crate) const NEWEST: u32 = 6;

/// Most axes of a variable: no Transformer's has more than four.
const MOST_AXES: u8 = 8;

/// What a file holds.
#[derive(Debug)]
pub(crate) struct Binary<'f> {
    pub(crate) version: u32,
    /// Name of the specification, such as `TransformerSpec`.
    pub(crate) specification: String,
    pub(crate) revision: u32,
    /// Every variable once, under its own name.
    pub(crate) variables: Arrays<'f>,
    /// The variable that each other name stands for.
    pub(crate) aliases: BTreeMap<String, String>,
}

/// Reads a whole file.
///
/// # Errors
/// The first thing that is wrong, and where.
pub(crate) fn parse(bytes: &[u8]) -> Result<Binary<'_>, Problem> {
    let mut reader = Reader::new(bytes);
    let version = reader.u32("the version")?;
    if !(OLDEST..=NEWEST).contains(&version) {
        return Err(format!("its version is {version}, expected {OLDEST} to {NEWEST}").into());
    }
    let specification = string(&mut reader, "the name of the specification")?.to_string();
    let revision = reader.u32("the revision")?;
    let mut variables = BTreeMap::new();
    for _ in 0..reader.u32("the number of variables")? {
        let (name, array) = variable(&mut reader, version)?;
        if variables.insert(name.clone(), array).is_some() {
            return Err(format!("variable {name} comes twice").into());
        }
    }
    let aliases = match version {
        3.. => aliases(&mut reader, &variables)?,
        _ => BTreeMap::new(),
    };
    match reader.left() {
        0 => Ok(Binary { version, specification, revision, variables, aliases }),
        left => {
            Err(format!("{left} bytes follow after its end at byte {}", reader.position()).into())
        }
    }
}

fn string<'f>(reader: &mut Reader<'f>, what: &str) -> Result<&'f str, String> {
    let length = usize::from(reader.u16(&format!("the length of {what}"))?);
    match reader.take(length, what)? {
        [bytes @ .., 0] => text(bytes, what),
        _ => Err(format!("{what} does not end in NUL at byte {}", reader.position())),
    }
}

fn variable<'f>(reader: &mut Reader<'f>, version: u32) -> Result<(String, Array<'f>), String> {
    let name = string(reader, "the name of a variable")?.to_string();
    let rank = reader.u8("a rank")?;
    if rank > MOST_AXES {
        return Err(format!("{name} has {rank} axes, expected at most {MOST_AXES}"));
    }
    let axes = (0..rank).map(|_| reader.u32("the length of an axis").map(|axis| axis as usize));
    let shape: Vec<usize> = axes.collect::<Result<_, _>>()?;
    let (kind, bytes) = match version {
        4.. => (
            number_type(reader.u8("a type")?).map_err(|problem| format!("{name} {problem}"))?,
            u64::from(reader.u32("a number of bytes")?),
        ),
        _ => {
            let size = reader.u8("the bytes of a number")?;
            let kind = type_of_size(size).map_err(|problem| format!("{name} {problem}"))?;
            (kind, u64::from(size) * u64::from(reader.u32("a number of numbers")?))
        }
    };
    let bytes = usize::try_from(bytes).map_err(|_| format!("{name} has {bytes} bytes"))?;
    let data = reader.take(bytes, &name)?;
    let array =
        Array::new(shape, kind, data.into()).map_err(|problem| format!("{name} {problem}"))?;
    Ok((name, array))
}

fn aliases(
    reader: &mut Reader<'_>,
    variables: &Arrays<'_>,
) -> Result<BTreeMap<String, String>, String> {
    let mut aliases = BTreeMap::new();
    for _ in 0..reader.u32("the number of aliases")? {
        let alias = string(reader, "an alias")?.to_string();
        let variable = string(reader, "the variable of an alias")?.to_string();
        if !variables.contains_key(&variable) {
            return Err(format!("alias {alias} stands for {variable}, which is not there"));
        }
        if variables.contains_key(&alias) || aliases.contains_key(&alias) {
            return Err(format!("{alias} is an alias, and there already"));
        }
        aliases.insert(alias, variable);
    }
    Ok(aliases)
}

/// Numbers of the types, from version 4 on (`include/ctranslate2/types.h`).
const TYPES: [NumberType; 6] = [
    NumberType::Float32,
    NumberType::Int8,
    NumberType::Int16,
    NumberType::Int32,
    NumberType::Float16,
    NumberType::BFloat16,
];

fn number_type(id: u8) -> Result<NumberType, String> {
    let unknown = || format!("has type {id}, expected at most {}", TYPES.len() - 1);
    TYPES.get(usize::from(id)).copied().ok_or_else(unknown)
}

/// Before version 4 the size of a number tells its type.
fn type_of_size(size: u8) -> Result<NumberType, String> {
    match size {
        1 => Ok(NumberType::Int8),
        2 => Ok(NumberType::Int16),
        4 => Ok(NumberType::Float32),
        _ => Err(format!("has numbers of {size} bytes, expected 1, 2 or 4")),
    }
}

/// Writes a file of version [`NEWEST`]. Variables come in the order of their names.
///
/// # Errors
/// A name or an array that is too long for the format.
pub(crate) fn write(
    specification: &str,
    revision: u32,
    variables: &Arrays<'_>,
    aliases: &BTreeMap<String, String>,
) -> Result<Vec<u8>, String> {
    let mut file = NEWEST.to_le_bytes().to_vec();
    put_string(&mut file, specification)?;
    file.extend(revision.to_le_bytes());
    put_length(&mut file, variables.len(), "variables")?;
    for (name, array) in variables {
        put_string(&mut file, name)?;
        file.push(
            u8::try_from(array.shape.len()).map_err(|_| format!("{name} has too many axes"))?,
        );
        for axis in &array.shape {
            put_length(&mut file, *axis, name)?;
        }
        let id = TYPES.iter().position(|kind| *kind == array.kind);
        file.push(id.ok_or_else(|| format!("{name} is {:?}", array.kind))? as u8);
        put_length(&mut file, array.bytes.len(), name)?;
        file.extend_from_slice(&array.bytes);
    }
    put_length(&mut file, aliases.len(), "aliases")?;
    for (alias, variable) in aliases {
        put_string(&mut file, alias)?;
        put_string(&mut file, variable)?;
    }
    Ok(file)
}

fn put_string(file: &mut Vec<u8>, text: &str) -> Result<(), String> {
    let length = u16::try_from(text.len() + 1).map_err(|_| format!("{text} is too long"))?;
    file.extend(length.to_le_bytes());
    file.extend(text.bytes());
    file.push(0);
    Ok(())
}

fn put_length(file: &mut Vec<u8>, length: usize, what: &str) -> Result<(), String> {
    let length = u32::try_from(length)
        .map_err(|_| format!("{what}: {length} is more than the format can hold"))?;
    file.extend(length.to_le_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        put_string(&mut bytes, text).unwrap();
        bytes
    }

    fn number(number: u32) -> Vec<u8> {
        number.to_le_bytes().to_vec()
    }

    /// A file of version 6 with one variable `a`, of these axes, type and bytes, and an alias.
    fn file(axes: &[u32], kind: u8, bytes: &[u8], alias: [&str; 2]) -> Vec<u8> {
        let mut file = [number(6), text("S"), number(7), number(1), text("a")].concat();
        file.push(axes.len() as u8);
        axes.iter().for_each(|axis| file.extend(number(*axis)));
        file.push(kind);
        file.extend(number(bytes.len() as u32));
        file.extend(bytes);
        file.extend([number(1), text(alias[0]), text(alias[1])].concat());
        file
    }

    #[test]
    fn what_is_written_is_read() {
        let good = file(&[2, 3], 1, &[1, 2, 3, 4, 5, 255], ["b", "a"]);
        let binary = parse(&good).unwrap();
        assert_eq!((binary.specification.as_str(), binary.revision), ("S", 7));
        assert_eq!(binary.variables["a"].numbers(), [1.0, 2.0, 3.0, 4.0, 5.0, -1.0]);
        assert_eq!(binary.aliases["b"], "a");
        let again = write("S", 7, &binary.variables, &binary.aliases).unwrap();
        assert_eq!(again, good);
    }

    #[test]
    fn damaged_files_are_errors() {
        let good = file(&[2], 1, &[1, 2], ["b", "a"]);
        for length in 0..good.len() {
            assert!(parse(&good[..length]).unwrap_err().fact.contains("left"), "{length}");
        }
        let mut unended = good.clone();
        unended[7] = b'x';
        for (bytes, problem) in [
            ([number(1), good[4..].to_vec()].concat(), "its version is 1, expected 2 to 6"),
            ([number(7), good[4..].to_vec()].concat(), "its version is 7"),
            ([good.clone(), vec![0]].concat(), "1 bytes follow after its end"),
            (unended, "does not end in NUL"),
            (file(&[3], 1, &[1, 2], ["b", "a"]), "a is [3] of Int8, but has 2 bytes"),
            (file(&[u32::MAX; 4], 0, &[0; 4], ["b", "a"]), "but has 4 bytes"),
            (file(&[1; 9], 1, &[1], ["b", "a"]), "a has 9 axes"),
            (file(&[2], 6, &[1, 2], ["b", "a"]), "a has type 6, expected at most 5"),
            (file(&[2], 1, &[1, 2], ["b", "c"]), "alias b stands for c, which is not there"),
            (file(&[2], 1, &[1, 2], ["a", "a"]), "a is an alias, and there already"),
            (
                [number(6), text("S"), number(7), number(u32::MAX)].concat(),
                "the length of the name",
            ),
        ] {
            let error = parse(&bytes).unwrap_err();
            assert!(error.fact.contains(problem), "{problem}: {error}");
        }
    }
}
