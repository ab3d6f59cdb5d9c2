//! The recurrence.

use wdistill_cuda::{RecurrenceGradients, RecurrenceInputs};
use wdistill_kernels as kernels;

use crate::support::*;

#[test]
fn recur_goes_forward_and_back() {
    in_any_order(|machine| {
        let mut all = Vec::new();
        let offsets = [0usize, 3, 3, 4, 30];
        let device_offsets = machine.offsets(&offsets).unwrap();
        for width in [1, 40, 150] {
            let length = 30 * width;
            let [a, g, dy] = [1, 2, 3].map(|seed| random_bf16(seed, length));
            let [host_a, host_g, host_dy] = [&a, &g, &dy].map(|numbers| exact(numbers));
            let host = kernels::RecurrenceInputs {
                candidates: &host_a,
                forget: &host_g,
                offsets: &offsets,
                width,
            };
            let mut expected = vec![0.0; length];
            let mut expected_cells = vec![0.0; length];
            let mut state = vec![0.0; 4 * width];
            kernels::recur_forward(&mut expected, &mut state, Some(&mut expected_cells), &host);

            let [device_a, device_g, device_dy] = [&a, &g, &dy].map(|n| machine.upload(n).unwrap());
            let inputs = RecurrenceInputs {
                candidates: device_a.part(),
                forget: device_g.part(),
                offsets: &device_offsets,
                width,
            };
            let (y, cells) = (fresh(machine, length), fresh(machine, length));
            machine.recur_forward(y.part(), cells.part(), &inputs).unwrap();
            let found = y.read().unwrap();
            assert_rounded(&found, &expected, |_| 1e-6, "y");
            assert_near(&cells.read().unwrap(), &expected_cells, 1e-6, "cells");
            all.extend(bits(&found));

            let mut expected = [0; 2].map(|_| vec![0.0; length]);
            let [ea, eg] = &mut expected;
            let target = kernels::RecurrenceGradients { candidates: ea, forget: eg };
            // From the cells as they are stored, so that both cut the same ones.
            kernels::recur_backward(target, &host_dy, &exact(&cells.read().unwrap()), &host);
            let [da, dg] = [0; 2].map(|_| fresh(machine, length));
            let gradients = RecurrenceGradients { candidates: da.part(), forget: dg.part() };
            machine.recur_backward(gradients, device_dy.part(), cells.part(), &inputs).unwrap();
            for (found, expected) in [&da, &dg].into_iter().zip(&expected) {
                assert_rounded(&found.read().unwrap(), expected, |_| 2e-6, "gradient");
                all.extend(bits(&found.read().unwrap()));
            }
        }
        all
    });
}
