//! Muon against PyTorch (`fixtures/muon/make.py`).

use wdistill_kernels::{MuonBuffers, MuonSettings, MuonStep, Real, muon_step};

use crate::support::{assert_close, to};

const STEPS: &str = include_str!("../../fixtures/muon/steps.txt");

fn check<R: Real>(tolerance: f64) {
    let settings = MuonSettings { momentum: 0.95 };
    // The gradient comes doubled, as one that is to be clipped to half.
    let (learning_rate, gradient_factor, weight_decay) = (1e-2, 0.5, 0.0);
    let step = MuonStep { settings, learning_rate, gradient_factor, weight_decay };
    let (mut shape, mut steps) = ([0, 0], 0);
    let (mut parameters, mut moment): (Vec<R>, Vec<R>) = Default::default();
    for line in STEPS.lines() {
        let (name, numbers) = line.split_once(' ').unwrap();
        let numbers: Vec<f64> = numbers.split(' ').map(|number| number.parse().unwrap()).collect();
        match name {
            "shape" => shape = [numbers[0] as usize, numbers[1] as usize],
            "start" => {
                parameters = to(&numbers);
                moment = vec![R::ZERO; numbers.len()];
            }
            "gradient" => {
                let doubled: Vec<f64> = numbers.iter().map(|number| 2.0 * number).collect();
                let [rows, columns] = shape;
                let (parameters, moment) = (&mut parameters, &mut moment);
                let gradient = &to::<R>(&doubled);
                let mut copy = vec![R::ZERO; numbers.len()];
                let buffers = MuonBuffers {
                    rows,
                    columns,
                    parameters,
                    moment,
                    gradient,
                    copy: Some(&mut copy),
                };
                muon_step(buffers, &step);
                assert!(copy == *parameters);
            }
            "after" => {
                assert_close(&parameters, &numbers, tolerance, &format!("{shape:?}"));
                steps += 1;
            }
            other => panic!("{other}"),
        }
    }
    assert_eq!(steps, 9);
}

#[test]
fn muon_is_that_of_pytorch() {
    check::<f64>(1e-13);
    check::<f32>(1e-6);
}

#[test]
fn without_a_gradient_only_decay_changes_anything() {
    let (mut parameters, mut moment) = (vec![1.0f32; 6], vec![0.0; 6]);
    let buffers = MuonBuffers {
        rows: 2,
        columns: 3,
        parameters: &mut parameters,
        moment: &mut moment,
        gradient: &[0.0; 6],
        copy: None,
    };
    let settings = MuonSettings { momentum: 0.95 };
    let (learning_rate, gradient_factor) = (1.0, 1.0);
    let step = MuonStep { settings, learning_rate, gradient_factor, weight_decay: 0.25 };
    muon_step(buffers, &step);
    assert_eq!(parameters, [0.75; 6]);
}
