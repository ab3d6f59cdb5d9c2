//! A whole run: all stages in their order, and the report.

use wdistill_report::Report;

use crate::error::PipelineError;
use crate::pipeline::Pipeline;
use crate::plan::ResolvedSystem;
use crate::settings::Pairs;
use crate::stages::Trained;

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
        let mut finished = vec![self.finished(&prepared, teacher.clone())?];
        let learns_from_it = |system: &ResolvedSystem| system.pairs == Pairs::OriginalAndPseudo;
        let pseudo = match self.plan.systems.iter().any(learns_from_it) {
            true => self.pseudo_data(&mut prepared, &teacher)?,
            false => prepared.fingerprint.clone(),
        };
        for system in &self.plan.systems {
            let done = self.stages.done();
            let student = self.student(&prepared, &teacher, &pseudo, system)?;
            finished.push(self.finished(&prepared, student)?);
            if self.stages.done() > done {
                // What there is so far, for those who watch a long run; speeds come last.
                self.report(&prepared, &finished, &[])?;
            }
        }
        let systems: Vec<&Trained> = finished.iter().map(|system| &system.trained).collect();
        let speeds = self.speeds(prepared.test(), &systems)?;
        self.report(&prepared, &finished, &speeds)
    }
}
