//! Sums of columns.

use crate::support::*;

#[test]
fn column_sums_are_added() {
    in_any_order(|machine| {
        let mut all = Vec::new();
        for (rows, width) in [(0, 5), (1, 1), (63, 33), (64, 32), (65, 130), (200, 257), (1500, 33)]
        {
            let values = random_bf16(1, rows * width);
            let before = random_f32(2, width);
            let sums = machine.upload(&before).unwrap();
            let device_values = machine.upload(&values).unwrap();
            machine.add_column_sums(sums.part(), device_values.part()).unwrap();
            let mut expected = exact(&before);
            wdistill_kernels::add_column_sums(&mut expected, &exact(&values));
            let found = sums.read().unwrap();
            assert_near(&found, &expected, 1e-6 * (1.0 + rows as f64).sqrt(), "sums");
            all.extend(bits32(&found));
        }
        all
    });
}
