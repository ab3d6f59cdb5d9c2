//! Reading and writing the fields of a protocol buffer message, without its schema.
//!
//! A message is a row of fields. Each starts with a varint `number * 8 + wire type`; wire type 0 is
//! a varint, 1 eight bytes, 2 a length and that many bytes, 5 four bytes
//! (<https://protobuf.dev/programming-guides/encoding>).

/// Largest field number of the format.
const LARGEST_NUMBER: u64 = (1 << 29) - 1;

/// A field's content by wire type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value<'bytes> {
    Varint(u64),
    Eight(u64),
    Bytes(&'bytes [u8]),
    Four(u32),
}

impl Value<'_> {
    fn name(&self) -> &'static str {
        match self {
            Self::Varint(_) => "a varint",
            Self::Eight(_) => "eight bytes",
            Self::Bytes(_) => "a length and bytes",
            Self::Four(_) => "four bytes",
        }
    }
}

/// One field and where its content ends in the file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Field<'bytes> {
    pub(super) number: u32,
    value: Value<'bytes>,
    /// Where the field starts in the whole file.
    start: usize,
    /// Where its content ends in the whole file.
    end: usize,
}

impl<'bytes> Field<'bytes> {
    /// The field's number or truth value.
    pub(super) fn varint(&self, name: &str) -> Result<u64, String> {
        match self.value {
            Value::Varint(value) => Ok(value),
            other => Err(self.wrong_type(name, "a varint", other)),
        }
    }

    pub(super) fn float(&self, name: &str) -> Result<f32, String> {
        match self.value {
            Value::Four(bits) => Ok(f32::from_bits(bits)),
            other => Err(self.wrong_type(name, "four bytes", other)),
        }
    }

    pub(super) fn bytes(&self, name: &str) -> Result<&'bytes [u8], String> {
        match self.value {
            Value::Bytes(bytes) => Ok(bytes),
            other => Err(self.wrong_type(name, "a length and bytes", other)),
        }
    }

    pub(super) fn text(&self, name: &str) -> Result<&'bytes str, String> {
        let bytes = self.bytes(name)?;
        std::str::from_utf8(bytes).map_err(|error| {
            let start = self.end - bytes.len() + error.valid_up_to();
            format!("byte {start}: {name} is not valid UTF-8")
        })
    }

    /// The fields of the message that this field holds.
    pub(super) fn message(&self, name: &str) -> Result<Fields<'bytes>, String> {
        let bytes = self.bytes(name)?;
        Ok(Fields { bytes, position: 0, start: self.end - bytes.len() })
    }

    fn wrong_type(&self, name: &str, expected: &str, found: Value<'_>) -> String {
        let found = found.name();
        format!("byte {}: {name} is stored as {found}, expected {expected}", self.start)
    }
}

/// Goes through the fields of a message.
pub(super) struct Fields<'bytes> {
    bytes: &'bytes [u8],
    position: usize,
    /// Where `bytes` starts in the whole file.
    start: usize,
}

impl<'bytes> Fields<'bytes> {
    pub(super) fn new(bytes: &'bytes [u8]) -> Self {
        Self { bytes, position: 0, start: 0 }
    }

    /// The next field, or `None` at the end of the message.
    pub(super) fn next(&mut self) -> Result<Option<Field<'bytes>>, String> {
        if self.position == self.bytes.len() {
            return Ok(None);
        }
        let start = self.start + self.position;
        let key = self.varint()?;
        let number = key >> 3;
        if number == 0 || number > LARGEST_NUMBER {
            return Err(format!("byte {start}: field number {number}, expected 1 to 536870911"));
        }
        let value = match key & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Eight(u64::from_le_bytes(self.array()?)),
            2 => Value::Bytes(self.counted_bytes()?),
            5 => Value::Four(u32::from_le_bytes(self.array()?)),
            other => return Err(format!("byte {start}: wire type {other}, expected 0, 1, 2 or 5")),
        };
        let end = self.start + self.position;
        Ok(Some(Field { number: number as u32, value, start, end }))
    }

    fn varint(&mut self) -> Result<u64, String> {
        let start = self.start + self.position;
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let Some(&byte) = self.bytes.get(self.position) else {
                return Err(format!("byte {start}: the file ends inside a varint"));
            };
            self.position += 1;
            let bits = u64::from(byte & 0x7F);
            if (bits << shift) >> shift != bits {
                break;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(format!("byte {start}: a varint of more than 64 bits"))
    }

    fn counted_bytes(&mut self) -> Result<&'bytes [u8], String> {
        let start = self.start + self.position;
        let length = self.varint()?;
        let left = self.bytes.len() - self.position;
        match usize::try_from(length).ok().filter(|&length| length <= left) {
            Some(length) => Ok(self.take(length)),
            None => Err(format!("byte {start}: a length of {length} where {left} bytes are left")),
        }
    }

    fn array<const SIZE: usize>(&mut self) -> Result<[u8; SIZE], String> {
        let (start, left) = (self.start + self.position, self.bytes.len() - self.position);
        if left < SIZE {
            return Err(format!("byte {start}: {left} bytes are left, expected {SIZE}"));
        }
        let mut array = [0; SIZE];
        array.copy_from_slice(self.take(SIZE));
        Ok(array)
    }

    fn take(&mut self, length: usize) -> &'bytes [u8] {
        let taken = &self.bytes[self.position..self.position + length];
        self.position += length;
        taken
    }
}

/// Builds a message field by field.
#[derive(Default)]
pub(super) struct Message {
    pub(super) bytes: Vec<u8>,
}

impl Message {
    pub(super) fn varint(&mut self, number: u32, value: u64) {
        self.key(number, 0);
        self.raw_varint(value);
    }

    pub(super) fn float(&mut self, number: u32, value: f32) {
        self.key(number, 5);
        self.bytes.extend(value.to_bits().to_le_bytes());
    }

    pub(super) fn bytes(&mut self, number: u32, value: &[u8]) {
        self.key(number, 2);
        self.raw_varint(value.len() as u64);
        self.bytes.extend(value);
    }

    fn key(&mut self, number: u32, wire_type: u64) {
        self.raw_varint(u64::from(number) << 3 | wire_type);
    }

    fn raw_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only_field(bytes: &[u8]) -> Result<Field<'_>, String> {
        let mut fields = Fields::new(bytes);
        let field = fields.next()?.expect("a field");
        assert_eq!(fields.next()?, None);
        Ok(field)
    }

    #[test]
    fn values_of_every_wire_type_are_read() {
        // 150 as a varint is the example of the encoding's documentation.
        assert_eq!(only_field(&[0x08, 0x96, 0x01]).unwrap().varint("x"), Ok(150));
        assert_eq!(only_field(b"\x12\x07testing").unwrap().text("x"), Ok("testing"));
        assert_eq!(only_field(&[0x0D, 0, 0, 0xC0, 0x3F]).unwrap().float("x"), Ok(1.5));
        assert_eq!(only_field(&[0x09, 1, 0, 0, 0, 0, 0, 0, 0]).unwrap().value, Value::Eight(1));
        let largest = [0x08, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1];
        assert_eq!(only_field(&largest).unwrap().varint("x"), Ok(u64::MAX));
    }

    #[test]
    fn broken_fields_say_where() {
        let cases: [(&[u8], &str); 8] = [
            (&[0x08, 0x96], "byte 1: the file ends inside a varint"),
            (&[0x12, 5, b'a'], "byte 1: a length of 5 where 1 bytes are left"),
            (&[0x0D, 0, 0], "byte 1: 2 bytes are left, expected 4"),
            (&[0x09, 0, 0], "byte 1: 2 bytes are left, expected 8"),
            (&[0x00, 0], "byte 0: field number 0"),
            (&[0x0B], "byte 0: wire type 3"),
            (
                &[0x08, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2],
                "byte 1: a varint of more than 64 bits",
            ),
            (
                &[0x08, 255, 255, 255, 255, 255, 255, 255, 255, 255, 129, 1],
                "byte 1: a varint of more than 64 bits",
            ),
        ];
        for (bytes, expected) in cases {
            let error = only_field(bytes).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        let field = only_field(&[0x08, 1]).unwrap();
        let error = field.text("piece").unwrap_err();
        assert_eq!(error, "byte 0: piece is stored as a varint, expected a length and bytes");
        let error = only_field(&[0x12, 2, b'a', 0xFF]).unwrap().text("piece").unwrap_err();
        assert_eq!(error, "byte 3: piece is not valid UTF-8");
    }

    #[test]
    fn what_is_written_is_read() {
        let mut message = Message::default();
        message.varint(40, 300);
        assert_eq!(only_field(&message.bytes).unwrap().varint("x"), Ok(300));
        assert_eq!(only_field(&message.bytes).unwrap().number, 40);
    }
}
