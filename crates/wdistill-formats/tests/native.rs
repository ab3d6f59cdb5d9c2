//! The model folder: round trips, a folder written elsewhere, and everything that can be wrong with one.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs;
use std::path::{Path, PathBuf};

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use tempfile::TempDir;
use wdistill_base::{Hinted, Problem, Random};
use wdistill_formats::native::{self, CONFIG_FILE, WEIGHTS_FILE};
use wdistill_formats::{FormatError, Metadata, Tensor, read_tensors, write_tensors};
use wdistill_model::tree::Map;
use wdistill_model::{
    Architecture, Config, Dense, Embeddings, FinalNorm, Matrix, Model, NormPlacement, OutputBias,
    Slot, Transformer, Vocabularies,
};

/// Replaces every number by a random one, so that no two weights are alike.
struct Randomise;

impl Randomise {
    fn numbers(slot: Slot, count: usize) -> Vec<f32> {
        let mut random = Random::named(7, &slot.to_string());
        (0..count).map(|_| random.normal() as f32).collect()
    }
}

impl Map<Dense<f32>, Dense<f32>> for Randomise {
    type Error = Infallible;
    fn matrix(&mut self, slot: Slot, from: &Matrix<f32>) -> Result<Matrix<f32>, Infallible> {
        let numbers = Randomise::numbers(slot, from.data().len());
        Ok(Matrix::new(from.rows(), from.columns(), numbers))
    }
    fn vector(&mut self, slot: Slot, from: &Vec<f32>) -> Result<Vec<f32>, Infallible> {
        Ok(Randomise::numbers(slot, from.len()))
    }
}

fn random_model(config: Config) -> Model<Dense<f32>> {
    let model = Model::initialise(config, 1);
    let Ok(weights) = model.weights.map(&mut Randomise);
    Model { weights, ..model }
}

fn nano() -> Architecture {
    Architecture::preset("transformer-nano").unwrap()
}

fn configs() -> [Config; 3] {
    let all_tied = Architecture {
        norm: NormPlacement::Pre,
        final_norm: FinalNorm::Present,
        embeddings: Embeddings::AllTied,
        output_bias: OutputBias::Present,
        ..nano()
    };
    let mut narrow = Architecture { embeddings: Embeddings::Separate, ..nano() };
    narrow.decoder.width = 8;
    narrow.decoder.layers = 1;
    let uneven = Vocabularies { target: 19, ..Vocabularies::shared(23) };
    [
        Config::new(nano(), Vocabularies::shared(23)).unwrap(),
        Config::new(all_tied, Vocabularies::shared(23)).unwrap(),
        Config::new(narrow, uneven).unwrap(),
    ]
}

#[test]
fn a_model_survives_its_folder_bit_by_bit() {
    for config in configs() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (folder.path().join("runs/first"), folder.path().join("second"));
        let model = random_model(config);
        native::save(&model, &first).unwrap();
        let loaded = native::load(&first).unwrap();
        assert_eq!(loaded.config, model.config);
        assert!(loaded.weights == model.weights, "{}", model.config.to_toml());
        native::save(&loaded, &second).unwrap();
        for file in [CONFIG_FILE, WEIGHTS_FILE] {
            let (first, second) = (fs::read(first.join(file)), fs::read(second.join(file)));
            assert!(first.unwrap() == second.unwrap(), "{file} changed");
        }
        assert_eq!(fs::read_dir(&first).unwrap().count(), 2, "a temporary file is left");
    }
}

#[test]
fn the_file_holds_each_weight_once_under_its_path() {
    for config in configs() {
        let folder = tempfile::tempdir().unwrap();
        native::save(&random_model(config.clone()), folder.path()).unwrap();
        let bytes = fs::read(folder.path().join(WEIGHTS_FILE)).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let slots = Transformer::list(&config);
        assert_eq!(file.len(), slots.len());
        for slot in slots {
            assert_eq!(
                file.tensor(&slot.slot.to_string()).unwrap().shape(),
                slot.shape,
                "{}",
                slot.slot
            );
        }
        let (_, metadata) = read_tensors(&folder.path().join(WEIGHTS_FILE)).unwrap();
        let expected = [("format", "wdistill"), ("format_version", "1")];
        assert_eq!(metadata, expected.map(|(k, v)| (k.to_string(), v.to_string())).into());
    }
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

#[test]
fn a_checksum_made_in_python_is_checked_and_an_older_folder_needs_none() {
    let (older, newer) = (fixture("native"), fixture("native/checksum"));
    assert_eq!(native::checksum(&older).unwrap(), None);
    let expected = native::checksum(&newer).unwrap().expect("make.py wrote one");
    assert!(native::load(&newer).unwrap().weights == native::load(&older).unwrap().weights);
    // What is written here has the same checksum for the same bytes.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(WEIGHTS_FILE);
    let bytes = fs::read(newer.join(WEIGHTS_FILE)).unwrap();
    let numbers: Vec<f32> = numbers_of(&bytes)
        .chunks(4)
        .map(|number| f32::from_le_bytes(number.try_into().unwrap()))
        .collect();
    write_tensors(&path, [("all", vec![numbers.len()], &numbers[..])], &Metadata::new()).unwrap();
    let written = fs::read(&path).unwrap();
    let (_, header) = SafeTensors::read_metadata(&written).unwrap();
    assert_eq!(header.metadata().as_ref().unwrap()["checksum"], expected);
}

/// All bytes after the header.
fn numbers_of(file: &[u8]) -> &[u8] {
    let (header, _) = SafeTensors::read_metadata(file).unwrap();
    &file[8 + header..]
}

#[test]
fn one_flipped_bit_of_any_weight_is_an_error_with_a_way_out() {
    let spoilt = Spoilt::new();
    let path = spoilt.path(WEIGHTS_FILE);
    let whole = fs::read(&path).unwrap();
    let first = whole.len() - numbers_of(&whole).len();
    for at in [first, (first + whole.len()) / 2, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(&path, &bytes).unwrap();
        let message = spoilt.message_about(WEIGHTS_FILE);
        assert!(
            message.starts_with(" is damaged: its numbers have the checksum xxh3:"),
            "{message}"
        );
        assert!(message.contains("\nhint: copy it again"), "{message}");
        let error = read_tensors(&path).expect_err("damaged tensors were read");
        assert!(matches!(error, FormatError::Checksum { .. }), "{error}");
    }
    fs::write(&path, &whole).unwrap();
    native::load(spoilt.folder.path()).unwrap();
}

#[test]
fn a_folder_written_in_python_is_read() {
    let model = native::load(&fixture("native")).unwrap();
    // See fixtures/native/make.py.
    struct Check(usize);
    fn letters(slot: Slot) -> f32 {
        slot.to_string().bytes().map(u32::from).sum::<u32>() as f32
    }
    impl Map<Dense<f32>, Dense<f32>> for Check {
        type Error = Infallible;
        fn matrix(&mut self, slot: Slot, from: &Matrix<f32>) -> Result<Matrix<f32>, Infallible> {
            let expected = Matrix::from_fn(from.rows(), from.columns(), |row, column| {
                letters(slot) + row as f32 / 16.0 + column as f32 / 256.0
            });
            assert_eq!(from, &expected, "{}", slot);
            self.0 += 1;
            Ok(expected)
        }
        fn vector(&mut self, slot: Slot, from: &Vec<f32>) -> Result<Vec<f32>, Infallible> {
            let expected = (0..from.len()).map(|index| letters(slot) + index as f32 / 16.0);
            assert_eq!(from, &expected.clone().collect::<Vec<_>>(), "{}", slot);
            self.0 += 1;
            Ok(expected.collect())
        }
    }
    let mut check = Check(0);
    let Ok(_) = model.weights.map(&mut check);
    // 4 embeddings, 3 attentions of 10, 2 feed-forward blocks of 6, 2 final norms of 2.
    assert_eq!(check.0, 4 + 30 + 12 + 4);
}

/// A saved model whose file is then spoilt.
struct Spoilt {
    folder: TempDir,
}

impl Spoilt {
    fn new() -> Spoilt {
        let folder = tempfile::tempdir().unwrap();
        native::save(&random_model(configs()[0].clone()), folder.path()).unwrap();
        Spoilt { folder }
    }

    fn path(&self, file: &str) -> std::path::PathBuf {
        self.folder.path().join(file)
    }

    fn rewrite(&self, change: impl FnOnce(&mut BTreeMap<String, Tensor>, &mut Metadata)) {
        let path = self.path(WEIGHTS_FILE);
        let (mut tensors, mut metadata) = read_tensors(&path).unwrap();
        change(&mut tensors, &mut metadata);
        let list = tensors.iter().map(|(name, t)| (name, t.shape.clone(), t.data.as_slice()));
        write_tensors(&path, list, &metadata).unwrap();
    }

    fn error(&self) -> FormatError {
        native::load(self.folder.path()).err().expect("a spoilt model was loaded")
    }

    /// The message without the path it must start with.
    fn message_about(&self, file: &str) -> String {
        let message = Problem::of(&self.error()).in_lines();
        let path = self.path(file).display().to_string();
        message.strip_prefix(&path).unwrap_or_else(|| panic!("{message}")).to_string()
    }
}

const QUERY: &str = "encoder.layers.0.self_attention.query.weight";

#[test]
fn a_missing_tensor() {
    let spoilt = Spoilt::new();
    spoilt.rewrite(|tensors, _| drop(tensors.remove(QUERY).unwrap()));
    let expected = format!(": 1 problem with its tensors:\n  {QUERY} [16, 16] is missing");
    assert_eq!(spoilt.message_about(WEIGHTS_FILE), expected);
}

#[test]
fn a_superfluous_tensor() {
    let spoilt = Spoilt::new();
    spoilt.rewrite(|tensors, _| {
        tensors.insert("moments".into(), Tensor { shape: vec![1, 2], data: vec![0.0, 1.0] });
    });
    let expected = ": 1 problem with its tensors:\n  moments [1, 2] is not part of the model";
    assert_eq!(spoilt.message_about(WEIGHTS_FILE), expected);
}

#[test]
fn a_misspelt_tensor_is_shown_with_the_name_that_was_meant() {
    let spoilt = Spoilt::new();
    let misspelt = "encoder.layers.0.self_attn.query.weight";
    spoilt.rewrite(|tensors, _| {
        let tensor = tensors.remove(QUERY).unwrap();
        tensors.insert(misspelt.into(), tensor);
        // Also superfluous, but no name is meant by it.
        tensors.insert("moments".into(), Tensor { shape: vec![1], data: vec![0.0] });
    });
    let expected = format!(
        ": 3 problems with its tensors:\n  \
         {QUERY} [16, 16] is missing\n    hint: the file has {misspelt}\n  \
         {misspelt} [16, 16] is not part of the model\n    hint: the model needs {QUERY}\n  \
         moments [1] is not part of the model"
    );
    assert_eq!(spoilt.message_about(WEIGHTS_FILE), expected);
}

#[test]
fn a_wrong_shape_even_of_the_right_size() {
    let spoilt = Spoilt::new();
    let up = "decoder.layers.1.feed_forward.up.weight";
    spoilt.rewrite(|tensors, _| tensors.get_mut(up).unwrap().shape = vec![16, 32]);
    let expected = format!(": 1 problem with its tensors:\n  {up} is [16, 32], expected [32, 16]");
    assert_eq!(spoilt.message_about(WEIGHTS_FILE), expected);
}

#[test]
fn all_problems_are_reported_together_also_types() {
    let spoilt = Spoilt::new();
    let path = spoilt.path(WEIGHTS_FILE);
    let bytes = fs::read(&path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let half = "encoder.layers.1.feed_forward.down.bias";
    let mut tensors: BTreeMap<String, TensorView<'_>> = file.tensors().into_iter().collect();
    let zeros = vec![0; 2 * 16];
    tensors.insert(half.into(), TensorView::new(Dtype::BF16, vec![16], &zeros).unwrap());
    tensors.insert("extra".into(), TensorView::new(Dtype::F32, vec![8], &zeros).unwrap());
    let target = "embeddings.target";
    tensors.insert(target.into(), TensorView::new(Dtype::F32, vec![2, 4], &zeros).unwrap());
    tensors.remove(QUERY).unwrap();
    let metadata = [("format", "wdistill"), ("format_version", "1")];
    let metadata = metadata.map(|(key, value)| (key.to_string(), value.to_string()));
    let bytes = safetensors::serialize(&tensors, Some(metadata.into_iter().collect())).unwrap();
    fs::write(&path, bytes).unwrap();

    let expected = format!(
        ": 4 problems with its tensors:\n  \
         {QUERY} [16, 16] is missing\n  \
         extra [8] is not part of the model\n  \
         {target} is [2, 4], expected [23, 16]\n  \
         {half} holds BF16, expected F32"
    );
    assert_eq!(spoilt.message_about(WEIGHTS_FILE), expected);
}

#[test]
fn numbers_that_are_not_finite_are_counted() {
    let spoilt = Spoilt::new();
    let gain = "decoder.layers.0.cross_attention_norm.gain";
    spoilt.rewrite(|tensors, _| {
        tensors.get_mut(QUERY).unwrap().data[7] = f32::NAN;
        tensors.get_mut(gain).unwrap().data[..3].fill(f32::NEG_INFINITY);
    });
    let expected = format!(
        ": 2 problems with its tensors:\n  \
         {gain} holds 3 infinite or undefined numbers of 16\n  \
         {QUERY} holds 1 infinite or undefined numbers of 256"
    );
    assert_eq!(spoilt.message_about(WEIGHTS_FILE), expected);
}

#[test]
fn a_model_that_could_not_be_loaded_is_not_saved() {
    let spoilt = Spoilt::new();
    let before = native::load(spoilt.folder.path()).unwrap();
    let mut model = before.clone();
    model.weights.embeddings.source.data_mut()[5] = f32::INFINITY;
    model.weights.encoder.layers[0].self_attention.query.bias.pop();
    let message = native::save(&model, spoilt.folder.path()).unwrap_err().to_string();
    let expected = format!(
        "{}: 2 problems with its tensors:\n  \
         encoder.layers.0.self_attention.query.bias is [15], expected [16]\n  \
         embeddings.source holds 1 infinite or undefined numbers of 368",
        spoilt.path(WEIGHTS_FILE).display()
    );
    assert_eq!(message, expected);
    assert!(native::load(spoilt.folder.path()).unwrap().weights == before.weights);
}

#[test]
fn a_file_cut_short_or_lengthened() {
    let spoilt = Spoilt::new();
    let path = spoilt.path(WEIGHTS_FILE);
    let whole = fs::read(&path).unwrap();
    let length = whole.len();
    fs::write(&path, &whole[..length - 1]).unwrap();
    let expected = format!(
        " has {} bytes, but its header announces {length}\nhint: it is cut short",
        length - 1
    );
    assert_eq!(spoilt.message_about(WEIGHTS_FILE), expected);

    fs::write(&path, [&whole[..], b"\n"].concat()).unwrap();
    let expected = format!(
        " has {} bytes, but its header announces {length}\nhint: something was appended to it",
        length + 1
    );
    assert_eq!(spoilt.message_about(WEIGHTS_FILE), expected);

    fs::write(&path, &whole[..100]).unwrap();
    let message = spoilt.message_about(WEIGHTS_FILE);
    let header = u64::from_le_bytes(whole[..8].try_into().unwrap());
    let expected = format!(
        " is not a safetensors file, or is cut short: it announces a header of {header} bytes, but \
         has 92 bytes after that"
    );
    assert_eq!(message, expected);
}

#[test]
fn a_file_that_is_something_else() {
    let spoilt = Spoilt::new();
    let not = " is not a safetensors file, or is cut short: ";
    let contents: [(&[u8], String); 3] = [
        (b"PK", format!("{not}it has 2 bytes, expected at least 8")),
        // "version " read as a little-endian number.
        (
            b"version https://git-lfs.github.com/spec/v1\n",
            format!(
                "{not}it announces a header of {} bytes, but has 35 bytes after that",
                u64::from_le_bytes(*b"version ")
            ),
        ),
        (b"\x02\0\0\0\0\0\0\0[]", format!("{not}its header cannot be read: ")),
    ];
    for (content, expected) in contents {
        fs::write(spoilt.path(WEIGHTS_FILE), content).unwrap();
        let message = spoilt.message_about(WEIGHTS_FILE);
        assert!(message.starts_with(&expected), "{message}\n{expected}");
    }
}

#[test]
fn a_model_of_another_program() {
    let spoilt = Spoilt::new();
    spoilt.rewrite(|_, metadata| *metadata = [("format".into(), "pt".into())].into());
    let expected = " is not a wdistill model: its header's \"format\" is \"pt\", expected \
                    \"wdistill\"\nhint: a model of another toolkit has to be imported first (`wdistill \
                    import`)";
    assert_eq!(spoilt.message_about(WEIGHTS_FILE), expected);
    spoilt.rewrite(|_, metadata| metadata.clear());
    let message = spoilt.message_about(WEIGHTS_FILE);
    assert!(message.contains("\"format\" is missing, expected \"wdistill\""), "{message}");
}

#[test]
fn a_version_of_the_future_or_no_version_at_all() {
    let spoilt = Spoilt::new();
    spoilt.rewrite(|_, metadata| {
        metadata.insert("format_version".into(), "2".into());
    });
    let expected = " has format version 2, but this wdistill reads versions up to 1\nhint: use the \
                    wdistill that wrote it, or a later one";
    assert_eq!(spoilt.message_about(WEIGHTS_FILE), expected);
    for version in ["0", "one", "-1", ""] {
        spoilt.rewrite(|_, metadata| {
            metadata.insert("format_version".into(), version.into());
        });
        let message = spoilt.message_about(WEIGHTS_FILE);
        let expected = format!("\"format_version\" is {version:?}, expected a whole number");
        assert!(message.contains(&expected), "{message}");
    }
}

#[test]
fn other_metadata_is_ignored() {
    let spoilt = Spoilt::new();
    spoilt.rewrite(|_, metadata| {
        metadata.insert("trained_on".into(), "multi30k".into());
    });
    let model = native::load(spoilt.folder.path()).unwrap();
    assert!(model.weights == random_model(configs()[0].clone()).weights);
}

#[test]
fn a_file_that_is_not_there() {
    for file in [CONFIG_FILE, WEIGHTS_FILE] {
        let spoilt = Spoilt::new();
        fs::remove_file(spoilt.path(file)).unwrap();
        let error = spoilt.error();
        assert_eq!(error.to_string(), format!("there is no {}", spoilt.path(file).display()));
        let expected = "a model folder holds config.toml and model.safetensors, and `wdistill import` makes one of \
                        another toolkit's model";
        assert_eq!(error.hint().unwrap(), expected);
    }
}

#[test]
fn a_configuration_that_does_not_hold_together() {
    let spoilt = Spoilt::new();
    let path = spoilt.path(CONFIG_FILE);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("heads = 2", "heads = 3")).unwrap();
    let message = spoilt.message_about(CONFIG_FILE);
    assert!(message.starts_with(": the model configuration"), "{message}");
    for stack in ["encoder", "decoder"] {
        let expected = format!("{stack}.heads is 3, which does not divide {stack}.width = 16");
        assert!(message.contains(&expected), "{message}");
    }

    fs::write(&path, text.replace("norm_epsilon", "epsilon")).unwrap();
    let message = spoilt.message_about(CONFIG_FILE);
    assert!(message.starts_with(": the model configuration cannot be read: "), "{message}");
    assert!(message.contains("unknown field `epsilon`"), "{message}");
}

#[test]
fn a_configuration_of_another_model() {
    let spoilt = Spoilt::new();
    let path = spoilt.path(CONFIG_FILE);
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.matches("layers = 2").count(), 2);
    fs::write(&path, text.replacen("layers = 2", "layers = 1", 1)).unwrap();
    let FormatError::Tensors { problems, .. } = spoilt.error() else { panic!("another error") };
    // One encoder layer: 10 tensors of attention and norm, 6 of the feed-forward block and norm.
    assert_eq!(problems.len(), 16, "{problems:#?}");
    assert!(problems.iter().all(|p| p.to_string().starts_with("encoder.layers.1.")));
}
