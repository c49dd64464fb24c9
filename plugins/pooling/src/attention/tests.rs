//! Values worked out with another program, and the corners of the masked softmax.

use super::*;

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

fn check(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    for (f, e) in found.iter().zip(expected) {
        assert!((f - e).abs() <= 1e-6 * e.abs().max(1.0), "{found:?} is not {expected:?}");
    }
}

fn all_valid(frames: usize) -> Tensor<2, Bool> {
    Tensor::full([1, frames], true, &Device::flex())
}

#[test]
fn matches_reference_values_of_attentive_statistics() {
    let device = Device::flex();
    let frames = Tensor::<3>::from_floats([[[1.0, 2.0], [3.0, 0.0], [5.0, 4.0]]], &device);
    let scores = Tensor::<3>::from_floats([[[0.0], [1.0], [2.0]]], &device);
    let weights = masked_softmax(scores, &all_valid(3));
    check(&values(weights.clone()), &[0.090_030_6, 0.244_728_5, 0.665_240_9]);
    let mean = weighted_mean(frames.clone(), weights.clone());
    check(&values(mean.clone()), &[4.150_420_7, 2.841_024_9]);
    check(&values(weighted_deviation(frames, weights, mean)), &[1.302_926_8, 1.712_470_4]);
}

#[test]
fn padding_gets_no_weight_even_with_the_largest_score() {
    let device = Device::flex();
    let scores = Tensor::<3>::from_floats([[[0.0], [f32::MAX], [1.0]]], &device);
    let mask = Tensor::<2, Bool>::from_bool([[true, false, true]], &device);
    // e⁰ and e¹ over their sum.
    check(&values(masked_softmax(scores, &mask)), &[0.268_941_4, 0.0, 0.731_058_6]);
}

#[test]
fn one_valid_frame_has_all_the_weight_and_no_gradient() {
    let device = Device::flex().autodiff();
    let scores = Tensor::<3>::from_floats([[[3.0], [5.0]]], &device).require_grad();
    let mask = Tensor::<2, Bool>::from_bool([[true, false]], &device);
    let weights = masked_softmax(scores.clone(), &mask);
    let gradients = weights.clone().slice([0..1, 0..1]).sum().backward();
    check(&values(weights), &[1.0, 0.0]);
    check(&values(scores.grad(&gradients).expect("tracked")), &[0.0, 0.0]);
}

#[test]
fn a_row_without_valid_frames_has_zero_weights_and_zero_gradients() {
    let device = Device::flex().autodiff();
    let scores = Tensor::<3>::from_floats([[[3.0], [5.0]]], &device).require_grad();
    let mask = Tensor::<2, Bool>::full([1, 2], false, &device);
    let weights = masked_softmax(scores.clone(), &mask);
    let gradients = (weights.clone() * 7.0).sum().backward();
    check(&values(weights), &[0.0, 0.0]);
    check(&values(scores.grad(&gradients).expect("tracked")), &[0.0, 0.0]);
}

#[test]
fn softmax_gradient_is_that_of_the_definition() {
    // With weights p and a gradient g on them: p (g − Σ p g).
    let device = Device::flex().autodiff();
    let scores = Tensor::<3>::from_floats([[[0.3], [-1.0], [2.0]]], &device).require_grad();
    let g = [0.5_f32, -2.0, 1.5];
    let weights = masked_softmax(scores.clone(), &all_valid(3));
    let gradients = (weights.clone() * Tensor::<1>::from_floats(g, &device).reshape([1, 3, 1]))
        .sum()
        .backward();
    let p = values(weights);
    let mean: f32 = p.iter().zip(&g).map(|(p, g)| p * g).sum();
    let expected: Vec<f32> = p.iter().zip(&g).map(|(p, g)| p * (g - mean)).collect();
    check(&values(scores.grad(&gradients).expect("tracked")), &expected);
}

#[test]
fn deviation_keeps_its_digits_far_from_zero() {
    // 4096 ± 1/8: E[x²] − μ² would be 0 or worse in 32 bits.
    let device = Device::flex();
    let frames = Tensor::<3>::from_floats([[[4096.125], [4095.875]]], &device);
    let weights = Tensor::<3>::from_floats([[[0.5], [0.5]]], &device);
    let mean = weighted_mean(frames.clone(), weights.clone());
    check(&values(weighted_deviation(frames, weights, mean)), &[0.125]);
}

#[test]
fn scores_are_those_of_a_hyperbolic_tangent_network() {
    let device = Device::flex();
    device.seed(3);
    let attention = Attention::new(2, 3, 1, &device);
    let frames = [[0.5_f32, -1.5], [2.0, 0.25]];
    let list = |t: Tensor<2>| -> Vec<f64> { values(t).into_iter().map(f64::from).collect() };
    let w1 = list(attention.hidden.weight.val());
    let b1 = values(attention.hidden.bias.as_ref().expect("a bias").val());
    let w2 = list(attention.score.weight.val());
    // b₂ cancels in the softmax.
    let scores = frames.map(|x| {
        (0..3)
            .map(|h| {
                let sum = f64::from(x[0]) * w1[h] + f64::from(x[1]) * w1[3 + h] + f64::from(b1[h]);
                w2[h] * sum.tanh()
            })
            .sum::<f64>()
    });
    let total: f64 = scores.iter().map(|s| s.exp()).sum();
    let expected = scores.map(|s| (s.exp() / total) as f32);
    let weights = attention.weights(Tensor::from_floats([frames], &device), &all_valid(2));
    check(&values(weights), &expected);
}

#[test]
fn hyperbolic_tangent_and_its_gradient_hold_from_end_to_end() {
    let device = Device::flex().autodiff();
    let points = [-200.0_f32, -9.0, -1.5, -1e-4, 0.0, 1e-4, 0.3, 2.0, 9.0, 200.0];
    let input = Tensor::<1>::from_floats(points, &device).reshape([1, 1, 10]).detach();
    let input = input.require_grad();
    let output = tanh(input.clone());
    let gradients = output.clone().sum().backward();
    check(&values(output), &points.map(f32::tanh));
    let slopes = points.map(|x| 1.0 - f64::from(x).tanh().powi(2)).map(|slope| slope as f32);
    check(&values(input.grad(&gradients).expect("tracked")), &slopes);
}
