//! The convolutions over the waveform, with time before channels, as products of matrices.

use crate::architecture::{Architecture, Convolution, FeatureNorm};
use crate::burn;
use crate::gelu::gelu;
use crate::validity::Validity;
use crate::weights::{Published, Weights};
use ablate_sdk::Error;
use ablate_sdk::burn::module::{Module, Param};
use ablate_sdk::burn::nn::{Initializer, LayerNorm};
use ablate_sdk::burn::tensor::Tensor;

/// Added to the variances of the normalizations between convolutions, in every published model.
const EPSILON: f64 = 1e-5;

/// Waveform to frames.
#[derive(Module, Debug)]
pub(crate) struct Waveform {
    layers: Vec<ConvolutionLayer>,
}

#[derive(Module, Debug)]
struct ConvolutionLayer {
    /// `[kernel · channels in, channels out]`, tap by tap.
    weight: Param<Tensor<2>>,
    bias: Option<Param<Tensor<1>>>,
    /// Over channels.
    frame_norm: Option<LayerNorm>,
    /// Over time.
    channel_norm: Option<ChannelNorm>,
    kernel: usize,
    stride: usize,
}

impl Waveform {
    pub(crate) fn new(
        architecture: &Architecture,
        weights: &mut Weights<'_>,
    ) -> Result<Self, Error> {
        let mut channels = 1;
        let mut layers = Vec::new();
        for (index, &convolution) in architecture.convolutions.iter().enumerate() {
            layers.push(ConvolutionLayer::new(
                architecture,
                index,
                channels,
                convolution,
                weights,
            )?);
            channels = convolution.width;
        }
        Ok(Self { layers })
    }

    /// `[B, S]` to `[B, T, C]`. What lies behind the `samples` of an item changes none of its frames.
    pub(crate) fn forward(&self, audio: Tensor<2>, validity: &Validity) -> Tensor<3> {
        let mut frames = audio.unsqueeze_dim::<3>(2);
        let mut lengths = validity.clone();
        for layer in &self.layers {
            lengths = lengths.convolved(layer.kernel, layer.stride);
            frames = layer.forward(frames, &lengths);
        }
        frames
    }
}

impl ConvolutionLayer {
    fn new(
        architecture: &Architecture,
        index: usize,
        channels: usize,
        convolution: Convolution,
        weights: &mut Weights<'_>,
    ) -> Result<Self, Error> {
        let Convolution { width, kernel, stride } = convolution;
        let name = format!("feature_extractor.conv_layers.{index}");
        let inputs = kernel * channels;
        // He et al., 2015, equation 10.
        let std = (2.0 / inputs as f64).sqrt();
        let weight = weights.arranged(
            Published {
                names: &[format!("{name}.conv.weight")],
                shape: &[width, channels, kernel],
            },
            [inputs, width],
            Initializer::Normal { mean: 0.0, std },
            |[row, output]| (output * channels + row % channels) * kernel + row / channels,
        )?;
        let bias = if architecture.convolution_bias {
            Some(weights.vector(&format!("{name}.conv.bias"), width, Initializer::Zeros)?)
        } else {
            None
        };
        let norm = format!("{name}.layer_norm");
        let (mut frame_norm, mut channel_norm) = (None, None);
        match architecture.feature_norm {
            FeatureNorm::Layer => frame_norm = Some(weights.norm(&norm, width, EPSILON)?),
            FeatureNorm::Group if index == 0 => {
                channel_norm = Some(ChannelNorm::new(&norm, width, weights)?);
            }
            FeatureNorm::Group => {}
        }
        Ok(Self { weight, bias, frame_norm, channel_norm, kernel, stride })
    }

    fn forward(&self, input: Tensor<3>, lengths: &Validity) -> Tensor<3> {
        let mut frames = self.convolve(input);
        if let Some(bias) = &self.bias {
            frames = frames + bias.val().unsqueeze();
        }
        if let Some(norm) = &self.frame_norm {
            frames = norm.forward(frames);
        }
        if let Some(norm) = &self.channel_norm {
            frames = norm.forward(frames, lengths);
        }
        gelu(frames)
    }

    /// The kernel is cut into pieces of one stride each. Under a piece lie `stride` input vectors
    /// that belong to one output alone, so they are a row of the reshaped input, and the convolution
    /// is a sum of products of matrices. It copies nothing and takes a fraction of the time of
    /// Burn's own in the backward pass.
    fn convolve(&self, input: Tensor<3>) -> Tensor<3> {
        let ([batch, length, channels], device) = (input.dims(), input.device());
        let Self { kernel, stride, .. } = *self;
        let count = (length - kernel) / stride + 1;
        let pieces = kernel.div_ceil(stride);
        let wanted = (pieces - 1 + count) * stride;
        let input = if wanted > length {
            let edge = Tensor::zeros([batch, wanted - length, channels], &device);
            Tensor::cat(vec![input, edge], 1)
        } else {
            input
        };
        let weight = self.weight.val();
        let width = weight.dims()[1];
        let rows = |piece: usize| {
            let start = piece * stride;
            let taps = stride.min(kernel - start);
            let under = input.clone().slice([0..batch, start..start + count * stride]);
            let under = under.reshape([batch * count, stride * channels]);
            let under = if taps < stride {
                under.slice([0..batch * count, 0..taps * channels])
            } else {
                under
            };
            (under, start * channels..(start + taps) * channels)
        };
        let product = if channels == 1 {
            // The products would be thinner than the sum of their results.
            let under = (0..pieces).map(|piece| rows(piece).0).collect();
            Tensor::cat(under, 1).matmul(weight)
        } else {
            let products = (0..pieces).map(|piece| {
                let (under, part) = rows(piece);
                under.matmul(weight.clone().slice(part))
            });
            products.reduce(|a, b| a + b).expect("a kernel has at least one tap")
        };
        product.reshape([batch, count, width])
    }
}

/// Normalizes each channel of an item over time (a group norm with one channel per group), over
/// the valid frames alone, so that an item is the same in every batch.
#[derive(Module, Debug)]
struct ChannelNorm {
    gamma: Param<Tensor<1>>,
    beta: Param<Tensor<1>>,
}

impl ChannelNorm {
    fn new(name: &str, width: usize, weights: &mut Weights<'_>) -> Result<Self, Error> {
        Ok(Self {
            gamma: weights.vector(&format!("{name}.weight"), width, Initializer::Ones)?,
            beta: weights.vector(&format!("{name}.bias"), width, Initializer::Zeros)?,
        })
    }

    fn forward(&self, frames: Tensor<3>, lengths: &Validity) -> Tensor<3> {
        let sum = |values: Tensor<3>| lengths.zero_padding(values).sum_dim(1);
        let counts = lengths.counts(&frames.device());
        let mean = sum(frames.clone()) / counts.clone();
        let centered = frames - mean;
        let variance = sum(centered.clone() * centered.clone()) / counts;
        let scale = self.gamma.val().unsqueeze::<3>() / variance.add_scalar(EPSILON).sqrt();
        centered * scale + self.beta.val().unsqueeze()
    }
}
