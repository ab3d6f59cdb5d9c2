//! From a document to what is translated and what is not.

use super::elements::{Kind, kind};
use super::{Element, Html, Node, Point, Segment};

/// A piece of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    Text(&'a str),
    Start(Tag<'a>),
    End(Tag<'a>),
    /// A comment.
    Comment,
    /// A document type or an instruction.
    Declaration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tag<'a> {
    name: &'a str,
    attributes: &'a str,
}

impl Tag<'_> {
    fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    fn kind(&self) -> Kind {
        kind(&self.name.to_ascii_lowercase())
    }

    /// Whether the element asks to be left as it is (`translate="no"`).
    fn must_stay(&self) -> bool {
        let attributes = self.attributes.to_ascii_lowercase().replace(['"', '\'', ' '], "");
        attributes.contains("translate=no")
    }

    fn closes_itself(&self) -> bool {
        self.attributes.ends_with('/')
    }
}

/// The first piece of a text, and its length in bytes.
fn next(text: &str) -> (Token<'_>, usize) {
    let bytes = text.as_bytes();
    let text_until = |from: usize| {
        let end = text[from..].find('<').map_or(text.len(), |place| from + place);
        (Token::Text(&text[..end]), end)
    };
    if bytes.first() != Some(&b'<') {
        return text_until(0);
    }
    if let Some(comment) = text.strip_prefix("<!--") {
        let length = comment.find("-->").map_or(comment.len(), |place| place + 3);
        return (Token::Comment, 4 + length);
    }
    match bytes.get(1) {
        Some(b'!' | b'?') => {
            let end = text.find('>').map_or(text.len(), |place| place + 1);
            (Token::Declaration, end)
        }
        Some(b'/') if bytes.get(2).is_some_and(u8::is_ascii_alphabetic) => match tag(text, 2) {
            Some((tag, end)) => (Token::End(tag), end),
            None => text_until(1),
        },
        Some(byte) if byte.is_ascii_alphabetic() => match tag(text, 1) {
            Some((tag, end)) => (Token::Start(tag), end),
            None => text_until(1),
        },
        // A sign of its own, as in 1 < 2.
        _ => text_until(1),
    }
}

/// A tag whose name begins at a place, and where it ends; none if it does not end.
fn tag(text: &str, start: usize) -> Option<(Tag<'_>, usize)> {
    let ends_name = |character: char| character.is_ascii_whitespace() || "/>".contains(character);
    let name_end = start + text[start..].find(ends_name)?;
    let mut quote = None;
    for (place, byte) in text.bytes().enumerate().skip(name_end) {
        match (quote, byte) {
            (None, b'>') => {
                let attributes = &text[name_end..place];
                return Some((Tag { name: &text[start..name_end], attributes }, place + 1));
            }
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            _ => {}
        }
    }
    None
}

/// The length of an element that stays as it is, from its start tag, which is `start` bytes long, to its end tag.
fn opaque_length(text: &str, tag: Tag<'_>, start: usize) -> usize {
    // Script and style end at the first end tag, whatever is before it; others may hold elements of their own kind.
    let is_raw = ["script", "style", "textarea"].iter().any(|name| tag.is(name));
    let (mut depth, mut place) = (1, start);
    while depth > 0 && place < text.len() {
        let rest = &text[place..];
        match next(rest) {
            (Token::End(end), length) if end.is(tag.name) => {
                (depth, place) = (depth - 1, place + length);
            }
            (Token::Start(inner), length) if !is_raw => {
                let opens = inner.is(tag.name) && !inner.closes_itself();
                (depth, place) = (depth + usize::from(opens), place + length);
            }
            (Token::Text(_) | Token::Comment, length) if !is_raw => place += length,
            // In a script a quote or a comment means nothing: the next sign is looked at by itself.
            _ => {
                let mut signs = rest.char_indices().skip(1);
                let sign = signs.find(|(_, character)| *character == '<');
                place += sign.map_or(rest.len(), |(next, _)| next);
            }
        }
    }
    place
}

/// A run that is not done yet.
struct Run<'a> {
    html: &'a str,
    /// Where it begins in the document.
    start: usize,
    text: String,
    /// Whether a blank stands before the text.
    begins_blank: bool,
    elements: Vec<Option<Element<'a>>>,
    points: Vec<Point<'a>>,
    /// Inline elements that are open.
    open: Vec<Open<'a>>,
}

/// An inline element whose end tag has not come yet.
struct Open<'a> {
    tag: Tag<'a>,
    /// Bytes of the document that its start tag is.
    start: usize,
    end: usize,
    /// Its number among the elements.
    element: usize,
    /// How many points there were.
    points: usize,
    /// Where it begins in the text.
    place: usize,
}

impl<'a> Run<'a> {
    fn new(html: &'a str, start: usize) -> Run<'a> {
        let (elements, points, open) = (Vec::new(), Vec::new(), Vec::new());
        let (text, begins_blank) = (String::new(), false);
        Run { html, start, text, begins_blank, elements, points, open }
    }

    fn add_text(&mut self, text: &str) {
        for character in htmlize::unescape(text).chars() {
            match character {
                ' ' | '\t' | '\n' | '\r' | '\x0c' => match self.text.chars().last() {
                    None => self.begins_blank = true,
                    Some(' ') => {}
                    Some(_) => self.text.push(' '),
                },
                other => self.text.push(other),
            }
        }
    }

    fn add_point(&mut self, start: usize, end: usize) {
        self.points.push(Point { place: self.text.len(), raw: &self.html[start..end] });
    }

    fn open(&mut self, tag: Tag<'a>, start: usize, end: usize) {
        let (element, points) = (self.elements.len(), self.points.len());
        self.elements.push(None);
        self.open.push(Open { tag, start, end, element, points, place: self.text.len() });
    }

    fn close(&mut self, tag: Tag<'_>, start: usize, end: usize) {
        let Some(index) = self.open.iter().rposition(|open| open.tag.is(tag.name)) else {
            return self.add_point(start, end);
        };
        // Those inside that were not closed stand alone.
        let inner = self.open.split_off(index + 1);
        inner.into_iter().for_each(|open| self.leave_open(&open));
        let open = self.open.pop().expect("found above");
        if self.text[open.place..].trim().is_empty() {
            // Nothing to translate in it: it stays together.
            self.points.truncate(open.points);
            self.elements.truncate(open.element);
            self.points.push(Point { place: open.place, raw: &self.html[open.start..end] });
            return;
        }
        self.elements[open.element] = Some(Element {
            open: &self.html[open.start..open.end],
            close: &self.html[start..end],
            start: open.place,
            end: self.text.len(),
        });
    }

    fn leave_open(&mut self, open: &Open<'a>) {
        let raw = &self.html[open.start..open.end];
        let after = self.points.partition_point(|point| point.place < open.place);
        let place = after.max(open.points.min(self.points.len()));
        self.points.insert(place, Point { place: open.place, raw });
    }

    /// What becomes of it, where the document goes on at `end`.
    fn finish(mut self, end: usize) -> Node<'a> {
        let raw = &self.html[self.start..end];
        if !self.text.chars().any(char::is_alphanumeric) {
            return Node::Raw(raw);
        }
        let open = std::mem::take(&mut self.open);
        open.iter().for_each(|open| self.leave_open(open));
        let ends = self.text.ends_with(' ');
        self.text.truncate(self.text.trim_end_matches(' ').len());
        let length = self.text.len();
        let mut elements: Vec<Element<'a>> = self.elements.into_iter().flatten().collect();
        elements.iter_mut().for_each(|element| element.end = element.end.min(length));
        self.points.iter_mut().for_each(|point| point.place = point.place.min(length));
        self.points.sort_by_key(|point| point.place);
        Node::Segment(Segment {
            text: self.text,
            blanks: [self.begins_blank, ends],
            elements,
            points: self.points,
        })
    }
}

/// A document that is being divided.
struct Parser<'a> {
    html: &'a str,
    nodes: Vec<Node<'a>>,
    run: Run<'a>,
    /// How deep inside `pre`.
    pre: usize,
}

impl<'a> Parser<'a> {
    /// Ends a line where something stands that stays as it is, from `start` to `end`.
    fn end_line(&mut self, start: usize, end: usize) {
        let run = std::mem::replace(&mut self.run, Run::new(self.html, end));
        if run.start < start {
            self.nodes.push(run.finish(start));
        }
        if start < end {
            self.nodes.push(Node::Raw(&self.html[start..end]));
        }
    }

    /// Reads text, and gives where it stopped: at a line break inside `pre`, where each line is translated by itself.
    fn text(&mut self, text: &'a str, start: usize) -> usize {
        let line_break = text.find('\n').filter(|_| self.pre > 0);
        self.run.add_text(&text[..line_break.unwrap_or(text.len())]);
        let Some(length) = line_break else { return start + text.len() };
        self.end_line(start + length, start + length + 1);
        start + length + 1
    }

    /// Reads a start tag, and gives where it or its element ends.
    fn start_tag(&mut self, tag: Tag<'a>, start: usize, length: usize) -> usize {
        let end = start + length;
        let whole = || start + opaque_length(&self.html[start..], tag, length);
        match tag.kind() {
            Kind::Block if tag.must_stay() && !tag.is("br") => {
                let end = whole();
                self.end_line(start, end);
                return end;
            }
            Kind::Block => {
                self.pre += usize::from(tag.is("pre"));
                self.end_line(start, end);
            }
            Kind::Void => self.run.add_point(start, end),
            Kind::Inline | Kind::Opaque if tag.closes_itself() => self.run.add_point(start, end),
            Kind::Inline if !tag.must_stay() => self.run.open(tag, start, end),
            Kind::Inline | Kind::Opaque => {
                let end = whole();
                self.run.add_point(start, end);
                return end;
            }
        }
        end
    }

    fn end_tag(&mut self, tag: Tag<'a>, start: usize, end: usize) {
        match tag.kind() {
            Kind::Block => {
                self.pre = self.pre.saturating_sub(usize::from(tag.is("pre")));
                self.end_line(start, end);
            }
            Kind::Void | Kind::Opaque => self.run.add_point(start, end),
            Kind::Inline => self.run.close(tag, start, end),
        }
    }
}

/// Divides a document.
pub fn parse(html: &str) -> Html<'_> {
    let mut parser = Parser { html, nodes: Vec::new(), run: Run::new(html, 0), pre: 0 };
    let mut place = 0;
    while place < html.len() {
        let (token, length) = next(&html[place..]);
        let (start, end) = (place, place + length);
        place = match token {
            Token::Text(text) => parser.text(text, start),
            Token::Start(tag) => parser.start_tag(tag, start, length),
            Token::End(tag) => {
                parser.end_tag(tag, start, end);
                end
            }
            Token::Comment => {
                parser.run.add_point(start, end);
                end
            }
            Token::Declaration => {
                parser.end_line(start, end);
                end
            }
        };
    }
    parser.end_line(html.len(), html.len());
    Html { nodes: parser.nodes }
}
