//! A wish to stop, as a signal brings it: work that can go on later writes what it has first.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

use crate::error::TrainError;

/// Shared between the one who asks for the end and the work. A clone is the same wish.
#[derive(Clone, Debug, Default)]
pub struct Interrupt {
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The signal that asked for the end; 0 for none.
    signal: AtomicI32,
    /// Pieces of work under way that end by themselves when they are asked to.
    willing: AtomicUsize,
}

/// What happens when somebody asks for the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// The work saves what it has, and ends then.
    Saves,
    /// Nothing is under way that would save anything, or it was asked for the second time: end at once.
    EndNow,
}

/// As long as this lives, the work ends by itself when it is asked to.
pub struct Willing {
    state: Arc<State>,
}

impl Drop for Willing {
    fn drop(&mut self) {
        self.state.willing.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Interrupt {
    /// Asks for the end, by the number of a signal (2 for an interrupt from the keyboard).
    pub fn ask(&self, signal: i32) -> Reaction {
        let before = self.state.signal.swap(signal, Ordering::SeqCst);
        match before == 0 && self.state.willing.load(Ordering::SeqCst) > 0 {
            true => Reaction::Saves,
            false => Reaction::EndNow,
        }
    }

    /// Declares work that calls [`Interrupt::check`] often enough.
    pub fn willing(&self) -> Willing {
        self.state.willing.fetch_add(1, Ordering::SeqCst);
        Willing { state: self.state.clone() }
    }

    /// The signal that asked for the end.
    pub fn signal(&self) -> Option<i32> {
        match self.state.signal.load(Ordering::SeqCst) {
            0 => None,
            signal => Some(signal),
        }
    }

    /// To be called where everything that was done is saved.
    ///
    /// # Errors
    /// [`TrainError::Interrupted`] if somebody asked for the end.
    pub fn check(&self) -> Result<(), TrainError> {
        match self.signal() {
            None => Ok(()),
            Some(signal) => Err(TrainError::Interrupted { signal }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_signal_waits_for_willing_work_and_the_second_does_not() {
        let interrupt = Interrupt::default();
        let work = interrupt.willing();
        assert!(interrupt.check().is_ok());
        assert_eq!(interrupt.clone().ask(15), Reaction::Saves);
        assert!(matches!(interrupt.check(), Err(TrainError::Interrupted { signal: 15 })));
        assert_eq!(interrupt.ask(15), Reaction::EndNow);
        drop(work);
        assert_eq!(Interrupt::default().ask(2), Reaction::EndNow);
    }
}
