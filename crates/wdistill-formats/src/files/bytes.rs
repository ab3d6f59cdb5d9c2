//! A file in memory, read from front to back without ever looking outside it.

/// Little-endian numbers and bytes, from a position on.
pub(crate) struct Reader<'f> {
    bytes: &'f [u8],
    position: usize,
}

impl<'f> Reader<'f> {
    pub(crate) fn new(bytes: &'f [u8]) -> Reader<'f> {
        Reader { bytes, position: 0 }
    }

    /// Bytes read so far.
    pub(crate) fn position(&self) -> usize {
        self.position
    }

    /// Bytes not read yet.
    pub(crate) fn left(&self) -> usize {
        self.bytes.len() - self.position
    }

    /// The next bytes.
    ///
    /// # Errors
    /// Says what was expected, if the file ends before.
    pub(crate) fn take(&mut self, count: usize, what: &str) -> Result<&'f [u8], String> {
        if count > self.left() {
            let (position, left) = (self.position, self.left());
            return Err(format!(
                "at byte {position}, {what} of {count} bytes was expected, but only {left} are left"
            ));
        }
        let start = self.position;
        self.position += count;
        Ok(&self.bytes[start..self.position])
    }

    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], String> {
        Ok(self.take(N, what)?.try_into().expect("as many bytes as were taken"))
    }

    pub(crate) fn u8(&mut self, what: &str) -> Result<u8, String> {
        self.array(what).map(u8::from_le_bytes)
    }

    pub(crate) fn u16(&mut self, what: &str) -> Result<u16, String> {
        self.array(what).map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self, what: &str) -> Result<u32, String> {
        self.array(what).map(u32::from_le_bytes)
    }

    pub(crate) fn i32(&mut self, what: &str) -> Result<i32, String> {
        self.array(what).map(i32::from_le_bytes)
    }

    pub(crate) fn f32(&mut self, what: &str) -> Result<f32, String> {
        self.array(what).map(f32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self, what: &str) -> Result<u64, String> {
        self.array(what).map(u64::from_le_bytes)
    }

    pub(crate) fn f64_big_endian(&mut self, what: &str) -> Result<f64, String> {
        self.array(what).map(f64::from_be_bytes)
    }

    /// The bytes up to a line feed, which is read too.
    pub(crate) fn line(&mut self, what: &str) -> Result<&'f [u8], String> {
        let rest = &self.bytes[self.position..];
        let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
            return Err(format!("at byte {}, {what} has no end", self.position));
        };
        self.position += end + 1;
        Ok(&rest[..end])
    }
}

/// Text from bytes.
///
/// # Errors
/// Says that it is not UTF-8.
pub(crate) fn text<'f>(bytes: &'f [u8], what: &str) -> Result<&'f str, String> {
    std::str::from_utf8(bytes).map_err(|error| format!("{what} is not UTF-8: {error}"))
}
