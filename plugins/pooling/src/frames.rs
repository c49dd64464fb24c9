//! The tensors that every pooling takes and gives.

use ablate_sdk::burn::tensor::{Bool, Tensor};
use ablate_sdk::{Contract, Error, Output, Tensors};

/// The contract of a pooling that gives one vector per item.
pub(crate) fn global_contract() -> Contract {
    Contract::new()
        .input("features: f32[B, T, D]")
        .input("mask?: bool[B, T]")
        .output("pooled: f32[B, 1, D]")
        .output("mask: bool[B, 1]")
}

/// The features with their mask; a missing mask means that every frame is valid.
pub(crate) fn read(inputs: &Tensors) -> Result<(Tensor<3>, Tensor<2, Bool>), Error> {
    let features = inputs.float::<3>("features")?;
    let [batch, frames, _] = features.dims();
    if !inputs.contains("mask") {
        let mask = Tensor::full([batch, frames], true, &features.device());
        return Ok((features, mask));
    }
    let mask = inputs.bool::<2>("mask")?;
    if mask.dims() != [batch, frames] {
        let (found, wanted) = (mask.dims(), [batch, frames]);
        let text = format!("`mask` has shape {found:?}, expected {wanted:?} as of `features`");
        return Err(Error::contract(text));
    }
    Ok((features, mask))
}

/// The outputs of a pooling.
pub(crate) fn output((pooled, mask): (Tensor<3>, Tensor<2, Bool>)) -> Output {
    Tensors::new().with("pooled", pooled).with("mask", mask).into()
}

/// Frames of which those outside the mask are zero.
///
/// They are replaced, not multiplied, so that not even a NaN in them reaches a value or a gradient.
pub(crate) fn zero_padding(features: Tensor<3>, mask: &Tensor<2, Bool>) -> Tensor<3> {
    let padding = mask.clone().bool_not().unsqueeze_dim::<3>(2);
    let shape = features.dims();
    features.mask_fill(padding.expand(shape), 0.0)
}

/// Whether a row has a valid frame: `[B, T]` to `[B, 1]`.
pub(crate) fn any_valid(mask: Tensor<2, Bool>) -> Tensor<2, Bool> {
    mask.any_dim(1)
}

/// Pooled vectors `[B, W, D]` of which those outside the mask `[B, W]` are zero.
pub(crate) fn zero_invalid(pooled: Tensor<3>, mask: &Tensor<2, Bool>) -> Tensor<3> {
    zero_padding(pooled, mask)
}

/// What a batch without frames or items is pooled to.
pub(crate) fn empty(features: &Tensor<3>) -> Option<(Tensor<3>, Tensor<2, Bool>)> {
    let [batch, frames, channels] = features.dims();
    let device = features.device();
    (batch == 0 || frames == 0).then(|| {
        let mask = Tensor::full([batch, 1], false, &device);
        (Tensor::zeros([batch, 1, channels], &device), mask)
    })
}
