//! Ranks over columns, and Friedman's test over seeds.

use statrs::distribution::{ChiSquared, ContinuousCDF};

/// Means that differ by less than this part of the larger one are equal but for rounding.
const TIE: f64 = 1e-12;

/// Friedman's test of one column: whether some variant tends to be better than another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Friedman {
    /// The statistic, corrected for ties.
    pub(crate) statistic: f64,
    /// The upper tail of the χ² distribution with one degree of freedom less than there are variants.
    pub(crate) p: f64,
}

/// Ranks from one on; equal values share the average of their ranks.
pub(crate) fn average_ranks(values: &[f64], higher_is_better: bool) -> Vec<f64> {
    let tied = |one: f64, other: f64| (one - other).abs() <= TIE * one.abs().max(other.abs());
    ranks(values, higher_is_better, tied).0
}

/// The ranks, and t³ - t summed over the groups of t tied values.
fn ranks(values: &[f64], descending: bool, tied: impl Fn(f64, f64) -> bool) -> (Vec<f64>, f64) {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&one, &other| {
        let order = values[one].total_cmp(&values[other]);
        if descending { order.reverse() } else { order }
    });
    let mut ranks = vec![0.0; values.len()];
    let (mut start, mut ties) = (0, 0.0);
    while start < order.len() {
        let mut end = start + 1;
        while end < order.len() && tied(values[order[end - 1]], values[order[end]]) {
            end += 1;
        }
        // The ranks are start + 1 to end.
        let shared = (start + 1 + end) as f64 / 2.0;
        for &index in &order[start..end] {
            ranks[index] = shared;
        }
        let size = (end - start) as f64;
        ties += size * (size * size - 1.0);
        start = end;
    }
    (ranks, ties)
}

/// Friedman's test (Friedman 1937, with Conover's correction for ties) of variants, each with its values seed by seed.
///
/// `None` below three variants or two seeds, and when all values of every seed are equal.
pub(crate) fn friedman(variants: &[Vec<f64>]) -> Option<Friedman> {
    let count = variants.len();
    let seeds = variants.first().map_or(0, Vec::len);
    if count < 3 || seeds < 2 {
        return None;
    }
    let (k, n) = (count as f64, seeds as f64);
    let mut sums = vec![0.0; count];
    let mut ties = 0.0;
    for seed in 0..seeds {
        let values: Vec<f64> = variants.iter().map(|variant| variant[seed]).collect();
        let (ranks, tied) = ranks(&values, false, |one, other| one == other);
        ties += tied;
        for (sum, rank) in sums.iter_mut().zip(&ranks) {
            *sum += rank;
        }
    }
    let correction = 1.0 - ties / (k * (k * k - 1.0) * n);
    if correction <= 0.0 {
        return None;
    }
    let squares: f64 = sums.iter().map(|sum| sum * sum).sum();
    let statistic = (12.0 / (k * n * (k + 1.0)) * squares - 3.0 * n * (k + 1.0)) / correction;
    let distribution = ChiSquared::new(k - 1.0).expect("two or more degrees of freedom");
    Some(Friedman { statistic, p: distribution.sf(statistic.max(0.0)) })
}

#[cfg(test)]
mod tests {
    use super::{average_ranks, friedman};

    #[test]
    fn ties_share_their_ranks() {
        assert_eq!(average_ranks(&[0.5, 0.7, 0.5, 0.9], true), [3.5, 2.0, 3.5, 1.0]);
        assert_eq!(average_ranks(&[0.5, 0.7, 0.5, 0.9], false), [1.5, 3.0, 1.5, 4.0]);
        // 0.1 + 0.2 is not 0.3, but for rounding it is.
        assert_eq!(average_ranks(&[0.1 + 0.2, 0.3, 0.1], true), [1.5, 1.5, 3.0]);
    }

    #[test]
    fn too_little_has_no_test() {
        assert_eq!(friedman(&[vec![1.0, 2.0], vec![2.0, 1.0]]), None);
        assert_eq!(friedman(&[vec![1.0], vec![2.0], vec![3.0]]), None);
        assert_eq!(friedman(&[vec![1.0, 1.0], vec![1.0, 1.0], vec![1.0, 1.0]]), None);
    }
}
