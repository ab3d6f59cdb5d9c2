//! Which source words the words of a translation come from: attention to the source, read once more for a translation
//! that is known.

use std::collections::HashMap;
use std::ops::Range;

use wdistill_kernels::PackedWeight;
use wdistill_model::{AlignmentHead, AlignmentQuery, DecoderState, Dense, Model, Tokens};
use wdistill_text::{LexicalTable, TextError, Vocabulary};

use crate::cpu::Cpu;
use crate::packed::{Packed, pack_float32};

/// How much of each target token comes from each source token.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Alignment {
    source_tokens: usize,
    /// `[target tokens, source tokens]`.
    weights: Vec<f32>,
}

impl Alignment {
    /// Of shares `[target tokens, source tokens]`.
    ///
    /// # Panics
    /// If these are no whole rows.
    pub fn new(source_tokens: usize, weights: Vec<f32>) -> Alignment {
        assert!(weights.len().is_multiple_of(source_tokens.max(1)), "whole rows");
        Alignment { source_tokens, weights }
    }

    /// For each target token the shares of all source tokens, neither with their end tokens. The shares of a row add up to
    /// at most 1; the rest is the end token's.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        // Without source tokens there is no row that says anything.
        self.weights.chunks_exact(self.source_tokens.max(1))
    }

    /// Source tokens of a row.
    pub fn source_tokens(&self) -> usize {
        self.source_tokens
    }
}

/// A source sentence with its end token, and its translation without one.
pub type Pair<'a> = (&'a [u32], &'a [u32]);

/// Attention of every decoder layer to the source, for some pairs that are read together.
struct Attentions<'a> {
    pairs: &'a [Pair<'a>],
    heads: usize,
    /// Of each layer: of each pair, of each query (one more than target tokens), of each head, of each key.
    layers: Vec<Vec<f32>>,
    /// Keys of each pair.
    keys: Vec<usize>,
}

impl<'a> Attentions<'a> {
    fn of<W: PackedWeight>(
        model: &Model<Packed<W>>,
        engine: &Cpu<W>,
        pairs: &'a [Pair<'a>],
    ) -> Attentions<'a> {
        let vocabularies = &model.config.vocabularies;
        let sources = pairs.iter().map(|(source, _)| vocabularies.encoder_input(source));
        let keys = sources.clone().map(<[u32]>::len).collect();
        let encoded = model.encode(engine, &Tokens::from_sentences(sources));
        let start = vocabularies.decoder_start.token();
        let targets: Vec<Vec<u32>> = pairs
            .iter()
            .map(|(_, target)| std::iter::once(start).chain(target.iter().copied()).collect())
            .collect();
        let targets = Tokens::from_sentences(targets.iter().map(Vec::as_slice));
        let layers = engine.recording(|| {
            let mut state = DecoderState::new(&model.config);
            model.decode(engine, &targets, targets.spans(), &encoded, &mut state);
        });
        Attentions { pairs, heads: model.config.architecture.decoder.heads, layers, keys }
    }

    /// For each pair, where its probabilities begin in a layer's list.
    fn places(&self) -> impl Iterator<Item = usize> {
        let sizes = self.pairs.iter().zip(&self.keys);
        sizes.scan(0, |place, ((_, target), keys)| {
            let start = *place;
            *place += (target.len() + 1) * self.heads * keys;
            Some(start)
        })
    }

    /// The alignment of each pair by the mean of some heads of a layer.
    fn alignments(
        &self,
        layer: usize,
        heads: Range<usize>,
        query: AlignmentQuery,
    ) -> Vec<Alignment> {
        let first = match query {
            AlignmentQuery::Predicting => 0,
            AlignmentQuery::Reading => 1,
        };
        let share = 1.0 / heads.len() as f32;
        let of_pair = |((place, (source, target)), keys): ((usize, &Pair<'_>), &usize)| {
            let words = source.len() - 1;
            let mut weights = vec![0.0; target.len() * words];
            for (token, row) in weights.chunks_exact_mut(words.max(1)).enumerate() {
                for head in heads.clone() {
                    let start = place + ((token + first) * self.heads + head) * keys;
                    let own = &self.layers[layer][start..][..words];
                    row.iter_mut().zip(own).for_each(|(sum, weight)| *sum += share * weight);
                }
            }
            Alignment { source_tokens: words, weights }
        };
        self.places().zip(self.pairs).zip(&self.keys).map(of_pair).collect()
    }
}

/// The alignment of each pair by the attention that the model's configuration names. Where it names none, by the mean of all
/// heads of the last decoder layer but one, which often aligns best.
pub(crate) fn align<W: PackedWeight>(
    model: &Model<Packed<W>>,
    pairs: &[Pair<'_>],
) -> Vec<Alignment> {
    let decoder = model.config.architecture.decoder;
    if pairs.is_empty() {
        return Vec::new();
    }
    let attentions = Attentions::of(model, &Cpu::default(), pairs);
    match model.config.alignment {
        Some(AlignmentHead { layer, head, query }) => {
            attentions.alignments(layer, head..head + 1, query)
        }
        None => {
            let layer = decoder.layers.saturating_sub(2);
            attentions.alignments(layer, 0..decoder.heads, AlignmentQuery::Predicting)
        }
    }
}

/// Iterations of expectation-maximisation; more change little.
const ITERATIONS: usize = 5;

/// Pairs with a side of more tokens say no more than others about where words come from, and their attention takes much
/// memory.
pub const MOST_ALIGNED_TOKENS: usize = 200;

/// Pairs that are read together.
const BATCH: usize = 16;

/// Added to a word's probability, so that one word that nothing explains does not decide.
const FLOOR: f64 = 1e-4;

/// Finds the head whose attention aligns words best on some pairs of token ids, without end tokens, and gives it with its
/// score: the mean over target words `y` of
///
/// ```text
/// ln Σ_i a(y, i) t(y | x_i)
/// ```
///
/// where `a` is the attention and `t` are the word translations that IBM model 1 learns from the same pairs. It is the
/// likelihood of a lexical mixture with the attention as its alignment, so that it needs no aligned text. Pairs of more than
/// [`MOST_ALIGNED_TOKENS`] are passed over.
pub fn best_alignment_head(
    model: &Model<Dense<f32>>,
    pairs: &[(Vec<u32>, Vec<u32>)],
) -> Option<(AlignmentHead, f64)> {
    let vocabularies = &model.config.vocabularies;
    let lengths = 1..=MOST_ALIGNED_TOKENS;
    let is_good = |(source, target): &&(Vec<u32>, Vec<u32>)| {
        lengths.contains(&source.len()) && lengths.contains(&target.len())
    };
    let pairs: Vec<(Vec<u32>, Vec<u32>)> = pairs.iter().filter(is_good).cloned().collect();
    let table = LexicalTable::learn(&pairs, vocabularies.source, ITERATIONS, &mut |_| {});
    let table: Vec<HashMap<u32, f64>> =
        table.of_source().iter().map(|row| row.iter().copied().collect()).collect();
    let packed = pack_float32(model);
    let decoder = model.config.architecture.decoder;
    let mut candidates: Vec<(AlignmentHead, f64)> = Vec::new();
    for layer in 0..decoder.layers {
        for head in 0..decoder.heads {
            for query in [AlignmentQuery::Predicting, AlignmentQuery::Reading] {
                candidates.push((AlignmentHead { layer, head, query }, 0.0));
            }
        }
    }
    let mut words = 0;
    let sources: Vec<Vec<u32>> = pairs
        .iter()
        .map(|(source, _)| source.iter().copied().chain([vocabularies.source_end]).collect())
        .collect();
    let all: Vec<Pair<'_>> = sources
        .iter()
        .zip(&pairs)
        .map(|(source, (_, target))| (source.as_slice(), target.as_slice()))
        .collect();
    for batch in all.chunks(BATCH) {
        let attentions = Attentions::of(&packed, &Cpu::default(), batch);
        words += batch.iter().map(|(_, target)| target.len()).sum::<usize>();
        for (AlignmentHead { layer, head, query }, score) in &mut candidates {
            let alignments = attentions.alignments(*layer, *head..*head + 1, *query);
            for ((source, target), alignment) in batch.iter().zip(&alignments) {
                for (word, shares) in target.iter().zip(alignment.rows()) {
                    let of_source = source.iter().zip(shares);
                    let likelihood: f64 = of_source
                        .filter_map(|(source, share)| {
                            Some(f64::from(*share) * table[*source as usize].get(word)?)
                        })
                        .sum();
                    *score += (likelihood + FLOOR).ln();
                }
            }
        }
    }
    let best = candidates.into_iter().max_by(|(_, a), (_, b)| a.total_cmp(b))?;
    (words > 0).then(|| (best.0, best.1 / words as f64))
}

/// Where each token stands in a text, in bytes: by the characters that are no blanks, since normalisation folds those.
///
/// Where the text and what the tokens spell have another number of such characters, places are scaled.
pub(crate) fn token_spans(
    vocabulary: &Vocabulary,
    ids: &[u32],
    text: &str,
) -> Result<Vec<Range<usize>>, TextError> {
    let is_shown = |character: &char| !character.is_whitespace();
    let mut ends = Vec::with_capacity(ids.len());
    let mut last = 0;
    for end in 1..=ids.len() {
        // A prefix may end inside a character, which is then left out: nothing goes backwards.
        last = last.max(vocabulary.decode(&ids[..end])?.chars().filter(is_shown).count());
        ends.push(last);
    }
    let shown: Vec<Range<usize>> = text
        .char_indices()
        .filter(|(_, character)| is_shown(character))
        .map(|(place, character)| place..place + character.len_utf8())
        .collect();
    let scaled = |count: usize| count * shown.len() / last.max(1);
    let mut start = 0;
    let span = |end: usize| {
        let (first, after) = (scaled(start), scaled(end));
        start = end;
        match shown.get(first..after) {
            Some([first, .., last]) => first.start..last.end,
            Some([only]) => only.clone(),
            _ => {
                let place = shown.get(first).map_or(text.len(), |next| next.start);
                place..place
            }
        }
    };
    Ok(ends.into_iter().map(span).collect())
}

#[cfg(test)]
mod tests {
    use wdistill_text::{SubwordModel, VocabularySettings};

    use super::*;

    #[test]
    fn tokens_stand_where_their_characters_are() {
        let settings = VocabularySettings::new(SubwordModel::Bpe, 300);
        let text = "ein kühler Hund  läuft";
        let vocabulary = Vocabulary::train([text], &settings).unwrap().vocabulary;
        let ids = vocabulary.encode(text);
        let spans = token_spans(&vocabulary, &ids, text).unwrap();
        let covered: String = spans.iter().map(|span| &text[span.clone()]).collect();
        assert_eq!(covered.replace(' ', ""), "einkühlerHundläuft");
        assert!(spans.windows(2).all(|pair| pair[0].end <= pair[1].start), "{spans:?}");
        // A text that normalisation makes longer.
        let spans = token_spans(&vocabulary, &vocabulary.encode("… ½ läuft"), "… ½ läuft").unwrap();
        assert_eq!(spans.last().unwrap().end, "… ½ läuft".len());
    }
}
