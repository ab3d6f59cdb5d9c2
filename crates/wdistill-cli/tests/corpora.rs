//! A recipe of four corpora, as a user runs it, killed at random.

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{Sizes, write_texts};
use wdistill_base::Random;
use wdistill_text::packed_by_name;

const RECIPE: &str = r#"
title = "Four corpora"
[data]
languages = { source = "en", target = "de" }
duplicates = "drop"
validation = { source = "validation.en", target = "validation.de", other_references = ["validation.de"] }
other_validations = { same = { source = "validation.en", target = "validation.de" } }
test = { source = "test.en", target = "test.de", other_references = ["other.de"] }
other_tests = { again = { source = "validation.en", target = "validation.de", other_references = ["other.de"] } }
[[data.train]]
name = "plain"
source = "parts/plain-*.en"
target = "parts/plain-*.de"
alignments = "parts/plain-*.align.gz"
filters = { min_letters = 0.4 }
[[data.train]]
name = "columns"
file = "columns.tsv.gz"
columns = [2, 3]
weight = 1.5
tag = ">>de<<"
modifiers = { upper_case = 0.3, title_case = 0.2, typos = 0.3, punctuation = 0.3, placeholders = 0.3, subword_sampling = 0.5 }
[[data.train]]
name = "lines"
file = "lines.jsonl.zst"
fields = ["pair.en", "pair.de"]
weight = 0.5
[[data.train]]
name = "memory"
file = "memory.tmx"
filters = { scores = { model = "forward/teacher/model", reverse_model = "reverse/teacher/model", share = 0.8 } }
[[data.stages]]
until_update = 12
weights = { memory = 0, pseudo-data = 0.5, back-translation = 2 }
[[data.stages]]
weights = { plain = 0.25, memory = 3 }
[vocabulary]
size = 500
[teacher]
preset = "transformer-nano"
training = { updates = 40, guided_alignment = 0.1, max_tokens = 400, warm_up = 10, validate_every = 20, checkpoint_every = 3, average_last = 1, criterion = "loss" }
[student]
preset = "transformer-nano"
training = { updates = 24, guided_alignment = 0.1, max_tokens = 400, warm_up = 10, validate_every = 12, checkpoint_every = 2, average_last = 1, criterion = "loss" }
[pseudo_data]
beam_size = 2
max_length = 12
keep = "all"
[[pseudo_data.sources]]
file = "monolingual-*.en.gz"
[back_translation]
model = "reverse/teacher/model"
sources = [{ file = "monolingual.de" }]
tag = "<BT>"
weight = 0.5
beam_size = 1
sampling = { top_k = 5 }
max_length = 12
[decoding]
beam_size = 1
max_length = 12
[benchmark]
rounds = 1
sentences = 5
[[systems]]
method = "wd"
generator = { updates = 12 }
"#;

/// A text of the target language.
const MONOLINGUAL: [&str; 3] = ["Der Hund schläft.", "Ich sehe ein rotes Haus.", "Wo ist sie?"];

fn pack(path: &Path, text: &str) {
    fs::write(path, packed_by_name(path, text.as_bytes()).unwrap()).unwrap();
}

/// An alignment of words by their places.
fn diagonal((source, target): &(&String, &String)) -> String {
    let [source, target] = [source, target].map(|side| side.split_whitespace().count());
    let links: Vec<String> = (0..source.min(target)).map(|word| format!("{word}-{word}")).collect();
    links.join(" ")
}

/// The demonstration's text in four forms.
fn write_task(folder: &Path) {
    write_texts(folder, Sizes { train: 400, validation: 12, test: 12 });
    let lines = |name: &str| -> Vec<String> {
        let text = fs::read_to_string(folder.join(name)).unwrap();
        text.lines().map(str::to_string).collect()
    };
    let (sources, targets) = (lines("train.en"), lines("train.de"));
    let pairs: Vec<(&String, &String)> = sources.iter().zip(&targets).collect();
    fs::create_dir(folder.join("parts")).unwrap();
    let side = |pairs: &[(&String, &String)], side: fn(&(&String, &String)) -> String| {
        pairs.iter().map(|pair| side(pair) + "\n").collect::<String>()
    };
    for (name, part) in [("a", &pairs[..60]), ("b", &pairs[60..150])] {
        let file = |language: &str| folder.join(format!("parts/plain-{name}.{language}"));
        fs::write(file("en"), side(part, |pair| pair.0.clone())).unwrap();
        fs::write(file("de"), side(part, |pair| pair.1.clone())).unwrap();
        pack(&file("align.gz"), &side(part, diagonal));
    }
    // One pair has hardly a letter, one has no target, one is there again in another corpus.
    let file = |language: &str| folder.join(format!("parts/plain-c.{language}"));
    fs::write(file("en"), "1 2 3 4 5\nno target\n").unwrap();
    fs::write(file("de"), "1 2 3 4 5 6\n\n").unwrap();
    pack(&file("align.gz"), "0-0 4-5\n\n");
    let columns = side(&pairs[150..250], |(source, target)| format!("0.5\t{source}\t{target}"));
    pack(&folder.join("columns.tsv.gz"), &columns);
    let object = |(source, target): &(&String, &String)| {
        serde_json::json!({ "pair": { "en": source, "de": target } }).to_string()
    };
    let objects = [&pairs[250..330], &pairs[..1]].concat();
    pack(&folder.join("lines.jsonl.zst"), &side(&objects, object));
    let unit = |(source, target): &(&String, &String)| {
        let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;");
        let variant = |language: &str, text: &str| {
            format!("<tuv xml:lang=\"{language}\"><seg>{}</seg></tuv>", escaped(text))
        };
        format!("<tu>{}{}</tu>", variant("en-GB", source), variant("de", target))
    };
    let units = side(&pairs[330..], unit);
    let memory =
        format!("<?xml version=\"1.0\"?>\n<tmx version=\"1.4\"><body>\n{units}</body></tmx>\n");
    fs::write(folder.join("memory.tmx"), memory).unwrap();
    // Two texts of the source language, of which one has an empty line and one that is far too long.
    let lines = |lines: &[&str]| lines.join("\n") + "\n";
    pack(&folder.join("monolingual-a.en.gz"), &lines(&["I see a red house.", "", "Where is it?"]));
    pack(
        &folder.join("monolingual-b.en.gz"),
        &lines(&[&"far too long ".repeat(100), "She sees me."]),
    );
    fs::copy(folder.join("test.de"), folder.join("other.de")).unwrap();
    fs::write(folder.join("monolingual.de"), lines(&MONOLINGUAL)).unwrap();
    for (out, from, to) in [("forward", "en", "de"), ("reverse", "de", "en")] {
        let texts = format!(
            "--train train.{from} train.{to} --validation validation.{from} validation.{to}"
        );
        let train = format!(
            "train {texts} --out {out} --seed 3 --vocabulary-size 500 --preset transformer-nano --threads 2 --quiet \
             --set training.updates=10 --set training.max_tokens=400 --set training.validate_every=10"
        );
        let mut command = Command::new(env!("CARGO_BIN_EXE_wdistill"));
        let output = command.current_dir(folder).args(train.split_whitespace()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    fs::write(folder.join("four.toml"), RECIPE).unwrap();
}

fn command(task: &Path, out: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wdistill"));
    command.arg("run").arg(task.join("four.toml")).arg("--out").arg(out);
    // A toy teacher knows next to nothing.
    command.args(["--threads", "2", "--force"]);
    command
}

#[test]
fn four_corpora_are_mixed_and_twenty_kills_cost_no_bit() {
    let folder = tempfile::tempdir().unwrap();
    write_task(folder.path());
    let (whole, killed) = (folder.path().join("whole"), folder.path().join("killed"));
    let start = Instant::now();
    let output = command(folder.path(), &whole).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    let took = start.elapsed();
    for expected in [
        "training, plain: ",
        ": 152 pairs, 150 kept, 2 left out",
        "1 pairs with too few letters, left out",
        "1 pairs with an empty target, left out",
        "training, columns: ",
        ": 100 pairs, 100 kept, 0 left out",
        "training, lines: ",
        ": 81 pairs, 80 kept, 1 left out",
        "as pair 1 of plain",
        "training, memory: ",
        ": 70 pairs, 56 kept, 14 left out",
        "14 pairs with a poor score, left out",
        "scores/memory: 70 pairs, ",
        "monolingual-*.en.gz: 3 lines, 1 empty and 1 over the token limit left out",
        "pseudo data: 389 lines",
        "monolingual.de: 3 lines, 0 empty and 0 over the token limit left out",
        "back translation: 3 lines",
        "teacher: pairs were changed: ",
        " written in capitals, ",
    ] {
        assert!(said.contains(expected), "{expected:?} in\n{said}");
    }
    let report = fs::read_to_string(whole.join("report.json")).unwrap();
    assert!(report.contains("nrefs:2|"), "{report}");
    let sources = fs::read_to_string(whole.join("pairs/training/source.txt")).unwrap();
    assert_eq!(sources.lines().filter(|line| line.starts_with(">>de<< ")).count(), 100);
    let back = |side: &str| {
        let file = whole.join(format!("pairs/back-translation/{side}.txt"));
        fs::read_to_string(file).unwrap()
    };
    assert!(back("source").lines().all(|line| line.starts_with("<BT> ")), "{}", back("source"));
    assert!(back("target").lines().all(|line| MONOLINGUAL.contains(&line)), "{}", back("target"));

    // The second validation text is the first one.
    let log = fs::read_to_string(whole.join("teacher/metrics.jsonl")).unwrap();
    let events = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let validations: Vec<_> = events.filter(|event| event["kind"] == "validation").collect();
    assert_eq!(validations.len(), 2);
    for event in validations {
        assert_eq!(event["others"]["same"]["loss"], event["loss"], "{event}");
    }

    let parts = folder.path().join("parts");
    for (text, shard) in [
        ("scores", "scores/memory/shards/00000.bin"),
        ("back-translation", "back-translation/text/shards/00000.txt"),
    ] {
        let mut part = Command::new(env!("CARGO_BIN_EXE_wdistill"));
        part.arg("pseudo-data").arg(folder.path().join("four.toml")).arg("--out").arg(&parts);
        let output =
            part.args(["--text", text, "--part", "1/1", "--threads", "1"]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let bytes = |run: &Path| fs::read(run.join(shard)).unwrap();
        assert!(bytes(&parts) == bytes(&whole), "{shard}");
    }

    // At moments from the first to the last of the time that a whole run takes; the seed is that of this test.
    let mut random = Random::named(1, "kills");
    for _ in 0..20 {
        let mut child = command(folder.path(), &killed)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(took.mul_f64(random.uniform()).max(Duration::from_millis(20)));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let output = command(folder.path(), &killed).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for file in [
        "pairs/training/pairs.bin",
        "pairs/training/alignments.bin",
        "pairs/training/left-out.tsv",
        "scores/memory/scores.bin",
        "sources/lines.txt",
        "pairs/back-translation/pairs.bin",
        "pairs/pseudo-data/pairs.bin",
        "teacher/model/model.safetensors",
        "wd/generator/model/model.safetensors",
        "wd/student/model/model.safetensors",
    ] {
        let bytes = |run: &Path| fs::read(run.join(file)).unwrap();
        assert!(bytes(&whole) == bytes(&killed), "{file} is another one");
    }
}

#[test]
fn what_is_wrong_with_corpora_is_said_at_once() {
    let folder = tempfile::tempdir().unwrap();
    write_task(folder.path());
    let wrong = |change: &[(&str, &str)]| {
        let text = change.iter().fold(RECIPE.to_string(), |text, (from, to)| {
            assert!(text.contains(from), "{from}");
            text.replace(from, to)
        });
        fs::write(folder.path().join("four.toml"), text).unwrap();
        let output = command(folder.path(), &folder.path().join("wrong")).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let said = wrong(&[
        ("weight = 0.5\nbeam_size", "weight = -1\nbeam_size"),
        ("name = \"lines\"", "name = \"columns\""),
        ("weight = 0.5\n", "weight = 0.5\nshare = 3\n"),
        ("memory = 0, ", "memoir = 0, "),
        ("typos = 0.3", "typos = 3.0"),
        ("columns = [2, 3]", "columns = [0, 3]"),
        ("until_update = 12", ""),
        ("sampling = { top_k = 5 }", "sampling = { temperature = 0 }"),
        ("share = 0.8", "share = 1.8, highest = 3"),
    ]);
    for expected in [
        "two corpora are called columns",
        "it has a weight and a share, expected one",
        "some corpora have a share and some have none",
        "stage 1 has a weight for memoir, which is no corpus",
        "3 is no share from 0 to 1",
        "columns is [0, 3], expected numbers from 1",
        "stage 1 has no end",
        "corpus memory: scores.share is 1.8, expected more than 0, and at most 1",
        "corpus memory: scores: expected either highest or share",
        "back_translation: weight is -1, expected 0 or more",
        "back_translation: sampling.temperature is 0, expected more than 0",
    ] {
        assert!(said.contains(expected), "{expected:?} in\n{said}");
    }
    let said = wrong(&[
        ("name = \"memory\"", "name = \"../memory\""),
        (
            "memory = 0, pseudo-data = 0.5, back-translation = 2",
            "plain = 0, columns = 0, lines = 0, back-translation = 0",
        ),
        ("plain = 0.25, memory = 3", "plain = 0.25"),
        ("beam_size = 1\nsampling", "beam_size = 4\nsampling"),
        (
            "beam_size = 1\nmax_length = 12\n[benchmark]",
            "beam_size = 1\nsampling = {}\n[benchmark]",
        ),
        ("file = \"memory.tmx\"\nfilters", "weight = 0\nfile = \"memory.tmx\"\nfilters"),
    ]);
    for expected in [
        "the name \"../memory\" of a corpus cannot be a folder's",
        "teacher.training: stage 1 of data.stages leaves it no pairs to learn from",
        "back_translation: of 4 samples only the most probable would be kept",
        "decoding: sampling: systems are judged by what they find",
    ] {
        assert!(said.contains(expected), "{expected:?} in\n{said}");
    }
    let said = wrong(&[("file = \"memory.tmx\"", "file = \"memory.tm\"")]);
    assert!(said.contains("does not say how it holds pairs"), "{said}");
    let said = wrong(&[("columns = [2, 3]", "columns = [2, 4]")]);
    assert!(said.contains("columns.tsv.gz:1: found 3 columns"), "{said}");
    let said = wrong(&[("test.de\", other_references = [\"other.de\"]", "test.de\"")]);
    assert!(said.contains("test has 1 references, and validation has 2"), "{said}");
    let said = wrong(&[("keep = \"all\"", "keep = \"nearest\"")]);
    assert!(said.contains("the texts of sources have no translations to be near to"), "{said}");
    let said = wrong(&[("parts/plain-*.de", "parts/plain-a.de")]);
    assert!(said.contains("3 files, but 1 for"), "{said}");
    let said = wrong(&[("columns = [2, 3]", "columns = [2, 3]\nalignments = \"a.align\"")]);
    assert!(said.contains("a file of both sides has no alignments"), "{said}");
    let said = wrong(&[("guided_alignment = 0.1, ", "")]);
    assert!(
        said.contains("a corpus has alignments, and no training has guided_alignment"),
        "{said}"
    );
    pack(&folder.path().join("parts/plain-c.align.gz"), "0-0 4-6\n\n");
    let said = wrong(&[]);
    assert!(
        said.contains("plain-c.align.gz:1: 4-6 names target word 6, counted from 0, of 6"),
        "{said}"
    );
}
