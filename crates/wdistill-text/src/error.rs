use std::path::PathBuf;

use wdistill_base::{FileError, Hinted, Problem, listed};

use crate::left_out::LeftOut;

/// Everything that can go wrong on the text side.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A text file holds bytes that are not UTF-8.
    #[error(
        "{}:{line}: not valid UTF-8 at byte {byte_in_line} of the line (byte {byte_in_file} of the \
         file, both counted from 0)", path.display()
    )]
    InvalidUtf8 {
        /// The file.
        path: PathBuf,
        /// Line number, from 1.
        line: usize,
        /// Offset of the first bad byte in its line, from 0.
        byte_in_line: usize,
        /// Offset of the first bad byte in the file, from 0.
        byte_in_file: usize,
    },
    /// A file of word translations has no words for any sentence.
    #[error(
        "{}: no line has the source word NULL, whose translations are words for any sentence", path.display()
    )]
    NoNullWord {
        /// The file.
        path: PathBuf,
    },
    /// A file of word translations cannot be used.
    #[error("{}:{line}: {problem}", path.display())]
    LexicalTable {
        /// The file.
        path: PathBuf,
        /// Line number, from 1.
        line: usize,
        /// What is wrong.
        problem: Problem,
    },
    /// A binary shortlist cannot be used.
    #[error("{}: {problem}", path.display())]
    BinaryShortlist {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The two sides of a parallel corpus have different numbers of lines.
    #[error(
        "{} has {source_lines} lines but {} has {target_lines}",
        source_path.display(), target_path.display()
    )]
    UnequalLines {
        /// The source side's file.
        source_path: PathBuf,
        /// Its number of lines.
        source_lines: usize,
        /// The target side's file.
        target_path: PathBuf,
        /// Its number of lines.
        target_lines: usize,
    },
    /// A validation or test set has an empty line, and nothing may be left out of such a set.
    #[error("{}:{line}: empty line in a set from which nothing may be left out", path.display())]
    EmptyLine {
        /// The file.
        path: PathBuf,
        /// Line number, from 1.
        line: usize,
    },
    /// A line of a validation or test set has too many tokens.
    #[error(
        "{}:{line}: {tokens} tokens in a set from which nothing may be left out, at most {limit} are \
         allowed", path.display()
    )]
    LineTooLong {
        /// The file.
        path: PathBuf,
        /// Line number, from 1.
        line: usize,
        /// Its tokens, with the end-of-sentence token.
        tokens: usize,
        /// How many are allowed.
        limit: usize,
    },
    /// A line that is not divided, in a set from which nothing may be left out.
    #[error(
        "{}:{line}: {characters} characters in a set from which nothing may be left out, at most {limit} are \
         allowed", path.display()
    )]
    LineOfTooManyCharacters {
        /// The file.
        path: PathBuf,
        /// Line number, from 1.
        line: usize,
        /// Its characters.
        characters: usize,
        /// How many are allowed: [`CHARACTERS_OF_A_TOKEN`](crate::CHARACTERS_OF_A_TOKEN) for each token.
        limit: usize,
    },
    /// No pair of a corpus is left.
    #[error("{} and {}: none of {lines} pairs is left\n{report}", source_path.display(), target_path.display())]
    NothingLeft {
        /// The source side's file.
        source_path: PathBuf,
        /// The target side's file.
        target_path: PathBuf,
        /// Pairs that were read.
        lines: usize,
        /// The report, as text.
        report: String,
    },
    /// A setting is outside its range.
    #[error("{name} is {found}, expected {expected}")]
    Setting {
        /// The setting's name.
        name: &'static str,
        /// Its value.
        found: String,
        /// What it may be.
        expected: &'static str,
    },
    /// The requested vocabulary cannot even hold the base tokens and the alphabet.
    #[error(
        "vocabulary size {requested} is too small: {base} are needed for the special tokens, the \
         256 bytes and an alphabet of {alphabet} characters"
    )]
    VocabularyTooSmall {
        /// The size asked for.
        requested: usize,
        /// The smallest size possible.
        base: usize,
        /// Characters in the alphabet.
        alphabet: usize,
    },
    /// The training text holds no word at all.
    #[error("the text to train a vocabulary on has no words to learn from: {lines} lines{}{}", if *.left_out == LeftOut::default() { ", all empty" } else { "; " }, .left_out)]
    NoText {
        /// Lines that were read.
        lines: usize,
        /// What was too long to learn from.
        left_out: LeftOut,
    },
    /// The training text is longer than the trainer can count.
    #[error(
        "the text to train a vocabulary on has {characters} characters, at most {limit} can be counted"
    )]
    TooMuchText {
        /// Characters in the text.
        characters: u64,
        /// The largest number.
        limit: u64,
    },
    /// The subword trainer failed.
    #[error("training the {model} vocabulary failed: {problem}")]
    Training {
        /// `bpe` or `unigram`.
        model: &'static str,
        /// What the trainer said.
        problem: Problem,
    },
    /// A vocabulary file does not hold a vocabulary.
    #[error("{}: not a vocabulary: {problem}", path.display())]
    VocabularyFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: Problem,
    },
    /// A tokeniser's file or data is broken, or asks for what this crate does not do.
    #[error("{origin}: not {what} that can be used:{}", in_place(problems))]
    Unusable {
        /// The file, or where the data came from.
        origin: String,
        /// What was expected, such as `a SentencePiece model`.
        what: &'static str,
        /// Everything that is wrong with it; a long list ends with a count of what is left out.
        problems: Vec<Problem>,
    },
    /// A vocabulary of this kind has no SentencePiece model.
    #[error("a vocabulary of {kind} cannot become a SentencePiece model: {reason}")]
    NoSentencePiece {
        /// The kind of vocabulary.
        kind: &'static str,
        /// Why not.
        reason: &'static str,
    },
    /// An id to decode is outside the vocabulary.
    #[error("id {id} at position {position} is outside the vocabulary of {size}")]
    InvalidId {
        /// The id.
        id: u32,
        /// Where it stands, from 0.
        position: usize,
        /// The vocabulary's size.
        size: usize,
    },
    /// The end-of-sentence id stands among the ids to decode.
    #[error("the end-of-sentence id at position {position} of {length} ids is not text")]
    EndInText {
        /// Where it stands, from 0.
        position: usize,
        /// How many ids there are.
        length: usize,
    },
}

impl Hinted for TextError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            TextError::File(error) => return error.hint(),
            TextError::LexicalTable { problem, .. }
            | TextError::Training { problem, .. }
            | TextError::VocabularyFile { problem, .. } => return problem.hint(),
            // One alone stands in the sentence, several in a list with their hints.
            TextError::Unusable { problems, .. } => match &problems[..] {
                [problem] => return problem.hint(),
                _ => return None,
            },
            TextError::InvalidUtf8 { .. } => "convert the file to UTF-8",
            TextError::NoNullWord { .. } => "`wdistill shortlist` writes such lines",
            TextError::UnequalLines { .. } => {
                "line N of one file must translate line N of the other; an empty line stands for a missing sentence"
            }
            TextError::EmptyLine { .. } => "remove the line from both sides",
            TextError::LineTooLong { .. } => "split the line, on both sides, or raise the limit",
            TextError::LineOfTooManyCharacters { .. } => {
                "split the line, on both sides, or raise the limit of tokens"
            }
            TextError::VocabularyTooSmall { .. } => "ask for more",
            TextError::TooMuchText { .. } => "train on a sample of the lines",
            TextError::EndInText { .. } => "pass only the ids before it",
            _ => return None,
        };
        Some(hint.to_string())
    }
}

/// What is wrong with one input, all of it up to a number that a person still reads.
#[derive(Default)]
pub(crate) struct Problems {
    listed: Vec<Problem>,
    more: usize,
}

impl Problems {
    /// More problems than this are only counted: a broken file can have millions.
    const MOST_LISTED: usize = 20;

    pub(crate) fn push<P: Into<Problem>>(&mut self, problem: impl FnOnce() -> P) {
        if self.listed.len() < Self::MOST_LISTED {
            self.listed.push(problem().into());
        } else {
            self.more += 1;
        }
    }

    /// `Ok` without problems, otherwise all of them.
    pub(crate) fn into_result(mut self) -> Result<(), Vec<Problem>> {
        if self.more > 0 {
            self.listed.push(format!("and {} more", self.more).into());
        }
        if self.listed.is_empty() { Ok(()) } else { Err(self.listed) }
    }
}

/// One problem behind what it belongs to, several below it.
fn in_place(problems: &[Problem]) -> String {
    match problems {
        [problem] => format!(" {problem}"),
        _ => listed(problems),
    }
}

/// Text of a file for a message, quoted, and cut if it is long: a broken file can have any length.
pub(crate) fn shown(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}
