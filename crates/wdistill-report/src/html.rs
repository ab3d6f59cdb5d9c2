//! The report as one HTML file: no script, no font, no picture from elsewhere.

use crate::chart::{Baseline, COLOURS, Chart, Series, Weight, line_chart};
use crate::markup::escaped;
use crate::number::{duration, grouped, multiple, or_dash, p_value, rate, score, short};
use crate::text::{MEANS, conditions, mean};
use crate::{Comparison, Curve, CurvePoint, DataSet, Report, SeedMean, SystemRow};

const STYLE: &str = include_str!("report.css");

/// The report as a page that stands alone, light or dark as the reader's system asks. All text of
/// the report is escaped.
pub fn html(report: &Report) -> String {
    let sections = [
        header(report),
        section("Results", Some(results(report))),
        section(MEANS, means(&report.means)),
        section("Significance", comparisons(&report.comparisons)),
        section("Learning curves", Some(curves(report))),
        section("Data", data(&report.data)),
        section("Conditions", Some(conditions_list(report))),
        section("Notes", notes(&report.notes)),
        section("Recipe", recipe(&report.recipe_toml)),
    ];
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{}</main>\n</body>\n\
         </html>\n",
        escaped(&report.title),
        sections.concat()
    )
}

fn section(heading: &str, content: Option<String>) -> String {
    content.map_or_else(String::new, |content| {
        format!("<section>\n<h2>{heading}</h2>\n{content}\n</section>\n")
    })
}

fn header(report: &Report) -> String {
    let mut facts = vec![escaped(&report.created), format!("version {}", escaped(&report.version))];
    facts.extend(
        report.commit.iter().map(|commit| format!("commit <code>{}</code>", escaped(commit))),
    );
    facts.push(format!("seed {}", report.seed));
    let facts: Vec<String> = facts.iter().map(|fact| format!("<span>{fact}</span>")).collect();
    let unfinished = report.unfinished.as_ref().map_or_else(String::new, |text| {
        format!("<p><strong>Unfinished: {}</strong></p>\n", escaped(text))
    });
    format!(
        "<header>\n<h1>{}</h1>\n<p class=\"task\">{}</p>\n{unfinished}<p class=\"facts\">{}</p>\n\
         </header>\n",
        escaped(&report.title),
        escaped(&report.task_description),
        facts.join("\n")
    )
}

/// A column heading and whether its cells are words or numbers.
#[derive(Clone, Copy)]
enum Column {
    Words(&'static str),
    Numbers(&'static str),
}

/// Cells hold finished HTML.
fn table(columns: &[Column], rows: Vec<Vec<String>>) -> String {
    let cell = |tag: &str, column: &Column, content: &str| match column {
        Column::Words(_) => format!("<{tag}>{content}</{tag}>"),
        Column::Numbers(_) => format!("<{tag} class=\"number\">{content}</{tag}>"),
    };
    let headings: String = columns
        .iter()
        .map(|column| {
            let (Column::Words(heading) | Column::Numbers(heading)) = column;
            cell("th", column, heading)
        })
        .collect();
    let body: String = rows
        .iter()
        .map(|row| {
            let cells: String = columns
                .iter()
                .zip(row)
                .map(|(column, content)| cell("td", column, content))
                .collect();
            format!("<tr>{cells}</tr>\n")
        })
        .collect();
    format!(
        "<div class=\"wide\"><table>\n<thead><tr>{headings}</tr></thead>\n<tbody>\n{body}</tbody>\n\
         </table></div>"
    )
}

fn results(report: &Report) -> String {
    let columns = [
        Column::Words("System"),
        Column::Words("Shape"),
        Column::Numbers("Parameters"),
        Column::Numbers("Seed"),
        Column::Numbers("Updates"),
        Column::Numbers("BLEU valid"),
        Column::Numbers("BLEU test"),
        Column::Numbers("chrF test"),
        Column::Numbers("Tokens/s"),
        Column::Numbers("Sentences/s"),
        Column::Numbers("Speed-up"),
        Column::Numbers("Training"),
    ];
    let names = system_names(report);
    table(&columns, report.systems.iter().map(|system| result(system, &names)).collect())
}

fn result(system: &SystemRow, names: &[&str]) -> Vec<String> {
    let name = format!(
        "<span class=\"name\">{}{}</span><span class=\"detail\">{}</span>",
        swatch(names, &system.name),
        escaped(&system.name),
        escaped(&system.description)
    );
    vec![
        name,
        format!("<span class=\"shape\">{}</span>", escaped(&system.shape)),
        short(system.parameters),
        or_dash(system.seed, |seed| seed.to_string()),
        or_dash(system.updates, grouped),
        or_dash(system.bleu_validation, score),
        format!("<strong>{}</strong>", or_dash(system.bleu_test, score)),
        or_dash(system.chrf_test, score),
        or_dash(system.tokens_per_second, rate),
        or_dash(system.sentences_per_second, rate),
        or_dash(system.speed_up, multiple),
        or_dash(system.training_seconds, duration),
    ]
}

fn swatch(names: &[&str], name: &str) -> String {
    names.iter().position(|known| *known == name).map_or_else(String::new, |index| {
        let dashed = if index >= COLOURS { " dashed" } else { "" };
        format!("<span class=\"swatch series-{}{dashed}\"></span>", index % COLOURS)
    })
}

/// Names of all systems, those of the table first, each once; the place of a name is its colour.
fn system_names(report: &Report) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    let rows = report.systems.iter().map(|system| system.name.as_str());
    for name in rows.chain(report.curves.iter().map(|curve| curve.system.as_str())) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn means(means: &[SeedMean]) -> Option<String> {
    let item = |entry: &SeedMean| format!("<li>{}</li>", escaped(&mean(entry)));
    (!means.is_empty()).then(|| format!("<ul>{}</ul>", means.iter().map(item).collect::<String>()))
}

fn comparisons(comparisons: &[Comparison]) -> Option<String> {
    let columns = [
        Column::Words("Better"),
        Column::Words("Than"),
        Column::Words("Metric"),
        Column::Numbers("Difference"),
        Column::Numbers("p-value"),
        Column::Numbers("Samples"),
    ];
    let row = |comparison: &Comparison| {
        vec![
            escaped(&comparison.better),
            escaped(&comparison.than),
            escaped(&comparison.metric),
            format!(
                "<strong>{:+.2}</strong> ± {:.2}",
                comparison.difference, comparison.confidence_half_width
            ),
            escaped(&p_value(comparison.p_value)),
            grouped(comparison.samples),
        ]
    };
    (!comparisons.is_empty()).then(|| {
        format!(
            "<p>Paired bootstrap resampling; ± is half the width of the 95% confidence \
             interval.</p>\n{}",
            table(&columns, comparisons.iter().map(row).collect())
        )
    })
}

fn curves(report: &Report) -> String {
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

fn lines(
    report: &Report,
    names: &[&str],
    weight: Weight,
    measure: &str,
    value: fn(&CurvePoint) -> Option<f64>,
) -> Vec<Series> {
    let line = |curve: &Curve| {
        let points: Vec<(u64, f64)> =
            curve.points.iter().filter_map(|point| Some((point.updates, value(point)?))).collect();
        let system = names.iter().position(|name| *name == curve.system)?;
        let name = format!("{}, {}, {measure}", curve.system, curve.stage);
        (!points.is_empty()).then_some(Series { system, name, weight, points })
    };
    report.curves.iter().filter_map(line).collect()
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

fn data(sets: &[DataSet]) -> Option<String> {
    let columns = [
        Column::Words("Role"),
        Column::Words("Source"),
        Column::Numbers("Pairs"),
        Column::Numbers("Source tokens"),
        Column::Numbers("Target tokens"),
        Column::Words("Notes"),
    ];
    let row = |set: &DataSet| {
        vec![
            escaped(&set.role),
            escaped(&set.label),
            grouped(set.pairs),
            grouped(set.source_tokens),
            grouped(set.target_tokens),
            set.notes.iter().map(|note| escaped(note)).collect::<Vec<_>>().join("<br>"),
        ]
    };
    (!sets.is_empty()).then(|| table(&columns, sets.iter().map(row).collect()))
}

fn conditions_list(report: &Report) -> String {
    let rows: String = conditions(report)
        .iter()
        .map(|(name, value)| format!("<dt>{name}</dt><dd>{}</dd>\n", escaped(value)))
        .collect();
    format!("<dl>\n{rows}</dl>")
}

fn notes(notes: &[String]) -> Option<String> {
    let items: String = notes.iter().map(|note| format!("<li>{}</li>\n", escaped(note))).collect();
    (!notes.is_empty()).then(|| format!("<ul>\n{items}</ul>"))
}

fn recipe(toml: &str) -> Option<String> {
    (!toml.is_empty()).then(|| format!("<pre><code>{}</code></pre>", escaped(toml)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::example;

    /// Names of elements in order; fails on a tag that closes another than the innermost.
    fn check_balance(page: &str) -> Vec<String> {
        const VOID: [&str; 3] = ["meta", "br", "!DOCTYPE"];
        let (mut open, mut seen) = (Vec::new(), Vec::new());
        for tag in page.split('<').skip(1) {
            let (tag, _) = tag.split_once('>').expect("a tag ends");
            let name: String = tag
                .chars()
                .take_while(|letter| !letter.is_whitespace() && *letter != '/')
                .collect();
            if let Some(closed) = tag.strip_prefix('/') {
                assert_eq!(open.pop().as_deref(), Some(closed), "closing tag");
            } else if !tag.ends_with('/') && !VOID.contains(&name.as_str()) {
                open.push(name.clone());
                seen.push(name);
            }
        }
        assert!(open.is_empty(), "never closed: {open:?}");
        seen
    }

    #[test]
    fn the_page_is_balanced_and_complete() {
        let page = html(&example());
        let elements = check_balance(&page);
        let count = |name: &str| elements.iter().filter(|element| *element == name).count();
        assert_eq!((count("h2"), count("svg"), count("table")), (8, 2, 3));
        for text in
            ["83.20", "+21.45", "± 1.30", "310,000", "Example CPU", "abc1234", "–", "83.10 ± 0.14"]
        {
            assert!(page.contains(text), "{text}");
        }
    }

    #[test]
    fn the_page_needs_nothing_from_elsewhere() {
        let page = html(&example());
        for reference in ["http:", "https:", "//", "<script", "<link", "@import", "url(", "src="] {
            assert!(!page.contains(reference), "{reference}");
        }
    }

    #[test]
    fn every_text_is_escaped() {
        let attack = "<script>alert('\"&')</script>";
        let text = || attack.to_string();
        let mut report = example();
        report.title = text();
        report.task_description = text();
        report.created = text();
        report.version = text();
        report.commit = Some(text());
        report.recipe_toml = text();
        report.notes = vec![text()];
        report.machine.cpu = text();
        report.data[0].label = text();
        report.data[0].notes = vec![text()];
        report.systems[0].name = text();
        report.systems[0].description = text();
        report.systems[0].shape = text();
        report.systems[0].signatures.bleu = Some(text());
        report.curves[0].system = text();
        report.curves[0].stage = text();
        report.comparisons[0].better = text();
        report.comparisons[0].metric = text();
        let page = html(&report);
        check_balance(&page);
        assert!(!page.contains("<script"), "{page}");
        assert!(page.contains("&lt;script&gt;alert(&#39;&quot;&amp;&#39;)&lt;/script&gt;"));
    }

    #[test]
    fn missing_values_are_dashes() {
        let mut report = example();
        report.systems.truncate(1);
        let system = &mut report.systems[0];
        let dashes = |report: &Report| results(report).matches('–').count();
        system.bleu_test = None;
        system.speed_up = None;
        system.seed = None;
        assert_eq!(dashes(&report), 3);
    }

    #[test]
    fn no_curves_and_empty_curves_are_said_so() {
        let mut report = example();
        report.curves.iter_mut().for_each(|curve| curve.points.clear());
        let page = html(&report);
        check_balance(&page);
        assert!(page.contains("No learning curve was recorded.") && !page.contains("<svg"));
        report.curves.clear();
        assert!(html(&report).contains("No learning curve was recorded."));
        check_balance(&html(&Report::default()));
    }

    #[test]
    fn curves_of_one_point_are_markers() {
        let mut report = example();
        report.curves.iter_mut().for_each(|curve| curve.points.truncate(1));
        let page = html(&report);
        check_balance(&page);
        assert!(!page.contains("<polyline"));
        // Four curves with training loss, validation loss and BLEU each.
        assert_eq!(page.matches("<circle class=\"point").count(), 12);
    }

    #[test]
    fn values_that_cannot_be_drawn_are_counted_on_the_page() {
        let mut report = example();
        report.curves[0].points[3].validation_loss = Some(f64::NAN);
        report.curves[1].points[1].training_loss = Some(f64::INFINITY);
        assert!(html(&report).contains("2 values are not finite and are not drawn."));
    }

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
    }
}
