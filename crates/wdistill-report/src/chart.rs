//! Line charts as SVG. Colours are classes (`series-0` to `series-7`), set by the page, so that
//! they change between light and dark.

mod scatter;

pub(crate) use scatter::{Dot, scatter_chart};

use crate::markup::escaped;
use std::fmt::Write;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 60.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 46.0;
/// Least distance between two labels at the right edge.
const LABEL_HEIGHT: f64 = 15.0;
/// Colours that are told apart; further systems repeat them with dashes.
pub(crate) const COLOURS: usize = 8;
/// More markers than this hide the line they stand on.
const MOST_MARKERS: usize = 60;

/// How a line is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    /// The measure that the chart is about.
    Main,
    /// A second measure in the background.
    Faint,
}

/// One line of the chart.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    /// Which system, counted from zero; settles colour and dashes.
    pub system: usize,
    /// Shown when the pointer rests on a point.
    pub name: String,
    pub weight: Weight,
    /// Updates and value.
    pub points: Vec<(u64, f64)>,
    /// Updates, least and greatest value, if the points are means.
    pub band: Vec<(u64, f64, f64)>,
}

/// The least value that the vertical axis shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Baseline {
    Zero,
    Data,
}

/// A chart and what it could not show.
#[derive(Clone, Debug)]
pub(crate) struct Chart {
    pub svg: String,
    /// Points left out because their value is not finite.
    pub not_finite: usize,
}

/// Draws the series, or nothing if no finite point is left.
pub(crate) fn line_chart(
    title: &str,
    unit: &str,
    series: &[Series],
    base: Baseline,
) -> Option<Chart> {
    let (series, not_finite) = finite(series);
    let points = || series.iter().flat_map(|line| line.points.iter().copied());
    let last_update = points().map(|(updates, _)| updates).max()?;
    let bands = || series.iter().flat_map(|line| line.band.iter().copied());
    let lowest = points().map(|(_, value)| value).chain(bands().map(|(_, least, _)| least));
    let low = lowest.fold(f64::INFINITY, f64::min);
    let highest = points().map(|(_, value)| value).chain(bands().map(|(.., greatest)| greatest));
    let high = highest.fold(f64::NEG_INFINITY, f64::max);
    let low = if base == Baseline::Zero { low.min(0.0) } else { low };
    let frame = Frame {
        horizontal: Axis::covering(0.0, last_update as f64, 6),
        vertical: Axis::covering(low, high, 6),
    };
    let mut svg = format!(
        "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
        escaped(title)
    );
    frame.draw_axes(&mut svg, "updates", unit);
    series.iter().for_each(|line| draw_band(&mut svg, &frame, line));
    for weight in [Weight::Faint, Weight::Main] {
        for line in series.iter().filter(|line| line.weight == weight) {
            draw_line(&mut svg, &frame, line);
        }
    }
    draw_end_labels(&mut svg, &frame, &series);
    svg.push_str("</svg>");
    Some(Chart { svg, not_finite })
}

/// The series without values that have no place on an axis, and the number of those.
fn finite(series: &[Series]) -> (Vec<Series>, usize) {
    let all: usize = series.iter().map(|line| line.points.len()).sum();
    let mut kept = series.to_vec();
    for line in &mut kept {
        line.points.retain(|(_, value)| value.is_finite());
        line.band.retain(|(_, least, greatest)| least.is_finite() && greatest.is_finite());
    }
    kept.retain(|line| !line.points.is_empty());
    let left: usize = kept.iter().map(|line| line.points.len()).sum();
    (kept, all - left)
}

/// An axis from a multiple of its step to another.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Axis {
    start: f64,
    end: f64,
    step: f64,
}

impl Axis {
    /// The axis with about `steps` round steps that covers `low..=high`.
    fn covering(low: f64, high: f64, steps: usize) -> Self {
        let (low, high) = if high > low { (low, high) } else { (low - 0.5, high + 0.5) };
        let step = round_step((high - low) / steps as f64);
        Axis { start: (low / step).floor() * step, end: (high / step).ceil() * step, step }
    }

    fn ticks(self) -> Vec<f64> {
        let count = ((self.end - self.start) / self.step).round() as usize;
        (0..=count).map(|index| self.start + index as f64 * self.step).collect()
    }

    /// 0 at the start, 1 at the end.
    fn share(self, value: f64) -> f64 {
        (value - self.start) / (self.end - self.start)
    }

    /// With as many decimals as the step needs.
    fn label(self, value: f64) -> String {
        let decimals = (-self.step.log10().floor()).max(0.0) as usize;
        if decimals == 0 && value >= 1_000.0 {
            crate::number::grouped(value.round() as u64)
        } else {
            let text = format!("{value:.decimals$}");
            if text.trim_start_matches(['-', '0', '.']).is_empty() { "0".to_string() } else { text }
        }
    }
}

/// The least of 1, 2, 5 times a power of ten that is not below `step`.
fn round_step(step: f64) -> f64 {
    let power = 10f64.powf(step.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= step * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * power
}

struct Frame {
    horizontal: Axis,
    vertical: Axis,
}

impl Frame {
    fn x(&self, updates: f64) -> f64 {
        LEFT + self.horizontal.share(updates) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - self.vertical.share(value) * (HEIGHT - TOP - BOTTOM)
    }

    fn draw_axes(&self, svg: &mut String, across: &str, unit: &str) {
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        for tick in self.vertical.ticks() {
            let y = self.y(tick);
            let label = self.vertical.label(tick);
            put(
                svg,
                format_args!(
                    "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{right}\" y2=\"{y:.1}\"/>"
                ),
            );
            put(
                svg,
                format_args!(
                    "<text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
                    LEFT - 8.0,
                    y + 4.0
                ),
            );
        }
        put(
            svg,
            format_args!(
                "<line class=\"axis\" x1=\"{LEFT}\" y1=\"{bottom}\" x2=\"{right}\" y2=\"{bottom}\"/>"
            ),
        );
        for tick in self.horizontal.ticks() {
            let x = self.x(tick);
            let label = self.horizontal.label(tick);
            put(
                svg,
                format_args!(
                    "<line class=\"axis\" x1=\"{x:.1}\" y1=\"{bottom}\" x2=\"{x:.1}\" y2=\"{:.1}\"/>",
                    bottom + 5.0
                ),
            );
            put(
                svg,
                format_args!(
                    "<text class=\"tick\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{label}</text>",
                    bottom + 19.0
                ),
            );
        }
        self.draw_titles(svg, across, unit);
    }

    fn draw_titles(&self, svg: &mut String, across: &str, unit: &str) {
        let middle = (LEFT + WIDTH - RIGHT) / 2.0;
        put(
            svg,
            format_args!(
                "<text class=\"title\" x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                HEIGHT - 6.0,
                escaped(across)
            ),
        );
        let middle = (TOP + HEIGHT - BOTTOM) / 2.0;
        put(
            svg,
            format_args!(
                "<text class=\"title\" transform=\"translate(12 {middle:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
                escaped(unit)
            ),
        );
    }
}

/// From the least values forwards to the last update, and back along the greatest.
fn draw_band(svg: &mut String, frame: &Frame, line: &Series) {
    if line.band.len() < 2 {
        return;
    }
    let least = line.band.iter().map(|(updates, least, _)| (updates, least));
    let greatest = line.band.iter().rev().map(|(updates, _, greatest)| (updates, greatest));
    let place = |(updates, value): (&u64, &f64)| {
        format!("{:.1},{:.1}", frame.x(*updates as f64), frame.y(*value))
    };
    let path: Vec<String> = least.chain(greatest).map(place).collect();
    let classes = classes(line);
    put(svg, format_args!("<polygon class=\"band {classes}\" points=\"{}\"/>", path.join(" ")));
}

fn draw_line(svg: &mut String, frame: &Frame, line: &Series) {
    let classes = classes(line);
    let place = |&(updates, value): &(u64, f64)| (frame.x(updates as f64), frame.y(value));
    if line.points.len() > 1 {
        let path: Vec<String> =
            line.points.iter().map(place).map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        put(
            svg,
            format_args!("<polyline class=\"line {classes}\" points=\"{}\"/>", path.join(" ")),
        );
    }
    let alone = line.points.len() == 1;
    let marked = line.weight == Weight::Main && line.points.len() <= MOST_MARKERS;
    if alone || marked {
        for point in &line.points {
            let (x, y) = place(point);
            put(
                svg,
                format_args!(
                    "<circle class=\"point {classes}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"><title>{}: {:.2} after {} updates</title></circle>",
                    escaped(&line.name),
                    point.1,
                    crate::number::grouped(point.0)
                ),
            );
        }
    }
}

fn classes(line: &Series) -> String {
    let faint = if line.weight == Weight::Faint { " faint" } else { "" };
    let dashed = if line.system >= COLOURS { " dashed" } else { "" };
    format!("series-{}{faint}{dashed}", line.system % COLOURS)
}

/// The last value of each system beside its last point, moved apart where labels would touch.
fn draw_end_labels(svg: &mut String, frame: &Frame, series: &[Series]) {
    let mut labels: Vec<EndLabel> = Vec::new();
    for line in series.iter().filter(|line| line.weight == Weight::Main) {
        let Some(&(updates, value)) = line.points.last() else { continue };
        let label = EndLabel { system: line.system, updates, value, y: frame.y(value) };
        match labels.iter_mut().find(|known| known.system == line.system) {
            Some(known) if known.updates <= updates => *known = label,
            Some(_) => {}
            None => labels.push(label),
        }
    }
    spread(&mut labels, TOP, HEIGHT - BOTTOM);
    for label in labels {
        let class = label.system % COLOURS;
        let (x, edge) = (frame.x(label.updates as f64), WIDTH - RIGHT + 8.0);
        let (point, y) = (frame.y(label.value), label.y);
        if edge - x > 24.0 {
            put(
                svg,
                format_args!(
                    "<line class=\"leader series-{class}\" x1=\"{:.1}\" y1=\"{point:.1}\" x2=\"{edge:.1}\" y2=\"{y:.1}\"/>",
                    x + 6.0
                ),
            );
        }
        put(
            svg,
            format_args!(
                "<circle class=\"swatch series-{class}\" cx=\"{:.1}\" cy=\"{y:.1}\" r=\"3.5\"/>",
                edge + 4.0
            ),
        );
        put(
            svg,
            format_args!(
                "<text class=\"value\" x=\"{:.1}\" y=\"{:.1}\">{:.2}</text>",
                edge + 12.0,
                y + 4.0,
                label.value
            ),
        );
    }
}

struct EndLabel {
    system: usize,
    updates: u64,
    value: f64,
    y: f64,
}

/// Moves labels down, then up again from the bottom, until none touch.
fn spread(labels: &mut [EndLabel], top: f64, bottom: f64) {
    labels.sort_by(|one, other| one.y.total_cmp(&other.y));
    let mut least = top;
    for label in labels.iter_mut() {
        label.y = label.y.max(least);
        least = label.y + LABEL_HEIGHT;
    }
    let mut most = bottom;
    for label in labels.iter_mut().rev() {
        label.y = label.y.min(most);
        most = label.y - LABEL_HEIGHT;
    }
}

fn put(svg: &mut String, text: std::fmt::Arguments) {
    svg.write_fmt(text).expect("writing to a string cannot fail");
    svg.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(system: usize, points: &[(u64, f64)]) -> Series {
        let name = format!("system {system}");
        Series { system, name, weight: Weight::Main, points: points.to_vec(), band: Vec::new() }
    }

    fn chart(lines: &[Series]) -> Option<Chart> {
        line_chart("a chart", "loss", lines, Baseline::Data)
    }

    #[test]
    fn axes_have_round_steps_that_cover_the_data() {
        let axis = Axis::covering(0.0, 1_500.0, 6);
        assert_eq!(axis, Axis { start: 0.0, end: 1_500.0, step: 500.0 });
        let labels: Vec<String> = axis.ticks().into_iter().map(|tick| axis.label(tick)).collect();
        assert_eq!(labels, ["0", "500", "1,000", "1,500"]);
        let axis = Axis::covering(1.31, 2.04, 6);
        let labels: Vec<String> = axis.ticks().into_iter().map(|tick| axis.label(tick)).collect();
        assert_eq!(labels, ["1.2", "1.4", "1.6", "1.8", "2.0", "2.2"]);
    }

    #[test]
    fn points_are_placed_by_their_values() {
        let svg = chart(&[series(0, &[(0, 0.0), (50, 5.0), (100, 10.0)])]).expect("a chart").svg;
        // The frame is 528 wide and 300 high; the middle point lies in the middle.
        assert!(svg.contains("points=\"52.0,314.0 316.0,164.0 580.0,14.0\""), "{svg}");
        assert!(svg.contains("system 0: 5.00 after 50 updates"), "{svg}");
    }

    #[test]
    fn one_point_is_a_marker_without_a_line() {
        let svg = chart(&[series(0, &[(100, 2.5)])]).expect("a chart").svg;
        assert_eq!((svg.matches("<polyline").count(), svg.matches("<title>").count()), (0, 1));
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }

    #[test]
    fn a_point_before_the_first_update_is_drawn() {
        let svg = chart(&[series(0, &[(0, 0.0)])]).expect("a chart").svg;
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }

    #[test]
    fn nothing_to_draw_is_no_chart() {
        assert!(chart(&[]).is_none());
        assert!(chart(&[series(0, &[])]).is_none());
        assert!(chart(&[series(0, &[(1, f64::NAN)])]).is_none());
    }

    #[test]
    fn values_that_are_not_finite_are_counted() {
        let points = [(1, 2.0), (2, f64::NAN), (3, f64::INFINITY), (4, 1.0)];
        let chart = chart(&[series(0, &points), series(1, &[(1, f64::NAN)])]).expect("a chart");
        assert_eq!(chart.not_finite, 3);
        assert_eq!(chart.svg.matches("<title>").count(), 2);
    }

    #[test]
    fn end_labels_keep_their_distance_and_stay_inside() {
        let mut labels: Vec<EndLabel> = [310.0, 311.0, 20.0, 312.0]
            .into_iter()
            .map(|y| EndLabel { system: 0, updates: 0, value: 0.0, y })
            .collect();
        spread(&mut labels, 14.0, 314.0);
        let places: Vec<f64> = labels.iter().map(|label| label.y).collect();
        assert_eq!(places, [20.0, 284.0, 299.0, 314.0]);
    }

    #[test]
    fn a_system_has_one_end_label_at_the_end_of_its_last_stage() {
        let lines = [series(0, &[(1, 9.0), (2, 8.0)]), series(0, &[(3, 7.0), (4, 6.5)])];
        let svg = chart(&lines).expect("a chart").svg;
        assert_eq!(svg.matches("class=\"value\"").count(), 1);
        assert!(svg.contains(">6.50</text>"), "{svg}");
    }

    #[test]
    fn the_ninth_system_repeats_the_first_colour_with_dashes() {
        assert_eq!(classes(&series(0, &[])), "series-0");
        assert_eq!(classes(&series(8, &[])), "series-0 dashed");
    }
}
