//! Where a text that is too long is cut.

/// Cuts a text into parts of at most `limit` tokens: after the last word in a part's second half that ends
/// with punctuation, else after the last word that fits. A word that is longer is cut itself.
pub(crate) fn split(text: &str, limit: usize, tokens: impl Fn(&str) -> usize) -> Vec<String> {
    let words = text.split_whitespace().flat_map(|word| halves(word, limit, &tokens));
    let words: Vec<(&str, usize)> = words.map(|word| (word, tokens(word))).collect();
    let mut parts = Vec::new();
    let mut rest = words.as_slice();
    while !rest.is_empty() {
        let mut length = 0;
        let fitting = rest.iter().take_while(|(_, tokens)| {
            length += tokens;
            length <= limit
        });
        let fitting = fitting.count().max(1);
        let ends_well = |(word, _): &(&str, usize)| word.ends_with(['.', '!', '?', ';', ':', ',']);
        let cut = if fitting == rest.len() {
            fitting
        } else {
            let half = fitting / 2;
            let good = rest[half..fitting].iter().rposition(ends_well);
            good.map_or(fitting, |place| half + place + 1)
        };
        let (part, others) = rest.split_at(cut);
        parts.push(part.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(" "));
        rest = others;
    }
    parts
}

/// A word in pieces of at most `limit` tokens, or of one character.
fn halves<'w>(word: &'w str, limit: usize, tokens: &impl Fn(&str) -> usize) -> Vec<&'w str> {
    let middle = word.chars().count() / 2;
    match word.char_indices().nth(middle) {
        Some((place, _)) if middle > 0 && tokens(word) > limit => {
            let (left, right) = word.split_at(place);
            [halves(left, limit, tokens), halves(right, limit, tokens)].concat()
        }
        _ => vec![word],
    }
}

#[cfg(test)]
mod tests {
    use super::split;

    /// A token for each letter.
    fn letters(line: &str, limit: usize) -> Vec<String> {
        split(line, limit, str::len)
    }

    #[test]
    fn texts_are_cut_after_punctuation_or_between_words() {
        assert_eq!(letters("ab cd", 4), ["ab cd"]);
        assert_eq!(letters("ab cd ef", 5), ["ab cd", "ef"]);
        assert_eq!(letters("aa bb cc, dd ee", 9), ["aa bb cc,", "dd ee"]);
        // In the first half of a part, a cut would leave it too short.
        assert_eq!(letters("a, bb cc dd ee", 8), ["a, bb cc dd", "ee"]);
        assert_eq!(letters("ab  endlessly\tcd", 4), ["ab", "endl", "es", "sly", "cd"]);
    }
}
