//! The trainings of a system: one for each learning rate that is tried, and one for each further seed.

use super::ResolvedSystem;
use crate::settings::TeacherDecoder;

impl ResolvedSystem {
    /// Its seeds, the first of which decides between learning rates.
    pub(crate) fn all_seeds(&self) -> Vec<u64> {
        [&[self.seed], &self.other_seeds[..]].concat()
    }

    /// Its students with the first seed: one for each learning rate that is tried.
    pub(crate) fn candidates(&self) -> Vec<ResolvedSystem> {
        let alone =
            ResolvedSystem { other_seeds: Vec::new(), learning_rates: Vec::new(), ..self.clone() };
        match &self.learning_rates[..] {
            [] => vec![alone],
            [rate] => vec![alone.with_rate(*rate)],
            rates => {
                let named = |rate: &f64| ResolvedSystem {
                    name: format!("{}-rate-{rate}", self.name),
                    ..alone.with_rate(*rate)
                };
                rates.iter().map(named).collect()
            }
        }
    }

    /// More students like the chosen candidate, one for each further seed.
    pub(crate) fn repetitions(&self, chosen: &ResolvedSystem) -> Vec<ResolvedSystem> {
        let named = |seed: &u64| ResolvedSystem {
            name: format!("{}-seed-{seed}", self.name),
            seed: *seed,
            ..chosen.clone()
        };
        self.other_seeds.iter().map(named).collect()
    }

    /// All names that its students can have, as folders.
    pub(crate) fn folder_names(&self) -> Vec<String> {
        let candidates = self.candidates();
        let repetitions = self.repetitions(&candidates[0]);
        let mut names: Vec<String> =
            candidates.into_iter().chain(repetitions).map(|system| system.name).collect();
        if !names.contains(&self.name) {
            names.push(self.name.clone());
        }
        names
    }

    /// The learning rate of its first phase.
    pub(crate) fn first_rate(&self) -> f64 {
        self.phases().next().expect("a system has a phase").learning_rate
    }

    /// The same with another rate in its first phase; a second one keeps its proportion to it.
    fn with_rate(&self, rate: f64) -> ResolvedSystem {
        let mut system = self.clone();
        let first = self.first_rate();
        for phase in system.generator.iter_mut().chain([&mut system.training]) {
            phase.learning_rate = rate * (phase.learning_rate / first);
        }
        system
    }

    /// Whether it is another system with a blank decoder in the place of the teacher's.
    pub(crate) fn is_twin_of(&self, other: &ResolvedSystem) -> bool {
        let real = ResolvedSystem {
            name: other.name.clone(),
            teacher_decoder: TeacherDecoder::Real,
            ..self.clone()
        };
        self.teacher_decoder == TeacherDecoder::Blank && real == *other
    }
}
