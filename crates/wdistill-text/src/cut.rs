//! Which of the segmentations of a text is wanted: the usual one, or one that is drawn at random.

use wdistill_base::Random;

/// How segmentations are drawn (subword regularisation).
///
/// Byte pair encoding leaves out each merge with probability `dropout` when its turn comes (BPE dropout; Provilkov et al.,
/// 2020, in the form of SentencePiece): 0 gives the usual segmentation, 1 single characters. A unigram language model
/// gives a segmentation `x` of a text the probability (Kudo, 2018)
///
/// `p(x) = exp(smoothing * score(x)) / sum over all segmentations y of exp(smoothing * score(y))`
///
/// where the score is the sum of the pieces' log probabilities.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SubwordSampling {
    /// Probability that a merge is left out, from 0 to 1.
    pub dropout: f64,
    /// Inverse temperature: 0 makes all segmentations equally likely, a large one gives the best.
    pub smoothing: f64,
}

impl Default for SubwordSampling {
    /// 0.1 for both: of BPE dropout as in its paper, of unigrams as SentencePiece has it.
    fn default() -> Self {
        Self { dropout: 0.1, smoothing: 0.1 }
    }
}

/// Which segmentation is wanted.
pub(crate) enum Cut<'c> {
    /// The usual one.
    Best,
    /// A drawn one.
    Drawn(Draw<'c>),
}

/// What decides a drawn segmentation.
pub(crate) struct Draw<'d> {
    pub(crate) sampling: SubwordSampling,
    pub(crate) random: &'d mut Random,
    /// Which pieces a text may be cut into, where there are smaller ones in their place.
    pub(crate) takes: &'d dyn Fn(u32) -> bool,
}

impl<'c> Cut<'c> {
    /// A drawn one of all pieces.
    pub(crate) fn drawn(sampling: SubwordSampling, random: &'c mut Random) -> Cut<'c> {
        Cut::Drawn(Draw { sampling, random, takes: &|_| true })
    }

    /// The same; if it is drawn, then of these pieces.
    pub(crate) fn of_pieces<'d>(&'d mut self, takes: &'d dyn Fn(u32) -> bool) -> Cut<'d> {
        match self {
            Cut::Best => Cut::Best,
            Cut::Drawn(Draw { sampling, random, .. }) => {
                Cut::Drawn(Draw { sampling: *sampling, random, takes })
            }
        }
    }

    /// Whether the merge whose turn it is is left out.
    pub(crate) fn drops(&mut self) -> bool {
        match self {
            Cut::Best => false,
            Cut::Drawn(Draw { sampling, random, .. }) => random.uniform() < sampling.dropout,
        }
    }

    /// Whether a text may be cut into this piece.
    pub(crate) fn takes(&self, piece: u32) -> bool {
        match self {
            Cut::Best => true,
            Cut::Drawn(Draw { takes, .. }) => takes(piece),
        }
    }
}
