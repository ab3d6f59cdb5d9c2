//! Messages for people, on standard error: the one place that writes there.

use std::io::Write;
use std::sync::{Arc, PoisonError, RwLock};

/// Takes messages in place of standard error.
pub type Listener = Arc<dyn Fn(&str) + Send + Sync>;

static LISTENER: RwLock<Option<Listener>> = RwLock::new(None);

/// Sends all messages of the program to somebody, or to standard error again: for a program that has the library inside.
pub fn listen(listener: Option<Listener>) {
    *LISTENER.write().unwrap_or_else(PoisonError::into_inner) = listener;
}

/// Writes a line to standard error. Nothing that goes wrong there can end the work: a terminal that was
/// closed, a pipe that nobody reads or a full disk loses the message and nothing else.
pub fn message(text: &str) {
    let listener = LISTENER.read().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some(listener) = listener {
        return listener(text);
    }
    let mut line = text.to_string();
    line.push('\n');
    // Written in one piece, so that lines of several processes do not mix.
    let _ = std::io::stderr().lock().write_all(line.as_bytes());
}
