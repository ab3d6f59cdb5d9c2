//! Compressed text, known by its first bytes when read and by the file's extension when written; what is no
//! text at all is refused by its name.

use std::borrow::Cow;
use std::error::Error as _;
use std::io::{BufRead, BufReader, Cursor, Error, ErrorKind, Read, Result, Write};
use std::path::Path;

use bzip2::bufread::MultiBzDecoder;
use bzip2::write::BzEncoder;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;
use lzma_rust2::{XzOptions, XzReader, XzWriter};
use ruzstd::decoding::FrameDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use wdistill_base::Problem;

/// How many of the first bytes are looked at, if so many arrive at once.
const SAMPLE: usize = 1 << 12;

const BUFFER: usize = 1 << 16;

/// The largest window of a zstd frame: what the zstd program takes without being told to take more.
const LARGEST_WINDOW: u64 = 1 << 27;

/// Presets of xz range from 0 to 9; this is its own default.
const XZ_PRESET: u32 = 6;

/// Where the letters `ustar` stand in a tar archive.
const TAR_MARK: usize = 257;

/// How a text is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compression {
    Gzip,
    Zstandard,
    Xz,
    Bzip2,
}

impl Compression {
    fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstandard => "zstd",
            Self::Xz => "xz",
            Self::Bzip2 => "bzip2",
        }
    }

    /// What the extension of a path asks for.
    fn of_path(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "gz" => Some(Self::Gzip),
            "zst" => Some(Self::Zstandard),
            "xz" => Some(Self::Xz),
            "bz2" => Some(Self::Bzip2),
            _ => None,
        }
    }
}

/// What a first few bytes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    Compressed(Compression),
    /// No text: what it is, and what to do about it.
    Refused(&'static str, &'static str),
}

const UNPACK: &str = "unpack it first; gzip, zstd, xz and bzip2 are read as they are";
const CONVERT_16: &str = "convert it with `iconv -f UTF-16 -t UTF-8`";
const CONVERT_32: &str = "convert it with `iconv -f UTF-32 -t UTF-8`";

/// The first bytes of all that is known; of two that match, the first counts.
const SIGNATURES: &[(&[u8], Content)] = &[
    (b"\x1f\x8b", Content::Compressed(Compression::Gzip)),
    (b"\x28\xb5\x2f\xfd", Content::Compressed(Compression::Zstandard)),
    // A frame to be skipped, as pzstd writes before the others; its first byte is 0x50 to 0x5f.
    (b"\x50\x2a\x4d\x18", Content::Compressed(Compression::Zstandard)),
    (b"\xfd7zXZ\0", Content::Compressed(Compression::Xz)),
    // The fourth byte is the level, 1 to 9. A block follows, or the end of a file without one.
    (b"BZh91AY&SY", Content::Compressed(Compression::Bzip2)),
    (b"BZh9\x17\x72\x45\x38\x50\x90", Content::Compressed(Compression::Bzip2)),
    (b"PK\x03\x04", Content::Refused("a zip archive", UNPACK)),
    (b"PK\x05\x06", Content::Refused("an empty zip archive", UNPACK)),
    (b"7z\xbc\xaf\x27\x1c", Content::Refused("a 7z archive", UNPACK)),
    (b"Rar!\x1a\x07", Content::Refused("a rar archive", UNPACK)),
    (b"\x04\x22\x4d\x18", Content::Refused("lz4 data", UNPACK)),
    (b"\x1f\x9d", Content::Refused("data of compress (.Z)", UNPACK)),
    (b"LZIP\x01", Content::Refused("lzip data", UNPACK)),
    (b"\x5d\0\0", Content::Refused("data of xz's old form (.lzma)", UNPACK)),
    (b"\xff\xfe\0\0", Content::Refused("UTF-32 text", CONVERT_32)),
    (b"\0\0\xfe\xff", Content::Refused("UTF-32 text", CONVERT_32)),
    (b"\xff\xfe", Content::Refused("UTF-16 text", CONVERT_16)),
    (b"\xfe\xff", Content::Refused("UTF-16 text", CONVERT_16)),
];

/// A reader of the text that `input` holds: as it stands, or unpacked if it is compressed by gzip, zstd, xz or
/// bzip2. Several members or frames, one after the other, are one text.
///
/// No more of `input` is waited for than is needed to tell, so that lines of a terminal or a pipe come as they are
/// typed. An end before the end of the compressed data is an error of the reader, as are wrong check sums.
///
/// # Errors
/// Those of `input`, and [`ErrorKind::InvalidData`] with a hint for what is no UTF-8 text: an archive, compression
/// of another kind, UTF-16, UTF-32, other binary data.
pub fn text_reader<'r>(mut input: impl Read + Send + 'r) -> Result<Box<dyn BufRead + Send + 'r>> {
    let sample = first_bytes(&mut input)?;
    let content = content(&sample);
    let plain_sample = sample.clone();
    let whole = BufReader::with_capacity(BUFFER, Cursor::new(sample).chain(input));
    let decoder: Box<dyn Read + Send + 'r> = match content {
        Some(Content::Compressed(compression)) => Box::new(Unpacked {
            decoder: decoder(compression, whole),
            compression,
            input_ended: false,
        }),
        Some(Content::Refused(what, hint)) => return Err(refused(what, hint)),
        None => {
            refuse_binary(&plain_sample)?;
            return Ok(Box::new(whole));
        }
    };
    let mut text = BufReader::with_capacity(BUFFER, decoder);
    let unpacked = text.fill_buf()?;
    match self::content(unpacked) {
        Some(Content::Compressed(_)) => {
            return Err(refused("data that was compressed twice", "unpack it once"));
        }
        Some(Content::Refused(what, hint)) => return Err(refused(what, hint)),
        None => refuse_binary(unpacked)?,
    }
    Ok(Box::new(text))
}

/// The bytes of `text` as a file of this name holds them: compressed if the extension is `gz`, `zst`, `xz` or
/// `bz2`.
///
/// # Errors
/// When the compressor fails.
pub fn packed_by_name<'t>(path: &Path, text: &'t [u8]) -> Result<Cow<'t, [u8]>> {
    let Some(compression) = Compression::of_path(path) else { return Ok(Cow::Borrowed(text)) };
    let packed = match compression {
        Compression::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(text)?;
            encoder.finish()?
        }
        Compression::Zstandard => compress_to_vec(text, CompressionLevel::Fastest),
        Compression::Xz => {
            let mut encoder = XzWriter::new(Vec::new(), XzOptions::with_preset(XZ_PRESET))?;
            encoder.write_all(text)?;
            encoder.finish()?
        }
        Compression::Bzip2 => {
            let mut encoder = BzEncoder::new(Vec::new(), bzip2::Compression::best());
            encoder.write_all(text)?;
            encoder.finish()?
        }
    };
    Ok(Cow::Owned(packed))
}

/// As many bytes as come at once, and more only while they could still become a signature.
fn first_bytes(input: &mut impl Read) -> Result<Vec<u8>> {
    let mut sample = Vec::new();
    let mut buffer = vec![0; SAMPLE];
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return Ok(sample),
            Ok(count) => sample.extend(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
        let head = comparable(&sample);
        if !SIGNATURES.iter().any(|(signature, _)| is_start_of(&head, signature)) {
            return Ok(sample);
        }
    }
}

/// Whether there is less than the signature, and all of it agrees.
fn is_start_of(head: &[u8], signature: &[u8]) -> bool {
    head.len() < signature.len() && signature.starts_with(head)
}

/// The first bytes with those that signatures leave open as they stand there.
fn comparable(sample: &[u8]) -> Vec<u8> {
    let mut head = sample[..sample.len().min(16)].to_vec();
    match &mut head[..] {
        [b'B', b'Z', b'h', level @ b'1'..=b'9', ..] => *level = b'9',
        [first @ 0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => *first = 0x50,
        _ => {}
    }
    head
}

fn content(sample: &[u8]) -> Option<Content> {
    let head = comparable(sample);
    let whole = SIGNATURES.iter().find(|(signature, _)| head.starts_with(signature));
    // What a cut has left of a signature: nobody writes a text of these bytes and nothing else.
    let cut = || match &head[..] {
        [0x1f] => Some(Content::Compressed(Compression::Gzip)),
        [b'B', b'Z', b'h', ..] if is_start_of(&head, b"BZh91AY&SY") => {
            Some(Content::Compressed(Compression::Bzip2))
        }
        _ => None,
    };
    whole.map(|(_, content)| *content).or_else(cut)
}

/// Refuses what has no signature but is no text either.
fn refuse_binary(sample: &[u8]) -> Result<()> {
    if sample.get(TAR_MARK..).is_some_and(|rest| rest.starts_with(b"ustar")) {
        return Err(refused("a tar archive", "unpack it first"));
    }
    let zeros = |start: usize| sample.iter().skip(start).step_by(2).filter(|b| **b == 0).count();
    let (even, odd, pairs) = (zeros(0), zeros(1), sample.len() / 2);
    if even + odd == 0 {
        return Ok(());
    }
    // Latin letters in UTF-16 have one zero in two bytes, always on the same side.
    if 2 * even.max(odd) >= pairs && 20 * even.min(odd) <= pairs && pairs > 0 {
        return Err(refused("UTF-16 text without a byte order mark", CONVERT_16));
    }
    // A character may be cut at the sample's end; that alone makes no binary data.
    match std::str::from_utf8(sample) {
        Err(error) if error.error_len().is_some() => Err(refused(
            "binary data of an unknown kind",
            "a text is UTF-8, as it is or compressed by gzip, zstd, xz or bzip2",
        )),
        _ => Ok(()),
    }
}

fn refused(what: &str, hint: &str) -> Error {
    let fact = format!("found {what}, expected UTF-8 text");
    Error::new(ErrorKind::InvalidData, Problem::with_hint(fact, hint))
}

fn decoder<'r>(
    compression: Compression,
    input: impl BufRead + Send + 'r,
) -> Box<dyn Read + Send + 'r> {
    match compression {
        Compression::Gzip => Box::new(MultiGzDecoder::new(input)),
        Compression::Bzip2 => Box::new(MultiBzDecoder::new(input)),
        Compression::Xz => Box::new(XzReader::new(input, true)),
        Compression::Zstandard => {
            let mut decoder = FrameDecoder::new();
            decoder.set_max_window_size(LARGEST_WINDOW);
            Box::new(ZstandardFrames { input, decoder, place: Place::BetweenFrames })
        }
    }
}

/// A decoder whose errors say what it decodes.
struct Unpacked<R> {
    decoder: R,
    compression: Compression,
    /// Some decoders must not be asked again after their end or an error.
    input_ended: bool,
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if self.input_ended || buffer.is_empty() {
            return Ok(0);
        }
        let name = self.compression.name();
        let count = self.decoder.read(buffer).map_err(|error| match error.kind() {
            ErrorKind::Interrupted => error,
            _ if error.raw_os_error().is_some() => error,
            _ if ends_early(&error) => Error::new(
                ErrorKind::UnexpectedEof,
                Problem::with_hint(
                    format!("the {name} data ends early"),
                    "the file was cut short, make it anew",
                ),
            ),
            kind => Error::new(
                kind,
                Problem::with_hint(
                    format!("the {name} data is damaged ({error})"),
                    "make the file anew",
                ),
            ),
        })?;
        self.input_ended = count == 0;
        Ok(count)
    }
}

/// Whether an error, or what caused it, is an end of the input.
fn ends_early(error: &Error) -> bool {
    let mut cause = error.get_ref().map(|inner| inner as &(dyn std::error::Error + 'static));
    let is_end = |error: &Error| error.kind() == ErrorKind::UnexpectedEof;
    while let Some(error) = cause {
        if error.downcast_ref::<Error>().is_some_and(is_end) {
            return true;
        }
        cause = error.source();
    }
    is_end(error) || error.source().and_then(|e| e.downcast_ref()).is_some_and(is_end)
}

/// Where reading stands in a file of zstd frames.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    BetweenFrames,
    InFrame,
}

/// All frames of a file, one after the other, their check sums compared.
struct ZstandardFrames<R> {
    input: R,
    decoder: FrameDecoder,
    place: Place,
}

impl<R: BufRead> ZstandardFrames<R> {
    /// Starts the next frame or skips it; whether there was one.
    fn next_frame(&mut self) -> Result<bool> {
        if self.input.fill_buf()?.is_empty() {
            return Ok(false);
        }
        match self.decoder.init(&mut self.input) {
            Ok(()) => self.place = Place::InFrame,
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                length,
                ..
            })) => {
                let length = u64::from(length);
                let skipped =
                    std::io::copy(&mut (&mut self.input).take(length), &mut std::io::sink())?;
                if skipped < length {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
            }
            Err(error) => return Err(Error::other(error)),
        }
        Ok(true)
    }

    fn check_sum(&self) -> Result<()> {
        let stated = self.decoder.get_checksum_from_data();
        match stated.is_none() || stated == self.decoder.get_calculated_checksum() {
            true => Ok(()),
            false => Err(Error::new(ErrorKind::InvalidData, "wrong check sum")),
        }
    }
}

impl<R: BufRead> Read for ZstandardFrames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        use ruzstd::decoding::BlockDecodingStrategy::UptoBlocks;
        loop {
            if self.place == Place::BetweenFrames {
                if !self.next_frame()? {
                    return Ok(0);
                }
            } else if self.decoder.can_collect() > 0 {
                return self.decoder.read(buffer);
            } else if self.decoder.is_finished() {
                self.check_sum()?;
                self.place = Place::BetweenFrames;
            } else {
                self.decoder.decode_blocks(&mut self.input, UptoBlocks(1)).map_err(Error::other)?;
            }
        }
    }
}
