//! Durations for people.

use std::time::Duration;

/// A duration in words: `45s`, `3m05s`, `2h07m`.
pub fn in_words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m{seconds:02}s"),
        (hours, minutes, _) => format!("{hours}h{minutes:02}m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_in_words() {
        let words = [5, 65, 7500].map(|seconds| in_words(Duration::from_secs(seconds)));
        assert_eq!(words, ["5s", "1m05s", "2h05m"]);
    }
}
