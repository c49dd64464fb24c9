//! The component traits: what a model, block, loss, dataset or metric can be asked.

use super::error::PluginError;
use super::tensor::{DType, NamedTensor, Tensor};
use abi_stable::std_types::{RArc, RBox, ROption, RResult, RStr, RString, RVec};
use abi_stable::{StableAbi, sabi_trait};

/// Kind of a component: an open set.
#[repr(transparent)]
#[derive(StableAbi, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Kind(pub u32);

impl Kind {
    /// Trained as a whole; the root of a trial.
    pub const MODEL: Self = Self(1);
    /// A part of a model, put into a slot.
    pub const BLOCK: Self = Self(2);
    /// A differentiable function to a scalar.
    pub const LOSS: Self = Self(3);
    /// A source of batches.
    pub const DATASET: Self = Self(4);
    /// A measure over a split.
    pub const METRIC: Self = Self(5);

    /// All kinds of this revision with their names.
    pub const NAMES: [(Self, &'static str); 5] = [
        (Self::MODEL, "model"),
        (Self::BLOCK, "block"),
        (Self::LOSS, "loss"),
        (Self::DATASET, "dataset"),
        (Self::METRIC, "metric"),
    ];

    /// The kind called `name`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
    }

    /// The kind's name, `unknown` for one of a later revision.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(kind, _)| *kind == self).map_or("unknown", |(_, name)| name)
    }
}

/// One call of [`Differentiable::forward`].
#[repr(C)]
#[derive(StableAbi, Clone, Debug)]
pub struct Call {
    /// What to compute: `train`, `eval`, `predict`, `encode`, … an open set.
    pub method: RString,
    /// Optimizer steps taken so far.
    pub step: u64,
    /// Passes over the train split finished so far.
    pub epoch: u64,
    /// Seed of this call's random numbers; the callee mixes in its own slot path.
    pub seed: u64,
    /// [`Call::TRAIN`], [`Call::WANT_CONTEXT`]; other bits are ignored.
    pub flags: u32,
    /// What the caller wants of the method, as a JSON object; empty for none. A callee refuses a
    /// key that it does not know with kind `CONFIG`.
    pub options: RString,
}

impl Call {
    /// Dropout and running statistics are on.
    pub const TRAIN: u32 = 1;
    /// The caller may ask for gradients: keep a graph and return a context.
    pub const WANT_CONTEXT: u32 = 2;

    /// A call of `method` before the first step, without flags and options.
    pub fn new(method: &str, seed: u64) -> Self {
        let (method, options) = (method.into(), RString::new());
        Self { method, step: 0, epoch: 0, seed, flags: 0, options }
    }

    /// Whether dropout and running statistics are on.
    pub fn train(&self) -> bool {
        self.flags & Self::TRAIN != 0
    }

    /// Whether a context is wanted.
    pub fn wants_context(&self) -> bool {
        self.flags & Self::WANT_CONTEXT != 0
    }
}

/// What a forward pass gives.
#[repr(C)]
#[derive(StableAbi)]
pub struct ForwardOutput {
    /// Named tensors of any element type.
    pub outputs: RVec<NamedTensor>,
    /// One JSON document per item of the batch, in its order, or none at all. An item with several
    /// results (the hypotheses of a beam search) has them in its one document.
    pub records: RVec<RString>,
    /// For losses: how many elements the scalar is a mean over, so that accumulation can weight
    /// it; 0 when it does not apply.
    pub averaged_over: u64,
    /// Present when [`Call::WANT_CONTEXT`] was set.
    pub context: ROption<OwnedContext>,
}

/// The graph of one forward pass. Dropping it frees the graph.
#[sabi_trait]
pub trait Context: Send {
    /// Vector-Jacobian product: gradients of the outputs, in their order, to gradients of the
    /// inputs, in theirs. `RNone` for an output stands for zeros; `RNone` for an input means that
    /// none flows there. A gradient has shape and element type of its tensor. Gradients of
    /// parameters accumulate in the owner. May be called once: a second call fails with kind
    /// `STATE`.
    fn backward(
        &mut self,
        gradients: RVec<ROption<Tensor>>,
    ) -> RResult<RVec<ROption<Tensor>>, PluginError>;

    /// Anything else, by name.
    #[sabi(last_prefix_field)]
    fn call(
        &mut self,
        name: RStr<'_>,
        json: RStr<'_>,
        tensors: RVec<NamedTensor>,
    ) -> RResult<CallOutput, PluginError> {
        let _ = (json, tensors);
        RResult::RErr(PluginError::unsupported(format!("this pass has no call `{name}`")))
    }
}

/// An owned graph.
pub type OwnedContext = Context_TO<'static, RBox<()>>;

/// One parameter tensor of a component.
#[repr(C)]
#[derive(StableAbi, Clone, Debug)]
pub struct Parameter {
    /// Path inside the component, such as `score.weight`; unique in it.
    pub path: RString,
    /// Sizes of its dimensions.
    pub shape: RVec<u64>,
    /// Element type that it is kept in.
    pub dtype: DType,
    /// Optimizer group, `default` unless the component says otherwise.
    pub group: RString,
    /// Whether the optimizer moves it; false for what is frozen, and for statistics.
    pub trainable: bool,
    /// Whether it is a running statistic: saved like a parameter, counted as none, and neither
    /// moved by an optimizer nor thawed.
    pub statistic: bool,
}

/// The learning rate of one parameter group in one step.
#[repr(C)]
#[derive(StableAbi, Clone, Debug)]
pub struct GroupRate {
    /// Group name; `default` is the rate of every group that is not listed.
    pub group: RString,
    /// Learning rate.
    pub rate: f64,
}

/// Result of an open call.
#[repr(C)]
#[derive(StableAbi)]
pub struct CallOutput {
    /// A JSON document.
    pub json: RString,
    /// Tensors, if any.
    pub tensors: RVec<NamedTensor>,
}

/// A model, a block or a loss: a differentiable function with parameters and state.
#[sabi_trait]
pub trait Differentiable: Send + Sync {
    /// The image number that the host gave in `init`: blocks of one image are called natively.
    fn image(&self) -> u64;

    /// The tensor contract of this instance, as JSON, with its dimensions bound.
    fn contract(&self) -> RResult<RString, PluginError>;

    /// Computes outputs, and a context when one is wanted.
    fn forward(&self, call: Call, inputs: RVec<NamedTensor>)
    -> RResult<ForwardOutput, PluginError>;

    /// The component's own parameters; those of the blocks in its slots belong to them.
    fn parameters(&self) -> RResult<RVec<Parameter>, PluginError>;

    /// Chooses the optimizer (JSON: `use` and its settings); resets its state.
    fn set_optimizer(&self, config: RStr<'_>) -> RResult<(), PluginError>;

    /// Freezes or thaws the parameters of `group`; an empty group means all.
    fn set_trainable(&self, group: RStr<'_>, trainable: bool) -> RResult<(), PluginError>;

    /// Sum of squares of the accumulated parameter gradients: phase one of clipping.
    fn grad_norm_sq(&self) -> RResult<f64, PluginError>;

    /// Scales the accumulated gradients by `scale`, takes one optimizer step and clears them:
    /// phase two of clipping.
    fn step(&self, scale: f64, rates: RVec<GroupRate>) -> RResult<(), PluginError>;

    /// Drops the accumulated gradients.
    fn zero_grad(&self) -> RResult<(), PluginError>;

    /// Writes state to `path`. Format `resume` holds parameters, running statistics and optimizer
    /// so that training goes on bit for bit; `safetensors` holds parameters and statistics by name.
    fn save(&self, path: RStr<'_>, format: RStr<'_>) -> RResult<(), PluginError>;

    /// Reads what [`Differentiable::save`] wrote.
    fn load(&self, path: RStr<'_>, format: RStr<'_>) -> RResult<(), PluginError>;

    /// Graphs that are alive in this instance, for leak tests.
    fn live_contexts(&self) -> u64;

    /// Anything else, by name: what keeps this revision alive.
    #[sabi(last_prefix_field)]
    fn call(
        &self,
        name: RStr<'_>,
        json: RStr<'_>,
        tensors: RVec<NamedTensor>,
    ) -> RResult<CallOutput, PluginError>;
}

/// A model, block or loss that may be handed on to another library.
pub type SharedDifferentiable = Differentiable_TO<'static, RArc<()>>;

/// A second handle to the same object.
pub fn share(object: &SharedDifferentiable) -> SharedDifferentiable {
    Differentiable_TO::from_sabi(object.obj.shallow_clone())
}

/// One item of a split.
#[repr(C)]
#[derive(StableAbi, Clone, Debug)]
pub struct Item {
    /// Stable name, such as an utterance id.
    pub id: RString,
    /// Length in the dataset's own unit (frames, tokens), for bucketing.
    pub size: u64,
}

/// A source of batches. Methods may be called from several host threads.
#[sabi_trait]
pub trait Dataset: Send + Sync {
    /// Decodes, extracts features and fills caches; reports progress to the host and gives up
    /// when the host says so. Cheap when everything is cached. Returns a JSON report.
    fn prepare(&self) -> RResult<RString, PluginError>;

    /// Identity of the data: equal exactly if the same configuration yields the same batches.
    /// Needs no `prepare`.
    fn fingerprint(&self) -> RResult<RString, PluginError>;

    /// Where the data comes from, one line each, for the manifest.
    fn sources(&self) -> RResult<RVec<RString>, PluginError>;

    /// The tensor contract of batches, as JSON.
    fn contract(&self) -> RResult<RString, PluginError>;

    /// Names of the splits.
    fn splits(&self) -> RResult<RVec<RString>, PluginError>;

    /// Items of a split, in a stable order.
    fn items(&self, split: RStr<'_>) -> RResult<RVec<Item>, PluginError>;

    /// The batch of the items at `indices`; all its randomness comes from `stream`.
    fn batch(
        &self,
        split: RStr<'_>,
        indices: RVec<u64>,
        stream: u64,
    ) -> RResult<RVec<NamedTensor>, PluginError>;

    /// Anything else, by name.
    #[sabi(last_prefix_field)]
    fn call(
        &self,
        name: RStr<'_>,
        json: RStr<'_>,
        tensors: RVec<NamedTensor>,
    ) -> RResult<CallOutput, PluginError>;
}

/// A dataset.
pub type SharedDataset = Dataset_TO<'static, RArc<()>>;

/// One value of a metric.
#[repr(C)]
#[derive(StableAbi, Clone, Debug)]
pub struct MetricValue {
    /// Name below the metric's own; empty for its main value.
    pub name: RString,
    /// The value.
    pub value: f64,
    /// Unit, such as `dB` or `ms`; may be empty.
    pub unit: RString,
    /// 1 higher is better, -1 lower is better, 0 neither.
    pub direction: i8,
}

/// A measure over all batches of a split.
#[sabi_trait]
pub trait Metric: Send {
    /// Takes one batch: the tensors wired to it, and the model's records if any.
    fn update(
        &mut self,
        inputs: RVec<NamedTensor>,
        records: RVec<RString>,
    ) -> RResult<(), PluginError>;

    /// Takes the state of another instance of the same metric.
    fn merge(&mut self, state: RVec<u8>) -> RResult<(), PluginError>;

    /// What [`Metric::merge`] of another instance needs.
    fn state(&self) -> RResult<RVec<u8>, PluginError>;

    /// The values so far, main value first.
    fn compute(&self) -> RResult<RVec<MetricValue>, PluginError>;

    /// Forgets everything.
    fn reset(&mut self) -> RResult<(), PluginError>;

    /// Anything else, by name.
    #[sabi(last_prefix_field)]
    fn call(
        &mut self,
        name: RStr<'_>,
        json: RStr<'_>,
        tensors: RVec<NamedTensor>,
    ) -> RResult<CallOutput, PluginError>;
}

/// A metric.
pub type OwnedMetric = Metric_TO<'static, RBox<()>>;

/// A block in a slot.
#[repr(C)]
#[derive(StableAbi)]
pub struct Slot {
    /// Name of the slot.
    pub name: RString,
    /// The block. Blocks of the consumer's own image are handed over unwrapped.
    pub block: SharedDifferentiable,
    /// Whether another slot holds the same instance; a shared one always crosses the border.
    pub shared: bool,
}

/// A named dimension with its size.
#[repr(C)]
#[derive(StableAbi, Clone, Debug)]
pub struct Dimension {
    /// Symbol of the contract, such as `D`.
    pub name: RString,
    /// Its size.
    pub size: u64,
}

/// A name with a value.
#[repr(C)]
#[derive(StableAbi, Clone, Debug)]
pub struct Property {
    /// Name.
    pub name: RString,
    /// Value.
    pub value: RString,
}

/// How to make a component.
#[repr(C)]
#[derive(StableAbi)]
pub struct Create {
    /// Kind of component.
    pub kind: Kind,
    /// Name as in the plugin's description.
    pub name: RString,
    /// Configuration as JSON, defaults filled in, slots left out.
    pub config: RString,
    /// Place in the trial, such as `model.pooling`: the stem of its random streams.
    pub path: RString,
    /// Seed of the trial.
    pub seed: u64,
    /// Device, such as `flex`.
    pub device: RString,
    /// Sizes of the contract's dimensions, as the host unified them.
    pub dimensions: RVec<Dimension>,
    /// Blocks for the slots, in the order of the configuration.
    pub slots: RVec<Slot>,
    /// Files by artifact name.
    pub artifacts: RVec<Property>,
    /// What later hosts may want to say; a name that the plugin does not know is ignored.
    pub properties: RVec<Property>,
}

/// A made component: exactly one field is present. A kind that this revision does not name is
/// served as a `Differentiable`, through its `call`.
#[repr(C)]
#[derive(StableAbi)]
pub struct Component {
    /// A model, block or loss.
    pub differentiable: ROption<SharedDifferentiable>,
    /// A dataset.
    pub dataset: ROption<SharedDataset>,
    /// A metric.
    pub metric: ROption<OwnedMetric>,
}
