//! The traits of differentiable components: what the author of a model, block or loss writes.

use crate::any::Tensors;
use crate::build::Build;
use crate::call::Call;
use crate::contract::Contract;
use crate::{Config, Error, SlotSpec};
use burn::module::Module;
use burn::tensor::Tensor;

/// What a model or block computed.
#[derive(Debug, Default)]
pub struct Output {
    /// Named tensors.
    pub tensors: Tensors,
    /// One JSON document per item, or none.
    pub records: Vec<serde_json::Value>,
}

impl From<Tensors> for Output {
    fn from(tensors: Tensors) -> Self {
        Self { tensors, records: Vec::new() }
    }
}

/// A part of a model that fits into a slot of its role.
pub trait Block: Module + 'static {
    /// Its configuration; the doc comments of the fields are shown to users.
    type Config: Config;
    /// Its name, in kebab case.
    const NAME: &'static str;
    /// The role that it plays, such as `pooling`.
    const ROLE: &'static str;
    /// One line that says what it is.
    const DOC: &'static str;
    /// Ports whose gradient is on purpose not the derivative, each with the reason: the output of a
    /// straight-through estimator, an input that is detached. Conformance checks leave them out.
    const SURROGATE_GRADIENTS: &'static [(&'static str, &'static str)] = &[];

    /// The slots that it has.
    fn slots() -> Vec<SlotSpec> {
        Vec::new()
    }

    /// Its tensor contract under `config`.
    ///
    /// # Errors
    /// If the configuration contradicts itself.
    fn contract(config: &Self::Config) -> Result<Contract, Error>;

    /// Makes it, with fresh parameters.
    ///
    /// # Errors
    /// If the configuration or a dimension is not one it can work with.
    fn new(config: &Self::Config, build: &mut Build) -> Result<Self, Error>;

    /// Computes its outputs.
    ///
    /// # Errors
    /// If the inputs do not fit.
    fn forward(&self, inputs: Tensors, call: &Call) -> Result<Output, Error>;

    /// The optimizer group of the parameter at `path`.
    fn group(path: &str) -> &'static str {
        let _ = path;
        "default"
    }
}

/// What is trained: takes batches, gives what losses and metrics look at.
pub trait Model: Module + 'static {
    /// Its configuration.
    type Config: Config;
    /// Its name, in kebab case.
    const NAME: &'static str;
    /// One line that says what it is.
    const DOC: &'static str;
    /// Ports whose gradient is on purpose not the derivative, each with the reason: the output of a
    /// straight-through estimator, an input that is detached. Conformance checks leave them out.
    const SURROGATE_GRADIENTS: &'static [(&'static str, &'static str)] = &[];

    /// The slots that it has.
    fn slots() -> Vec<SlotSpec> {
        Vec::new()
    }

    /// Its tensor contract under `config`.
    ///
    /// # Errors
    /// If the configuration contradicts itself.
    fn contract(config: &Self::Config) -> Result<Contract, Error>;

    /// Makes it, with fresh parameters.
    ///
    /// # Errors
    /// If the configuration or a dimension is not one it can work with.
    fn new(config: &Self::Config, build: &mut Build) -> Result<Self, Error>;

    /// Computes its outputs.
    ///
    /// # Errors
    /// If the inputs do not fit.
    fn forward(&self, inputs: Tensors, call: &Call) -> Result<Output, Error>;

    /// The optimizer group of the parameter at `path`.
    fn group(path: &str) -> &'static str {
        let _ = path;
        "default"
    }
}

/// A loss value with the number of elements that it is a mean over.
#[derive(Debug)]
pub struct LossValue {
    /// The scalar, of shape `[1]`.
    pub value: Tensor<1>,
    /// Elements averaged over, so that batches can be weighted; 0 when it does not apply.
    pub averaged_over: u64,
}

/// A differentiable function to a scalar. A loss without parameters is `#[derive(Module)]` on a
/// struct of plain numbers.
pub trait Loss: Module + 'static {
    /// Its configuration.
    type Config: Config;
    /// Its name, in kebab case.
    const NAME: &'static str;
    /// One line that says what it is.
    const DOC: &'static str;
    /// Ports whose gradient is on purpose not the derivative, each with the reason: the output of a
    /// straight-through estimator, an input that is detached. Conformance checks leave them out.
    const SURROGATE_GRADIENTS: &'static [(&'static str, &'static str)] = &[];

    /// The slots that it has.
    fn slots() -> Vec<SlotSpec> {
        Vec::new()
    }

    /// Its inputs under `config`; the output `loss: f32[1]` is added by the SDK.
    ///
    /// # Errors
    /// If the configuration contradicts itself.
    fn contract(config: &Self::Config) -> Result<Contract, Error>;

    /// Makes it.
    ///
    /// # Errors
    /// If the configuration is not one it can work with.
    fn new(config: &Self::Config, build: &mut Build) -> Result<Self, Error>;

    /// Computes the loss.
    ///
    /// # Errors
    /// If the inputs do not fit.
    fn forward(&self, inputs: Tensors, call: &Call) -> Result<LossValue, Error>;
}
