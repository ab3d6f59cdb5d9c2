//! Packed batches: sentences one after the other, no padding.

/// Which rows of a packed batch belong to which sentence: sentence `b` owns rows
/// `offsets[b]..offsets[b + 1]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spans {
    offsets: Vec<usize>,
}

impl Spans {
    /// Sentences of these lengths, in this order.
    pub fn from_lengths(lengths: impl IntoIterator<Item = usize>) -> Spans {
        let mut offsets = vec![0];
        let mut end = 0;
        for length in lengths {
            end += length;
            offsets.push(end);
        }
        Spans { offsets }
    }

    /// `sentences + 1` row numbers, the first of which is 0.
    pub fn offsets(&self) -> &[usize] {
        &self.offsets
    }

    /// Number of sentences.
    pub fn sentences(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Number of rows in all.
    pub fn rows(&self) -> usize {
        self.offsets[self.offsets.len() - 1]
    }

    /// Rows of one sentence.
    pub fn range(&self, sentence: usize) -> std::ops::Range<usize> {
        self.offsets[sentence]..self.offsets[sentence + 1]
    }

    /// Number of rows of one sentence.
    pub fn length(&self, sentence: usize) -> usize {
        self.range(sentence).len()
    }
}

/// In place of a token id: no word at all. Its embedding is a vector of zeros; a position is added to it as
/// to any other.
pub const NO_WORD: u32 = u32::MAX;

/// A packed batch of token ids (or [`NO_WORD`]), with the position of each sentence's first token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    ids: Vec<u32>,
    spans: Spans,
}

impl Tokens {
    /// Packs sentences.
    pub fn from_sentences<'a>(sentences: impl IntoIterator<Item = &'a [u32]>) -> Tokens {
        let mut ids = Vec::new();
        let lengths: Vec<usize> = sentences
            .into_iter()
            .map(|sentence| {
                ids.extend_from_slice(sentence);
                sentence.len()
            })
            .collect();
        Tokens { ids, spans: Spans::from_lengths(lengths) }
    }

    /// One token for each of many sentences: a decoding step.
    pub fn step(ids: Vec<u32>) -> Tokens {
        let spans = Spans::from_lengths(ids.iter().map(|_| 1));
        Tokens { ids, spans }
    }

    /// Token ids of all sentences.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// Which sentence owns which tokens.
    pub fn spans(&self) -> &Spans {
        &self.spans
    }

    /// Position of every token in its sentence when the first of each stands at `first`.
    pub fn positions(&self, first: usize) -> impl Iterator<Item = usize> + '_ {
        (0..self.spans.sentences())
            .flat_map(move |sentence| first..first + self.spans.length(sentence))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_of_any_length_are_packed_in_order() {
        let tokens = Tokens::from_sentences([[4, 5].as_slice(), &[], &[6]]);
        assert_eq!(tokens.ids(), [4, 5, 6]);
        assert_eq!(tokens.spans().offsets(), [0, 2, 2, 3]);
        assert_eq!(tokens.positions(3).collect::<Vec<_>>(), [3, 4, 3]);
        assert_eq!((tokens.spans().length(1), tokens.spans().range(2)), (0, 2..3));
    }
}
