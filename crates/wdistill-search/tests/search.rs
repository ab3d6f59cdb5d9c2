//! Search on small tables, against results worked out by hand and against enumeration.

use wdistill_search::{
    Candidate, Ending, Hypothesis, Sampling, Scores, SearchError, SearchOptions, SearchSettings,
    SourceSentence, Step, StepModel, Stopping, Vocabulary, search,
};

const END: u32 = 0;

/// The probability of a word depends on all words before it and on the sentence.
trait Language {
    fn words(&self) -> usize;
    /// Log-probabilities of all words after `prefix`.
    fn after(&self, sentence: usize, prefix: &[u32]) -> Vec<f64>;
}

/// Runs a language as a step model; keeps every hypothesis' prefix, so that a wrong parent shows.
struct Runner<'a, L> {
    language: &'a L,
    prefixes: Vec<Vec<u32>>,
    steps: usize,
    rows: usize,
}

impl<'a, L: Language> Runner<'a, L> {
    fn new(language: &'a L, sentences: usize) -> Self {
        Runner { language, prefixes: vec![Vec::new(); sentences], steps: 0, rows: 0 }
    }
}

impl<L: Language> StepModel for Runner<'_, L> {
    fn vocabulary(&self) -> Vocabulary {
        Vocabulary { size: self.language.words(), start: END, end: END }
    }

    fn step(&mut self, step: &Step<'_>) -> Scores {
        let extend = |(token, parent): (&u32, &usize)| {
            let prefix: &Vec<u32> = &self.prefixes[*parent];
            match self.steps {
                0 => vec![],
                _ => [prefix.as_slice(), &[*token]].concat(),
            }
        };
        self.prefixes = step.tokens.iter().zip(step.parents).map(extend).collect();
        self.steps += 1;
        self.rows += step.tokens.len();
        let sentences = step.rows_of_sentence.iter().enumerate();
        let owners = sentences.flat_map(|(sentence, rows)| vec![sentence; *rows]);
        let mut scores = Scores::default();
        for (prefix, sentence) in self.prefixes.iter().zip(owners) {
            let all = self.language.after(sentence, prefix);
            scores.end.push(all[END as usize]);
            let mut row: Vec<Candidate> = (0..)
                .zip(all)
                .map(|(token, log_probability)| Candidate { token, log_probability })
                .collect();
            row.sort_by(|a, b| b.log_probability.total_cmp(&a.log_probability));
            row.truncate(step.candidates);
            scores.best.extend(row);
        }
        scores
    }
}

/// A Markov chain over words: row of the last word (row 0 at the start), column of the next.
struct Chain(Vec<Vec<f64>>);

impl Language for Chain {
    fn words(&self) -> usize {
        self.0.len()
    }
    fn after(&self, _: usize, prefix: &[u32]) -> Vec<f64> {
        let last = prefix.last().copied().unwrap_or(0);
        self.0[last as usize].iter().map(|p| p.ln()).collect()
    }
}

/// Pseudo-random probabilities that depend on the sentence's identity and the whole prefix.
struct Noise {
    words: usize,
    sentences: Vec<u64>,
}

impl Language for Noise {
    fn words(&self) -> usize {
        self.words
    }
    fn after(&self, sentence: usize, prefix: &[u32]) -> Vec<f64> {
        let seed = prefix.iter().fold(self.sentences[sentence], |hash, token| {
            (hash ^ u64::from(*token + 1)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
        });
        let weight = |word: usize| {
            let bits = (seed ^ word as u64).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let bits = (bits ^ (bits >> 31)).wrapping_mul(0x94d0_49bb_1331_11eb);
            0.05 + (bits >> 40) as f64 / (1u64 << 24) as f64
        };
        let weights: Vec<f64> = (0..self.words).map(weight).collect();
        let sum: f64 = weights.iter().sum();
        weights.iter().map(|weight| (weight / sum).ln()).collect()
    }
}

fn options(beam_size: usize, most: usize) -> SearchOptions {
    SearchOptions {
        beam_size,
        max_length_ratio: 0.0,
        max_length_constant: most,
        max_length: most,
        ..SearchOptions::default()
    }
}

fn run<L: Language>(
    language: &L,
    sentences: usize,
    options: SearchOptions,
) -> Vec<Vec<Hypothesis>> {
    let settings = SearchSettings::new(options).unwrap();
    search(&mut Runner::new(language, sentences), &vec![3.into(); sentences], &settings).unwrap()
}

fn tokens(hypotheses: &[Hypothesis]) -> Vec<&[u32]> {
    hypotheses.iter().map(|hypothesis| hypothesis.tokens.as_slice()).collect()
}

/// Word 1 looks best at first (0.6 to 0.4) but then both ways are unlikely; word 2 is followed by the
/// end with 0.9.
fn garden_path() -> Chain {
    Chain(vec![vec![0.0, 0.6, 0.4], vec![0.5, 0.25, 0.25], vec![0.9, 0.05, 0.05]])
}

#[test]
fn greedy_takes_the_most_probable_word_and_a_beam_finds_the_better_sentence() {
    let greedy = run(&garden_path(), 1, options(1, 10));
    assert_eq!(tokens(&greedy[0]), [[1]]);
    assert!((greedy[0][0].log_probability - 0.3f64.ln()).abs() < 1e-12);
    let beam = run(&garden_path(), 1, SearchOptions { n_best: 2, ..options(2, 10) });
    assert_eq!(tokens(&beam[0]), [[2], [1]]);
    assert!((beam[0][0].log_probability - 0.36f64.ln()).abs() < 1e-12);
    assert!((beam[0][0].score - 0.36f64.ln() / 2.0).abs() < 1e-12);
    assert_eq!(beam[0][0].ending, Ending::EndToken);
}

// Start: word 1. After 1: end 0.4, word 2 0.6. After 2: always the end.
// Sums: [1] ln 0.4 = -0.916, [1, 2] ln 0.6 = -0.511; divided by 2 and 3: -0.458, -0.170.
// With 0.7 / 0.3 instead: sums -0.357, -1.204; means -0.178, -0.401; with the penalty 4:
// -0.357 / 16 = -0.0223 and -1.204 / 81 = -0.0149, so that the longer one wins.
#[test]
fn the_length_penalty_decides_between_short_and_long() {
    let chain =
        |end: f64| Chain(vec![vec![0.0, 1.0, 0.0], vec![end, 0.0, 1.0 - end], vec![1.0, 0.0, 0.0]]);
    let best = |end, length_penalty| {
        let options = SearchOptions { length_penalty, ..options(3, 10) };
        run(&chain(end), 1, options)[0][0].clone()
    };
    assert_eq!(best(0.4, 1.0).tokens, [1, 2]);
    assert_eq!(best(0.7, 1.0).tokens, [1]);
    assert_eq!(best(0.7, 4.0).tokens, [1, 2]);
    assert!((best(0.7, 4.0).score - 0.3f64.ln() / 81.0).abs() < 1e-12);
}

#[test]
fn the_maximum_length_forces_an_end_and_shows_it() {
    let forever = Chain(vec![vec![0.1, 0.9], vec![0.2, 0.8]]);
    let cut = &run(&forever, 1, options(1, 3))[0][0];
    assert_eq!((cut.tokens.as_slice(), cut.ending), ([1, 1, 1].as_slice(), Ending::MaximumLength));
    assert!((cut.log_probability - (0.9f64 * 0.8 * 0.8 * 0.2).ln()).abs() < 1e-12);
    let willing = Chain(vec![vec![0.1, 0.9], vec![0.6, 0.4]]);
    let ended = &run(&willing, 1, SearchOptions { min_length: 3, ..options(1, 3) })[0][0];
    assert_eq!((ended.tokens.as_slice(), ended.ending), ([1, 1, 1].as_slice(), Ending::EndToken));
}

#[test]
fn the_end_is_not_allowed_before_the_minimum_length() {
    let eager = Chain(vec![vec![0.9, 0.1], vec![0.9, 0.1]]);
    for beam in [1, 2, 4] {
        let options = SearchOptions { min_length: 2, ..options(beam, 6) };
        for hypothesis in &run(&eager, 1, options)[0] {
            assert_eq!(hypothesis.tokens, [1, 1]);
        }
    }
}

/// A language in which some words cannot follow; the others keep their probabilities.
struct Without<'a>(&'a Noise, &'a [u32]);

impl Language for Without<'_> {
    fn words(&self) -> usize {
        self.0.words
    }
    fn after(&self, sentence: usize, prefix: &[u32]) -> Vec<f64> {
        let mut next = self.0.after(sentence, prefix);
        self.1.iter().for_each(|token| next[*token as usize] = f64::NEG_INFINITY);
        next
    }
}

#[test]
fn forbidden_tokens_are_words_of_probability_zero() {
    let noise = Noise { words: 9, sentences: (0..40).collect() };
    let free = SearchOptions { n_best: 2, ..options(2, 5) };
    let forbidden = vec![5, 3, 7, 1];
    let impossible = run(&Without(&noise, &forbidden), 40, free.clone());
    assert_ne!(run(&noise, 40, free.clone()), impossible);
    assert_eq!(run(&noise, 40, SearchOptions { forbidden, ..free }), impossible);
}

#[test]
fn an_end_that_ranks_behind_the_beam_finishes_nothing() {
    let chain = Chain(vec![vec![0.2, 0.5, 0.3], vec![1.0, 0.0, 0.0], vec![1.0, 0.0, 0.0]]);
    let found = run(&chain, 1, SearchOptions { n_best: 2, length_penalty: 0.0, ..options(2, 5) });
    assert_eq!(tokens(&found[0]), [[1], [2]]);
}

/// Every sentence of at most `most` words, scored.
fn enumerate(noise: &Noise, most: usize, settings: &SearchSettings) -> Vec<(Vec<u32>, f64)> {
    let mut all = Vec::new();
    let mut open = vec![(Vec::new(), 0.0)];
    for length in 0..=most {
        let mut longer = Vec::new();
        for (prefix, sum) in open {
            let next = noise.after(0, &prefix);
            all.push((prefix.clone(), settings.score(sum + next[END as usize], length)));
            longer.extend(
                (1..noise.words).map(|token| {
                    ([prefix.as_slice(), &[token as u32]].concat(), sum + next[token])
                }),
            );
        }
        open = longer;
    }
    all.sort_by(|a, b| b.1.total_cmp(&a.1));
    all
}

#[test]
fn a_beam_as_wide_as_all_sentences_finds_the_best_ones() {
    // 1 + 3 + 9 + 27 + 81 = 121 sentences of up to four of three words.
    for stopping in [Stopping::BeamFinished, Stopping::NoneBetter] {
        for (seed, length_penalty) in [(1, 0.0), (2, 0.6), (3, 1.0), (4, 1.5), (5, 3.0)] {
            let noise = Noise { words: 4, sentences: vec![seed] };
            let options = SearchOptions { length_penalty, stopping, n_best: 3, ..options(121, 4) };
            let settings = SearchSettings::new(options.clone()).unwrap();
            let expected = enumerate(&noise, 4, &settings);
            assert_eq!(expected.len(), 121);
            let found = run(&noise, 1, options);
            for (found, expected) in found[0].iter().zip(&expected[..3]) {
                assert_eq!(found.tokens, expected.0);
                assert!((found.score - expected.1).abs() < 1e-12);
            }
            assert_eq!(found[0].len(), 3);
        }
    }
}

#[test]
fn a_beam_of_one_is_greedy_search() {
    for stopping in [Stopping::BeamFinished, Stopping::NoneBetter] {
        for seed in 0..50 {
            let noise = Noise { words: 5, sentences: vec![seed] };
            let mut expected = Vec::new();
            while expected.len() < 8 {
                let next = noise.after(0, &expected);
                let best = (0..5).max_by(|a, b| next[*a].total_cmp(&next[*b])).unwrap();
                if best == END as usize {
                    break;
                }
                expected.push(best as u32);
            }
            let found = &run(&noise, 1, SearchOptions { stopping, ..options(1, 8) })[0];
            assert_eq!(tokens(found), [expected]);
        }
    }
}

#[test]
fn a_sentence_gets_the_same_result_in_any_batch() {
    let seeds: Vec<u64> = (10..30).collect();
    for stopping in [Stopping::BeamFinished, Stopping::NoneBetter] {
        let options = SearchOptions { stopping, n_best: 2, ..options(3, 7) };
        let together =
            run(&Noise { words: 6, sentences: seeds.clone() }, seeds.len(), options.clone());
        for (seed, expected) in seeds.iter().zip(&together) {
            let alone = run(&Noise { words: 6, sentences: vec![*seed] }, 1, options.clone());
            assert_eq!(&alone[0], expected);
        }
        let backwards = Noise { words: 6, sentences: seeds.iter().rev().copied().collect() };
        let mut reversed = run(&backwards, seeds.len(), options);
        reversed.reverse();
        assert_eq!(reversed, together);
    }
}

#[test]
fn searching_until_none_is_better_never_scores_lower() {
    let mut better = 0;
    for seed in 0..200 {
        let noise = Noise { words: 8, sentences: vec![seed] };
        let score =
            |stopping| run(&noise, 1, SearchOptions { stopping, ..options(3, 8) })[0][0].score;
        let (first, best) = (score(Stopping::BeamFinished), score(Stopping::NoneBetter));
        assert!(best >= first, "seed {seed}: {best} < {first}");
        better += usize::from(best > first);
    }
    assert!(better > 0, "the two rules never differ, so this shows nothing");
}

#[test]
fn a_sentence_that_is_done_costs_no_rows() {
    // Both sentences end at once; three rows would be a live beam of two that goes on.
    let settings = SearchSettings::new(options(1, 9)).unwrap();
    let certain = Chain(vec![vec![1.0, 0.0], vec![1.0, 0.0]]);
    let mut runner = Runner::new(&certain, 2);
    let results = search(&mut runner, &[3.into(); 2], &settings).unwrap();
    assert_eq!((runner.steps, runner.rows), (1, 2));
    assert!(results.iter().all(|hypotheses| hypotheses[0].tokens.is_empty()));
    assert_eq!(results[0][0].score, 0.0);
}

#[test]
fn equal_scores_are_ordered_by_token() {
    let third = 1.0 / 3.0;
    let even = Chain(vec![vec![0.0, 0.5, 0.5], vec![1.0, 0.0, 0.0], vec![1.0, 0.0, 0.0]]);
    let found = run(&even, 1, SearchOptions { n_best: 2, ..options(2, 5) });
    assert_eq!(tokens(&found[0]), [[1], [2]]);
    let flat = Chain(vec![vec![third; 3]; 3]);
    assert_eq!(run(&flat, 1, options(1, 5))[0][0].tokens, [0u32; 0]);
}

#[test]
fn senseless_settings_and_scores_are_refused_with_their_place() {
    let fails = |chain: &Chain, options| {
        let settings = SearchSettings::new(options).unwrap();
        search(&mut Runner::new(chain, 1), &[3.into()], &settings).unwrap_err()
    };
    let end = SearchOptions { forbidden: vec![END], ..options(2, 5) };
    assert_eq!(fails(&garden_path(), end), SearchError::EndForbidden(END));
    let outside = SearchOptions { forbidden: vec![7], ..options(2, 5) };
    assert_eq!(fails(&garden_path(), outside), SearchError::ForbiddenOutside { token: 7, size: 3 });
    let broken = Chain(vec![vec![0.0, 1.0], vec![f64::NAN, 0.5]]);
    let error = fails(&broken, options(1, 5)).to_string();
    assert!(error.contains("sentence 0") && error.contains("word 1: the model"), "{error}");
    let stuck = Chain(vec![vec![0.0, 1.0], vec![0.0, 0.0]]);
    assert_eq!(fails(&stuck, options(2, 5)), SearchError::DeadEnd { sentence: 0, position: 1 });
}

/// Samples of many sentences, each with a seed of its own.
fn sampled(chain: &Chain, sentences: u64, options: SearchOptions) -> Vec<Vec<Hypothesis>> {
    let settings = SearchSettings::new(options).unwrap();
    let sources: Vec<SourceSentence> =
        (0..sentences).map(|seed| SourceSentence { words: 3, seed }).collect();
    search(&mut Runner::new(chain, sources.len()), &sources, &settings).unwrap()
}

/// The end with 0.1, words 1, 2, 3 with 0.2, 0.3, 0.4; after a word the end.
fn one_word() -> Chain {
    let end = vec![1.0, 0.0, 0.0, 0.0];
    Chain(vec![vec![0.1, 0.2, 0.3, 0.4], end.clone(), end.clone(), end])
}

#[test]
fn words_are_drawn_by_their_probabilities() {
    let sampling = |top_k, temperature| Some(Sampling { top_k, temperature, seed: 1 });
    // Probabilities of nothing and of the words 1 to 3, worked out by hand.
    let cases = [
        (sampling(0, 1.0), [0.1, 0.2, 0.3, 0.4]),
        (sampling(2, 1.0), [0.0, 0.0, 3.0 / 7.0, 4.0 / 7.0]),
        (sampling(0, 0.5), [1.0 / 30.0, 4.0 / 30.0, 9.0 / 30.0, 16.0 / 30.0]),
        (sampling(9, 1.0), [0.1, 0.2, 0.3, 0.4]),
    ];
    for (sampling, expected) in cases {
        let chain = one_word();
        let options = SearchOptions { sampling, n_best: 2, ..options(2, 9) };
        let found = sampled(&chain, 5000, options);
        let mut counts = [0.0; 4];
        for hypothesis in found.iter().flatten() {
            let word = hypothesis.tokens.first().copied().unwrap_or(END) as usize;
            counts[word] += 1.0;
            let probability: f64 = [0.1, 0.2, 0.3, 0.4][word];
            assert!((hypothesis.log_probability - probability.ln()).abs() < 1e-12);
            assert_eq!(hypothesis.ending, Ending::EndToken);
        }
        for (count, expected) in counts.iter().zip(expected) {
            let deviation = f64::sqrt(10_000.0 * expected * (1.0 - expected));
            assert!((count - 10_000.0 * expected).abs() <= 4.0 * deviation, "{counts:?}");
        }
    }
}

#[test]
fn samples_are_the_same_alone_and_among_others_and_keep_their_prefixes() {
    let chain = Chain(vec![vec![0.2, 0.4, 0.4]; 3]);
    let sampling = Some(Sampling::default());
    let options = SearchOptions { sampling, n_best: 3, ..options(3, 12) };
    let together = sampled(&chain, 40, options.clone());
    let settings = SearchSettings::new(options).unwrap();
    for (seed, expected) in (0..).zip(&together) {
        let source = [SourceSentence { words: 3, seed }];
        let alone = search(&mut Runner::new(&chain, 1), &source, &settings).unwrap();
        assert_eq!(alone[0], *expected);
        assert_eq!(expected.len(), 3);
        for hypothesis in expected {
            let words = hypothesis.tokens.len();
            let probability = 0.4f64.ln() * words as f64 + 0.2f64.ln();
            assert!((hypothesis.log_probability - probability).abs() < 1e-9);
        }
    }
    let different: std::collections::BTreeSet<&Vec<u32>> =
        together.iter().flatten().map(|hypothesis| &hypothesis.tokens).collect();
    assert!(different.len() > 40, "{}", different.len());
}
