//! A whole run: all stages in their order, and the report.

use wdistill_report::Report;
use wdistill_train::Judgement;

use crate::error::PipelineError;
use crate::names::TEACHER;
use crate::pipeline::Pipeline;
use crate::plan::ResolvedSystem;
use crate::settings::Pairs;
use crate::stage::Fingerprint;
use crate::stages::{FinishedSystem, Prepared, Teachers, Trained, TriedRate};

impl Pipeline {
    /// All stages, and the report, which is also written as `report.json` and `report.html`.
    ///
    /// # Errors
    /// The first error of a stage; run again, the pipeline goes on there.
    pub fn run(&self) -> Result<Report, PipelineError> {
        if self.plan.data.test.is_none() {
            return Err(PipelineError::Settings {
                place: "the recipe".to_string(),
                problems: vec!["a whole run needs data.test".into()],
            });
        }
        let mut prepared = self.prepare()?;
        let teacher = self.teacher(&prepared)?;
        self.check_teacher(&mut prepared, &teacher)?;
        let mut finished = vec![FinishedSystem {
            name: TEACHER.to_string(),
            system: None,
            students: vec![self.finished(&prepared, teacher.clone())?],
            rates: Vec::new(),
        }];
        let learns_from_it = |system: &ResolvedSystem| system.pairs != Pairs::Original;
        let pseudo = match self.plan.systems.iter().any(learns_from_it) {
            true => self.pseudo_data(&mut prepared, &teacher)?,
            false => prepared.fingerprint.clone(),
        };
        for system in &self.plan.systems {
            let done = self.stages.done();
            let is_source = |other: &&FinishedSystem| Some(&other.name) == system.from.as_ref();
            let source = finished.iter().find(is_source).map(|other| &other.students[0].trained);
            let teachers = Teachers { words: &teacher, weights: source.unwrap_or(&teacher) };
            let with_students = self.system(&prepared, teachers, &pseudo, system)?;
            finished.push(with_students);
            if self.stages.done() > done {
                // What there is so far, for those who watch a long run; speeds come last.
                self.report(&prepared, &finished, &[])?;
            }
        }
        let systems: Vec<&Trained> =
            finished.iter().map(|system| &system.students[0].trained).collect();
        let speeds = self.speeds(&prepared.tests[0], &systems)?;
        self.report(&prepared, &finished, &speeds)
    }

    /// All students of a system: one for each learning rate that is tried, of which the best by validation loss is kept, and
    /// one for each further seed.
    fn system(
        &self,
        prepared: &Prepared,
        teachers: Teachers<'_>,
        pseudo: &Fingerprint,
        system: &ResolvedSystem,
    ) -> Result<FinishedSystem, PipelineError> {
        let train = |one: &ResolvedSystem| self.student(prepared, teachers, pseudo, one);
        let mut tried = Vec::new();
        for candidate in system.candidates() {
            let trained = train(&candidate)?;
            let judgement = trained.judgement().expect("a student has been trained");
            tried.push((candidate, trained, judgement));
        }
        // Of equals the first.
        let loss = |index: &usize| tried[*index].2.loss;
        let best = (0..tried.len()).min_by(|one, other| loss(one).total_cmp(&loss(other)));
        let best = best.expect("a system has a candidate");
        let rate = |(candidate, _, judgement): &(ResolvedSystem, Trained, Judgement)| TriedRate {
            learning_rate: candidate.first_rate(),
            judgement: *judgement,
        };
        let rates: Vec<TriedRate> = tried.iter().map(rate).collect();
        let (chosen, trained, _) = tried.swap_remove(best);
        if rates.len() > 1 {
            let rate = chosen.first_rate();
            let of = rates.len();
            self.say(&system.name, &format!("learning rate {rate} has the lowest loss of {of}"));
        }
        let mut students = vec![self.finished(prepared, trained)?];
        for repetition in system.repetitions(&chosen) {
            let trained = train(&repetition)?;
            students.push(self.finished(prepared, trained)?);
        }
        let rates = if rates.len() > 1 { rates } else { Vec::new() };
        Ok(FinishedSystem {
            name: system.name.clone(),
            system: Some(system.clone()),
            students,
            rates,
        })
    }
}
