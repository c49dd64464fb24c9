//! The statistics of the table: moments, the paired t interval, the sign-flip test, Holm's correction.

use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::random::SplitMix64;

/// Up to so many pairs all sign patterns are tried.
pub(crate) const EXACT_PAIRS: usize = 20;

/// How many sign patterns are drawn for more pairs.
pub(crate) const DRAWS: usize = 100_000;

/// Sums that differ by less than this part of the largest possible sum are equal but for rounding.
const TIE: f64 = 1e-12;

/// A comparison of paired values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Comparison {
    /// Mean of the differences.
    pub(crate) delta: f64,
    /// The 95 % paired t interval of the mean difference; one pair has none.
    pub(crate) interval: Option<(f64, f64)>,
    /// Two-sided p of the sign-flip test.
    pub(crate) p: f64,
}

/// The arithmetic mean; `None` without values.
pub(crate) fn mean(values: &[f64]) -> Option<f64> {
    // Summing distances from the first value keeps the mean of equal values exact.
    let first = *values.first()?;
    Some(first + values.iter().map(|value| value - first).sum::<f64>() / values.len() as f64)
}

/// The standard deviation with n - 1 in the denominator; `None` for fewer than two values.
pub(crate) fn standard_deviation(values: &[f64]) -> Option<f64> {
    let mean = mean(values)?;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (values.len() > 1).then(|| (squares / (values.len() - 1) as f64).sqrt())
}

/// Compares by differences; `None` without any.
pub(crate) fn compare(differences: &[f64]) -> Option<Comparison> {
    let delta = mean(differences)?;
    let n = differences.len() as f64;
    let interval = standard_deviation(differences).map(|sd| {
        let half_width = t_quantile(n - 1.0) * sd / n.sqrt();
        (delta - half_width, delta + half_width)
    });
    Some(Comparison { delta, interval, p: sign_flip_p(differences) })
}

/// The smallest two-sided p that the sign-flip test of `pairs` pairs can give.
pub(crate) fn smallest_p(pairs: usize) -> f64 {
    if pairs <= EXACT_PAIRS {
        (2.0 / 2_f64.powi(pairs as i32)).min(1.0)
    } else {
        1.0 / (DRAWS + 1) as f64
    }
}

/// Holm's step-down correction (Holm 1979): the k-th smallest of m values times m - k + 1, made monotone.
///
/// `family` is m; the values that are not there count as 1, which makes the others no smaller than they will be.
pub(crate) fn holm(values: &[f64], family: usize) -> Vec<f64> {
    let family = family.max(values.len());
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut adjusted = vec![0.0; values.len()];
    let mut largest = 0_f64;
    for (rank, index) in order.into_iter().enumerate() {
        largest = largest.max(values[index] * (family - rank) as f64).min(1.0);
        adjusted[index] = largest;
    }
    adjusted
}

/// The 97.5 % quantile of Student's distribution.
fn t_quantile(freedom: f64) -> f64 {
    StudentsT::new(0.0, 1.0, freedom).expect("one or more degrees of freedom").inverse_cdf(0.975)
}

/// The part of all sign patterns under which the differences sum to at least as much as they do, in absolute value.
fn sign_flip_p(differences: &[f64]) -> f64 {
    let largest = differences.iter().fold(0_f64, |largest, value| largest.max(value.abs()));
    if largest == 0.0 {
        return 1.0;
    }
    // Scaled, so that sums neither overflow nor vanish.
    let scaled: Vec<f64> = differences.iter().map(|value| value / largest).collect();
    let total: f64 = scaled.iter().map(|value| value.abs()).sum();
    let threshold = scaled.iter().sum::<f64>().abs() - TIE * total;
    if scaled.len() <= EXACT_PAIRS {
        // Flipping all signs changes no absolute value: half of the patterns are enough.
        let extreme = count_extreme(scaled[0], &scaled[1..], threshold);
        extreme as f64 / 2_f64.powi(scaled.len() as i32 - 1)
    } else {
        // The same signs each time.
        let mut generator = SplitMix64::new(0);
        let sums = (0..DRAWS).map(|_| flip_and_sum(&mut generator, &scaled));
        // The pattern that was seen is one of them (Phipson and Smyth 2010).
        (sums.filter(|sum| sum.abs() >= threshold).count() + 1) as f64 / (DRAWS + 1) as f64
    }
}

/// How many sign patterns of `rest` bring `sum` to at least `threshold` in absolute value.
fn count_extreme(sum: f64, rest: &[f64], threshold: f64) -> u64 {
    match rest.split_first() {
        None => u64::from(sum.abs() >= threshold),
        Some((first, rest)) => {
            count_extreme(sum + first, rest, threshold)
                + count_extreme(sum - first, rest, threshold)
        }
    }
}

/// The sum with random signs.
fn flip_and_sum(generator: &mut SplitMix64, values: &[f64]) -> f64 {
    let mut sum = 0.0;
    for chunk in values.chunks(64) {
        let mut bits = generator.bits();
        for value in chunk {
            sum += if bits & 1 == 0 { *value } else { -value };
            bits >>= 1;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::{compare, sign_flip_p, smallest_p};

    #[test]
    fn rounding_does_not_break_ties() {
        // Tenths are not exact in binary: 0.3 - 0.1 - 0.2 is not zero.
        for whole in [vec![1, 2, 3], vec![3, -1, -2, 4], vec![7, -7, 1, 2, -3, 6]] {
            let exact: Vec<f64> = whole.iter().map(|value| f64::from(*value)).collect();
            let inexact: Vec<f64> = exact.iter().map(|value| value * 0.1).collect();
            assert_eq!(sign_flip_p(&exact), sign_flip_p(&inexact), "{whole:?}");
        }
    }

    #[test]
    fn the_smallest_p_is_that_of_differences_of_one_sign() {
        for pairs in 1..=8 {
            assert_eq!(compare(&vec![0.5; pairs]).unwrap().p, smallest_p(pairs));
        }
        assert_eq!(smallest_p(5), 0.0625);
    }

    #[test]
    fn huge_differences_do_not_overflow() {
        assert_eq!(sign_flip_p(&[f64::MAX, f64::MAX, f64::MAX]), 0.25);
    }
}
