//! Passes over whole buffers, bfloat16, and the mask of dropout.

use half::bf16;
use wdistill_cuda::DropoutMask;
use wdistill_kernels::{Dropout, DropoutKey};

use crate::support::*;

#[test]
fn dropout_has_the_mask_of_the_host() {
    in_any_order(|machine| {
        let mut all = Vec::new();
        let (rows, width) = (300, 70);
        let ones = machine.upload(&vec![bf16::ONE; rows * width]).unwrap();
        for (number, rate) in [1e-12, 0.1, 0.5, 0.999_999_999_999].into_iter().enumerate() {
            let key =
                DropoutKey { seed: u64::MAX - number as u64, stream: (5 << 16) | number as u64 };
            let host = Dropout::new(rate, key);
            let y = fresh(machine, rows * width);
            machine.dropout(y.part(), ones.part(), width, DropoutMask::new(rate, key)).unwrap();
            let found = y.read().unwrap();
            let factor = bf16::from_f32((1.0 / (1.0 - rate)) as f32);
            for (index, found) in found.iter().enumerate() {
                let keeps = host.keeps(index / width, index % width);
                assert_eq!(*found, if keeps { factor } else { bf16::ZERO }, "rate {rate}, {index}");
            }
            all.extend(bits(&found));
        }
        all
    });
}

#[test]
fn dropout_leaves_no_infinity_behind() {
    in_any_order(|machine| {
        let x = machine.upload(&[bf16::INFINITY; 64]).unwrap();
        machine.dropout(x.part(), x.part(), 64, dropout(0.5).0).unwrap();
        let found = x.read().unwrap();
        assert!(found.contains(&bf16::ZERO) && found.contains(&bf16::INFINITY), "{found:?}");
        bits(&found)
    });
}

#[test]
fn round_to_bf16_takes_the_nearest_even_number() {
    in_any_order(|machine| {
        // Every upper half with lower halves at, below and above the middle, and some in between.
        let low = [0u32, 1, 0x7fff, 0x8000, 0x8001, 0xffff];
        let all_bits = (0..=u16::MAX).flat_map(|high| low.map(|low| (u32::from(high) << 16) | low));
        let x: Vec<f32> = all_bits.map(f32::from_bits).collect();
        let y = fresh(machine, x.len());
        machine.round(y.part(), machine.upload(&x).unwrap().part()).unwrap();
        let found = y.read().unwrap();
        for (x, found) in x.iter().zip(&found) {
            let expected = bf16::from_f32(*x);
            let is_same = found.to_bits() == expected.to_bits() || x.is_nan() && found.is_nan();
            assert!(is_same, "{:x}: {found}, expected {expected}", x.to_bits());
        }
        bits(&found)
    });
}

#[test]
fn add_and_copy_reach_every_number() {
    in_any_order(|machine| {
        let length = 1000;
        let (a, b) = (random_bf16(1, length), random_bf16(2, length));
        let sum = machine.upload(&a).unwrap();
        let addend = machine.upload(&b).unwrap();
        machine.add(sum.part(), addend.part()).unwrap();
        let expected: Vec<f64> = exact(&a).iter().zip(exact(&b)).map(|(a, b)| a + b).collect();
        let found = sum.read().unwrap();
        assert_rounded(&found, &expected, |_| 0.0, "sum");
        machine.copy(addend.part(), sum.part()).unwrap();
        assert_eq!(addend.read().unwrap(), found);

        let (a, b) = (random_f32(3, length), random_f32(4, length));
        let sum = machine.upload(&a).unwrap();
        machine.add_float32(sum.part(), machine.upload(&b).unwrap().part()).unwrap();
        let expected: Vec<f32> = a.iter().zip(&b).map(|(a, b)| a + b).collect();
        assert_eq!(sum.read().unwrap(), expected);
        bits(&found)
    });
}
