//! Against scikit-learn, whose results lie in `tests/reference` with the script that made them, and
//! worked by hand.

use super::*;
use ablate_sdk::seed::generator;
use ablate_sdk::serde_json::{self, Value};

fn reference() -> Value {
    serde_json::from_str(include_str!("../../tests/reference/kmeans.json")).expect("JSON")
}

fn points(rows: &Value) -> Points {
    let rows = rows.as_array().expect("rows");
    let row = |row: &Value| row.as_array().expect("a row").clone();
    let values: Vec<f32> =
        rows.iter().flat_map(row).map(|value| value.as_f64().expect("a number") as f32).collect();
    Points::new(values, row(&rows[0]).len())
}

#[track_caller]
fn check(found: &Points, expected: &Points) {
    assert_eq!(found.len(), expected.len());
    for (f, e) in found.values().iter().zip(expected.values()) {
        assert!((f - e).abs() <= 1e-5 * e.abs().max(1.0), "{found:?} is not {expected:?}");
    }
}

#[test]
fn rounds_over_all_points_agree_with_scikit_learn() {
    let reference = reference();
    let (device, all) = (Device::flex(), points(&reference["points"]));
    for case in reference["lloyd"].as_array().expect("cases") {
        let rounds = case["rounds"].as_u64().expect("a number") as usize;
        let start = Clusters::new(points(&reference["start"]));
        let clusters = start.settled(&all, rounds, &device);
        check(&clusters.centers, &points(&case["centers"]));
        let labels = nearest(all.tensor(&device), &clusters.centers.tensor(&device));
        assert_eq!(serde_json::json!(labels), case["labels"], "{rounds} rounds");
        let distances = all.rows().zip(&labels).map(|(point, &label)| {
            crate::points::squared_distance(point, clusters.centers.row(label))
        });
        let inertia = distances.sum::<f64>() / all.len() as f64;
        assert!((inertia - case["inertia"].as_f64().expect("a number")).abs() < 1e-5, "{inertia}");
        assert_eq!(clusters.counts.iter().sum::<f32>(), all.len() as f32);
    }
}

#[test]
fn batches_agree_with_scikit_learn() {
    let reference = reference();
    let (device, all) = (Device::flex(), points(&reference["points"]));
    let steps = reference["mini_batch"].as_array().expect("steps");
    let size = all.len() / steps.len();
    let mut clusters = Clusters::new(points(&reference["start"]));
    for (step, expected) in steps.iter().enumerate() {
        let rows: Vec<usize> = (step * size..(step + 1) * size).collect();
        let batch = all.select(&rows);
        let labels = nearest(batch.tensor(&device), &clusters.centers.tensor(&device));
        clusters.follow(&batch, &labels);
        check(&clusters.centers, &points(&expected["centers"]));
        assert_eq!(serde_json::json!(clusters.counts), expected["counts"], "step {step}");
    }
}

#[test]
fn a_center_is_the_mean_of_all_that_it_ever_got() {
    let mut clusters = Clusters::new(Points::new(vec![100.0, 50.0, 7.0, 7.0], 2));
    clusters.follow(&Points::new(vec![1.0, 2.0, 3.0, 4.0], 2), &[0, 0]);
    // The first points replace a center that has seen none; the other center stays.
    assert_eq!(clusters.centers.values(), [2.0, 3.0, 7.0, 7.0]);
    clusters.follow(&Points::new(vec![8.0, 0.0], 2), &[0]);
    assert_eq!(clusters.centers.values(), [4.0, 2.0, 7.0, 7.0]);
    assert_eq!(clusters.counts, [3.0, 0.0]);
}

#[test]
fn a_cluster_that_loses_its_points_keeps_its_center() {
    let all = Points::new(vec![0.0, 1.0, 2.0], 1);
    let clusters =
        Clusters::new(Points::new(vec![1.0, 90.0], 1)).settled(&all, 10, &Device::flex());
    assert_eq!((clusters.centers.values(), &*clusters.counts), (&[1.0, 90.0][..], &[3.0, 0.0][..]));
}

#[test]
fn nearest_agrees_with_looking_at_every_center_also_far_from_the_origin() {
    let mut random = generator(3);
    // At 1e4 the squares of the numbers lose what tells the centers apart, in 32 bits.
    for offset in [0.0, 1e4] {
        let mut draw = |count: usize| {
            let values = (0..count * 3).map(|_| offset + random.random_range(-4.0..4.0_f32));
            Points::new(values.collect(), 3)
        };
        let (all, centers) = (draw(5000), draw(17));
        let device = Device::flex();
        let labels = nearest(all.tensor(&device), &centers.tensor(&device));
        for (point, &label) in all.rows().zip(&labels) {
            let squares = |center: &[f32]| -> f64 {
                let pairs = point.iter().zip(center);
                pairs.map(|(&p, &c)| (f64::from(p) - f64::from(c)).powi(2)).sum()
            };
            let least = centers.rows().map(squares).fold(f64::INFINITY, f64::min);
            let found = squares(centers.row(label));
            assert!(found <= least + 1e-3, "{found} {least} at {offset}");
        }
    }
    let equal = Points::new(vec![1.0, 1.0, 1.0], 1);
    let device = Device::flex();
    let labels = nearest(equal.tensor(&device), &equal.tensor(&device));
    assert_eq!(labels, [0, 0, 0]);
}

#[test]
fn rare_centers_start_again_from_points_of_the_batch() {
    let fresh = |counts: &[f32]| Clusters {
        centers: Points::new((0..counts.len()).map(|k| -(k as f32)).collect(), 1),
        counts: counts.to_vec(),
    };
    let batch = Points::new(vec![10.0, 20.0, 30.0, 40.0], 1);
    let mut random = generator(1);
    for _ in 0..50 {
        let mut clusters = fresh(&[100.0, 0.0, 60.0, 5.0]);
        clusters.reassign(&batch, 0.1, &mut random);
        let centers = clusters.centers.values();
        assert_eq!((centers[0], centers[2]), (0.0, -2.0));
        assert!(centers[1] >= 10.0 && centers[3] >= 10.0 && centers[1] != centers[3]);
        // They get the smallest count of the others.
        assert_eq!(clusters.counts, [100.0, 60.0, 60.0, 60.0]);
        // At most half as many as there are points, the rarest.
        let mut clusters = fresh(&[100.0, 1.0, 2.0, 3.0]);
        clusters.reassign(&batch, 0.1, &mut random);
        assert_eq!((clusters.centers.values()[3], clusters.counts[3]), (-3.0, 3.0));
        assert_eq!(clusters.counts[1..3], [3.0, 3.0]);
    }
    for counts in [[0.0, 0.0], [50.0, 50.0]] {
        let mut clusters = fresh(&counts);
        clusters.reassign(&batch, 0.1, &mut random);
        assert_eq!(clusters, fresh(&counts));
    }
}
