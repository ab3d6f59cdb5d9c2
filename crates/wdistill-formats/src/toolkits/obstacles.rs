//! What stands in the way of writing a model for another toolkit.

use wdistill_model::{Config, SourceEnding};

/// Problems of a model that is to be written, and notes.
#[derive(Debug, Default)]
pub struct Obstacles {
    /// What stands in the way.
    pub problems: Vec<String>,
    /// What its user should know.
    pub notes: Vec<String>,
}

impl Obstacles {
    /// Notes the problem if the condition does not hold.
    pub(crate) fn need(&mut self, holds: bool, problem: impl FnOnce() -> String) {
        if !holds {
            self.problems.push(problem());
        }
    }

    /// What a format needs in which both stacks have one width and sinusoids are Marian's.
    pub(crate) fn need_marian_like(&mut self, config: &Config) {
        let architecture = &config.architecture;
        let widths = [architecture.encoder.width, architecture.decoder.width];
        self.need(widths[0] == widths[1], || {
            format!(
                "the encoder is {} wide and the decoder {}, but the format has one width; hint: CTranslate2 \
                 takes both",
                widths[0], widths[1]
            )
        });
        self.need(config.vocabularies.source_ending == SourceEnding::EndToken, || {
            "the encoder reads no end token, but the format always adds one".to_string()
        });
    }
}
