//! Frame by frame: layers on the last dimension, and frames that do not count.
//!
//! ```
//! use ablate_sdk::burn::tensor::{Bool, Device, Tensor};
//! use ablate_sdk::frames::zero_outside;
//!
//! let device = Device::flex();
//! let frames = Tensor::<3>::from_floats([[[1.0], [f32::NAN]]], &device);
//! let mask = Tensor::<2, Bool>::from_bool([[true, false]], &device);
//! assert_eq!(zero_outside(frames, &mask).into_data().try_to_vec::<f32>().unwrap(), [1.0, 0.0]);
//! ```

use burn::nn::Linear;
use burn::tensor::{Bool, Tensor};

/// A linear layer on the last dimension. On a tensor of rank 2 the gradient of the weights is one
/// product instead of one per item and their sum, which is several times faster.
pub fn rows(layer: &Linear, input: Tensor<3>) -> Tensor<3> {
    let [batch, frames, width] = input.dims();
    let output = layer.forward(input.reshape([batch * frames, width]));
    let width = output.dims()[1];
    output.reshape([batch, frames, width])
}

/// Vectors `[B, T, D]` of which those outside the mask `[B, T]` are zero. They are replaced, not
/// multiplied, so that not even a NaN in them reaches a value or a gradient.
pub fn zero_outside(vectors: Tensor<3>, mask: &Tensor<2, Bool>) -> Tensor<3> {
    let shape = vectors.dims();
    vectors.mask_fill(mask.clone().bool_not().unsqueeze_dim::<3>(2).expand(shape), 0.0)
}

/// The values of a mask, row by row.
pub fn flags(mask: &Tensor<2, Bool>) -> Vec<bool> {
    mask.clone().into_data().iter::<bool>().collect()
}
