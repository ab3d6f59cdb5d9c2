//! From a line with tags and its translation to a translation with tags.
//!
//! Line and translation are divided into *units*: words, and other signs one by one. Each unit of the translation goes into
//! the elements of the source unit that it comes from; an element whose words came apart is written once for each part. A
//! sign such as a full stop comes from an equal sign if there is one, and else it is where its neighbours are: attention
//! says little of it. An element that no unit goes into takes the one that comes from it most, so that none is lost.

use std::ops::Range;

use wdistill_runtime::AlignedSentence;

use super::{Marked, Point, Segment};

/// A word, or a sign that is not part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Unit {
    /// Bytes of the text.
    place: Range<usize>,
    is_word: bool,
}

/// Writing systems without blanks: each character is a word.
fn is_ideograph(character: char) -> bool {
    matches!(character, '\u{2e80}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}')
}

fn units(text: &str) -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::new();
    let mut inside = false;
    for (start, character) in text.char_indices() {
        let end = start + character.len_utf8();
        let in_word = character.is_alphanumeric() && !is_ideograph(character);
        match units.last_mut() {
            Some(unit) if in_word && inside => unit.place.end = end,
            _ if character.is_whitespace() => {}
            _ => units.push(Unit { place: start..end, is_word: character.is_alphanumeric() }),
        }
        inside = in_word;
    }
    units
}

/// How much each unit of a translation comes from each unit of its source, `[target, source]`.
struct Links {
    weights: Vec<f32>,
    sources: usize,
}

impl Links {
    fn row(&self, target: usize) -> &[f32] {
        &self.weights[target * self.sources..][..self.sources]
    }

    /// The unit of the translation that comes most from some units of the source; the first of several.
    fn most_from(&self, sources: &[usize], targets: usize) -> Option<usize> {
        let weight =
            |target: usize| -> f32 { sources.iter().map(|source| self.row(target)[*source]).sum() };
        let better =
            |best: usize, next: usize| if weight(next) > weight(best) { next } else { best };
        (0..targets).reduce(better)
    }
}

/// For each token the units that it stands in, with the share of it that each has.
fn shares(spans: &[Range<usize>], shift: usize, units: &[Unit]) -> Vec<Vec<(usize, f32)>> {
    spans
        .iter()
        .map(|span| {
            let (start, end) = (span.start + shift, span.end + shift);
            let first = units.partition_point(|unit| unit.place.end <= start);
            let touched = units[first..].iter().take_while(|unit| unit.place.start < end);
            let overlaps: Vec<(usize, f32)> = touched
                .enumerate()
                .map(|(index, unit)| {
                    let common = end.min(unit.place.end) - start.max(unit.place.start);
                    (first + index, common as f32)
                })
                .collect();
            let all: f32 = overlaps.iter().map(|(_, overlap)| overlap).sum();
            overlaps.into_iter().map(|(unit, overlap)| (unit, overlap / all)).collect()
        })
        .collect()
}

fn links(source: (&str, &[Unit]), target: (&str, &[Unit]), sentences: &[AlignedSentence]) -> Links {
    let ((source_text, source), (target_text, target)) = (source, target);
    let sources = source.len();
    let mut weights = vec![0.0; target.len() * sources];
    let (mut source_from, mut target_from) = (0, 0);
    for sentence in sentences {
        // A sentence that was cut into parts may not stand in the line as it is; then its place is not known.
        let find = |text: &str, part: &str, from: usize| {
            text.get(from..).and_then(|rest| rest.find(part)).map_or(from, |place| from + place)
        };
        let source_shift = find(source_text, &sentence.source, source_from);
        let target_shift = find(target_text, &sentence.target, target_from);
        let of_source = shares(&sentence.source_spans, source_shift, source);
        let of_target = shares(&sentence.target_spans, target_shift, target);
        for (row, targets) in sentence.alignment.rows().zip(&of_target) {
            for (weight, sources_of_token) in row.iter().zip(&of_source) {
                for (target, target_share) in targets {
                    for (source, source_share) in sources_of_token {
                        weights[target * sources + source] += weight * target_share * source_share;
                    }
                }
            }
        }
        source_from = source_shift + sentence.source.len();
        target_from = target_shift + sentence.target.len();
    }
    Links { weights, sources }
}

/// Numbers of the elements that a place of the source is in, the outermost first.
fn path(segment: &Segment<'_>, place: usize) -> Vec<usize> {
    let inside = |index: &usize| {
        let element = &segment.elements[*index];
        (element.start..element.end).contains(&place)
    };
    (0..segment.elements.len()).filter(inside).collect()
}

/// The elements of each unit of the translation.
fn paths(
    segment: &Segment<'_>,
    (source, target): (&[Unit], &[Unit]),
    texts: (&str, &str),
    links: &Links,
) -> Vec<Vec<usize>> {
    let of_source: Vec<Vec<usize>> =
        source.iter().map(|unit| path(segment, unit.place.start)).collect();
    let best = |row: &[f32], candidates: &mut dyn Iterator<Item = usize>| {
        candidates.filter(|unit| row[*unit] > 0.0).max_by(|a, b| row[*a].total_cmp(&row[*b]))
    };
    let chosen: Vec<Option<usize>> = target
        .iter()
        .enumerate()
        .map(|(index, unit)| {
            let row = links.row(index);
            if unit.is_word {
                return best(row, &mut (0..source.len()).filter(|other| source[*other].is_word))
                    .or_else(|| best(row, &mut (0..source.len())));
            }
            let sign = &texts.1[unit.place.clone()];
            let is_equal = |other: &usize| &texts.0[source[*other].place.clone()] == sign;
            best(row, &mut (0..source.len()).filter(is_equal))
        })
        .collect();
    let mut paths: Vec<Option<Vec<usize>>> =
        chosen.iter().map(|source| source.map(|source| of_source[source].clone())).collect();
    // Innermost first, since who is in an element is in those around it.
    for element in (0..segment.elements.len()).rev() {
        let is_in =
            |path: &Option<Vec<usize>>| path.as_ref().is_some_and(|path| path.contains(&element));
        if paths.iter().any(is_in) {
            continue;
        }
        let own: Vec<usize> =
            (0..source.len()).filter(|unit| of_source[*unit].contains(&element)).collect();
        if let Some(target) = links.most_from(&own, target.len()) {
            let deepest = own.iter().copied().max_by_key(|unit| of_source[*unit].len());
            paths[target] = deepest.map(|unit| of_source[unit].clone());
        }
    }
    // What comes from nothing in particular is where both its neighbours are.
    let known = paths.clone();
    let nearest = |mut places: Box<dyn Iterator<Item = usize> + '_>| {
        places.find_map(|place| known[place].clone()).unwrap_or_default()
    };
    paths
        .iter()
        .enumerate()
        .map(|(index, path)| match path {
            Some(path) => path.clone(),
            None => {
                let before = nearest(Box::new((0..index).rev()));
                let after = nearest(Box::new(index + 1..known.len()));
                common(&before, &after).to_vec()
            }
        })
        .collect()
}

/// What two paths begin with.
fn common<'p>(a: &'p [usize], b: &[usize]) -> &'p [usize] {
    let same = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    &a[..same]
}

/// Where a point goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Spot {
    Start,
    Before(usize),
    After(usize),
    End,
}

fn spot(point: &Point<'_>, text: &str, source: &[Unit], targets: usize, links: &Links) -> Spot {
    let next = source.partition_point(|unit| unit.place.start < point.place);
    // Inside a word it follows the word; behind one it follows it if a blank comes next.
    let is_glued = next.checked_sub(1).is_some_and(|before| {
        let end = source[before].place.end;
        end > point.place || (end == point.place && text[point.place..].starts_with(' '))
    });
    let aligned = |unit: usize| links.most_from(&[unit], targets);
    match (next, is_glued) {
        (0, _) => Spot::Start,
        (next, true) => aligned(next - 1).map_or(Spot::End, Spot::After),
        (next, false) if next == source.len() => Spot::End,
        (next, false) => aligned(next).map_or(Spot::End, Spot::Before),
    }
}

/// Writes the translation of a segment with the segment's tags.
pub fn transfer(segment: &Segment<'_>, translation: &Marked, html: &mut String) {
    let [blank_before, blank_after] = segment.blanks;
    let text = translation.text.trim();
    let (source, target) = (units(&segment.text), units(text));
    let links = links((&segment.text, &source), (text, &target), &translation.sentences);
    let paths = paths(segment, (&source, &target), (&segment.text, text), &links);
    let spots: Vec<Spot> = segment
        .points
        .iter()
        .map(|point| spot(point, &segment.text, &source, target.len(), &links))
        .collect();
    let points = |html: &mut String, spot: Spot| {
        let here = segment.points.iter().zip(&spots).filter(|(_, own)| **own == spot);
        here.for_each(|(point, _)| *html += point.raw);
    };
    points(html, Spot::Start);
    if blank_before {
        html.push(' ');
    }
    let mut open: Vec<usize> = Vec::new();
    let mut written = 0;
    for (index, (unit, path)) in target.iter().zip(&paths).enumerate() {
        let stay = common(&open, path).len();
        close(segment, &mut open, stay, html);
        escape(&text[written..unit.place.start], html);
        for element in &path[stay..] {
            *html += segment.elements[*element].open;
            open.push(*element);
        }
        points(html, Spot::Before(index));
        escape(&text[unit.place.clone()], html);
        points(html, Spot::After(index));
        written = unit.place.end;
    }
    close(segment, &mut open, 0, html);
    escape(&text[written..], html);
    // A translation without a word has no place for them.
    if target.is_empty() {
        segment
            .elements
            .iter()
            .for_each(|element| *html += &[element.open, element.close].concat());
    }
    if blank_after {
        html.push(' ');
    }
    points(html, Spot::End);
}

/// Closes elements until `stay` are open.
fn close(segment: &Segment<'_>, open: &mut Vec<usize>, stay: usize, html: &mut String) {
    for element in open.drain(stay..).rev() {
        *html += segment.elements[element].close;
    }
}

fn escape(text: &str, html: &mut String) {
    for character in text.chars() {
        match character {
            '&' => *html += "&amp;",
            '<' => *html += "&lt;",
            '>' => *html += "&gt;",
            '\u{a0}' => *html += "&nbsp;",
            other => html.push(other),
        }
    }
}
