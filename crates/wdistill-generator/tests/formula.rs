//! Values and gradients of single generators against PyTorch (`fixtures/generator/make.py`), float64.

use std::collections::{BTreeSet, HashMap};

use safetensors::SafeTensors;
use wdistill_generator::{Generator, Squash};
use wdistill_model::Matrix;

type Tensors = HashMap<String, Matrix<f64>>;

/// All tensors; a vector becomes a matrix of one column.
fn read() -> Tensors {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/generator/generator.safetensors");
    let bytes = std::fs::read(path).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let matrix = |view: safetensors::tensor::TensorView<'_>| {
        let words = view.data().chunks_exact(8);
        let data = words.map(|word| f64::from_le_bytes(word.try_into().unwrap())).collect();
        let shape = view.shape();
        Matrix::new(shape[0], shape.get(1).copied().unwrap_or(1), data)
    };
    tensors.tensors().into_iter().map(|(name, view)| (name, matrix(view))).collect()
}

fn generator(tensors: &Tensors, case: &str) -> Generator<f64> {
    let get = |name: &str| tensors.get(&format!("{case}.{name}")).cloned();
    let squash = match (get("scale"), get("shift")) {
        (Some(scale), Some(shift)) => Squash::Tanh { scale, shift },
        (None, None) => Squash::None,
        _ => panic!("{case} has one of scale and shift"),
    };
    Generator {
        teacher: (0..).map_while(|layer| get(&format!("teacher.{layer}"))).collect(),
        layer_factor: get("layer").map(Matrix::into_data),
        output_factor: get("output_factor"),
        input_factor: get("input_factor"),
        squash,
    }
}

fn assert_close(what: &str, ours: &[f64], theirs: &[f64]) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    for (index, (a, b)) in ours.iter().zip(theirs).enumerate() {
        assert!((a - b).abs() < 1e-12 * (1.0 + b.abs()), "{what}[{index}]: {a} against {b}");
    }
}

#[test]
fn values_and_all_gradients_are_those_of_pytorch() {
    let tensors = read();
    let cases: BTreeSet<&str> = tensors.keys().filter_map(|key| key.split('.').next()).collect();
    assert_eq!(cases.len(), 8);
    for case in cases {
        let generator = generator(&tensors, case);
        let (value, saved) = generator.forward();
        let expected = &tensors[&format!("{case}.value")];
        assert_eq!((value.rows(), value.columns()), (expected.rows(), expected.columns()));
        assert_close(case, value.data(), expected.data());

        let weight_gradient = &tensors[&format!("{case}.value_gradient")];
        let gradients = generator.backward(&saved, weight_gradient.data());
        let ours = [
            ("layer", gradients.layer_factor),
            ("output_factor", gradients.output_factor),
            ("input_factor", gradients.input_factor),
            ("scale", gradients.scale),
            ("shift", gradients.shift),
        ];
        for (name, ours) in ours {
            let what = format!("{case}.gradient.{name}");
            let theirs = tensors.get(&what).map(|matrix| matrix.data());
            assert_eq!(ours.is_some(), theirs.is_some(), "{what}");
            assert_close(&what, &ours.unwrap_or_default(), theirs.unwrap_or_default());
        }
    }
}

#[test]
fn an_exact_shift_makes_the_transformed_weight_itself() {
    let tensors = read();
    let mut squashed = generator(&tensors, "full");
    let unsquashed = Generator { squash: Squash::None, ..squashed.clone() };
    squashed.make_exact();
    assert_close("exact", squashed.forward().0.data(), unsquashed.forward().0.data());
}
