//! The made components of a trial, ready for the loop.

use std::sync::Arc;

use ablate_abi::v1::{OwnedMetric, SharedDataset, SharedDifferentiable};

use crate::bind::Bound;
use crate::checked::Checked;
use crate::entered::entered;
use crate::error::{ComponentId, Error};
use crate::guard::Guard;
use crate::wiring::Wire;

/// The made components of a trial.
pub struct Parts {
    pub(crate) dataset: Arc<DatasetPart>,
    pub(crate) model: Checked,
    pub(crate) losses: Vec<LossPart>,
    pub(crate) metrics: Vec<MetricPart>,
    pub(crate) artifacts: Vec<ArtifactPart>,
    /// Every model, block and loss once: what has parameters and state.
    pub(crate) instances: Vec<Instance>,
    pub(crate) bound: Bound,
}

pub(crate) struct DatasetPart {
    pub(crate) guard: Guard,
    pub(crate) handle: SharedDataset,
}

pub(crate) struct LossPart {
    /// The name after `loss.`.
    pub(crate) name: String,
    pub(crate) weight: f64,
    pub(crate) component: Checked,
    pub(crate) wires: Vec<Wire>,
}

pub(crate) struct MetricPart {
    pub(crate) id: ComponentId,
    /// The name after `metric.` or `artifact.`.
    pub(crate) name: String,
    pub(crate) objective: bool,
    pub(crate) handle: OwnedMetric,
    pub(crate) wires: Vec<Wire>,
}

pub(crate) struct ArtifactPart {
    /// What is measured while it is made.
    pub(crate) metric: MetricPart,
    /// The name of its file.
    pub(crate) file: String,
    /// `None`: all.
    pub(crate) splits: Option<Vec<String>>,
}

pub(crate) struct Instance {
    pub(crate) id: ComponentId,
    pub(crate) handle: SharedDifferentiable,
}

/// How many parameters a component has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterCount {
    /// Its place, such as `model.pooling`.
    pub path: String,
    /// Its name in its plugin.
    pub name: String,
    /// Numbers in parameters that the optimizer may move; those of blocks in its slots are theirs.
    pub trainable: u64,
}

impl Parts {
    /// The dataset. Its `prepare` has to be called before [`crate::run`].
    #[must_use]
    pub fn dataset(&self) -> &SharedDataset {
        &self.dataset.handle
    }

    /// The contracts and sizes that the components were made with.
    #[must_use]
    pub fn bound(&self) -> &Bound {
        &self.bound
    }

    /// Drops all components, each where [`crate::watch_components`] tells of it: what a library does
    /// then may end the process.
    pub fn dismantle(self) {
        let Self { dataset, model, losses, metrics, artifacts, mut instances, bound: _ } = self;
        // Those that are used by others are kept alive by `instances`.
        drop((model, losses));
        for metric in metrics.into_iter().chain(artifacts.into_iter().map(|one| one.metric)) {
            let _inside = entered(&metric.id);
            drop(metric.handle);
        }
        // What fills a slot was made before its owner, which holds it.
        while let Some(Instance { id, handle }) = instances.pop() {
            let _inside = entered(&id);
            drop(handle);
        }
        let _inside = entered(&dataset.guard.id.clone());
        drop(dataset);
    }

    /// Graphs that are alive in all components: 0 between steps.
    #[must_use]
    pub fn live_contexts(&self) -> u64 {
        self.instances.iter().map(|instance| instance.handle.live_contexts()).sum()
    }
}

/// Trainable parameters of every model, block and loss, in the order in which they were made.
///
/// # Errors
/// If a component cannot say.
pub fn parameters(parts: &Parts) -> Result<Vec<ParameterCount>, Error> {
    parts
        .instances
        .iter()
        .map(|Instance { id, handle }| {
            let list = handle.parameters().into_result();
            let list = list.map_err(|error| Error::component(id, "list its parameters", error))?;
            let trainable = list.iter().filter(|parameter| parameter.trainable);
            Ok(ParameterCount {
                path: id.path.clone(),
                name: id.name.clone(),
                trainable: trainable.map(|parameter| parameter.shape.iter().product::<u64>()).sum(),
            })
        })
        .collect()
}
