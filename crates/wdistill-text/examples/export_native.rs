//! Trains a vocabulary and exports it as a SentencePiece model:
//! `export_native bpe|unigram nmt-nfkc|nfkc|none SIZE VOCABULARY.json MODEL.spm TEXT [TEXT ...]`.
//!
//! Writes both files; then reads lines on standard input and writes the vocabulary's ids for each.
//! benches/segmentation/native.py compares them with those of the SentencePiece library.

use std::io::{BufWriter, Read, Write};
use std::path::Path;
use wdistill_text::{Normalisation, SubwordModel, Vocabulary, VocabularySettings, read_lines};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, normalisation, size, json, exported, texts @ ..] = &arguments[..] else {
        return Err("expected bpe|unigram nmt-nfkc|nfkc|none SIZE VOCABULARY.json MODEL.spm TEXT [TEXT ...]".into());
    };
    let model = match model.as_str() {
        "bpe" => SubwordModel::Bpe,
        "unigram" => SubwordModel::Unigram,
        other => return Err(format!("{other}: expected bpe or unigram").into()),
    };
    let normalisation = match normalisation.as_str() {
        "nmt-nfkc" => Normalisation::NmtNfkc,
        "nfkc" => Normalisation::Nfkc,
        "none" => Normalisation::None,
        other => return Err(format!("{other}: expected nmt-nfkc, nfkc or none").into()),
    };
    let mut lines = Vec::new();
    for text in texts {
        lines.extend(read_lines(Path::new(text))?.lines);
    }
    let settings =
        VocabularySettings { normalisation, ..VocabularySettings::new(model, size.parse()?) };
    let vocabulary = Vocabulary::train(&lines, &settings)?.vocabulary;
    vocabulary.save(Path::new(json))?;
    std::fs::write(exported, vocabulary.to_sentence_piece()?.to_bytes())?;
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    let mut output = BufWriter::new(std::io::stdout().lock());
    let lines: Vec<&str> = text.strip_suffix('\n').unwrap_or(&text).split('\n').collect();
    for ids in vocabulary.encode_batch(&lines) {
        let words: Vec<String> = ids.iter().map(u32::to_string).collect();
        writeln!(output, "{}", words.join(" "))?;
    }
    Ok(())
}
