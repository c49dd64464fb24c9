//! Attention against plain loops, and its written-out gradient against Burn's graph.

use super::*;
use crate::dropout::Dropout;
use ablate_sdk::rand::RngExt;
use ablate_sdk::seed::generator;

const SHAPE: [usize; 4] = [2, 2, 5, 3];

fn random(shape: [usize; 4], seed: u64, device: &Device) -> Tensor<4> {
    let mut generator = generator(seed);
    let count = shape.iter().product();
    let list: Vec<f32> = (0..count).map(|_| generator.random_range(-2.0..2.0)).collect();
    Tensor::from_data(TensorData::new(list, shape), device)
}

fn mask(rows: [[u8; 4]; 2], device: &Device) -> Tensor<2, Bool> {
    let values: Vec<bool> = rows.as_flattened().iter().map(|&value| value == 1).collect();
    Tensor::from_data(TensorData::new(values, [2, 4]), device)
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

#[track_caller]
fn assert_close(found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len());
    for (f, e) in found.iter().zip(expected) {
        assert!((f - e).abs() <= tolerance, "{f} is not {e}");
    }
}

/// softmax(q kᵀ) v over the keys that count, in 64 bits.
fn by_loops(query: &[f32], key: &[f32], value: &[f32], counts: [[u8; 4]; 2]) -> Vec<f32> {
    let [batch, heads, rows, width] = SHAPE;
    let mut result = Vec::new();
    for part in 0..batch * heads {
        for row in 0..rows {
            let query = &query[(part * rows + row) * width..][..width];
            let score = |at: usize| -> f64 {
                let key = &key[(part * 4 + at) * width..][..width];
                query.iter().zip(key).map(|(q, k)| f64::from(*q) * f64::from(*k)).sum()
            };
            let kept: Vec<usize> = (0..4).filter(|&at| counts[part / heads][at] == 1).collect();
            let total: f64 = kept.iter().map(|&at| score(at).exp()).sum();
            for channel in 0..width {
                let sum: f64 = kept
                    .iter()
                    .map(|&at| {
                        score(at).exp() * f64::from(value[(part * 4 + at) * width + channel])
                    })
                    .sum();
                result.push(if kept.is_empty() { 0.0 } else { (sum / total) as f32 });
            }
        }
    }
    result
}

#[test]
fn is_a_mean_under_the_softmax_of_the_keys_that_count() {
    let device = Device::flex();
    let (query, key) = (random(SHAPE, 1, &device), random([2, 2, 4, 3], 2, &device));
    let value = random([2, 2, 4, 3], 3, &device);
    for counts in [[[1, 1, 1, 1], [1, 1, 1, 1]], [[1, 0, 1, 1], [0, 0, 0, 1]], [[1; 4], [0; 4]]] {
        let keys = Keys::new(&mask(counts, &device));
        let dropout = Dropout::new(0.0, None);
        let found = attend(query.clone(), key.clone(), value.clone(), &keys, &dropout);
        let lists = [&query, &key, &value].map(|tensor| values(tensor.clone()));
        assert_close(&values(found), &by_loops(&lists[0], &lists[1], &lists[2], counts), 1e-5);
    }
}

#[test]
fn the_gradient_is_that_of_the_graph_also_under_dropout() {
    let device = Device::flex().autodiff();
    let counts = [[1, 0, 1, 1], [1, 1, 1, 1]];
    let factors = random(SHAPE, 7, &device);
    for rate in [0.0, 0.4] {
        let leaf = |shape, seed| random(shape, seed, &device).require_grad();
        let all = [leaf(SHAPE, 1), leaf([2, 2, 4, 3], 2), leaf([2, 2, 4, 3], 3)];
        let [query, key, value] = all.clone();
        let keys = Keys::new(&mask(counts, &device));
        let own = attend(query, key, value, &keys, &Dropout::new(rate, Some(5)));

        let [query, key, value] = all.clone();
        let bias = keys.bias.expect("some keys do not count");
        let weights = softmax(query.matmul(key.swap_dims(2, 3)) + bias, 3);
        let graph = Dropout::new(rate, Some(5)).apply(weights).matmul(value);
        assert_close(&values(own.clone()), &values(graph.clone()), 1e-5);

        let found = (own * factors.clone()).sum().backward();
        let expected = (graph * factors.clone()).sum().backward();
        for leaf in &all {
            let of = |gradients| values(leaf.grad(gradients).expect("a gradient"));
            assert_close(&of(&found), &of(&expected), 1e-5);
        }
    }
}
