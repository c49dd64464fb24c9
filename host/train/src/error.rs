//! What can go wrong between a spec and a finished trial, and what to try instead.

use std::fmt;
use std::path::PathBuf;

use ablate_abi::v1::{ErrorKind, PluginError};

/// A failure of whoever stores measurements and checkpoints.
pub type StorageError = Box<dyn std::error::Error + Send + Sync>;

/// A component of a trial: its place and its name, shown as `` `model.pooling` (`mean`) ``.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComponentId {
    /// Its place, such as `model.pooling`.
    pub path: String,
    /// Its name in its plugin, such as `mean`.
    pub name: String,
}

impl ComponentId {
    /// For errors, which are to stay small.
    pub(crate) fn boxed(&self) -> Box<Self> {
        Box::new(self.clone())
    }
}

impl fmt::Display for ComponentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` (`{}`)", self.path, self.name)
    }
}

/// Two ports that are connected and cannot be the same tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The two sides, such as `` `model` (`rqvae`) and the block in its slot `pooling` (`mean`) ``.
    pub between: String,
    /// Who gives the tensor.
    pub giver: String,
    /// What is given, with the size of the dimension that does not fit.
    pub given: String,
    /// Who takes the tensor.
    pub taker: String,
    /// What is expected, with the size of the dimension that does not fit.
    pub expected: String,
    /// How to wire the input to something else, if it can be wired.
    pub rewire: Option<String>,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { between, giver, given, taker, expected, rewire: _ } = self;
        write!(f, "contract mismatch between {between}: {giver} gives {given}, ")?;
        write!(f, "{taker} expects {expected}")
    }
}

/// The tensors that somebody gives, for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Who gives them.
    pub giver: String,
    /// The tensors, as `name: type[dimension, …]`.
    pub ports: Vec<String>,
}

impl fmt::Display for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} gives {}", self.giver, quoted(&self.ports))
    }
}

/// Everything that can stop a trial.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A component describes its tensors in a way that is not understood.
    #[error("the contract of {component} cannot be read: {problem}")]
    Contract { component: Box<ComponentId>, problem: String },
    /// Connected ports that do not fit.
    #[error("{0}")]
    Mismatch(Box<Mismatch>),
    /// An input that must be there and that nobody gives.
    #[error("{component} needs the input `{port}`, which is not given: {}", offers(given))]
    MissingInput {
        component: Box<ComponentId>,
        input: String,
        port: String,
        given: Vec<Offer>,
        /// Whether the spec can say what the input is.
        wirable: bool,
    },
    /// A required input that is bound to a tensor which is not always there.
    #[error("{component} needs the input `{input}`, which {giver} gives only sometimes (`{port}`)")]
    SometimesMissing { component: Box<ComponentId>, input: String, giver: String, port: String },
    /// A block that does not give what its slot asks for.
    #[error(
        "{owner} needs `{output}` from the block in its slot `{slot}`, but {block} gives {}",
        quoted(given)
    )]
    MissingOutput {
        owner: Box<ComponentId>,
        slot: String,
        block: Box<ComponentId>,
        output: String,
        given: Vec<String>,
    },
    /// `inputs` of a loss or metric names an input that it does not have.
    #[error("{component} has no input `{input}`")]
    UnknownInput {
        component: Box<ComponentId>,
        input: String,
        known: Vec<String>,
        near: Option<String>,
    },
    /// `inputs` of a loss or metric names a tensor that nobody gives.
    #[error(
        "input `{input}` of {component} is wired to `{source_name}`, which is not given: {}",
        offers(given)
    )]
    UnknownSource {
        component: Box<ComponentId>,
        input: String,
        source_name: String,
        given: Vec<Offer>,
        near: Option<String>,
    },
    /// No loss takes a float output of the model.
    #[error("no loss with a weight takes a float output of {model}: nothing would be trained")]
    NothingTrained { model: Box<ComponentId>, outputs: Vec<String> },
    /// Shared blocks that hold each other.
    #[error("blocks hold each other in a circle: {}", chain.join(" → "))]
    Cycle { chain: Vec<String> },
    /// A slot refers to a shared block that the spec does not have.
    #[error("`{slot}` refers to `blocks.{name}`, which there is not")]
    UnknownReference { slot: String, name: String },
    /// A slot of the dataset that refers to a shared block.
    #[error("`{slot}` refers to `blocks.{name}`, but a dataset shares no block")]
    SharedWithData { slot: String, name: String },
    /// A component reported a failure.
    #[error("{component} failed to {action}")]
    Component { component: Box<ComponentId>, action: String, source: Box<PluginError> },
    /// A tensor that a component gave breaks its contract or is not finite.
    #[error("{problem}")]
    Tensor { problem: Box<PluginError> },
    /// A loss that is NaN or infinite although its inputs are finite.
    #[error("{loss} is {value} {when} although its inputs are finite: {}", quoted(inputs))]
    LossNotFinite { loss: Box<ComponentId>, value: f64, when: String, inputs: Vec<String> },
    /// Parameter gradients that hold NaN or infinity.
    #[error("the gradient of {} in {component} is not finite in step {step}", parameters(names))]
    GradientNotFinite { component: Box<ComponentId>, names: Vec<String>, step: u64 },
    /// A metric that is NaN or infinite.
    #[error("{metric}: `{name}` is {value} on split `{split}`")]
    MetricNotFinite { metric: Box<ComponentId>, name: String, value: f64, split: String },
    /// The data has no split that is needed, or it is empty.
    #[error("{dataset} has no {what}: its splits are {}", quoted(splits))]
    NoSplit { dataset: Box<ComponentId>, what: String, splits: Vec<String> },
    /// An artifact that is to be made by a metric which publishes no file.
    #[error("{component} publishes nothing: its contract names no file")]
    PublishesNothing { component: Box<ComponentId> },
    /// A metric that published something else than the file that it was to write.
    #[error("{component} did not publish `{}`: {problem}", path.display())]
    NotPublished { component: Box<ComponentId>, path: PathBuf, problem: String },
    /// An artifact of a split that the data does not have.
    #[error("{artifact} is of the split `{split}`, which {dataset} does not have")]
    UnknownSplit {
        artifact: Box<ComponentId>,
        dataset: Box<ComponentId>,
        split: String,
        known: Vec<String>,
    },
    /// The objective does not say which way is better, or there is none.
    #[error("{problem}")]
    Objective { problem: String },
    /// `train.optimizer.groups` names a group that no component has.
    #[error("no component has the parameter group `{group}`")]
    UnknownGroup { group: String, known: Vec<String> },
    /// A checkpoint that is not one of this trial.
    #[error("checkpoint `{}`: {problem}", folder.display())]
    Checkpoint { folder: PathBuf, problem: String },
    /// A file could not be read or written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// Measurements or checkpoints could not be stored.
    #[error("failed to {action}")]
    Storage { action: String, source: StorageError },
}

impl Error {
    /// A failure of the place where measurements or checkpoints go; `action` as in "failed to …".
    pub fn storage(action: impl Into<String>, source: impl Into<StorageError>) -> Self {
        Self::Storage { action: action.into(), source: source.into() }
    }

    pub(crate) fn component(
        component: &ComponentId,
        action: impl Into<String>,
        source: PluginError,
    ) -> Self {
        let source = Box::new(source.readable());
        Self::Component { component: component.boxed(), action: action.into(), source }
    }

    /// One word for what kind of failure it is, for records of failed trials.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Component { source: error, .. } | Self::Tensor { problem: error } => {
                match error.kind {
                    ErrorKind::PANIC => "panic",
                    ErrorKind::CONFIG => "config",
                    ErrorKind::DATA => "data",
                    ErrorKind::CONTRACT => "contract",
                    ErrorKind::NOT_FINITE => "not-finite",
                    ErrorKind::CANCELLED => "cancelled",
                    ErrorKind::UNSUPPORTED => "unsupported",
                    ErrorKind::STATE => "state",
                    _ => "other",
                }
            }
            Self::LossNotFinite { .. }
            | Self::GradientNotFinite { .. }
            | Self::MetricNotFinite { .. } => "not-finite",
            Self::NoSplit { .. } => "data",
            Self::NotPublished { .. } => "other",
            Self::Checkpoint { .. } | Self::Io(_) | Self::Storage { .. } => "storage",
            Self::Objective { .. }
            | Self::UnknownGroup { .. }
            | Self::UnknownSplit { .. }
            | Self::PublishesNothing { .. }
            | Self::SharedWithData { .. } => "config",
            _ => "contract",
        }
    }

    /// What to try instead; each is a sentence of its own, without a final period.
    #[must_use]
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::Component { source: error, .. } | Self::Tensor { problem: error }
                if error.hints().next().is_some() =>
            {
                error.hints().map(ToOwned::to_owned).collect()
            }
            Self::Mismatch(mismatch) => mismatch.rewire.iter().cloned().collect(),
            Self::MissingInput { component, input, wirable: true, .. } => {
                vec![wire_hint(component, input)]
            }
            Self::UnknownInput { known, near, .. } => {
                near_and_known(near.as_deref(), "its inputs are", known)
            }
            Self::UnknownSource { near, .. } => near_and_known(near.as_deref(), "", &[]),
            Self::NothingTrained { outputs, .. } => {
                vec![format!("the model gives {}", quoted(outputs))]
            }
            Self::UnknownSplit { split, known, .. } => {
                let near = ablate_config::nearest(split, known.iter().map(String::as_str));
                near_and_known(near.as_deref(), "its splits are", known)
            }
            Self::PublishesNothing { .. } => vec![
                "a metric publishes if its contract says the file's name under `publishes`"
                    .to_owned(),
            ],
            Self::UnknownGroup { known, .. } => vec![format!("there is {}", quoted(known))],
            Self::LossNotFinite { .. } | Self::GradientNotFinite { .. } => not_finite_hints(),
            Self::Tensor { problem } if problem.kind == ErrorKind::NOT_FINITE => not_finite_hints(),
            Self::Component { source, .. } if source.kind == ErrorKind::NOT_FINITE => {
                not_finite_hints()
            }
            Self::SharedWithData { name, .. } => vec![
                "what prepares data must not change while a model is trained".to_owned(),
                format!("write what `[blocks.{name}]` says into the slot itself"),
            ],
            _ => Vec::new(),
        }
    }
}

pub(crate) fn wire_hint(component: &ComponentId, input: &str) -> String {
    format!("wire it to another tensor with `{}.inputs.{input} = \"NAME\"`", component.path)
}

fn not_finite_hints() -> Vec<String> {
    vec!["try a lower `train.optimizer.learning_rate` or set `train.clip_norm`".to_owned()]
}

fn near_and_known(near: Option<&str>, what: &str, known: &[String]) -> Vec<String> {
    let mut hints: Vec<String> =
        near.iter().map(|near| format!("did you mean `{near}`?")).collect();
    if !known.is_empty() {
        hints.push(format!("{what} {}", quoted(known)));
    }
    hints
}

/// Names in backticks, or `nothing`.
pub(crate) fn quoted<T: AsRef<str>>(names: &[T]) -> String {
    if names.is_empty() {
        return "nothing".to_owned();
    }
    let names: Vec<String> = names.iter().map(|name| format!("`{}`", name.as_ref())).collect();
    names.join(", ")
}

fn parameters(names: &[String]) -> String {
    if names.is_empty() { "a parameter".to_owned() } else { quoted(names) }
}

fn offers(offers: &[Offer]) -> String {
    let offers: Vec<String> = offers.iter().map(ToString::to_string).collect();
    offers.join("; ")
}
