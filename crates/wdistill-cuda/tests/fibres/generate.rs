//! The parameter generator.

use half::bf16;
use wdistill_cuda::ScaleTanhShiftGradients;
use wdistill_kernels as kernels;

use crate::support::*;

#[test]
fn weighted_sum_mixes_matrices_and_gives_their_weights_gradients() {
    in_any_order(|machine| {
        let mut all = Vec::new();
        for (count, length) in [(1, 1), (2, 1000), (5, 40_000)] {
            let matrices: Vec<Vec<f32>> = (0..count).map(|r| random_f32(10 + r, length)).collect();
            let host: Vec<Vec<f64>> = matrices.iter().map(|matrix| exact(matrix)).collect();
            let host: Vec<&[f64]> = host.iter().map(Vec::as_slice).collect();
            let weights = random_f32(1, count as usize);
            let buffers: Vec<_> = matrices.iter().map(|m| machine.upload(m).unwrap()).collect();
            let parts: Vec<_> = buffers.iter().map(|buffer| buffer.part()).collect();
            let mixture = machine.mixture(&parts).unwrap();
            let sum = fresh(machine, length);
            let device_weights = machine.upload(&weights).unwrap();
            machine.weighted_sum(sum.part(), device_weights.part(), &mixture).unwrap();
            let mut expected = vec![0.0; length];
            kernels::weighted_sum(&mut expected, &exact(&weights), &host);
            let found = sum.read().unwrap();
            assert_near(&found, &expected, 1e-6, "sum");
            all.extend(bits32(&found));

            let dsum = random_f32(2, length);
            let device_dsum = machine.upload(&dsum).unwrap();
            machine
                .add_weighted_sum_gradients(device_weights.part(), &mixture, device_dsum.part())
                .unwrap();
            let mut expected = exact(&weights);
            kernels::add_weighted_sum_gradients(&mut expected, &host, &exact(&dsum));
            let found = device_weights.read().unwrap();
            assert_near(&found, &expected, 1e-7 * length as f64 + 1e-6, "dweights");
            all.extend(bits32(&found));
        }
        all
    });
}

#[test]
fn scale_tanh_shift_goes_forward_and_back() {
    in_any_order(|machine| {
        let length = 777;
        let [scale, v, shift, dw] = [1, 2, 3, 4].map(|seed| random_f32(seed, length));
        let [s, dv_input, b, slope] = [&scale, &v, &shift, &dw].map(|n| machine.upload(n).unwrap());
        let w = fresh(machine, length);
        let rounded = fresh::<bf16>(machine, length);
        machine
            .scale_tanh_shift(w.part(), rounded.part(), s.part(), dv_input.part(), b.part())
            .unwrap();
        let mut expected = vec![0.0; length];
        kernels::scale_tanh_shift(&mut expected, &exact(&scale), &exact(&v), &exact(&shift));
        let found = w.read().unwrap();
        assert_near(&found, &expected, 5e-7, "w");
        let copy: Vec<bf16> = found.iter().map(|w| bf16::from_f32(*w)).collect();
        assert_eq!(rounded.read().unwrap(), copy);

        let [ds, dv, db] = [0; 3].map(|_| fresh::<f32>(machine, length));
        let mut expected = [0; 3].map(|_| vec![0.0; length]);
        let [es, ev, eb] = &mut expected;
        let host = kernels::ScaleTanhShiftGradients { scale: es, v: Some(ev), shift: eb };
        kernels::scale_tanh_shift_backward(host, &exact(&dw), &exact(&scale), &exact(&v));
        for of_v in [Some(dv.part()), None] {
            let gradients = ScaleTanhShiftGradients { scale: ds.part(), v: of_v, shift: db.part() };
            machine
                .scale_tanh_shift_backward(gradients, slope.part(), s.part(), dv_input.part())
                .unwrap();
            for (found, expected) in [&ds, &dv, &db].into_iter().zip(&expected) {
                assert_near(&found.read().unwrap(), expected, 5e-7, "gradient");
            }
        }
        bits32(&found)
    });
}
