//! The stages by hand: vocab, train, distill, translate, score, info, bench, import, export.

mod common;
mod program;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use common::{Sizes, write_texts};
use program::{finish, program};
use wdistill_text::packed_by_name;

fn succeed(folder: &Path, arguments: &str, input: &[u8]) -> String {
    let output = finish(program(folder, arguments), input);
    assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn refuse(folder: &Path, arguments: &str, input: &[u8]) -> String {
    let output = finish(program(folder, arguments), input);
    assert!(!output.status.success(), "{arguments} was accepted");
    String::from_utf8(output.stderr).unwrap()
}

const CORPUS: &str = "--train train.en train.de --validation validation.en validation.de --quiet";
const TRAINING: &str = "--set training.updates=20 --set training.max_tokens=400 \
                        --set training.validate_every=10 --set training.average_last=1";

fn task() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_texts(folder.path(), Sizes { train: 200, validation: 10, test: 5 });
    folder
}

#[test]
fn a_teacher_is_trained_distilled_and_translates() {
    let folder = task();
    let run = |arguments: &str, input: &[u8]| succeed(folder.path(), arguments, input);
    let nano = "--preset transformer-nano";
    let teacher =
        run(&format!("train {CORPUS} {nano} --vocabulary-size 500 {TRAINING} --out teacher"), b"");
    let student = run(
        &format!(
            "distill --teacher {} {CORPUS} {nano} --force --set architecture.decoder.layers=1 {TRAINING} \
             --method wd --generator-updates 10 --out student",
            teacher.trim()
        ),
        b"",
    );
    let student = student.trim();

    // Line order, line count, empty lines.
    let input = "The man buys a table.\n  \nOn Monday.\n";
    let output =
        run(&format!("translate --model {student} --beam-size 2 --buffer 2"), input.as_bytes());
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[1], "");
    let alone = run(&format!("translate --model {student} --beam-size 2"), b"On Monday.\n");
    assert_eq!(alone.trim_end(), lines[2]);
    let best =
        run(&format!("translate --model {student} --beam-size 2 --n-best 2"), b"On Monday.\n");
    assert!(best.lines().count() == 2 && best.starts_with("0 ||| "), "{best}");

    let said = refuse(folder.path(), &format!("translate --model {student}"), b"fine\n\xff\n");
    assert!(said.contains("line 2"), "{said}");
    let long = "word ".repeat(50);
    let translate = format!("translate --model {student} --max-source 20");
    let said = refuse(folder.path(), &translate, format!("short\nshort\n{long}\n").as_bytes());
    assert!(said.contains("line 3 has ") && said.contains("at most 20 are allowed"), "{said}");
    assert!(said.contains("--long truncate"), "{said}");
    let split = finish(
        program(folder.path(), &format!("{translate} --long split")),
        format!("fine\n{long}\nfine\n").as_bytes(),
    );
    assert!(split.status.success(), "{split:?}");
    assert_eq!(String::from_utf8(split.stdout).unwrap().lines().count(), 3);
    let said = String::from_utf8(split.stderr).unwrap();
    assert!(said.contains("line 2: source split into "), "{said}");
    check_summary(said.lines().last().unwrap(), 3);
    let none = finish(program(folder.path(), &translate), b"");
    let said = String::from_utf8(none.stderr).unwrap();
    assert!(said.starts_with("0 sentences, 0 source tokens, 0 target tokens, "), "{said}");
    let endless = format!("fine\n{}\nfine\n", "x".repeat(500));
    let output = run(&format!("{translate} --long split --quiet"), endless.as_bytes());
    assert_eq!(output.lines().count(), 3);
    let said = refuse(folder.path(), &format!("translate --model {student} --beam 20000"), b"");
    assert!(said.contains("--beam-size is 20000, expected at most"), "{said}");
    let output =
        finish(program(folder.path(), &translate), format!("short\nshort\n{long}\n").as_bytes());
    assert_eq!(
        String::from_utf8(output.stdout).unwrap().lines().count(),
        2,
        "good lines were lost"
    );
    let output = finish(
        program(
            folder.path(),
            &format!("{translate} --long truncate --quiet --max-length-ratio 0.1"),
        ),
        long.as_bytes(),
    );
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && said.starts_with("1 line truncated to the l"), "{said}");
    assert_eq!(run(&format!("{translate} --long truncate"), long.as_bytes()).lines().count(), 1);

    // Quantised on the way or before: the same translations.
    let said = run(&format!("quantize {student} --out small"), b"");
    assert!(said.starts_with("small: "), "{said}");
    let on_the_way = run(&format!("translate --model {student} --quantize int8"), input.as_bytes());
    assert_eq!(run("translate --model small", input.as_bytes()), on_the_way);
    assert!(run("info small", b"").contains("weights          int8"));
    let said = refuse(folder.path(), "quantize small --out smaller", b"");
    assert!(said.contains("holds int8 weights"), "{said}");
    let said = refuse(folder.path(), &format!("quantize {student} --out {student}"), b"");
    assert!(said.contains("the model's own folder"), "{said}");

    let info = run(&format!("info {student} --slots"), b"");
    assert!(info.contains("2x16/32 + 1x16/32"), "{info}");
    let slot =
        "decoder.layers.0.cross_attention.key.weight  [decoder-width, encoder-width]  [16, 16]";
    assert!(info.contains(slot), "{info}");
    let speeds =
        run(&format!("bench {} {student} --input validation.en --rounds 1", teacher.trim()), b"");
    let lines: Vec<&str> = speeds.lines().collect();
    assert!(lines[0].starts_with("10 sentences of validation.en, beam 4"), "{speeds}");
    assert!(
        lines[2].contains("1.00x") && lines[3].ends_with(student) && lines[4].contains("peak"),
        "{speeds}"
    );
    // With a shortlist: as many lines, other speeds; not with another model's words.
    let learn = format!("shortlist --model {student} --source train.en --target train.de --quiet");
    let said = run(&format!("{learn} --always 30 --out lex.txt"), b"");
    assert!(
        said.starts_with("lex.txt: ") && said.ends_with("30 words for any sentence\n"),
        "{said}"
    );
    let output =
        run(&format!("translate --model {student} --shortlist lex.txt --quiet"), input.as_bytes());
    assert_eq!(output.lines().count(), 3);
    let speeds =
        run(&format!("bench {student} --input validation.en --rounds 1 --shortlist lex.txt"), b"");
    let lines: Vec<&str> = speeds.lines().collect();
    assert!(
        lines[2].ends_with(student) && lines[3].ends_with("with lex.txt") && lines.len() == 5,
        "{speeds}"
    );
    std::fs::write(folder.path().join("other.txt"), ". NULL 0.5\nHaus house 0.5\n").unwrap();
    let said = refuse(
        folder.path(),
        &format!("translate --model {student} --shortlist other.txt"),
        input.as_bytes(),
    );
    assert!(said.contains("other.txt:2: \"house\" is not in the source vocabulary"), "{said}");
    let said = refuse(folder.path(), &format!("{learn} --always 0 --out lex.txt"), b"");
    assert!(said.contains("invalid value '0' for '--always"), "{said}");
    let said = refuse(folder.path(), &format!("{learn} --out train.de"), b"");
    assert!(said.contains("--out is train.de, which is read"), "{said}");
    let said = refuse(folder.path(), &format!("{learn} --sentences 0 --out lex.txt"), b"");
    assert!(said.contains("train.en and train.de: "), "{said}");
    // A line of 3 MB is left out before it is divided, and said; `bench` names it.
    let long = "x".repeat(3_000_000) + "\n";
    let add = |file: &str, line: &str| {
        let text = fs::read_to_string(folder.path().join(file)).unwrap();
        fs::write(folder.path().join(format!("long.{file}")), text + line).unwrap();
    };
    add("train.en", &long);
    add("train.de", "x\n");
    let learn = learn.replace("train.", "long.train.");
    let output = finish(program(folder.path(), &format!("{learn} --out long.txt")), b"");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.success() && said.contains("1 pairs over the token limit, left out"),
        "{said}"
    );
    assert!(said.contains("3000000 source characters"), "{said}");
    let said = refuse(folder.path(), &format!("bench {student} --input long.train.en"), b"");
    assert!(said.contains("long.train.en:") && said.contains("3000000 characters"), "{said}");

    let said =
        refuse(folder.path(), &format!("bench {student} --input validation.en --sentences 0"), b"");
    assert!(said.contains("no sentences to time"), "{said}");
}

#[test]
fn scores_are_printed_as_sacrebleu_prints_them() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("reference", "The cat sat on a mat.\nIt is raining.\n");
    let score = |arguments: &str| {
        succeed(folder.path(), arguments, b"The cat sat on the mat.\nIt rains.\n")
    };
    // sacrebleu reference -m bleu chrf -w 2 -f text, sacreBLEU 2.6.0
    let text = score("score reference -m bleu -w 2 -f text");
    assert_eq!(
        text.trim_end(),
        "BLEU|nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0 = 38.66 80.0/50.0/33.3/25.0 \
         (BP = 0.905 ratio = 0.909 hyp_len = 10 ref_len = 11)"
    );
    // sacrebleu reference -m bleu chrf -lc -tok intl -w 3 -f text: --lowercase is BLEU's alone.
    let expected = [
        "    BLEU|nrefs:1|case:lc|eff:no|tok:intl|smooth:exp|version:2.6.0 = 38.663 \
         80.0/50.0/33.3/25.0 (BP = 0.905 ratio = 0.909 hyp_len = 10 ref_len = 11)",
        "chrF2|nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:2.6.0 = 53.489",
    ];
    let text = score("score reference -m chrf bleu -lc -tok intl -w 3 -f text");
    assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    assert_eq!(score("score reference -b").trim_end(), "38.7");
    assert_eq!(score("score reference -m bleu chrf -b"), "[\n38.7,\n53.5\n]\n");
    assert_eq!(score("score reference -m bleu chrf -b -w 3 -f text"), "38.663\n53.489\n");
    assert_eq!(score("score reference -b --confidence"), "38.7 (μ = 31.6 ± 24.4)\n");
    let help = score("score --help");
    assert!(help.contains("-lc") && help.contains("-tok"), "{help}");
    let said = refuse(folder.path(), "score reference", b"one line\n");
    assert!(said.contains("standard input has 1 lines, but reference has 2"), "{said}");
    let said = refuse(folder.path(), "score reference --tokenize 13b", b"");
    assert!(said.contains("13b"), "{said}");
}

#[test]
fn a_vocabulary_is_learned_and_says_how_large_it_became() {
    let folder = task();
    let said = succeed(folder.path(), "vocab train.en train.de --size 400 --out joint.json", b"");
    assert_eq!(said.trim_end(), "joint.json: 400 tokens of 400 wanted");
    let said = refuse(folder.path(), "vocab train.en --size 10 --out small.json", b"");
    assert!(said.contains("vocabulary size 10 is too small"), "{said}");
    // No text is lost to a slip in --out.
    let before = fs::read(folder.path().join("train.en")).unwrap();
    let said = refuse(folder.path(), "vocab train.de train.en --size 400 --out ./train.en", b"");
    assert!(said.contains("--out is train.en, which is read"), "{said}");
    assert_eq!(fs::read(folder.path().join("train.en")).unwrap(), before);
}

#[test]
fn wrong_settings_are_named() {
    let folder = task();
    let train = format!("train {CORPUS} --preset nanno {TRAINING} --out teacher");
    let said = refuse(folder.path(), &train, b"");
    assert!(said.contains("nanno") && said.contains("transformer-nano"), "{said}");
    let train = format!("train {CORPUS} --set training.updats=3 --out teacher");
    let said = refuse(folder.path(), &train, b"");
    assert!(said.contains("did you mean `updates`?"), "{said}");
    let train = format!("train {CORPUS} --set training.selection=bets --out teacher");
    let said = refuse(folder.path(), &train, b"");
    assert!(said.contains("did you mean `best`?"), "{said}");
    let train = format!("train {CORPUS} --set training.updates=0 --out teacher");
    let said = refuse(folder.path(), &train, b"");
    assert_eq!(said.matches("updates is 0").count(), 1, "{said}");
    assert!(said.contains("--set KEY=VALUE") && said.contains("\n  training: updates"), "{said}");
    let train = format!("train {CORPUS} --set training.updates=3 --set training.updates=4 --out t");
    let said = refuse(folder.path(), &train, b"");
    assert!(said.contains("--set training.updates=4: that key is set twice"), "{said}");
    let train = format!("train {CORPUS} --set student.training.updates=4 --out t");
    let said = refuse(folder.path(), &train, b"");
    assert!(said.contains("--set: unknown key `student`\nhint: expected one of "), "{said}");
    let tied = format!(
        "train {CORPUS} --separate-vocabularies --set architecture.embeddings=all-tied --out t"
    );
    let said = refuse(folder.path(), &tied, b"");
    assert!(said.contains("separate vocabularies contradict"), "{said}");
    let said = refuse(folder.path(), &format!("train {CORPUS} --set updates --out t"), b"");
    assert!(said.contains("expected KEY=VALUE"), "{said}");
    let said = refuse(folder.path(), "score nowhere", b"");
    assert_eq!(said.matches("No such file").count(), 1, "{said}");
}

#[test]
fn what_distill_refuses_is_named_as_it_was_given() {
    let folder = task();
    let train = format!(
        "train {CORPUS} --preset transformer-nano --vocabulary-size 400 {TRAINING} --out teacher"
    );
    let model = succeed(folder.path(), &train, b"");
    let refused = |arguments: &str| {
        let distill = format!("distill --teacher {} {CORPUS} --out student", model.trim());
        refuse(folder.path(), &format!("{distill} {arguments}"), b"")
    };
    let said = refused("--generator-updates 5 --set generator.updates=6");
    assert!(said.contains("give one of them"), "{said}");
    let said = refused("--set student.learning_rate=-1 --set generator.warm_up=-1");
    assert!(said.contains("generator: ") && !said.contains("systems"), "{said}");
    let said = refused("--set student.learning_rate=-1");
    assert!(said.contains("student: learning_rate is -1"), "{said}");
    let said = refused("--set architecture.norm_epsilon=1e-3 --set architecture.activation=gelu");
    assert_eq!(said.matches("\n  architecture: ").count(), 2, "{said}");
    let said = refuse(folder.path(), &format!("distill --teacher nowhere {CORPUS} --out s"), b"");
    assert!(said.contains("nowhere"), "{said}");
}

/// Expected: `sacrebleu reference -i first second -m bleu chrf --paired-bs`, sacreBLEU 2.6.0.
#[test]
fn systems_are_compared_by_paired_bootstrap() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("reference", "The cat sat on a mat.\nIt is raining.\nWe go home now, said she.\n");
    write("first", "The cat sat on the mat.\nIt rains.\nWe go home now, she said.\n");
    write("second", "The cat sat on a mat.\nIt raining is.\nWe go home now, said she.\n");
    let said = succeed(folder.path(), "score reference -i first second -pbs -f text", b"");
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(
        lines,
        [
            "first  BLEU 47.9 (μ = 44.4 ± 29.1)",
            "second  BLEU 88.7 (μ = 83.0 ± 45.0)  p = 0.0010*",
            "BLEU|nrefs:1|bs:1000|seed:12345|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0",
        ]
    );
    let said = refuse(folder.path(), "score reference -i first --paired-bs", b"");
    assert!(said.contains("found 1 of them"), "{said}");
}

#[test]
fn a_learned_vocabulary_is_used_for_training() {
    let folder = task();
    let run = |arguments: &str| succeed(folder.path(), arguments, b"");
    run("vocab train.en train.de --size 400 --kind unigram --out joint.json");
    let train = format!(
        "train {CORPUS} --preset transformer-nano {TRAINING} --vocabulary joint.json --out teacher"
    );
    let model = run(&train);
    let used =
        fs::read(Path::new(&folder.path().join(model.trim())).join("source.vocabulary.json"));
    assert!(used.unwrap() == fs::read(folder.path().join("joint.json")).unwrap());
}

/// The last thing that `translate` says: its numbers are there, and agree with each other.
fn check_summary(summary: &str, sentences: usize) {
    let (counts, times) = summary.split_once(" tokens/s, ").expect(summary);
    let numbers = |text: &str| -> Vec<f64> {
        let is_part = |c: char| c.is_ascii_digit() || c == '.';
        let words = text.split(|c| !is_part(c)).filter(|word| !word.is_empty());
        words.map(|word| word.parse().expect(summary)).collect()
    };
    let expected = format!("{sentences} sentences, ");
    assert!(counts.starts_with(&expected), "{summary}");
    let [_, source, target, speed] = numbers(counts)[..] else { panic!("{summary}") };
    // Every sentence has a word and an end on both sides, or at least the end.
    assert!(source >= 2.0 * sentences as f64 && target >= sentences as f64, "{summary}");
    let (seconds, rest) = times.split_once(" s and ").expect(summary);
    let seconds: f64 = seconds.parse().expect(summary);
    // Seconds are rounded to hundredths.
    assert!(target / (seconds + 0.006) <= speed + 1.0, "{summary}");
    assert!(target >= (seconds - 0.006) * (speed - 1.0), "{summary}");
    assert!(rest.contains(" s to start"), "{summary}");
    if cfg!(target_os = "linux") {
        let (_, memory) = rest.split_once(", peak memory ").expect(summary);
        assert!(numbers(memory)[0] >= 1.0 && memory.ends_with(" MB"), "{summary}");
    }
}

/// A trained model, and a process that translates with it as lines come.
fn translating(options: &[&str]) -> (tempfile::TempDir, Child) {
    let folder = task();
    let train = format!(
        "train {CORPUS} --preset transformer-nano --vocabulary-size 400 {TRAINING} --out teacher"
    );
    let model = succeed(folder.path(), &train, b"");
    let child = Command::new(env!("CARGO_BIN_EXE_wdistill"))
        .args(["translate", "--quiet", "--beam", "1", "--model", model.trim()])
        .args(options)
        .current_dir(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    (folder, child)
}

/// One line, and the pipe stays open: the answer must not wait for more.
#[test]
fn a_translation_comes_before_the_input_ends() {
    let (_folder, mut child) = translating(&[]);
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    for _ in 0..2 {
        input.write_all(b"On Monday.\n").unwrap();
        let mut answer = String::new();
        output.read_line(&mut answer).unwrap();
        assert!(answer.ends_with('\n'), "{answer:?}");
    }
    drop(input);
    assert!(child.wait().unwrap().success());
}

/// Lines that keep coming must not hold back those that came before them.
#[test]
fn a_steady_input_is_translated_as_it_comes() {
    let (_folder, mut child) = translating(&["--buffer", "100000"]);
    let mut input = child.stdin.take().unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let (sender, answers) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        output.lines().for_each(|line| sender.send(line.unwrap()).unwrap());
    });
    let mut written = 0;
    let came_in_time = (0..5000).any(|_| {
        input.write_all(b"On Monday.\n").unwrap();
        written += 1;
        answers.recv_timeout(std::time::Duration::from_millis(5)).is_ok()
    });
    drop(input);
    reader.join().unwrap();
    assert!(came_in_time, "no answer to {written} lines before the input ended");
    assert_eq!(answers.iter().count() + 1, written);
    assert!(child.wait().unwrap().success());
}

/// Copies a folder of fixtures of the formats' crate, and writes its lines and translations as parallel text.
fn other_toolkits_model(folder: &Path, fixture: &str) {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wdistill-formats/fixtures");
    let model = folder.join("foreign");
    fs::create_dir(&model).unwrap();
    for entry in fs::read_dir(fixtures.join(fixture)).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), model.join(entry.file_name())).unwrap();
    }
    let expected = fs::read(fixtures.join(format!("{fixture}.expected.json"))).unwrap();
    let expected: serde_json::Value = serde_json::from_slice(&expected).unwrap();
    let text = |side: &str| -> String {
        let lines = expected["text"].as_array().unwrap().iter();
        let lines = lines.filter(|line| !line["line"].as_str().unwrap().trim().is_empty());
        lines.map(|line| format!("{}\n", line[side].as_str().unwrap())).collect()
    };
    for part in ["train", "validation"] {
        fs::write(folder.join(format!("{part}.en")), text("line")).unwrap();
        fs::write(folder.join(format!("{part}.de")), text("beam4_text")).unwrap();
    }
}

const FOREIGN_TEACHER: &str = r#"
title = "A teacher from elsewhere"
seed = 1
[data]
train = { source = "train.en", target = "train.de" }
validation = { source = "validation.en", target = "validation.de" }
test = { source = "validation.en", target = "validation.de" }
[teacher]
model = "foreign"
[student]
preset = "transformer-nano"
architecture = { decoder = { layers = 1 }, activation = "swish", embeddings = "all-tied", output_bias = "present" }
training = { updates = 10, max_tokens = 400, validate_every = 10, average_last = 1 }
[benchmark]
rounds = 1
[[systems]]
method = "cut"
[[systems]]
method = "wd"
generator = { updates = 5 }
"#;

#[test]
fn a_teacher_of_hugging_face_is_distilled_and_its_student_exported() {
    let folder = tempfile::tempdir().unwrap();
    other_toolkits_model(folder.path(), "huggingface/swish-shared");
    let run = |arguments: &str, input: &[u8]| succeed(folder.path(), arguments, input);
    let info = run("info foreign", b"");
    for part in [
        "format           Hugging Face MarianMT",
        "can become       a CTranslate2 model",
        "padding = 83",
        "outside [-1, 1]",
    ] {
        assert!(info.contains(part), "{info}");
    }

    // Directly, and killed on the way: the same command goes on.
    let distill = format!("distill --teacher foreign {CORPUS} {TRAINING} --force --out student");
    let student = run(&distill, b"");
    let student = student.trim();
    assert_eq!(run(&distill, b"").trim(), student);
    let input = ">>fra<< bako tano néra.\n\nselo timu\n";
    let own = run(&format!("translate --model {student} --beam-size 4 --quiet"), input.as_bytes());
    assert_eq!(own.lines().count(), 3);

    // As the teacher of a recipe, with a rival.
    fs::write(folder.path().join("foreign.toml"), FOREIGN_TEACHER).unwrap();
    let table = run("run foreign.toml --out compared --quiet", b"");
    for part in ["teacher", "cut", "wd", "report: compared/report.html"] {
        assert!(table.contains(part), "{table}");
    }
    assert!(folder.path().join("compared/imported-teacher/config.toml").exists());
    let nowhere = FOREIGN_TEACHER.replace("\"foreign\"", "\"nowhere\"");
    fs::write(folder.path().join("nowhere.toml"), nowhere).unwrap();
    let said = refuse(folder.path(), "run nowhere.toml --out other", b"");
    assert!(said.contains("teacher.model: ") && said.contains("nowhere"), "{said}");

    // Around through the formats that can hold it: the same translations.
    for (format, options) in
        [("huggingface", ""), ("ctranslate2", ""), ("ctranslate2", "--quantize int8")]
    {
        let out = format!("{format}{}", options.len());
        run(&format!("export {student} --format {format} {options} --out {out}"), b"");
        run(&format!("import {out} --out {out}-again"), b"");
        let again =
            run(&format!("translate --model {out}-again --beam-size 4 --quiet"), input.as_bytes());
        if options.is_empty() {
            assert_eq!(again, own, "{format}");
        }
    }
    let said =
        refuse(folder.path(), &format!("export {student} --format marian --out marian"), b"");
    assert!(said.contains("Marian's from a vector of zeros"), "{said}");
    assert!(!folder.path().join("marian").exists());
    let said = refuse(
        folder.path(),
        &format!("export {student} --format huggingface --quantize int8 --out a"),
        b"",
    );
    assert!(
        said.contains(
            "--quantize is not for --format huggingface\nhint: --format ctranslate2 or bergamot or marian has"
        ),
        "{said}"
    );
    let said =
        refuse(folder.path(), &format!("export {student} --format marian --out {student}"), b"");
    assert!(said.contains("holds a model of wdistill"), "{said}");
    // No model is lost to a slip in --out.
    let said = refuse(folder.path(), "import foreign --out foreign", b"");
    assert!(said.contains("holds a model of Hugging Face MarianMT"), "{said}");
    let said =
        refuse(folder.path(), &format!("export {student} --format huggingface --out foreign"), b"");
    assert!(said.contains("holds a model of Hugging Face MarianMT"), "{said}");
    let said = refuse(folder.path(), &format!("import {student} --out b"), b"");
    assert!(said.contains("nothing to import"), "{said}");
    let said = refuse(folder.path(), "translate --model foreign", b"");
    assert!(said.contains("`wdistill import`"), "{said}");
}

#[test]
fn compressed_texts_and_vocabularies_of_sentence_piece_train_a_model() {
    let folder = task();
    let at = |name: &str| folder.path().join(name);
    let models =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../wdistill-text/fixtures/sentence_piece");
    fs::copy(models.join("unigram.spm"), at("source.model")).unwrap();
    fs::copy(models.join("bpe_bytes.spm"), at("target.spm")).unwrap();
    for (text, packed) in [
        ("train.en", "packed.en.gz"),
        ("train.de", "packed.de.zst"),
        ("validation.en", "packed-validation.en.xz"),
        ("validation.de", "packed-validation.de.bz2"),
    ] {
        let bytes = packed_by_name(&at(packed), &fs::read(at(text)).unwrap()).unwrap().into_owned();
        fs::write(at(packed), bytes).unwrap();
    }
    let common = format!(
        "--vocabulary source.model target.spm --preset transformer-nano --quiet {TRAINING} \
         --set architecture.embeddings=separate"
    );
    let run = |texts: &str| succeed(folder.path(), &format!("train {texts} {common}"), b"");
    let plain =
        run("--train train.en train.de --validation validation.en validation.de --out plain");
    let model = run("--train packed.en.gz packed.de.zst \
         --validation packed-validation.en.xz packed-validation.de.bz2 --out packed");
    let weights = |model: &str| fs::read(at(model.trim()).join("model.safetensors")).unwrap();
    assert!(weights(&plain) == weights(&model));

    // The pieces are those of the models, and so is the number of rows.
    let info = succeed(folder.path(), &format!("info {}", model.trim()), b"");
    for name in ["source.model", "target.spm"] {
        let pieces = wdistill_text::Vocabulary::open(&at(name)).unwrap().size();
        assert!(info.contains(&pieces.to_string()), "{name}, {pieces} pieces: {info}");
    }
    let translated = succeed(folder.path(), "translate --model packed", b"On Monday.\n");
    assert_eq!(translated.lines().count(), 1);
}

/// Speeds differ from machine to machine; that one is found, what it is said as, and that it is kept, do not.
#[test]
fn a_students_shape_is_measured_and_chosen() {
    let folder = task();
    let run = |arguments: &str| succeed(folder.path(), arguments, b"");
    let teacher = run(&format!(
        "train {CORPUS} --preset transformer-nano --vocabulary-size 500 {TRAINING} --out teacher"
    ));
    let teacher = teacher.trim();
    let shapes = format!("shapes --teacher {teacher} --input validation.en --rounds 1 --quiet");
    let table = run(&format!("{shapes} --speed-up 0.01"));
    // 1 or 2 of 2 decoder layers, and widths of 16, 12 and 8 with 2 heads: 12 is a multiple of 4 as well.
    let rows = table.lines().filter(|line| line.contains("2x16/32 + ")).count();
    assert_eq!(rows, 1 + 18, "{table}");
    let settings = "--set architecture.embeddings=decoder-tied --set architecture.encoder.layers=2 \
                    --set architecture.encoder.width=16 --set architecture.encoder.feed_forward=32 \
                    --set architecture.encoder.heads=2 --set architecture.decoder.layers=2 \
                    --set architecture.decoder.width=16 --set architecture.decoder.feed_forward=32 \
                    --set architecture.decoder.heads=2";
    assert!(table.contains(settings), "{table}");
    assert!(table.contains("decoder = { layers = 2, width = 16, feed_forward = 32, heads = 2 }"));
    // Twice or half the encoder's layers, or three quarters or half of its width.
    let both = run(&format!("{shapes} --vary both"));
    for encoder in ["4x16/32", "2x12/24", "2x8/16", "1x16/32"] {
        let rows = both.lines().filter(|line| line.contains(&format!("  {encoder} + "))).count();
        assert_eq!(rows, 18, "{both}");
    }
    let error = refuse(folder.path(), &format!("{shapes} --speed-up 1000"), b"");
    assert!(error.contains("is 1000 times as fast as the teacher; the fastest is "), "{error}");

    let distill = format!("distill --teacher {teacher} {CORPUS} --force {TRAINING} --out student");
    let student = run(&format!("{distill} --speed-up 0.01"));
    let config =
        fs::read_to_string(folder.path().join(student.trim()).join("config.toml")).unwrap();
    let chosen = fs::read_to_string(folder.path().join("student/speed-up.json")).unwrap();
    assert!(config.contains("layers = 2") && chosen.contains("\"layers\": 2"), "{chosen}");
    // What was chosen before is not measured again.
    let other = chosen.replace("\"feed_forward\": 32", "\"feed_forward\": 24");
    fs::write(folder.path().join("student/speed-up.json"), other).unwrap();
    let again = run(&format!("{distill} --speed-up 0.01"));
    let config = fs::read_to_string(folder.path().join(again.trim()).join("config.toml")).unwrap();
    assert!(config.contains("feed_forward = 24"), "{config}");
}

/// Without a generator there is one phase, and what belongs to a generator is refused.
#[test]
fn a_student_is_made_without_a_generator() {
    let folder = task();
    let run = |arguments: &str| succeed(folder.path(), arguments, b"");
    let nano = "--preset transformer-nano";
    let teacher =
        run(&format!("train {CORPUS} {nano} --vocabulary-size 500 {TRAINING} --out teacher"));
    let distill = format!(
        "distill --teacher {} {CORPUS} {nano} --force --set architecture.decoder.layers=1 {TRAINING} --method cut",
        teacher.trim()
    );
    let student =
        run(&format!("{distill} --start fitted --set training.optimiser=muon --out student"));
    assert_eq!(Path::new(student.trim()), Path::new("student/cut/student/model"));
    let log = fs::read_to_string(folder.path().join("student/cut/student/metrics.jsonl")).unwrap();
    assert!(
        log.contains("\"updates\":20,") && !folder.path().join("student/cut/generator").exists()
    );

    let refused =
        |arguments: &str| refuse(folder.path(), &format!("{distill} {arguments} --out other"), b"");
    let error = refused("--generator-updates 5");
    assert!(
        error.contains("generator: cut has one phase, and no settings for a first one"),
        "{error}"
    );
    let error = refused("--start xavier");
    assert!(error.contains("--start: cut does not begin so"), "{error}");
}

/// Commands as the help lists them.
fn commands(folder: &Path) -> Vec<String> {
    let help = succeed(folder, "--help", b"");
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let listed = listed
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next());
    listed.filter(|name| *name != "help").map(str::to_string).collect()
}

#[test]
fn shells_and_manuals_know_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let commands = commands(folder.path());
    assert!(commands.len() > 15, "{commands:?}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = succeed(folder.path(), &format!("completions {shell}"), b"");
        for command in &commands {
            assert!(script.contains(command.as_str()), "{shell} does not know {command}");
        }
    }
    succeed(folder.path(), "manuals --out man", b"");
    for command in &commands {
        let page =
            fs::read_to_string(folder.path().join(format!("man/wdistill-{command}.1"))).unwrap();
        assert!(page.contains(".SH SYNOPSIS"), "{page}");
    }
    assert!(folder.path().join("man/wdistill.1").is_file());
}
