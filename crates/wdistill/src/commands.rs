//! One module for each command.

pub mod bench;
pub mod demo;
pub mod distill;
pub mod export;
pub mod import;
pub mod info;
pub mod quantize;
pub mod run;
pub mod score;
pub mod shortlist;
pub mod train;
pub mod translate;
pub mod vocab;

use std::io::{Write, stdout};

/// A line of results on standard output; a reader that has gone is an error that ends the program quietly.
pub fn print(text: &str) -> anyhow::Result<()> {
    let mut output = stdout().lock();
    writeln!(output, "{text}")?;
    Ok(output.flush()?)
}
