//! A line of text on its way to the model: divided into what is translated by itself, and joined again.

use wdistill_text::{CHARACTERS_OF_A_TOKEN, Vocabulary, sentences};

use crate::error::TooLong;
use crate::long_text::split;
use crate::options::{LineContent, LongText, TranslatorOptions};

/// A line to be translated, divided into what is translated by itself.
pub struct Line {
    /// Among the lines that are translated with it, from 1.
    pub(crate) number: usize,
    pub(crate) parts: Vec<Part>,
    /// Sentences that it was divided into, before any was cut into parts for its length.
    pub(crate) sentences: usize,
    /// Sentences that it looks like, although it is translated as one.
    pub(crate) looks_like: usize,
    pub(crate) shortened: Shortened,
}

/// What became of a line that is too long.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shortened {
    No,
    Truncated,
    Split,
}

/// A part of a line that is translated by itself.
pub(crate) struct Part {
    /// As it stands in the line; empty where only the ids are known.
    pub(crate) text: String,
    /// With its end token.
    pub(crate) ids: Vec<u32>,
    /// What stands between it and the next one.
    blanks: String,
}

impl Line {
    /// The token ids of what is translated by itself, in its order, each with its end token; at least one.
    pub fn sentences(&self) -> impl ExactSizeIterator<Item = &[u32]> {
        self.parts.iter().map(|part| part.ids.as_slice())
    }

    /// What the model is shown of it: parts without words are not.
    pub(crate) fn shown(&self) -> usize {
        self.parts.iter().filter(|part| part.words() > 0).count()
    }

    /// Divides a line.
    ///
    /// # Errors
    /// [`TooLong`], if it is to be refused.
    pub(crate) fn divide(
        number: usize,
        text: &str,
        vocabulary: &Vocabulary,
        options: &TranslatorOptions,
    ) -> Result<Line, TooLong> {
        let mut line = Line {
            number,
            parts: Vec::new(),
            sentences: 1,
            looks_like: 1,
            shortened: Shortened::No,
        };
        match options.content {
            LineContent::Sentence => {
                line.add(text, vocabulary, options)?;
                if line.shortened == Shortened::No {
                    line.looks_like = sentences(text, options.language).len();
                }
            }
            LineContent::Text => {
                let sentences = sentences(text, options.language);
                line.sentences = sentences.len().max(1);
                for sentence in sentences {
                    line.add(sentence.trim(), vocabulary, options)?;
                    if let Some(last) = line.parts.last_mut() {
                        last.blanks = sentence[sentence.trim_end().len()..].to_string();
                    }
                }
                if line.parts.is_empty() {
                    line.add("", vocabulary, options)?;
                }
            }
        }
        Ok(line)
    }

    /// A line whose ids are known.
    pub(crate) fn of_ids(number: usize, ids: Vec<u32>) -> Line {
        let part = Part { text: String::new(), ids, blanks: String::new() };
        Line { number, parts: vec![part], sentences: 1, looks_like: 1, shortened: Shortened::No }
    }

    /// Adds a sentence: as it is, or its start, or in the parts of a long one.
    fn add(
        &mut self,
        text: &str,
        vocabulary: &Vocabulary,
        options: &TranslatorOptions,
    ) -> Result<(), TooLong> {
        let most = options.max_source_length;
        let most_characters = most.saturating_mul(CHARACTERS_OF_A_TOKEN);
        let excess = text.char_indices().nth(most_characters).map(|(place, _)| place);
        let mut whole = match (excess, options.long_text) {
            (None, _) => Part::of(text, vocabulary),
            (Some(_), LongText::Refuse) => {
                let found = text.chars().count();
                return Err(TooLong::Characters { found, most: most_characters });
            }
            (Some(end), LongText::Truncate) => {
                self.shortened = Shortened::Truncated;
                Part::of(&text[..end], vocabulary)
            }
            (Some(_), LongText::Split) => return self.add_split(text, vocabulary, options),
        };
        let found = whole.words();
        if found > most {
            match options.long_text {
                LongText::Refuse => return Err(TooLong::Tokens { found, most }),
                LongText::Truncate => {
                    self.shortened = Shortened::Truncated;
                    whole.ids.truncate(most);
                    whole.ids.push(vocabulary.end_id());
                }
                LongText::Split => return self.add_split(text, vocabulary, options),
            }
        }
        self.parts.push(whole);
        Ok(())
    }

    fn add_split(
        &mut self,
        text: &str,
        vocabulary: &Vocabulary,
        options: &TranslatorOptions,
    ) -> Result<(), TooLong> {
        self.shortened = Shortened::Split;
        let most = options.max_source_length;
        let most_characters = most.saturating_mul(CHARACTERS_OF_A_TOKEN);
        let tokens = |word: &str| match word.char_indices().nth(most_characters) {
            // As good as any number that is too high.
            Some(_) => usize::MAX,
            None => vocabulary.encode(word).len(),
        };
        for part in split(text, most, tokens) {
            let part = Part::of(&part, vocabulary);
            let found = part.words();
            if found > most {
                return Err(TooLong::Tokens { found, most });
            }
            self.parts.push(part);
        }
        Ok(())
    }

    /// The translations of its parts with the blanks that stood between these. Where none stood, as in
    /// Chinese, a space follows a translation, unless that is written without spaces too.
    pub(crate) fn join(&self, translations: &[String]) -> String {
        let mut joined = String::new();
        for (place, (translation, part)) in translations.iter().zip(&self.parts).enumerate() {
            joined += translation;
            if place + 1 < translations.len() {
                let is_wide = joined.ends_with(['。', '！', '？', '」', '』', '”', '）']);
                joined += if part.blanks.is_empty() && !is_wide { " " } else { &part.blanks };
            }
        }
        joined
    }
}

impl Part {
    /// White space says nothing, and is translated as nothing.
    fn of(text: &str, vocabulary: &Vocabulary) -> Part {
        let mut ids = if text.trim().is_empty() { Vec::new() } else { vocabulary.encode(text) };
        ids.push(vocabulary.end_id());
        Part { text: text.to_string(), ids, blanks: " ".to_string() }
    }

    /// Its tokens, without the end token.
    pub(crate) fn words(&self) -> usize {
        self.ids.len() - 1
    }
}
