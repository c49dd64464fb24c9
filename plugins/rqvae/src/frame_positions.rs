//! What a layer is told about where a frame stands.

use crate::burn;
use crate::positions::frame_sinusoids;
use ablate_sdk::Error;
use ablate_sdk::burn::module::{Module, Param};
use ablate_sdk::burn::nn::Initializer;
use ablate_sdk::burn::tensor::{Device, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Standard deviation of a table that nothing has been learned in.
const SPREAD: f64 = 0.02;

/// How an encoder's frames are told where they stand.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Positions {
    /// Not at all: the layers see a set of frames, not a sequence.
    None,
    /// By sinusoids, which know any length.
    Sinusoidal,
    /// By a learned table of `max_frames` rows; longer items are an error.
    Learned,
}

/// What the queries of a decoder are.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Queries {
    /// Sinusoids of the frame's number, which know any length.
    Sinusoidal,
    /// A learned table of `max_frames` rows; longer items are an error.
    Learned,
}

impl From<Queries> for Positions {
    fn from(queries: Queries) -> Self {
        match queries {
            Queries::Sinusoidal => Self::Sinusoidal,
            Queries::Learned => Self::Learned,
        }
    }
}

/// A vector for every frame of an item, by its number.
#[derive(Module, Debug)]
pub(crate) struct FramePositions {
    /// `[max_frames, D]`.
    table: Option<Param<Tensor<2>>>,
    width: usize,
    /// The configuration's key, for errors.
    #[module(skip)]
    key: &'static str,
    #[module(skip)]
    kind: Positions,
}

impl FramePositions {
    /// Vectors of `width` numbers, for up to `max_frames` frames if learned; `key` is the
    /// configuration's that says which kind.
    ///
    /// # Errors
    /// If sinusoids cannot have this width.
    pub(crate) fn new(
        kind: Positions,
        width: usize,
        max_frames: usize,
        key: &'static str,
        device: &Device,
    ) -> Result<Self, Error> {
        if kind == Positions::Sinusoidal && !width.is_multiple_of(2) {
            let text = format!("`{key} = \"sinusoidal\"` needs an even width, not {width}");
            return Err(Error::config(text).hint("the width is `latent_dim` of the model"));
        }
        let drawn = Initializer::Normal { mean: 0.0, std: SPREAD };
        let table = (kind == Positions::Learned).then(|| drawn.init([max_frames, width], device));
        Ok(Self { table, width, key, kind })
    }

    /// The vectors `[1, T, D]` of the first T frames, for items of these `lengths`; `None` if
    /// frames are told nothing.
    ///
    /// # Errors
    /// If an item is longer than the learned table.
    pub(crate) fn forward(
        &self,
        frames: usize,
        lengths: &[usize],
        device: &Device,
    ) -> Result<Option<Tensor<3>>, Error> {
        let Some(table) = &self.table else {
            let known = self.kind == Positions::Sinusoidal;
            return Ok(known.then(|| frame_sinusoids(frames, self.width, device)));
        };
        let table = table.val();
        let [limit, width] = table.dims();
        if let Some(item) = lengths.iter().position(|&length| length > limit) {
            return Err(self.too_long(item, lengths[item], limit));
        }
        let rows = table.slice([0..frames.min(limit), 0..width]);
        // What lies beyond the table is padding.
        let rows = if frames > limit {
            let rest = Tensor::zeros([frames - limit, width], &device.clone().inner());
            Tensor::cat(vec![rows, rest], 0)
        } else {
            rows
        };
        Ok(Some(rows.unsqueeze()))
    }

    fn too_long(&self, item: usize, length: usize, limit: usize) -> Error {
        let key = self.key;
        let text = format!(
            "item {item} of the batch has {length} frames, more than the {limit} that \
             `{key} = \"learned\"` has positions for"
        );
        Error::data(text).hint(format!(
            "choose `{key} = \"sinusoidal\"`, which takes any length, set `max_frames` to \
             {length} or more, or give the dataset a limit such as `max_seconds`"
        ))
    }
}

/// The number of each row's frames up to its last valid one.
pub(crate) fn lengths(mask: &[bool], frames: usize) -> Vec<usize> {
    mask.chunks_exact(frames.max(1))
        .map(|row| row.iter().rposition(|&valid| valid).map_or(0, |last| last + 1))
        .collect()
}
