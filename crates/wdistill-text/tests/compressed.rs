//! Compressed text as other programs write it, cut, damaged, or no text at all.

use std::fs;
use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};

use wdistill_base::{Hinted, Problem, hash_file};
use wdistill_text::{TextError, packed_by_name, read_lines, text_reader};

const EXTENSIONS: [&str; 4] = ["gz", "bz2", "xz", "zst"];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/compressed").join(name)
}

fn unpacked(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    text_reader(bytes)?.read_to_end(&mut text)?;
    Ok(text)
}

fn refused(bytes: &[u8]) -> Problem {
    Problem::of(&unpacked(bytes).expect_err("no text"))
}

#[test]
fn all_members_of_a_file_are_read_whatever_its_name() {
    let plain = read_lines(&fixture("text")).unwrap();
    assert_eq!((plain.lines.len(), plain.carriage_returns.count), (120, 60));
    for extension in EXTENSIONS {
        let path = fixture(&format!("text.{extension}"));
        let text = read_lines(&path).unwrap();
        assert_eq!(text.lines, plain.lines, "{extension}");
        assert_eq!(text.carriage_returns, plain.carriage_returns);
        assert_eq!(text.hash, hash_file(&path).unwrap(), "the hash is that of the file's bytes");
        let folder = tempfile::tempdir().unwrap();
        let renamed = folder.path().join("text.de");
        fs::copy(&path, &renamed).unwrap();
        assert_eq!(read_lines(&renamed).unwrap().lines, plain.lines);
    }
}

#[test]
fn a_cut_file_is_an_error_wherever_it_is_cut() {
    let plain = fs::read(fixture("text")).unwrap();
    let half = plain.iter().rposition(|byte| *byte == b'\r').unwrap() + 2;
    for extension in EXTENSIONS {
        let whole = fs::read(fixture(&format!("text.{extension}"))).unwrap();
        // Cuts between members leave a whole file; nothing of what is cut can be seen.
        let mut unseen = 0;
        let first = if extension == "bz2" { 3 } else { 1 };
        for length in first..whole.len() {
            match unpacked(&whole[..length]) {
                Ok(text) if text == plain[..half] => unseen += 1,
                // Two bytes of zstd's or xz's signature are no valid UTF-8, which readers of lines refuse.
                Ok(text) if length < 6 && std::str::from_utf8(&text).is_err() => {}
                // The skipped frame of zstd begins with letters.
                Ok(text) if extension == "zst" && length < 4 => assert_eq!(text, whole[..length]),
                Ok(text) if text.is_empty() && extension == "zst" && length == 13 => {}
                Ok(text) => panic!("{extension} cut at {length}: {} bytes", text.len()),
                Err(error) => {
                    let said = error.to_string();
                    // A stream of xz that is cut in its first six bytes looks like other bytes after the end.
                    let is_start = extension == "xz" && said.contains("incomplete XZ magic bytes");
                    let is_named = said.contains("ends early") || is_start;
                    assert!(is_named, "{extension} at {length}: {said}");
                }
            }
        }
        assert_eq!(unseen, 1, "{extension}");
    }
}

#[test]
fn damage_is_an_error_or_changes_nothing() {
    let plain = fs::read(fixture("text")).unwrap();
    for extension in EXTENSIONS {
        let whole = fs::read(fixture(&format!("text.{extension}"))).unwrap();
        for position in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[position] ^= 0x10;
            if let Ok(text) = unpacked(&bytes) {
                // A damaged signature makes the file one that is no longer taken for compressed.
                let is_same = text == plain || text == bytes;
                assert!(is_same, "{extension} damaged at {position}: another text");
            }
        }
        let mut longer = whole.clone();
        longer.extend(b"more");
        assert!(unpacked(&longer).is_err(), "{extension} with bytes after its end");
    }
}

#[test]
fn a_cut_file_is_named_with_a_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.en.gz");
    let whole = fs::read(fixture("text.gz")).unwrap();
    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    let error = read_lines(&path).unwrap_err();
    assert!(matches!(error, TextError::File { .. }));
    assert!(error.to_string().ends_with("a.en.gz: the gzip data ends early"), "{error}");
    assert_eq!(error.hint().unwrap(), "the file was cut short, make it anew");
}

#[test]
fn what_is_no_text_is_named() {
    let utf16 = |text: &str, big: bool| -> Vec<u8> {
        let bytes = |unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() };
        text.encode_utf16().flat_map(bytes).collect()
    };
    let line = "Ein Haus steht in der Stra\u{df}e.\n";
    assert!(refused(b"PK\x03\x04\x14\0\0\0").fact.starts_with("found a zip archive, expected"));
    for big in [true, false] {
        let said = refused(&utf16(&format!("\u{feff}{line}"), big));
        assert_eq!(said.fact, "found UTF-16 text, expected UTF-8 text");
        assert!(said.hint.is_some());
    }
    for big in [true, false] {
        let said = refused(&utf16(line, big));
        assert!(said.fact.contains("UTF-16 text without a byte order mark"), "{said}");
        assert_eq!(said.hint.unwrap(), "convert it with `iconv -f UTF-16 -t UTF-8`");
    }
    assert!(
        refused(b"\x7fELF\x02\x01\x01\0\0\0\xff\xc0\x01")
            .fact
            .contains("binary data of an unknown")
    );
    assert!(refused(b"\x04\x22\x4d\x18d@").fact.contains("lz4 data"));
    let mut archive = vec![0; 512];
    archive[..4].copy_from_slice(b"a.en");
    archive[257..262].copy_from_slice(b"ustar");
    assert!(refused(&archive).fact.contains("a tar archive"));
    for extension in EXTENSIONS {
        let path = PathBuf::from(format!("a.{extension}"));
        let packed = packed_by_name(&path, &archive).unwrap();
        assert!(refused(&packed).fact.contains("a tar archive"), "{extension}");
        let twice = packed_by_name(&path, &packed).unwrap();
        assert!(refused(&twice).fact.contains("compressed twice"), "{extension}");
    }
}

#[test]
fn texts_that_begin_like_something_else_stay_texts() {
    for text in [
        "",
        "B",
        "BZ",
        "BZh\n",
        "BZh9 is a level",
        "P",
        "PK",
        "PK is a ski",
        "7z",
        "Rar!",
        "(",
        "a\0b c d",
        "LZIP",
        "\u{feff}a\n",
        "]\n",
    ] {
        assert_eq!(unpacked(text.as_bytes()).unwrap(), text.as_bytes(), "{text:?}");
    }
}

#[test]
fn what_is_written_by_extension_reads_back() {
    let text = fs::read(fixture("text")).unwrap();
    for extension in EXTENSIONS {
        for text in [&text[..], b"", b"a\n"] {
            let packed = packed_by_name(Path::new(&format!("a.de.{extension}")), text).unwrap();
            assert_ne!(&packed[..], text);
            assert_eq!(unpacked(&packed).unwrap(), text, "{extension}");
        }
    }
    assert_eq!(&packed_by_name(Path::new("a.de"), &text).unwrap()[..], &text[..]);
}

/// Gives what is sent, one message a call, as a terminal gives lines.
struct Typed(Receiver<&'static [u8]>);

impl Read for Typed {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let Ok(line) = self.0.recv() else { return Ok(0) };
        buffer[..line.len()].copy_from_slice(line);
        Ok(line.len())
    }
}

#[test]
fn lines_come_before_the_end_of_the_input() {
    let (sender, typed) = channel();
    sender.send(&b"a\n"[..]).unwrap();
    let mut lines = text_reader(Typed(typed)).unwrap().lines();
    assert_eq!(lines.next().unwrap().unwrap(), "a");
    sender.send(&b"b\n"[..]).unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "b");
    drop(sender);
    assert!(lines.next().is_none());
}
