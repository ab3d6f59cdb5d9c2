//! Signals that ask the program to end.

use wdistill_train::Interrupt;

/// From now on Ctrl-C and SIGTERM let training end with a checkpoint: the first one waits for the update
/// that is under way, the second ends at once. Where nothing is under way that saves itself, the first ends
/// the program too, with 128 plus the signal's number as usual.
#[cfg(unix)]
pub fn watch() -> Interrupt {
    use signal_hook::consts::{SIGINT, SIGTERM};
    use wdistill_pipeline::message;
    use wdistill_train::Reaction;

    let interrupt = Interrupt::default();
    // Without the handler signals end the program at once, which loses no more than a kill does.
    if let Ok(mut signals) = signal_hook::iterator::Signals::new([SIGINT, SIGTERM]) {
        let interrupt = interrupt.clone();
        std::thread::spawn(move || {
            for signal in signals.forever() {
                match interrupt.ask(signal) {
                    Reaction::Saves => message(
                        "stops when what is under way is saved; the same signal again ends at once",
                    ),
                    Reaction::EndNow => std::process::exit(128 + signal),
                }
            }
        });
    }
    interrupt
}

/// From now on Ctrl-C and SIGTERM do nothing: another program, which has them too, says what is to be done.
#[cfg(all(unix, feature = "mpi"))]
pub fn leave_to_another() {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use signal_hook::consts::{SIGINT, SIGTERM};

    for signal in [SIGINT, SIGTERM] {
        // Without the handler signals end the program at once, which loses no more than a kill does.
        let _ = signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)));
    }
}

/// Elsewhere Ctrl-C ends the program at once; checkpoints are written by updates and by the clock.
#[cfg(not(unix))]
pub fn watch() -> Interrupt {
    Interrupt::default()
}
