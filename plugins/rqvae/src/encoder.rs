//! Frame encoders: frames to the latent frames that are pooled.

mod convolution;
mod residual_mlp;
mod transformer;

use ablate_sdk::burn::tensor::{Bool, Tensor};
use ablate_sdk::{Contract, Error, Tensors};

pub use convolution::{ConvolutionConfig, ConvolutionEncoder};
pub use residual_mlp::ResidualMlpEncoder;
pub use transformer::{TransformerConfig, TransformerEncoder};

/// The contract of the role `frame-encoder`.
pub(crate) fn encoder_contract() -> Contract {
    Contract::new()
        .input("features: f32[B, T, F]")
        .input("mask: bool[B, T]")
        .output("encoded: f32[B, T, D]")
}

/// The inputs of a frame encoder: frames and their mask.
fn read_frames(inputs: &Tensors) -> Result<(Tensor<3>, Tensor<2, Bool>), Error> {
    Ok((inputs.float("features")?, inputs.bool("mask")?))
}
