//! The figures of the page: learning curves, and quality against speed.

use std::collections::BTreeMap;

use crate::chart::{Baseline, COLOURS, Chart, Dot, Series, Weight, line_chart, scatter_chart};
use crate::markup::escaped;
use crate::{Curve, CurvePoint, Report};

/// The mark of a system's colour.
pub(crate) fn swatch(names: &[&str], name: &str) -> String {
    names.iter().position(|known| *known == name).map_or_else(String::new, |index| {
        let dashed = if index >= COLOURS { " dashed" } else { "" };
        format!("<span class=\"swatch series-{}{dashed}\"></span>", index % COLOURS)
    })
}

/// Names of all systems, those of the table first, each once; the place of a name is its colour.
pub(crate) fn system_names(report: &Report) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    let rows = report.systems.iter().map(|system| system.name.as_str());
    for name in rows.chain(report.curves.iter().map(|curve| curve.system.as_str())) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// BLEU of all tests against speed, of every system that has both.
pub(crate) fn quality_and_speed(report: &Report) -> Option<String> {
    let names = system_names(report);
    let dot = |(system, row): (usize, &crate::SystemRow)| {
        let bleu = row.test.as_ref()?.bleu;
        Some(Dot {
            system,
            name: names[system].to_string(),
            across: row.speed_up?,
            up: bleu.value,
            half_width: bleu.half_width.unwrap_or(0.0),
        })
    };
    let dots: Vec<Dot> = report.systems.iter().enumerate().filter_map(dot).collect();
    let axes = ["speed-up", "BLEU test"];
    let svg = scatter_chart("Quality against speed", axes, &dots).filter(|_| dots.len() > 1)?;
    Some(format!("<div class=\"figures\"><figure>\n{svg}\n</figure></div>"))
}

/// Loss and BLEU against updates.
pub(crate) fn curves(report: &Report) -> String {
    let names = system_names(report);
    let mut loss =
        lines(report, &names, Weight::Main, "validation loss", |point| point.validation_loss);
    let training =
        lines(report, &names, Weight::Faint, "training loss", |point| point.training_loss);
    let both = !loss.is_empty() && !training.is_empty();
    // Where no validation loss was measured, the training loss is what the chart is about.
    loss.extend(
        training
            .into_iter()
            .map(|line| Series { weight: if both { Weight::Faint } else { Weight::Main }, ..line }),
    );
    let bleu =
        lines(report, &names, Weight::Main, "validation BLEU", |point| point.validation_bleu);
    let loss_hint = if both { "validation; faint: training" } else { "" };
    let figures: String = [
        figure(
            "Loss",
            loss_hint,
            line_chart("Loss against updates", "nats per token", &loss, Baseline::Data),
        ),
        figure(
            "BLEU",
            "validation",
            line_chart("BLEU against updates", "BLEU", &bleu, Baseline::Zero),
        ),
    ]
    .into_iter()
    .flatten()
    .collect();
    if figures.is_empty() {
        return "<p>No learning curve was recorded.</p>".to_string();
    }
    let drawn = |name: &str| loss.iter().chain(&bleu).any(|line| names[line.system] == name);
    let legend: String = names
        .iter()
        .filter(|name| drawn(name))
        .map(|name| format!("<li>{}{}</li>", swatch(&names, name), escaped(name)))
        .collect();
    format!("<ul class=\"legend\">{legend}</ul>\n<div class=\"figures\">{figures}</div>")
}

pub(crate) fn lines(
    report: &Report,
    names: &[&str],
    weight: Weight,
    measure: &str,
    value: fn(&CurvePoint) -> Option<f64>,
) -> Vec<Series> {
    let line = |group: Vec<&Curve>| {
        let curve = group[0];
        let (points, band) = over_seeds(&group, value);
        let system = names.iter().position(|name| *name == curve.system)?;
        let name = format!("{}, {}, {measure}", curve.system, curve.stage);
        (!points.is_empty()).then_some(Series { system, name, weight, points, band })
    };
    groups(&report.curves).into_iter().filter_map(line).collect()
}

/// Curves of the same stage of the same system, which differ in their seed.
fn groups(curves: &[Curve]) -> Vec<Vec<&Curve>> {
    let mut groups: Vec<Vec<&Curve>> = Vec::new();
    for curve in curves {
        let alike = |group: &&mut Vec<&Curve>| {
            group[0].system == curve.system && group[0].stage == curve.stage
        };
        match groups.iter_mut().find(alike) {
            Some(group) => group.push(curve),
            None => groups.push(vec![curve]),
        }
    }
    groups
}

/// Updates and mean, and updates, least and greatest value.
type Course = (Vec<(u64, f64)>, Vec<(u64, f64, f64)>);

/// A measure over the updates: its mean over seeds and, if there are several, its least and greatest value.
fn over_seeds(group: &[&Curve], value: fn(&CurvePoint) -> Option<f64>) -> Course {
    let mut values: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    for point in group.iter().flat_map(|curve| &curve.points) {
        if let Some(value) = value(point) {
            values.entry(point.updates).or_default().push(value);
        }
    }
    let mean = |(updates, values): (&u64, &Vec<f64>)| {
        (*updates, values.iter().sum::<f64>() / values.len() as f64)
    };
    let range = |(updates, values): (&u64, &Vec<f64>)| {
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        (*updates, least, values.iter().copied().fold(f64::NEG_INFINITY, f64::max))
    };
    let band = if group.len() > 1 { values.iter().map(range).collect() } else { Vec::new() };
    (values.iter().map(mean).collect(), band)
}

fn figure(caption: &str, hint: &str, chart: Option<Chart>) -> Option<String> {
    let Chart { svg, not_finite } = chart?;
    let omitted = match not_finite {
        0 => String::new(),
        1 => "<p class=\"warning\">1 value is not finite and is not drawn.</p>".to_string(),
        count => {
            format!("<p class=\"warning\">{count} values are not finite and are not drawn.</p>")
        }
    };
    Some(format!(
        "<figure>\n<figcaption>{caption} <span class=\"detail\">{hint}</span></figcaption>\n{svg}\n\
         {omitted}</figure>\n"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::example;

    #[test]
    fn training_loss_alone_is_the_main_line() {
        let mut report = example();
        for point in report.curves.iter_mut().flat_map(|curve| &mut curve.points) {
            point.validation_loss = None;
        }
        let text = curves(&report);
        assert!(!text.contains("faint"), "{text}");
        assert!(text.contains("teacher, training, training loss"), "{text}");
    }

    #[test]
    fn a_system_has_one_colour_in_table_and_charts() {
        let report = example();
        let names = system_names(&report);
        assert_eq!(names, ["teacher", "from scratch", "distilled"]);
        assert_eq!(swatch(&names, "distilled"), "<span class=\"swatch series-2\"></span>");
        let bleu = lines(&report, &names, Weight::Main, "BLEU", |point| point.validation_bleu);
        let systems: Vec<usize> = bleu.iter().map(|line| line.system).collect();
        assert_eq!(systems, [0, 1, 2, 2]);
        // Two seeds of one stage are one line with a band around it.
        let [.., student] = &bleu[..] else { panic!() };
        assert_eq!(student.points, [(300, 83.0 * 0.5f64.sqrt()), (400, 83.0)]);
        assert_eq!(student.band[1], (400, 82.0, 84.0));
        assert!(bleu[2].band.is_empty());
    }

    #[test]
    fn quality_and_speed_show_what_has_both() {
        let figure = quality_and_speed(&example()).unwrap();
        assert_eq!(figure.matches("<circle").count(), 2, "{figure}");
        let mut report = example();
        report.systems.iter_mut().for_each(|system| system.speed_up = None);
        assert!(quality_and_speed(&report).is_none());
    }
}
