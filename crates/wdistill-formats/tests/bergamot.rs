//! Models for Bergamot: what a folder holds, what is filled up, what is refused. That the real engine takes such folders is
//! checked by `tests/bergamot/run.sh`.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;

use serde_json::Value;
use wdistill_base::Problem;
use wdistill_formats::toolkits::{BERGAMOT, MARIAN};
use wdistill_formats::{
    ActivationFactors, ExportOptions, Format, ImportOptions, ModelFolder, Numbers, export, import,
};
use wdistill_model::{
    Activation, Architecture, Autoregression, Config, DecoderStart, Embeddings, FinalNorm,
    Languages, Model, NormPlacement, OutputBias, Slot, Table, Vocabularies,
};
use wdistill_text::{
    BinaryShortlist, LexicalTable, SubwordModel, Vocabulary, VocabularyPair, VocabularySettings,
};

/// A model that fits, but for what `change` does to it.
fn model(words: usize, change: impl Fn(&mut Architecture)) -> ModelFolder {
    let text =
        ["the gardener sings in the garden", "a singer in the garden", "the rings of a singer"];
    let settings = VocabularySettings::new(SubwordModel::Bpe, words);
    let vocabulary = Vocabulary::train(text, &settings).unwrap().vocabulary;
    assert_eq!(vocabulary.size(), words);
    let mut architecture = Architecture::preset("transformer-nano").unwrap();
    architecture.output_bias = OutputBias::Absent;
    architecture.norm_epsilon = 1e-6;
    for stack in [&mut architecture.encoder, &mut architecture.decoder] {
        (stack.width, stack.feed_forward) = (64, 128);
    }
    change(&mut architecture);
    let vocabularies =
        Vocabularies { decoder_start: DecoderStart::ZeroVector, ..Vocabularies::shared(words) };
    let mut config = Config::new(architecture, vocabularies).unwrap();
    config.languages = Some(Languages::new("en", "de").unwrap());
    let (source, target) = (vocabulary.clone(), vocabulary);
    ModelFolder {
        model: Model::initialise(config, 3),
        vocabularies: VocabularyPair { source, target },
    }
}

fn int8() -> ExportOptions {
    Numbers::Int8.into()
}

/// What a folder is refused for.
fn refusal(given: &ModelFolder) -> String {
    let folder = tempfile::tempdir().unwrap();
    let error = export(given, BERGAMOT, &int8(), folder.path()).unwrap_err();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is written");
    Problem::of(&error).in_lines()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_str().unwrap().to_string()).collect();
    names.sort();
    names
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Each number is that of the model but for rounding to 8 bits, and what was filled up is zero.
#[test]
fn sizes_that_do_not_fit_are_filled_up_and_left_out_again() {
    for embeddings in [Embeddings::AllTied, Embeddings::DecoderTied, Embeddings::Separate] {
        let own = model(285, |architecture| {
            architecture.embeddings = embeddings;
            architecture.decoder.feed_forward = 96;
        });
        let folder = tempfile::tempdir().unwrap();
        let notes = export(&own, BERGAMOT, &int8(), folder.path()).unwrap();
        let notes: Vec<String> = notes.iter().map(Problem::in_lines).collect();
        for part in ["decoder.feed_forward of 96 is filled up to 128", "of 285 is filled up to 288"]
        {
            assert!(notes.iter().any(|note| note.contains(part)), "{notes:?}");
        }
        let imported = import(folder.path(), &ImportOptions::default()).unwrap();
        assert!(imported.format == Format::Other(BERGAMOT));
        let again = imported.folder.model;
        assert_eq!(again.config.vocabularies, own.model.config.vocabularies);
        assert_eq!(again.config.languages, own.model.config.languages);
        assert_eq!(again.config.architecture.decoder.feed_forward, 128);
        let expected: BTreeMap<Slot, &[f32]> = own.model.weights.slices().into_iter().collect();
        let up = "decoder.layers.0.feed_forward.up.weight";
        for (slot, found) in again.weights.slices() {
            let Some(expected) = expected.get(&slot) else {
                assert_eq!((slot, found), (Slot::OutputBias, &[0.0; 285][..]));
                continue;
            };
            let largest = expected.iter().fold(0f32, |most, number| most.max(number.abs()));
            if slot.to_string() == up {
                assert!(found[96 * 64..].iter().all(|number| *number == 0.0));
            } else if found.len() != expected.len() {
                // Columns of the way back, and biases.
                continue;
            }
            for (found, expected) in found.iter().zip(*expected) {
                let error = (found - expected).abs();
                assert!(error <= 0.5005 * largest / 127.0, "{slot}: {found}, expected {expected}");
            }
        }
    }
}

#[test]
fn a_folder_is_whole_and_its_archive_holds_the_same_files() {
    let own = model(288, |architecture| architecture.embeddings = Embeddings::AllTied);
    let mut table = LexicalTable::learn(&[(vec![7, 9], vec![8])], 288, 1, &mut |_| {});
    table = table.best(10, 0.0, 10);
    let factors: ActivationFactors = [(Slot::Table(Table::Source), 12.5)].into();
    let options = ExportOptions {
        shortlist: Some(table.clone()),
        activations: Some(factors),
        ..ExportOptions::from(Numbers::Int8)
    };
    let folder = tempfile::tempdir().unwrap();
    assert!(export(&own, BERGAMOT, &options, folder.path()).unwrap().is_empty());
    let names = names(folder.path());
    let archive = names.iter().find(|name| name.ends_with(".tar.gz")).unwrap();
    let mut expected = vec![
        "config.intgemm8bitalpha.yml",
        archive,
        "lex.ende.s2t.bin",
        "metadata.json",
        "model.ende.intgemm.alphas.bin",
        "model_info.json",
        "vocab.ende.spm",
    ];
    expected.sort_unstable();
    assert_eq!(names, expected);

    let read = |name: &str| fs::read(folder.path().join(name)).unwrap();
    let weights = read("model.ende.intgemm.alphas.bin");
    let has = |part: &str| weights.windows(part.len()).any(|window| window == part.as_bytes());
    assert!(has("Wemb_QuantMultA\0") && has("none_QuantMultA\0"));
    let metadata = json(&folder.path().join("metadata.json"));
    assert_eq!(metadata["byteSize"], weights.len());
    assert_eq!(metadata["sourceLanguage"], "en");
    assert_eq!(metadata["modelConfig"]["dim-vocabs"], serde_json::json!([288, 288]));
    assert_eq!(metadata["modelConfig"]["tied-embeddings-all"], true);
    assert_eq!(json(&folder.path().join("model_info.json"))["src"], "English");

    let shortlist = BinaryShortlist::from_bytes(&read("lex.ende.s2t.bin")).unwrap();
    // The word itself, its translation; the end token has the words for any sentence.
    assert_eq!(shortlist.of_source[7], [7, 8]);
    let end = own.vocabularies.source.end_id() as usize;
    assert!(shortlist.of_source[end].contains(&8));
    assert!(!shortlist.of_source[287].is_empty(), "Marian refuses a file without");

    let unpacked =
        flate2::read::GzDecoder::new(fs::File::open(folder.path().join(archive)).unwrap());
    let mut inside = Vec::new();
    for entry in tar::Archive::new(unpacked).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_str().unwrap().to_string();
        let (directory, name) = path.split_once('/').unwrap();
        assert_eq!(directory, "ende.tiny.v1");
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        assert!(bytes == read(name), "{name}");
        inside.push(name.to_string());
    }
    inside.sort();
    assert_eq!(inside.len(), 5, "{inside:?}");
    assert!(inside.iter().all(|name| names.contains(name)));
}

#[test]
fn without_factors_the_file_is_called_otherwise() {
    let own = model(288, |_| {});
    let folder = tempfile::tempdir().unwrap();
    let notes = export(&own, BERGAMOT, &int8(), folder.path()).unwrap();
    assert_eq!(notes.len(), 2, "factors and a shortlist are missing: {notes:?}");
    assert!(folder.path().join("model.ende.intgemm8.bin").exists());
    let settings = fs::read_to_string(folder.path().join("config.intgemm8bitalpha.yml")).unwrap();
    assert!(settings.contains("gemm-precision: int8shiftAll\n"), "{settings}");
    assert!(!settings.contains("shortlist"), "{settings}");
}

#[test]
fn what_the_engine_cannot_run_is_refused_with_the_reason() {
    for (change, reason) in [
        (
            (|architecture| architecture.norm = NormPlacement::Pre) as fn(&mut Architecture),
            "its norms stand before the sub-layers",
        ),
        (|architecture| architecture.final_norm = FinalNorm::Present, "end in a norm of their own"),
        (|architecture| architecture.activation = Activation::Gelu, "its activation is GELU"),
        (|architecture| architecture.decoder.width = 128, "the encoder is 64 wide"),
        (
            |architecture| {
                (architecture.encoder.width, architecture.decoder.width) = (80, 80);
            },
            "its width is 80, which 64 does not divide",
        ),
    ] {
        let text = refusal(&model(288, change));
        assert!(text.contains(reason), "{text}");
    }
    let mut nameless = model(288, |_| {});
    nameless.model.config.languages = None;
    let text = refusal(&nameless);
    assert!(text.contains("--languages"), "{text}");
    let folder = tempfile::tempdir().unwrap();
    let float32 = Numbers::Float32.into();
    let error = export(&model(288, |_| {}), BERGAMOT, &float32, folder.path()).unwrap_err();
    assert!(error.to_string().contains("it is not written with float32"), "{error}");
    let options = ExportOptions { activations: Some(BTreeMap::new()), ..int8() };
    let error = export(&model(288, |_| {}), MARIAN, &options, folder.path()).unwrap_err();
    assert!(error.to_string().contains("not written with factors of activations"), "{error}");
}

/// With a vocabulary of its own numbers, such as OPUS-MT's, the SentencePiece model that is written has these.
#[test]
fn pieces_are_numbered_as_the_model_has_them() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/marian/joint-yaml");
    let mut given = import(&fixture, &ImportOptions::default()).unwrap().folder;
    // The fixture is 16 wide.
    let width = |architecture: &mut Architecture| {
        (architecture.encoder.width, architecture.decoder.width) = (64, 64);
    };
    width(&mut given.model.config.architecture);
    given.model.config.languages = Some(Languages::new("und", "deu").unwrap());
    given.model = Model::initialise(given.model.config.clone(), 3);
    let folder = tempfile::tempdir().unwrap();
    export(&given, BERGAMOT, &int8(), folder.path()).unwrap();
    let again = import(folder.path(), &ImportOptions::default()).unwrap().folder;
    let (found, expected) = (again.vocabularies, given.vocabularies);
    assert_eq!(found.source.tokens(), expected.source.tokens());
    assert_eq!(found.target.tokens(), expected.target.tokens());
    // Characters that the one side's model does not have, but the other's, are unknown now.
    for line in ["bako tano néra.", "selo timu koru", "  a  b"] {
        assert_eq!(found.source.encode(line), expected.source.encode(line), "{line}");
    }
    let ids: Vec<u32> = (2..40).collect();
    assert_eq!(found.target.decode(&ids).unwrap(), expected.target.decode(&ids).unwrap());
}

/// pymarian wrote `ssru-int8` of the archive: apart from the settings, whose text is another, we write the same.
#[test]
fn an_ssru_is_quantised_as_marian_does_it() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/marian");
    let options = ImportOptions {
        vocabulary: Some(fixtures.join("ssru/vocab.spm")),
        ..ImportOptions::default()
    };
    let archive = import(&fixtures.join("ssru/model.npz"), &options).unwrap().folder;
    assert_eq!(archive.model.config.architecture.autoregression, Autoregression::Ssru);
    let folder = tempfile::tempdir().unwrap();
    export(&archive, MARIAN, &int8(), folder.path()).unwrap();
    let ours = import(folder.path(), &ImportOptions::default()).unwrap().folder.model;
    let theirs = import(&fixtures.join("ssru-int8/model.bin"), &options).unwrap().folder.model;
    for ((slot, found), (_, expected)) in
        ours.weights.slices().into_iter().zip(theirs.weights.slices())
    {
        assert!(found == expected, "{slot}");
    }
}
