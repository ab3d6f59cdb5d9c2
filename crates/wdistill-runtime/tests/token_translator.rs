//! The translator of token ids: order, independence of neighbours, and what it refuses and reports.

mod common;

use std::sync::Arc;

use common::{END, START, WORDS, model, models, sentences};
use wdistill_model::{Architecture, DecoderStart, Dense, Model, SourceEnding};
use wdistill_runtime::{
    DecodingOptions, Precision, Shortlist, SourceProblem, TokenError, TokenTranslator,
    Translations, TranslatorError,
};
use wdistill_search::{Ending, SearchOptions};

const PRECISIONS: [Precision; 3] = [Precision::Float32, Precision::Bfloat16, Precision::Int8];

fn nano() -> Model<Dense<f32>> {
    model(Architecture::preset("transformer-nano").unwrap(), 3)
}

fn translate(
    model: &Model<Dense<f32>>,
    options: DecodingOptions,
    sources: &[Vec<u32>],
) -> Result<Translations, TokenError> {
    TokenTranslator::new(model, 1, options, None).unwrap().translate(sources)
}

/// A search whose translations have at most so many words, whatever the source.
fn of_at_most(words: usize) -> DecodingOptions {
    let search = SearchOptions {
        max_length_ratio: 0.0,
        max_length_constant: words,
        max_length: words,
        ..SearchOptions::default()
    };
    DecodingOptions { search, ..DecodingOptions::default() }
}

#[test]
fn a_translation_depends_on_neither_neighbours_nor_batch_size_nor_threads() {
    let mut sources = sentences(40, 15);
    sources.insert(17, vec![END]);
    for (model, precision) in
        models().iter().flat_map(|model| PRECISIONS.map(|precision| (model, precision)))
    {
        let run = |threads, batch_tokens| {
            let search = SearchOptions { beam_size: 3, n_best: 2, ..SearchOptions::default() };
            let options = DecodingOptions { batch_tokens, precision, search };
            let translator = TokenTranslator::new(model, threads, options, None).unwrap();
            translator.translate(&sources).unwrap()
        };
        let alone = run(1, 1);
        assert_eq!(alone.report.batches, 40);
        for (threads, batch_tokens) in [(1, 100), (1, 100_000), (2, 300), (3, 100_000)] {
            let together = run(threads, batch_tokens);
            assert!(together.report.batches < 40);
            // Words, endings, and scores to the last bit.
            assert!(
                together.hypotheses == alone.hypotheses,
                "{precision:?} {threads} {batch_tokens}"
            );
        }
    }
}

/// A list of its own for each source word, some of them long.
fn shortlist() -> Shortlist {
    let words = WORDS as u32;
    let of_source =
        (0..words).map(|word| (0..word % 7).map(|i| (word * 5 + i * 3) % words).collect());
    Shortlist::new(vec![4, 9], of_source.collect())
}

#[test]
fn with_a_shortlist_too_a_translation_does_not_depend_on_others() {
    let sources = sentences(40, 15);
    let (model, shortlist) = (nano(), Arc::new(shortlist()));
    for precision in PRECISIONS {
        let run = |threads, batch_tokens| {
            let search = SearchOptions { beam_size: 3, n_best: 2, ..SearchOptions::default() };
            let shortlist = Some(shortlist.clone());
            let options = DecodingOptions { batch_tokens, precision, search };
            let translator = TokenTranslator::new(&model, threads, options, shortlist).unwrap();
            translator.translate(&sources).unwrap().hypotheses
        };
        let alone = run(1, 1);
        assert!(run(2, 300) == alone && run(1, 100_000) == alone, "{precision:?}");
    }
}

#[test]
fn a_shortlist_of_all_words_changes_no_bit() {
    let sources = sentences(10, 12);
    let all = Arc::new(Shortlist::new((0..WORDS as u32).collect(), vec![Vec::new(); WORDS]));
    for model in models() {
        for precision in PRECISIONS {
            let [without, with] = [None, Some(all.clone())].map(|shortlist| {
                let options = DecodingOptions { precision, ..Default::default() };
                let translator = TokenTranslator::new(&model, 1, options, shortlist).unwrap();
                translator.translate(&sources).unwrap()
            });
            assert!(with == without, "{precision:?}");
        }
    }
}

#[test]
fn a_shortlist_of_another_model_is_refused() {
    let refused = |shortlist| {
        let shortlist = Some(Arc::new(shortlist));
        let translator = TokenTranslator::new(&nano(), 1, DecodingOptions::default(), shortlist);
        let Err(error) = translator else { panic!("it was taken") };
        error.to_string()
    };
    let message = refused(Shortlist::new(vec![], vec![vec![]; 3]));
    let expected = format!("the shortlist is for 3 source words, the model has {WORDS}");
    assert!(message.contains(&expected), "{message}");
    let message = refused(Shortlist::new(vec![], vec![vec![WORDS as u32]; WORDS]));
    let expected = format!("the shortlist has target word {WORDS}, but the model has {WORDS}");
    assert!(message.contains(&expected), "{message}");
}

#[test]
fn results_come_in_the_order_of_the_sources() {
    let model = nano();
    let sources = sentences(30, 12);
    let options = DecodingOptions { batch_tokens: 200, ..Default::default() };
    let translator = TokenTranslator::new(&model, 2, options, None).unwrap();
    let forwards = translator.translate(&sources).unwrap().hypotheses;
    let reversed: Vec<_> = sources.iter().rev().cloned().collect();
    let backwards = translator.translate(&reversed).unwrap().hypotheses;
    let tokens = |h: &Vec<wdistill_search::Hypothesis>| h[0].tokens.clone();
    let forwards: Vec<_> = forwards.iter().map(tokens).collect();
    assert_eq!(forwards, backwards.iter().rev().map(tokens).collect::<Vec<_>>());
    let different: std::collections::HashSet<_> = forwards.iter().collect();
    assert!(different.len() > 5, "equal translations show no order");
}

#[test]
fn an_empty_source_has_the_empty_translation() {
    let result = translate(&nano(), DecodingOptions::default(), &[vec![END], vec![END]]).unwrap();
    assert_eq!((result.report.empty_sources, result.report.batches), (2, 0));
    let best = &result.hypotheses[1][0];
    assert_eq!((best.tokens.len(), best.score, best.ending), (0, 0.0, Ending::EndToken));
    let nothing = translate(&nano(), DecodingOptions::default(), &[]).unwrap();
    assert_eq!(nothing, Translations::default());
}

#[test]
fn unreadable_sources_are_all_named() {
    let outside = WORDS as u32;
    let sources = [vec![], vec![3, END], vec![3], vec![outside, END]];
    let error = translate(&nano(), DecodingOptions::default(), &sources).unwrap_err();
    let expected = vec![
        SourceProblem::NoEnd { sentence: 1, end: END, found: None },
        SourceProblem::NoEnd { sentence: 3, end: END, found: Some(3) },
        SourceProblem::UnknownToken { sentence: 4, token: outside, vocabulary: WORDS },
    ];
    assert_eq!(error, TokenError::Sources(expected));
    let many = vec![vec![]; 14];
    let error = translate(&nano(), DecodingOptions::default(), &many).unwrap_err().to_string();
    assert!(error.contains("14 source sentences") && error.contains("and 4 more"), "{error}");
}

#[test]
fn translations_cut_at_the_maximum_length_are_counted() {
    let sources = sentences(20, 6);
    let result = translate(&nano(), of_at_most(2), &sources).unwrap();
    let best = || result.hypotheses.iter().map(|hypotheses| &hypotheses[0]);
    assert!(best().all(|best| best.tokens.len() <= 2));
    let cut: Vec<usize> =
        (1..).zip(best()).filter(|(_, b)| b.ending == Ending::MaximumLength).map(|c| c.0).collect();
    assert!(!cut.is_empty());
    assert_eq!(result.report.cut_translations, cut);
    let tokens: usize = best().map(|best| best.tokens.len() + 1).sum();
    assert_eq!(result.report.target_tokens, tokens);
}

#[test]
fn conventions_of_other_toolkits_are_those_of_the_configuration() {
    // A word whose embedding is zero starts the decoder as a zero vector does, padding is never written,
    // and an encoder that reads no end token reads the same as one that is given none.
    let mut with_word = nano();
    let width = with_word.config.architecture.decoder.width;
    let target = with_word.weights.embeddings.target.as_mut().unwrap();
    target.data_mut()[START as usize * width..][..width].fill(0.0);
    let sources = sentences(20, 6);
    let words = |translations: &Translations| -> Vec<Vec<u32>> {
        translations.hypotheses.iter().map(|hypotheses| hypotheses[0].tokens.clone()).collect()
    };
    let run = |model: &Model<Dense<f32>>, sources: &[Vec<u32>]| {
        // A limit that does not depend on the length of the source.
        translate(model, of_at_most(12), sources).unwrap()
    };
    let expected = run(&with_word, &sources);
    let mut zero = with_word.clone();
    zero.config.vocabularies.decoder_start = DecoderStart::ZeroVector;
    assert!(run(&zero, &sources).hypotheses == expected.hypotheses);

    let favourite = words(&expected)[0][0];
    zero.config.vocabularies.padding = Some(favourite);
    assert!(!words(&run(&zero, &sources)).concat().contains(&favourite));

    let mut wordy = with_word.clone();
    wordy.config.vocabularies.source_ending = SourceEnding::Nothing;
    let twice: Vec<Vec<u32>> =
        sources.iter().map(|ids| [ids.as_slice(), &[END]].concat()).collect();
    assert_eq!(words(&run(&wordy, &twice)), words(&expected));
    assert_ne!(words(&run(&wordy, &sources)), words(&expected));
}

#[test]
fn the_start_token_can_be_forbidden_and_the_end_cannot() {
    let sources = sentences(20, 6);
    let run = |forbidden| {
        let search = SearchOptions { forbidden, ..SearchOptions::default() };
        let options = DecodingOptions { search, ..DecodingOptions::default() };
        translate(&nano(), options, &sources)
    };
    let writes = |translations: &Translations, token| {
        translations.hypotheses.iter().flatten().any(|h| h.tokens.contains(&token))
    };
    let free = run(vec![]).unwrap();
    let favourite = free.hypotheses[0][0].tokens[0];
    assert!(!writes(&run(vec![START, favourite]).unwrap(), favourite));
    assert!(!writes(&run(vec![START]).unwrap(), START));
    assert!(matches!(run(vec![END]).unwrap_err(), TokenError::Search { .. }));
}

#[test]
fn a_broken_model_is_named_with_the_sentences_of_its_batch() {
    let mut model = nano();
    model.weights.decoder.layers[0].feed_forward.down.bias[0] = f32::NAN;
    let sources = [vec![END], vec![3, END]];
    let error = translate(&model, DecodingOptions::default(), &sources).unwrap_err().to_string();
    assert!(error.starts_with("the batch of sentences 2: ") && error.contains("NaN"), "{error}");
}

#[test]
fn one_translator_serves_many_threads() {
    let translator = TokenTranslator::new(&nano(), 1, DecodingOptions::default(), None).unwrap();
    let sources = sentences(5, 6);
    let expected = translator.translate(&sources).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| assert_eq!(translator.translate(&sources).unwrap(), expected));
        }
    });
}

#[test]
fn all_problems_of_the_options_are_reported_together() {
    let search = SearchOptions { beam_size: 0, ..SearchOptions::default() };
    let options = DecodingOptions { batch_tokens: 0, search, ..Default::default() };
    let translator = TokenTranslator::new(&nano(), 0, options, None);
    let Err(TranslatorError::Options(problems)) = translator else { panic!("accepted") };
    assert_eq!(problems.len(), 4, "{problems:#?}");
}

#[test]
fn a_model_too_wide_for_exact_sums_is_refused_in_int8() {
    let mut architecture = Architecture::preset("transformer-nano").unwrap();
    architecture.decoder.feed_forward = (1 << 17) + 1;
    architecture.decoder.width = 4;
    architecture.decoder.heads = 1;
    architecture.decoder.layers = 1;
    let model = common::model(architecture, 5);
    let int8 = DecodingOptions { precision: Precision::Int8, ..Default::default() };
    let translator = TokenTranslator::new(&model, 1, int8, None);
    let Err(error @ TranslatorError::TooWide(_)) = translator else { panic!("accepted") };
    let start = "decoder.layers.0.feed_forward.down.weight has 131073 inputs";
    assert!(error.to_string().starts_with(start), "{error}");
    assert!(TokenTranslator::new(&model, 1, DecodingOptions::default(), None).is_ok());
}

/// Every weight and every activation that is multiplied has an error of up to 2^-9, and a score a few of them. On a processor
/// without the instructions both are float32.
#[test]
fn scores_in_bfloat16_are_close_to_those_of_float32() {
    let (model, sources) = (nano(), sentences(20, 9));
    let scores = |precision| -> Vec<f64> {
        let options = DecodingOptions { precision, ..of_at_most(1) };
        let translator = TokenTranslator::new(&model, 1, options, None).unwrap();
        let Translations { hypotheses, .. } = translator.translate(&sources).unwrap();
        hypotheses.iter().map(|best| best[0].score).collect()
    };
    let (wide, narrow) = (scores(Precision::Float32), scores(Precision::Bfloat16));
    let largest = |values: Vec<f64>| values.into_iter().fold(0.0, f64::max);
    let difference = largest(wide.iter().zip(&narrow).map(|(a, b)| (a - b).abs()).collect());
    assert!(difference < 0.02, "{difference}");
    let has_bfloat16 = Precision::Bfloat16.available() == Precision::Bfloat16;
    assert_eq!(difference > 0.0, has_bfloat16, "{difference}");
}

#[test]
fn weights_in_int8_are_not_computed_with_in_bfloat16() {
    let model = wdistill_runtime::quantise(&nano()).unwrap();
    let options = DecodingOptions { precision: Precision::Bfloat16, ..Default::default() };
    let Err(error) = TokenTranslator::quantised(&model, 1, options, None) else {
        panic!("accepted")
    };
    assert!(error.to_string().contains("int8 already"), "{error}");
}
