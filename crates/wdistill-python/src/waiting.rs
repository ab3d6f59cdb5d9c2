//! Work without the interpreter's lock, which Ctrl-C ends.

use std::sync::Mutex;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use pyo3::prelude::*;

/// How often signals are looked for: Ctrl-C is answered at once, as a person feels it.
const POLL: Duration = Duration::from_millis(50);

/// Does some work on a thread of its own while Python's other threads go on. A signal that Python raises an exception for ends
/// the waiting; `interrupted` is then told, and the work goes on to where it can end.
///
/// # Errors
/// What the signal raises, as `KeyboardInterrupt`.
pub fn without_lock<T: Send + 'static>(
    py: Python<'_>,
    work: impl FnOnce() -> T + Send + 'static,
    interrupted: impl Fn(),
) -> PyResult<T> {
    let (sender, receiver) = channel();
    let receiver = Mutex::new(receiver);
    let thread = std::thread::spawn(move || {
        // Nobody listens any more after an interruption.
        _ = sender.send(work());
    });
    loop {
        let received =
            py.detach(|| receiver.lock().expect("nobody else has it").recv_timeout(POLL));
        match received {
            Ok(result) => return Ok(result),
            Err(RecvTimeoutError::Timeout) => {
                if let Err(signal) = py.check_signals() {
                    interrupted();
                    return Err(signal);
                }
            }
            Err(RecvTimeoutError::Disconnected) => {
                let panic = thread.join().expect_err("it ended without a result");
                std::panic::resume_unwind(panic);
            }
        }
    }
}
