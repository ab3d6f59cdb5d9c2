//! Work that arrives piece by piece is done together: a batch costs less than its sentences one by one.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// How long a piece of work that has arrived waits for others.
pub const PAUSE: Duration = Duration::from_millis(20);

/// Waits for something, and takes what arrives within [`PAUSE`] after it, at most `most`. Nothing comes at the end, when
/// nobody sends any more.
pub fn gather<T>(input: &Receiver<T>, most: usize) -> Vec<T> {
    let mut gathered = Vec::new();
    let mut next = input.recv().map_err(|_| RecvTimeoutError::Disconnected);
    let deadline = Instant::now() + PAUSE;
    while let Ok(item) = next {
        gathered.push(item);
        if gathered.len() == most {
            break;
        }
        next = input.recv_timeout(deadline.saturating_duration_since(Instant::now()));
    }
    gathered
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::gather;

    #[test]
    fn what_is_there_is_taken_together_up_to_a_limit() {
        let (sender, input) = channel();
        (0..5).for_each(|number| sender.send(number).unwrap());
        assert_eq!(gather(&input, 3), [0, 1, 2]);
        // The sender is still there: the pause ends it.
        assert_eq!(gather(&input, 3), [3, 4]);
        sender.send(5).unwrap();
        drop(sender);
        assert_eq!(gather(&input, 3), [5]);
        assert!(gather(&input, 3).is_empty());
    }
}
