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
        let (value, mut saved) = generator.forward();
        let expected = &tensors[&format!("{case}.value")];
        assert_eq!((value.rows(), value.columns()), (expected.rows(), expected.columns()));
        assert_close(case, value.data(), expected.data());

        let weight_gradient = &tensors[&format!("{case}.value_gradient")];
        let gradients = generator.backward(&mut saved, weight_gradient.data());
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

/// Some numbers between -1 and 1 that follow no pattern of rows and columns.
fn numbers(rows: usize, columns: usize, salt: usize) -> Matrix<f64> {
    Matrix::from_fn(rows, columns, |row, column| {
        ((1 + row * 31 + column * 17 + salt * 101) as f64 * 0.737).sin()
    })
}

/// Every squash with and without every factor, `[5, 4] x 2` teacher weights and a student's `[3, 2]`.
fn all_generators() -> Vec<Generator<f64>> {
    let mut generators = Vec::new();
    for factors in 0..8 {
        let has = |bit: usize| factors & bit != 0;
        let rows = if has(1) { 3 } else { 5 };
        let columns = if has(2) { 2 } else { 4 };
        let layers = if has(4) { 2 } else { 1 };
        let squashes = [
            Squash::None,
            Squash::Shift(numbers(rows, columns, 7)),
            Squash::Tanh { scale: numbers(rows, columns, 8), shift: numbers(rows, columns, 9) },
        ];
        generators.extend(squashes.map(|squash| Generator {
            teacher: (0..layers).map(|layer| numbers(5, 4, layer)).collect(),
            layer_factor: has(4).then(|| vec![0.6, -0.8]),
            output_factor: has(1).then(|| numbers(5, 3, 5)),
            input_factor: has(2).then(|| numbers(4, 2, 6)),
            squash,
        }));
    }
    generators
}

#[test]
fn gradients_are_slopes_for_every_squash_and_every_set_of_factors() {
    for mut generator in all_generators() {
        let (rows, columns) = generator.shape();
        let direction = numbers(rows, columns, 10);
        let value = |generator: &Generator<f64>| -> f64 {
            let (weight, _) = generator.forward();
            weight.data().iter().zip(direction.data()).map(|(w, d)| w * d).sum()
        };
        let (_, mut saved) = generator.forward();
        let gradients = generator.backward(&mut saved, direction.data()).into_slices();
        assert_eq!(gradients.len(), generator.parameters_mut().len());
        let step = 1e-5;
        for (index, gradient) in gradients.iter().enumerate() {
            for (entry, exact) in gradient.iter().enumerate() {
                let mut at = |change: f64| {
                    generator.parameters_mut()[index][entry] += change;
                    value(&generator)
                };
                let slope = (at(step) - at(-2.0 * step)) / (2.0 * step);
                at(step);
                let name = generator.factors()[index].0.name();
                assert!((slope - exact).abs() < 1e-8, "{name}[{entry}]: {slope} against {exact}");
            }
        }
    }
}
