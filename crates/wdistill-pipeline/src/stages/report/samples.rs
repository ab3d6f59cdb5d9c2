//! Ten sentences of the tests: where students and teacher differ most, and some by chance.

use std::cmp::Reverse;

use wdistill_base::Random;
use wdistill_metrics::{Chrf, CorpusMetric, Score};
use wdistill_report::Sample;

use crate::stages::evaluate::{FinishedSystem, TextScores};
use crate::stages::prepare::Prepared;

/// Sentences of each kind.
const WORST: usize = 3;
const BEST: usize = 3;
const DRAWN: usize = 4;

/// A sentence of a test: the test's place among all texts, the line's from 0, and by how much the student's translation is
/// better than the teacher's in chrF.
#[derive(Clone, Copy)]
struct Line {
    text: usize,
    line: usize,
    gain: f64,
}

/// The sentences on which the last system of the table, the first student of each, falls behind the teacher most and is ahead
/// most, and some that a fixed seed draws.
pub(super) fn samples(prepared: &Prepared, systems: &[FinishedSystem]) -> Vec<Sample> {
    let [teacher, .., judged] = systems else { return Vec::new() };
    let mut lines = lines(&teacher.students[0].scores, &judged.students[0].scores);
    lines.sort_by(|one, other| one.gain.total_cmp(&other.gain));
    let count = lines.len();
    let mut chosen: Vec<(String, Line)> = Vec::new();
    let behind = format!("{} is furthest behind the teacher", judged.name);
    let ahead = format!("{} is furthest ahead of the teacher", judged.name);
    let worst = lines.iter().take(WORST).filter(|line| line.gain < 0.0);
    chosen.extend(worst.map(|line| (behind.clone(), *line)));
    let best = lines[WORST.min(count)..].iter().rev().take(BEST).filter(|line| line.gain > 0.0);
    chosen.extend(best.map(|line| (ahead.clone(), *line)));
    let mut random = Random::named(1, "sample translations");
    let mut rest: Vec<(u64, &Line)> = lines.iter().map(|line| (random.bits(), line)).collect();
    rest.sort_by_key(|(drawn, line)| (Reverse(*drawn), line.text, line.line));
    for (_, line) in rest {
        let is_there =
            chosen.iter().any(|(_, other)| (other.text, other.line) == (line.text, line.line));
        if !is_there && chosen.len() < WORST + BEST + DRAWN {
            chosen.push(("drawn by chance".to_string(), *line));
        }
    }
    chosen.into_iter().map(|(reason, line)| sample(prepared, systems, reason, line)).collect()
}

/// All sentences of the tests.
fn lines(teacher: &[TextScores], judged: &[TextScores]) -> Vec<Line> {
    let chrf = Chrf::default();
    let score =
        |scores: &TextScores, line: usize| chrf.score_of_totals(scores.chrf.row(line)).value();
    let of = |(text, (teacher, judged)): (usize, (&TextScores, &TextScores))| {
        let line = |line| Line { text, line, gain: score(judged, line) - score(teacher, line) };
        (0..judged.lines.len()).map(line).collect::<Vec<_>>()
    };
    // The first text is the validation text.
    teacher.iter().zip(judged).enumerate().skip(1).flat_map(of).collect()
}

fn sample(
    prepared: &Prepared,
    systems: &[FinishedSystem],
    reason: String,
    Line { text, line, .. }: Line,
) -> Sample {
    let set = prepared.held_out().nth(text).expect("a text of these scores");
    let translation = |system: &FinishedSystem| {
        (system.name.clone(), system.students[0].scores[text].lines[line].clone())
    };
    Sample {
        text: set.role.clone(),
        line: line as u64 + 1,
        reason,
        reference: set.references[0][line].clone(),
        translations: systems.iter().map(translation).collect(),
    }
}
