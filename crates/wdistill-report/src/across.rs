//! Several runs beside each other.

use crate::text::{printable, table};
use crate::{DataSet, Judges, Report, SystemRow};

/// The systems of several runs in one table, each as `run/system`, and what makes their figures hard to compare.
///
/// Scores are of the same text only if the tests of all runs have the same names and numbers of pairs, speeds only if
/// machines and threads are the same; where they are not, the table is followed by a line that says so.
pub fn across_runs(runs: &[(String, Report)]) -> String {
    let rows = |(name, report): &(String, Report)| -> Vec<SystemRow> {
        let named =
            |row: &SystemRow| SystemRow { name: format!("{name}/{}", row.name), ..row.clone() };
        report.systems.iter().map(named).collect()
    };
    let systems: Vec<SystemRow> = runs.iter().flat_map(rows).collect();
    let mut lines = table(&systems);
    let notes = notes(runs);
    if !notes.is_empty() {
        lines.push(String::new());
        lines.extend(notes);
    }
    lines.push(String::new());
    lines.join("\n")
}

/// Everything in which the runs differ from the first one.
fn notes(runs: &[(String, Report)]) -> Vec<String> {
    let Some(((first_name, first), others)) = runs.split_first() else { return Vec::new() };
    let mut notes = Vec::new();
    for (name, report) in runs {
        if let Some(missing) = &report.unfinished {
            notes.push(format!("{}: unfinished, {}", printable(name), printable(missing)));
        }
    }
    for (name, report) in others {
        let mut differs = |what: &str, ours: String, theirs: String| {
            if ours != theirs {
                notes.push(printable(&format!(
                    "{what} differ: {first_name} has {theirs}, {name} has {ours}"
                )));
            }
        };
        differs("test texts", tests(report), tests(first));
        differs("ways of decoding", decoding(report), decoding(first));
        differs("signatures of BLEU", signature(report), signature(first));
        differs("machines", machine(report), machine(first));
    }
    notes
}

fn tests(report: &Report) -> String {
    // What is learned from, and what judges on the way, are each run's own business; in earlier versions these came first.
    let is_test = |(index, set): &(usize, &DataSet)| match set.judges {
        Some(judges) => judges == Judges::Finished,
        None => *index >= 2,
    };
    let one = |(_, set): (usize, &DataSet)| format!("{} ({} pairs)", set.role, set.pairs);
    report.data.iter().enumerate().filter(is_test).map(one).collect::<Vec<_>>().join(", ")
}

fn decoding(report: &Report) -> String {
    let decoding = &report.decoding;
    format!(
        "beam {}, length penalty {}, {}",
        decoding.beam, decoding.length_penalty, decoding.precision
    )
}

fn signature(report: &Report) -> String {
    let first = report.systems.first();
    first.and_then(|row| row.signatures.bleu.clone()).unwrap_or_default()
}

fn machine(report: &Report) -> String {
    format!("{} with {} threads", report.machine.cpu, report.machine.threads)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::example;

    #[test]
    fn systems_of_all_runs_stand_in_one_table_with_what_differs() {
        let (one, mut other) = (example(), example());
        let same = across_runs(&[("a".to_string(), one.clone()), ("b".to_string(), other.clone())]);
        let rows = one.systems.len();
        assert_eq!(same.lines().count(), 2 + 2 * rows, "no note: {same}");
        for row in &one.systems {
            for run in ["a", "b"] {
                let start = format!("{run}/{} ", row.name);
                assert!(same.lines().any(|line| line.starts_with(&start)), "{start} in {same}");
            }
        }
        other.decoding.beam = 17;
        other.data.last_mut().unwrap().pairs += 1;
        other.unfinished = Some("to come: speeds".to_string());
        let text = across_runs(&[("a".to_string(), one), ("b".to_string(), other)]);
        for part in ["test texts differ: a has", "b has beam 17", "b: unfinished, to come: speeds"]
        {
            assert!(text.contains(part), "no {part:?} in {text}");
        }
        assert!(!text.contains("machines differ"), "{text}");
    }
}
