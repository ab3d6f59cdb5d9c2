//! The float32 engine against the float64 reference.

mod common;

use common::{END, START, models, sentences};
use wdistill_kernels::Float32Matrix;
use wdistill_model::reference::{Reference, log_softmax};
use wdistill_model::tree::OutputLayer;
use wdistill_model::{DecoderState, Dense, Engine, Matrix, Model, Spans, Tokens};
use wdistill_runtime::{Activations, BatchDecoder, Cpu, DecodingEngine, Shortlist, pack_float32};

type Engine32 = Cpu<Float32Matrix>;
use wdistill_search::{
    Candidate, Scores, SearchOptions, SearchSettings, SourceSentence, Step, StepModel, Vocabulary,
    search,
};

/// Weights and activations are of size one, products sum at most 32 of them.
const TOLERANCE: f64 = 1e-5;

fn assert_close(found: &[f32], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((f64::from(*found) - expected).abs() < TOLERANCE, "{found} {expected}");
    }
}

fn pack(sentences: &[Vec<u32>]) -> Tokens {
    Tokens::from_sentences(sentences.iter().map(Vec::as_slice))
}

fn states_and_logits<E: Engine>(
    engine: &E,
    model: &Model<E::Leaf>,
    sources: &Tokens,
    targets: &Tokens,
) -> [E::Activations; 3] {
    let encoded = model.encode(engine, sources);
    let mut state = DecoderState::new(&model.config);
    let states = model.decode(engine, targets, targets.spans(), &encoded, &mut state);
    let logits = model.logits(engine, &states);
    [encoded.states, states, logits]
}

#[test]
fn states_and_logits_are_those_of_the_reference() {
    for model in models() {
        let sources = pack(&sentences(7, 12));
        let mut targets = sentences(7, 70);
        targets.iter_mut().for_each(|target| target[0] = START);
        let targets = pack(&targets);
        let found =
            states_and_logits(&Engine32::default(), &pack_float32(&model), &sources, &targets);
        let expected = states_and_logits(&Reference, &model.convert(), &sources, &targets);
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found.rows(), expected.rows());
            assert_close(found.data(), expected.data());
        }
    }
}

/// A step model without memory: every step reads every hypothesis from its first word on, alone, in
/// float64. Slow and obvious.
struct Rereader {
    model: Model<Dense<f64>>,
    sources: Vec<Vec<u32>>,
    prefixes: Vec<Vec<u32>>,
    /// Words that each source may be translated with.
    allowed: Vec<Vec<u32>>,
}

impl Rereader {
    fn new(model: &Model<Dense<f32>>, sources: &[Vec<u32>]) -> Rereader {
        let prefixes = vec![Vec::new(); sources.len()];
        let allowed = vec![(0..common::WORDS as u32).collect(); sources.len()];
        Rereader { model: model.convert(), sources: sources.to_vec(), prefixes, allowed }
    }

    /// Of the allowed words.
    fn log_probabilities(&self, sentence: usize, prefix: &[u32]) -> Vec<f64> {
        let source = Tokens::from_sentences([self.sources[sentence].as_slice()]);
        let target = Tokens::from_sentences([prefix]);
        let [_, _, logits] = states_and_logits(&Reference, &self.model, &source, &target);
        let row = logits.row(prefix.len() - 1);
        let allowed = self.allowed[sentence].iter().map(|word| row[*word as usize]);
        log_softmax(&allowed.collect::<Vec<_>>())
    }
}

impl StepModel for Rereader {
    fn vocabulary(&self) -> Vocabulary {
        Vocabulary { size: common::WORDS, start: START, end: END }
    }

    fn step(&mut self, step: &Step<'_>) -> Scores {
        let extend = |(token, parent): (&u32, &usize)| {
            [self.prefixes[*parent].as_slice(), &[*token]].concat()
        };
        self.prefixes = step.tokens.iter().zip(step.parents).map(extend).collect();
        let sentences = step.rows_of_sentence.iter().enumerate();
        let owners = sentences.flat_map(|(sentence, rows)| vec![sentence; *rows]);
        let mut scores = Scores::default();
        for (prefix, sentence) in self.prefixes.iter().zip(owners) {
            let log_probabilities = self.log_probabilities(sentence, prefix);
            let candidates = self.allowed[sentence].iter().zip(log_probabilities);
            let candidate = |(token, log_probability): (&u32, f64)| Candidate {
                token: *token,
                log_probability,
            };
            let mut row: Vec<Candidate> = candidates.map(candidate).collect();
            let end = row.iter().find(|candidate| candidate.token == END);
            scores.end.push(end.unwrap().log_probability);
            row.sort_by(|a, b| b.log_probability.total_cmp(&a.log_probability));
            scores.best.extend(&row[..step.candidates]);
        }
        scores
    }
}

#[test]
fn a_search_finds_what_it_finds_over_the_reference() {
    let sources = sentences(6, 9);
    let words: Vec<SourceSentence> =
        sources.iter().map(|source| (source.len() - 1).into()).collect();
    let mut lengths = std::collections::BTreeSet::new();
    for model in models() {
        for beam in [1, 2, 5] {
            let options =
                SearchOptions { beam_size: beam, n_best: beam.min(2), ..SearchOptions::default() };
            let settings = SearchSettings::new(options).unwrap();
            let (engine, packed) = (Engine32::default(), pack_float32(&model));
            let mut decoder = BatchDecoder::new(&packed, &engine, &pack(&sources));
            let found = search(&mut decoder, &words, &settings).unwrap();
            let expected = search(&mut Rereader::new(&model, &sources), &words, &settings).unwrap();
            for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
                assert_eq!((&found.tokens, found.ending), (&expected.tokens, expected.ending));
                assert!((found.score - expected.score).abs() < TOLERANCE);
                lengths.insert(found.tokens.len());
            }
        }
    }
    assert!(lengths.len() > 5, "translations of like lengths only show little: {lengths:?}");
}

#[test]
fn with_a_shortlist_only_its_words_share_the_probability() {
    let sources = sentences(6, 9);
    let words: Vec<SourceSentence> =
        sources.iter().map(|source| (source.len() - 1).into()).collect();
    // Every source word may become itself or the next but one; 3 and 5 may always be written.
    let count = common::WORDS as u32;
    let of_source = (0..count).map(|word| vec![(word + 2) % count, word]).collect();
    let shortlist = Shortlist::new(vec![5, 3], of_source);
    let allowed = |source: &Vec<u32>| -> Vec<u32> {
        let may = |word: &u32| {
            [END, 3, 5].contains(word)
                || source.iter().any(|s| s == word || (s + 2) % count == *word)
        };
        (0..count).filter(may).collect()
    };
    for model in models() {
        let options = SearchOptions { beam_size: 3, n_best: 3, ..SearchOptions::default() };
        let settings = SearchSettings::new(options).unwrap();
        let (engine, packed) = (Engine32::default(), pack_float32(&model));
        let tokens = pack(&sources);
        let decoder = BatchDecoder::new(&packed, &engine, &tokens);
        let mut decoder = decoder.restricted(&tokens, &shortlist, 0);
        let found = search(&mut decoder, &words, &settings).unwrap();
        let mut rereader = Rereader::new(&model, &sources);
        rereader.allowed = sources.iter().map(allowed).collect();
        let expected = search(&mut rereader, &words, &settings).unwrap();
        for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
            assert_eq!((&found.tokens, found.ending), (&expected.tokens, expected.ending));
            assert!((found.score - expected.score).abs() < TOLERANCE);
        }
    }
}

#[test]
fn a_step_after_any_reordering_equals_rereading() {
    let sources = sentences(3, 8);
    // Tokens, parents and rows of each sentence: the beam widens, crosses, shrinks; sentence 1 ends.
    let steps: [(&[u32], &[usize], &[usize]); 5] = [
        (&[START, START, START], &[0, 1, 2], &[1, 1, 1]),
        (&[3, 4, 5, 6, 7], &[0, 0, 1, 2, 2], &[2, 1, 2]),
        (&[8, 9, 10, 11], &[1, 0, 4, 4], &[2, 0, 2]),
        (&[12, 13, 14], &[1, 1, 2], &[2, 0, 1]),
        (&[15, 16], &[1, 2], &[1, 0, 1]),
    ];
    for model in models() {
        let (engine, packed) = (Engine32::default(), pack_float32(&model));
        let mut decoder = BatchDecoder::new(&packed, &engine, &pack(&sources));
        let mut rereader = Rereader::new(&model, &sources);
        for (tokens, parents, rows_of_sentence) in steps {
            let step = Step { tokens, parents, rows_of_sentence, candidates: 4 };
            let (found, expected) = (decoder.step(&step), rereader.step(&step));
            for (found, expected) in found.best.iter().zip(&expected.best) {
                assert_eq!(found.token, expected.token);
                assert!((found.log_probability - expected.log_probability).abs() < TOLERANCE);
            }
            for (found, expected) in found.end.iter().zip(&expected.end) {
                assert!((found - expected).abs() < TOLERANCE);
            }
            assert_eq!(found.best.len(), expected.best.len());
        }
    }
}

#[test]
fn several_tokens_may_follow_what_is_remembered() {
    let targets: Vec<Vec<u32>> = vec![vec![START, 4, 5, 6, 7, 8], vec![START, 9, 3, 3, 2, 1]];
    let chunk = |range: std::ops::Range<usize>| {
        Tokens::from_sentences(targets.iter().map(move |target| &target[range.clone()]))
    };
    for model in models() {
        let (engine, packed) = (Engine32::default(), pack_float32(&model));
        let sources = pack(&sentences(2, 8));
        let [_, expected, _] = states_and_logits(&engine, &packed, &sources, &chunk(0..6));
        let encoded = packed.encode(&engine, &sources);
        let mut state = DecoderState::new(&packed.config);
        for range in [0..1, 1..4, 4..6] {
            let tokens = chunk(range.clone());
            let states = packed.decode(&engine, &tokens, tokens.spans(), &encoded, &mut state);
            for (sentence, first) in [0, 6].into_iter().enumerate() {
                let found = tokens.spans().range(sentence).flat_map(|row| states.row(row));
                let expected = range.clone().flat_map(|row| expected.row(first + row));
                for (found, expected) in found.zip(expected) {
                    assert!((found - expected).abs() < TOLERANCE as f32);
                }
            }
        }
    }
}

#[test]
fn next_words_of_equal_probability_come_by_token() {
    let states = Matrix::new(1, 2, vec![1.0, 0.0]);
    let table = Matrix::new(4, 2, vec![0.5, 9.0, 2.0, 9.0, 2.0, -9.0, 0.5, 0.0]);
    let packed = Float32Matrix::pack(table.data(), 4, 2);
    let layer = OutputLayer { table: &packed, bias: None };
    let scores = Engine32::default().next_words(&states.into(), &layer, 3, 3);
    let tokens: Vec<u32> = scores.best.iter().map(|candidate| candidate.token).collect();
    assert_eq!(tokens, [1, 2, 0]);
    // ln(e^0.5 / (2 e^0.5 + 2 e^2)) = 0.5 - 2 - ln(2 + 2 e^-1.5)
    let end = -1.5 - (2.0 + 2.0 * (-1.5f64).exp()).ln();
    assert!((scores.end[0] - end).abs() < 1e-6);
    assert_eq!(scores.best[2].log_probability, scores.end[0]);
}

#[test]
fn a_sentence_without_queries_attends_to_nothing() {
    let engine = Engine32::default();
    let row = |value: f32| Activations::from(Matrix::new(2, 4, vec![value; 8]));
    let memory = engine.remember(None, row(0.5), row(2.0), &Spans::from_lengths([1, 1]));
    let spans = Spans::from_lengths([0, 2]);
    let mask = wdistill_model::Mask::Full;
    assert_eq!(engine.attend(&row(1.0), &spans, &memory, 2, mask).data(), [2.0; 8]);
}
