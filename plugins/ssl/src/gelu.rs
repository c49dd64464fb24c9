//! The activation of all published models.

use ablate_sdk::burn::tensor::{Device, Tensor, TensorData, activation};
use rayon::prelude::*;

/// Values that one thread takes at a time.
const CHUNK: usize = 1 << 14;

/// x Φ(x), with the error function.
///
/// Without a graph and on the CPU the values are computed here, by all threads and several at a
/// time: Burn's own takes one after the other on one thread, a fifth of the time of a whole model.
pub(crate) fn gelu(input: Tensor<3>) -> Tensor<3> {
    let device = input.device();
    if input.is_autodiff() || device != Device::flex() {
        return activation::gelu(input);
    }
    let shape = input.dims();
    match input.clone().into_data().try_into_vec::<f32>() {
        Ok(mut values) => {
            drop(input);
            values.par_chunks_mut(CHUNK).for_each(|chunk| {
                for value in chunk {
                    *value = 0.5 * *value * (1.0 + erf(*value * std::f32::consts::FRAC_1_SQRT_2));
                }
            });
            Tensor::from_data(TensorData::new(values, shape), &device)
        }
        Err(_) => activation::gelu(input),
    }
}

/// The error function to 2e-7 (Abramowitz and Stegun, 1964, formula 7.1.26), without branches, so
/// that the compiler computes several at once.
#[inline]
fn erf(x: f32) -> f32 {
    const COEFFICIENTS: [f32; 5] =
        [1.061_405_4, -1.453_152, 1.421_413_7, -0.284_496_74, 0.254_829_6];
    let size = x.abs();
    let t = 1.0 / (1.0 + 0.327_591_1 * size);
    let sum = COEFFICIENTS.iter().fold(0.0, |sum, coefficient| (sum + coefficient) * t);
    (1.0 - sum * exp_of_negative(-size * size)).copysign(x)
}

/// eˣ for x ≤ 0, to a few units in the last place: 2ⁿ from the bits of a float, the rest from the
/// first terms of the series.
#[inline]
fn exp_of_negative(x: f32) -> f32 {
    const TERMS: [f32; 7] =
        [1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0];
    // Adding and subtracting 1.5 · 2²³ rounds to an integer.
    const ROUND: f32 = 12_582_912.0;
    let x = x.max(-87.0);
    let whole = x * std::f32::consts::LOG2_E + ROUND - ROUND;
    // ln 2 in two parts, the first of few digits, so that the difference is exact.
    let rest = x - whole * 0.693_359_4 + whole * 2.121_944_4e-4;
    let series = TERMS.iter().fold(0.0, |sum, term| sum * rest + term) * rest + 1.0;
    f32::from_bits(((whole as i32 + 127) << 23) as u32) * series
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against the integral itself, by Simpson's rule in 64 bits.
    #[test]
    fn is_x_times_the_normal_distribution() {
        let density = |x: f64| (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
        let distribution = |x: f64| {
            let (start, steps) = (-12.0, 4000);
            let width = (x - start) / f64::from(steps);
            let sum: f64 = (0..=steps)
                .map(|at| {
                    let weight = if at == 0 || at == steps { 1 } else { 2 + 2 * (at % 2) };
                    f64::from(weight) * density(start + width * f64::from(at))
                })
                .sum();
            sum * width / 3.0
        };
        let values: Vec<f32> = (-100..=100).map(|at| at as f32 * 0.1).collect();
        let given = TensorData::new(values.clone(), [1, 1, values.len()]);
        let found = gelu(Tensor::from_data(given, &Device::flex())).into_data();
        for (x, found) in values.iter().zip(found.as_slice::<f32>().expect("floats")) {
            let wanted = f64::from(*x) * distribution(f64::from(*x));
            assert!((f64::from(*found) - wanted).abs() < 1e-6, "{x}: {found}, expected {wanted}");
        }
    }
}
