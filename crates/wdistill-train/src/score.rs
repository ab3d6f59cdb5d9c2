//! How likely a model finds the targets of given pairs.

use wdistill_autograd::{DropoutSource, Tape};
use wdistill_model::{Dense, Model};
use wdistill_text::{EncodedCorpus, sorted_batches};

use crate::batch::{Batch, decode};
use crate::team::Team;

/// The cross-entropy of each pair: `-ln p(target | source) / n` in nats, where `n` counts the target's tokens with its end.
/// Batches of `max_tokens` are divided over the threads of a team. The last bits of a number depend on what else is in its batch,
/// not on the threads.
pub fn pair_losses(
    corpus: &EncodedCorpus,
    model: &Model<Dense<f32>>,
    team: &mut Team,
    max_tokens: usize,
) -> Vec<f64> {
    let batches = sorted_batches(&corpus.lengths(), max_tokens);
    let scored = team.run(batches.clone(), |workspace, pairs| {
        let batch = Batch::new(corpus, &pairs, &model.config.vocabularies);
        let (tape, tracked) = Tape::record(model, workspace, DropoutSource::NONE);
        let states = decode(&tape, &tracked, &batch);
        let offsets = batch.target().spans().offsets();
        tape.sentence_losses(&tracked, states, batch.words(), offsets)
    });
    let mut losses = vec![0.0; corpus.len()];
    for (pair, loss) in batches.into_iter().flatten().zip(scored.into_iter().flatten()) {
        losses[pair] = loss / corpus.pair(pair).1.len() as f64;
    }
    losses
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::TrainingSettings;
    use crate::team::loss_in_text;
    use wdistill_model::{Architecture, Config, Vocabularies};
    use wdistill_text::SpecialTokens;

    #[test]
    fn losses_of_pairs_are_parts_of_the_text_s_and_those_that_they_have_alone() {
        let architecture = Architecture::preset("transformer-nano").unwrap();
        let config = Config::new(architecture, Vocabularies::shared(40)).unwrap();
        let model = Model::initialise(config, 3);
        let pairs: Vec<(Vec<u32>, Vec<u32>)> =
            (0..9).map(|i| ((3..5 + i).collect(), (7..9 + 3 * i % 11).collect())).collect();
        let corpus = |pairs: &[(Vec<u32>, Vec<u32>)]| {
            let ids = pairs.iter().map(|(source, target)| (&source[..], &target[..]));
            EncodedCorpus::from_pairs(SpecialTokens::native(), SpecialTokens::native(), ids)
        };
        let (all, mut team) = (corpus(&pairs), Team::start(2, 2).unwrap());
        let losses = pair_losses(&all, &model, &mut team, 30);
        let lengths = (0..all.len()).map(|pair| all.pair(pair).1.len() as f64);
        let sum: f64 = losses.iter().zip(lengths).map(|(loss, length)| loss * length).sum();
        let settings = TrainingSettings { max_tokens: 100, ..TrainingSettings::default() };
        let whole = loss_in_text(&all, &model, &mut team, &settings);
        assert!((sum - whole.negative_log_likelihood).abs() < 1e-4 * sum, "{sum} {whole:?}");
        for (pair, loss) in pairs.iter().zip(&losses) {
            let alone = pair_losses(&corpus(std::slice::from_ref(pair)), &model, &mut team, 100);
            assert!((alone[0] - loss).abs() < 1e-5, "{alone:?} {loss}");
        }
    }
}
