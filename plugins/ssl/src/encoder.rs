//! The whole encoder, of either family.

use crate::architecture::{Architecture, Family};
use crate::burn;
use crate::checkpoint::Checkpoint;
use crate::config::{Size, SpeechEncoderConfig};
use crate::layer::{Layer, Surroundings};
use crate::positions::PositionalConvolution;
use crate::relative::Distances;
use crate::validity::Validity;
use crate::waveform::Waveform;
use crate::weights::Weights;
use ablate_sdk::Error;
use ablate_sdk::burn::module::{Module, Param};
use ablate_sdk::burn::nn::{Initializer, LayerNorm, Linear};
use ablate_sdk::burn::tensor::activation::softmax;
use ablate_sdk::burn::tensor::{Bool, Device, Tensor};
use ablate_sdk::frames::{rows, zero_outside};

/// Added to the variance of an utterance, as the published feature extractors do.
const SMALLEST_VARIANCE: f64 = 1e-7;

/// WavLM or HuBERT up to one of its layers.
#[derive(Module, Debug)]
pub struct SpeechEncoder {
    waveform: Waveform,
    projection_norm: Option<LayerNorm>,
    projection: Linear,
    /// What stood for masked frames in pre-training. Nothing here is masked: it is kept so that
    /// the parameters are those of the checkpoint.
    mask_embedding: Param<Tensor<1>>,
    positions: PositionalConvolution,
    /// Before the layers, or after the last where the layers normalize first.
    norm: Option<LayerNorm>,
    distances: Option<Distances>,
    layers: Vec<Layer>,
    /// Of what enters the first layer and what leaves each; their softmax are the weights.
    layer_weights: Option<Param<Tensor<1>>>,
    #[module(skip)]
    plan: Plan,
}

/// What is known of an encoder beside its parameters.
#[derive(Clone, Debug)]
struct Plan {
    architecture: Architecture,
    normalize: bool,
}

impl SpeechEncoder {
    /// As `config` says, with the weights that it names or with random ones.
    ///
    /// # Errors
    /// If the configuration contradicts itself, weights are missing, or they do not fit.
    pub fn new(
        family: Family,
        config: &SpeechEncoderConfig,
        device: &Device,
    ) -> Result<Self, Error> {
        let architecture = Architecture::of(family, config)?;
        let depth = depth(config, &architecture)?;
        let checkpoint = match Checkpoint::locate(family, config)? {
            Some(path) => {
                crate::beside::compare(family, config, &architecture, path)?;
                Some(Checkpoint::open(path)?)
            }
            None => None,
        };
        let mut weights = Weights::new(checkpoint, device);
        let encoder = Self::build(architecture, depth, config, &mut weights);
        encoder.map_err(|error| {
            let (name, size) = (family.name(), config.size.name());
            error.context(format!("the weights do not fit `{name}` of size `{size}`"))
        })
    }

    fn build(
        architecture: Architecture,
        depth: usize,
        config: &SpeechEncoderConfig,
        weights: &mut Weights<'_>,
    ) -> Result<Self, Error> {
        let Architecture { width, epsilon, .. } = architecture;
        let features = architecture.convolutions.last().map_or(1, |last| last.width);
        let projection_norm = if architecture.projection_norm {
            Some(weights.norm("feature_projection.layer_norm", features, epsilon)?)
        } else {
            None
        };
        // Where layers normalize first, the last output alone passes the final normalization.
        let norm = if !architecture.pre_norm || depth == architecture.layers {
            Some(weights.norm("encoder.layer_norm", width, epsilon)?)
        } else {
            None
        };
        let distances = match architecture.buckets {
            Some(buckets) if depth > 0 => {
                Some(Distances::new(buckets, architecture.heads, weights)?)
            }
            _ => None,
        };
        let uniform = Initializer::Uniform { min: 0.0, max: 1.0 };
        let mask_embedding = weights.vector("masked_spec_embed", width, uniform)?;
        Ok(Self {
            waveform: Waveform::new(&architecture, weights)?,
            projection_norm,
            projection: weights.linear("feature_projection.projection", features, width)?,
            mask_embedding: mask_embedding.set_require_grad(false),
            positions: PositionalConvolution::new(&architecture, weights)?,
            norm,
            distances,
            layers: (0..depth)
                .map(|index| Layer::new(&architecture, index, weights))
                .collect::<Result<_, _>>()?,
            layer_weights: config.weighted_sum.then(|| weights.own(depth + 1, Initializer::Zeros)),
            plan: Plan {
                normalize: config.normalize.unwrap_or_else(|| normalizes(config, &architecture)),
                architecture,
            },
        })
    }

    /// Features `[B, T, D]` and their mask `[B, T]` of `[B, S]` samples at 16 kHz under a mask.
    ///
    /// Without a graph the items are computed one after the other, without their padding: that
    /// takes less time and far less memory than a padded batch.
    ///
    /// # Errors
    /// If an item has samples, but too few for one frame.
    pub fn forward(
        &self,
        audio: Tensor<2>,
        mask: &Tensor<2, Bool>,
    ) -> Result<(Tensor<3>, Tensor<2, Bool>), Error> {
        let samples = self.lengths(mask)?;
        let frames = self.frames(&samples);
        let features = if self.has_graph(&audio) {
            self.batch(audio, mask, &samples, &mut |_, _| ())
        } else {
            let device = audio.device();
            let width = self.plan.architecture.width;
            let extent = frames.mask(&device).dims()[1];
            let item = |(row, &length): (usize, &usize)| {
                let own = frames.lengths()[row];
                let rest = Tensor::zeros([1, extent - own, width], &device);
                if own == 0 {
                    return rest;
                }
                let audio = audio.clone().slice([row..row + 1, 0..length]);
                let whole = Tensor::<2, Bool>::full([1, length], true, &device);
                let samples = Validity::new(vec![length], length);
                let features = self.batch(audio, &whole, &samples, &mut |_, _| ());
                if own == extent { features } else { Tensor::cat(vec![features, rest], 1) }
            };
            Tensor::cat(samples.lengths().iter().enumerate().map(item).collect(), 0)
        };
        let mask = frames.mask(&features.device());
        Ok((zero_outside(features, &mask), mask))
    }

    /// What enters the first layer and what leaves each, `[B, T, D]`. Frames of padding hold
    /// anything.
    ///
    /// # Errors
    /// As [`SpeechEncoder::forward`].
    pub fn states(
        &self,
        audio: Tensor<2>,
        mask: &Tensor<2, Bool>,
    ) -> Result<Vec<Tensor<3>>, Error> {
        let samples = self.lengths(mask)?;
        let mut states = Vec::new();
        self.batch(audio, mask, &samples, &mut |_, state| states.push(state.clone()));
        Ok(states)
    }

    fn has_graph(&self, audio: &Tensor<2>) -> bool {
        audio.is_autodiff() || self.projection.weight.val().is_autodiff()
    }

    /// The number of samples of each item.
    fn lengths(&self, mask: &Tensor<2, Bool>) -> Result<Validity, Error> {
        let field = self.plan.architecture.field();
        let samples = Validity::of_mask(mask);
        let short = |&(_, &length): &(usize, &usize)| length > 0 && length < field;
        match samples.lengths().iter().enumerate().find(short) {
            Some((row, length)) => Err(Error::data(format!(
                "item {row} of the batch has {length} samples, one frame takes {field} ({} ms at \
                 16 kHz): leave out what is shorter",
                field as f64 / 16.0
            ))),
            None => Ok(samples),
        }
    }

    /// The number of frames of each item. A batch of nothing has one frame, which is padding.
    fn frames(&self, samples: &Validity) -> Validity {
        let architecture = &self.plan.architecture;
        let count = |&length: &usize| architecture.frames(length);
        let extent = architecture.frames(samples.extent()).max(1);
        Validity::new(samples.lengths().iter().map(count).collect(), extent)
    }

    /// Features of a padded batch; `look` sees every hidden state.
    fn batch(
        &self,
        audio: Tensor<2>,
        mask: &Tensor<2, Bool>,
        samples: &Validity,
        look: &mut dyn FnMut(usize, &Tensor<3>),
    ) -> Tensor<3> {
        let frames = self.frames(samples);
        let device = audio.device();
        let Plan { architecture, normalize } = &self.plan;
        let audio = self.prepared(audio, mask, samples, *normalize);
        let samples = Validity::new(samples.lengths().to_vec(), audio.dims()[1]);
        let mut state = self.waveform.forward(audio, &samples);
        if let Some(norm) = &self.projection_norm {
            state = norm.forward(state);
        }
        let state = frames.zero_padding(rows(&self.projection, state));
        let mut state = state.clone() + self.positions.forward(state);
        if let (false, Some(norm)) = (architecture.pre_norm, &self.norm) {
            state = norm.forward(state);
        }
        let count = state.dims()[1];
        let around = Surroundings {
            distances: self.distances.as_ref().map(|distances| distances.between(count)),
            hidden_keys: frames.hidden_keys(architecture.heads, &device),
        };
        let mut sum = self.layer_weights.as_ref().map(|weights| Sum::new(weights.val()));
        let mut index = 0;
        loop {
            if index == self.layers.len()
                && let (true, Some(norm)) = (architecture.pre_norm, &self.norm)
            {
                state = norm.forward(state);
            }
            look(index, &state);
            if let Some(sum) = &mut sum {
                sum.add(index, state.clone());
            }
            let Some(layer) = self.layers.get(index) else { break };
            state = layer.forward(state, &around);
            index += 1;
        }
        sum.and_then(|sum| sum.total).unwrap_or(state)
    }

    /// The samples as the convolutions take them: zero outside the mask, normalized, and enough for
    /// one frame.
    fn prepared(
        &self,
        audio: Tensor<2>,
        mask: &Tensor<2, Bool>,
        samples: &Validity,
        normalize: bool,
    ) -> Tensor<2> {
        let device = audio.device();
        let mut audio = audio.unsqueeze_dim::<3>(2);
        let zero = |audio| if samples.is_whole() { audio } else { zero_outside(audio, mask) };
        audio = zero(audio);
        if normalize {
            let counts = samples.counts(&device);
            let centered = zero(audio.clone() - audio.sum_dim(1) / counts.clone());
            let variance = (centered.clone() * centered.clone()).sum_dim(1) / counts;
            audio = centered / variance.add_scalar(SMALLEST_VARIANCE).sqrt();
        }
        let ([batch, extent, _], field) = (audio.dims(), self.plan.architecture.field());
        if extent < field {
            let edge = Tensor::zeros([batch, field - extent, 1], &device);
            audio = Tensor::cat(vec![audio, edge], 1);
        }
        audio.squeeze_dim(2)
    }
}

/// The sum of hidden states under the softmax of learned weights (Yang et al., 2021).
struct Sum {
    weights: Tensor<1>,
    total: Option<Tensor<3>>,
}

impl Sum {
    fn new(weights: Tensor<1>) -> Self {
        Self { weights: softmax(weights, 0), total: None }
    }

    fn add(&mut self, index: usize, state: Tensor<3>) {
        let weight = self.weights.clone().slice(index..index + 1).unsqueeze::<3>();
        let term = state * weight;
        self.total = Some(match self.total.take() {
            Some(total) => total + term,
            None => term,
        });
    }
}

/// How many layers are computed.
pub(crate) fn depth(
    config: &SpeechEncoderConfig,
    architecture: &Architecture,
) -> Result<usize, Error> {
    let layers = architecture.layers;
    match config.layer {
        None => Ok(layers),
        Some(layer) if layer <= layers => Ok(layer),
        Some(layer) => Err(Error::config(format!(
            "`layer` is {layer}, there are 0 to {layers}: 0 is what enters the first of the \
             {layers} layers"
        ))),
    }
}

/// Whether a size was trained on normalized utterances; of a custom one the form tells, since the
/// large models alone normalize their convolutions by layer.
pub(crate) fn normalizes(config: &SpeechEncoderConfig, architecture: &Architecture) -> bool {
    match config.size {
        Size::Base | Size::BasePlus => false,
        Size::Large => true,
        Size::Custom => architecture.pre_norm,
    }
}
