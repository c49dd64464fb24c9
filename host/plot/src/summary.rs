//! Mean and spread over seeds, and curves with no more points than can be seen.

use crate::scale::drawable;

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

/// At most four points per column, which look the same as all of them: the first, the lowest, the highest and the
/// last of each, with the widest band.
pub(crate) fn thin(points: &[Point], columns: usize) -> Vec<Point> {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return Vec::new() };
    let span = last.x - first.x;
    if points.len() <= 4 * columns || span <= 0.0 {
        return points.to_vec();
    }
    let column = |point: &Point| ((point.x - first.x) / span * columns as f64) as usize;
    let mut kept = Vec::new();
    for group in points.chunk_by(|a, b| column(a) == column(b)) {
        let by_mean = |a: &usize, b: &usize| group[*a].mean.total_cmp(&group[*b].mean);
        let indices = 0..group.len();
        let mut chosen = vec![0, group.len() - 1];
        chosen.extend(indices.clone().min_by(by_mean));
        chosen.extend(indices.max_by(by_mean));
        chosen.sort_unstable();
        chosen.dedup();
        let low = group.iter().map(|point| point.low).fold(f64::INFINITY, f64::min);
        let high = group.iter().map(|point| point.high).fold(f64::NEG_INFINITY, f64::max);
        kept.extend(chosen.into_iter().map(|index| Point { low, high, ..group[index] }));
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::{Point, Summary, average, thin};

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
    fn thinning_keeps_ends_and_extremes() {
        let wave = |index: usize| {
            let x = index as f64;
            let mean = (x * 0.37).sin() * x;
            Point { x, mean, low: mean - 1.0, high: mean + 1.0, n: 3 }
        };
        let points: Vec<Point> = (0..10_000).map(wave).collect();
        let few = thin(&points, 300);
        assert!(few.len() <= 4 * 301, "{}", few.len());
        assert_eq!((few[0].x, few[few.len() - 1].x), (0.0, 9_999.0));
        let ends = |points: &[Point]| {
            let means = points.iter().map(|point| point.mean);
            (means.clone().fold(0.0, f64::min), means.fold(0.0, f64::max))
        };
        assert_eq!(ends(&few), ends(&points));
        assert!(few.windows(2).all(|pair| pair[0].x < pair[1].x));
        assert_eq!(thin(&points[..100], 300), points[..100]);
    }
}
