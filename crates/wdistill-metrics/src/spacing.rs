//! Spaces around punctuation: the steps that the tokenizers of BLEU and TER share.

/// Where a matched pair of characters `ab` gets spaces.
#[derive(Clone, Copy)]
pub(crate) enum Gap {
    /// `a b `
    AroundSecond,
    /// ` a b`
    AroundFirst,
}

/// Spaces the pairs for which `matches` holds. A pair is consumed whole, left to right, as a regular expression's
/// substitution does: in `...` the second stop belongs to the first pair and cannot open another one.
pub(crate) fn space_pairs(line: &str, gap: Gap, matches: impl Fn(char, char) -> bool) -> String {
    let mut spaced = String::with_capacity(line.len() + line.len() / 4);
    let mut characters = line.chars().peekable();
    while let Some(first) = characters.next() {
        match characters.next_if(|&second| matches(first, second)) {
            Some(second) => match gap {
                Gap::AroundSecond => spaced.extend([first, ' ', second, ' ']),
                Gap::AroundFirst => spaced.extend([' ', first, ' ', second]),
            },
            None => spaced.push(first),
        }
    }
    spaced
}

/// Puts a space on both sides of each character for which `matches` holds.
pub(crate) fn space_each(line: &str, matches: impl Fn(char) -> bool) -> String {
    let mut spaced = String::with_capacity(line.len() + line.len() / 4);
    for character in line.chars() {
        if matches(character) {
            spaced.extend([' ', character, ' ']);
        } else {
            spaced.push(character);
        }
    }
    spaced
}

/// Spaces full stops and commas that do not stand between digits, and hyphens after digits.
pub(crate) fn space_stops_and_hyphens(line: &str) -> String {
    let is_stop = |character| matches!(character, '.' | ',');
    let line = space_pairs(line, Gap::AroundSecond, |first, second| {
        !first.is_ascii_digit() && is_stop(second)
    });
    let line = space_pairs(&line, Gap::AroundFirst, |first, second| {
        is_stop(first) && !second.is_ascii_digit()
    });
    space_pairs(&line, Gap::AroundSecond, |first, second| first.is_ascii_digit() && second == '-')
}

/// ASCII punctuation that is a token wherever it stands: all but `'`, `,`, `-` and `.`.
pub(crate) fn is_ascii_punctuation(character: char) -> bool {
    character.is_ascii_punctuation() && !matches!(character, '\'' | ',' | '-' | '.')
}

/// Puts the characters that XML escapes back in place. The order matters: `&amp;lt;` becomes `<`.
pub(crate) fn unescaped(line: &str) -> String {
    line.replace("&quot;", "\"").replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_consumed_whole() {
        let dots = |first, second| first == '.' && second == '.';
        assert_eq!(space_pairs("....", Gap::AroundSecond, dots), ". . . . ");
        assert_eq!(space_pairs("...", Gap::AroundFirst, dots), " . ..");
    }
}
