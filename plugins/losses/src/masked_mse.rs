//! The loss of a reconstruction of padded frames.

use crate::reduce::{equal_shapes, total};
use ablate_sdk::burn;
use ablate_sdk::burn::module::Module;
use ablate_sdk::burn::tensor::{Bool, Tensor};
use ablate_sdk::{Build, Call, Contract, Error, Loss, LossValue, NoConfig, Tensors};

/// Mean squared error over the valid frames.
#[derive(Module, Debug)]
pub struct MaskedMse {}

impl MaskedMse {
    /// The loss of `prediction`, `target: f32[B, T, F]` and `mask?: bool[B, T]`, true = valid.
    ///
    /// # Errors
    /// If an input is missing or the shapes do not fit together.
    pub fn evaluate(&self, inputs: &Tensors) -> Result<LossValue, Error> {
        let prediction = inputs.float::<3>("prediction")?;
        let target = inputs.float::<3>("target")?;
        let mask = if inputs.contains("mask") { Some(inputs.bool::<2>("mask")?) } else { None };
        masked_mean(prediction, target, mask)
    }
}

impl Loss for MaskedMse {
    type Config = NoConfig;
    const NAME: &'static str = "masked-mse";
    const DOC: &'static str = "Mean squared error over the valid frames; 0 where there are none.";

    fn contract(_: &NoConfig) -> Result<Contract, Error> {
        Ok(Contract::new()
            .input("prediction: f32[B, T, F]")
            .input("target: f32[B, T, F]")
            .input("mask?: bool[B, T]"))
    }

    fn new(_: &NoConfig, _: &mut Build) -> Result<Self, Error> {
        Ok(Self {})
    }

    fn forward(&self, inputs: Tensors, _: &Call) -> Result<LossValue, Error> {
        self.evaluate(&inputs)
    }
}

fn masked_mean(
    prediction: Tensor<3>,
    target: Tensor<3>,
    mask: Option<Tensor<2, Bool>>,
) -> Result<LossValue, Error> {
    equal_shapes(&prediction.dims(), &target.dims())?;
    let [batch, frames, features] = prediction.dims();
    let mut difference = prediction - target;
    let mut valid = batch * frames;
    if let Some(mask) = mask {
        if mask.dims() != [batch, frames] {
            let (found, wanted) = (mask.dims(), [batch, frames, features]);
            let text = format!("`mask` is bool{found:?}, but `prediction` is f32{wanted:?}");
            return Err(Error::contract(text));
        }
        valid = mask.to_data().iter::<bool>().filter(|&valid| valid).count();
        // Filled before the square: NaN in the padding must reach neither value nor gradient.
        let padding = mask.bool_not().unsqueeze_dim::<3>(2).expand([batch, frames, features]);
        difference = difference.mask_fill(padding, 0.0);
    }
    let elements = valid * features;
    let value = total(difference.square()).div_scalar(elements.max(1) as f64);
    Ok(LossValue { value, averaged_over: elements as u64 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ablate_sdk::burn::tensor::Device;

    const NAN: f32 = f32::NAN;

    /// Value, gradient of the prediction and elements averaged over, for frames `[1, 3, 2]`.
    fn check(frames: [[f32; 2]; 3], mask: Option<[bool; 3]>) -> (f32, Vec<f32>, u64) {
        let device = Device::flex().autodiff();
        let prediction = Tensor::<3>::from_floats([frames], &device).require_grad();
        let target = Tensor::<3>::from_floats([[[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]], &device);
        let mask = mask.map(|mask| Tensor::<2, Bool>::from_data([mask], &device));
        let inputs = Tensors::new()
            .with("prediction", prediction.clone())
            .with("target", target)
            .with_optional("mask", mask);
        let loss = MaskedMse {}.evaluate(&inputs).expect("shapes fit");
        let value = loss.value.clone().into_scalar::<f32>();
        let gradient = prediction.grad(&loss.value.backward()).expect("tracked");
        (value, gradient.into_data().iter::<f32>().collect(), loss.averaged_over)
    }

    #[test]
    fn averages_over_valid_frames_only() {
        // Differences (1, -1), (0, 2), (4, 0): squares 2, 4, 16.
        let frames = [[2.0, 0.0], [2.0, 4.0], [7.0, 3.0]];
        let (value, gradient, elements) = check(frames, None);
        assert_eq!((value, elements), (22.0 / 6.0, 6));
        // 2 d / 6.
        let third = 1.0 / 3.0;
        assert_eq!(gradient, [third, -third, 0.0, 2.0 * third, 4.0 * third, 0.0]);

        let (value, gradient, elements) = check(frames, Some([true, true, false]));
        assert_eq!((value, elements), (1.5, 4));
        // 2 d / 4.
        assert_eq!(gradient, [0.5, -0.5, 0.0, 1.0, 0.0, 0.0]);
    }

    #[test]
    fn padding_may_hold_nan() {
        let (value, gradient, _) =
            check([[2.0, 0.0], [2.0, 4.0], [NAN, NAN]], Some([true, true, false]));
        assert_eq!(value, 1.5);
        assert_eq!(gradient, [0.5, -0.5, 0.0, 1.0, 0.0, 0.0]);
    }

    #[test]
    fn is_zero_with_zero_gradient_without_valid_frames() {
        let (value, gradient, elements) = check([[2.0, NAN]; 3], Some([false; 3]));
        assert_eq!((value, elements), (0.0, 0));
        assert_eq!(gradient, [0.0; 6]);
    }

    #[test]
    fn is_nan_where_a_valid_frame_is() {
        assert!(check([[NAN, 0.0]; 3], None).0.is_nan());
        assert!(check([[NAN, 0.0]; 3], Some([true, false, false])).0.is_nan());
    }

    #[test]
    fn is_zero_for_an_empty_batch() {
        let empty = Tensor::<3>::zeros([0, 3, 2], &Device::flex());
        let inputs = Tensors::new().with("prediction", empty.clone()).with("target", empty);
        let loss = MaskedMse {}.evaluate(&inputs).expect("shapes fit");
        assert_eq!((loss.value.into_scalar::<f32>(), loss.averaged_over), (0.0, 0));
    }

    #[test]
    fn names_the_shapes_that_do_not_fit() {
        let device = Device::flex();
        let frames = |shape: [usize; 3]| Tensor::<3>::zeros(shape, &device);
        let mask = Tensor::<2, Bool>::full([2, 5], true, &device);
        let text = |inputs: Tensors| {
            MaskedMse {}.evaluate(&inputs).map(drop).expect_err("must fail").to_string()
        };
        assert_eq!(
            text(
                Tensors::new()
                    .with("prediction", frames([2, 4, 8]))
                    .with("target", frames([2, 4, 7]))
            ),
            "`prediction` is f32[2, 4, 8] and `target` is f32[2, 4, 7], but their shapes must be equal"
        );
        assert_eq!(
            text(
                Tensors::new()
                    .with("prediction", frames([2, 4, 8]))
                    .with("target", frames([2, 4, 8]))
                    .with("mask", mask)
            ),
            "`mask` is bool[2, 5], but `prediction` is f32[2, 4, 8]"
        );
    }
}
