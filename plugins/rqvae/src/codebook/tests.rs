//! Values worked out with another program, k-means and revival.

use super::*;
use ablate_sdk::burn::tensor::{Device, TensorData};
use ablate_sdk::seed::generator;

fn tensor<const R: usize>(rows: [[f32; 2]; R]) -> Tensor<2> {
    Tensor::from_floats(rows, &Device::flex())
}

fn indices(tensor: Tensor<1, Int>) -> Vec<i64> {
    tensor.into_data().iter::<i64>().collect()
}

#[track_caller]
fn check<const D: usize>(found: Tensor<D>, expected: &[f32], tolerance: f32) {
    let found: Vec<f32> = found.into_data().iter::<f32>().collect();
    assert_eq!(found.len(), expected.len());
    for (f, e) in found.iter().zip(expected) {
        assert!((f - e).abs() <= tolerance, "{found:?} is not {expected:?}");
    }
}

fn example() -> (Codebook, Tensor<2>) {
    let book = Codebook::new(tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]]));
    (book, tensor([[0.9, 0.1], [1.2, -0.2], [0.1, 1.5], [0.2, 0.1]]))
}

#[test]
fn assigns_and_updates_as_the_reference_does() {
    let (book, vectors) = example();
    let assigned = book.nearest(vectors.clone());
    assert_eq!(indices(assigned.clone()), [1, 1, 2, 0]);
    let ones = Tensor::ones([4, 1], &Device::flex());
    let book = book.updated(vectors, assigned, ones, 0.9);
    check(book.counts, &[1.0, 1.1, 1.0], 1e-6);
    check(book.sums, &[0.02, 0.01, 1.11, -0.01, 0.01, 1.95], 1e-6);
    let codes = [0.019_999_9, 0.009_999_9, 1.009_091_5, -0.009_090_9, 0.009_999_9, 1.949_999_3];
    check(book.codes, &codes, 1e-6);
}

#[test]
fn vectors_without_weight_change_nothing() {
    let (book, vectors) = example();
    let weights = Tensor::from_floats([[1.0], [1.0], [0.0], [1.0]], &Device::flex());
    let assigned = book.nearest(vectors.clone());
    let masked = book.updated(vectors.clone(), assigned, weights, 0.9);
    let three = Tensor::cat(vec![vectors.clone().slice(0..2), vectors.slice(3..4)], 0);
    let ones = Tensor::ones([3, 1], &Device::flex());
    let without = book.updated(three.clone(), book.nearest(three), ones, 0.9);
    assert_eq!(masked.codes.into_data(), without.codes.into_data());
    assert_eq!(masked.counts.into_data(), without.counts.into_data());
}

#[test]
fn ties_go_to_the_first_code() {
    let book = Codebook::new(tensor([[1.0, 0.0], [-1.0, 0.0], [1.0, 0.0]]));
    assert_eq!(indices(book.nearest(tensor([[0.0, 3.0], [2.0, 0.0]]))), [0, 0]);
}

#[test]
fn nearest_agrees_with_distances_in_64_bits() {
    let device = Device::flex();
    device.seed(4);
    let normal = ablate_sdk::burn::tensor::Distribution::Normal(0.0, 1.0);
    let codes = Tensor::<2>::random([32, 8], normal, &device);
    let vectors = Tensor::<2>::random([200, 8], normal, &device);
    let list = |t: &Tensor<2>| -> Vec<f64> {
        t.clone().into_data().iter::<f32>().map(f64::from).collect()
    };
    let (c, v) = (list(&codes), list(&vectors));
    let found = indices(Codebook::new(codes).nearest(vectors));
    for (vector, index) in v.chunks(8).zip(found) {
        let distance = |k: usize| -> f64 {
            c[k * 8..][..8].iter().zip(vector).map(|(c, v)| (c - v).powi(2)).sum()
        };
        let best = (0..32).map(distance).fold(f64::INFINITY, f64::min);
        assert!(distance(index as usize) - best < 1e-5);
    }
}

#[test]
fn k_means_finds_separate_clusters() {
    // Three tight groups; k-means may also end at a worse partition, from an unlucky start.
    let points = [[0.0, 0.0], [0.2, 0.0], [10.0, 0.0], [10.2, 0.0], [10.4, 0.0], [0.0, 20.0]];
    let vectors = tensor(points);
    let means = [[0.1_f32, 0.0], [10.2, 0.0], [0.0, 20.0]];
    let found_all = (0..20).filter(|&seed| {
        let book = cluster(vectors.clone(), 3, &mut generator(seed));
        let counts: Vec<f32> = book.counts.into_data().iter::<f32>().collect();
        assert_eq!(counts.iter().sum::<f32>(), 6.0);
        let codes: Vec<f32> = book.codes.into_data().iter::<f32>().collect();
        let near = |mean: &[f32; 2]| {
            codes.chunks(2).any(|c| (c[0] - mean[0]).abs() < 1e-3 && (c[1] - mean[1]).abs() < 1e-3)
        };
        means.iter().all(near)
    });
    assert!(found_all.count() >= 8);
}

#[test]
fn k_means_takes_fewer_vectors_than_codes() {
    let book = cluster(tensor([[1.0, 1.0], [3.0, 3.0]]), 5, &mut generator(0));
    let mut counts: Vec<f32> = book.counts.clone().into_data().iter::<f32>().collect();
    counts.sort_by(f32::total_cmp);
    assert_eq!(counts, [0.0, 0.0, 0.0, 1.0, 1.0]);
    assert!(book.codes.into_data().iter::<f32>().all(f32::is_finite));
}

#[test]
fn a_revived_code_survives_the_next_update() {
    // An update recomputes e from m and N: writing e alone would be undone at once.
    let mut book = Codebook::new(tensor([[0.0, 0.0], [1.0, 0.0], [50.0, 50.0]]));
    book.counts = Tensor::from_floats([1.0, 1.0, 0.001], &Device::flex());
    let vectors = tensor([[9.0, 9.0], [0.0, 0.0], [1.0, 0.0]]);
    let book = book.revived(vectors, &[0], 0.5, &mut generator(0));
    // n / K = 1/3; the counts of the living are untouched.
    check(book.counts.clone(), &[1.0, 1.0, 1.0 / 3.0], 1e-6);
    check(book.codes.clone(), &[0.0, 0.0, 1.0, 0.0, 9.0, 9.0], 1e-6);
    let near = tensor([[8.0, 8.0]]);
    let assigned = book.nearest(near.clone());
    assert_eq!(indices(assigned.clone()), [2]);
    let ones = Tensor::ones([1, 1], &Device::flex());
    let book = book.updated(near, assigned, ones, 0.9);
    // (0.9 · 9/3 + 0.1 · 8) / (0.9/3 + 0.1)
    let codes: Vec<f32> = book.codes.into_data().iter::<f32>().collect();
    assert!((codes[4] - 8.75).abs() < 1e-3 && (codes[5] - 8.75).abs() < 1e-3, "{codes:?}");
}

#[test]
fn only_vectors_that_count_revive_codes() {
    let mut book = Codebook::new(tensor([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]]));
    book.counts = Tensor::from_data(TensorData::from([0.0_f32; 3]), &Device::flex());
    let vectors = tensor([[7.0, 7.0], [8.0, 8.0], [9.0, 9.0]]);
    for seed in 0..20 {
        let book = book.clone().revived(vectors.clone(), &[0, 2], 0.5, &mut generator(seed));
        let codes: Vec<f32> = book.codes.into_data().iter::<f32>().collect();
        assert!(codes.iter().all(|&value| value == 7.0 || value == 9.0), "{codes:?}");
    }
}
