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
    /// One JSON document per item of the batch, in its order, or none at all. Several results of
    /// one item stand in its one document.
    pub records: Vec<serde_json::Value>,
}

impl From<Tensors> for Output {
    fn from(tensors: Tensors) -> Self {
        Self { tensors, records: Vec::new() }
    }
}

/// A part of a model that fits into a slot of its role.
///
/// The example at the top of the [crate](crate) is one without parameters, the one of
/// [`testing`](crate::testing) has some. A block may have slots itself, like a [`Model`].
pub trait Block: Module + 'static {
    /// Its configuration; the doc comments of the fields are shown to users.
    type Config: Config;
    /// Its name, in kebab case.
    const NAME: &'static str;
    /// The role that it plays, such as `pooling`.
    const ROLE: &'static str;
    /// One line that says what it is.
    const DOC: &'static str;
    /// The methods that it knows beside `train` and `eval`, such as `predict` or `encode`; see
    /// [`Call::method`].
    const METHODS: &'static [&'static str] = &[];
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
///
/// A model with a slot and a configuration. Which block fills the slot is the experiment's choice:
///
/// ```
/// use ablate_sdk::burn::{self, module::Module, nn::{Linear, LinearConfig}};
/// use ablate_sdk::{BlockSlot, Build, Call, Contract, Error, Model, Output, SlotSpec, Tensors};
/// use schemars::JsonSchema;
/// use serde::{Deserialize, Serialize};
///
/// /// Configuration of `classifier`.
/// #[derive(Serialize, Deserialize, JsonSchema)]
/// #[serde(deny_unknown_fields, default)]
/// struct ClassifierConfig {
///     /// Number of classes.
///     #[schemars(range(min = 2))]
///     classes: usize,
/// }
///
/// impl Default for ClassifierConfig {
///     fn default() -> Self {
///         Self { classes: 10 }
///     }
/// }
///
/// /// Pools the frames and scores the classes.
/// #[derive(Module, Debug)]
/// struct Classifier {
///     pooling: BlockSlot,
///     scores: Linear,
/// }
///
/// impl Model for Classifier {
///     type Config = ClassifierConfig;
///     const NAME: &'static str = "classifier";
///     const DOC: &'static str = "One linear layer over pooled frames.";
///
///     fn slots() -> Vec<SlotSpec> {
///         vec![SlotSpec::new("pooling", "pooling", "Frames to one vector.").default_block("mean")]
///     }
///
///     fn contract(config: &ClassifierConfig) -> Result<Contract, Error> {
///         let pooling = Contract::new()
///             .input("features: f32[B, T, F]")
///             .input("mask: bool[B, T]")
///             .output("pooled: f32[B, 1, F]");
///         Ok(Contract::new()
///             .input("features: f32[B, T, F]")
///             .input("mask: bool[B, T]")
///             .output(format!("logits: f32[B, {}]", config.classes))
///             .slot("pooling", pooling))
///     }
///
///     fn new(config: &ClassifierConfig, build: &mut Build) -> Result<Self, Error> {
///         // What the dataset gives decides the size of `F`.
///         let scores = LinearConfig::new(build.dim("F")?, config.classes).init(build.device());
///         Ok(Self { pooling: build.slot("pooling")?, scores })
///     }
///
///     fn forward(&self, inputs: Tensors, call: &Call) -> Result<Output, Error> {
///         let pooled = self.pooling.forward(inputs, call)?.float::<3>("pooled")?;
///         let logits = self.scores.forward(pooled.squeeze_dim::<2>(1));
///         Ok(Tensors::new().with("logits", logits).into())
///     }
/// }
/// # assert!(Classifier::contract(&ClassifierConfig::default())?.to_json().is_ok());
/// # Ok::<(), Error>(())
/// ```
pub trait Model: Module + 'static {
    /// Its configuration.
    type Config: Config;
    /// Its name, in kebab case.
    const NAME: &'static str;
    /// One line that says what it is.
    const DOC: &'static str;
    /// The methods that it knows beside `train` and `eval`, such as `predict` or `encode`; see
    /// [`Call::method`].
    const METHODS: &'static [&'static str] = &[];
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
/// struct of plain numbers; parameters of a loss are trained and saved like those of a model.
///
/// ```
/// use ablate_sdk::burn::{self, module::Module, tensor::Tensor};
/// use ablate_sdk::{Build, Call, Contract, Error, Loss, LossValue, NoConfig, Tensors, testing};
///
/// /// Mean absolute difference.
/// #[derive(Module, Debug)]
/// struct L1 {}
///
/// impl Loss for L1 {
///     type Config = NoConfig;
///     const NAME: &'static str = "l1";
///     const DOC: &'static str = "Mean absolute difference.";
///
///     fn contract(_: &NoConfig) -> Result<Contract, Error> {
///         Ok(Contract::new().input("prediction: f32[B, F]").input("target: f32[B, F]"))
///     }
///
///     fn new(_: &NoConfig, _: &mut Build) -> Result<Self, Error> {
///         Ok(Self {})
///     }
///
///     fn forward(&self, inputs: Tensors, _: &Call) -> Result<LossValue, Error> {
///         let difference = inputs.float::<2>("prediction")? - inputs.float::<2>("target")?;
///         let averaged_over = difference.dims().iter().product::<usize>() as u64;
///         Ok(LossValue { value: difference.abs().mean(), averaged_over })
///     }
/// }
///
/// let call = testing::evaluation_call();
/// let inputs = Tensors::new()
///     .with("prediction", Tensor::<2>::from_floats([[1.0, 4.0]], call.device()))
///     .with("target", Tensor::<2>::from_floats([[0.0, 1.0]], call.device()));
/// let loss = L1 {}.forward(inputs, &call)?;
/// assert_eq!((loss.value.into_scalar::<f32>(), loss.averaged_over), (2.0, 2));
/// # Ok::<(), Error>(())
/// ```
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

    /// The optimizer group of the parameter at `path`.
    fn group(path: &str) -> &'static str {
        let _ = path;
        "default"
    }
}
