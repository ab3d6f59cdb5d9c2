//! One module for each command.

pub mod align;
pub mod bench;
pub mod clean;
pub mod compare;
pub mod demo;
pub mod distill;
pub mod export;
pub mod import;
pub mod info;
pub mod plan;
pub mod pseudo_data;
pub mod quantize;
pub mod recipe;
pub mod run;
pub mod score;
#[cfg(feature = "serve")]
pub mod serve;
pub mod shapes;
pub mod shell;
pub mod shortlist;
pub mod train;
pub mod translate;
pub mod vocab;
pub mod watch;

use std::io::{Write, stdout};
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

/// A line of results on standard output; a reader that has gone is an error that ends the program quietly.
pub fn print(text: &str) -> anyhow::Result<()> {
    let mut output = stdout().lock();
    writeln!(output, "{text}").and_then(|()| output.flush()).context("standard output")
}

/// Whether two paths lead to one file or folder.
pub fn is_same(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// Refuses to write over a file that is read.
pub fn refuse_input<'p>(
    out: &Path,
    inputs: impl IntoIterator<Item = &'p PathBuf>,
) -> anyhow::Result<()> {
    for input in inputs {
        ensure!(!is_same(input, out), "--out is {}, which is read", input.display());
    }
    Ok(())
}
