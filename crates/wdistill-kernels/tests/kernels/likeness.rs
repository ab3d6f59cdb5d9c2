//! Likenesses against PyTorch (`fixtures/likeness/make.py`) and central differences.

use wdistill_kernels::{
    LikenessGradient, Real, RelationShape, Rows, relation_divergence, state_distance,
};

use crate::support::{assert_close, assert_gradient, random, to};

const CASES: &str = include_str!("../../fixtures/likeness/cases.txt");
const SCALE: f64 = 0.25;

/// Sum and gradient of a likeness.
fn of<R: Real>(
    length: usize,
    likeness: impl FnOnce(LikenessGradient<'_, R>) -> f64,
) -> (f64, Vec<R>) {
    // What was there is overwritten.
    let mut gradient = vec![R::ONE; length];
    let sum = likeness(LikenessGradient { gradient: &mut gradient, scale: SCALE });
    (sum, gradient)
}

fn check<R: Real>(tolerance: f64) {
    let (mut offsets, mut checked) = (Vec::new(), 0);
    let (mut student, mut teacher): ((usize, Vec<R>), (usize, Vec<R>)) = Default::default();
    for line in CASES.lines() {
        let (name, numbers) = line.split_once(' ').unwrap();
        let numbers: Vec<f64> = numbers.split(' ').map(|number| number.parse().unwrap()).collect();
        let rows = |(width, values): &'_ (usize, Vec<R>)| (*width, values.clone());
        let (s, t) = (rows(&student), rows(&teacher));
        let (s, t) = (Rows { values: &s.1, width: s.0 }, Rows { values: &t.1, width: t.0 });
        let (expected, (sum, gradient)) = match name {
            "offsets" => {
                offsets = numbers.iter().map(|offset| *offset as usize).collect();
                continue;
            }
            "student" => {
                student = (numbers[0] as usize, to(&numbers[1..]));
                continue;
            }
            "teacher" => {
                teacher = (numbers[0] as usize, to(&numbers[1..]));
                continue;
            }
            "distance" => {
                (&numbers[..], of(s.values.len(), |gradient| state_distance(s, t, gradient)))
            }
            "relations" => {
                let shape = RelationShape { heads: numbers[0] as usize, offsets: &offsets };
                let found =
                    of(s.values.len(), |gradient| relation_divergence(s, t, shape, gradient));
                (&numbers[1..], found)
            }
            other => panic!("{other} is no line of the fixture"),
        };
        assert_close(&[R::from_f64(sum)], &expected[..1], tolerance, name);
        let slopes: Vec<f64> = expected[1..].iter().map(|slope| SCALE * slope).collect();
        assert_close(&gradient, &slopes, tolerance, name);
        checked += 1;
    }
    assert_eq!(checked, 4);
}

#[test]
fn sums_and_gradients_are_those_of_pytorch() {
    check::<f64>(1e-12);
    check::<f32>(1e-5);
}

#[test]
fn gradients_are_slopes() {
    let (offsets, teacher) = ([0, 2, 2, 7], random(2, 7 * 6));
    let theirs = Rows { values: &teacher, width: 6 };
    let shape = RelationShape { heads: 2, offsets: &offsets };
    let relations = |values: &[f64]| {
        let rows = Rows { values, width: 4 };
        of(values.len(), |gradient| relation_divergence(rows, theirs, shape, gradient))
    };
    let states = |values: &[f64]| {
        let rows = Rows { values, width: 6 };
        of(values.len(), |gradient| state_distance(rows, theirs, gradient))
    };
    let narrow = random(1, 7 * 4);
    assert_gradient(&relations(&narrow).1, &narrow, "relations", |x| SCALE * relations(x).0);
    let wide = random(3, 7 * 6);
    assert_gradient(&states(&wide).1, &wide, "states", |x| SCALE * states(x).0);
}

#[test]
fn a_student_that_is_its_teacher_misses_nothing() {
    let values: Vec<f64> = random(1, 5 * 4);
    let rows = Rows { values: &values, width: 4 };
    let shape = RelationShape { heads: 2, offsets: &[0, 5] };
    let (states, slopes) = of(values.len(), |gradient| state_distance(rows, rows, gradient));
    assert_eq!((states, slopes), (0.0, vec![0.0; 20]));
    let (relations, slopes) =
        of(values.len(), |gradient| relation_divergence(rows, rows, shape, gradient));
    assert_eq!((relations, slopes), (0.0, vec![0.0; 20]));
}

#[test]
fn a_state_of_zeros_counts_nothing() {
    let rows = |values| Rows { values, width: 2 };
    let (sum, slopes) = of(4, |gradient| {
        state_distance(rows(&[1.0, 2.0, 3.0, 4.0]), rows(&[0.0, 0.0, 3.0, 3.0]), gradient)
    });
    assert_eq!(sum, 1.0 / 18.0);
    assert_eq!(slopes[..2], [0.0, 0.0]);
}
