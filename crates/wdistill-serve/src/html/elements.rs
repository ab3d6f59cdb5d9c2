//! What kinds of elements there are, as far as a translation has to know.

/// Elements that begin and end a line of text.
const BLOCKS: &[&str] = &[
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "br",
    "caption",
    "center",
    "col",
    "colgroup",
    "dd",
    "details",
    "dialog",
    "dir",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "frame",
    "frameset",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "head",
    "header",
    "hgroup",
    "hr",
    "html",
    "legend",
    "li",
    "link",
    "main",
    "menu",
    "meta",
    "nav",
    "ol",
    "optgroup",
    "option",
    "p",
    "pre",
    "search",
    "section",
    "select",
    "summary",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "title",
    "tr",
    "ul",
];

/// Elements whose content is no text of the document.
const OPAQUE: &[&str] = &[
    "applet", "audio", "canvas", "embed", "iframe", "math", "noembed", "noframes", "object",
    "picture", "script", "style", "svg", "template", "textarea", "video",
];

/// Elements that have no end tag.
const VOID: &[&str] = &[
    "area", "base", "basefont", "bgsound", "embed", "img", "input", "keygen", "param", "source",
    "track", "wbr",
];

/// A kind of element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Begins and ends a line of text.
    Block,
    /// Part of a line.
    Inline,
    /// Part of a line, without an end tag.
    Void,
    /// Stays as it is up to its end tag.
    Opaque,
}

/// The kind of an element by its name in small letters.
pub fn kind(name: &str) -> Kind {
    if VOID.contains(&name) {
        Kind::Void
    } else if OPAQUE.contains(&name) {
        Kind::Opaque
    } else if BLOCKS.contains(&name) {
        Kind::Block
    } else {
        Kind::Inline
    }
}
