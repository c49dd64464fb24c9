//! The resolved spec: what one variant means after defaults and overrides. Written to `spec.json`
//! and given to the trainer, so names and shapes here are read by other programs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// Everything that one trial needs to know, but for its seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The question that the experiment asks; empty if it asks none.
    pub question: String,
    /// The device: `flex`, `libtorch:cpu`, `libtorch:cuda:0` …
    pub device: String,
    /// Threads of each plugin's pool; `None` leaves the number to the host.
    pub threads: Option<usize>,
    /// The data.
    pub dataset: ComponentSpec,
    /// What is trained.
    pub model: ComponentSpec,
    /// Blocks that several slots share, by the name after `blocks.`.
    pub blocks: BTreeMap<String, ComponentSpec>,
    /// The terms of the training objective, in file order; at least one.
    pub losses: Vec<LossSpec>,
    /// What is measured, in file order.
    pub metrics: Vec<MetricSpec>,
    /// What is published after training, in file order. Older specs have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub artifacts: Vec<ArtifactSpec>,
    /// How it is trained.
    pub train: TrainSpec,
    /// Which measurement stands in a table.
    pub report: ReportSpec,
}

/// A component with its config and what its slots hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComponentSpec {
    /// The component's name in its plugin.
    #[serde(rename = "use")]
    pub name: String,
    /// Its own keys, defaults filled in: a JSON object.
    pub config: Json,
    /// What its slots hold. A slot that is optional and empty is not listed.
    pub slots: BTreeMap<String, SlotSpec>,
}

/// What a slot holds: `{"one": …}`, `{"many": […]}` or `{"ref": "name"}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SlotSpec {
    /// An instance of its own.
    One(ComponentSpec),
    /// Several, in order; each is `One` or `Ref`.
    Many(Vec<SlotSpec>),
    /// A shared instance: a name in [`Spec::blocks`], without `blocks.`.
    Ref(String),
}

/// A term of the training objective.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LossSpec {
    /// The name after `loss.`, under which it is measured.
    pub name: String,
    /// The loss.
    pub component: ComponentSpec,
    /// Input of the loss → name of a model output or batch tensor. What is not listed binds by equal name.
    pub inputs: BTreeMap<String, String>,
    /// Its factor in the sum.
    pub weight: f64,
}

/// A metric over a split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricSpec {
    /// The name after `metric.`.
    pub name: String,
    /// The metric.
    pub component: ComponentSpec,
    /// Input of the metric → name of a model output or batch tensor. What is not listed binds by equal name.
    pub inputs: BTreeMap<String, String>,
    /// Whether this metric decides what is best; at most one does.
    pub objective: bool,
}

/// A file that a trained model leaves: a metric that publishes, over whole splits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArtifactSpec {
    /// The name after `artifact.`.
    pub name: String,
    /// The metric that publishes.
    pub component: ComponentSpec,
    /// Input of the metric → name of a model output or batch tensor. What is not listed binds by equal name.
    pub inputs: BTreeMap<String, String>,
    /// The splits whose items it is of; `None` is all of the dataset's. Their order is the dataset's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub splits: Option<Vec<String>>,
}

/// How a model is trained. Of each pair in epochs and in steps exactly one is set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainSpec {
    /// Items per step, at least 1.
    pub batch_size: usize,
    /// Passes over the train split.
    pub total_epochs: Option<u64>,
    /// Optimizer updates.
    pub total_steps: Option<u64>,
    /// Evaluate after this many epochs.
    pub eval_every_epochs: Option<u64>,
    /// Evaluate after this many steps.
    pub eval_every_steps: Option<u64>,
    /// Write a checkpoint after this many epochs. The last and the best are kept.
    pub checkpoint_every_epochs: Option<u64>,
    /// Write a checkpoint after this many steps. The last and the best are kept.
    pub checkpoint_every_steps: Option<u64>,
    /// The optimizer.
    pub optimizer: OptimizerSpec,
    /// The learning rate over time.
    pub schedule: ScheduleSpec,
    /// Gradients are scaled down to this global norm.
    pub clip_norm: Option<f64>,
    /// Batches whose gradients make one step, at least 1.
    pub accumulate_steps: usize,
    /// When to stop before the end.
    pub early_stopping: Option<EarlyStoppingSpec>,
    /// Whether items of similar length share a batch.
    pub bucketing: bool,
    /// Batches made ahead of the step that needs them, at least 1.
    pub prefetch_batches: usize,
    /// Threads that make batches, at least 1. Results do not depend on it.
    pub prefetch_workers: usize,
}

/// An optimizer with PyTorch's defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OptimizerSpec {
    /// The rule, under the key `use`, and its own settings.
    #[serde(flatten)]
    pub algorithm: Algorithm,
    /// The peak learning rate, above 0.
    pub learning_rate: f64,
    /// Settings per parameter group; a group that is not listed has the defaults.
    pub groups: BTreeMap<String, GroupSpec>,
}

/// The update rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "use", rename_all = "kebab-case")]
pub enum Algorithm {
    /// Adam with decoupled weight decay.
    Adamw {
        /// Decay of the first and second moment, each in [0, 1).
        betas: [f64; 2],
        /// Added to the denominator, above 0.
        epsilon: f64,
        /// Decoupled decay, at least 0.
        weight_decay: f64,
    },
    /// Adam; weight decay is added to the gradient.
    Adam {
        /// Decay of the first and second moment, each in [0, 1).
        betas: [f64; 2],
        /// Added to the denominator, above 0.
        epsilon: f64,
        /// L2 penalty, at least 0.
        weight_decay: f64,
    },
    /// Stochastic gradient descent.
    Sgd {
        /// In [0, 1).
        momentum: f64,
        /// Whether the momentum looks ahead.
        nesterov: bool,
        /// L2 penalty, at least 0.
        weight_decay: f64,
    },
}

/// Settings of one parameter group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupSpec {
    /// Factor on the learning rate, at least 0.
    pub learning_rate_scale: f64,
    /// Whether the group is left as it is.
    pub frozen: bool,
    /// Its own schedule; `None` is that of all groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<ScheduleSpec>,
}

/// The learning rate over time, as a factor on the optimizer's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "use", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ScheduleSpec {
    /// Always 1.
    Constant {},
    /// From 0 to 1 over the warm-up, then 1.
    LinearWarmup {
        /// Steps of the warm-up, at least 1.
        warmup_steps: u64,
    },
    /// Warm-up, then half a cosine from 1 to `final_ratio` at the last step.
    Cosine {
        /// Steps of the warm-up; 0 for none.
        warmup_steps: u64,
        /// The factor at the end, in [0, 1].
        final_ratio: f64,
    },
    /// Warm-up, then `gamma` to the power of the whole number of `step_every_steps` done.
    Step {
        /// Steps of the warm-up; 0 for none.
        warmup_steps: u64,
        /// Steps between two falls, at least 1.
        step_every_steps: u64,
        /// The factor of one fall, in (0, 1].
        gamma: f64,
    },
}

/// Stops when the objective on `valid` no longer improves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlyStoppingSpec {
    /// Evaluations without improvement that are waited for, at least 1.
    pub patience_evals: u64,
    /// How much better counts as improvement, at least 0.
    pub min_delta: f64,
}

/// Which measurement stands in a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportSpec {
    /// The split: `train`, `valid` or `test`. `None` is `test` where there is one, else `valid`.
    pub split: Option<String>,
    /// The checkpoint that is measured.
    pub checkpoint: ReportCheckpoint,
}

/// The checkpoint that a table reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportCheckpoint {
    /// The end of training.
    #[default]
    Last,
    /// The best objective on `valid`.
    Best,
}
