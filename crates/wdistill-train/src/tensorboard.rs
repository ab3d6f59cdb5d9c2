//! Event files as TensorBoard reads them: TFRecords of the protocol buffer `Event`.
//!
//! A record of `n` bytes is, in little-endian order:
//!
//! ```text
//! u64 n | u32 masked CRC-32C of these 8 bytes | n bytes | u32 masked CRC-32C of the n bytes
//! masked(c) = rotate_right(c, 15) + 0xa282ead8
//! ```
//!
//! An `Event` has the seconds since 1970 (field 1, a double), the step (2, a varint), and either the version of the file (3,
//! a string) or a `Summary` (5), whose values (1) are a tag (1, a string) and a number (2, a float).

use crc::{CRC_32_ISCSI, Crc};

const CHECKSUM: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// What the first record of a file says.
const VERSION: &str = "brain.Event:2";

/// Kinds of fields in a protocol buffer.
const VARINT: u64 = 0;
const DOUBLE: u64 = 1;
const BYTES: u64 = 2;
const FLOAT: u64 = 5;

/// The record that a file begins with; `time` is in seconds since 1970.
pub fn version(time: f64) -> Vec<u8> {
    let mut event = Message::default();
    event.double(1, time);
    event.bytes(3, VERSION.as_bytes());
    record(&event.0)
}

/// A record of some numbers after so many updates.
pub fn scalars(time: f64, updates: u64, values: &[(&str, f64)]) -> Vec<u8> {
    let mut summary = Message::default();
    for (tag, value) in values {
        let mut message = Message::default();
        message.bytes(1, tag.as_bytes());
        message.float(2, *value as f32);
        summary.bytes(1, &message.0);
    }
    let mut event = Message::default();
    event.double(1, time);
    event.varint(2, updates);
    event.bytes(5, &summary.0);
    record(&event.0)
}

fn record(content: &[u8]) -> Vec<u8> {
    let length = (content.len() as u64).to_le_bytes();
    let parts = [&length[..], &masked(&length), content, &masked(content)];
    parts.concat()
}

fn masked(content: &[u8]) -> [u8; 4] {
    CHECKSUM.checksum(content).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

/// A protocol buffer, field after field.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn field(&mut self, number: u64, kind: u64) {
        self.number(number << 3 | kind);
    }

    fn varint(&mut self, number: u64, value: u64) {
        self.field(number, VARINT);
        self.number(value);
    }

    fn double(&mut self, number: u64, value: f64) {
        self.field(number, DOUBLE);
        self.0.extend(value.to_le_bytes());
    }

    fn float(&mut self, number: u64, value: f32) {
        self.field(number, FLOAT);
        self.0.extend(value.to_le_bytes());
    }

    fn bytes(&mut self, number: u64, content: &[u8]) {
        self.field(number, BYTES);
        self.number(content.len() as u64);
        self.0.extend(content);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes that TensorBoard's own writer makes of the same events.
    #[test]
    fn records_are_tensorboards_own() {
        let expected = include_bytes!("../fixtures/tensorboard/events.out.tfevents.fixture");
        let first = scalars(1_764_349_837.0, 1, &[("training/loss", 7.5)]);
        let values = [("validation/loss", 2.25), ("validation/bleu", 27.5)];
        let second = scalars(1_764_349_838.5, 300_000, &values);
        assert_eq!([version(1_764_349_837.0), first, second].concat(), expected);
    }
}
