//! Cuts lines with a SentencePiece model: `segment MODEL.spm [ids|pieces|normalized|decoded]`.
//!
//! Reads lines on standard input and writes one line for each. `decoded` is the text of the ids.
//! benches/segmentation/compare.py compares the results with those of the SentencePiece library.

use std::io::{BufWriter, Read, Write};
use std::path::Path;
use wdistill_text::SentencePieceModel;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (path, form) = match &arguments[..] {
        [path] => (path, "ids"),
        [path, form] => (path, form.as_str()),
        _ => return Err("expected MODEL.spm [ids|pieces|normalized|decoded]".into()),
    };
    let model = SentencePieceModel::load(Path::new(path))?;
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    let mut output = BufWriter::new(std::io::stdout().lock());
    // Only a line feed ends a line: others, such as U+2028, are part of what is cut.
    for line in text.strip_suffix('\n').unwrap_or(&text).split('\n') {
        let written = match form {
            "ids" => joined(model.encode(line).iter().map(u32::to_string)),
            "pieces" => joined(model.encode_pieces(line).into_iter().map(|piece| piece.text)),
            "normalized" => model.normalize(line),
            "decoded" => model.decode(&model.encode(line))?,
            _ => return Err(format!("{form}: expected ids, pieces, normalized or decoded").into()),
        };
        writeln!(output, "{written}")?;
    }
    Ok(())
}

fn joined(words: impl Iterator<Item = String>) -> String {
    words.collect::<Vec<_>>().join(" ")
}
