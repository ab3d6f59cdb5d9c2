//! The door for text: what becomes of long lines, of several sentences on a line, and of what is not whole.

use std::path::Path;
use std::sync::Arc;

use wdistill_formats::ModelFolder;
use wdistill_model::{Architecture, Config, DecoderStart, Model, Vocabularies};
use wdistill_runtime::{
    DecodingOptions, LineContent, LongText, Notice, TooLong, TranslateError, Translation,
    Translator, TranslatorError, TranslatorOptions, quantise,
};
use wdistill_search::SearchOptions;
use wdistill_text::{SubwordModel, Vocabulary, VocabularyPair, VocabularySettings};

const LINES: [&str; 3] = ["A dog runs.", "Two dogs sleep.", "Nobody runs to the dog."];

/// A model that has learnt nothing: what it writes is noise, but the same noise for the same line.
fn folder() -> ModelFolder {
    let settings = VocabularySettings::new(SubwordModel::Bpe, 300);
    let vocabulary = Vocabulary::train(LINES, &settings).unwrap().vocabulary;
    let vocabularies = Vocabularies {
        decoder_start: DecoderStart::ZeroVector,
        ..Vocabularies::shared(vocabulary.size())
    };
    let architecture = Architecture::preset("transformer-nano").unwrap();
    let model = Model::initialise(Config::new(architecture, vocabularies).unwrap(), 3);
    ModelFolder {
        model,
        vocabularies: VocabularyPair { source: vocabulary.clone(), target: vocabulary },
    }
}

/// Translations of at most so many tokens.
fn decoding(max_length: usize) -> DecodingOptions {
    let search = SearchOptions { max_length, ..SearchOptions::default() };
    DecodingOptions { search, ..DecodingOptions::default() }
}

fn options() -> TranslatorOptions {
    TranslatorOptions { decoding: decoding(8), ..TranslatorOptions::default() }
}

fn translator(options: TranslatorOptions) -> Translator {
    let ModelFolder { model, vocabularies } = folder();
    Translator::new(&model, Arc::new(vocabularies), options).unwrap_or_else(|e| panic!("{e}"))
}

fn texts(translations: &[Translation]) -> Vec<&str> {
    translations.iter().map(|translation| translation.text.as_str()).collect()
}

#[test]
fn sentences_are_translated_one_by_one_and_joined_by_their_blanks() {
    let translator = translator(options());
    let alone = translator.translate(&LINES).unwrap();
    let [first, second, third] = texts(&alone)[..] else { panic!("three lines") };
    let text = format!("{}\t{} \u{a0}{}\n", LINES[0], LINES[1], LINES[2]);
    let together = translator.translate(&[text]).unwrap();
    assert_eq!(together[0].text, format!("{first}\t{second} \u{a0}{third}"));
    assert_eq!(together[0].sentences, 3);
    let tokens = |translations: &[Translation]| -> (usize, usize) {
        translations.iter().fold((0, 0), |(read, written), translation| {
            (read + translation.source_tokens, written + translation.target_tokens)
        })
    };
    assert_eq!(tokens(&together), tokens(&alone));
    // The mean log-probability of all words, which the score of the whole is with a penalty of 1.
    let words = |translation: &Translation| translation.target_tokens as f64;
    let all: f64 = alone.iter().map(|one| one.score * words(one)).sum();
    let mean = all / alone.iter().map(words).sum::<f64>();
    assert!((together[0].score - mean).abs() < 1e-12, "{} {mean}", together[0].score);
}

#[test]
fn a_line_as_one_sentence_is_noticed_if_it_comes_back_much_shorter() {
    let content = LineContent::Sentence;
    let decoding = decoding(2);
    let translator = translator(TranslatorOptions { content, decoding, ..options() });
    let translations = translator.translate(&[LINES[0], &LINES.join(" ")]).unwrap();
    assert_eq!(translations[0].notices, [Notice::Cut]);
    assert_eq!(translations[1].notices, [Notice::Cut, Notice::Shorter]);
    assert_eq!(translations[1].sentences, 1);
}

#[test]
fn empty_lines_are_translated_as_nothing() {
    let translations = translator(options()).translate(&["", " \t\u{a0}", LINES[0]]).unwrap();
    assert_eq!(texts(&translations)[..2], ["", ""]);
    let empty = &translations[0];
    assert_eq!((empty.score, empty.source_tokens, empty.target_tokens), (0.0, 0, 0));
    assert!(translator(options()).translate::<&str>(&[]).unwrap().is_empty());
}

#[test]
fn long_lines_are_refused_truncated_or_split() {
    let long = "dog ".repeat(30);
    let of =
        |long_text| translator(TranslatorOptions { max_source_length: 6, long_text, ..options() });
    let lines = ["A dog.", &long, "A dog runs to the dog."];
    let refused = of(LongText::Refuse);
    let error = refused.translate(&lines).unwrap_err();
    let TranslateError::Lines(problems) = &error else { panic!("{error}") };
    assert_eq!(problems.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 3]);
    assert!(
        error.to_string().starts_with("line 2 has 30 tokens, at most 6 are allowed\nline 3 has "),
        "{error}"
    );
    assert!(error.after(10).to_string().starts_with("line 12 has 30 tokens"));
    // The others are translated all the same where each line has an answer of its own.
    let each = refused.translate_each(&lines).unwrap();
    let alone = refused.translate(&lines[..1]).unwrap();
    assert_eq!(each[0].as_ref().unwrap(), &alone[0]);
    assert_eq!(each[1], Err(TooLong::Tokens { found: 30, most: 6 }));

    let truncated = of(LongText::Truncate).translate(&lines).unwrap();
    assert_eq!(truncated[0], alone[0]);
    assert!(truncated[1].notices.contains(&Notice::Truncated { most: 6 }));
    assert_eq!(truncated[1].source_tokens, 7);
    let start = of(LongText::Refuse).translate(&["dog dog dog dog dog dog"]).unwrap();
    assert_eq!(truncated[1].text, start[0].text);

    let split = of(LongText::Split).translate(&lines).unwrap();
    assert!(split[1].notices.contains(&Notice::Split { parts: 5 }), "{:?}", split[1].notices);
    assert_eq!(split[1].sentences, 1);
    assert_eq!(split[1].text, [start[0].text.as_str(); 5].join(" "));
}

#[test]
fn characters_are_judged_before_a_line_is_divided() {
    let options = TranslatorOptions { max_source_length: 2, ..options() };
    let line = "d".repeat(129);
    let each = translator(options).translate_each(&[line]).unwrap();
    assert_eq!(each, [Err(TooLong::Characters { found: 129, most: 128 })]);
}

#[test]
fn the_next_best_translations_follow_the_best() {
    let mut decoding = decoding(8);
    decoding.search.n_best = 3;
    let content = LineContent::Sentence;
    let translator = translator(TranslatorOptions { content, decoding, ..options() });
    let translations = translator.translate(&LINES).unwrap();
    for translation in &translations {
        let scores: Vec<f64> = translation.others.iter().map(|other| other.score).collect();
        assert!(scores.len() == 2 && translation.score >= scores[0] && scores[0] >= scores[1]);
    }
}

/// The second best translation of a line is that of its sentences' second best ones.
#[test]
fn a_line_of_several_sentences_has_as_many_translations_as_its_sentences() {
    let mut decoding = decoding(8);
    decoding.search.n_best = 3;
    let translator = translator(TranslatorOptions { decoding, ..options() });
    let [first, second] = ["A dog runs.", "Two dogs run!"];
    let translations =
        translator.translate(&[first, second, &format!("{first} {second}")]).unwrap();
    let all = |translation: &Translation| {
        let others = translation.others.iter().map(|other| other.text.clone());
        std::iter::once(translation.text.clone()).chain(others).collect::<Vec<_>>()
    };
    let joined: Vec<String> = all(&translations[0])
        .iter()
        .zip(all(&translations[1]))
        .map(|(first, second)| format!("{first} {second}"))
        .collect();
    assert_eq!((joined.len(), all(&translations[2])), (3, joined));
}

/// The same hypotheses as by the door for text, whatever happens between two steps.
#[test]
fn sentences_are_translated_where_the_call_is() {
    let translator = translator(options());
    let lines: Vec<_> = LINES.iter().map(|line| translator.divide(line).unwrap()).collect();
    let sentences: Vec<&[u32]> = lines.iter().flat_map(|line| line.sentences()).collect();
    let settings = translator.tokens().settings_for(1).unwrap();
    let other = translator.tokens().settings_for(2).unwrap();
    let mut steps = 0;
    let mut between = || {
        steps += 1;
        let tokens = translator.tokens();
        assert_eq!(tokens.translate_here(&sentences[..1], &other, &mut || {}).unwrap()[0].len(), 2);
    };
    let mut hypotheses = translator
        .tokens()
        .translate_here(&sentences, &settings, &mut between)
        .unwrap()
        .into_iter();
    assert!(steps > 1);
    for (line, expected) in lines.iter().zip(translator.translate(&LINES).unwrap()) {
        let own: Vec<_> = hypotheses.by_ref().take(line.sentences().len()).collect();
        assert_eq!(translator.join(line, &own).unwrap(), expected);
    }
}

#[test]
fn problems_of_all_options_come_together() {
    let ModelFolder { model, vocabularies } = folder();
    let mut options = TranslatorOptions { threads: 0, max_source_length: 0, ..options() };
    options.decoding.search.n_best = 0;
    let Err(TranslatorError::Options(problems)) =
        Translator::new(&model, Arc::new(vocabularies), options)
    else {
        panic!("accepted")
    };
    assert_eq!(problems.len(), 3, "{problems:#?}");
}

#[test]
fn a_folder_is_opened_whatever_its_weights_are() {
    let place = tempfile::tempdir().unwrap();
    let (float32, int8) = (place.path().join("float32"), place.path().join("int8"));
    let ModelFolder { model, vocabularies } = folder();
    ModelFolder { model: quantise(&model).unwrap(), vocabularies: vocabularies.clone() }
        .save(&int8)
        .unwrap();
    ModelFolder { model, vocabularies }.save(&float32).unwrap();
    let open = |folder: &Path| Translator::open(folder, options()).unwrap();
    let expected = translator(options()).translate(&LINES).unwrap();
    assert_eq!(open(&float32).translate(&LINES).unwrap(), expected);
    let scores =
        |translations: &[Translation]| translations.iter().map(|t| t.score).collect::<Vec<_>>();
    assert_ne!(scores(&open(&int8).translate(&LINES).unwrap()), scores(&expected));

    // Another model's vocabulary.
    let settings = VocabularySettings::new(SubwordModel::Bpe, 300);
    let other = Vocabulary::train(["ab"], &settings).unwrap().vocabulary;
    other.save(&float32.join("source.vocabulary.json")).unwrap();
    let Err(error) = Translator::open(&float32, options()) else { panic!("accepted") };
    assert!(error.to_string().contains("source.vocabulary.json: a vocabulary of"), "{error}");
}

#[test]
fn aligned_translations_are_the_same_and_cover_their_text() {
    let translator = translator(TranslatorOptions { threads: 2, ..options() });
    let text = format!("{} {}", LINES[0], LINES[1]);
    let lines = [LINES[2], "", &text];
    let aligned = translator.translate_aligned(&lines).unwrap();
    let expected = translator.translate(&lines).unwrap();
    for ((translation, sentences), (expected, count)) in
        aligned.iter().zip(expected.iter().zip([1, 0, 2]))
    {
        assert_eq!((translation, sentences.len()), (expected, count));
        let joined: Vec<&str> = sentences.iter().map(|sentence| sentence.target.as_str()).collect();
        assert_eq!(joined.join(" "), translation.text);
        let rows = sentences.iter().map(|sentence| sentence.alignment.rows().len()).sum::<usize>();
        assert_eq!(rows, translation.ids.len());
        for sentence in sentences {
            let words: String =
                sentence.source_spans.iter().map(|span| &sentence.source[span.clone()]).collect();
            assert_eq!(words, sentence.source.replace(' ', ""));
            assert!(sentence.alignment.rows().flatten().all(|share| (0.0..=1.0).contains(share)));
        }
    }
}
