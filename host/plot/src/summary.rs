//! Mean and spread over seeds, and long curves brought to a length that can be read.

use crate::scale::drawable;

/// Curves of more points are averaged within bins.
const MANY: usize = 200;
const BINS: f64 = 100.0;

/// Several values at one place of an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Summary {
    pub(crate) mean: f64,
    /// The standard deviation with n - 1; `None` for one value.
    pub(crate) sd: Option<f64>,
    pub(crate) n: usize,
}

impl Summary {
    /// Of the values that can be drawn; `None` without any.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let values: Vec<f64> = values.into_iter().filter(|value| drawable(*value)).collect();
        let n = values.len();
        let first = *values.first()?;
        // Distances from the first value keep the mean of equal values exact.
        let mean = first + values.iter().map(|value| value - first).sum::<f64>() / n as f64;
        let largest = values.iter().map(|value| (value - mean).abs()).fold(0.0, f64::max);
        let sd = (n > 1).then(|| {
            if largest == 0.0 {
                return 0.0;
            }
            // Scaled, so that the squares of tiny distances do not vanish.
            let squares: f64 = values.iter().map(|value| ((value - mean) / largest).powi(2)).sum();
            (squares / (n - 1) as f64).sqrt() * largest
        });
        Some(Self { mean, sd, n })
    }

    /// One standard deviation below the mean.
    pub(crate) fn low(&self) -> f64 {
        self.mean - self.sd.unwrap_or(0.0)
    }

    /// One standard deviation above the mean.
    pub(crate) fn high(&self) -> f64 {
        self.mean + self.sd.unwrap_or(0.0)
    }
}

/// A point of a curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Point {
    pub(crate) x: f64,
    pub(crate) mean: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
    /// How many seeds have a value here.
    pub(crate) n: usize,
}

/// The curves of several seeds as one, and how many values could not be drawn.
pub(crate) fn average(seeds: &[Vec<(f64, f64)>]) -> (Vec<Point>, usize) {
    let mut all: Vec<(f64, usize, f64)> = Vec::new();
    let mut dropped = 0;
    for (seed, points) in seeds.iter().enumerate() {
        for &(x, value) in points {
            if drawable(x) && drawable(value) {
                all.push((x, seed, value));
            } else {
                dropped += 1;
            }
        }
    }
    // Stable, so that what one seed measured at one place stays together in its order.
    all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut points = Vec::new();
    for place in all.chunk_by(|a, b| a.0 == b.0) {
        // A seed counts once, however often it was measured here.
        let each = place.chunk_by(|a, b| a.1 == b.1);
        let means = each.filter_map(|own| Summary::of(own.iter().map(|(_, _, value)| *value)));
        if let Some(summary) = Summary::of(means.map(|summary| summary.mean)) {
            points.push(Point {
                x: place[0].0,
                mean: summary.mean,
                low: summary.low(),
                high: summary.high(),
                n: summary.n,
            });
        }
    }
    (points, dropped)
}

/// The width of the bins that bring long curves to about [`BINS`] points; `None` for curves that need none.
///
/// The values of single steps are noise that hides the curve: seeds are averaged within bins first.
pub(crate) fn bin_width<'a>(curves: impl Iterator<Item = &'a Vec<(f64, f64)>>) -> Option<f64> {
    let (mut longest, mut low, mut high) = (0, f64::INFINITY, f64::NEG_INFINITY);
    for curve in curves {
        longest = longest.max(curve.len());
        for (x, _) in curve.iter().filter(|(x, _)| drawable(*x)) {
            (low, high) = (low.min(*x), high.max(*x));
        }
    }
    // Places are counts, so that whole widths hold equally many.
    (longest > MANY && high > low).then(|| ((high - low) / BINS).ceil())
}

/// The points, moved to the middles of their bins: after 0 up to and with `width`, and so on.
pub(crate) fn binned(curve: &[(f64, f64)], width: f64) -> Vec<(f64, f64)> {
    let middle = |x: f64| ((x / width).ceil() - 0.5) * width;
    curve.iter().map(|(x, value)| (middle(*x), *value)).collect()
}

#[cfg(test)]
mod tests {
    use super::{Summary, average, bin_width, binned};

    #[test]
    fn a_summary_is_mean_and_deviation() {
        // By hand: mean 2, squares 1 + 0 + 1 over 2.
        let summary = Summary::of([1.0, 2.0, 3.0, f64::NAN]).unwrap();
        assert_eq!((summary.mean, summary.sd, summary.n), (2.0, Some(1.0), 3));
        assert_eq!((summary.low(), summary.high()), (1.0, 3.0));
        assert_eq!(Summary::of([0.1]).unwrap().sd, None);
        assert_eq!(Summary::of([0.1, 0.1, 0.1]).unwrap().sd, Some(0.0));
        assert_eq!(Summary::of([f64::INFINITY]), None);
        let tiny = Summary::of([1e-200, 3e-200]).unwrap();
        assert!((tiny.sd.unwrap() / (2_f64.sqrt() * 1e-200) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn seeds_are_averaged_where_they_were_measured() {
        let seeds = [
            vec![(1.0, 2.0), (2.0, 4.0), (3.0, f64::NAN)],
            vec![(2.0, 8.0), (1.0, 4.0), (2.0, 4.0), (4.0, 1.0)],
        ];
        let (points, dropped) = average(&seeds);
        let found: Vec<_> = points.iter().map(|point| (point.x, point.mean, point.n)).collect();
        // At 2 the second seed was measured twice: 6 is its value.
        assert_eq!(found, [(1.0, 3.0, 2), (2.0, 5.0, 2), (4.0, 1.0, 1)]);
        assert_eq!(dropped, 1);
    }

    #[test]
    fn long_curves_are_averaged_within_bins() {
        let curve: Vec<(f64, f64)> = (1..=1000).map(|step| (f64::from(step), 2.0)).collect();
        let short = curve[..100].to_vec();
        assert_eq!(bin_width([&short].into_iter()), None);
        // 999 steps apart, a hundred bins.
        assert_eq!(bin_width([&short, &curve].into_iter()), Some(10.0));
        let places: Vec<f64> = binned(&curve[..21], 10.0).iter().map(|(x, _)| *x).collect();
        assert_eq!((places[0], places[9], places[10], places[20]), (5.0, 5.0, 15.0, 25.0));
        // Of a seed every value in a bin counts, of several seeds their means.
        let seeds = [binned(&[(1.0, 1.0), (2.0, 3.0)], 10.0), binned(&[(9.0, 4.0)], 10.0)];
        let (points, _) = average(&seeds);
        assert_eq!((points[0].x, points[0].mean, points[0].n), (5.0, 3.0, 2));
    }
}
