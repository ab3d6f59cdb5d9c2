//! Lengths that are judged before a line is divided.

/// Most characters of a line for each token that it may have. A line with more counts as too long before
/// anything is known of its tokens: to divide it first takes time and memory, 5.7 GB for a line of 50 MB.
pub const CHARACTERS_OF_A_TOKEN: usize = 64;

/// Whether a text has more characters than these; looks at no more of it than it has to.
pub(crate) fn is_longer(text: &str, characters: usize) -> bool {
    text.len() > characters && text.chars().nth(characters).is_some()
}
