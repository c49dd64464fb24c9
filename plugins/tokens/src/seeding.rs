//! k-means++: centers to start from, far from one another.

use crate::points::{Points, squared_distance};
use ablate_sdk::rand::{Rng, RngExt};

/// Draws `count` of the points as centers: the first uniformly, each next one with a probability
/// proportional to its squared distance from the nearest center so far (Arthur and Vassilvitskii,
/// "k-means++: the advantages of careful seeding", 2007). Gives their indices.
///
/// A point is drawn twice only when every point coincides with a center.
///
/// # Panics
/// If there is no point.
pub fn spread(points: &Points, count: usize, generator: &mut impl Rng) -> Vec<usize> {
    assert!(!points.is_empty(), "there is a point to start from");
    let mut drawn = Vec::with_capacity(count);
    let mut nearest = vec![f64::INFINITY; points.len()];
    while drawn.len() < count {
        let total: f64 = nearest.iter().sum();
        let next = if drawn.is_empty() || total <= 0.0 {
            generator.random_range(0..points.len())
        } else {
            proportional(&nearest, generator.random::<f64>() * total)
        };
        let center = points.row(next);
        if total > 0.0 {
            for (distance, point) in nearest.iter_mut().zip(points.rows()) {
                *distance = distance.min(squared_distance(point, center));
            }
        }
        drawn.push(next);
    }
    drawn
}

/// The index at which the running sum of the weights passes `target`; one of weight zero never.
fn proportional(weights: &[f64], target: f64) -> usize {
    let mut sum = 0.0;
    let mut last = 0;
    for (index, &weight) in weights.iter().enumerate().filter(|(_, weight)| **weight > 0.0) {
        sum += weight;
        last = index;
        if sum > target {
            break;
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;
    use ablate_sdk::seed::generator;

    #[test]
    fn draws_are_proportional_to_squared_distances() {
        // From 0 the squared distances are 0, 1, 4, 9, 36: shares of 50.
        let points = Points::new(vec![0.0, 1.0, 2.0, 3.0, 6.0], 1);
        let mut counts = [0.0_f64; 5];
        let (mut random, mut draws) = (generator(5), 0.0);
        while draws < 10_000.0 {
            let drawn = spread(&points, 2, &mut random);
            if drawn[0] == 0 {
                counts[drawn[1]] += 1.0;
                draws += 1.0;
            }
        }
        assert_eq!(counts[0], 0.0);
        let expected = [1.0, 4.0, 9.0, 36.0].map(|share| share / 50.0 * draws);
        let statistic: f64 =
            counts[1..].iter().zip(expected).map(|(n, e)| (n - e) * (n - e) / e).sum();
        // χ² with 3 degrees of freedom is above 16.27 once in a thousand times.
        assert!(statistic < 16.27, "{statistic}: {counts:?}");
    }

    #[test]
    fn the_first_center_is_any_point() {
        let points = Points::new(vec![0.0, 1.0, 2.0, 50.0], 1);
        let mut random = generator(1);
        let mut counts = [0_usize; 4];
        for _ in 0..4000 {
            counts[spread(&points, 1, &mut random)[0]] += 1;
        }
        // 1 000 each, standard deviation 27.
        assert!(counts.iter().all(|count| count.abs_diff(1000) < 150), "{counts:?}");
    }

    #[test]
    fn no_point_is_drawn_twice_while_others_are_apart() {
        let mut random = generator(2);
        for _ in 0..200 {
            // Ten points at six different places.
            let values = (0..10).flat_map(|at| [(at % 6) as f32, 1.0]).collect();
            let points = Points::new(values, 2);
            let drawn = spread(&points, 8, &mut random);
            let mut places: Vec<usize> = drawn[..6].iter().map(|row| row % 6).collect();
            places.sort_unstable();
            assert_eq!(places, [0, 1, 2, 3, 4, 5]);
        }
    }

    #[test]
    fn equal_points_and_more_centers_than_points_are_no_trouble() {
        let points = Points::new(vec![3.0; 4], 2);
        let drawn = spread(&points, 5, &mut generator(3));
        assert!(drawn.len() == 5 && drawn.iter().all(|&row| row < 2));
        assert_eq!(drawn, spread(&points, 5, &mut generator(3)));
    }
}
