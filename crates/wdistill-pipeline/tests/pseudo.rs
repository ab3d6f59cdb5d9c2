//! Pseudo data: shards are kept, made again where they are missing, and refused where they do not fit.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use wdistill_metrics::{Chrf, CorpusMetric};
use wdistill_model::{Architecture, Config, DecoderStart, Model, Vocabularies};
use wdistill_pipeline::{
    Caution, Display, Keep, Pipeline, PipelineError, Recipe, RunFolder, RunOptions, Untranslated,
    translate_corpus,
};
use wdistill_runtime::{DecodingOptions, Translator};
use wdistill_search::SearchOptions;
use wdistill_text::{SubwordModel, Vocabulary, VocabularyPair, VocabularySettings};
use wdistill_train::{Alone, Interrupt, line_by_line};

/// A random model's, for words of which there are some in each line.
fn translator(lines: &[String], beam_size: usize) -> Translator {
    let settings = VocabularySettings::new(SubwordModel::Bpe, 300);
    let vocabulary = Vocabulary::train(lines, &settings).unwrap().vocabulary;
    let (size, end) = (vocabulary.size(), vocabulary.end_id());
    let vocabularies = Vocabularies {
        source_end: end,
        target_end: end,
        decoder_start: DecoderStart::Word(end),
        ..Vocabularies::shared(size)
    };
    let architecture = Architecture::preset("transformer-nano").unwrap();
    let model = Model::initialise(Config::new(architecture, vocabularies).unwrap(), 1);
    let search = SearchOptions {
        beam_size,
        n_best: beam_size,
        max_length_ratio: 1.0,
        max_length_constant: 2,
        max_length: 4,
        ..SearchOptions::default()
    };
    let options = line_by_line(&DecodingOptions { search, ..DecodingOptions::default() }, 1);
    let pair = VocabularyPair { source: vocabulary.clone(), target: vocabulary };
    Translator::new(&model, Arc::new(pair), options).unwrap()
}

#[test]
fn shards_are_resumed_and_checked() {
    // Three shards, the last one short.
    let lines: Vec<String> = (0..2100).map(|n| format!("w{}", n % 97)).collect();
    let translator = translator(&lines, 1);
    let folder = tempfile::tempdir().unwrap();
    let run = |lines: &[String]| {
        let (display, interrupt) = (Display::Silent, Interrupt::default());
        let folder = folder.path();
        let text = Untranslated { lines, references: &[], keep: Keep::Best };
        translate_corpus(&translator, text, folder, display, &interrupt)
    };
    let shard = |index: usize| folder.path().join(format!("shards/{index:05}.json"));

    let first = run(&lines).unwrap();
    assert_eq!(first.lines, 2100);
    let target = fs::read_to_string(folder.path().join("target.txt")).unwrap();
    assert_eq!(target.lines().count(), 2100);
    let source = fs::read_to_string(folder.path().join("source.txt")).unwrap();
    assert!(source.lines().eq(lines.iter()));

    // One is made again, the others are kept: their seconds are those of the first time.
    let kept = fs::read_to_string(shard(0)).unwrap();
    fs::remove_file(shard(1)).unwrap();
    let second = run(&lines).unwrap();
    assert_eq!((second.target_hash, second.tokens), (first.target_hash, first.tokens));
    assert_eq!(fs::read_to_string(shard(0)).unwrap(), kept);

    let refused = |expected: &str, lines: &[String]| {
        let error = run(lines).unwrap_err();
        assert!(matches!(error, PipelineError::PseudoData { .. }), "{error}");
        assert!(error.to_string().contains(expected), "{expected:?} in: {error}");
    };
    let mut changed = lines.clone();
    changed[1500].push('x');
    refused("00001.json: it translates another text", &changed);
    let mut json: serde_json::Value = serde_json::from_str(&kept).unwrap();
    let translation = json["translations"][7].as_str().unwrap().to_string() + "x";
    json["translations"][7] = translation.into();
    fs::write(shard(0), json.to_string()).unwrap();
    refused("00000.json: its translations were changed", &lines);
    json["translations"].as_array_mut().unwrap().pop();
    fs::write(shard(0), json.to_string()).unwrap();
    refused("it has 999 lines, expected 1000", &lines);
}

fn options(caution: Caution) -> RunOptions {
    let interrupt = Interrupt::default();
    let ranks = Arc::new(Alone);
    RunOptions { threads: 1, display: Display::Silent, commit: None, caution, interrupt, ranks }
}

const RECIPE: &str = r#"
title = "Test"
systems = []
[data]
train = { source = "a.txt", target = "b.txt" }
validation = { source = "a.txt", target = "b.txt" }
[vocabulary]
size = 300
[teacher]
preset = "transformer-nano"
training = { updates = 1, criterion = "loss" }
[student]
preset = "transformer-nano"
[pseudo_data]
beam = 1
max_length = 3
"#;

/// The lines that were checked are those that are translated, or none are.
#[test]
fn a_text_that_changes_during_a_run_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("a.txt");
    fs::write(&source, "one\ntwo\nthree\n").unwrap();
    fs::write(folder.path().join("b.txt"), "eins\nzwei\ndrei\n").unwrap();
    let recipe = Recipe::parse(RECIPE, Path::new("test"), Some(folder.path())).unwrap();
    let run = RunFolder::claim(&folder.path().join("run")).unwrap();
    let pipeline = Pipeline::new(recipe.plan().unwrap(), run, options(Caution::Stop)).unwrap();
    let mut prepared = pipeline.prepare().unwrap();
    let teacher = pipeline.teacher(&prepared).unwrap();
    fs::write(&source, "one\ntwo\n").unwrap();
    let error = pipeline.pseudo_data(&mut prepared, &teacher).unwrap_err();
    assert!(matches!(&error, PipelineError::Changed { path } if *path == source), "{error}");
    fs::write(&source, "one\ntwo\nthree\n").unwrap();
    // So are the weights of the teacher.
    let weights = teacher.model.join("model.safetensors");
    let right = fs::read(&weights).unwrap();
    let mut wrong = right.clone();
    *wrong.last_mut().unwrap() ^= 1;
    fs::write(&weights, wrong).unwrap();
    let error = pipeline.pseudo_data(&mut prepared, &teacher).unwrap_err();
    assert!(matches!(&error, PipelineError::Changed { path } if *path == teacher.model), "{error}");
    fs::write(&weights, right).unwrap();
    pipeline.pseudo_data(&mut prepared, &teacher).unwrap();
}

/// One file given twice is no translation.
#[test]
fn sides_that_are_the_same_are_refused_unless_the_user_insists() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.txt"), "one\ntwo\nthree\n").unwrap();
    let text = RECIPE.replace("b.txt", "a.txt");
    let prepare = |text: &str, caution: Caution| {
        let recipe = Recipe::parse(text, Path::new("test"), Some(folder.path())).unwrap();
        let run = RunFolder::claim(&folder.path().join("run")).unwrap();
        let pipeline = Pipeline::new(recipe.plan().unwrap(), run, options(caution)).unwrap();
        pipeline.prepare().map(|prepared| prepared.training.lines.len())
    };
    let error = prepare(&text, Caution::Stop).unwrap_err();
    assert!(matches!(error, PipelineError::Suspicious { .. }), "{error}");
    assert!(error.to_string().contains("of 3 pairs 3 have the same text on both sides"), "{error}");
    assert_eq!(prepare(&text, Caution::GoOn).unwrap(), 3);
    // Pairs that are left out for another reason count as well.
    fs::write(folder.path().join("a.txt"), "one\none\ntwo\ntwo\nthree\nthree\n").unwrap();
    let dropped = text.replace("[data]", "[data]\nduplicates = \"drop\"");
    let error = prepare(&dropped, Caution::Stop).unwrap_err();
    assert!(error.to_string().contains("of 6 pairs 6 have the same text"), "{error}");
}

/// What is kept of a beam: all of it, or the hypothesis that chrF chooses.
#[test]
fn of_a_beam_all_is_kept_or_what_a_score_chooses() {
    let lines: Vec<String> = (0..40).map(|n| format!("w{} w{}", n % 7, n % 11)).collect();
    let translator = translator(&lines, 3);
    let beams: Vec<Vec<String>> = translator
        .translate(&lines)
        .unwrap()
        .into_iter()
        .map(|found| {
            std::iter::once(found.text).chain(found.others.into_iter().map(|o| o.text)).collect()
        })
        .collect();
    assert!(beams.iter().all(|beam| beam.len() == 3));
    // Each in its turn is the translation that the training text has.
    let references: Vec<String> =
        (0..).zip(&beams).map(|(line, beam)| beam[line % 3].clone()).collect();
    let kept = |keep: Keep| -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let text = Untranslated { lines: &lines, references: &references, keep };
        let (display, interrupt) = (Display::Silent, Interrupt::default());
        translate_corpus(&translator, text, folder.path(), display, &interrupt).unwrap();
        let [source, target] = ["source.txt", "target.txt"]
            .map(|file| fs::read_to_string(folder.path().join(file)).unwrap());
        assert_eq!(source.lines().count(), target.lines().count());
        let times = source.lines().count() / lines.len();
        let repeated = lines.iter().flat_map(|line| std::iter::repeat_n(line.as_str(), times));
        assert!(source.lines().eq(repeated));
        target.lines().map(str::to_string).collect()
    };
    assert_eq!(kept(Keep::Best), beams.iter().map(|beam| beam[0].clone()).collect::<Vec<_>>());
    assert_eq!(kept(Keep::All), beams.concat());

    let chrf =
        |one: &String, other: &String| Chrf::default().sentence_score(one, &[other]).unwrap().score;
    assert_eq!(kept(Keep::Nearest), references);
    for (beam, found) in beams.iter().zip(kept(Keep::Consensus)) {
        let agreement = |one: &String| beam.iter().map(|other| chrf(one, other)).sum::<f64>();
        let all: Vec<f64> = beam.iter().map(agreement).collect();
        let best = all.iter().copied().fold(0.0, f64::max);
        assert!((agreement(&found) - best).abs() < 1e-9, "{found:?} of {beam:?}: {all:?}");
    }
}
