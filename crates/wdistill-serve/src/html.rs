//! HTML: what is between block elements is translated as a line, and tags inside a line keep their place by alignments.
//!
//! Tags, comments, scripts and styles come out byte for byte as they came in. Text is unescaped before it is translated and
//! escaped afterwards. Blanks inside a line are folded, as a browser does, but not inside `pre`.

mod elements;
mod parse;
mod transfer;

use wdistill_runtime::AlignedSentence;

/// A document, divided into what is translated and what is not.
pub struct Html<'a> {
    nodes: Vec<Node<'a>>,
}

/// A part of a document.
enum Node<'a> {
    /// Stays as it is.
    Raw(&'a str),
    /// Is translated.
    Segment(Segment<'a>),
}

/// A run of text and inline tags.
struct Segment<'a> {
    /// Unescaped, without tags, blanks folded; begins and ends with something that is no blank.
    text: String,
    /// Whether a blank comes before and after it.
    blanks: [bool; 2],
    /// In the order of their start tags, so that an element comes after those around it.
    elements: Vec<Element<'a>>,
    /// In their order.
    points: Vec<Point<'a>>,
}

/// An inline element with text in it.
struct Element<'a> {
    open: &'a str,
    close: &'a str,
    /// Bytes of the segment's text that are in it.
    start: usize,
    end: usize,
}

/// Something without text: an image, a comment, a script, an empty element, or a tag whose partner is not in the segment.
struct Point<'a> {
    /// Where it stands in the segment's text.
    place: usize,
    raw: &'a str,
}

/// A translated line, with what its words come from.
pub struct Marked {
    /// The translation.
    pub text: String,
    /// Its sentences.
    pub sentences: Vec<AlignedSentence>,
}

impl<'a> Html<'a> {
    /// Divides a document or a part of one. Whatever it is, nothing of it is lost.
    pub fn of(text: &'a str) -> Html<'a> {
        parse::parse(text)
    }

    /// The lines that have something to translate.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.nodes.iter().filter_map(|node| match node {
            Node::Raw(_) => None,
            Node::Segment(segment) => Some(segment.text.as_str()),
        })
    }

    /// The document with a translation for each of [`Html::lines`].
    pub fn with<'t>(&self, translations: impl IntoIterator<Item = &'t Marked>) -> String {
        let mut translations = translations.into_iter();
        let mut html = String::new();
        for node in &self.nodes {
            match node {
                Node::Raw(raw) => html += raw,
                Node::Segment(segment) => {
                    let translation = translations.next().expect("a translation for every line");
                    transfer::transfer(segment, translation, &mut html);
                }
            }
        }
        html
    }
}

#[cfg(test)]
mod tests;
