//! A factory of the fakes, a recorder, checkpoints in a folder, and specs.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ablate_abi::v1::{
    Component, Create, Dataset_TO, Differentiable_TO, Kind, Metric_TO, PluginError, RArc, RNone,
    RSome, TD_Opaque,
};
use ablate_config::Spec;
use ablate_train::{
    Bound, CheckpointKind, Checkpoints, Describe, Error, Factory, Finished, Measurement, Outcome,
    Parts, Phase, Progress, Recorder, StorageError, assemble, bind, run,
};
use serde_json::{Value, json};

use crate::artifacts::List;
use crate::components::{self, Fake, FakeState, Linear, MeanSquared, Scale};
use crate::dataset::Table;

/// Makes the fakes. Names that end in `-elsewhere` are in another image than the model.
#[derive(Default)]
pub(crate) struct Fakes {
    pub(crate) models: Vec<Arc<FakeState<Linear>>>,
    pub(crate) blocks: Vec<(String, Arc<FakeState<Scale>>)>,
    /// Slot, image of the block, and whether it is shared, as handed over.
    pub(crate) slots: Vec<(String, bool)>,
    pub(crate) requests: Vec<Requested>,
}

/// What a component was made with.
pub(crate) struct Requested {
    pub(crate) path: String,
    pub(crate) seed: u64,
    pub(crate) properties: Vec<(String, String)>,
}

impl Requested {
    fn new(request: &Create) -> Self {
        let properties = request.properties.iter();
        let properties = properties.map(|one| (one.name.to_string(), one.value.to_string()));
        let (path, seed) = (request.path.to_string(), request.seed);
        Self { path, seed, properties: properties.collect() }
    }
}

fn ports(text: &[&str]) -> Value {
    let port = |text: &&str| {
        let (name, rest) = text.split_once(": ").unwrap();
        let (dtype, dims) = rest.trim_end_matches(']').split_once('[').unwrap();
        let dim = |dim: &str| dim.parse::<u64>().map_or_else(|_| json!(dim), |size| json!(size));
        let shape: Vec<Value> = dims.split(", ").filter(|dim| !dim.is_empty()).map(dim).collect();
        let optional = name.ends_with('?');
        json!({ "name": name.trim_end_matches('?'), "dtype": dtype, "shape": shape, "optional": optional })
    };
    text.iter().map(port).collect()
}

fn contract(inputs: &[&str], outputs: &[&str]) -> Value {
    json!({ "inputs": ports(inputs), "outputs": ports(outputs), "slots": {} })
}

impl Describe for Fakes {
    fn contract(
        &mut self,
        _: Kind,
        name: &str,
        role: Option<&str>,
        config: &Value,
    ) -> Result<Value, PluginError> {
        let list = |key: &str| {
            let texts = config[key].as_array().cloned().unwrap_or_default();
            texts.iter().map(|text| text.as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let width = config["width"].as_u64().unwrap_or(3);
        let outputs = config["outputs"].as_u64().unwrap_or(1);
        Ok(match name {
            "table" => {
                contract(&[], &[&format!("x: f32[B, {width}]"), &format!("y: f32[B, {outputs}]")])
            }
            "linear" => {
                let mut json = contract(&["x: f32[B, D]"], &["prediction: f32[B, O]"]);
                let slot = contract(&["x: f32[B, D]"], &["x: f32[B, D]"]);
                for slots in ["refiner", "left", "right"] {
                    json["slots"][slots] = slot.clone();
                }
                json
            }
            "scale" | "scale-elsewhere" => {
                assert_eq!(role, Some("refiner"));
                contract(&["x: f32[N, C]"], &["x: f32[N, C]"])
            }
            "mse" => contract(&["prediction: f32[B, O]", "target: f32[B, O]"], &["loss: f32[1]"]),
            "error" => contract(&["prediction: f32[B, O]", "target: f32[B, O]"], &[]),
            "list" => {
                let mut json = contract(&["prediction: f32[B, O]", "target: f32[B, O]"], &[]);
                json["publishes"] = config.get("file").cloned().unwrap_or(json!("list.txt"));
                json
            }
            // Says what its config says.
            "free" => {
                let texts =
                    |key| list(key).iter().map(String::as_str).collect::<Vec<_>>().join(";");
                let (inputs, outputs) = (texts("inputs"), texts("outputs"));
                let split = |text: &str| {
                    ports(&text.split(';').filter(|port| !port.is_empty()).collect::<Vec<_>>())
                };
                let slots = config.get("slots").cloned().unwrap_or(json!({}));
                json!({ "inputs": split(&inputs), "outputs": split(&outputs), "slots": slots })
            }
            other => return Err(PluginError::config(format!("no component `{other}`"))),
        })
    }

    fn slot_role(&mut self, _: Kind, _: &str, _: Option<&str>, _: &str) -> Option<String> {
        Some("refiner".to_owned())
    }
}

impl Factory for Fakes {
    fn create(&mut self, _: Option<&str>, request: Create) -> Result<Component, PluginError> {
        let config: Value = serde_json::from_str(&request.config).unwrap();
        self.requests.push(Requested::new(&request));
        let step = |key: &str| config[key].as_u64();
        let mut made = Component { differentiable: RNone, dataset: RNone, metric: RNone };
        let name = request.name.as_str();
        let dim = |name: &str| {
            let found = request.dimensions.iter().find(|dimension| dimension.name == name);
            found.map(|dimension| dimension.size as usize)
        };
        match name {
            "table" => {
                let count = |split: &str, default| match &config[split] {
                    Value::Null => Some(default),
                    Value::Bool(false) => None,
                    count => Some(count.as_u64().unwrap() as usize),
                };
                let sizes = [("train", 30), ("valid", 8), ("test", 9)];
                let splits = sizes.iter().filter_map(|(split, default)| {
                    Some(((*split).to_owned(), count(split, *default)?))
                });
                let table = Table {
                    splits: splits.collect(),
                    width: config["width"].as_u64().unwrap_or(3) as usize,
                    outputs: config["outputs"].as_u64().unwrap_or(1) as usize,
                    damaged: step("damaged"),
                    cancels: step("cancels"),
                };
                made.dataset = RSome(Dataset_TO::from_ptr(RArc::new(table), TD_Opaque));
            }
            "linear" => {
                let (width, outputs) = (dim("D").unwrap(), dim("O").unwrap());
                self.slots.extend(request.slots.iter().map(|s| (s.name.to_string(), s.shared)));
                let slots = request.slots.into_iter();
                let slots = slots.map(|slot| (slot.name.to_string(), slot.block)).collect();
                let noise = config["noise"].as_bool().unwrap_or(false);
                let retry = config["retry"].as_bool().unwrap_or(false);
                let function = Linear { slots, noise, retry, outputs };
                let fake = Fake::new(1, function, vec![0.0; width * outputs]);
                self.models.push(fake.state.clone());
                made.differentiable =
                    RSome(Differentiable_TO::from_ptr(RArc::new(fake), TD_Opaque));
            }
            "scale" | "scale-elsewhere" => {
                let image = if name == "scale" { 1 } else { 2 };
                let function = Scale {
                    nan_step: step("nan_step"),
                    panic_step: step("panic_step"),
                    wide_step: step("wide_step"),
                    nan_gradient: config["nan_gradient"].as_bool().unwrap_or(false),
                };
                let mut fake = Fake::new(image, function, vec![1.0]);
                fake.group = "scales";
                self.blocks.push((request.path.to_string(), fake.state.clone()));
                made.differentiable =
                    RSome(Differentiable_TO::from_ptr(RArc::new(fake), TD_Opaque));
            }
            "mse" => {
                let function = MeanSquared {
                    reports: config["reports"].as_bool().unwrap_or(true),
                    nan_step: step("nan_step"),
                    infinite_step: step("infinite_step"),
                    fail_step: step("fail_step"),
                };
                let fake = Fake::new(3, function, vec![0.0]);
                made.differentiable =
                    RSome(Differentiable_TO::from_ptr(RArc::new(fake), TD_Opaque));
            }
            "error" => {
                let script = config["script"].as_array().cloned().unwrap_or_default();
                let script = script.iter().map(|v| v.as_f64().unwrap_or(f64::NAN)).collect();
                let direction = config["direction"].as_i64().unwrap_or(-1) as i8;
                let metric = components::Error { script, direction, ..Default::default() };
                made.metric = RSome(Metric_TO::from_value(metric, TD_Opaque));
            }
            "list" => made.metric = RSome(Metric_TO::from_value(List::new(&config), TD_Opaque)),
            _ => {}
        }
        Ok(made)
    }

    fn image(&mut self, _: Kind, name: &str, _: Option<&str>) -> u64 {
        if name.ends_with("-elsewhere") { 2 } else { 1 }
    }
}

/// A component of a spec.
pub(crate) fn component(name: &str, config: Value) -> Value {
    json!({ "use": name, "config": config, "slots": {} })
}

/// The table, a linear model, a loss and a metric, changed by `change`.
pub(crate) fn spec(change: impl FnOnce(&mut Value)) -> Spec {
    let mut json = json!({
        "question": "", "device": "flex", "threads": null, "blocks": {},
        "dataset": component("table", json!({})),
        "model": component("linear", json!({})),
        "losses": [{
            "name": "fit", "component": component("mse", json!({})),
            "inputs": { "target": "y" }, "weight": 1.0,
        }],
        "metrics": [{
            "name": "mae", "component": component("error", json!({})),
            "inputs": { "target": "y" }, "objective": true,
        }],
        "train": {
            "batch_size": 4, "total_epochs": 3, "total_steps": null,
            "eval_every_epochs": 1, "eval_every_steps": null,
            "checkpoint_every_epochs": 1, "checkpoint_every_steps": null,
            "optimizer": {
                "use": "sgd", "momentum": 0.0, "nesterov": false, "weight_decay": 0.0,
                "learning_rate": 0.1, "groups": {},
            },
            "schedule": { "use": "constant" }, "clip_norm": null, "accumulate_steps": 1,
            "early_stopping": null, "bucketing": true, "prefetch_batches": 2, "prefetch_workers": 1,
        },
        "report": { "split": null, "checkpoint": "last" },
    });
    change(&mut json);
    serde_json::from_value(json).unwrap()
}

/// Keeps measurements in memory and stops or not after a step.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) measurements: Vec<Measurement>,
    pub(crate) starts: Vec<u64>,
    pub(crate) checkpoints: Vec<(CheckpointKind, u64)>,
    pub(crate) stop_after: Option<u64>,
    pub(crate) stop: Arc<AtomicBool>,
    /// Split, batches done and batches in all, while artifacts are made.
    pub(crate) published: Vec<(String, u64, u64)>,
    /// Stops after so many batches of artifacts.
    pub(crate) stop_publishing_after: Option<usize>,
    /// Where artifacts go.
    pub(crate) artifacts: Option<tempfile::TempDir>,
}

impl Memory {
    /// Values of a metric on a split.
    pub(crate) fn values(&self, metric: &str, split: &str) -> Vec<(u64, f64)> {
        let matching = |m: &&Measurement| m.metric == metric && m.split == split;
        self.measurements.iter().filter(matching).map(|m| (m.step, m.value)).collect()
    }
}

impl Recorder for Memory {
    fn starts_after(&mut self, step: u64) -> Result<(), StorageError> {
        self.starts.push(step);
        self.measurements.retain(|measurement| measurement.step <= step);
        Ok(())
    }

    fn measurement(&mut self, measurement: &Measurement) -> Result<(), StorageError> {
        self.measurements.push(measurement.clone());
        Ok(())
    }

    fn progress(&mut self, progress: &Progress<'_>) {
        assert!(progress.step <= progress.steps && progress.epoch <= progress.epochs);
        if self.stop_after == Some(progress.step) {
            self.stop.store(true, Ordering::SeqCst);
        }
        if let Phase::Publish { split, batch, batches } = progress.phase {
            self.published.push((split.to_owned(), batch, batches));
            if self.stop_publishing_after == Some(self.published.len()) {
                self.stop.store(true, Ordering::SeqCst);
            }
        }
    }

    fn artifact(&mut self, name: &str, file: &str) -> Result<PathBuf, StorageError> {
        let root = self.artifacts.get_or_insert_with(|| tempfile::tempdir().unwrap());
        let folder = root.path().join(name);
        fs_err::create_dir(&folder)?;
        Ok(folder.join(file))
    }

    fn checkpointed(&mut self, kind: CheckpointKind, step: u64) {
        self.checkpoints.push((kind, step));
    }
}

/// Checkpoints in a temporary folder.
pub(crate) struct Folder(pub(crate) tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
}

impl Checkpoints for Folder {
    fn save(
        &mut self,
        kind: CheckpointKind,
        fill: &mut dyn FnMut(&Path) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let (new, folder) = (self.0.path().join("new"), self.0.path().join(kind.name()));
        fs_err::create_dir(&new)?;
        fill(&new)?;
        if folder.exists() {
            fs_err::remove_dir_all(&folder)?;
        }
        Ok(fs_err::rename(new, folder)?)
    }

    fn load(&mut self, kind: CheckpointKind) -> Result<Option<PathBuf>, Error> {
        let folder = self.0.path().join(kind.name());
        Ok(folder.exists().then_some(folder))
    }
}

/// What is left of a run.
pub(crate) struct Ran {
    pub(crate) outcome: Result<Outcome, Error>,
    pub(crate) memory: Memory,
    pub(crate) fakes: Fakes,
    pub(crate) parts: Parts,
}

impl Ran {
    pub(crate) fn finished(&self) -> &Finished {
        match &self.outcome {
            Ok(Outcome::Finished(finished)) => finished,
            other => panic!("not finished: {other:?}"),
        }
    }

    pub(crate) fn error(&self) -> String {
        chain(self.outcome.as_ref().unwrap_err())
    }

    /// The weights of the model.
    pub(crate) fn weights(&self) -> Vec<f32> {
        self.fakes.models[0].weights.lock().unwrap().values.clone()
    }
}

/// The whole text of an error, as a command line shows it.
pub(crate) fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

pub(crate) fn bound(spec: &Spec) -> Result<Bound, Error> {
    bind(spec, &mut Fakes::default())
}

/// Runs a spec from what `folder` holds, adding to what `memory` holds.
pub(crate) fn go_on(spec: &Spec, mut memory: Memory, folder: &mut Folder) -> Ran {
    let mut fakes = Fakes::default();
    let bound = bind(spec, &mut fakes).unwrap();
    let mut parts = assemble(spec, bound, 5, &mut fakes).unwrap();
    let stop = memory.stop.clone();
    let outcome = run(&mut parts, spec, 5, &mut memory, folder, &stop);
    assert!(outcome.is_err() || parts.live_contexts() == 0);
    Ran { outcome, memory, fakes, parts }
}

/// Runs a spec from the start.
pub(crate) fn fresh(spec: &Spec) -> Ran {
    go_on(spec, Memory::default(), &mut Folder::new())
}
