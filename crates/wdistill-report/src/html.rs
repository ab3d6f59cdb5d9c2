//! The report as one HTML file: no script, no font, no picture from elsewhere.

use crate::figures::{curves, quality_and_speed, swatch, system_names};
use crate::markup::escaped;
use crate::number::{
    duration, grouped, inherited, measured, multiple, or_dash, p_value, rate, score, short,
    with_deviation,
};
use crate::text::{MEANS, RATES, TESTS, conditions, means, seeds};
use crate::{
    Comparison, DataSet, Inheritance, RateRow, Report, Sample, StageRow, StageState, SystemRow,
    TestRow,
};

const STYLE: &str = include_str!("report.css");

/// The report as a page that stands alone, light or dark as the reader's system asks. All text of
/// the report is escaped.
pub fn html(report: &Report) -> String {
    let results = section("Results", Some(results(report)));
    let conditions = section("Conditions", Some(conditions_list(report)));
    page(report, "", &results, &conditions)
}

/// The same of a run that goes on: how far each training has come stands first, what is not known yet is left out, and the
/// page loads itself again after so many seconds.
pub fn live_html(report: &Report, stages: &[StageRow], every: u32) -> String {
    let again = format!("<meta http-equiv=\"refresh\" content=\"{every}\">\n");
    let trainings = section("Trainings", Some(stage_table(stages)));
    let has_systems = !report.systems.is_empty();
    let results = section("Results", has_systems.then(|| results(report)));
    let conditions = section("Conditions", has_systems.then(|| conditions_list(report)));
    page(report, &again, &(trainings + &results), &conditions)
}

fn page(report: &Report, head: &str, results: &str, conditions: &str) -> String {
    let sections = [
        header(report),
        results.to_string(),
        section(MEANS, list(&means(report))),
        section(TESTS, tests(&report.tests)),
        section(RATES, rates(&report.rates)),
        section("Significance", comparisons(&report.comparisons)),
        section("Quality and speed", quality_and_speed(report)),
        section("Learning curves", Some(curves(report))),
        section("Data", data(&report.data)),
        conditions.to_string(),
        section("Sample translations", samples(&report.samples)),
        section("Notes", list(&report.notes)),
        section("Recipe", recipe(&report.recipe_toml)),
    ];
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n{head}\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{}</main>\n</body>\n\
         </html>\n",
        escaped(&report.title),
        sections.concat()
    )
}

fn stage_table(stages: &[StageRow]) -> String {
    let columns = [
        Column::Words("Training"),
        Column::Words("State"),
        Column::Numbers("Updates"),
        Column::Numbers("Loss"),
        Column::Numbers("Loss valid"),
        Column::Numbers("BLEU valid"),
        Column::Numbers("Tokens/s"),
        Column::Numbers("Time"),
        Column::Numbers("Left"),
        Column::Words("Last line of its log"),
    ];
    let row = |row: &StageRow| {
        let state = match row.state {
            StageState::ToCome => "to come",
            StageState::UnderWay => "<strong>under way</strong>",
            StageState::Finished => "finished",
        };
        let loss = |loss: f64| format!("{loss:.3}");
        vec![
            escaped(&row.name),
            state.to_string(),
            format!("{} of {}", grouped(row.updates), or_dash(row.all_updates, grouped)),
            or_dash(row.training_loss, loss),
            or_dash(row.validation_loss, loss),
            or_dash(row.validation_bleu, score),
            or_dash(row.tokens_per_second, rate),
            or_dash(row.seconds, duration),
            or_dash(row.seconds_left, duration),
            or_dash(row.last_line.as_deref(), escaped),
        ]
    };
    table(&columns, stages.iter().map(row).collect())
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

/// A column of the results: its heading and its cells, in HTML. Columns without a cell are left out.
type Cell = fn(&SystemRow) -> Option<String>;

const RESULTS: [(Column, Cell); 16] = [
    (Column::Words("Shape"), |row| {
        Some(format!("<span class=\"shape\">{}</span>", escaped(&row.shape)))
    }),
    (Column::Numbers("Parameters"), |row| Some(short(row.parameters))),
    (Column::Numbers("Seeds"), |row| Some(seeds(row)).filter(|text| !text.is_empty())),
    (Column::Numbers("Rate"), |row| row.learning_rate.map(|rate| rate.to_string())),
    (Column::Numbers("Updates"), |row| row.updates.map(grouped)),
    (Column::Numbers("Loss valid"), |row| row.loss_validation.map(|loss| with_deviation(&loss, 3))),
    (Column::Numbers("BLEU valid"), |row| row.bleu_validation.map(|bleu| with_deviation(&bleu, 2))),
    (Column::Numbers("BLEU test"), |row| {
        row.test.as_ref().map(|test| format!("<strong>{}</strong>", measured(&test.bleu)))
    }),
    (Column::Numbers("chrF test"), |row| row.test.as_ref().map(|test| measured(&test.chrf))),
    (Column::Numbers("TER test"), |row| row.test.as_ref().map(|test| measured(&test.ter))),
    (Column::Numbers("Length ratio"), |row| {
        row.test.as_ref().map(|test| format!("{:.3}", test.length_ratio))
    }),
    (Column::Numbers("Inherited"), |row| row.inheritance.as_ref().map(inheritance)),
    (Column::Numbers("Tokens/s"), |row| row.tokens_per_second.map(rate)),
    (Column::Numbers("Sentences/s"), |row| row.sentences_per_second.map(rate)),
    (Column::Numbers("Speed-up"), |row| row.speed_up.map(multiple)),
    (Column::Numbers("Training"), |row| row.training_seconds.map(duration)),
];

/// What a system inherits, in BLEU, chrF and loss.
fn inheritance(inheritance: &Inheritance) -> String {
    let Inheritance { loss, bleu, chrf, .. } = inheritance;
    format!(
        "<span class=\"name\">{}</span><span class=\"detail\">{}; chrF {:+.2} ± {:.2}; loss {loss:+.3}; \
         over {}</span>",
        inherited(inheritance),
        escaped(&p_value(bleu.p_value)),
        chrf.value,
        chrf.half_width,
        escaped(&inheritance.twin)
    )
}

fn results(report: &Report) -> String {
    let names = system_names(report);
    let mut columns = vec![Column::Words("System")];
    let mut rows: Vec<Vec<String>> =
        report.systems.iter().map(|row| vec![name(row, &names)]).collect();
    for (column, cell) in RESULTS {
        let cells: Vec<Option<String>> = report.systems.iter().map(cell).collect();
        if report.systems.is_empty() || cells.iter().any(Option::is_some) {
            columns.push(column);
            for (row, cell) in rows.iter_mut().zip(cells) {
                row.push(or_dash(cell, |text| text));
            }
        }
    }
    table(&columns, rows)
}

fn name(system: &SystemRow, names: &[&str]) -> String {
    format!(
        "<span class=\"name\">{}{}</span><span class=\"detail\">{}</span>",
        swatch(names, &system.name),
        escaped(&system.name),
        escaped(&system.description)
    )
}

/// Lines of text as a list, if there are any.
fn list(lines: &[String]) -> Option<String> {
    let items: String = lines.iter().map(|line| format!("<li>{}</li>\n", escaped(line))).collect();
    (!lines.is_empty()).then(|| format!("<ul>\n{items}</ul>"))
}

fn tests(rows: &[TestRow]) -> Option<String> {
    let columns = [
        Column::Words("Test set"),
        Column::Words("System"),
        Column::Numbers("BLEU"),
        Column::Numbers("chrF"),
        Column::Numbers("TER"),
        Column::Numbers("Length ratio"),
    ];
    let row = |TestRow { system, scores }: &TestRow| {
        vec![
            escaped(&scores.text),
            escaped(system),
            measured(&scores.bleu),
            measured(&scores.chrf),
            measured(&scores.ter),
            format!("{:.3}", scores.length_ratio),
        ]
    };
    (!rows.is_empty()).then(|| table(&columns, rows.iter().map(row).collect()))
}

fn rates(rows: &[RateRow]) -> Option<String> {
    let columns = [
        Column::Words("System"),
        Column::Numbers("Rate"),
        Column::Numbers("Loss valid"),
        Column::Numbers("Score valid"),
    ];
    let row = |row: &RateRow| {
        vec![
            escaped(&row.system),
            row.learning_rate.to_string(),
            format!("{:.3}", row.loss_validation),
            or_dash(row.score_validation, score),
        ]
    };
    (!rows.is_empty()).then(|| table(&columns, rows.iter().map(row).collect()))
}

fn samples(samples: &[Sample]) -> Option<String> {
    let sample = |sample: &Sample| {
        let line = |(name, text): (&str, &str)| {
            format!("<dt>{}</dt><dd>{}</dd>\n", escaped(name), escaped(text))
        };
        let translations = sample.translations.iter().map(|(name, text)| (name.as_str(), text));
        let lines: String = [("reference", &sample.reference)]
            .into_iter()
            .chain(translations)
            .map(|(name, text)| line((name, text)))
            .collect();
        format!(
            "<p>{}, line {}: {}</p>\n<dl class=\"sample\">\n{lines}</dl>\n",
            escaped(&sample.text),
            sample.line,
            escaped(&sample.reason)
        )
    };
    (!samples.is_empty()).then(|| samples.iter().map(sample).collect())
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
        assert_eq!((count("h2"), count("svg"), count("table")), (12, 3, 5));
        for text in [
            "83.20",
            "+21.45",
            "± 1.30",
            "310,000",
            "Example CPU",
            "abc1234",
            "–",
            "83.20 ± 0.14",
            "Das &lt;Haus&gt;.",
        ] {
            assert!(page.contains(text), "{text}");
        }
    }

    #[test]
    fn a_live_page_says_how_far_each_training_is_and_leaves_out_what_is_not_known() {
        let stage = StageRow {
            name: "kd<1>/student".to_string(),
            state: StageState::UnderWay,
            updates: 1200,
            all_updates: Some(30_000),
            training_loss: Some(4.5),
            seconds_left: Some(7200.0),
            ..StageRow::default()
        };
        let report = Report { title: "Run".to_string(), ..Report::default() };
        let page = live_html(&report, std::slice::from_ref(&stage), 10);
        let elements = check_balance(&page);
        assert_eq!(elements.iter().filter(|element| *element == "table").count(), 1);
        let parts = ["kd&lt;1&gt;/student", "under way", "1,200 of 30,000", "4.500", "2 h 00 min"];
        for part in parts.into_iter().chain(["http-equiv=\"refresh\" content=\"10\""]) {
            assert!(page.contains(part), "no {part:?}");
        }
        let with_systems = live_html(&example(), &[stage], 10);
        assert!(with_systems.contains("83.20") && with_systems.contains("<h2>Conditions</h2>"));
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
        report.tests[0].system = text();
        report.tests[0].scores.text = text();
        report.rates[0].system = text();
        report.samples[0].reason = text();
        report.samples[0].text = text();
        report.samples[0].reference = text();
        report.samples[0].translations[0].0 = text();
        report.systems[2].inheritance.as_mut().unwrap().twin = text();
        let page = html(&report);
        check_balance(&page);
        assert!(!page.contains("<script"), "{page}");
        assert!(page.contains("&lt;script&gt;alert(&#39;&quot;&amp;&#39;)&lt;/script&gt;"));
    }

    #[test]
    fn missing_values_are_dashes_and_columns_without_values_are_left_out() {
        let mut report = example();
        report.systems.truncate(2);
        let dashes = |report: &Report| results(report).matches('–').count();
        // The teacher has no seed and no loss; neither has a rate, or inherits anything.
        assert_eq!(dashes(&report), 2);
        assert!(!results(&report).contains("Inherited"));
        report.systems[0].test = None;
        report.systems[0].speed_up = None;
        assert_eq!(dashes(&report), 7);
        let all = results(&example());
        assert!(all.contains("Inherited") && all.contains("+0.46 ± 0.35"), "{all}");
        assert!(all.contains("p = 0.0110; chrF +0.52 ± 0.30; loss -0.035; over distilled-blank"));
    }

    #[test]
    fn no_curves_and_empty_curves_are_said_so() {
        let mut report = example();
        report.curves.iter_mut().for_each(|curve| curve.points.clear());
        let page = html(&report);
        check_balance(&page);
        assert!(page.contains("No learning curve was recorded.") && !page.contains("<polyline"));
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
        // Four stages with training loss, validation loss and BLEU each, and two systems' quality and speed.
        assert_eq!(page.matches("<circle class=\"point").count(), 14);
    }

    #[test]
    fn values_that_cannot_be_drawn_are_counted_on_the_page() {
        let mut report = example();
        report.curves[0].points[3].validation_loss = Some(f64::NAN);
        report.curves[1].points[1].training_loss = Some(f64::INFINITY);
        assert!(html(&report).contains("2 values are not finite and are not drawn."));
    }
}
