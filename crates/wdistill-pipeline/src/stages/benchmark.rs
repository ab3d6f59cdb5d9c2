//! Decoding speed, measured so that a shared machine's moods strike all models alike.

use std::time::Instant;

use serde::{Deserialize, Serialize};
use wdistill_runtime::TokenTranslator;

use crate::data::TextSet;
use crate::error::PipelineError;
use crate::pipeline::Pipeline;
use crate::progress::Progress;

use crate::stage::Fingerprint;
use crate::stages::train::Trained;

/// Speed of one model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Speed {
    /// The model's name.
    pub name: String,
    /// Median seconds for all sentences.
    pub seconds: f64,
    /// Target tokens of all sentences, with end tokens.
    pub target_tokens: usize,
    /// Target tokens a second.
    pub tokens_per_second: f64,
    /// Sentences a second.
    pub sentences_per_second: f64,
    /// Median over rounds of the first model's seconds over this one's.
    pub speed_up: f64,
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        1 => values[middle],
        _ => (values[middle - 1] + values[middle]) / 2.0,
    }
}

/// Times models in turn, `rounds` times, each on the same sentences, after one round that does not
/// count. `sources` holds the sentences of each model, since their vocabularies may differ.
///
/// # Errors
/// [`PipelineError::Tokens`].
pub fn benchmark(
    models: &[(String, &TokenTranslator)],
    sources: &[&[Vec<u32>]],
    rounds: usize,
    said: &mut dyn FnMut(usize),
) -> Result<Vec<Speed>, PipelineError> {
    let mut seconds = vec![Vec::new(); models.len()];
    let mut tokens = vec![0; models.len()];
    for round in 0..=rounds {
        for (index, (_, translator)) in models.iter().enumerate() {
            let start = Instant::now();
            let translations = translator.translate(sources[index])?;
            tokens[index] = translations.report.target_tokens;
            if round > 0 {
                seconds[index].push(start.elapsed().as_secs_f64());
            }
        }
        said(round);
    }
    let speeds = models.iter().zip(sources).enumerate().map(|(index, ((name, _), sources))| {
        let ratios = seconds[0].iter().zip(&seconds[index]).map(|(first, own)| first / own);
        let speed_up = median(ratios.collect());
        let seconds = median(seconds[index].clone());
        Speed {
            name: name.clone(),
            seconds,
            target_tokens: tokens[index],
            tokens_per_second: tokens[index] as f64 / seconds,
            sentences_per_second: sources.len() as f64 / seconds,
            speed_up,
        }
    });
    Ok(speeds.collect())
}

impl Pipeline {
    /// Decoding speed of systems, in turn on the same sentences, the first of a text.
    ///
    /// # Errors
    /// [`PipelineError::Translate`].
    pub fn speeds(
        &self,
        text: &TextSet,
        systems: &[&Trained],
    ) -> Result<Vec<Speed>, PipelineError> {
        let settings = self.plan.benchmark;
        let decoding = &self.plan.decoding;
        let models: Vec<_> = systems.iter().map(|system| &system.fingerprint).collect();
        let source = &text.hashes[0];
        let threads = self.options.threads;
        let inputs = Fingerprint::of(&(models, source, settings, decoding, threads));
        self.stages.run("speed", &inputs, &[], |_| {
            let translators = systems
                .iter()
                .map(|system| {
                    let model = self.load(system)?;
                    Ok(TokenTranslator::new(&model, threads, decoding.clone(), None)?)
                })
                .collect::<Result<Vec<_>, PipelineError>>()?;
            let named: Vec<_> =
                systems.iter().map(|system| system.name.clone()).zip(&translators).collect();
            let mut sentences = text.corpus.sources();
            sentences.truncate(settings.sentences);
            let sources = vec![sentences.as_slice(); systems.len()];
            let progress = Progress::new(self.options.display, "speed", settings.rounds as u64);
            let speeds = benchmark(&named, &sources, settings.rounds, &mut |round| {
                progress.update(round as u64, String::new);
            })?;
            progress.finish();
            Ok(speeds)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_by_hand() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
    }
}
