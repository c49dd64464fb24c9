//! A sum without rounding, so that the order of batches and merges does not show in a metric.

use serde::{Deserialize, Serialize};

/// An exact sum of doubles, rounded once when it is read.
///
/// The sum is kept as doubles that do not overlap (Shewchuk, "Adaptive Precision Floating-Point
/// Arithmetic and Fast Robust Geometric Predicates", 1997, theorem 10).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Vec<u64>", into = "Vec<u64>")]
pub(crate) struct ExactSum {
    /// Finite parts, by increasing magnitude.
    parts: Vec<f64>,
    /// Sum of what was NaN or infinite; 0 when nothing was.
    special: f64,
}

impl ExactSum {
    pub(crate) fn add(&mut self, value: f64) {
        if !value.is_finite() {
            self.special += value;
            return;
        }
        let mut carried = value;
        let mut kept = 0;
        for index in 0..self.parts.len() {
            let part = self.parts[index];
            let (large, small) =
                if carried.abs() < part.abs() { (part, carried) } else { (carried, part) };
            let rounded = large + small;
            let lost = small - (rounded - large);
            if lost != 0.0 {
                self.parts[kept] = lost;
                kept += 1;
            }
            carried = rounded;
        }
        self.parts.truncate(kept);
        self.parts.push(carried);
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.special += other.special;
        for &part in &other.parts {
            self.add(part);
        }
    }

    /// The double nearest to the sum.
    pub(crate) fn value(&self) -> f64 {
        // True for NaN too.
        if self.special != 0.0 {
            return self.special;
        }
        let mut rest = self.parts.iter().rev().copied();
        let mut sum = rest.next().unwrap_or(0.0);
        for part in rest.by_ref() {
            let before = sum;
            sum += part;
            let lost = part - (sum - before);
            if lost != 0.0 {
                // Half a unit was rounded to even without a look at what is still below.
                let next = rest.next().unwrap_or(0.0);
                let corrected = sum + 2.0 * lost;
                if next * lost > 0.0 && corrected - sum == 2.0 * lost {
                    sum = corrected;
                }
                break;
            }
        }
        sum
    }
}

// As bits: text would lose NaN, and a decimal reader may be off by one unit.
impl From<ExactSum> for Vec<u64> {
    fn from(sum: ExactSum) -> Self {
        std::iter::once(sum.special).chain(sum.parts).map(f64::to_bits).collect()
    }
}

impl From<Vec<u64>> for ExactSum {
    fn from(bits: Vec<u64>) -> Self {
        let mut values = bits.into_iter().map(f64::from_bits);
        let mut sum = Self { parts: Vec::new(), special: values.next().unwrap_or(0.0) };
        values.for_each(|value| sum.add(value));
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ablate_sdk::rand::RngExt;
    use ablate_sdk::seed::generator;

    fn sum(values: &[f64]) -> ExactSum {
        let mut sum = ExactSum::default();
        for &value in values {
            sum.add(value);
        }
        sum
    }

    #[test]
    fn loses_nothing_and_rounds_once() {
        assert_eq!(sum(&[]).value(), 0.0);
        assert_eq!(sum(&[1e100, 1.0, -1e100]).value(), 1.0);
        assert_eq!(sum(&[0.1; 10]).value(), 1.0);
        // Half a unit above 1 is a tie, which the tiny rest decides.
        let half = f64::EPSILON / 2.0;
        assert_eq!(sum(&[1.0, half]).value(), 1.0);
        assert_eq!(sum(&[1.0, half, 1e-40]).value(), 1.0 + f64::EPSILON);
        assert_eq!(sum(&[1.0, half, -1e-40]).value(), 1.0);
        let above = 1.0 + f64::EPSILON;
        assert_eq!(sum(&[above, half]).value(), above + f64::EPSILON);
        assert_eq!(sum(&[above, half, -1e-40]).value(), above);
    }

    #[test]
    fn keeps_what_is_not_finite() {
        assert!(sum(&[1.0, f64::NAN, 2.0]).value().is_nan());
        assert_eq!(sum(&[1.0, f64::INFINITY]).value(), f64::INFINITY);
        assert!(sum(&[f64::INFINITY, f64::NEG_INFINITY]).value().is_nan());
    }

    #[test]
    fn agrees_with_integers() {
        let mut random = generator(1);
        for _ in 0..1000 {
            // value · 2^shift is exact as a double and as an integer of 128 bits.
            let (mut floats, mut exact) = (Vec::new(), 0_i128);
            for _ in 0..random.random_range(0..40) {
                let value: i64 = random.random_range(-(1 << 52)..(1 << 52));
                let shift = random.random_range(0..60);
                floats.push(value as f64 * 2.0_f64.powi(shift));
                exact += i128::from(value) << shift;
            }
            assert_eq!(sum(&floats).value(), exact as f64, "{floats:?}");
        }
    }

    #[test]
    fn order_and_grouping_do_not_show() {
        let mut random = generator(2);
        for _ in 0..1000 {
            let values: Vec<f64> = (0..random.random_range(1..40))
                .map(|_| {
                    let digits: f64 = random.random_range(-1.0..1.0);
                    digits * 10.0_f64.powi(random.random_range(-30..30))
                })
                .collect();
            let (front, back) = values.split_at(random.random_range(0..values.len()));
            let (mut merged, front) = (sum(back), sum(front));
            merged.merge(&Vec::<u64>::from(front).into());
            assert_eq!(merged.value().to_bits(), sum(&values).value().to_bits(), "{values:?}");
        }
    }
}
