//! Rounding to bfloat16 and a linear layer in it, against PyTorch (`fixtures/bfloat16/make.py`).

use std::collections::HashMap;

use wdistill_kernels::{
    Accumulate, Dropout, Linear, LinearGradients, MatrixRef, Precision, linear_backward,
    linear_forward, product_in, round_to_bfloat16,
};

/// The fixture has float32 numbers and what they are rounded to, in hexadecimal digits of both.
#[test]
fn rounding_is_that_of_pytorch() {
    let lines = include_str!("../../fixtures/bfloat16/rounded.txt").lines();
    let mut count = 0;
    for line in lines.filter(|line| !line.starts_with('#')) {
        let (from, to) = line.split_once(' ').expect("two numbers");
        let [from, to] = [from, to].map(|digits| u32::from_str_radix(digits, 16).expect("bits"));
        let (number, expected) = (f32::from_bits(from), f32::from_bits(to << 16));
        let rounded = round_to_bfloat16(number);
        if number.is_nan() {
            assert!(rounded.is_nan() && expected.is_nan(), "{line}");
        } else if number.is_subnormal() {
            assert_eq!(rounded.to_bits(), number.to_bits() & 1 << 31, "{line}: not zero");
        } else {
            assert_eq!(rounded.to_bits(), expected.to_bits(), "{line}");
        }
        // What products make of it.
        let mut product = [0.0];
        let (number, one) = ([number], [1.0]);
        let (a, b) = (MatrixRef::new(&number, 1, 1), MatrixRef::new(&one, 1, 1));
        product_in(Precision::Bfloat16, &mut product, Accumulate::Overwrite, a, b);
        assert!(product[0] == rounded || rounded.is_nan() && product[0].is_nan(), "{line}");
        count += 1;
    }
    assert_eq!(count, 900);
}

/// What PyTorch's autocast rounds at the end, and bias gradients of a rounded `dy`: half of the last of 8 bits each.
const ROUNDED: f64 = 1.0 / 128.0;

#[test]
fn a_linear_layer_is_that_of_pytorch_on_rounded_operands() {
    let text = include_str!("../../fixtures/bfloat16/linear.txt");
    let numbers: HashMap<&str, Vec<f64>> = text
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter(|(name, _)| *name != "#")
        .map(|(name, all)| (name, all.split(' ').map(|number| number.parse().unwrap()).collect()))
        .collect();
    let narrow = |name: &str| numbers[name].iter().map(|number| *number as f32).collect::<Vec<_>>();
    let (x, weight, bias) = (narrow("x"), narrow("weight"), narrow("bias"));
    let (rows, inputs, outputs) = (9, 37, 21);
    let layer = Linear {
        weight: &weight,
        bias: Some(&bias),
        inputs,
        outputs,
        activation: None,
        dropout: Dropout::NONE,
        precision: Precision::Bfloat16,
    };
    let mut y = vec![f32::NAN; rows * outputs];
    linear_forward(&mut y, None, &x, &layer);
    let mut dx = vec![f32::NAN; x.len()];
    let (mut dweight, mut dbias) = (vec![0.0; weight.len()], vec![0.0; outputs]);
    let gradients = LinearGradients {
        input: Some((&mut dx, Accumulate::Overwrite)),
        weight: Some(&mut dweight),
        bias: Some(&mut dbias),
    };
    linear_backward(gradients, &mut narrow("dy"), &[], &x, &layer);
    for (name, ours) in [("y", y), ("dx", dx), ("dweight", dweight), ("dbias", dbias)] {
        for (kind, relative, absolute) in [("exact", 0.0, 3e-6), ("autocast", ROUNDED, 0.03)] {
            let theirs = &numbers[format!("{kind}.{name}").as_str()];
            assert_eq!(ours.len(), theirs.len(), "{kind}.{name}");
            for (ours, theirs) in ours.iter().zip(theirs) {
                let error = (f64::from(*ours) - theirs).abs();
                let bound = relative * theirs.abs() + absolute;
                assert!(error <= bound, "{kind}.{name}: {ours}, expected {theirs}");
            }
        }
    }
}
