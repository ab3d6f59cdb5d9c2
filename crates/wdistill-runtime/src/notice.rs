//! What a translation does not show: that it, or its source, is not whole.

use std::fmt;

/// Something that happened to a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The source is longer than allowed; its start was translated.
    Truncated {
        /// Most tokens of a source.
        most: usize,
    },
    /// The source is longer than allowed; it was translated in parts.
    Split {
        /// How many parts there are in the line.
        parts: usize,
    },
    /// A translation reached its maximum length.
    Cut,
    /// A line break in a translation was written as a space, so that it stays one line.
    LineBreak,
    /// The line looks like several sentences, was translated as one, and came back much shorter.
    Shorter,
}

/// A kind of [`Notice`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoticeKind {
    /// [`Notice::Truncated`].
    Truncated,
    /// [`Notice::Split`].
    Split,
    /// [`Notice::Cut`].
    Cut,
    /// [`Notice::LineBreak`].
    LineBreak,
    /// [`Notice::Shorter`].
    Shorter,
}

impl Notice {
    /// Its kind.
    pub fn kind(self) -> NoticeKind {
        match self {
            Notice::Truncated { .. } => NoticeKind::Truncated,
            Notice::Split { .. } => NoticeKind::Split,
            Notice::Cut => NoticeKind::Cut,
            Notice::LineBreak => NoticeKind::LineBreak,
            Notice::Shorter => NoticeKind::Shorter,
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Notice::Truncated { most } => write!(f, "source truncated to {most} tokens"),
            Notice::Split { parts } => write!(f, "source split into {parts} parts"),
            Notice::Cut => f.write_str("translation cut at the maximum length"),
            Notice::LineBreak => f.write_str("a line break was written as a space"),
            Notice::Shorter => f.write_str("several sentences came back much shorter"),
        }
    }
}

impl NoticeKind {
    /// All kinds.
    pub const ALL: [NoticeKind; 5] = [
        NoticeKind::Truncated,
        NoticeKind::Split,
        NoticeKind::Cut,
        NoticeKind::LineBreak,
        NoticeKind::Shorter,
    ];

    /// What happened to some lines.
    fn happened(self) -> &'static str {
        match self {
            NoticeKind::Truncated => "truncated to the longest source allowed",
            NoticeKind::Split => "over the longest source allowed split into parts",
            NoticeKind::Cut => "with a translation cut at its maximum length",
            NoticeKind::LineBreak => "with a line break in the translation, written as a space",
            NoticeKind::Shorter => "with several sentences came back much shorter",
        }
    }
}

/// Which lines things happened to, over a whole text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoticeCounts {
    lines: [Lines; NoticeKind::ALL.len()],
}

/// Some lines: how many, and the first of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Lines {
    count: usize,
    first: Vec<usize>,
    last: Option<usize>,
}

/// How many lines are named.
const NAMED: usize = 5;

impl NoticeCounts {
    /// Adds what happened to a line, by its number from 1. Lines come in their order; the same kind counts once for each.
    pub fn add(&mut self, line: usize, notice: Notice) {
        let lines = &mut self.lines[notice.kind() as usize];
        if lines.last == Some(line) {
            return;
        }
        lines.last = Some(line);
        lines.count += 1;
        if lines.first.len() < NAMED {
            lines.first.push(line);
        }
    }

    /// How many lines it happened to.
    pub fn count(&self, kind: NoticeKind) -> usize {
        self.lines[kind as usize].count
    }

    /// A sentence for each kind of thing that happened: to how many lines, and to which.
    pub fn in_words(&self) -> Vec<(NoticeKind, String)> {
        let sentence = |kind: NoticeKind| {
            let Lines { count, first, .. } = &self.lines[kind as usize];
            let lines = match count {
                0 => return None,
                1 => "line",
                _ => "lines",
            };
            let first: Vec<String> = first.iter().map(usize::to_string).collect();
            let more = if *count > NAMED { ", ..." } else { "" };
            let (happened, first) = (kind.happened(), first.join(", "));
            Some((kind, format!("{count} {lines} {happened} ({lines} {first}{more})")))
        };
        NoticeKind::ALL.into_iter().filter_map(sentence).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_once_for_each_kind_and_the_first_are_named() {
        let mut counts = NoticeCounts::default();
        assert!(counts.in_words().is_empty());
        (1..=7).for_each(|line| counts.add(line, Notice::Cut));
        counts.add(7, Notice::Cut);
        counts.add(7, Notice::Truncated { most: 5 });
        let words: Vec<String> = counts.in_words().into_iter().map(|(_, text)| text).collect();
        assert_eq!(
            words,
            [
                "1 line truncated to the longest source allowed (line 7)",
                "7 lines with a translation cut at its maximum length (lines 1, 2, 3, 4, 5, ...)",
            ]
        );
        assert_eq!(counts.count(NoticeKind::Split), 0);
    }
}
