//! Checks of datasets: splits, items, batches, fingerprint, cancelling.

use crate::array::Batch;
use crate::contract::Sizes;
use crate::resources;
use crate::shapes::incomplete;
use crate::subject::Subject;
use crate::verdict::{Answer, Stop, fail, skip, told};
use ablate_abi::v1::{ErrorKind, RVec, SharedDataset};
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// What counts as done at once: a cached `prepare` may finish although it was cancelled.
const AT_ONCE: Duration = Duration::from_secs(2);

pub(crate) fn create(subject: &Subject<'_>) -> Answer {
    let dataset = subject.dataset().map_err(|stop| incomplete(subject, stop))?;
    crate::contract::Contract::read(&dataset.contract().into_result()?)
        .map_err(|error| Stop::Failed(format!("the contract of an instance is broken: {error}")))?;
    let sources = dataset.sources().into_result()?;
    if sources.iter().any(|line| line.trim().is_empty() || line.contains('\n')) {
        return fail("a source is not one line of text");
    }
    Ok(format!("{} sources", sources.len()))
}

/// `prepare` stops when the host says so, and does its work when asked again.
pub(crate) fn cancelling(subject: &Subject<'_>) -> Answer {
    let Some(switch) = &subject.kit.cancelled else {
        return skip("not exercised: this host cannot be cancelled");
    };
    let dataset = subject.dataset()?;
    switch.store(true, Ordering::SeqCst);
    let start = Instant::now();
    let answer = dataset.prepare().into_result();
    let took = start.elapsed();
    switch.store(false, Ordering::SeqCst);
    let stopped = match answer {
        Err(error) if error.kind == ErrorKind::CANCELLED => true,
        Err(error) => {
            return fail(format!(
                "a cancelled `prepare` ends with another error: {}",
                told(&error)
            ));
        }
        Ok(_) if took > AT_ONCE => {
            return fail(format!("a cancelled `prepare` went on for {took:.1?}"));
        }
        Ok(_) => false,
    };
    prepared(&dataset).map_err(|stop| stop.at("after it was cancelled"))?;
    if !stopped {
        return skip(format!("not exercised: `prepare` is done in {took:.1?}"));
    }
    Ok(format!("stopped after {took:.1?}"))
}

fn prepared(dataset: &SharedDataset) -> Result<(), Stop> {
    let report = dataset.prepare().into_result()?;
    match serde_json::from_str::<serde_json::Value>(&report) {
        Ok(_) => Ok(()),
        Err(error) => fail(format!("the report of `prepare` is no JSON: {error}")),
    }
}

/// Splits have names and items with ids and sizes, the same in every instance.
pub(crate) fn splits(subject: &Subject<'_>) -> Answer {
    let (dataset, again) = (subject.dataset()?, subject.dataset()?);
    let before = dataset.fingerprint().into_result()?;
    prepared(&dataset)?;
    prepared(&again)?;
    let after = dataset.fingerprint().into_result()?;
    if before.is_empty() || before != after || before != again.fingerprint().into_result()? {
        return fail("the fingerprint is empty, or changes with `prepare` or the instance");
    }
    let splits = dataset.splits().into_result()?;
    if !splits.iter().any(|split| split == "train") {
        return fail("there is no split `train`");
    }
    let mut names = BTreeSet::new();
    let (mut count, mut texts) = (0, Vec::new());
    for split in &splits {
        if !names.insert(split.to_string()) {
            return fail(format!("there are two splits `{split}`"));
        }
        let items = dataset.items(split.as_str().into()).into_result()?;
        if items.is_empty() {
            return fail(format!("split `{split}` has no items"));
        }
        let mut ids = BTreeSet::new();
        for item in &items {
            if item.id.is_empty() || !ids.insert(item.id.as_str()) {
                return fail(format!("two items of `{split}` are called `{}`", item.id));
            }
            if item.size == 0 {
                return fail(format!("item `{}` of `{split}` has size 0", item.id));
            }
        }
        let other = again.items(split.as_str().into()).into_result()?;
        let same = items.iter().map(|i| (&i.id, i.size)).eq(other.iter().map(|i| (&i.id, i.size)));
        if !same {
            return fail(format!("two instances list `{split}` differently"));
        }
        count += items.len();
        texts.push(format!("`{split}` {}", items.len()));
    }
    if dataset.splits().into_result()?.as_slice() != again.splits().into_result()?.as_slice() {
        return fail("two instances have other splits");
    }
    Ok(format!("{count} items: {}", texts.join(", ")))
}

fn batch(
    dataset: &SharedDataset,
    split: &str,
    indices: &[u64],
    stream: u64,
) -> Result<Batch, Stop> {
    let indices: RVec<u64> = indices.iter().copied().collect();
    let tensors = dataset.batch(split.into(), indices, stream).into_result()?;
    Ok(Batch::from_border(&tensors)?)
}

/// Item counts that are asked for.
fn selections(items: u64) -> Vec<Vec<u64>> {
    let last = items - 1;
    let mut list = vec![vec![0], vec![last]];
    list.push((0..items.min(5)).collect());
    // Out of order, and one item twice.
    list.push(vec![last, 0, last / 2, 0]);
    list
}

/// Batches are what the contract says.
pub(crate) fn batches(subject: &Subject<'_>) -> Answer {
    let dataset = subject.dataset()?;
    prepared(&dataset)?;
    let contract = subject.contract()?;
    let mut count = 0;
    for split in dataset.splits().into_result()? {
        let items = dataset.items(split.as_str().into()).into_result()?;
        for indices in selections(items.len() as u64) {
            let place = format!("items {indices:?} of `{split}`");
            let found = batch(&dataset, &split, &indices, 5).map_err(|stop| stop.at(&place))?;
            let mut sizes = Sizes::default();
            // The first symbol of the contract is the number of items.
            if let Some(rows) =
                contract.outputs.iter().find_map(|port| port.shape.first()?.symbol())
            {
                sizes.symbols.insert(rows.to_owned(), indices.len());
            }
            for port in &contract.outputs {
                let Some(array) = found.get(&port.name) else {
                    if port.optional {
                        continue;
                    }
                    return fail(format!("{place}: `{}` is missing", port.name));
                };
                let name = &port.name;
                if !port.admits(array.dtype()) {
                    return fail(format!("{place}: `{name}` is {}, not `{port}`", array.dtype()));
                }
                port.fits(&array.shape, &mut sizes)
                    .map_err(|text| Stop::Failed(format!("{place}: `{name}` {text}")))?;
                if array.is_float() && !array.numbers().iter().all(|value| value.is_finite()) {
                    return fail(format!("{place}: `{name}` holds NaN or infinity"));
                }
            }
            count += 1;
        }
    }
    Ok(format!("{count} batches"))
}

/// The same stream gives the same bits: again, in another instance, and from several threads.
pub(crate) fn streams(subject: &Subject<'_>) -> Answer {
    let (dataset, again) = (subject.dataset()?, subject.dataset()?);
    prepared(&dataset)?;
    let mut differ = false;
    for split in dataset.splits().into_result()? {
        let items = dataset.items(split.as_str().into()).into_result()?.len() as u64;
        for indices in selections(items) {
            let wanted = batch(&dataset, &split, &indices, 17)?;
            let place = format!("items {indices:?} of `{split}`");
            for (what, found) in [
                ("again", batch(&dataset, &split, &indices, 17)?),
                ("in another instance", batch(&again, &split, &indices, 17)?),
            ] {
                if let Some(name) = wanted.difference(&found) {
                    return fail(format!("{place}: the same stream gives another `{name}` {what}"));
                }
            }
            differ |= wanted.difference(&batch(&dataset, &split, &indices, 18)?).is_some();
            let several: Vec<Result<Batch, Stop>> = std::thread::scope(|scope| {
                let ask = || batch(&dataset, &split, &indices, 17);
                let threads: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
                threads
                    .into_iter()
                    .map(|thread| thread.join().unwrap_or_else(|_| fail("a thread panicked")))
                    .collect()
            });
            for found in several {
                if let Some(name) = wanted.difference(&found?) {
                    return fail(format!("{place}: four threads at once give another `{name}`"));
                }
            }
        }
    }
    let note = if differ { "other streams give others" } else { "nothing is random" };
    Ok(format!("the same bits from one stream; {note}"))
}

/// Splits and items that are not there are errors.
pub(crate) fn misuse(subject: &Subject<'_>) -> Answer {
    let dataset = subject.dataset()?;
    prepared(&dataset)?;
    let refused = |what: &str, answer: Result<(), ablate_abi::v1::PluginError>| match answer {
        Ok(()) => fail(format!("{what} was given")),
        Err(error) if error.kind == ErrorKind::PANIC => fail(format!("{what}: {}", told(&error))),
        Err(_) => Ok(()),
    };
    let unknown = "no-such-split";
    refused(
        "items of a split that is not there",
        dataset.items(unknown.into()).into_result().map(drop),
    )?;
    let ask = |split: &str, indices: &[u64]| {
        let indices: RVec<u64> = indices.iter().copied().collect();
        dataset.batch(split.into(), indices, 0).into_result().map(drop)
    };
    refused("a batch of a split that is not there", ask(unknown, &[0]))?;
    let items = dataset.items("train".into()).into_result()?.len() as u64;
    refused("an item behind the last", ask("train", &[items]))?;
    refused("item 2⁶³", ask("train", &[1 << 63]))?;
    // No items may be an empty batch or an error.
    if let Err(error) = ask("train", &[])
        && error.kind == ErrorKind::PANIC
    {
        return fail(format!("no items: {}", told(&error)));
    }
    let call = dataset.call("no-such-call".into(), "{}".into(), RVec::new());
    refused("a call `no-such-call`", call.into_result().map(drop))?;
    batch(&dataset, "train", &[0], 0).map_err(|stop| stop.at("after wrong calls"))?;
    Ok("wrong splits, items and calls were refused".to_owned())
}

pub(crate) fn memory(subject: &Subject<'_>) -> Answer {
    let dataset = subject.dataset()?;
    prepared(&dataset)?;
    let items = dataset.items("train".into()).into_result()?.len() as u64;
    resources::memory(|index| {
        drop(subject.dataset()?);
        let first = index as u64 % items;
        batch(&dataset, "train", &[first, 0], index as u64).map(drop)
    })
}

pub(crate) fn threads(subject: &Subject<'_>) -> Answer {
    let dataset = subject.dataset()?;
    prepared(&dataset)?;
    let items = dataset.items("train".into()).into_result()?.len() as u64;
    let mut stream = 0;
    resources::threads(subject.kit.threads, || {
        stream += 1;
        let indices: Vec<u64> = (0..16).map(|at| (at + stream) % items).collect();
        batch(&dataset, "train", &indices, stream).map(drop)
    })
}
