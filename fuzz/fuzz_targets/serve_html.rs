#![no_main]
//! HTML that a client sends: it is divided and put together again, its lines translated word by word in turned order.

use std::ops::Range;

use libfuzzer_sys::fuzz_target;
use wdistill_runtime::{AlignedSentence, Alignment};
use wdistill_serve::html::{Html, Marked};

/// Words of a text with the bytes that they stand at.
fn words(text: &str) -> Vec<Range<usize>> {
    let words = text.split(' ').map(|word| {
        let start = word.as_ptr() as usize - text.as_ptr() as usize;
        start..start + word.len()
    });
    words.collect()
}

/// The words of a line in turned order, each aligned with itself.
fn turned(line: &str) -> Marked {
    let source_spans = words(line);
    let text = line.split(' ').rev().collect::<Vec<_>>().join(" ");
    let count = source_spans.len();
    let mut weights = vec![0.0; count * count];
    (0..count).for_each(|word| weights[word * count + (count - 1 - word)] = 1.0);
    let sentence = AlignedSentence {
        source: line.to_string(),
        source_spans,
        target_spans: words(&text),
        target: text.clone(),
        alignment: Alignment::new(count, weights),
    };
    Marked { text, sentences: vec![sentence] }
}

fuzz_target!(|html: &str| {
    let document = Html::of(html);
    let lines: Vec<&str> = document.lines().collect();
    // The table of a line's words is as large as their square.
    if lines.iter().any(|line| line.len() > 2000) {
        return;
    }
    let translated = document.with(&lines.iter().map(|line| turned(line)).collect::<Vec<_>>());
    if lines.is_empty() {
        assert_eq!(translated, html);
    }
});
