//! Vocabularies through the public interface: losslessness, repeatability, files.

use proptest::prelude::*;
use std::path::Path;
use std::sync::LazyLock;
use wdistill_base::hash_file;
use wdistill_text::{
    BASE_SIZE, END_ID, FIRST_BYTE_ID, Normalisation, SentencePieceModel, SubwordModel, TextError,
    UNKNOWN_ID, Vocabulary, VocabularySettings,
};

const BOTH: [SubwordModel; 2] = [SubwordModel::Bpe, SubwordModel::Unigram];

/// Lines that repeat words and endings, with special tokens spelled out among them.
fn training_lines() -> Vec<String> {
    let subjects = ["a dog", "two dogs", "ein Hund", "zwei Hunde", "the children", "die Straße"];
    let verbs = ["runs", "running", "läuft", "schläft", "</s>", "<unk>", "<0x41>", "slept 1234"];
    let places = ["in the park.", "im Park.", "on the road, slowly", "auf der Straße!", "公園で"];
    let mut lines = Vec::new();
    for subject in subjects {
        for verb in verbs {
            lines.extend(places.iter().map(|place| format!("{subject} {verb} {place}")));
        }
    }
    lines
}

/// Every character in the alphabet, nothing normalised.
fn lossless(model: SubwordModel, size: usize) -> VocabularySettings {
    let normalisation = Normalisation::None;
    let settings = VocabularySettings::new(model, size);
    VocabularySettings { character_coverage: 1.0, normalisation, ..settings }
}

fn train(model: SubwordModel, size: usize) -> Vocabulary {
    Vocabulary::train(training_lines(), &lossless(model, size)).unwrap().vocabulary
}

static TRAINED: LazyLock<[Vocabulary; 2]> = LazyLock::new(|| BOTH.map(|model| train(model, 400)));

fn pieces<'text>(vocabulary: &'text Vocabulary, line: &str) -> Vec<&'text str> {
    vocabulary.encode(line).iter().map(|&id| vocabulary.piece(id).unwrap()).collect()
}

fn assert_lossless(line: &str) {
    for vocabulary in TRAINED.iter() {
        let ids = vocabulary.encode(line);
        assert_eq!(vocabulary.decode(&ids).unwrap(), line, "{:?}", vocabulary.model());
        assert!(ids.iter().all(|&id| id != END_ID && id != UNKNOWN_ID), "{line:?}: {ids:?}");
    }
}

#[test]
fn awkward_lines_come_back_exactly() {
    let lines = [
        "",
        " ",
        "  ",
        "\t",
        " a",
        "a ",
        "  a  b  ",
        "▁",
        " ▁",
        "▁a▁▁ b▁",
        "a\u{0}b\u{7}\u{1b}[0m",
        "</s>",
        "<unk>",
        "<0x41>",
        "a </s> b <unk> <0x00><0xFF>",
        "<UNK>",
        "👩‍👩‍👧 🐕",
        "公園で犬が走る。",
        "\u{feff}a",
        "a\u{a0}b\u{3000}c",
        "e\u{301}",
        "line\r",
        "x\ny",
        "\u{fffd}",
        "\u{10ffff}",
        "Straße",
        "\u{200b}",
        "हिन्दी",
        "مرحبا",
    ];
    for line in lines {
        assert_lossless(line);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn any_string_comes_back_exactly(line in any::<String>()) {
        assert_lossless(&line);
    }

    #[test]
    fn mixtures_of_known_and_awkward_come_back_exactly(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                " ", "  ", "▁", "dog", "Straße", "</s>", "<unk>", "<0x41>", "<", ">", "0x41", "公園",
                "🐕", "\t", "\u{0}", ".", "12", "ä", "\u{301}", "\n",
            ]),
            0..12,
        )
    ) {
        assert_lossless(&parts.concat());
    }

    #[test]
    fn any_ids_of_text_decode(ids in prop::collection::vec(1u32..400, 0..30)) {
        for vocabulary in TRAINED.iter() {
            let within: Vec<u32> =
                ids.iter().copied().filter(|&id| (id as usize) < vocabulary.size()).collect();
            prop_assert!(vocabulary.decode(&within).is_ok());
        }
    }
}

#[test]
fn special_and_byte_tokens_are_no_part_of_text() {
    for vocabulary in TRAINED.iter() {
        for token in ["</s>", "<unk>", "<0x41>"] {
            let id = vocabulary.id(token).unwrap();
            assert!((id as usize) < BASE_SIZE);
            assert!(!vocabulary.encode(&format!("a {token}{token} b")).contains(&id));
            let twice =
                (0..vocabulary.size() as u32).filter(|&id| vocabulary.piece(id) == Some(token));
            assert_eq!(twice.count(), 1);
        }
    }
}

#[test]
fn ids_are_laid_out_as_documented() {
    for vocabulary in TRAINED.iter() {
        assert_eq!(vocabulary.end_id(), 0);
        assert_eq!(vocabulary.unknown_id(), 1);
        assert_eq!(vocabulary.piece(0), Some("</s>"));
        assert_eq!(vocabulary.piece(1), Some("<unk>"));
        assert_eq!(vocabulary.piece(FIRST_BYTE_ID), Some("<0x00>"));
        assert_eq!(vocabulary.piece(257), Some("<0xFF>"));
        assert_eq!(vocabulary.piece(vocabulary.size() as u32), None);
        assert_eq!(vocabulary.id("▁").and_then(|id| vocabulary.piece(id)), Some("▁"));
    }
}

#[test]
fn characters_outside_the_alphabet_are_bytes() {
    for vocabulary in TRAINED.iter() {
        // U+2581 is E2 96 81 in UTF-8, and U+00E9 is C3 A9.
        assert_eq!(pieces(vocabulary, "▁"), ["▁", "<0xE2>", "<0x96>", "<0x81>"]);
        assert_eq!(pieces(vocabulary, " é"), ["▁", "▁", "<0xC3>", "<0xA9>"]);
    }
}

/// Words `▁aab` three times and `▁ab` once; a, b and ▁ are numbered 0, 1, 2.
/// Pairs: (a,b) 4, (▁,a) 4, (a,a) 3: `ab`, the smaller numbers, comes first.
/// Then (a,ab) 3, (▁,a) 3, (▁,ab) 1: `aab`. Then (▁,aab) 3: `▁aab`. (▁,ab) is too rare.
#[test]
fn bpe_merges_as_worked_out_by_hand() {
    let settings = VocabularySettings::new(SubwordModel::Bpe, 300);
    let trained = Vocabulary::train(["aab aab", "aab ab"], &settings).unwrap();
    let learnt: Vec<&str> = (258..264).map(|id| trained.vocabulary.piece(id).unwrap()).collect();
    assert_eq!(learnt, ["a", "b", "▁", "ab", "aab", "▁aab"]);
    assert_eq!((trained.requested, trained.obtained), (300, 264));
    assert_eq!(pieces(&trained.vocabulary, "ab aab"), ["▁", "ab", "▁aab"]);
}

#[test]
fn unigram_takes_the_most_probable_segmentation() {
    // `▁ab`: ▁|ab has -3 - 4 = -7, ▁a|b has -3.5 - 3 = -6.5, ▁|a|b has -9.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    let json = r#"{"format": "wdistill-vocabulary", "version": 1, "model": "unigram",
        "pieces": ["▁", "a", "b", "ab", "▁a"],
        "scores_in_millionths": [-3000000, -3000000, -3000000, -4000000, -3500000]}"#;
    std::fs::write(&path, json).unwrap();
    let vocabulary = Vocabulary::load(&path).unwrap();
    assert_eq!(pieces(&vocabulary, "ab"), ["▁a", "b"]);
    assert_eq!(pieces(&vocabulary, "bab"), ["▁", "b", "ab"]);
}

#[test]
fn frequent_words_become_one_piece() {
    for vocabulary in TRAINED.iter() {
        for word in ["dog", "Hund", "Straße", "the", "im"] {
            assert_eq!(pieces(vocabulary, word), [format!("▁{word}")]);
        }
    }
}

#[test]
fn a_vocabulary_has_the_size_that_the_text_supports() {
    // There are enough repeated pieces for these.
    for size in [300, 310, 320] {
        for model in BOTH {
            assert_eq!(train(model, size).size(), size, "{model:?}");
        }
    }
}

#[test]
fn the_same_lines_give_the_same_bytes_on_any_threads() {
    for (model, first) in BOTH.into_iter().zip(TRAINED.iter()) {
        for threads in [1, 2, 5] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let again = pool.install(|| train(model, 400));
            assert_eq!(again.to_json(), first.to_json(), "{model:?} on {threads} threads");
        }
    }
}

#[test]
fn sizes_from_the_smallest_to_more_than_there_is() {
    let lines = ["abc abc", "abcd"];
    // Alphabet: a b c d and the space marker.
    for model in BOTH {
        let train = |size| Vocabulary::train(lines, &VocabularySettings::new(model, size));
        match train(262).unwrap_err() {
            TextError::VocabularyTooSmall { requested, base, alphabet } => {
                assert_eq!((requested, base, alphabet), (262, 263, 5));
            }
            other => panic!("{other}"),
        }
        let message = train(262).unwrap_err().to_string();
        assert!(message.contains("262") && message.contains("263"), "{message}");
        let smallest = train(263).unwrap();
        assert_eq!((smallest.requested, smallest.obtained), (263, 263));
        assert_eq!(pieces(&smallest.vocabulary, "cab"), ["▁", "c", "a", "b"]);
        assert_eq!(train(264).unwrap().obtained, 264);
        let large = train(10_000).unwrap();
        assert_eq!(large.requested, 10_000);
        assert!(large.obtained < 300 && large.obtained == large.vocabulary.size());
    }
}

#[test]
fn rare_characters_stay_out_of_the_alphabet_when_asked() {
    let mut lines = vec!["aaaa bbbb"; 100];
    lines.push("q");
    for model in BOTH {
        let settings =
            VocabularySettings { character_coverage: 0.99, ..VocabularySettings::new(model, 300) };
        let vocabulary = Vocabulary::train(&lines, &settings).unwrap().vocabulary;
        assert_eq!(vocabulary.id("q"), None);
        assert_eq!(pieces(&vocabulary, "q"), ["▁", "<0x71>"]);
    }
}

#[test]
fn training_without_words_or_with_a_wrong_coverage_is_an_error() {
    let settings = VocabularySettings::new(SubwordModel::Bpe, 1000);
    let error = Vocabulary::train(["", ""], &settings).unwrap_err();
    assert!(matches!(error, TextError::NoText { lines: 2, .. }), "{error}");
    for coverage in [0.0, 1.01, f64::NAN] {
        let settings = VocabularySettings { character_coverage: coverage, ..settings.clone() };
        let error = Vocabulary::train(["a"], &settings).unwrap_err();
        assert!(matches!(error, TextError::Setting { name: "character_coverage", .. }), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn tiny_texts_train_and_stay_lossless(
        lines in prop::collection::vec("[ab ]{1,6}|\\PC{0,5}", 1..6),
        extra in 0usize..20,
    ) {
        for model in BOTH {
            let coverage = lossless(model, 0);
            let base = match Vocabulary::train(&lines, &coverage) {
                Err(TextError::VocabularyTooSmall { base, .. }) => base,
                Err(TextError::NoText { .. }) => continue,
                other => panic!("{other:?}"),
            };
            let settings = VocabularySettings { size: base + extra, ..coverage };
            let trained = Vocabulary::train(&lines, &settings).unwrap();
            prop_assert!(trained.obtained >= base && trained.obtained <= base + extra);
            for line in &lines {
                let ids = trained.vocabulary.encode(line);
                prop_assert_eq!(&trained.vocabulary.decode(&ids).unwrap(), line);
            }
        }
    }
}

#[test]
fn a_saved_vocabulary_is_the_same_after_loading() {
    let folder = tempfile::tempdir().unwrap();
    for vocabulary in TRAINED.iter() {
        let path = folder.path().join("tokenizer.json");
        vocabulary.save(&path).unwrap();
        let loaded = Vocabulary::load(&path).unwrap();
        assert_eq!(loaded.to_json(), vocabulary.to_json());
        assert_eq!(hash_file(&path).unwrap(), vocabulary.content_hash());
        assert_eq!(loaded.content_hash(), vocabulary.content_hash());
        let lines = training_lines();
        assert_eq!(loaded.encode_batch(&lines), vocabulary.encode_batch(&lines));
    }
    // Only the file itself is left, nothing partial.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_ne!(TRAINED[0].content_hash(), TRAINED[1].content_hash());
}

#[test]
fn blanks_and_marks_that_people_do_not_see_change_nothing() {
    let clean = "two dogs running in the park.";
    let others = [
        "two\tdogs running in the park.",
        "two  dogs running in the park.",
        "  two dogs running in the park. ",
        "two dogs running in the park.\u{a0} ",
        "two\u{a0} dogs running in the park.",
        "\u{feff}two dogs running in the park.",
        "\u{200b}two dogs running in the park.",
        "two dogs running in the\u{202f}park.",
        "two dogs running in the\u{2028}park.\r",
        "two dogs running\u{3000}in the park．",
    ];
    for model in BOTH {
        let settings = VocabularySettings::new(model, 400);
        let vocabulary = Vocabulary::train(training_lines(), &settings).unwrap().vocabulary;
        assert_eq!(vocabulary.normalisation(), Some(Normalisation::NmtNfkc));
        let expected = vocabulary.encode(clean);
        assert_eq!(vocabulary.decode(&expected).unwrap(), clean);
        for line in others {
            assert_eq!(vocabulary.encode(line), expected, "{model:?}: {line:?}");
        }
        for nothing in ["", " ", "\t\u{200b}\u{feff} "] {
            assert!(vocabulary.encode(nothing).is_empty(), "{nothing:?}");
        }
        // What a model may give: spaces in front of the text go, as in SentencePiece.
        let space = vocabulary.id("▁").unwrap();
        let ids = [&[space, space][..], &expected].concat();
        assert_eq!(vocabulary.decode(&ids).unwrap(), clean);
    }
}

#[test]
fn text_is_normalised_before_subwords_are_learnt() {
    let clean = training_lines();
    let dirty: Vec<String> = clean.iter().map(|line| line.replace(' ', "\u{a0} ")).collect();
    for model in BOTH {
        let settings = VocabularySettings::new(model, 400);
        let learnt = |lines: &[String]| Vocabulary::train(lines, &settings).unwrap().vocabulary;
        assert_eq!(learnt(&dirty).to_json(), learnt(&clean).to_json());
    }
}

#[test]
fn the_file_holds_the_normalisation() {
    for (normalisation, version, rule) in [
        (Normalisation::None, 1, None),
        (Normalisation::Nfkc, 3, Some("nfkc")),
        (Normalisation::NmtNfkc, 3, Some("nmt-nfkc")),
    ] {
        let settings = VocabularySettings { normalisation, ..lossless(SubwordModel::Bpe, 300) };
        let vocabulary = Vocabulary::train(training_lines(), &settings).unwrap().vocabulary;
        let json = vocabulary.to_json();
        let file: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(file["version"], version);
        assert_eq!(file.get("normalisation").and_then(|rule| rule.as_str()), rule);
        let again = Vocabulary::from_json(json.as_bytes()).unwrap();
        assert_eq!(again.normalisation(), Some(normalisation));
        assert_eq!(again.to_json(), json);
    }
}

#[test]
fn saving_makes_missing_folders_or_names_the_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("no/such/folder/tokenizer.json");
    TRAINED[0].save(&path).unwrap();
    assert_eq!(hash_file(&path).unwrap(), TRAINED[0].content_hash());
    let below_a_file = path.join("tokenizer.json");
    let message = TRAINED[0].save(&below_a_file).unwrap_err().to_string();
    assert!(message.contains("folder/tokenizer.json"), "{message}");
}

#[test]
fn broken_files_are_refused_with_the_reason() {
    let cases = [
        ("{", "EOF"),
        (r#"{"format":"other","version":1,"model":"bpe","pieces":["▁"],"merges":[]}"#, "other"),
        (
            r#"{"format":"wdistill-vocabulary","version":9,"model":"bpe","pieces":["▁"],"merges":[]}"#,
            "version 9",
        ),
        (
            r#"{"format":"wdistill-vocabulary","version":1,"model":"bpe","pieces":["a"],"merges":[]}"#,
            "space marker",
        ),
        (
            r#"{"format":"wdistill-vocabulary","version":1,"model":"bpe","pieces":["▁","a","a"],"merges":[]}"#,
            "twice",
        ),
        (
            r#"{"format":"wdistill-vocabulary","version":1,"model":"bpe","pieces":["▁","<0x41>"],"merges":[]}"#,
            "<0x41>",
        ),
        (
            r#"{"format":"wdistill-vocabulary","version":1,"model":"bpe","pieces":["▁","a"],"merges":["a a"]}"#,
            "\"aa\"",
        ),
        (
            r#"{"format":"wdistill-vocabulary","version":1,"model":"bpe","pieces":["▁","a"],"merges":["aa"]}"#,
            "a space between",
        ),
        (
            r#"{"format":"wdistill-vocabulary","version":1,"model":"bpe","pieces":["▁"]}"#,
            "expected merges",
        ),
        (
            r#"{"format":"wdistill-vocabulary","version":1,"model":"bpe","normalisation":"nfkc","pieces":["▁"],"merges":[]}"#,
            "expected none",
        ),
        (
            r#"{"format":"wdistill-vocabulary","version":3,"model":"bpe","pieces":["▁"],"merges":[]}"#,
            "expected the normalisation",
        ),
        (
            r#"{"format":"wdistill-vocabulary","version":1,"model":"unigram","pieces":["▁"],"scores_in_millionths":[]}"#,
            "0 scores",
        ),
        (
            r#"{"format":"wdistill-vocabulary","version":1,"model":"bpe","pieces":["▁"],"merges":[],"more":1}"#,
            "more",
        ),
    ];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    for (json, reason) in cases {
        std::fs::write(&path, json).unwrap();
        let message = Vocabulary::load(&path).unwrap_err().to_string();
        assert!(message.contains(reason) && message.contains("tokenizer.json"), "{message}");
    }
}

#[test]
fn ids_that_are_not_text_are_errors() {
    let vocabulary = &TRAINED[0];
    let outside = vocabulary.size() as u32;
    match vocabulary.decode(&[300, outside]).unwrap_err() {
        TextError::InvalidId { id, position, size } => {
            assert_eq!((id, position, size), (outside, 1, vocabulary.size()));
        }
        other => panic!("{other}"),
    }
    let error = vocabulary.decode(&[300, 301, END_ID]).unwrap_err();
    assert!(matches!(error, TextError::EndInText { position: 2, length: 3 }), "{error}");
}

#[test]
fn broken_bytes_and_unknown_tokens_become_replacement_characters() {
    let vocabulary = &TRAINED[0];
    let byte = |byte: u8| FIRST_BYTE_ID + u32::from(byte);
    let letter = vocabulary.id("a").unwrap();
    // C3 must be followed by a continuation byte; F0 9F starts a character of four bytes.
    let decoded = vocabulary.decode(&[byte(0xc3), letter, byte(0xf0), byte(0x9f), letter]).unwrap();
    assert_eq!(decoded, "\u{fffd}a\u{fffd}a");
    assert_eq!(vocabulary.decode(&[UNKNOWN_ID, letter]).unwrap(), "\u{fffd}a");
    // What is cut off at the end is no character yet; whole ones and what is none stay.
    let cut = |bytes: &[u8]| {
        let bytes = bytes.iter().map(|b| byte(*b));
        vocabulary.decode(&[vec![letter], bytes.collect()].concat()).unwrap()
    };
    let whole = "é🐕".as_bytes();
    assert_eq!(cut(whole), "aé🐕");
    for length in 2..whole.len() {
        assert_eq!(cut(&whole[..length]), "aé", "{length} bytes");
    }
    assert_eq!((cut(&whole[..1]).as_str(), cut(&[0x80]).as_str()), ("a", "a\u{fffd}"));
    // A space as a byte token at the start belongs to the text.
    assert_eq!(vocabulary.decode(&[byte(b' '), letter]).unwrap(), " a");
}

#[test]
fn sizes_beyond_any_use_are_refused() {
    for model in BOTH {
        let settings = VocabularySettings::new(model, 1 << 60);
        let error = Vocabulary::train(training_lines(), &settings).unwrap_err().to_string();
        assert_eq!(error, "vocabulary size is 1152921504606846976, expected at most 16777216");
    }
}

#[test]
fn a_batch_encodes_like_its_lines() {
    for vocabulary in TRAINED.iter() {
        let lines = training_lines();
        let one_by_one: Vec<Vec<u32>> = lines.iter().map(|line| vocabulary.encode(line)).collect();
        assert_eq!(vocabulary.encode_batch(&lines), one_by_one);
    }
}

/// Time grows with the square of a word's length, and nobody needs a piece of a thousand characters.
#[test]
fn long_words_and_lines_are_left_out_of_learning_and_named() {
    let word = "ab".repeat(80_000);
    let repeated = "xyxyxyxyxyxyxyxyxyxyxyxyxyxyxyxyxyxyxyxy";
    let lines = ["a dog runs".to_string(), "a dog sleeps".to_string()];
    let lines = lines.into_iter().chain([format!("see {}", &word[..2_000]), word.clone()]);
    let lines: Vec<String> = lines.chain([format!("{repeated} {repeated}")]).collect();
    for model in [SubwordModel::Bpe, SubwordModel::Unigram] {
        let trained = Vocabulary::train(&lines, &VocabularySettings::new(model, 320)).unwrap();
        let left_out = &trained.left_out;
        assert_eq!((left_out.lines, left_out.first_line), (1, Some(4)));
        let beginning = format!("{SPACE_MARKER}{}", "ab".repeat(9) + "a");
        assert_eq!((left_out.words, &left_out.first_word), (1, &Some((beginning, 3))));
        let said = left_out.to_string();
        assert!(said.contains("1 words of more than 1000 characters"), "{said}");
        let pieces = trained.vocabulary.tokens();
        let longest = pieces.iter().map(|piece| piece.chars().count()).max();
        assert!(longest <= Some(16), "{model:?}: {longest:?}");
        assert!(model != SubwordModel::Bpe || longest == Some(16), "{longest:?}");
    }
}

const SPACE_MARKER: char = '\u{2581}';

#[test]
fn a_vocabulary_is_opened_by_its_content_whatever_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/sentence_piece");
    let at = |name: &str| folder.path().join(name);
    let line = "Ein paar Hunde.";
    for model in ["bpe.spm", "unigram.spm"] {
        // Expected ids from SentencePiece itself are in tests/sentence_piece.rs; here it is the same reader.
        let expected = SentencePieceModel::load(&models.join(model)).unwrap().encode(line);
        std::fs::copy(models.join(model), at("vocabulary.json")).unwrap();
        let opened = Vocabulary::open(&at("vocabulary.json")).unwrap();
        assert_eq!(opened.encode(line), expected, "{model}");
    }
    TRAINED[0].save(&at("vocabulary.spm")).unwrap();
    let opened = Vocabulary::open(&at("vocabulary.spm")).unwrap();
    assert_eq!(opened.content_hash(), TRAINED[0].content_hash());

    std::fs::write(at("text"), "no vocabulary at all\n").unwrap();
    let error = Vocabulary::open(&at("text")).unwrap_err().to_string();
    assert!(error.contains("text"), "{error}");
}
