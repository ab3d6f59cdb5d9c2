//! What those who watch a run see, on standard error: a line that is always current, and lasting lines.

use std::cell::Cell;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use wdistill_base::{Problem, in_words};
use wdistill_train::{
    Happening, Observer, OtherScores, TrainingEvent, TrainingSettings, ValidationEvent, now,
};

use crate::messages::message;

/// Where progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Display {
    /// One line that is redrawn, and lasting lines above it.
    Terminal,
    /// Plain lines.
    Lines,
    /// Nowhere.
    Silent,
}

impl Display {
    /// A redrawn line on a terminal, plain lines elsewhere.
    pub fn detect() -> Display {
        match std::io::stderr().is_terminal() {
            true => Display::Terminal,
            false => Display::Lines,
        }
    }
}

/// Shows on standard error how far a stage has come.
pub struct Progress {
    display: Display,
    stage: String,
    bar: ProgressBar,
}

impl Progress {
    /// For a stage of `total` steps.
    pub fn new(display: Display, stage: &str, total: u64) -> Progress {
        let bar = match display {
            Display::Terminal => ProgressBar::new(total),
            Display::Lines | Display::Silent => ProgressBar::hidden(),
        };
        // The message is cut where the terminal ends, so that it stays one line.
        let style = "{prefix:.bold} {bar:12} {pos}/{len}  {eta} left  {wide_msg}";
        bar.set_style(ProgressStyle::with_template(style).expect("a constant template"));
        bar.set_prefix(stage.to_string());
        Progress { display, stage: stage.to_string(), bar }
    }

    /// A line that only shows that work is going on, for work whose steps are not counted.
    pub fn busy(display: Display, stage: &str, doing: &str) -> Progress {
        let progress = Progress::new(display, stage, 0);
        let style = "{prefix:.bold} {spinner} {msg}, {elapsed}";
        progress.bar.set_style(ProgressStyle::with_template(style).expect("a constant template"));
        progress.bar.set_message(doing.to_string());
        if display == Display::Terminal {
            progress.bar.enable_steady_tick(Duration::from_millis(100));
        }
        progress.log(doing);
        progress
    }

    /// Moves the line, in a run that had done `done` steps already.
    pub fn resume_at(&self, done: u64) {
        self.bar.set_position(done);
        self.bar.reset_eta();
    }

    /// Moves the line and sets its message.
    pub fn update(&self, done: u64, message: impl FnOnce() -> String) {
        if self.display == Display::Terminal {
            self.bar.set_position(done);
            self.bar.set_message(message());
        }
    }

    /// Shows something that lasts.
    pub fn say(&self, text: &str) {
        match self.display {
            Display::Terminal => self.bar.suspend(|| message(&format!("{}: {text}", self.stage))),
            // A log is read later, and elsewhere.
            Display::Lines => message(&format!("{} {}: {text}", now(), self.stage)),
            Display::Silent => {}
        }
    }

    /// Shows what nobody may miss, with what helps: silence is for progress.
    pub fn warn(&self, problem: impl Into<Problem>) {
        let text = problem.into().in_lines();
        match self.display {
            Display::Terminal | Display::Lines => self.say(&text),
            Display::Silent => message(&format!("{}: {text}", self.stage)),
        }
    }

    /// Shows something that matters only where no line is redrawn.
    pub fn log(&self, text: &str) {
        if self.display == Display::Lines {
            self.say(text);
        }
    }

    /// Removes the line.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// A perplexity in at most eight characters: `12.34`, `1.50e12`, `inf`.
fn perplexity_in_words(perplexity: f64) -> String {
    match perplexity.is_finite() && perplexity >= 99_999.995 {
        true => format!("{perplexity:.2e}"),
        false => format!("{perplexity:.2}"),
    }
}

/// Updates of this process after which the first estimate is said.
const ESTIMATED_AFTER: u64 = 10;

/// Shows how a training goes.
pub struct RunProgress<'a> {
    progress: Progress,
    settings: &'a TrainingSettings,
    /// What a training takes besides time, in words.
    takes: String,
    /// The first update that was seen, and when it was done.
    first: Cell<Option<(u64, Instant)>>,
}

impl<'a> RunProgress<'a> {
    /// Of a training by its name; `takes` says what it takes besides time.
    pub fn new(
        display: Display,
        name: &str,
        settings: &'a TrainingSettings,
        takes: String,
    ) -> RunProgress<'a> {
        let progress = Progress::new(display, name, settings.updates);
        RunProgress { progress, settings, takes, first: Cell::new(None) }
    }

    /// Says once, by the first updates, what the training will take. The very first makes buffers and is not counted.
    fn estimate(&self, updates: u64) {
        let Some((first, since)) = self.first.get() else {
            return self.first.set(Some((updates, Instant::now())));
        };
        if updates != first + ESTIMATED_AFTER {
            return;
        }
        let of_one = since.elapsed().as_secs_f64() / ESTIMATED_AFTER as f64;
        let left = self.settings.updates - updates;
        self.progress.say(&format!(
            "{left} updates are left, which take about {} by the first {ESTIMATED_AFTER} ({of_one:.3} s each), and validations \
             besides; {}",
            in_words(Duration::from_secs_f64(of_one * left as f64)),
            self.takes
        ));
    }
}

impl Observer for RunProgress<'_> {
    fn observe(&self, happening: Happening<'_>) {
        let progress = &self.progress;
        match happening {
            Happening::Resumed { updates } => {
                progress.say(&format!("goes on after update {updates}"));
                progress.resume_at(updates);
            }
            Happening::StartsAgain { checkpoint } => progress.warn(format!(
                "starts again from the beginning: there is no {}",
                checkpoint.display()
            )),
            Happening::Updated { event, window } => {
                self.estimate(event.updates);
                progress.update(event.updates, || training(event, window));
            }
            Happening::Logged { event, window } => {
                let (done, all) = (event.updates, self.settings.updates);
                let left = event.seconds / done as f64 * (all - done) as f64;
                let left = in_words(Duration::from_secs_f64(left));
                progress.log(&format!("{done}/{all}  {}  {left} left", training(event, window)));
            }
            Happening::Validating { updates } => {
                progress.update(updates, || "validating".to_string());
            }
            Happening::Validated(event) => progress.say(&validation(event)),
            Happening::Slower { factor } => progress.say(&format!(
                "{} validations in a row brought no better {}: the rate is {:.2e} now",
                self.settings.plateau_validations,
                self.settings.criterion.name(),
                factor * self.settings.learning_rate
            )),
            Happening::OutOfPatience { updates, settings } => {
                let TrainingSettings { patience, updates: all, criterion, .. } = settings;
                progress.warn(format!(
                    "ends at update {updates} of {all}: {patience} validations in a row brought no better {} \
                     (training.patience = {patience})",
                    criterion.name()
                ));
            }
            Happening::Saved { updates } => progress.say(&format!("update {updates} is saved")),
            Happening::LeftOut { candidate: Some(candidate), problem } => {
                progress.warn(problem.at(format!("{candidate}, is left out of account")));
            }
            Happening::LeftOut { candidate: None, problem } => {
                progress.warn(problem.at("a snapshot is left out of the average"));
            }
            Happening::FewSnapshots { found, wanted } => {
                progress.warn(format!("averages {found} snapshots of {wanted} wanted"));
            }
            Happening::KnowsNothing { problem } => progress.warn(Problem::with_hint(
                format!("has learnt nothing that helps on the validation text: {problem}"),
                "train for more updates, or with another learning rate",
            )),
            Happening::Trained => progress.finish(),
            Happening::Selected(selected) => progress.say(&selected.in_words()),
        }
    }
}

/// Means over the last updates, in a line.
fn training(event: &TrainingEvent, window: u64) -> String {
    let TrainingEvent { loss, inside, perplexity, learning_rate, tokens_per_second, .. } = event;
    let inside = match *inside {
        0.0 => String::new(),
        inside => format!("  inside {inside:.3}"),
    };
    let clipped = match event.clipped_updates {
        0 => String::new(),
        clipped => format!("  clipped {clipped} of {window}"),
    };
    let perplexity = perplexity_in_words(*perplexity);
    format!(
        "{tokens_per_second:.0} tokens/s  loss {loss:.3}{inside}  perplexity {perplexity}  \
         rate {learning_rate:.2e}{clipped}"
    )
}

/// What a validation found, in a line.
fn validation(event: &ValidationEvent) -> String {
    let score = |name: &str, score: Option<f64>| {
        score.map_or(String::new(), |score| format!("  {name} {score:.2}"))
    };
    let decoded = score("BLEU", event.bleu) + &score("chrF", event.chrf);
    let cut = match event.cut_translations {
        0 => String::new(),
        cut => format!("  {cut} cut at the maximum length"),
    };
    let other = |(name, other): (&String, &OtherScores)| {
        let scores = score("BLEU", other.bleu) + &score("chrF", other.chrf);
        format!("; {name}: loss {:.3}{scores}", other.loss)
    };
    let others: String = event.others.iter().map(other).collect();
    format!(
        "update {}: validation loss {:.3}  perplexity {}{decoded}{cut}{}{others}",
        event.updates,
        event.loss,
        perplexity_in_words(event.perplexity),
        if event.best { "  best" } else { "" }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn perplexities_take_eight_characters() {
        let perplexities = [1.0, 99_999.994, 99_999.995, 1e308, f64::INFINITY, f64::NAN];
        let words = perplexities.map(perplexity_in_words);
        assert_eq!(words, ["1.00", "99999.99", "1.00e5", "1.00e308", "inf", "NaN"]);
    }
}
