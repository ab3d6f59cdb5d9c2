//! Importing and exporting: what is refused and how, and that what is written is read again.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use tempfile::TempDir;
use wdistill_base::Problem;
use wdistill_formats::toolkits::{CTRANSLATE2, HUGGING_FACE, MARIAN};
use wdistill_formats::{
    Format, FormatError, ImportOptions, ModelFolder, Numbers, Subwords, Toolkit, export, import,
    native,
};
use wdistill_model::{
    Activation, Architecture, Autoregression, Config, DecoderStart, Dense, EmbeddingScale,
    Embeddings, FinalNorm, Languages, LinearPart, Model, NormPlacement, OutputBias, PositionTable,
    Slot, SourceEnding, Table, Vocabularies,
};
use wdistill_text::{SubwordModel, TokenList, Vocabulary, VocabularyPair, VocabularySettings};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// A copy that may be damaged.
fn copy(name: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(fixture(name)).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    folder
}

fn edit(folder: &TempDir, file: &str, change: impl FnOnce(String) -> String) {
    let path = folder.path().join(file);
    let text = change(fs::read_to_string(&path).unwrap());
    fs::write(path, text).unwrap();
}

fn words_as_they_stand() -> ImportOptions {
    ImportOptions {
        subwords: Some(Subwords::Whitespace),
        source_ending: Some(SourceEnding::EndToken),
        ..ImportOptions::default()
    }
}

fn refusal(path: &Path, options: &ImportOptions) -> String {
    match import(path, options) {
        Ok(_) => panic!("{} was imported", path.display()),
        Err(error) => Problem::of(&error).in_lines(),
    }
}

fn assert_mentions(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no {part:?} in: {text}");
    }
}

#[test]
fn all_problems_of_a_folder_are_reported_together() {
    let folder = copy("huggingface/swish-shared");
    edit(&folder, "config.json", |text| {
        text.replace("\"swish\"", "\"tanh\"")
            .replace("\"eos_token_id\": 0", "\"eos_token_id\": 5")
            .replace("\"pad_token_id\": 83", "\"pad_token_id\": 4")
            .replace("\"encoder_ffn_dim\": 48", "\"encoder_ffn_dim\": \"48\"")
            .replace(
                "\"scale_embedding\": true",
                "\"scale_embedding\": 7, \"normalize_before\": true",
            )
    });
    fs::remove_file(folder.path().join("target.spm")).unwrap();
    fs::rename(folder.path().join("source.spm"), folder.path().join("other.bin")).unwrap();
    assert_mentions(
        &refusal(folder.path(), &ImportOptions::default()),
        &[
            "activation_function is \"tanh\"",
            "encoder_ffn_dim is \"48\", expected a whole number",
            "eos_token_id is 5, but </s> has number 0",
            "pad_token_id is 4, which is not <pad>",
            "scale_embedding is 7",
            "normalize_before is true",
            "--subwords FILE",
        ],
    );
}

#[test]
fn weights_that_are_missing_or_left_over_are_named_with_their_likes() {
    let folder = copy("huggingface/separate");
    edit(&folder, "config.json", |text| text.replace("\"d_model\": 16", "\"d_model\": 24"));
    let text = refusal(folder.path(), &ImportOptions::default());
    assert_mentions(&text, &["model.encoder.layers.0.fc1.weight is", "expected ["]);

    // A safetensors header may be edited as long as its length stays.
    let folder = copy("huggingface/swish-shared");
    let path = folder.path().join("model.safetensors");
    let bytes = fs::read(&path).unwrap();
    let (from, to) = (b"encoder.layers.1.fc1.bias", b"encoder.layers.1.fcX.bias");
    let place = bytes.windows(from.len()).position(|window| window == from).unwrap();
    let mut changed = bytes.clone();
    changed[place..place + to.len()].copy_from_slice(to);
    fs::write(&path, changed).unwrap();
    assert_mentions(
        &refusal(folder.path(), &ImportOptions::default()),
        &[
            "model.encoder.layers.1.fc1.bias [48] is missing\n    hint: the file has model.encoder.layers.1.fcX.bias",
            "model.encoder.layers.1.fcX.bias [48] is not part of the model",
        ],
    );
}

#[test]
fn conventions_that_nothing_tells_are_asked_for() {
    let path = fixture("ctranslate2/converted/float32");
    assert_mentions(&refusal(&path, &ImportOptions::default()), &["--source-ending end-token"]);
    let path = fixture("ctranslate2/converted/int8");
    let text = refusal(&path, &ImportOptions::default());
    assert_mentions(&text, &["--source-ending end-token", "--subwords FILE"]);
}

#[test]
fn models_that_cannot_be_expressed_are_refused_with_the_reason() {
    for (from, to, problem) in [
        ("dec-cell: ssru", "dec-cell: gru", "its dec-cell is gru"),
        ("layer-normalization: false", "layer-normalization: true", "with layer-normalization"),
        ("transformer-rnn-projection: false", "transformer-rnn-projection: true", "rnn-projection"),
    ] {
        let folder = with_settings("marian/ssru", |text| {
            let text = text.lines().filter(|line| !line.starts_with(from)).collect::<Vec<_>>();
            text.join("\n") + "\n" + to + "\n"
        });
        let text = refusal(folder.path(), &ImportOptions::default());
        assert_mentions(&text, &[problem]);
    }
    let text = refusal(&fixture("ctranslate2/without-positions"), &words_as_they_stand());
    assert_mentions(&text, &["start token before the source"]);
}

#[test]
fn a_model_without_a_table_of_positions_has_ctranslate2s_own() {
    let folder = copy("ctranslate2/without-positions");
    edit(&folder, "config.json", |text| {
        text.replace("\"add_source_bos\": true", "\"add_source_bos\": false")
    });
    let imported = import(folder.path(), &words_as_they_stand()).unwrap();
    let architecture = &imported.folder.model.config.architecture;
    assert_eq!(architecture.positions, PositionTable::OpennmtTf);
    assert_eq!(architecture.embedding_scale, EmbeddingScale::One);
    assert_eq!(architecture.embeddings, Embeddings::DecoderTied);
}

#[test]
fn counts_and_flags_of_a_fairseq_dictionary_do_not_change_what_it_says() {
    let plain =
        import(&fixture("fairseq/new-layout/checkpoint_best.pt"), &ImportOptions::default());
    let plain = plain.unwrap();
    let folder = copy("fairseq/new-layout");
    for file in ["dict.de.txt", "dict.und.txt"] {
        edit(&folder, file, |text| {
            let ends = [" -1", " 5 ", " 0 #fairseq:overwrite", " 3\t"];
            let entries = text.lines().zip(ends.iter().cycle());
            let changed = entries.map(|(line, end)| {
                let (word, _) = line.rsplit_once(' ').unwrap();
                format!("{word}{end}\n")
            });
            changed.collect()
        });
    }
    let path = folder.path().join("checkpoint_best.pt");
    let imported = import(&path, &ImportOptions::default()).unwrap();
    assert_eq!(imported.folder.model.config, plain.folder.model.config);
    assert_same_text(&imported.folder, &plain.folder);
}

#[test]
fn what_is_no_model_says_what_would_be_one() {
    let folder = tempfile::tempdir().unwrap();
    let detect = |path: &Path| Format::detect(path).unwrap_err().to_string();
    assert_mentions(&detect(folder.path()), &["model.bin (CTranslate2)", ".npz or .bin (Marian)"]);
    assert_mentions(&detect(&folder.path().join("nothing")), &["does not exist"]);
    fs::write(folder.path().join("a.npz"), "").unwrap();
    assert_eq!(Format::detect(folder.path()).unwrap(), Format::Other(MARIAN));
    fs::write(folder.path().join("a.npz.optimizer.npz"), "").unwrap();
    assert_eq!(Format::detect(folder.path()).unwrap(), Format::Other(MARIAN));
    fs::write(folder.path().join("b.npz"), "").unwrap();
    assert_mentions(&detect(folder.path()), &["several models"]);
}

/// Files of each kind that are cut anywhere, or have a byte changed, are errors or models, and never more.
fn damage(name: &str, file: &str, options: &ImportOptions) {
    let folder = copy(name);
    let path = folder.path().join(file);
    let whole = fs::read(&path).unwrap();
    let target = if file.ends_with(".npz") || file.ends_with(".pt") {
        path.clone()
    } else {
        folder.path().to_path_buf()
    };
    assert!(import(&target, options).is_ok(), "{name}");
    for part in 0..40 {
        let length = whole.len() * part / 40;
        fs::write(&path, &whole[..length]).unwrap();
        assert!(import(&target, options).is_err(), "{name}: {length} of {} bytes", whole.len());
    }
    // The start holds headers; further on, every 97th byte will do.
    for place in (0..300).chain((300..whole.len()).step_by(whole.len() / 97 + 1)) {
        for value in [0x00, 0x7f, 0xff] {
            let mut changed = whole.clone();
            changed[place] = value;
            fs::write(&path, changed).unwrap();
            // Neither a panic nor an allocation beyond all bounds; weights may well be other ones.
            drop(import(&target, options));
        }
    }
}

#[test]
fn damaged_safetensors_and_torch_files_are_errors() {
    let options = ImportOptions::default();
    damage("huggingface/separate", "model.safetensors", &options);
    damage("huggingface/relu-legacy", "pytorch_model.bin", &options);
    damage("huggingface/relu-legacy-old", "pytorch_model.bin", &options);
    damage("fairseq/new-layout", "checkpoint_best.pt", &options);
    damage("fairseq/old-layout", "checkpoint_best.pt", &options);
}

#[test]
fn damaged_models_of_marian_and_ctranslate2_are_errors() {
    damage("marian/separate-spm", "model.npz", &ImportOptions::default());
    damage("ctranslate2/prenorm", "model.bin", &words_as_they_stand());
    damage("ctranslate2/converted/int8", "model.bin", &words_as_they_stand());
    damage("ctranslate2/versions/2", "model.bin", &words_as_they_stand());
}

fn assert_same_weights(found: &Model<Dense<f32>>, expected: &Model<Dense<f32>>, skip: &str) {
    for ((slot, found), (_, expected)) in
        found.weights.slices().into_iter().zip(expected.weights.slices())
    {
        if slot.to_string() != skip {
            assert!(found == expected, "{}", slot);
        }
    }
}

/// Exports and imports again.
fn around(given: &ModelFolder, toolkit: &dyn Toolkit, options: &ImportOptions) -> ModelFolder {
    around_with(given, toolkit, Numbers::Float32, options)
}

fn around_with(
    given: &ModelFolder,
    toolkit: &dyn Toolkit,
    numbers: Numbers,
    options: &ImportOptions,
) -> ModelFolder {
    let folder = tempfile::tempdir().unwrap();
    export(given, toolkit, &numbers.into(), folder.path())
        .unwrap_or_else(|error| panic!("{error}"));
    import(folder.path(), options).unwrap_or_else(|error| panic!("{error}")).folder
}

const LINES: [&str; 4] = ["bako tano néra.", "selo timu ☃ koru", "", "  a  b"];

fn assert_same_text(found: &ModelFolder, expected: &ModelFolder) {
    for line in LINES {
        assert_eq!(
            found.vocabularies.source.encode(line),
            expected.vocabularies.source.encode(line),
            "{line:?}"
        );
    }
}

#[test]
fn marian_mt_goes_to_every_format_and_back() {
    let default = ImportOptions::default();
    let mut imported = import(&fixture("huggingface/swish-shared"), &default).unwrap().folder;
    // Its tokeniser says `mul`, which is no language; what is one comes back.
    assert_eq!(imported.model.config.languages, None);
    imported.model.config.languages = Some(Languages::new("en", "pt_BR").unwrap());

    let again = around(&imported, HUGGING_FACE, &default);
    assert_eq!(again.model.config, imported.model.config);
    assert_same_weights(&again.model, &imported.model, "");
    assert_same_text(&again, &imported);

    // Padding is kept from being written by its bias, since the format has no other way.
    let again = around(&imported, CTRANSLATE2, &default);
    assert_same_weights(&again.model, &imported.model, "embeddings.output_bias");
    assert_eq!(again.model.config.vocabularies.padding, None);
    let padding = imported.model.config.vocabularies.padding.unwrap() as usize;
    let bias = again.model.weights.embeddings.output_bias.unwrap();
    assert_eq!((bias[padding], bias.len()), (-1e4, padding + 1));

    // Marian has no padding word; its decoder starts from zeros, as the embedding of padding is.
    let again = around(&imported, MARIAN, &default);
    let vocabularies = again.model.config.vocabularies;
    assert_eq!(vocabularies.decoder_start, DecoderStart::ZeroVector);
    assert_eq!((vocabularies.target, vocabularies.padding), (padding, None));
    let table = &again.model.weights.embeddings.source;
    assert!(imported.model.weights.embeddings.source.data().starts_with(table.data()));
    assert_same_text(&again, &imported);
}

#[test]
fn stacks_of_two_widths_go_to_ctranslate2_only() {
    let imported = import(&fixture("ctranslate2/prenorm"), &words_as_they_stand()).unwrap().folder;
    let again = around(&imported, CTRANSLATE2, &words_as_they_stand());
    assert_eq!(again.model.config, imported.model.config);
    assert_same_weights(&again.model, &imported.model, "");

    let again = around_with(&imported, CTRANSLATE2, Numbers::Int8, &words_as_they_stand());
    for ((slot, found), (_, expected)) in
        again.model.weights.slices().into_iter().zip(imported.model.weights.slices())
    {
        // Half a step of a row's 127 at most.
        let largest = expected.iter().fold(0f32, |largest, number| largest.max(number.abs()));
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() <= largest / 253.9, "{}", slot);
        }
    }

    let folder = tempfile::tempdir().unwrap();
    for format in [HUGGING_FACE, MARIAN] {
        let error = export(&imported, format, &Numbers::Float32.into(), &folder.path().join("out"))
            .unwrap_err()
            .to_string();
        assert_mentions(&error, &["24 wide and the decoder 16", "hint: CTranslate2 takes both"]);
        assert!(!folder.path().join("out").exists());
    }
}

#[test]
fn a_model_of_ones_own_goes_to_every_format() {
    let lines = ["a dog runs", "two dogs run", "a cat sleeps"];
    let vocabulary = |size| {
        let settings = VocabularySettings::new(SubwordModel::Bpe, size);
        Vocabulary::train(lines, &settings).unwrap().vocabulary
    };
    let (source, target) = (vocabulary(280), vocabulary(275));
    let mut architecture = Architecture::preset("transformer-nano").unwrap();
    architecture.output_bias = OutputBias::Absent;
    let vocabularies = Vocabularies {
        source: source.size(),
        target: target.size(),
        decoder_start: DecoderStart::ZeroVector,
        ..Vocabularies::shared(0)
    };
    let model = Model::initialise(Config::new(architecture, vocabularies).unwrap(), 3);
    let own = ModelFolder { model, vocabularies: VocabularyPair { source, target } };
    let default = ImportOptions::default();

    let again = around(&own, MARIAN, &default);
    assert_eq!(
        again.vocabularies.source.encode("a dog sleeps 🐕"),
        own.vocabularies.source.encode("a dog sleeps 🐕")
    );
    assert_eq!(again.model.weights.embeddings.target, own.model.weights.embeddings.target);
    let again = around(&own, CTRANSLATE2, &default);
    assert_eq!(again.model.config.vocabularies, own.model.config.vocabularies);
    assert_same_weights(&again.model, &own.model, "");

    // Padding has one number on both sides: that after the smaller vocabulary.
    let again = around(&own, HUGGING_FACE, &default);
    let at = own.vocabularies.target.size().min(own.vocabularies.source.size());
    let vocabularies = again.model.config.vocabularies;
    assert_eq!(vocabularies.padding, Some(at as u32));
    assert_eq!(vocabularies.decoder_start, DecoderStart::Word(at as u32));
    let line = "a dog runs";
    let moved = |id: u32| if id as usize >= at { id + 1 } else { id };
    let expected: Vec<u32> = own.vocabularies.source.encode(line).into_iter().map(moved).collect();
    assert_eq!(again.vocabularies.source.encode(line), expected);
}

fn words(count: usize) -> Vocabulary {
    let tokens = ["</s>", "<unk>"].map(str::to_string).into_iter();
    let tokens = tokens.chain((2..count).map(|number| format!("w{number}"))).collect();
    Vocabulary::from_words(TokenList { tokens, end: 0, unknown: 1, controls: Vec::new() }).unwrap()
}

fn subwords() -> Vocabulary {
    let settings = VocabularySettings::new(SubwordModel::Unigram, 275);
    Vocabulary::train(["a dog runs", "two dogs run", "a cat sleeps"], &settings).unwrap().vocabulary
}

prop_compose! {
    /// Any model that CTranslate2 can express, and a seed of its weights.
    fn any_model()(
        (source, target) in (3usize..40, 3usize..40),
        (encoder_layers, decoder_layers) in (1usize..4, 1usize..4),
        (encoder_heads, decoder_heads) in (1usize..4, 1usize..4),
        norm in prop_oneof![Just(NormPlacement::Post), Just(NormPlacement::Pre)],
        autoregression in prop_oneof![Just(Autoregression::SelfAttention), Just(Autoregression::Ssru)],
        final_norm in prop_oneof![Just(FinalNorm::Absent), Just(FinalNorm::Present)],
        activation in prop::sample::select(Activation::ALL.to_vec()),
        embeddings in prop_oneof![
            Just(Embeddings::Separate), Just(Embeddings::DecoderTied), Just(Embeddings::AllTied)
        ],
        embedding_scale in prop_oneof![Just(EmbeddingScale::SquareRootOfWidth), Just(EmbeddingScale::One)],
        positions in prop::sample::select(PositionTable::ALL.to_vec()),
        output_bias in prop_oneof![Just(OutputBias::Absent), Just(OutputBias::Present)],
        start in prop_oneof![
            Just(DecoderStart::ZeroVector), (0u32..3).prop_map(DecoderStart::Word)
        ],
        seed in 0u64..1000,
    ) -> (Config, u64) {
        let mut architecture = Architecture::preset("transformer-nano").unwrap();
        let tied = embeddings == Embeddings::AllTied;
        (architecture.norm, architecture.final_norm) = (norm, final_norm);
        (architecture.activation, architecture.embeddings) = (activation, embeddings);
        (architecture.embedding_scale, architecture.positions) = (embedding_scale, positions);
        (architecture.output_bias, architecture.autoregression) = (output_bias, autoregression);
        (architecture.encoder.layers, architecture.decoder.layers) = (encoder_layers, decoder_layers);
        let heads = if tied { [encoder_heads; 2] } else { [encoder_heads, decoder_heads] };
        (architecture.encoder.heads, architecture.encoder.width) = (heads[0], 4 * heads[0]);
        (architecture.decoder.heads, architecture.decoder.width) = (heads[1], 4 * heads[1]);
        let vocabularies = Vocabularies {
            source,
            target: if tied { source } else { target },
            decoder_start: start,
            ..Vocabularies::shared(0)
        };
        (Config::new(architecture, vocabularies).unwrap(), seed)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_model_survives_ctranslate2s_format((mut config, seed) in any_model()) {
        config.architecture.autoregression = Autoregression::SelfAttention;
        let model = Model::initialise(config, seed);
        let vocabularies = model.config.vocabularies;
        let (source, target) = (words(vocabularies.source), words(vocabularies.target));
        let own = ModelFolder { model, vocabularies: VocabularyPair { source, target } };
        let again =
            around(&own, CTRANSLATE2, &words_as_they_stand());
        let mut config = own.model.config.clone();
        // Dropout is of training only, and not kept.
        config.architecture.dropout = again.model.config.architecture.dropout;
        prop_assert_eq!(&again.model.config, &config);
        assert_same_weights(&again.model, &own.model, "");
    }

    #[test]
    fn any_model_of_one_width_survives_marians_and_hugging_faces_format((config, seed) in any_model()) {
        let vocabulary = subwords();
        let mut architecture = config.architecture;
        architecture.decoder.heads = architecture.encoder.heads;
        architecture.decoder.width = architecture.encoder.width;
        architecture.embedding_scale = EmbeddingScale::SquareRootOfWidth;
        let positions = architecture.positions;
        architecture.positions = PositionTable::Tensor2tensor;
        architecture.output_bias = OutputBias::Present;
        if architecture.activation == Activation::Gelu {
            architecture.activation = Activation::Swish;
        }
        let size = vocabulary.size();
        let vocabularies =
            Vocabularies { decoder_start: DecoderStart::ZeroVector, ..Vocabularies::shared(size) };
        let config = Config::new(architecture, vocabularies).unwrap();
        let model = Model::initialise(config, seed);
        let (source, target) = (vocabulary.clone(), vocabulary);
        let mut own = ModelFolder { model, vocabularies: VocabularyPair { source, target } };
        let again = around(&own, MARIAN, &ImportOptions::default());
        let mut expected = own.model.config.clone();
        // Marian has an epsilon of its own, and does not say what was dropped in training.
        expected.architecture.norm_epsilon = 1e-6;
        expected.architecture.dropout = again.model.config.architecture.dropout;
        prop_assert_eq!(&again.model.config, &expected);
        assert_same_weights(&again.model, &own.model, "");

        let architecture = &mut own.model.config.architecture;
        architecture.positions = positions;
        let is_post = architecture.norm == NormPlacement::Post;
        let is_attention = architecture.autoregression == Autoregression::SelfAttention;
        if is_post && is_attention && architecture.final_norm == FinalNorm::Absent {
            let again = around(&own, HUGGING_FACE, &ImportOptions::default());
            prop_assert_eq!(again.model.config.architecture.positions, positions);
            // The same, with a row of zeros for padding.
            let (found, all) = (again.model.weights.slices(), own.model.weights.slices());
            for ((slot, found), (_, expected)) in found.into_iter().zip(all) {
                prop_assert!(found.starts_with(expected), "{}", slot);
            }
        }
    }

    #[test]
    fn any_bytes_are_an_error_of_every_reader(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let folder = tempfile::tempdir().unwrap();
        for name in ["model.bin", "model.npz", "checkpoint.pt"] {
            let path = folder.path().join(name);
            fs::write(&path, &bytes).unwrap();
            prop_assert!(import(&path, &words_as_they_stand()).is_err());
        }
    }
}

#[test]
fn a_model_of_wdistill_is_not_imported() {
    let folder = tempfile::tempdir().unwrap();
    let config =
        Config::new(Architecture::preset("transformer-nano").unwrap(), Vocabularies::shared(9));
    native::save(&Model::initialise(config.unwrap(), 1), folder.path()).unwrap();
    let result = import(folder.path(), &ImportOptions::default());
    assert!(matches!(result, Err(FormatError::NothingToImport { .. })));
}

#[test]
fn what_git_left_in_place_of_a_file_is_named() {
    for file in ["model.safetensors", "source.spm"] {
        let folder = copy("huggingface/swish-shared");
        let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n";
        fs::write(folder.path().join(file), pointer).unwrap();
        assert_mentions(
            &refusal(folder.path(), &ImportOptions::default()),
            &[file, "git lfs pull"],
        );
    }
    let folder = copy("huggingface/swish-shared");
    fs::write(folder.path().join("source.spm"), "a b\nc d\n").unwrap();
    assert!(import(folder.path(), &ImportOptions::default()).is_err());
}

#[test]
fn a_model_is_found_by_its_weights_file_too() {
    let file = fixture("huggingface/separate").join("model.safetensors");
    assert_eq!(Format::detect(&file).unwrap(), Format::Other(HUGGING_FACE));
    assert!(import(&file, &ImportOptions::default()).is_ok());
}

/// A model of Marian of whose arrays some were changed, or left out; the archive then has other sums.
fn with_arrays(name: &str, change: impl Fn(&str, Vec<u8>) -> Option<Vec<u8>>) -> TempDir {
    let folder = copy(name);
    let path = folder.path().join("model.npz");
    let bytes = fs::read(&path).unwrap();
    let mut reader = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for index in 0..reader.len() {
        let mut entry = reader.by_index(index).unwrap();
        let name = entry.name().unwrap().to_string();
        let mut content = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut content).unwrap();
        if let Some(content) = change(&name, content) {
            writer.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
            std::io::Write::write_all(&mut writer, &content).unwrap();
        }
    }
    fs::write(&path, writer.finish().unwrap().into_inner()).unwrap();
    folder
}

/// Where Marian keeps its settings.
const SETTINGS: &str = "special:model.yml.npy";

/// Rewrites a setting of the same length inside a model of Marian.
fn with_setting(from: &str, to: &str) -> TempDir {
    assert_eq!(from.len(), to.len());
    with_arrays("marian/joint-yaml", |name, mut content| {
        if name == SETTINGS {
            let place = content.windows(from.len()).position(|w| w == from.as_bytes()).unwrap();
            content[place..place + to.len()].copy_from_slice(to.as_bytes());
        }
        let stays = name != "decoder_ff_logit_out_b.npy" || from.starts_with("right-left");
        stays.then_some(content)
    })
}

#[test]
fn settings_of_marian_that_would_change_a_translation_are_not_passed_over() {
    let folder = with_setting("right-left: false", "right-left: true\n");
    let text = refusal(folder.path(), &ImportOptions::default());
    assert_mentions(&text, &["right-left is \"true\", expected \"false\""]);
    // The settings promise an output bias, which is not there.
    let folder = with_setting("skip: false", "skip: false");
    let text = refusal(folder.path(), &ImportOptions::default());
    assert_mentions(&text, &["decoder_ff_logit_out_b", "is missing"]);
    let folder = with_setting("right-left: ", "right-lefx: ");
    let imported = import(folder.path(), &ImportOptions::default()).unwrap();
    assert!(imported.notes.iter().any(|note| note.contains("right-lefx")), "{:?}", imported.notes);
}

/// A model of Marian whose settings were changed.
fn with_settings(name: &str, change: impl Fn(String) -> String) -> TempDir {
    with_arrays(name, |name, mut content| {
        if name == SETTINGS {
            let start = content.iter().position(|byte| *byte == b'\n').unwrap() + 1;
            let text = String::from_utf8(content.split_off(start)).unwrap();
            let text = change(text.trim_end_matches('\0').to_string()) + "\0";
            let shape = format!("'shape': ({},), }}", text.len());
            let header = format!("{{'descr': '|i1', 'fortran_order': False, {shape}");
            content =
                [b"\x93NUMPY\x01\0v\0".as_slice(), format!("{header:<117}\n").as_bytes()].concat();
            content.extend(text.into_bytes());
        }
        Some(content)
    })
}

/// The options of Marian 1.12.42 that change the network, with values that are not its defaults.
#[test]
fn settings_of_the_network_that_are_not_known_are_refused() {
    for setting in [
        "transformer-disable-position-embeddings: true",
        "transformer-attention-mask: alibi",
        "transformer-alibi-shift: true",
        "transformer-alibi-trainable: true",
        "transformer-of-the-future: something",
        "lemma-of-the-future: 3",
        "type-of-norm: rms",
    ] {
        let folder = with_settings("marian/joint-yaml", |text| format!("{text}{setting}\n"));
        let text = refusal(folder.path(), &ImportOptions::default());
        let (name, value) = setting.split_once(": ").unwrap();
        assert_mentions(&text, &[name, value]);
        // Arrays that the refused setting would need are not listed.
        assert_eq!(text.lines().count(), 2, "{text}");
    }
    let defaults = "transformer-disable-position-embeddings: false\ntransformer-attention-mask: default\n\
                    transformer-alibi-shift: false\ntransformer-alibi-trainable: false\n\
                    separator-symbol: \"[eos]\"\ntransformer-dropout: 0.1\n";
    let folder = with_settings("marian/joint-yaml", |text| text + defaults);
    let imported = import(folder.path(), &ImportOptions::default()).unwrap();
    assert!(
        !imported.notes.iter().any(|note| note.contains("passed over")),
        "{:?}",
        imported.notes
    );
    let folder = with_settings("marian/joint-yaml", |text| text + "transformer-new-flag: false\n");
    let imported = import(folder.path(), &ImportOptions::default()).unwrap();
    assert!(imported.notes.iter().any(|note| note.contains("transformer-new-flag")));
}

#[test]
fn norms_before_sublayers_of_old_versions_of_marian_are_refused() {
    let with = |name, version: &'static str| {
        with_settings(name, move |text| {
            text.replace("version: v1.12.0", &format!("version: {version}"))
        })
    };
    for version in ["v1.10.0", "v1.9.56", "1.7.6"] {
        let folder = with("marian/separate-spm", version);
        let text = refusal(folder.path(), &ImportOptions::default());
        assert_mentions(&text, &[version, "transformer-preprocess has a norm"]);
        let folder = with("marian/joint-yaml", version);
        assert!(import(folder.path(), &ImportOptions::default()).is_ok());
    }
    let folder = with("marian/separate-spm", "v1.11.0");
    assert!(import(folder.path(), &ImportOptions::default()).is_ok());
}

#[test]
fn marians_gelu_is_the_usual_one_since_1_12_3() {
    let with = |version: &'static str| {
        with_settings("marian/joint-yaml", move |text| {
            text.replace("ffn-activation: swish", "ffn-activation: gelu")
                .replace("version: v1.12.0", &format!("version: {version}"))
        })
    };
    let imported = import(with("v1.12.3").path(), &ImportOptions::default()).unwrap();
    assert_eq!(imported.folder.model.config.architecture.activation, Activation::Gelu);
    for version in ["v1.12.2", "v1.9.0", "unknown"] {
        let text = refusal(with(version).path(), &ImportOptions::default());
        assert_mentions(&text, &["gelu", version, "before 1.12.3"]);
    }
}

#[test]
fn positions_that_marian_did_not_train_are_sinusoids() {
    let folder = with_settings("marian/joint-yaml", |text| {
        text.replace("train-position-embeddings: false", "train-position-embeddings: true")
    });
    let imported = import(folder.path(), &ImportOptions::default()).unwrap();
    assert_eq!(imported.folder.model.config.architecture.positions, PositionTable::Tensor2tensor);
    assert!(imported.notes.iter().any(|note| note.contains("there is no Wpos")));
}

#[test]
fn a_yaml_vocabulary_may_have_a_byte_order_mark_and_more_words_than_the_model() {
    let plain = import(&fixture("marian/joint-yaml"), &ImportOptions::default()).unwrap();
    let folder = copy("marian/joint-yaml");
    edit(&folder, "vocab.yml", |text| format!("\u{feff}{text}one-more: 92\nand-more: 93\n"));
    let imported = import(folder.path(), &ImportOptions::default()).unwrap();
    assert_same_text(&imported.folder, &plain.folder);
    assert_eq!(imported.folder.vocabularies.source.size(), 92);
    let said = |note: &&String| note.contains("has 94 words") && note.contains("the first 92");
    assert_eq!(imported.notes.iter().filter(said).count(), 2, "{:?}", imported.notes);
    edit(&folder, "vocab.yml", |text| {
        text.lines().take(90).map(|line| format!("{line}\n")).collect()
    });
    let text = refusal(folder.path(), &ImportOptions::default());
    assert_mentions(&text, &["dim-vocabs gives 92 words", "but the vocabulary has"]);
}

/// The fixture `joint-yaml` with a binary model (`fixtures/marian/binary/make.py`) in place of its own.
fn binary(kind: &str, name: &str) -> TempDir {
    let folder = copy("marian/joint-yaml");
    fs::remove_file(folder.path().join("model.npz")).unwrap();
    let model = fixture("marian/binary").join(format!("model.{kind}.bin"));
    fs::copy(model, folder.path().join(name)).unwrap();
    folder
}

/// Of a matrix whose largest number is 127 steps.
fn half_step_of_int8(numbers: &[f32]) -> f32 {
    0.5 * numbers.iter().fold(0.0f32, |most, number| most.max(number.abs())) / 127.0
}

fn assert_near(found: &[f32], expected: &[f32], half_step: f32, what: &str) {
    for (found, expected) in found.iter().zip(expected) {
        let error = (found - expected).abs();
        assert!(error <= half_step * 1.001, "{what}: {found}, expected {expected}");
    }
}

/// Marian's own converter wrote these of the archive; a quantised number is off by half a step, and a step is the largest
/// number of its matrix over 127, or the 1024th part of 1.
#[test]
fn binary_models_of_marian_are_the_archives_they_were_made_of() {
    let archive = import(&fixture("marian/joint-yaml"), &ImportOptions::default()).unwrap();
    let expected = archive.folder.model.weights.slices();
    // A model.bin is CTranslate2's too.
    for (kind, name, note) in [
        ("float32", "model.bin", "it does not say"),
        ("intgemm8", "model.intgemm8.bin", "stored in float32, int8"),
        ("intgemm16", "model.intgemm16.bin", "stored in float32, int16"),
        ("browsermt", "model.deen.intgemm.alphas.bin", "23 factors of activations (_QuantMultA)"),
    ] {
        let folder = binary(kind, name);
        let found = import(folder.path(), &ImportOptions::default()).unwrap();
        assert_eq!(found.folder.model.config, archive.folder.model.config, "{kind}");
        let notes = found.notes.join("\n");
        assert!(notes.contains(note), "{kind}: {notes}");
        let slices = found.folder.model.weights.slices();
        for ((slot, found), (_, expected)) in slices.into_iter().zip(&expected) {
            let half_step = match kind {
                "float32" => 0.0,
                "intgemm16" => 0.5 / 1024.0,
                _ => half_step_of_int8(expected),
            };
            assert_near(found, expected, half_step, &format!("{kind}, {slot}"));
        }
    }
}

#[test]
fn binary_models_of_marian_that_are_damaged_are_errors() {
    let folder = binary("intgemm8", "model.bin");
    let path = folder.path().join("model.bin");
    let whole = fs::read(&path).unwrap();
    for length in (8..whole.len()).step_by(997) {
        fs::write(&path, &whole[..length]).unwrap();
        assert_mentions(&refusal(&path, &ImportOptions::default()), &["a Marian model"]);
    }
    fs::write(&path, [&2u64.to_le_bytes(), &whole[8..]].concat()).unwrap();
    assert_mentions(&refusal(folder.path(), &ImportOptions::default()), &["it is encrypted"]);
}

#[test]
fn vocabularies_are_found_by_the_names_that_firefox_gives_them() {
    let folder = copy("marian/separate-spm");
    let rename = |from: &str, to: &str| {
        fs::rename(folder.path().join(from), folder.path().join(to)).unwrap();
    };
    fs::remove_file(folder.path().join("decoder.yml")).unwrap();
    rename("vocab.und.spm", "srcvocab.undeu.spm");
    rename("vocab.deu.spm", "trgvocab.undeu.spm");
    let found = import(folder.path(), &ImportOptions::default()).unwrap();
    let expected = import(&fixture("marian/separate-spm"), &ImportOptions::default()).unwrap();
    assert_eq!(found.folder.model.config, expected.folder.model.config);
}

/// A pickle of nested dictionaries of numbers, in the form that `torch.save` wrote before its archives.
fn old_checkpoint(entries: &[u8]) -> Vec<u8> {
    let magic = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
    [b"\x8a\x0a".as_slice(), &magic, b".M\xe9\x03.}.", entries, b".]."].concat()
}

fn dictionary(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut pickle = b"}(".to_vec();
    for (name, value) in entries {
        pickle.extend(
            [b"X".as_slice(), &(name.len() as u32).to_le_bytes(), name.as_bytes()].concat(),
        );
        pickle.extend(value);
    }
    pickle.push(b'u');
    pickle
}

/// What OpenNMT-py, PyTorch and others keep in such files is told before a dictionary is asked for.
#[test]
fn checkpoints_that_are_not_fairseqs_say_whose_they_are() {
    let number = || b"K\x01".to_vec();
    let weights = |start: &str| dictionary(&[(&format!("{start}encoder.version"), number())]);
    for (content, parts) in [
        (
            dictionary(&[("model", weights("")), ("generator", weights("")), ("opt", number())]),
            vec!["a checkpoint of OpenNMT-py", "ct2-opennmt-py-converter"],
        ),
        (dictionary(&[("model", weights("module."))]), vec!["\"module.\"", "DataParallel"]),
        (weights("module."), vec!["\"module.\"", "DataParallel"]),
        (weights(""), vec!["no entry \"model\", but begins with encoder.version"]),
        (dictionary(&[("model", weights(""))]), vec!["neither \"args\" nor \"cfg\""]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.pt");
        fs::write(&path, old_checkpoint(&content)).unwrap();
        let text = refusal(&path, &words_as_they_stand());
        assert_mentions(&text, &parts);
        assert!(!text.contains("dict."), "{text}");
    }
}

/// Another architecture's class may compute other things from the same settings.
#[test]
fn architectures_of_fairseq_that_are_not_known_are_refused() {
    let folder = copy("fairseq/old-layout");
    let path = folder.path().join("checkpoint_best.pt");
    let bytes = fs::read(&path).unwrap();
    let (known, other) = (b"transformer_iwslt_de_en", b"transformer_ulm_xyz_abc");
    let place = bytes.windows(known.len()).position(|window| window == known).unwrap();
    let changed = [&bytes[..place], other, &bytes[place + known.len()..]].concat();
    fs::write(&path, changed).unwrap();
    let error = refusal(&path, &ImportOptions::default());
    assert_mentions(
        &error,
        &["its architecture is \"transformer_ulm_xyz_abc\", which is not known"],
    );
}

#[test]
fn settings_of_fairseq_that_change_the_network_are_refused() {
    let number = |number: u8| vec![b'K', number];
    let text = |text: &str| {
        [b"X".as_slice(), &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat()
    };
    let settings = dictionary(&[
        ("source_lang", text("und")),
        ("target_lang", text("de")),
        ("encoder_langtok", text("src")),
        ("scale_of_the_future", number(2)),
        ("decoder_flag_of_the_future", number(0)),
        ("decoder_embed_dim", number(16)),
        ("decoder_output_dim", number(8)),
        ("encoder_layerdrop", number(1)),
    ]);
    let content = dictionary(&[("args", settings), ("model", dictionary(&[]))]);
    let folder = copy("fairseq/new-layout");
    let path = folder.path().join("model.pt");
    fs::write(&path, old_checkpoint(&content)).unwrap();
    let text = refusal(&path, &words_as_they_stand());
    assert_mentions(
        &text,
        &[
            "\"encoder_langtok\" is in use, but is not known here",
            "\"scale_of_the_future\" is in use, but is not known here",
            "decoder_output_dim and decoder_embed_dim differ",
        ],
    );
    assert!(!text.contains("decoder_flag") && !text.contains("layerdrop"), "{text}");
}

/// Divides model.safetensors into as many files, with an index, as `save_pretrained` does.
fn divide(folder: &TempDir, parts: usize) {
    let path = folder.path().join("model.safetensors");
    let bytes = fs::read(&path).unwrap();
    let whole = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let names = whole.names();
    let mut index = Vec::new();
    for (part, names) in names.chunks(names.len().div_ceil(parts)).enumerate() {
        let file = format!("model-{:05}-of-{parts:05}.safetensors", part + 1);
        let tensors = names.iter().map(|name| (name, whole.tensor(name).unwrap()));
        fs::write(folder.path().join(&file), safetensors::serialize(tensors, None).unwrap())
            .unwrap();
        index.extend(names.iter().map(|name| format!("{name:?}: {file:?}")));
    }
    let index = format!("{{\"metadata\": {{}}, \"weight_map\": {{{}}}}}", index.join(", "));
    fs::write(folder.path().join("model.safetensors.index.json"), index).unwrap();
    fs::remove_file(path).unwrap();
}

#[test]
fn weights_may_lie_in_several_files() {
    let whole = import(&fixture("huggingface/swish-shared"), &ImportOptions::default()).unwrap();
    let folder = copy("huggingface/swish-shared");
    divide(&folder, 4);
    let part = folder.path().join("model-00002-of-00004.safetensors");
    for path in [folder.path(), &part, &folder.path().join("model.safetensors.index.json")] {
        let imported = import(path, &ImportOptions::default()).unwrap();
        assert_eq!(imported.folder.model.config, whole.folder.model.config);
        assert_same_weights(&imported.folder.model, &whole.folder.model, "");
    }
    fs::rename(&part, folder.path().join("elsewhere")).unwrap();
    let text = refusal(folder.path(), &ImportOptions::default());
    assert_mentions(
        &text,
        &["index.json", "names model-00002-of-00004.safetensors, which is not there"],
    );
    fs::copy(folder.path().join("model-00001-of-00004.safetensors"), &part).unwrap();
    let text = refusal(folder.path(), &ImportOptions::default());
    assert_mentions(&text, &["is in another file of the index too"]);
    edit(&folder, "model.safetensors.index.json", |text| {
        text.replace("model-00002", "../model-00002")
    });
    let text = refusal(folder.path(), &ImportOptions::default());
    assert_mentions(&text, &["is no name of a file beside it"]);

    let whole = import(&fixture("huggingface/relu-legacy"), &ImportOptions::default()).unwrap();
    let folder = copy("huggingface/relu-legacy");
    let file = "pytorch_model-00001-of-00001.bin";
    fs::rename(folder.path().join("pytorch_model.bin"), folder.path().join(file)).unwrap();
    let index = |name: &str| format!("{{\"weight_map\": {{{name:?}: {file:?}}}}}");
    let path = folder.path().join("pytorch_model.bin.index.json");
    fs::write(&path, index("final_logits_bias")).unwrap();
    let imported = import(folder.path(), &ImportOptions::default()).unwrap();
    assert_same_weights(&imported.folder.model, &whole.folder.model, "");
    fs::write(&path, index("model.of.nobody")).unwrap();
    let text = refusal(folder.path(), &ImportOptions::default());
    assert_mentions(&text, &["1 weights are in none of its files", "model.of.nobody"]);
}

/// As transformers divides a line: at added tokens first, and what is between by the model.
#[test]
fn a_text_is_divided_at_added_tokens() {
    let plain = import(&fixture("huggingface/swish-shared"), &ImportOptions::default()).unwrap();
    let folder = copy("huggingface/swish-shared");
    // `<pad>` is added too, as the tokens of a list that ends before it.
    edit(&folder, "vocab.json", |text| {
        let text = text.replace("▁nowhere", "<ent1>").replace("\\u2581nowhere", "<ent1>");
        let end = text.rfind(',').unwrap();
        format!("{}}}", &text[..end])
    });
    let added = folder.path().join("added_tokens.json");
    fs::write(&added, "{\"<ent1>\": 10, \"<pad>\": 83}").unwrap();
    let imported = import(folder.path(), &ImportOptions::default()).unwrap();
    assert_eq!(imported.folder.vocabularies.source.size(), 84);
    let ids = |line: &str| imported.folder.vocabularies.source.encode(line);
    let between = [
        plain.folder.vocabularies.source.encode("bako"),
        vec![10],
        plain.folder.vocabularies.source.encode("tano"),
    ]
    .concat();
    assert_eq!(ids("bako <ent1> tano"), between);
    assert_eq!(ids("bako<ent1>tano"), between);
    assert_eq!(ids("<ent1>"), [10]);
    assert_eq!(ids("bako tano"), plain.folder.vocabularies.source.encode("bako tano"));
    assert_eq!(imported.folder.vocabularies.source.decode(&between).unwrap(), "bako<ent1> tano");
    // The vocabulary's own file knows it.
    let again =
        Vocabulary::from_json(imported.folder.vocabularies.source.to_json().as_bytes()).unwrap();
    assert_eq!(again.encode("bako<ent1>tano"), between);
    assert_eq!(again.to_json(), imported.folder.vocabularies.source.to_json());

    fs::write(&added, "{\"<ent1>\": 10, \"<pad>\": 84}").unwrap();
    fs::remove_file(folder.path().join("tokenizer_config.json")).unwrap();
    let text = refusal(folder.path(), &ImportOptions::default());
    assert_mentions(&text, &["\"<pad>\" has number 84, expected 83, the next"]);
}

#[test]
fn rows_without_a_word_are_cut_and_said() {
    let plain = import(&fixture("huggingface/swish-shared"), &ImportOptions::default()).unwrap();
    let folder = copy("huggingface/swish-shared");
    edit(&folder, "vocab.json", |text| {
        let text = text.replace("▁nowhere", "<pad>").replace("\\u2581nowhere", "<pad>");
        let end = text.rfind(',').unwrap();
        format!("{}}}", &text[..end])
    });
    edit(&folder, "config.json", |text| {
        text.replace("\"pad_token_id\": 83", "\"pad_token_id\": 10")
            .replace("\"decoder_start_token_id\": 83", "\"decoder_start_token_id\": 10")
    });
    fs::remove_file(folder.path().join("tokenizer_config.json")).unwrap();
    let imported = import(folder.path(), &ImportOptions::default()).unwrap();
    let vocabularies = imported.folder.model.config.vocabularies;
    assert_eq!((vocabularies.source, vocabularies.target), (83, 83));
    let table = &imported.folder.model.weights.embeddings.source;
    assert!(plain.folder.model.weights.embeddings.source.data().starts_with(table.data()));
    assert!(
        plain.folder.model.weights.embeddings.output_bias.is_none()
            == imported.folder.model.weights.embeddings.output_bias.is_none()
    );
    let said =
        |note: &&String| note.contains("84 rows for 83 words") && note.contains("the last 1");
    assert_eq!(imported.notes.iter().filter(said).count(), 2, "{:?}", imported.notes);
}

#[test]
fn settings_of_other_toolkits_that_are_not_known_are_refused() {
    let folder = copy("huggingface/swish-shared");
    let add = |folder: &TempDir, entry: &str| {
        edit(folder, "config.json", |text| text.replacen('{', &format!("{{{entry},"), 1));
    };
    add(&folder, "\"use_rotary\": false, \"quantization_config\": {}");
    assert!(import(folder.path(), &ImportOptions::default()).is_ok());
    add(&folder, "\"position_scale\": 0.5");
    let text = refusal(folder.path(), &ImportOptions::default());
    assert_mentions(&text, &["position_scale is 0.5, but is not known here"]);

    let folder = copy("ctranslate2/prenorm");
    add(&folder, "\"logits_scale\": 2, \"new_flag\": false");
    let text = refusal(folder.path(), &words_as_they_stand());
    assert_mentions(&text, &["logits_scale is 2, but is not known here"]);
    assert!(!text.contains("new_flag"), "{text}");
}

/// `transformers`' generate() heeds them, whatever the network computes.
#[test]
fn settings_of_the_search_that_change_translations_are_refused_or_said() {
    let folder = copy("huggingface/swish-shared");
    let generation = |entry: &str| {
        edit(&folder, "generation_config.json", |text| {
            text.replacen('{', &format!("{{{entry},"), 1)
        });
    };
    let notes = |folder: &TempDir| import(folder.path(), &ImportOptions::default()).unwrap().notes;
    let before = notes(&folder);
    assert!(!before.iter().any(|note| note.contains("heeds it")), "{before:?}");
    generation(
        "\"no_repeat_ngram_size\": 3, \"repetition_penalty\": 1.0, \"suppress_tokens\": [5]",
    );
    let said = notes(&folder);
    let heeded: Vec<&String> = said.iter().filter(|note| note.contains("heeds it")).collect();
    assert_eq!(heeded.len(), 2, "{said:?}");
    assert!(heeded[0].contains("generation_config.json: no_repeat_ngram_size is 3"), "{said:?}");
    // Of a model for several languages: without it, another language may come.
    generation("\"forced_bos_token_id\": 7");
    let text = refusal(folder.path(), &ImportOptions::default());
    assert_mentions(&text, &["generation_config.json: forced_bos_token_id is 7"]);
}

#[test]
fn many_names_of_one_quantised_matrix_take_no_memory() {
    // 40,000 aliases of a matrix of 50,000 rows: 8 GB if each had its own factors.
    let rows = 50_000u32;
    let text =
        |text: &str| [&(text.len() as u16 + 1).to_le_bytes()[..], text.as_bytes(), &[0]].concat();
    let mut file = [6u32.to_le_bytes().to_vec(), text("TransformerSpec")].concat();
    file.extend([7u32.to_le_bytes(), 2u32.to_le_bytes()].concat());
    for (name, kind, size) in [("m/weight", 1u8, 1), ("m/weight_scale", 0, 4)] {
        file.extend(text(name));
        file.push(1);
        file.extend(rows.to_le_bytes());
        file.push(kind);
        file.extend((rows * size).to_le_bytes());
        let number = if kind == 1 { vec![3] } else { 2f32.to_le_bytes().to_vec() };
        file.extend(number.repeat(rows as usize));
    }
    file.extend(40_000u32.to_le_bytes());
    for alias in 0..40_000 {
        file.extend([text(&format!("a{alias}")), text("m/weight")].concat());
    }
    let folder = copy("ctranslate2/prenorm");
    fs::write(folder.path().join("model.bin"), file).unwrap();
    let error = import(folder.path(), &words_as_they_stand()).map(|_| ()).unwrap_err();
    assert!(matches!(error, FormatError::Import { .. }), "{error}");
}

/// A model of one width that Marian's int8 products take, but for what `change` does to it.
fn of_widths_for_int8(
    embeddings: Embeddings,
    words: usize,
    change: impl Fn(&mut Architecture),
) -> ModelFolder {
    let text =
        ["the gardener sings in the garden", "a singer in the garden", "the rings of a singer"];
    let settings = VocabularySettings::new(SubwordModel::Bpe, words);
    let vocabulary = Vocabulary::train(text, &settings).unwrap().vocabulary;
    assert_eq!(vocabulary.size(), words);
    let mut architecture = Architecture::preset("transformer-nano").unwrap();
    (architecture.embeddings, architecture.output_bias) = (embeddings, OutputBias::Present);
    for stack in [&mut architecture.encoder, &mut architecture.decoder] {
        (stack.width, stack.feed_forward) = (64, 128);
    }
    change(&mut architecture);
    let vocabularies = Vocabularies {
        decoder_start: DecoderStart::ZeroVector,
        ..Vocabularies::shared(vocabulary.size())
    };
    let model = Model::initialise(Config::new(architecture, vocabularies).unwrap(), 3);
    let (source, target) = (vocabulary.clone(), vocabulary);
    ModelFolder { model, vocabularies: VocabularyPair { source, target } }
}

/// Tables of words stay as they are, but for one of its own that is written.
#[test]
fn a_model_is_written_for_marian_in_int8() {
    for embeddings in [Embeddings::AllTied, Embeddings::DecoderTied, Embeddings::Separate] {
        let own = of_widths_for_int8(embeddings, 288, |_| {});
        let folder = tempfile::tempdir().unwrap();
        export(&own, MARIAN, &Numbers::Int8.into(), folder.path()).unwrap();
        assert!(
            folder.path().join("model.bin").exists() && !folder.path().join("model.npz").exists()
        );
        let again = import(folder.path(), &ImportOptions::default()).unwrap().folder;
        for ((slot, found), (_, expected)) in
            again.model.weights.slices().into_iter().zip(own.model.weights.slices())
        {
            let is_quantised = matches!(slot, Slot::Linear(_, LinearPart::Weight))
                || slot == Slot::Table(Table::Output);
            let half_step = if is_quantised { half_step_of_int8(expected) } else { 0.0 };
            assert_near(found, expected, half_step, &slot.to_string());
            assert!(!is_quantised || found != expected, "{slot} is not quantised");
        }
    }
}

#[test]
fn sizes_that_marians_int8_products_do_not_take_are_refused() {
    let own = of_widths_for_int8(Embeddings::Separate, 287, |architecture| {
        architecture.decoder.feed_forward = 96;
    });
    let folder = tempfile::tempdir().unwrap();
    let error = export(&own, MARIAN, &Numbers::Int8.into(), folder.path()).unwrap_err();
    let text = Problem::of(&error).in_lines();
    assert_mentions(
        &text,
        &[
            "decoder.feed_forward is 96, which 64 does not divide",
            "its number of target words is 287, which 8 does not divide",
            "without --quantize it is written in float32",
        ],
    );
    let notes = export(&own, MARIAN, &Numbers::Float32.into(), folder.path()).unwrap();
    let notes: Vec<String> = notes.iter().map(Problem::in_lines).collect();
    assert!(notes.iter().any(|note| note.contains("but not in int8")), "{notes:?}");
}
