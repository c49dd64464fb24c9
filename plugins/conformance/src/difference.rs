//! A directional derivative from differences, with the error that 32-bit numbers allow.
//!
//! For φ with outputs rounded to 32 bits, a central difference over ±h has an error of O(h²) from
//! the function and of O(ε‖y‖/h) from rounding. Steps from large to small are tried, and the
//! vector-Jacobian product has to agree at one of them within 0.2 % and the rounding there, where
//! that rounding is small beside the derivative.

/// Steps, relative to the scale of what is moved.
pub(crate) const STEPS: [f64; 6] = [0.08, 0.04, 0.02, 0.01, 0.005, 0.0025];

/// Share of the derivative's size by which the two may differ.
const TOLERANCE: f64 = 2e-3;

/// Units in the last place by which an output may be off: sums, products and roots inside.
const ROUNDING: f64 = 32.0;

/// The function at one point: its value, and how large the terms are that it is a sum of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Value {
    pub(crate) sum: f64,
    /// Root of the sum of the squares of the terms.
    pub(crate) norm: f64,
}

/// What was found along one direction.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Agreement {
    /// Difference and product are the same.
    Agrees,
    /// They are not, at a place where the function is smooth.
    Differs {
        /// The derivative from the vector-Jacobian product.
        product: f64,
        /// From differences.
        difference: f64,
    },
    /// The function is not smooth here, or the numbers are too coarse.
    Unclear,
}

/// Values on both sides of the point, and what the product says of the way between them.
#[derive(Clone, Copy, Debug)]
struct Side {
    step: f64,
    /// Difference over twice the step, minus what the product says.
    excess: f64,
    /// What the product says.
    product: f64,
    /// What rounding may do.
    noise: f64,
    /// Difference of the slopes on both sides.
    bend: f64,
}

/// Compares the slope of `value` at 0 with what `change` says.
///
/// `value(h)` is the function at a step h. `change(h)` is the sum of gradient times movement
/// between -h and h, of the movement as it was rounded. `size` is the root of the sum of the
/// squares of the products of gradient and direction.
pub(crate) fn compare<E>(
    size: f64,
    mut value: impl FnMut(f64) -> Result<Value, E>,
    mut change: impl FnMut(f64) -> f64,
) -> Result<Agreement, E> {
    let center = value(0.0)?;
    let mut sides = Vec::with_capacity(STEPS.len());
    for step in STEPS {
        let (up, down) = (value(step)?, value(-step)?);
        let product = change(step) / (2.0 * step);
        let slope = (up.sum - down.sum) / (2.0 * step);
        let scale = center.norm.max(up.norm).max(down.norm);
        let noise = ROUNDING * f64::from(f32::EPSILON) * scale / (2.0 * step);
        let bend = (up.sum - center.sum) / step - (center.sum - down.sum) / step;
        sides.push(Side { step, excess: slope - product, product, noise, bend });
    }
    let allowed = |side: &Side| TOLERANCE * (side.product.abs() + size);
    let fine = |side: &&Side| side.noise <= 2.0 * allowed(side);
    let mut fine: Vec<&Side> = sides.iter().filter(fine).collect();
    if fine.is_empty() {
        // A gradient near zero beside large outputs: rounding matters least at large steps.
        fine = sides.iter().take(2).collect();
    }
    if fine.iter().any(|side| side.excess.abs() <= allowed(side) + side.noise) {
        return Ok(Agreement::Agrees);
    }
    Ok(judge(&sides, size))
}

/// Whether a disagreement is one, or the function has a corner nearby.
fn judge(sides: &[Side], size: f64) -> Agreement {
    let [.., third, second, first] = sides else { return Agreement::Unclear };
    let near = [*third, *second, *first];
    let mean = near.iter().map(|side| side.excess).sum::<f64>() / 3.0;
    let spread = near.iter().map(|side| (side.excess - mean).abs()).fold(0.0, f64::max);
    let noise = first.noise;
    let steady = spread <= 0.2 * mean.abs();
    let clear = mean.abs() > 4.0 * noise && mean.abs() > 4.0 * TOLERANCE * size;
    // In a smooth place the slopes of both sides approach each other in proportion to the step.
    let far = sides[0];
    let expected = far.bend.abs() * first.step / far.step;
    let smooth = first.bend.abs() <= 4.0 * expected + 4.0 * noise + 0.2 * mean.abs();
    if steady && clear && smooth {
        let product = first.product;
        return Agreement::Differs { product, difference: product + mean };
    }
    Agreement::Unclear
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A function, a place, and the derivative there.
    type Case = (fn(f64) -> f64, f64, f64);

    /// φ(x) of one number, in 32 bits, with a claimed slope.
    fn check(function: fn(f64) -> f64, at: f64, claimed: f64) -> Agreement {
        let value = |h: f64| {
            let sum = f64::from(function(at + h) as f32);
            Ok::<_, ()>(Value { sum, norm: sum.abs() })
        };
        compare(claimed.abs(), value, |h| claimed * 2.0 * h).expect("no errors here")
    }

    #[test]
    fn accepts_derivatives_and_nothing_else() {
        let cases: [Case; 5] = [
            (|x| x * x * x, 1.5, 6.75),
            (f64::exp, 2.0, 2f64.exp()),
            (f64::tanh, -0.7, 1.0 - 0.7f64.tanh().powi(2)),
            (|x| 100.0 + x, 3.0, 1.0),
            (|x| x.max(0.0), 0.004, 1.0),
        ];
        for (function, at, slope) in cases {
            assert_eq!(check(function, at, slope), Agreement::Agrees, "{at} {slope}");
            let wrong = check(function, at, slope * 1.05);
            assert_ne!(wrong, Agreement::Agrees, "{at} {slope}");
        }
        assert_eq!(check(|x| 1e5 + x * x, 0.0, 0.0), Agreement::Agrees);
        let missing = check(f64::exp, 1.0, 0.0);
        assert!(matches!(missing, Agreement::Differs { product: 0.0, .. }), "{missing:?}");
        let Agreement::Differs { difference, .. } = missing else { unreachable!() };
        assert!((difference - 1f64.exp()).abs() < 1e-2, "{difference}");
    }

    #[test]
    fn does_not_judge_at_corners_and_in_noise() {
        assert_eq!(check(f64::abs, 0.0, 1.0), Agreement::Unclear);
        assert_eq!(check(|x| (x * 3e4).sin(), 0.3, 17.0), Agreement::Unclear);
    }

    #[test]
    fn a_straight_through_gradient_of_a_constant_is_a_disagreement() {
        assert!(matches!(check(f64::round, 0.3, 1.0), Agreement::Differs { .. }));
    }
}
