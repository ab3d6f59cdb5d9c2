//! A plain text as lines: each is translated by itself, and line breaks and blanks around a line stay as they are.

/// A line and what surrounds it.
struct Paragraph<'a> {
    before: &'a str,
    line: &'a str,
    after: &'a str,
}

/// A text, divided.
pub struct Paragraphs<'a>(Vec<Paragraph<'a>>);

impl<'a> Paragraphs<'a> {
    /// Divides a text at its line breaks.
    pub fn of(text: &'a str) -> Paragraphs<'a> {
        let paragraph = |whole: &'a str| {
            let line = whole.trim();
            let start = whole.len() - whole.trim_start().len();
            // A line of nothing but blanks is all before.
            let start = if line.is_empty() { whole.len() } else { start };
            Paragraph { before: &whole[..start], line, after: &whole[start + line.len()..] }
        };
        Paragraphs(text.split_inclusive('\n').map(paragraph).collect())
    }

    /// The lines that have something to translate.
    pub fn lines(&self) -> impl Iterator<Item = &'a str> {
        self.0.iter().map(|paragraph| paragraph.line).filter(|line| !line.is_empty())
    }

    /// The text with a translation for each of [`Paragraphs::lines`].
    pub fn with<'t>(&self, translations: impl IntoIterator<Item = &'t str>) -> String {
        let mut translations = translations.into_iter();
        let mut text = String::new();
        for Paragraph { before, line, after } in &self.0 {
            text += before;
            if !line.is_empty() {
                text += translations.next().expect("a translation for every line");
            }
            text += after;
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::Paragraphs;

    #[test]
    fn breaks_and_blanks_stay() {
        for text in ["", " \n", "a\r\n\r\n  b. c \n", "\t- a\nb", "\u{3000}a\u{a0}"] {
            let paragraphs = Paragraphs::of(text);
            let lines: Vec<&str> = paragraphs.lines().collect();
            assert_eq!(paragraphs.with(lines.iter().copied()), text);
        }
        let paragraphs = Paragraphs::of("a\r\n\r\n  b. c \n");
        assert_eq!(paragraphs.lines().collect::<Vec<_>>(), ["a", "b. c"]);
        assert_eq!(paragraphs.with(["x", "y"]), "x\r\n\r\n  y \n");
    }
}
