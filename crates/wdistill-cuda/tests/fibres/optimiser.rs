//! Adam and sums of squares.

use half::bf16;
use wdistill_cuda::AdamBuffers;
use wdistill_kernels as kernels;
use wdistill_kernels::{AdamSettings, AdamStep, PIECE};

use crate::support::*;

#[test]
fn adam_moves_every_parameter() {
    in_any_order(|machine| {
        let mut all = Vec::new();
        for (number, weight_decay) in [(1, 0.0), (2, 0.0), (700, 0.1)] {
            let length = 1000;
            let (parameters, first) = (random_f32(1, length), random_f32(2, length));
            let second: Vec<f32> = random_f32(3, length).iter().map(|v| v * v).collect();
            let gradient = random_f32(4, length);
            let step = AdamStep {
                settings: AdamSettings { beta1: 0.9, beta2: 0.98, epsilon: 1e-8 },
                learning_rate: 1e-2,
                number,
                gradient_factor: 0.3,
                weight_decay,
            };
            let [p, m, v, g] =
                [&parameters, &first, &second, &gradient].map(|n| machine.upload(n).unwrap());
            let rounded = fresh::<bf16>(machine, length);
            let buffers = AdamBuffers {
                parameters: p.part(),
                first_moment: m.part(),
                second_moment: v.part(),
                rounded: rounded.part(),
                gradient: g.part(),
            };
            machine.adam_step(buffers, &step).unwrap();
            let mut expected = [exact(&parameters), exact(&first), exact(&second)];
            let [ep, em, ev] = &mut expected;
            let host = kernels::AdamBuffers {
                parameters: ep,
                first_moment: em,
                second_moment: ev,
                gradient: &exact(&gradient),
                copy: None,
            };
            kernels::adam_step(host, &step);
            let found = p.read().unwrap();
            assert_near(&found, &expected[0], 3e-7, "parameters");
            assert_near(&m.read().unwrap(), &expected[1], 2e-7, "first moment");
            assert_near(&v.read().unwrap(), &expected[2], 2e-7, "second moment");
            let copy: Vec<bf16> = found.iter().map(|p| bf16::from_f32(*p)).collect();
            assert_eq!(rounded.read().unwrap(), copy);
            all.extend(bits32(&found));
        }
        all
    });
}

#[test]
fn dot_pieces_adds_squares() {
    in_any_order(|machine| {
        let mut all = Vec::new();
        for length in [0, 1, PIECE - 1, PIECE, 2 * PIECE + 77] {
            let numbers = random_f32(1, length);
            let device = machine.upload(&numbers).unwrap();
            let found = machine.sums_of_squares(device.part()).unwrap();
            let expected = kernels::sums_of_squares(&exact(&numbers));
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(&expected) {
                assert!((found - expected).abs() <= 1e-12 * expected, "{found}, {expected}");
            }
            all.extend(found.iter().map(|sum| sum.to_bits()));
        }
        all
    });
}
