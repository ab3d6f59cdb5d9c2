//! The report for a terminal.

use crate::number::{
    grouped, inherited, measured, multiple, or_dash, p_value, rate, score, short, with_deviation,
};
use crate::{Comparison, Machine, Measured, RateRow, Report, SystemRow, TestRow};

/// A column: its heading and its cells.
type Column = (&'static str, fn(&SystemRow) -> Option<String>);

/// The name comes before them. Columns without a cell are left out.
const COLUMNS: [Column; 11] = [
    ("Parameters", |system| Some(short(system.parameters))),
    ("Seeds", |system| Some(seeds(system)).filter(|text| !text.is_empty())),
    ("Rate", |system| system.learning_rate.map(|rate| rate.to_string())),
    ("Updates", |system| system.updates.map(grouped)),
    ("Loss valid", |system| system.loss_validation.map(|loss| format!("{:.3}", loss.value))),
    ("BLEU valid", |system| system.bleu_validation.map(|bleu| score(bleu.value))),
    ("BLEU test", |system| system.test.as_ref().map(|test| measured(&test.bleu))),
    ("chrF test", |system| system.test.as_ref().map(|test| measured(&test.chrf))),
    ("Inherited", |system| system.inheritance.as_ref().map(inherited)),
    ("Tokens/s", |system| system.tokens_per_second.map(rate)),
    ("Speed-up", |system| system.speed_up.map(multiple)),
];

/// Seeds as a table has them.
pub(crate) fn seeds(system: &SystemRow) -> String {
    system.seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(" ")
}

/// Title, results in aligned columns, significance tests, and the conditions they hold under.
///
/// Columns are aligned by characters. Control characters in names are written as escapes, so that
/// a name cannot break the table or reach the terminal.
pub fn text_table(report: &Report) -> String {
    let mut lines = vec![printable(&report.title)];
    if !report.task_description.is_empty() {
        lines.push(printable(&report.task_description));
    }
    lines.extend(report.unfinished.iter().map(|text| format!("Unfinished: {}", printable(text))));
    lines.push(String::new());
    lines.extend(table(&report.systems));
    let mut list = |heading: &str, entries: Vec<String>| {
        if !entries.is_empty() {
            lines.extend([String::new(), heading.to_string()]);
            lines.extend(entries.iter().map(|entry| format!("  {}", printable(entry))));
        }
    };
    list(MEANS, means(report));
    list(TESTS, report.tests.iter().map(test).collect());
    list(RATES, report.rates.iter().map(tried).collect());
    list(COMPARISONS, report.comparisons.iter().map(comparison).collect());
    lines.push(String::new());
    lines.push("Conditions".to_string());
    lines.extend(
        conditions(report)
            .into_iter()
            .map(|(name, value)| format!("  {name:<9} {}", printable(&value))),
    );
    lines.extend(report.notes.iter().map(|note| format!("  {:<9} {}", "Note", printable(note))));
    lines.push(String::new());
    lines.join("\n")
}

/// One line for each system, below headings.
pub(crate) fn table(systems: &[SystemRow]) -> Vec<String> {
    let names = systems.iter().map(|system| printable(&system.name));
    let mut columns = vec![[String::from("System")].into_iter().chain(names).collect::<Vec<_>>()];
    for (heading, cell) in COLUMNS {
        let cells: Vec<Option<String>> = systems.iter().map(cell).collect();
        if systems.is_empty() || cells.iter().any(Option::is_some) {
            let cells = cells.into_iter().map(|cell| or_dash(cell, |text| text));
            columns.push([heading.to_string()].into_iter().chain(cells).collect());
        }
    }
    let longest = |column: &Vec<String>| column.iter().map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = columns.iter().map(|column| longest(column).unwrap_or(0)).collect();
    let line = |row: usize| aligned(columns.iter().map(|column| &column[row]), &widths);
    let mut lines: Vec<String> = (0..=systems.len()).map(line).collect();
    lines.insert(1, "-".repeat(widths.iter().sum::<usize>() + 2 * (widths.len() - 1)));
    lines
}

/// The name to the left, numbers to the right.
fn aligned<'c>(mut row: impl Iterator<Item = &'c String>, widths: &[usize]) -> String {
    let name = row.next().expect("a row has a name");
    let mut line = format!("{name:<width$}", width = widths[0]);
    for (cell, width) in row.zip(&widths[1..]) {
        line.push_str(&format!("  {cell:>width$}"));
    }
    line
}

pub(crate) const COMPARISONS: &str = "Paired bootstrap, 95% confidence";

fn comparison(comparison: &Comparison) -> String {
    let Comparison { better, than, metric, difference, confidence_half_width, .. } = comparison;
    format!(
        "{better} over {than}: {metric} {difference:+.2} ± {confidence_half_width:.2}, {}, {} samples",
        p_value(comparison.p_value),
        grouped(comparison.samples),
    )
}

pub(crate) const MEANS: &str = "Means over seeds ± standard deviation";

/// A line for each system with several seeds.
pub(crate) fn means(report: &Report) -> Vec<String> {
    let line = |system: &SystemRow| {
        let test = system.test.as_ref();
        let all: [(&str, Option<Measured>, usize); 4] = [
            ("loss", system.loss_validation, 3),
            ("BLEU valid", system.bleu_validation, 2),
            ("BLEU test", test.map(|test| test.bleu), 2),
            ("chrF test", test.map(|test| test.chrf), 2),
        ];
        let texts: Vec<String> = all
            .iter()
            .filter_map(|(name, value, decimals)| {
                Some(format!("{name} {}", with_deviation(&(*value)?, *decimals)))
            })
            .collect();
        format!("{}, seeds {}: {}", system.name, seeds(system), texts.join(", "))
    };
    report.systems.iter().filter(|system| system.seeds.len() > 1).map(line).collect()
}

pub(crate) const TESTS: &str = "Test sets";

fn test(row: &TestRow) -> String {
    let scores = &row.scores;
    format!(
        "{}, {}: BLEU {}, chrF {}, TER {}, length ratio {:.3}",
        scores.text,
        row.system,
        measured(&scores.bleu),
        measured(&scores.chrf),
        measured(&scores.ter),
        scores.length_ratio
    )
}

pub(crate) const RATES: &str = "Learning rates that were tried; the lowest loss decides";

fn tried(row: &RateRow) -> String {
    let score =
        row.score_validation.map_or_else(String::new, |value| format!(", score {value:.2}"));
    format!("{}, rate {}: loss {:.3}{score}", row.system, row.learning_rate, row.loss_validation)
}

/// What the results depend on, name and value.
pub(crate) fn conditions(report: &Report) -> Vec<(&'static str, String)> {
    let mut rows: Vec<(&'static str, String)> =
        signatures(report).into_iter().map(|text| ("Signature", text)).collect();
    rows.push(("Decoding", decoding(report)));
    if report.systems.iter().any(|system| system.speed_up.is_some()) {
        rows.push(("Speed-up", SPEED_UP.to_string()));
    }
    rows.push(("Seed", report.seed.to_string()));
    rows.push(("Machine", machine(&report.machine)));
    rows.push(("Version", version(report)));
    rows
}

const SPEED_UP: &str = "the first system's seconds over this one's for the same sentences, the median of \
                        rounds in which all systems take turns";

/// Picks the signature of one metric.
type SignatureOf = fn(&SystemRow) -> Option<&String>;

/// The different signatures of all systems, in order of appearance, with the systems they hold
/// for where they differ.
fn signatures(report: &Report) -> Vec<String> {
    let metrics: [(&str, SignatureOf); 3] = [
        ("BLEU", |system| system.signatures.bleu.as_ref()),
        ("chrF", |system| system.signatures.chrf.as_ref()),
        ("TER", |system| system.signatures.ter.as_ref()),
    ];
    let mut texts = Vec::new();
    for (metric, signature_of) in metrics {
        let mut groups: Vec<(&String, Vec<&str>)> = Vec::new();
        for system in &report.systems {
            let Some(signature) = signature_of(system) else { continue };
            match groups.iter_mut().find(|(known, _)| *known == signature) {
                Some((_, names)) => names.push(&system.name),
                None => groups.push((signature, vec![&system.name])),
            }
        }
        let differ = groups.len() > 1;
        texts.extend(groups.into_iter().map(|(signature, names)| {
            if differ {
                format!("{metric} {signature} ({})", names.join(", "))
            } else {
                format!("{metric} {signature}")
            }
        }));
    }
    texts
}

pub(crate) fn decoding(report: &Report) -> String {
    let decoding = &report.decoding;
    format!(
        "beam {}, length penalty {}, at most {} times the source's tokens plus {}, and {}, {} tokens a \
         batch, {}",
        decoding.beam,
        decoding.length_penalty,
        decoding.max_ratio,
        decoding.max_surplus,
        decoding.max_length,
        decoding.batch,
        decoding.precision
    )
}

pub(crate) fn machine(machine: &Machine) -> String {
    let mut text = format!(
        "{}, {} cores, {} threads, {:.1} GiB, {}",
        machine.cpu, machine.cores, machine.threads, machine.memory_gib, machine.operating_system
    );
    if !machine.features.is_empty() {
        text.push_str(&format!(" ({})", machine.features.join(" ")));
    }
    text
}

pub(crate) fn version(report: &Report) -> String {
    match &report.commit {
        Some(commit) => format!("{}, commit {commit}, {}", report.version, report.created),
        None => format!("{}, {}", report.version, report.created),
    }
}

pub(crate) fn printable(text: &str) -> String {
    let escape = |letter: char| -> String {
        if letter.is_control() { letter.escape_default().collect() } else { letter.to_string() }
    };
    text.chars().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::example;

    #[test]
    fn the_whole_table() {
        let expected = "\
Distilling a toy teacher
English to German, everyday sentences

System        Parameters  Seeds   Rate  Updates  Loss valid  BLEU valid     BLEU test     chrF test     Inherited  Tokens/s  Speed-up
-------------------------------------------------------------------------------------------------------------------------------------
teacher            1.23M      –      –    1,500           –       91.25  90.80 ± 0.75  95.10 ± 0.75             –     4,321     1.00x
from scratch        345k     42      –      400       2.400       62.50  61.75 ± 0.75  78.32 ± 0.75             –    12,346     2.86x
distilled           345k  42 43  0.005      400       1.600       84.00  83.20 ± 0.75  90.25 ± 0.75  +0.46 ± 0.35         –         –

Means over seeds ± standard deviation
  distilled, seeds 42 43: loss 1.600 ± 0.014, BLEU valid 84.00, BLEU test 83.20 ± 0.14, chrF test 90.25

Test sets
  news, distilled: BLEU 81.00 ± 0.75, chrF 90.00 ± 0.75, TER 9.50 ± 0.75, length ratio 0.987

Learning rates that were tried; the lowest loss decides
  distilled, rate 0.005: loss 1.600, score 84.00

Paired bootstrap, 95% confidence
  distilled over from scratch: BLEU +21.45 ± 1.30, p = 0.0010, 1,000 samples

Conditions
  Signature BLEU nrefs:1|case:mixed|tok:13a
  Signature chrF nrefs:1|case:mixed|nc:6
  Signature TER nrefs:1|case:lc|tok:tercom
  Decoding  beam 4, length penalty 0.6, at most 2 times the source's tokens plus 20, and 512, 32 tokens a batch, float32
  Speed-up  the first system's seconds over this one's for the same sentences, the median of rounds in which all systems take turns
  Seed      42
  Machine   Example CPU, 2 cores, 2 threads, 15.6 GiB, Linux 6.1 (avx2 fma)
  Version   0.1.0, commit abc1234, 2026-01-31
  Note      The first stage used every sentence.
";
        assert_eq!(text_table(&example()), expected);
    }

    #[test]
    fn an_empty_report_has_headings_and_conditions() {
        let text = text_table(&Report::default());
        assert!(text.contains("System  Parameters  Seeds  Rate  Updates"), "{text}");
        assert!(!text.contains("Paired bootstrap"), "{text}");
    }

    #[test]
    fn a_run_that_goes_on_is_called_so() {
        let mut report = example();
        report.unfinished = Some("kd is to come".to_string());
        assert!(text_table(&report).contains("sentences\nUnfinished: kd is to come\n"));
        assert!(crate::html(&report).contains("Unfinished: kd is to come"));
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        let mut report = example();
        report.systems[0].name = "red\u{1b}[31m\nname".to_string();
        let text = text_table(&report);
        assert!(text.contains("red\\u{1b}[31m\\nname"), "{text}");
        assert!(!text.contains('\u{1b}'));
    }

    #[test]
    fn different_signatures_name_their_systems() {
        let mut report = example();
        report.systems[1].signatures.bleu = Some("nrefs:1|case:lc|tok:13a".to_string());
        let text = text_table(&report);
        assert!(text.contains("BLEU nrefs:1|case:mixed|tok:13a (teacher, distilled)\n"), "{text}");
        assert!(text.contains("BLEU nrefs:1|case:lc|tok:13a (from scratch)\n"), "{text}");
    }
}
