//! Tensors from numbers, and numbers from tensors.

use ablate_sdk::burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use ablate_sdk::rand::{Rng, RngExt};
use ablate_sdk::seed::generator;

pub(crate) fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

pub(crate) fn indices(tensor: Tensor<3, Int>) -> Vec<i64> {
    tensor.into_data().iter::<i64>().collect()
}

/// Numbers between -1 and 1.
pub(crate) fn frames(shape: [usize; 3], seed: u64, device: &Device) -> Tensor<3> {
    let mut generator = generator(seed);
    let list: Vec<f32> =
        (0..shape.iter().product()).map(|_| generator.random_range(-1.0..1.0)).collect();
    Tensor::from_data(TensorData::new(list, shape), device)
}

/// A standard normal number (Box and Muller, 1958).
pub(crate) fn normal(generator: &mut impl Rng) -> f32 {
    let radius = (-2.0 * (1.0 - generator.random::<f64>()).ln()).sqrt();
    (radius * (generator.random::<f64>() * std::f64::consts::TAU).cos()) as f32
}

/// Standard normal numbers.
pub(crate) fn normals(shape: [usize; 3], seed: u64, device: &Device) -> Tensor<3> {
    let mut generator = generator(seed);
    let list: Vec<f32> = (0..shape.iter().product()).map(|_| normal(&mut generator)).collect();
    Tensor::from_data(TensorData::new(list, shape), device)
}

/// True for the first so many of each row.
pub(crate) fn prefix_mask(lengths: &[usize], frames: usize, device: &Device) -> Tensor<2, Bool> {
    let list: Vec<bool> =
        lengths.iter().flat_map(|&length| (0..frames).map(move |frame| frame < length)).collect();
    Tensor::from_data(TensorData::new(list, [lengths.len(), frames]), device)
}

#[track_caller]
pub(crate) fn check(found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len());
    for (f, e) in found.iter().zip(expected) {
        assert!((f - e).abs() <= tolerance, "{found:?} is not {expected:?}");
    }
}
