//! Which tokens belong to which word of a line.

use super::Vocabulary;

/// What of the blanks in front of a word, but for the first one of the line, is encoded together with it.
#[derive(Clone, Copy)]
enum Blanks {
    /// All but the first, for vocabularies that put a space in front of a line by themselves.
    ButTheFirst,
    /// All.
    All,
}

impl Vocabulary {
    /// For each word of a line, as blanks of ASCII divide it, how many of the line's tokens come before its end; `ids` are
    /// [`Self::encode`]'s of the line. `None` if words by themselves are not cut as in the line: if a token crosses words,
    /// such as a user-defined piece with a space, or a blank that is no space has tokens.
    pub fn word_ends(&self, line: &str, ids: &[u32]) -> Option<Vec<usize>> {
        [Blanks::ButTheFirst, Blanks::All].into_iter().find_map(|blanks| {
            let mut rest = ids;
            let mut ends = Vec::new();
            for word in words(line, blanks) {
                rest = rest.strip_prefix(&self.encode(word)[..])?;
                ends.push(ids.len() - rest.len());
            }
            rest.is_empty().then_some(ends)
        })
    }
}

/// The words of a line with blanks in front, the last one with those behind it.
fn words(line: &str, blanks: Blanks) -> impl Iterator<Item = &str> {
    let mut words = line.split_ascii_whitespace().peekable();
    let mut start = 0;
    std::iter::from_fn(move || {
        let word = words.next()?;
        let blank = |place: &usize| line.as_bytes()[*place].is_ascii_whitespace();
        let first = (start..line.len()).find(|place| !blank(place)).unwrap_or(line.len());
        let end = if words.peek().is_some() { first + word.len() } else { line.len() };
        let is_first = start == 0;
        let from = match blanks {
            Blanks::ButTheFirst if !is_first => start + 1,
            _ => start,
        };
        start = end;
        Some(&line[from..end])
    })
}
