//! Artifacts: what components write that saw every item of whole splits after training.

use std::sync::Arc;

use ablate_abi::v1::{Call, RString, RVec};
use ablate_config::TrainSpec;
use serde_json::json;

use crate::data::{Ahead, Split, in_order, split_names};
use crate::entered::entered;
use crate::error::Error;
use crate::evaluate::{At, Evaluation, Forward, compute, forward, take};
use crate::outcome::Published;
use crate::parts::{ArtifactPart, MetricPart, Parts};
use crate::record::Recorder;
use crate::stream::derive;
use crate::tensors::gather;

/// The split that values are measured on which artifacts gave.
const ALL: &str = "all";

/// Checks that the data has the splits that artifacts are to be of; the data need not be prepared.
///
/// # Errors
/// The first split that it does not have.
pub fn check_splits(parts: &Parts) -> Result<(), Error> {
    let mut asked = parts.artifacts.iter().filter_map(|one| Some((one, one.splits.as_ref()?)));
    if asked.clone().next().is_none() {
        return Ok(());
    }
    let known = split_names(&parts.dataset)?;
    let missing = asked.find_map(|(artifact, splits)| {
        let missing = splits.iter().find(|split| !known.contains(split))?;
        Some((artifact, missing.clone()))
    });
    let Some((artifact, split)) = missing else { return Ok(()) };
    Err(Error::UnknownSplit {
        artifact: artifact.metric.id.boxed(),
        dataset: parts.dataset.guard.id.boxed(),
        split,
        known,
    })
}

/// Shows all artifacts the items of their splits, each item once and in order, and asks for what they measured.
/// `advanced` is told the split, batches done and batches in all, and says whether to go on; `None` is given when it
/// said no.
pub(crate) fn make(
    parts: &mut Parts,
    splits: &[Arc<Split>],
    train: &TrainSpec,
    at: At,
    advanced: &mut dyn FnMut(&str, u64, u64) -> bool,
) -> Result<Option<Evaluation>, Error> {
    for ArtifactPart { metric, .. } in &mut parts.artifacts {
        let reset = metric.handle.reset().into_result();
        reset.map_err(|error| Error::component(&metric.id, "start over", error))?;
    }
    for split in splits {
        let is_wanted = parts.artifacts.iter().any(|artifact| artifact.is_of(split));
        if is_wanted && !pass(parts, split, train, at, advanced)? {
            return Ok(None);
        }
    }
    let mut result = Evaluation { measurements: Vec::new(), objective: None, not_finite: None };
    for artifact in &parts.artifacts {
        compute(&artifact.metric, ALL, at, &mut result)?;
    }
    Ok(Some(result))
}

impl ArtifactPart {
    fn is_of(&self, split: &Split) -> bool {
        self.splits.as_ref().is_none_or(|splits| splits.contains(&split.name))
    }
}

/// One split; `false` when asked to stop.
fn pass(
    parts: &mut Parts,
    split: &Arc<Split>,
    train: &TrainSpec,
    at: At,
    advanced: &mut dyn FnMut(&str, u64, u64) -> bool,
) -> Result<bool, Error> {
    let ahead = Ahead { workers: train.prefetch_workers, batches: train.prefetch_batches };
    let (batches, count) = in_order(parts, split, train.batch_size, at.seed, ahead)?;
    let mut first = 0;
    for (index, batch) in batches.enumerate() {
        let index = index as u64;
        let batch = batch?;
        let ids = &split.ids[first..first + batch.items as usize];
        first += ids.len();
        let seed = derive(at.seed, &["artifact", &split.name, &index.to_string()]);
        let (method, options) = ("eval".into(), RString::new());
        let call = Call { method, step: at.step, epoch: at.epoch, seed, flags: 0, options };
        let concerned = parts.artifacts.iter().filter(|one| one.is_of(split));
        let wires = concerned.flat_map(|artifact| &artifact.metric.wires);
        let computed = forward(parts, batch, &call, &split.name, wires)?;
        let Forward { mut outputs, mut batch, records } = computed;
        for artifact in parts.artifacts.iter_mut().filter(|one| one.is_of(split)) {
            let metric = &mut artifact.metric;
            let arguments = json!({ "split": split.name, "ids": ids });
            let action = || format!("take the ids of a batch of split `{}`", split.name);
            ask(metric, "items", &arguments, action)?;
            let (inputs, _) = gather(&metric.wires, &mut outputs, &mut batch, false);
            take(metric, inputs, records.clone(), &split.name)?;
        }
        if !advanced(&split.name, index + 1, count) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Lets every artifact be written.
pub(crate) fn write(
    parts: &mut Parts,
    recorder: &mut dyn Recorder,
) -> Result<Vec<Published>, Error> {
    parts.artifacts.iter_mut().map(|artifact| write_one(artifact, recorder)).collect()
}

fn write_one(
    ArtifactPart { metric, file, .. }: &mut ArtifactPart,
    recorder: &mut dyn Recorder,
) -> Result<Published, Error> {
    let path = recorder.artifact(&metric.name, file).map_err(|source| {
        let action = format!("make a place for the artifact `{}`", metric.name);
        Error::Storage { action, source }
    })?;
    let component = metric.id.boxed();
    let failed = |problem: &str| {
        let (path, problem) = (path.clone(), problem.to_owned());
        Err(Error::NotPublished { component: component.clone(), path, problem })
    };
    let Some(text) = path.to_str() else { return failed("the path is not UTF-8") };
    ask(metric, "publish", &json!({ "path": text }), || format!("publish `{file}`"))?;
    match fs_err::symlink_metadata(&path) {
        Ok(found) if found.is_file() => {}
        Ok(_) => return failed("what is there is no ordinary file"),
        Err(_) => return failed("there is no such file"),
    }
    Ok(Published { name: metric.name.clone(), component: metric.id.name.clone(), path })
}

/// Makes one of the calls that a metric has which publishes.
fn ask(
    metric: &mut MetricPart,
    name: &str,
    arguments: &serde_json::Value,
    action: impl Fn() -> String,
) -> Result<(), Error> {
    let answer = {
        let _inside = entered(&metric.id);
        metric.handle.call(name.into(), arguments.to_string().as_str().into(), RVec::new())
    };
    let answer = answer.into_result();
    answer.map(|_| ()).map_err(|error| Error::component(&metric.id, action(), error))
}
