//! Sums that do not depend on the number of threads, and the check that two shapes are equal.

use ablate_sdk::Error;
use ablate_sdk::burn::tensor::Tensor;

/// The sum of all elements, `[1]`.
///
/// It goes dimension by dimension: Burn's sum over everything splits large tensors by the threads
/// that happen to be free, so that the last bits would differ from run to run.
pub(crate) fn total<const D: usize>(tensor: Tensor<D>) -> Tensor<1> {
    let summed = (0..D).rev().fold(tensor, Tensor::sum_dim);
    summed.reshape([1])
}

/// Fails unless `prediction` and `target` have equal shapes.
pub(crate) fn equal_shapes(prediction: &[usize], target: &[usize]) -> Result<(), Error> {
    if prediction == target {
        return Ok(());
    }
    Err(Error::contract(format!(
        "`prediction` is f32{prediction:?} and `target` is f32{target:?}, but their shapes must be equal"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ablate_sdk::burn::tensor::Device;

    #[test]
    fn sums_every_element_of_any_rank() {
        let device = Device::flex();
        let values: Vec<f32> = (1..=24).map(|value| value as f32).collect();
        let flat = Tensor::<1>::from_floats(values.as_slice(), &device);
        assert_eq!(total(flat.clone()).into_scalar::<f32>(), 300.0);
        assert_eq!(total(flat.clone().reshape([2, 3, 4])).into_scalar::<f32>(), 300.0);
        assert_eq!(total(flat.reshape([1, 2, 2, 3, 2])).into_scalar::<f32>(), 300.0);
    }
}
