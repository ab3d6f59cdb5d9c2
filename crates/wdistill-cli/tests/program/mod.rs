//! The program, started as a user starts it.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The program with its arguments, not started yet.
pub fn program(folder: &Path, arguments: &str) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_wdistill"));
    program.args(arguments.split_whitespace()).current_dir(folder);
    program
}

/// Runs it to its end, with `input` on its standard input.
pub fn finish(mut program: Command, input: &[u8]) -> Output {
    let pipes = program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = pipes.spawn().unwrap();
    // A command that refuses its arguments may be gone before it has read anything.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}
