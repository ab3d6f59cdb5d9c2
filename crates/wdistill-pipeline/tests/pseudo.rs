//! Pseudo data: shards are kept, made again where they are missing, and refused where they do not fit.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use wdistill_corpus::LineFile;
use wdistill_metrics::{Chrf, CorpusMetric};
use wdistill_model::{Architecture, Config, DecoderStart, Model, Vocabularies};
use wdistill_pipeline::{
    Caution, Display, Keep, Pipeline, PipelineError, PseudoReport, Recipe, RunFolder, RunOptions,
    SHARD, Untranslated, follow, translate_corpus,
};
use wdistill_runtime::{DecodingOptions, Translator};
use wdistill_search::SearchOptions;
use wdistill_text::{SubwordModel, Vocabulary, VocabularyPair, VocabularySettings};
use wdistill_train::{Alone, Interrupt, Ranks, dismiss, line_by_line, threads};

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

/// Lines in a file.
fn line_file(lines: &[String], path: &Path) -> LineFile {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, lines.join("\n") + "\n").unwrap();
    LineFile::open(path, SHARD).unwrap()
}

/// Translates lines, one translation each, alone or as the first of several ranks.
fn translated(
    translator: &Translator,
    ranks: &dyn Ranks,
    lines: &[String],
    folder: &Path,
) -> Result<PseudoReport, PipelineError> {
    let lines = &line_file(lines, &folder.join("lines.txt"));
    let text = Untranslated { lines, references: None, keep: Keep::Best };
    translate_corpus(
        translator,
        ranks,
        text,
        folder,
        ("pseudo data", Display::Silent),
        &Interrupt::default(),
    )
}

/// Three shards, the last one short.
fn lines_of_three_shards() -> Vec<String> {
    (0..2 * SHARD + 100).map(|n| format!("w{}", n % 97)).collect()
}

#[test]
fn shards_are_resumed_and_checked() {
    let lines = lines_of_three_shards();
    let translator = translator(&lines, 1);
    let folder = tempfile::tempdir().unwrap();
    let run = |lines: &[String]| translated(&translator, &Alone, lines, folder.path());
    let path = |name: &str| folder.path().join(name);

    let first = run(&lines).unwrap();
    assert_eq!(first.lines, lines.len());
    let target = fs::read_to_string(path("target.txt")).unwrap();
    assert_eq!(target.lines().count(), lines.len());
    let source = fs::read_to_string(path("source.txt")).unwrap();
    assert!(source.lines().eq(lines.iter()));
    let shards = ["shards/00000.txt", "shards/00001.txt", "shards/00002.txt"];
    assert_eq!(shards.map(|name| fs::read_to_string(path(name)).unwrap()).concat(), target);

    // One is made again, the others are kept: their seconds are those of the first time.
    let kept = fs::read_to_string(path("shards/00000.json")).unwrap();
    fs::remove_file(path("shards/00001.txt")).unwrap();
    let second = run(&lines).unwrap();
    assert_eq!((&second.target_hash, second.tokens), (&first.target_hash, first.tokens));
    // A text whose record was not written any more is made again, too.
    fs::remove_file(path("shards/00002.json")).unwrap();
    assert_eq!(run(&lines).unwrap().target_hash, first.target_hash);
    assert_eq!(fs::read_to_string(path("shards/00000.json")).unwrap(), kept);

    let refused = |expected: &str, lines: &[String]| {
        let error = run(lines).unwrap_err();
        assert!(matches!(error, PipelineError::PseudoData { .. }), "{error}");
        assert!(error.to_string().contains(expected), "{expected:?} in: {error}");
    };
    let mut changed = lines.clone();
    changed[SHARD + 500].push('x');
    refused("00001.txt: it translates another text", &changed);
    let text = fs::read_to_string(path("shards/00000.txt")).unwrap();
    fs::write(path("shards/00000.txt"), format!("x{text}")).unwrap();
    refused("00000.txt: its translations were changed", &lines);
    fs::write(path("shards/00000.json"), kept.replace("\"lines\": 10000", "\"lines\": 9999"))
        .unwrap();
    refused("it has 9999 lines, expected 10000", &lines);
}

/// Several programs train a teacher and translate together what one does alone; parts that others have made before are found,
/// and what is missing is made.
#[test]
fn ranks_and_parts_make_what_one_program_makes() {
    let folder = tempfile::tempdir().unwrap();
    let lines = lines_of_three_shards();
    fs::write(folder.path().join("a.txt"), lines.join("\n") + "\n").unwrap();
    fs::write(folder.path().join("b.txt"), lines.join("x\n") + "x\n").unwrap();
    let run = |name: &str, ranks: Arc<dyn Ranks>, parts: &[&str]| -> String {
        let out = folder.path().join(name);
        let pipeline = |ranks: &Arc<dyn Ranks>| {
            let recipe = Recipe::parse(RECIPE, Path::new("test"), Some(folder.path())).unwrap();
            let options = RunOptions { ranks: ranks.clone(), ..options(Caution::GoOn) };
            let claimed = RunFolder::wait_for(&out).unwrap();
            Pipeline::new(recipe.plan().unwrap(), claimed, options).unwrap()
        };
        for part in parts {
            let pipeline = pipeline(&ranks);
            let prepared = pipeline.prepare().unwrap();
            let teacher = pipeline.teacher(&prepared).unwrap();
            pipeline.pseudo_part(&prepared, &teacher, part.parse().unwrap()).unwrap();
            assert!(!out.join("pseudo/target.txt").exists());
        }
        let pipeline = pipeline(&ranks);
        let mut prepared = pipeline.prepare().unwrap();
        let teacher = pipeline.teacher(&prepared).unwrap();
        if parts == ["2/2"] {
            let shards = fs::read_dir(out.join("pseudo/shards")).unwrap();
            let mut names: Vec<_> = shards.map(|shard| shard.unwrap().file_name()).collect();
            names.sort();
            assert_eq!(names, ["00001.json", "00001.txt"]);
        }
        pipeline.pseudo_data(&mut prepared, &teacher).unwrap();
        // A part that comes too late has nothing to do.
        pipeline.pseudo_part(&prepared, &teacher, "1/2".parse().unwrap()).unwrap();
        dismiss(&*ranks);
        fs::read_to_string(out.join("pseudo/target.txt")).unwrap()
    };
    let expected = run("alone", Arc::new(Alone), &[]);
    assert_eq!(expected.lines().count(), lines.len());
    assert!(run("parts", Arc::new(Alone), &["2/2"]) == expected);
    assert!(run("all-parts", Arc::new(Alone), &["3/3", "1/3", "2/3"]) == expected);
    let mut ranks = threads(2);
    let (other, first) = (ranks.pop().unwrap(), ranks.pop().unwrap());
    std::thread::scope(|scope| {
        scope.spawn(move || follow(&other, 1).unwrap());
        assert!(run("ranks", Arc::new(first), &[]) == expected);
    });
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
    let kept = folder.path().join("run/pairs/training/source.txt");
    fs::write(&kept, "one\ntwo\n").unwrap();
    let error = pipeline.pseudo_data(&mut prepared, &teacher).unwrap_err();
    assert!(matches!(&error, PipelineError::Changed { path } if *path == kept), "{error}");
    fs::write(&kept, "one\ntwo\nthree\n").unwrap();
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
        pipeline.prepare().map(|prepared| prepared.training.store.len())
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
        let file = |lines: &[String], name: &str| line_file(lines, &folder.path().join(name));
        let (lines, references) = (file(&lines, "lines.txt"), file(&references, "references.txt"));
        let text = Untranslated { lines: &lines, references: Some(&references), keep };
        let (display, interrupt) = (Display::Silent, Interrupt::default());
        translate_corpus(
            &translator,
            &Alone,
            text,
            folder.path(),
            ("pseudo data", display),
            &interrupt,
        )
        .unwrap();
        let [source, target] = ["source.txt", "target.txt"]
            .map(|file| fs::read_to_string(folder.path().join(file)).unwrap());
        assert_eq!(source.lines().count(), target.lines().count());
        let times = source.lines().count() / lines.lines();
        let lines = lines.read(0).unwrap();
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
