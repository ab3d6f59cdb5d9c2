//! Translates the lines of a file, several sentences a line, and says what is not whole.
//!
//!     cargo run --release -p wdistill --example translate -- MODEL FILE

#![allow(clippy::print_stdout, clippy::print_stderr)] // An example shows what it finds.

use wdistill::{LongText, NoticeCounts, Translator, TranslatorOptions};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, file] = &arguments[..] else { return Err("expected MODEL FILE".into()) };
    let options = TranslatorOptions {
        threads: std::thread::available_parallelism()?.get(),
        long_text: LongText::Split,
        ..TranslatorOptions::default()
    };
    let translator = Translator::open(model, options)?;
    let text = std::fs::read_to_string(file)?;
    let lines: Vec<&str> = text.lines().collect();
    let mut notices = NoticeCounts::default();
    for (number, translation) in (1..).zip(translator.translate(&lines)?) {
        println!("{}", translation.text);
        translation.notices.iter().for_each(|notice| notices.add(number, *notice));
    }
    notices.in_words().iter().for_each(|(_, notice)| eprintln!("{notice}"));
    Ok(())
}
