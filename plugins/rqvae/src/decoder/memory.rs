//! What the decoders that attend to codes share: queries that are positions, and the codes.

use crate::attention::Keys;
use crate::burn;
use crate::frame_positions::{FramePositions, Queries, lengths};
use crate::positions::Places;
use ablate_sdk::Error;
use ablate_sdk::burn::module::Module;
use ablate_sdk::burn::tensor::{Bool, Device, Tensor};
use ablate_sdk::frames::{flags, zero_outside};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the windows of the memory are told where they lie.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum MemoryPositions {
    /// Not at all: frames see a set of windows, and cannot tell the first from the last.
    None,
    /// By sinusoids of the frame at the window's center.
    Sinusoidal,
}

/// Queries for every frame, and the memory that they look at.
#[derive(Module, Debug)]
pub(crate) struct Questions {
    queries: FramePositions,
    width: usize,
    #[module(skip)]
    memory: MemoryPositions,
}

/// What [`Questions::ask`] gives.
pub(crate) struct Asked {
    /// `[B, T, D]`.
    pub(crate) queries: Tensor<3>,
    /// The frames that count.
    pub(crate) own: Keys,
    /// `[B, W, D]`.
    pub(crate) memory: Tensor<3>,
    /// The windows that count.
    pub(crate) others: Keys,
}

impl Questions {
    /// # Errors
    /// If sinusoids cannot have this width.
    pub(crate) fn new(
        queries: Queries,
        memory: MemoryPositions,
        width: usize,
        max_frames: usize,
        device: &Device,
    ) -> Result<Self, Error> {
        if memory == MemoryPositions::Sinusoidal && !width.is_multiple_of(2) {
            let text =
                format!("`memory_positions = \"sinusoidal\"` needs an even width, not {width}");
            return Err(Error::config(text).hint("the width is `latent_dim` of the model"));
        }
        let queries = FramePositions::new(queries.into(), width, max_frames, "queries", device)?;
        Ok(Self { queries, width, memory })
    }

    /// For memory `[B, W, D]` under `memory_mask` `[B, W]` and frames under `mask` `[B, T]`.
    ///
    /// # Errors
    /// If an item is longer than the learned queries are for.
    pub(crate) fn ask(
        &self,
        memory: Tensor<3>,
        memory_mask: &Tensor<2, Bool>,
        mask: &Tensor<2, Bool>,
    ) -> Result<Asked, Error> {
        let ([batch, frames], [_, windows, width]) = (mask.dims(), memory.dims());
        let device = memory.device().inner();
        let valid = flags(mask);
        let lengths = lengths(&valid, frames);
        let queries = self.queries.forward(frames, &lengths, &device)?;
        let queries = queries.expect("a decoder's queries are positions");
        let mut memory = zero_outside(memory, memory_mask);
        if self.memory == MemoryPositions::Sinusoidal {
            let places = Places::new(&valid, frames, &flags(memory_mask), windows);
            memory = memory + places.windows_in_frames(self.width, &device);
        }
        let queries = queries.expand([batch, frames, width]);
        Ok(Asked { queries, own: Keys::new(mask), memory, others: Keys::new(memory_mask) })
    }
}
