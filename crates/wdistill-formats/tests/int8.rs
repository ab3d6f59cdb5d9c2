//! Model folders with int8 weights.

use std::convert::Infallible;
use std::fs;
use std::path::Path;

use safetensors::{Dtype, SafeTensors};
use wdistill_base::Random;
use wdistill_formats::native::{self, Stored, WEIGHTS_FILE};
use wdistill_formats::{FormatError, TensorProblem};
use wdistill_model::tree::Map;
use wdistill_model::{
    Architecture, Config, Dense, Int8, Int8Rows, Matrix, Model, Slot, Transformer, Vocabularies,
};

/// Any numbers, different at every place.
struct AnyNumbers;

impl Map<Dense<f32>, Int8> for AnyNumbers {
    type Error = Infallible;
    fn matrix(&mut self, slot: Slot, from: &Matrix<f32>) -> Result<Int8Rows, Infallible> {
        let mut random = Random::named(3, &slot.to_string());
        let data = from.data().iter().map(|_| (random.uniform() * 255.0 - 127.0) as i8).collect();
        let scales = (0..from.rows()).map(|_| random.uniform() as f32).collect();
        Ok(Int8Rows { columns: from.columns(), data, scales })
    }
    fn vector(&mut self, slot: Slot, from: &Vec<f32>) -> Result<Vec<f32>, Infallible> {
        let mut random = Random::named(4, &slot.to_string());
        Ok(from.iter().map(|_| random.normal() as f32).collect())
    }
}

fn model() -> Model<Int8> {
    let mut architecture = Architecture::preset("transformer-nano").unwrap();
    // Odd lengths: nothing is aligned by chance.
    architecture.decoder.feed_forward = 33;
    let config = Config::new(architecture, Vocabularies::shared(23)).unwrap();
    let Ok(weights) = Model::initialise(config.clone(), 1).weights.map(&mut AnyNumbers);
    Model { config, weights }
}

fn saved() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    native::save_int8(&model(), folder.path()).unwrap();
    folder
}

fn load(folder: &Path) -> Result<Model<Int8>, FormatError> {
    match native::load_any(folder)? {
        Stored::Int8(model) => Ok(model),
        Stored::Float32(_) => panic!("the weights are int8"),
    }
}

#[test]
fn a_quantised_model_survives_its_folder_bit_by_bit() {
    let folder = saved();
    let loaded = load(folder.path()).unwrap();
    assert_eq!(loaded.config, model().config);
    assert!(loaded.weights == model().weights);
    // The safetensors crate reads it, and finds every type and shape.
    let bytes = fs::read(folder.path().join(WEIGHTS_FILE)).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    for slot in Transformer::list(&loaded.config) {
        let tensor = file.tensor(&slot.slot.to_string()).unwrap();
        assert_eq!(tensor.shape(), slot.shape, "{}", slot.slot);
        match slot.shape[..] {
            [rows, _] => {
                assert_eq!(tensor.dtype(), Dtype::I8, "{}", slot.slot);
                let scale = file.tensor(&format!("{}.scale", slot.slot)).unwrap();
                assert_eq!((scale.dtype(), scale.shape()), (Dtype::F32, &[rows][..]));
            }
            _ => assert_eq!(tensor.dtype(), Dtype::F32, "{}", slot.slot),
        }
    }
}

#[test]
fn either_kind_is_told_apart() {
    let folder = saved();
    let error = native::load(folder.path()).err().expect("int8 weights were read as float32");
    assert!(matches!(error, FormatError::Quantised { .. }), "{error}");
    let folder = tempfile::tempdir().unwrap();
    native::save(&Model::initialise(model().config, 1), folder.path()).unwrap();
    assert!(matches!(native::load_any(folder.path()).unwrap(), Stored::Float32(_)));
}

/// Overwrites a byte range of a tensor, in a file without a checksum.
fn overwrite(folder: &Path, name: &str, with: &[u8]) {
    let path = folder.join(WEIGHTS_FILE);
    let mut bytes = fs::read(&path).unwrap();
    let (header, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
    let first = 8 + header + metadata.info(name).unwrap().data_offsets.0;
    bytes[first..first + with.len()].copy_from_slice(with);
    if let Some(at) = bytes.windows(8).position(|window| window == b"checksum") {
        bytes[at..at + 8].copy_from_slice(b"whatever");
    }
    fs::write(&path, bytes).unwrap();
}

#[test]
fn impossible_numbers_are_all_named() {
    let folder = saved();
    let key = "decoder.layers.0.cross_attention.key.weight";
    overwrite(folder.path(), key, &[0x80, 0, 0x80]);
    overwrite(folder.path(), "encoder.layers.0.self_attention.query.weight.scale", &[255; 4]);
    let error = load(folder.path()).err().expect("a spoilt model was loaded");
    let FormatError::Tensors { problems, .. } = &error else { panic!("{error}") };
    assert_eq!(problems.len(), 2, "{error}");
    let expected = TensorProblem::OutOfRange { name: key.to_string(), count: 2 };
    assert!(problems.contains(&expected), "{error}");
    assert!(error.to_string().contains("query.weight.scale holds 1 infinite"), "{error}");
}

#[test]
fn a_file_that_is_cut_short_is_refused() {
    let folder = saved();
    let path = folder.path().join(WEIGHTS_FILE);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    let error = load(folder.path()).err().expect("half a model was loaded");
    assert!(matches!(error, FormatError::WrongLength { .. }), "{error}");
}

#[test]
fn one_flipped_bit_is_an_error() {
    let folder = saved();
    let path = folder.path().join(WEIGHTS_FILE);
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, &bytes).unwrap();
    let error = load(folder.path()).err().expect("a damaged model was loaded");
    assert!(matches!(error, FormatError::Checksum { .. }), "{error}");
}
