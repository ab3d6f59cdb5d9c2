//! From pieces back to text.

use super::normalize::MARKER;

/// What a piece stands for when it is turned into text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Surface<'text> {
    /// Nothing: control pieces.
    Nothing,
    /// Text as it is, such as that for the unknown piece.
    Literal(&'text str),
    /// A piece, with markers for its spaces.
    Piece(&'text str),
    /// One byte of a character.
    Byte(u8),
}

/// What becomes of the marker in front of the first piece.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum LeadingMarker {
    /// It is text.
    Keep,
    /// One is taken away.
    RemoveOne,
    /// It is taken away from every piece until there is text.
    RemoveUntilText,
}

/// Joins pieces to a text.
pub(crate) struct Joiner {
    text: String,
    bytes: Vec<u8>,
    leading: LeadingMarker,
    removed: bool,
}

impl Joiner {
    pub(crate) fn new(leading: LeadingMarker) -> Self {
        Self { text: String::new(), bytes: Vec::new(), leading, removed: false }
    }

    pub(crate) fn push(&mut self, surface: Surface<'_>) {
        if let Surface::Byte(byte) = surface {
            self.bytes.push(byte);
            return;
        }
        self.flush_bytes();
        let at_start = !self.removed && self.text.is_empty();
        match surface {
            Surface::Piece(piece) => {
                let stripped = match self.leading {
                    LeadingMarker::Keep => None,
                    _ if !at_start => None,
                    _ => piece.strip_prefix(MARKER),
                };
                self.removed |= stripped.is_some() && self.leading == LeadingMarker::RemoveOne;
                for (index, part) in stripped.unwrap_or(piece).split(MARKER).enumerate() {
                    self.text.push_str(if index > 0 { " " } else { "" });
                    self.text.push_str(part);
                }
            }
            Surface::Literal(text) => self.text.push_str(text),
            Surface::Nothing | Surface::Byte(_) => {}
        }
    }

    /// Turns the bytes so far into characters; each byte that belongs to none becomes U+FFFD.
    fn flush_bytes(&mut self) {
        for chunk in self.bytes.utf8_chunks() {
            self.text.push_str(chunk.valid());
            self.text.extend(chunk.invalid().iter().map(|_| '\u{fffd}'));
        }
        self.bytes.clear();
    }

    pub(crate) fn finish(mut self) -> String {
        self.flush_bytes();
        self.text
    }
}
