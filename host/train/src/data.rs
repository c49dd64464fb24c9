//! Batches of a split, made ahead and checked where they are made.

use std::sync::Arc;

use ablate_abi::v1::{NamedTensor, RStr};

use crate::batches::{eval_batches, train_batches};
use crate::entered::entered;
use crate::error::Error;
use crate::guard::{Look, Sizes, When};
use crate::parts::{DatasetPart, Parts};
use crate::prefetch::Prefetch;
use crate::stream::derive;
use crate::tensors::text;

/// A split with its items.
pub(crate) struct Split {
    pub(crate) name: String,
    pub(crate) ids: Vec<String>,
    pub(crate) sizes: Vec<u64>,
}

/// One batch on its way to the model.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) tensors: Vec<NamedTensor>,
    pub(crate) items: u64,
}

/// The names of the splits of a dataset, which need not be prepared.
pub(crate) fn split_names(dataset: &DatasetPart) -> Result<Vec<String>, Error> {
    let names = dataset.handle.splits().into_result();
    let names =
        names.map_err(|error| Error::component(&dataset.guard.id, "list its splits", error))?;
    Ok(names.iter().map(text).collect())
}

/// Which items to put into a batch, and the seed of its randomness.
struct Job {
    indices: Vec<u64>,
    stream: u64,
}

/// How batches are made ahead.
#[derive(Clone, Copy)]
pub(crate) struct Ahead {
    pub(crate) workers: usize,
    pub(crate) batches: usize,
}

pub(crate) type Batches = Prefetch<Result<Batch, Error>>;

/// The splits of the dataset, in its order. Each has items, and one is `train`.
pub(crate) fn splits(dataset: &DatasetPart) -> Result<Vec<Arc<Split>>, Error> {
    let (id, handle) = (&dataset.guard.id, &dataset.handle);
    let shown = split_names(dataset)?;
    let absent = |what: String| Error::NoSplit { dataset: id.boxed(), what, splits: shown.clone() };
    if !shown.iter().any(|name| name == "train") {
        return Err(absent("split `train`".to_owned()));
    }
    let split = |name: &String| {
        let items = handle.items(RStr::from(name.as_str())).into_result();
        let items = items.map_err(|error| {
            Error::component(id, format!("list the items of split `{name}`"), error)
        })?;
        if items.is_empty() {
            return Err(absent(format!("items in split `{name}`")));
        }
        let ids = items.iter().map(|item| text(&item.id)).collect();
        let sizes = items.iter().map(|item| item.size).collect();
        Ok(Arc::new(Split { name: name.clone(), ids, sizes }))
    };
    shown.iter().map(split).collect()
}

/// The batches of training from batch `first` of pass `epoch` on, `count` of them.
pub(crate) fn training(
    parts: &Parts,
    split: &Arc<Split>,
    train: &ablate_config::TrainSpec,
    seed: u64,
    (epoch, first, count): (u64, u64, u64),
) -> Result<Batches, Error> {
    let ahead = Ahead { workers: train.prefetch_workers, batches: train.prefetch_batches };
    let (batch_size, bucketing) = (train.batch_size, train.bucketing);
    let items = split.clone();
    let jobs = (epoch..).flat_map(move |pass| {
        let plan = train_batches(&items.sizes, batch_size, bucketing, seed, pass);
        let skipped = if pass == epoch { first } else { 0 };
        plan.into_iter().enumerate().skip(skipped as usize).map(move |(index, indices)| {
            let stream = derive(seed, &["batch", "train", &pass.to_string(), &index.to_string()]);
            Job { indices, stream }
        })
    });
    start(parts, split, jobs.take(count as usize), ahead)
}

/// The batches of an evaluation, with their number.
pub(crate) fn evaluation(
    parts: &Parts,
    split: &Arc<Split>,
    batch_size: usize,
    seed: u64,
    ahead: Ahead,
) -> Result<(Batches, u64), Error> {
    let plan = eval_batches(&split.sizes, batch_size);
    let count = plan.len() as u64;
    let name = split.name.clone();
    let jobs = plan.into_iter().enumerate().map(move |(index, indices)| {
        let stream = derive(seed, &["batch", "eval", &name, &index.to_string()]);
        Job { indices, stream }
    });
    Ok((start(parts, split, jobs, ahead)?, count))
}

/// The batches of a split in the order of its items, with their number.
pub(crate) fn in_order(
    parts: &Parts,
    split: &Arc<Split>,
    batch_size: usize,
    seed: u64,
    ahead: Ahead,
) -> Result<(Batches, u64), Error> {
    let items = split.sizes.len();
    let batch_size = batch_size.max(1);
    let name = split.name.clone();
    let jobs = (0..items).step_by(batch_size).enumerate().map(move |(index, first)| {
        let last = items.min(first + batch_size);
        let stream = derive(seed, &["batch", "artifact", &name, &index.to_string()]);
        Job { indices: (first as u64..last as u64).collect(), stream }
    });
    Ok((start(parts, split, jobs, ahead)?, items.div_ceil(batch_size) as u64))
}

fn start(
    parts: &Parts,
    split: &Arc<Split>,
    jobs: impl Iterator<Item = Job> + Send + 'static,
    ahead: Ahead,
) -> Result<Batches, Error> {
    let (dataset, split) = (parts.dataset.clone(), split.clone());
    let make = move |job| make(&dataset, &split, job);
    Ok(Prefetch::new(jobs, make, ahead.workers, ahead.batches)?)
}

fn make(dataset: &DatasetPart, split: &Split, job: Job) -> Result<Batch, Error> {
    let Job { indices, stream } = job;
    let ids: Vec<&str> = indices.iter().map(|index| split.ids[*index as usize].as_str()).collect();
    let items = indices.len() as u64;
    let name = RStr::from(split.name.as_str());
    let guard = &dataset.guard;
    let tensors = {
        let _inside = entered(&guard.id);
        dataset.handle.batch(name, indices.into(), stream).into_result()
    };
    let tensors = tensors.map_err(|error| {
        Error::component(&guard.id, format!("make a batch of split `{}`", split.name), error)
    })?;
    let look = Look { direction: "output", complete: true, finite: true };
    let when = When::Batch { split: &split.name, items: &ids };
    guard
        .check(&guard.contract.outputs, &tensors, &mut Sizes::default(), look, when)
        .map_err(|problem| Error::Tensor { problem: Box::new(problem) })?;
    Ok(Batch { tensors: tensors.into_iter().collect(), items })
}
