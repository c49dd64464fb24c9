//! A block of another library that gives whatever it was told to give, and what surrounds it.

use std::sync::{Arc, Mutex};

use ablate_abi::v1::{
    Call, CallOutput, Component, Context, Context_TO, Create, Dataset, Dataset_TO, Differentiable,
    Differentiable_TO, ForwardOutput, GroupRate, Item, Kind, NamedTensor, Parameter, PluginError,
    RArc, RErr, RNone, ROk, ROption, RResult, RSome, RStr, RString, RVec, SharedDifferentiable,
    TD_Opaque, Tensor, share,
};
use ablate_config::Spec;
use ablate_train::{Describe, Factory};
use serde_json::{Value, json};

/// What the block gives next.
#[derive(Default)]
pub(crate) struct Script {
    pub(crate) outputs: Vec<NamedTensor>,
    pub(crate) keeps_graph: bool,
    pub(crate) gradients: Vec<ROption<Tensor>>,
}

/// A block that follows its script.
pub(crate) struct Scripted(pub(crate) Arc<Mutex<Script>>);

struct ScriptedContext(Arc<Mutex<Script>>);

impl Context for ScriptedContext {
    fn backward(
        &mut self,
        _: RVec<ROption<Tensor>>,
    ) -> RResult<RVec<ROption<Tensor>>, PluginError> {
        ROk(std::mem::take(&mut self.0.lock().expect("one thread").gradients).into())
    }
}

fn none<T>() -> RResult<T, PluginError> {
    RErr(PluginError::unsupported("not needed"))
}

impl Differentiable for Scripted {
    fn image(&self) -> u64 {
        2
    }

    fn contract(&self) -> RResult<RString, PluginError> {
        none()
    }

    fn forward(&self, _: Call, _: RVec<NamedTensor>) -> RResult<ForwardOutput, PluginError> {
        let mut script = self.0.lock().expect("one thread");
        let context = if script.keeps_graph {
            RSome(Context_TO::from_value(ScriptedContext(self.0.clone()), TD_Opaque))
        } else {
            RNone
        };
        let outputs = std::mem::take(&mut script.outputs).into();
        ROk(ForwardOutput { outputs, records: RVec::new(), averaged_over: 0, context })
    }

    fn parameters(&self) -> RResult<RVec<Parameter>, PluginError> {
        none()
    }

    fn set_optimizer(&self, _: RStr<'_>) -> RResult<(), PluginError> {
        none()
    }

    fn set_trainable(&self, _: RStr<'_>, _: bool) -> RResult<(), PluginError> {
        none()
    }

    fn grad_norm_sq(&self) -> RResult<f64, PluginError> {
        none()
    }

    fn step(&self, _: f64, _: RVec<GroupRate>) -> RResult<(), PluginError> {
        none()
    }

    fn zero_grad(&self) -> RResult<(), PluginError> {
        none()
    }

    fn save(&self, _: RStr<'_>, _: RStr<'_>) -> RResult<(), PluginError> {
        none()
    }

    fn load(&self, _: RStr<'_>, _: RStr<'_>) -> RResult<(), PluginError> {
        none()
    }

    fn live_contexts(&self) -> u64 {
        0
    }

    fn call(
        &self,
        _: RStr<'_>,
        _: RStr<'_>,
        _: RVec<NamedTensor>,
    ) -> RResult<CallOutput, PluginError> {
        none()
    }
}

struct NoData;

impl Dataset for NoData {
    fn prepare(&self) -> RResult<RString, PluginError> {
        none()
    }

    fn fingerprint(&self) -> RResult<RString, PluginError> {
        none()
    }

    fn sources(&self) -> RResult<RVec<RString>, PluginError> {
        none()
    }

    fn contract(&self) -> RResult<RString, PluginError> {
        none()
    }

    fn splits(&self) -> RResult<RVec<RString>, PluginError> {
        none()
    }

    fn items(&self, _: RStr<'_>) -> RResult<RVec<Item>, PluginError> {
        none()
    }

    fn batch(&self, _: RStr<'_>, _: RVec<u64>, _: u64) -> RResult<RVec<NamedTensor>, PluginError> {
        none()
    }

    fn call(
        &self,
        _: RStr<'_>,
        _: RStr<'_>,
        _: RVec<NamedTensor>,
    ) -> RResult<CallOutput, PluginError> {
        none()
    }
}

/// A trial's components, of which only the block does anything.
pub(crate) struct Surroundings {
    /// Contracts by kind: `dataset`, `model`, `block`, `loss`.
    pub(crate) contracts: Value,
    pub(crate) script: Arc<Mutex<Script>>,
    /// What the model finds in its slot.
    pub(crate) slot: Option<SharedDifferentiable>,
}

impl Surroundings {
    pub(crate) fn new(contracts: Value) -> Self {
        Self { contracts, script: Arc::default(), slot: None }
    }
}

/// A dataset, a model with or without a block, and a loss.
pub(crate) fn spec(with_block: bool) -> Spec {
    let component = |name: &str| json!({ "use": name, "config": {}, "slots": {} });
    let mut json = json!({
        "question": "", "device": "flex", "threads": null, "blocks": {},
        "dataset": component("dataset"), "model": component("model"),
        "losses": [{ "name": "fit", "component": component("loss"), "inputs": {}, "weight": 1.0 }],
        "metrics": [],
        "train": {
            "batch_size": 1, "total_epochs": 1, "total_steps": null,
            "eval_every_epochs": 1, "eval_every_steps": null,
            "checkpoint_every_epochs": 1, "checkpoint_every_steps": null,
            "optimizer": {
                "use": "sgd", "momentum": 0.0, "nesterov": false, "weight_decay": 0.0,
                "learning_rate": 0.1, "groups": {},
            },
            "schedule": { "use": "constant" }, "clip_norm": null, "accumulate_steps": 1,
            "early_stopping": null, "bucketing": false, "prefetch_batches": 1,
            "prefetch_workers": 1,
        },
        "report": { "split": null, "checkpoint": "last" },
    });
    if with_block {
        json["model"]["slots"]["inner"] = json!({ "one": component("block") });
    }
    serde_json::from_value(json).expect("a valid spec")
}

impl Describe for Surroundings {
    fn contract(
        &mut self,
        kind: Kind,
        _: &str,
        _: Option<&str>,
        _: &Value,
    ) -> Result<Value, PluginError> {
        Ok(self.contracts[kind.name()].clone())
    }

    fn slot_role(&mut self, _: Kind, _: &str, _: Option<&str>, _: &str) -> Option<String> {
        Some("inner".to_owned())
    }
}

impl Factory for Surroundings {
    fn create(&mut self, _: Option<&str>, request: Create) -> Result<Component, PluginError> {
        let mut made = Component { differentiable: RNone, dataset: RNone, metric: RNone };
        if request.kind == Kind::DATASET {
            made.dataset = RSome(Dataset_TO::from_ptr(RArc::new(NoData), TD_Opaque));
            return Ok(made);
        }
        if let Some(slot) = request.slots.first() {
            self.slot = Some(share(&slot.block));
        }
        let scripted = RArc::new(Scripted(self.script.clone()));
        made.differentiable = RSome(Differentiable_TO::from_ptr(scripted, TD_Opaque));
        Ok(made)
    }

    fn image(&mut self, kind: Kind, _: &str, _: Option<&str>) -> u64 {
        if kind == Kind::BLOCK { 2 } else { 1 }
    }
}
