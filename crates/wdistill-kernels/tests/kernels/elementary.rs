//! The elementary functions of `f32` against the standard library in `f64`.

use wdistill_kernels::{
    Fused, Instructions, Real, Separate, exp_in_place, ln_in_place, tanh_in_place,
};

/// Bit patterns spread over all of `f32`, both signs, with every special value.
fn spread() -> Vec<f32> {
    let mut values: Vec<f32> = (0..=u32::MAX / 1999).map(|i| f32::from_bits(i * 1999)).collect();
    values.retain(|value| !value.is_nan());
    values.extend([0.0, -0.0, 1.0, f32::INFINITY, f32::NEG_INFINITY, f32::MIN_POSITIVE, f32::MAX]);
    values.extend([f32::MIN, f32::from_bits(1), -f32::from_bits(1)]);
    values.extend((-2_000_000..=2_000_000).map(|i| i as f32 * 5.3e-5));
    values
}

/// Error in units of the last place of the exact value, counting subnormal units as the least one.
fn ulps(actual: f32, exact: f64) -> f64 {
    if exact.abs() > f64::from(f32::MAX) {
        // Beyond the range the nearest f32 is infinite or the largest; allow either next to the edge.
        let is_edge = exact.abs() < f64::from(f32::MAX) * (1.0 + 1e-6);
        let is_right = f64::from(actual) == exact.signum() * f64::INFINITY
            || (is_edge && actual.abs() == f32::MAX);
        return if is_right { 0.0 } else { f64::INFINITY };
    }
    if exact.is_infinite() || exact == 0.0 {
        return if f64::from(actual) == exact { 0.0 } else { f64::INFINITY };
    }
    let exponent = exact.abs().log2().floor().max(-126.0) as i32;
    (f64::from(actual) - exact).abs() / 2f64.powi(exponent - 23)
}

#[track_caller]
fn assert_ulps(
    name: &str,
    limit: f64,
    inputs: &[f32],
    outputs: &[f32],
    exact: impl Fn(f64) -> f64,
) {
    let mut worst = (0.0, 0.0);
    for (x, y) in inputs.iter().zip(outputs) {
        let exact = exact(f64::from(*x));
        if exact.is_nan() {
            assert!(y.is_nan(), "{name}({x}) is {y}, expected NaN");
            continue;
        }
        let error = ulps(*y, exact);
        if error.is_nan() || error > worst.0 {
            worst = (error, *x);
        }
    }
    assert!(worst.0 <= limit, "{name}: error of {} ulp at {}", worst.0, worst.1);
}

fn check_all<I: Instructions>(name: &str) {
    let inputs = spread();
    let map = |f: fn(f32) -> f32| inputs.iter().map(|x| f(*x)).collect::<Vec<_>>();
    let exp = map(|x| Real::exp::<I>(x));
    assert_ulps(&format!("{name} exp"), 2.0, &inputs, &exp, f64::exp);
    let ln = map(|x| Real::ln::<I>(x));
    assert_ulps(&format!("{name} ln"), 2.0, &inputs, &ln, f64::ln);
    let tanh = map(|x| Real::tanh::<I>(x));
    assert_ulps(&format!("{name} tanh"), 3.0, &inputs, &tanh, f64::tanh);
    for x in inputs.iter().copied().filter(|x| *x > -87.0) {
        let exact = 1.0 / (1.0 + (-f64::from(x)).exp());
        let error = ulps(Real::sigmoid::<I>(x), exact);
        assert!(error <= 4.0, "{name} sigmoid({x}): {error} ulp");
    }
    for x in &inputs {
        let exact = 0.5 * libm::erfc(-f64::from(*x) / 2f64.sqrt());
        let error = (f64::from(Real::normal_cdf::<I>(*x)) - exact).abs();
        assert!(error < 4e-7, "{name} normal_cdf({x}): error {error}");
    }
}

#[test]
fn with_fused_multiply_add() {
    check_all::<Fused>("fused");
}

#[test]
fn without_fused_multiply_add() {
    check_all::<Separate>("separate");
}

#[test]
fn dispatched() {
    let inputs = spread();
    let map = |f: fn(&mut [f32])| {
        let mut values = inputs.clone();
        f(&mut values);
        values
    };
    assert_ulps("exp", 2.0, &inputs, &map(exp_in_place), f64::exp);
    assert_ulps("ln", 2.0, &inputs, &map(ln_in_place), f64::ln);
    assert_ulps("tanh", 3.0, &inputs, &map(tanh_in_place), f64::tanh);
}

#[test]
fn nan_stays_nan() {
    for bits in [0x7fc0_0000, 0x7f80_0001, 0xffc0_1234, 0x7fff_ffff] {
        let nan = f32::from_bits(bits);
        assert!(Real::exp::<Fused>(nan).is_nan());
        assert!(Real::ln::<Fused>(nan).is_nan());
        assert!(Real::tanh::<Fused>(nan).is_nan());
        assert!(Real::normal_cdf::<Fused>(nan).is_nan());
        assert!(Real::exp::<Separate>(nan).is_nan());
    }
}

#[test]
fn known_values() {
    assert_eq!(Real::exp::<Fused>(0.0f32), 1.0);
    assert_eq!(Real::exp::<Fused>(f32::NEG_INFINITY), 0.0);
    assert_eq!(Real::tanh::<Fused>(20.0f32), 1.0);
    assert_eq!(Real::tanh::<Fused>(-20.0f32), -1.0);
    assert_eq!(Real::tanh::<Fused>(-0.0f32).to_bits(), (-0.0f32).to_bits());
    assert_eq!(Real::ln::<Fused>(1.0f32), 0.0);
    assert_eq!(Real::ln::<Fused>(0.0f32), f32::NEG_INFINITY);
    assert!(Real::ln::<Fused>(-1.0f32).is_nan());
}
