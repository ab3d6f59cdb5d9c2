//! Messages for people, on standard error: the one place that writes there.

use std::io::Write;

/// Writes a line to standard error. Nothing that goes wrong there can end the work: a terminal that was
/// closed, a pipe that nobody reads or a full disk loses the message and nothing else.
pub fn message(text: &str) {
    let mut line = text.to_string();
    line.push('\n');
    // Written in one piece, so that lines of several processes do not mix.
    let _ = std::io::stderr().lock().write_all(line.as_bytes());
}
