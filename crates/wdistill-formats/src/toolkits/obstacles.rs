//! What stands in the way of writing a model for another toolkit.

use wdistill_base::Problem;
use wdistill_model::{Autoregression, Config, SourceEnding};

/// Problems of a model that is to be written, and notes.
#[derive(Debug, Default)]
pub struct Obstacles {
    /// What stands in the way.
    pub problems: Vec<Problem>,
    /// What its user should know, with what helps.
    pub notes: Vec<Problem>,
}

impl Obstacles {
    /// Notes the problem if the condition does not hold.
    pub(crate) fn need<P: Into<Problem>>(&mut self, holds: bool, problem: impl FnOnce() -> P) {
        if !holds {
            self.problems.push(problem().into());
        }
    }

    /// What a format needs in which decoders attend to themselves.
    pub(crate) fn need_self_attention(&mut self, config: &Config) {
        let autoregression = config.architecture.autoregression;
        self.need(autoregression == Autoregression::SelfAttention, || {
            let fact =
                "its decoder is an SSRU, and the format has decoders with self-attention only";
            Problem::with_hint(fact, "Marian and Bergamot take it")
        });
    }

    /// What a format needs in which both stacks have one width and sinusoids are Marian's.
    pub(crate) fn need_marian_like(&mut self, config: &Config) {
        let architecture = &config.architecture;
        let widths = [architecture.encoder.width, architecture.decoder.width];
        self.need(widths[0] == widths[1], || {
            Problem::with_hint(
                format!(
                    "the encoder is {} wide and the decoder {}, but the format has one width",
                    widths[0], widths[1]
                ),
                "CTranslate2 takes both",
            )
        });
        self.need(config.vocabularies.source_ending == SourceEnding::EndToken, || {
            "the encoder reads no end token, but the format always adds one".to_string()
        });
    }
}
