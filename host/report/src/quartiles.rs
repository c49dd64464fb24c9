//! Interquartile means and their stratified bootstrap intervals.

use crate::{random::SplitMix64, statistics::mean};

/// How many resamples an interval is made from.
pub(crate) const RESAMPLES: usize = 10_000;

/// The ends of a 95 % interval.
const ENDS: [f64; 2] = [0.025, 0.975];

/// The mean of what is left without the lowest and the highest quarter (Agarwal et al. 2021).
///
/// The quarters are whole values, rounded down, as in `scipy.stats.trim_mean`: below four values it is the mean.
pub(crate) fn interquartile_mean(values: &[f64]) -> Option<f64> {
    let mut values = values.to_vec();
    middle_mean(&mut values)
}

/// The 95 % percentile bootstrap interval of the interquartile mean of all values together.
///
/// Each resample draws from every stratum as many values as it has, with replacement. The draws are the same in each
/// call. `None` unless some stratum has two values.
pub(crate) fn interval(strata: &[Vec<f64>]) -> Option<(f64, f64)> {
    if strata.iter().all(|stratum| stratum.len() < 2) {
        return None;
    }
    let mut generator = SplitMix64::new(0);
    let mut drawn = Vec::with_capacity(strata.iter().map(Vec::len).sum());
    let mut means = Vec::with_capacity(RESAMPLES);
    for _ in 0..RESAMPLES {
        drawn.clear();
        for stratum in strata {
            drawn.extend((0..stratum.len()).map(|_| stratum[generator.below(stratum.len())]));
        }
        means.extend(middle_mean(&mut drawn));
    }
    means.sort_by(f64::total_cmp);
    let [low, high] = ENDS.map(|part| quantile(&means, part));
    Some((low, high))
}

/// The interquartile mean, with the values left in another order.
fn middle_mean(values: &mut [f64]) -> Option<f64> {
    let cut = values.len() / 4;
    values.sort_unstable_by(f64::total_cmp);
    mean(&values[cut..values.len() - cut])
}

/// The quantile between the two nearest values, on the line that joins them.
fn quantile(sorted: &[f64], part: f64) -> f64 {
    let position = part * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[position.floor() as usize], sorted[position.ceil() as usize]);
    below + (above - below) * position.fract()
}

#[cfg(test)]
mod tests {
    use super::{interquartile_mean, interval};

    #[test]
    fn outliers_do_not_count() {
        assert_eq!(interquartile_mean(&[9e9, 1.0, 2.0, 3.0, 4.0, -7e7, 2.0, 3.0]), Some(2.5));
        assert_eq!(interquartile_mean(&[1.0, 2.0, 6.0]), Some(3.0));
        assert_eq!(interquartile_mean(&[]), None);
    }

    #[test]
    fn single_values_have_no_interval() {
        assert_eq!(interval(&[vec![1.0], vec![2.0]]), None);
        assert_eq!(interval(&[vec![1.0, 1.0], vec![1.0]]), Some((1.0, 1.0)));
    }
}
