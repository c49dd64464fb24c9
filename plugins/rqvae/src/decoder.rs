//! Decoders: frames from the codes of windows alone, so that nothing can bypass the codes.

mod located;
mod memory;
mod multi_window;
mod positional;
mod residual_mlp;

use ablate_sdk::burn::tensor::{Bool, Tensor};
use ablate_sdk::{Contract, Error, Tensors};

pub use located::{LocatedConfig, LocatedDecoder};
pub use memory::MemoryPositions;
pub use multi_window::{MultiWindowConfig, MultiWindowDecoder, Norms};
pub use positional::{PositionalConfig, PositionalDecoder};
pub use residual_mlp::ResidualMlpDecoder;

/// The contract of the role `decoder`.
pub(crate) fn decoder_contract() -> Contract {
    Contract::new()
        .input("memory: f32[B, W, D]")
        .input("memory_mask: bool[B, W]")
        .input("mask: bool[B, T]")
        .output("frames: f32[B, T, F]")
}

/// Codes `[B, W, D]`, the mask of their windows `[B, W]` and that of the frames `[B, T]`.
type Memory = (Tensor<3>, Tensor<2, Bool>, Tensor<2, Bool>);

/// The inputs of a decoder.
fn read_memory(inputs: &Tensors) -> Result<Memory, Error> {
    Ok((inputs.float("memory")?, inputs.bool("memory_mask")?, inputs.bool("mask")?))
}
