//! Where parameters come from: a checkpoint, or the initial distributions of the papers' code.

use crate::checkpoint::Checkpoint;
use ablate_sdk::Error;
use ablate_sdk::burn::module::Param;
use ablate_sdk::burn::nn::{Initializer, LayerNorm, LayerNormConfig, Linear};
use ablate_sdk::burn::tensor::{Device, Tensor, TensorData};

/// Gives each parameter by its published name.
pub(crate) struct Weights<'a> {
    /// `None`: drawn at random.
    checkpoint: Option<Checkpoint>,
    device: &'a Device,
}

/// A parameter as a checkpoint stores it.
pub(crate) struct Published<'a> {
    /// Its names, of which the first is the usual one.
    pub(crate) names: &'a [String],
    pub(crate) shape: &'a [usize],
}

impl<'a> Weights<'a> {
    pub(crate) fn new(checkpoint: Option<Checkpoint>, device: &'a Device) -> Self {
        Self { checkpoint, device }
    }

    /// A parameter of another layout than the published one: element `i` is the published element
    /// `place(i)`.
    pub(crate) fn arranged<const D: usize>(
        &mut self,
        published: Published<'_>,
        shape: [usize; D],
        initial: Initializer,
        place: impl Fn([usize; D]) -> usize,
    ) -> Result<Param<Tensor<D>>, Error> {
        let Some(checkpoint) = &mut self.checkpoint else {
            return Ok(initial.init(shape, self.device));
        };
        let stored = checkpoint.read(published.names, published.shape)?;
        let mut index = [0; D];
        let mut values = Vec::with_capacity(stored.len());
        for _ in 0..stored.len() {
            values.push(stored[place(index)]);
            for (at, size) in index.iter_mut().zip(shape).rev() {
                *at += 1;
                if *at < size {
                    break;
                }
                *at = 0;
            }
        }
        drop(stored);
        Ok(self.parameter(values, shape))
    }

    /// A parameter in its published layout, up to the dimensions of size 1.
    pub(crate) fn plain<const D: usize>(
        &mut self,
        published: Published<'_>,
        shape: [usize; D],
        initial: Initializer,
    ) -> Result<Param<Tensor<D>>, Error> {
        let Some(checkpoint) = &mut self.checkpoint else {
            return Ok(initial.init(shape, self.device));
        };
        let values = checkpoint.read(published.names, published.shape)?;
        Ok(self.parameter(values, shape))
    }

    /// The vector `name`.
    pub(crate) fn vector(
        &mut self,
        name: &str,
        size: usize,
        initial: Initializer,
    ) -> Result<Param<Tensor<1>>, Error> {
        let published = Published { names: &[name.to_owned()], shape: &[size] };
        self.plain(published, [size], initial)
    }

    /// The linear layer `name`, published as `[output, input]`.
    pub(crate) fn linear(
        &mut self,
        name: &str,
        input: usize,
        output: usize,
    ) -> Result<Linear, Error> {
        let published = Published { names: &[format!("{name}.weight")], shape: &[output, input] };
        let initial = Initializer::Normal { mean: 0.0, std: 0.02 };
        let place = |[row, column]: [usize; 2]| column * input + row;
        let weight = self.arranged(published, [input, output], initial, place)?;
        let bias = self.vector(&format!("{name}.bias"), output, Initializer::Zeros)?;
        Ok(Linear { weight, bias: Some(bias) })
    }

    /// The normalization `name` over `width` channels.
    pub(crate) fn norm(
        &mut self,
        name: &str,
        width: usize,
        epsilon: f64,
    ) -> Result<LayerNorm, Error> {
        let mut norm = LayerNormConfig::new(width).with_epsilon(epsilon).init(self.device);
        norm.gamma = self.vector(&format!("{name}.weight"), width, Initializer::Ones)?;
        norm.beta = Some(self.vector(&format!("{name}.bias"), width, Initializer::Zeros)?);
        Ok(norm)
    }

    /// A parameter that no checkpoint has.
    pub(crate) fn own(&self, size: usize, initial: Initializer) -> Param<Tensor<1>> {
        initial.init([size], self.device)
    }

    fn parameter<const D: usize>(&self, values: Vec<f32>, shape: [usize; D]) -> Param<Tensor<D>> {
        Param::from_tensor(Tensor::from_data(TensorData::new(values, shape), self.device))
    }
}
