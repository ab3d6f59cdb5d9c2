//! Muon.

use half::bf16;
use wdistill_cuda::MuonBuffers;
use wdistill_kernels as kernels;
use wdistill_kernels::{MuonSettings, MuonStep};

use crate::support::*;

#[test]
fn muon_takes_singular_values_close_to_one() {
    in_any_order(|machine| {
        let mut all = Vec::new();
        // Wide, tall, of more than one piece of a sum, and without a gradient.
        for (rows, columns, size) in
            [(1, 1, 1.0), (12, 30, 1.0), (40, 9, 1.0), (130, 150, 1.0), (6, 6, 0.0)]
        {
            let length = rows * columns;
            let scaled =
                |seed| random_f32(seed, length).iter().map(|g| g * size).collect::<Vec<_>>();
            let (parameters, moment, gradient) = (random_f32(1, length), scaled(2), scaled(3));
            let step = MuonStep {
                settings: MuonSettings { momentum: 0.95 },
                learning_rate: 1e-2,
                gradient_factor: 0.4,
                weight_decay: 0.1,
            };
            let [p, m, g] = [&parameters, &moment, &gradient].map(|n| machine.upload(n).unwrap());
            let rounded = fresh::<bf16>(machine, length);
            let buffers = MuonBuffers {
                rows,
                columns,
                parameters: p.part(),
                moment: m.part(),
                rounded: rounded.part(),
                gradient: g.part(),
            };
            machine.muon_step(buffers, &step).unwrap();
            let (mut expected, mut expected_moment) = (exact(&parameters), exact(&moment));
            let host = kernels::MuonBuffers {
                rows,
                columns,
                parameters: &mut expected,
                moment: &mut expected_moment,
                gradient: &exact(&gradient),
                copy: None,
            };
            kernels::muon_step(host, &step);
            let found = p.read().unwrap();
            assert_near(&found, &expected, 1e-6, "parameters");
            assert_near(&m.read().unwrap(), &expected_moment, 2e-7, "moment");
            let copy: Vec<bf16> = found.iter().map(|p| bf16::from_f32(*p)).collect();
            assert_eq!(rounded.read().unwrap(), copy);
            all.extend(bits32(&found));
        }
        all
    });
}
