//! The replacements of a normaliser: a double-array trie whose values point into a text.
//!
//! Layout of the bytes, all numbers little-endian: the trie's size in bytes as u32, the trie as u32
//! units, then replacement texts that each end with a zero byte. A unit holds, from its lowest bit:
//! 8 bits of label, a bit that says whether a value belongs to the node, a bit that multiplies the
//! offset by 256, and the offset to the children in the bits from 10 on. The child of a node for
//! byte `c` is the unit at `(node ^ offset) ^ c` if that has the label `c`; the value is in the unit
//! at `node ^ offset` (Darts-clone's format, as SentencePiece stores it).

use std::ops::ControlFlow;

/// A checked table: every jump stays inside, and every replacement is valid text.
#[derive(Clone, Debug)]
pub(super) struct Charsmap {
    units: Vec<u32>,
    replacements: String,
}

/// The top bit marks a unit that holds a value.
const LABEL_BITS: u32 = 0x8000_00FF;

/// A replacement's place takes the other bits.
const VALUE_BITS: u32 = 0x7FFF_FFFF;

fn offset(unit: u32) -> usize {
    ((unit >> 10) << ((unit & 0x200) >> 6)) as usize
}

fn has_value(unit: u32) -> bool {
    unit & 0x100 != 0
}

impl Charsmap {
    /// Reads a table and walks through all of its trie.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub(super) fn new(bytes: &[u8]) -> Result<Self, String> {
        let Some((size, rest)) = bytes.split_first_chunk::<4>() else {
            return Err(format!("{} bytes, expected at least 4 with its size", bytes.len()));
        };
        let size = u32::from_le_bytes(*size) as usize;
        if size > rest.len() || size == 0 || !size.is_multiple_of(4) {
            return Err(format!(
                "a trie of {size} bytes, expected a multiple of 4 up to the {} that are left",
                rest.len()
            ));
        }
        let (trie, replacements) = rest.split_at(size);
        let replacements = std::str::from_utf8(replacements)
            .map_err(|error| format!("its replacement texts are not valid UTF-8: {error}"))?;
        let unit = |chunk: &[u8]| u32::from_le_bytes(chunk.try_into().expect("chunks of 4"));
        let units = trie.chunks_exact(4).map(unit).collect();
        let charsmap = Self { units, replacements: replacements.to_owned() };
        Walk::new(&charsmap).run()?;
        Ok(charsmap)
    }

    /// The longest string of the table that `text` starts with: its length and its replacement.
    pub(super) fn longest_match(&self, text: &str) -> Option<(usize, &str)> {
        let mut found = None;
        // The walk at the start left no jump that leads outside.
        let mut place = offset(self.units[0]);
        for (index, &byte) in text.as_bytes().iter().enumerate() {
            let node = place ^ usize::from(byte);
            let unit = self.units[node];
            if unit & LABEL_BITS != u32::from(byte) {
                break;
            }
            place = node ^ offset(unit);
            if has_value(unit) {
                found = Some((index + 1, self.units[place] & VALUE_BITS));
            }
        }
        found.map(|(length, start)| (length, self.replacement(start as usize)))
    }

    fn replacement(&self, start: usize) -> &str {
        let rest = &self.replacements[start..];
        rest.find('\0').map_or(rest, |end| &rest[..end])
    }
}

/// Where inside a UTF-8 character a key stands: how many bytes are missing, and what the next one
/// may be.
#[derive(Clone, Copy, PartialEq)]
enum Utf8 {
    Start,
    One,
    Two,
    Three,
    AfterE0,
    AfterEd,
    AfterF0,
    AfterF4,
}

impl Utf8 {
    /// Where `byte` leads, or `None` if no valid text has it here.
    fn after(self, byte: u8) -> Option<Self> {
        match (self, byte) {
            (Self::Start, 0..=0x7F) | (Self::One, 0x80..=0xBF) => Some(Self::Start),
            (Self::Start, 0xC2..=0xDF) | (Self::Two, 0x80..=0xBF) => Some(Self::One),
            (Self::AfterE0, 0xA0..=0xBF) | (Self::AfterEd, 0x80..=0x9F) => Some(Self::One),
            (Self::Start, 0xE0) => Some(Self::AfterE0),
            (Self::Start, 0xED) => Some(Self::AfterEd),
            (Self::Start, 0xE1..=0xEF) | (Self::Three, 0x80..=0xBF) => Some(Self::Two),
            (Self::AfterF0, 0x90..=0xBF) | (Self::AfterF4, 0x80..=0x8F) => Some(Self::Two),
            (Self::Start, 0xF0) => Some(Self::AfterF0),
            (Self::Start, 0xF1..=0xF3) => Some(Self::Three),
            (Self::Start, 0xF4) => Some(Self::AfterF4),
            _ => None,
        }
    }
}

/// A walk over everything that some text can reach in a trie.
struct Walk<'table> {
    table: &'table Charsmap,
    /// For each unit a bit for each [`Utf8`] state it was reached in.
    seen: Vec<u8>,
    /// The same for the nodes of the path to the current one.
    on_path: Vec<u8>,
    path: Vec<Visit>,
}

struct Visit {
    node: usize,
    state: Utf8,
    next_byte: u16,
}

impl<'table> Walk<'table> {
    fn new(table: &'table Charsmap) -> Self {
        let marks = vec![0; table.units.len()];
        Self { table, seen: marks.clone(), on_path: marks, path: Vec::new() }
    }

    fn run(mut self) -> Result<(), String> {
        self.enter(0, Utf8::Start)?;
        while let Some(visit) = self.path.last_mut() {
            let (node, state) = (visit.node, visit.state);
            let place = node ^ offset(self.table.units[node]);
            let start = visit.next_byte;
            let child = (start..256).try_for_each(|byte| {
                let child = place ^ usize::from(byte);
                let labelled = self.table.units[child] & LABEL_BITS == u32::from(byte);
                match state.after(byte as u8).filter(|_| labelled) {
                    Some(next) => ControlFlow::Break((byte + 1, child, next)),
                    None => ControlFlow::Continue(()),
                }
            });
            match child {
                ControlFlow::Break((next_byte, child, next)) => {
                    visit.next_byte = next_byte;
                    self.enter(child, next)?;
                }
                ControlFlow::Continue(()) => {
                    self.on_path[node] &= !(1 << state as u8);
                    self.path.pop();
                }
            }
        }
        Ok(())
    }

    fn enter(&mut self, node: usize, state: Utf8) -> Result<(), String> {
        let mark = 1 << state as u8;
        if self.on_path[node] & mark != 0 {
            return Err(format!("unit {node} of its trie leads back to itself"));
        }
        if self.seen[node] & mark != 0 {
            return Ok(());
        }
        self.check(node, state)?;
        self.seen[node] |= mark;
        self.on_path[node] |= mark;
        self.path.push(Visit { node, state, next_byte: 0 });
        Ok(())
    }

    fn check(&self, node: usize, state: Utf8) -> Result<(), String> {
        let (unit, count) = (self.table.units[node], self.table.units.len());
        let place = node ^ offset(unit);
        // Children differ from `place` in the last 8 bits.
        if place | 0xFF >= count {
            return Err(format!(
                "unit {node} of its trie leads to unit {place}, expected one of the {count}"
            ));
        }
        if node == 0 || !has_value(unit) {
            return Ok(());
        }
        if state != Utf8::Start {
            return Err(format!("unit {node} of its trie ends a string inside a character"));
        }
        let start = (self.table.units[place] & VALUE_BITS) as usize;
        if !self.table.replacements.is_char_boundary(start) {
            return Err(format!(
                "unit {node} of its trie points to byte {start} of the replacement texts, expected \
                 the start of a character in {} bytes",
                self.table.replacements.len()
            ));
        }
        Ok(())
    }
}
