//! The positional convolution: a wide, grouped convolution under weight norm.

use crate::architecture::Architecture;
use crate::burn;
use crate::gelu::gelu;
use crate::weights::{Published, Weights};
use ablate_sdk::Error;
use ablate_sdk::burn::module::{Module, Param};
use ablate_sdk::burn::nn::Initializer;
use ablate_sdk::burn::tensor::Tensor;

const NAME: &str = "encoder.pos_conv_embed.conv";

/// What is added to frames for their places, from the frames around them.
#[derive(Module, Debug)]
pub(crate) struct PositionalConvolution {
    /// `[groups, kernel · channels in, channels out]`, tap by tap.
    direction: Param<Tensor<3>>,
    /// The norm of each tap over all channels.
    magnitude: Param<Tensor<1>>,
    bias: Param<Tensor<1>>,
}

impl PositionalConvolution {
    pub(crate) fn new(
        architecture: &Architecture,
        weights: &mut Weights<'_>,
    ) -> Result<Self, Error> {
        let Architecture { width, position_kernel: kernel, position_groups: groups, .. } =
            *architecture;
        let part = width / groups;
        let names = |old: &str, new: &str| {
            [format!("{NAME}.parametrizations.weight.{new}"), format!("{NAME}.weight_{old}")]
        };
        let std = 2.0 / ((kernel * width) as f64).sqrt();
        let direction = weights.arranged(
            Published { names: &names("v", "original1"), shape: &[width, part, kernel] },
            [groups, kernel * part, part],
            Initializer::Normal { mean: 0.0, std },
            |[group, row, output]| {
                ((group * part + output) * part + row % part) * kernel + row / part
            },
        )?;
        let norm = std * ((width * part) as f64).sqrt();
        let magnitude = weights.plain(
            Published { names: &names("g", "original0"), shape: &[1, 1, kernel] },
            [kernel],
            Initializer::Constant { value: norm },
        )?;
        let bias = weights.vector(&format!("{NAME}.bias"), width, Initializer::Zeros)?;
        Ok(Self { direction, magnitude, bias })
    }

    /// `[B, T, D]`, zero where there is padding, to `[B, T, D]`.
    ///
    /// The taps under one output lie side by side in memory, so a group is one product of a view
    /// with its weights.
    pub(crate) fn forward(&self, frames: Tensor<3>) -> Tensor<3> {
        let ([batch, count, width], device) = (frames.dims(), frames.device());
        let kernel = self.magnitude.val().dims()[0];
        let weights = self.weights();
        let [groups, rows, part] = weights.dims();
        let edge = |size| Tensor::zeros([batch, size, width], &device);
        // An even kernel gives one frame too many at the end, which is left out.
        let padded = Tensor::cat(vec![edge(kernel / 2), frames, edge((kernel - 1) / 2)], 1);
        let extent = count + kernel - 1;
        let outputs = (0..groups).map(|group| {
            let channels = group * part..(group + 1) * part;
            let own = padded.clone().slice([0..batch, 0..extent, channels]);
            let taps: Tensor<3> = own.reshape([batch, extent * part]).unfold(1, rows, part);
            let weight = weights.clone().slice(group..group + 1).reshape([rows, part]);
            let output = taps.reshape([batch * count, rows]).matmul(weight);
            output.reshape([batch, count, part])
        });
        let sum = Tensor::cat(outputs.collect(), 2) + self.bias.val().unsqueeze();
        gelu(sum)
    }

    /// g v / ‖v‖, tap by tap (Salimans and Kingma, 2016).
    fn weights(&self) -> Tensor<3> {
        let (direction, magnitude) = (self.direction.val(), self.magnitude.val());
        let ([groups, rows, part], kernel) = (direction.dims(), magnitude.dims()[0]);
        let taps = direction.reshape([groups, kernel, rows / kernel * part]);
        let squares = taps.clone() * taps.clone();
        let norm = squares.sum_dim(2).sum_dim(0).sqrt();
        let scale = magnitude.reshape([1, kernel, 1]) / norm;
        (taps * scale).reshape([groups, rows, part])
    }
}
