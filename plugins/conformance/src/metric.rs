//! Checks of metrics: values, states that merge, nothing measured.

use crate::array::Batch;
use crate::misuse::{Wrong, wrong_batches};
use crate::resources;
use crate::sample::Stream;
use crate::shapes::incomplete;
use crate::subject::{Extent, Subject};
use crate::verdict::{Answer, Stop, fail, told};
use ablate_abi::v1::{ErrorKind, MetricValue, OwnedMetric, PluginError, RVec};
use std::collections::BTreeSet;

/// Sums in 64 bits, in another order.
const TOLERANCE: f64 = 1e-9;

pub(crate) fn create(subject: &Subject<'_>) -> Answer {
    drop(subject.metric().map_err(|stop| incomplete(subject, stop))?);
    let inputs = subject.contract()?.inputs.len();
    Ok(format!("{inputs} inputs"))
}

fn update(metric: &mut OwnedMetric, batch: &Batch) -> Result<(), PluginError> {
    metric.update(batch.to_border(false), RVec::new()).into_result()
}

/// Batches that the metric takes.
fn taken(subject: &Subject<'_>, stream: &mut Stream, count: usize) -> Result<Vec<Batch>, Stop> {
    let mut metric = subject.metric()?;
    subject.settle(|batch| {
        metric.reset().into_result()?;
        update(&mut metric, batch)?;
        metric.compute().into_result().map(drop)
    })?;
    let extents = [Extent::Small, Extent::Random, Extent::Long];
    (0..count).map(|index| subject.batch(extents[index % 3], stream)).collect()
}

fn measure(subject: &Subject<'_>, batches: &[Batch]) -> Result<Vec<MetricValue>, Stop> {
    let mut metric = subject.metric()?;
    for batch in batches {
        update(&mut metric, batch)?;
    }
    Ok(metric.compute().into_result()?.into_iter().collect())
}

/// Values have names, directions and numbers; the same again after a reset.
pub(crate) fn values(subject: &Subject<'_>) -> Answer {
    let mut stream = subject.stream("values");
    let batches = taken(subject, &mut stream, 3)?;
    let mut metric = subject.metric()?;
    for batch in &batches {
        update(&mut metric, batch)?;
    }
    let first = metric.compute().into_result()?;
    if first.is_empty() {
        return fail("it computes no value");
    }
    let mut names = BTreeSet::new();
    for value in &first {
        let name = &value.name;
        if !names.insert(name.to_string()) {
            return fail(format!("two values are called `{name}`"));
        }
        if !(-1..=1).contains(&value.direction) {
            return fail(format!("value `{name}` has the direction {}", value.direction));
        }
        if value.value.is_nan() {
            return fail(format!("value `{name}` is not a number"));
        }
    }
    same("computing again", &first, &metric.compute().into_result()?)?;
    metric.reset().into_result()?;
    update(&mut metric, &batches[0])?;
    let alone = measure(subject, &batches[..1])?;
    same("after a reset", &alone, &metric.compute().into_result()?)?;
    Ok(format!("{} values", first.len()))
}

fn same(what: &str, one: &[MetricValue], other: &[MetricValue]) -> Result<(), Stop> {
    let names = |list: &[MetricValue]| -> Vec<String> {
        list.iter().map(|value| value.name.to_string()).collect()
    };
    if names(one) != names(other) {
        return fail(format!("{what}: values {:?} became {:?}", names(one), names(other)));
    }
    for (a, b) in one.iter().zip(other) {
        let scale = a.value.abs().max(b.value.abs()).max(1.0);
        // That NaN is no value is for another check.
        let equal = a.value.to_bits() == b.value.to_bits()
            || a.value == b.value
            || (a.value - b.value).abs() <= TOLERANCE * scale;
        if !equal {
            return fail(format!("{what}: `{}` was {}, is {}", a.name, a.value, b.value));
        }
    }
    Ok(())
}

/// However batches are spread over instances, the merged values are the same.
pub(crate) fn parts(subject: &Subject<'_>) -> Answer {
    let mut stream = subject.stream("parts");
    let batches = taken(subject, &mut stream, 5)?;
    let whole = measure(subject, &batches)?;
    for cut in 0..=batches.len() {
        let (mut one, mut other) = (subject.metric()?, subject.metric()?);
        for batch in &batches[..cut] {
            update(&mut one, batch)?;
        }
        for batch in &batches[cut..] {
            update(&mut other, batch)?;
        }
        let before = other.compute().into_result().ok();
        one.merge(other.state().into_result()?).into_result()?;
        let what = format!("{cut} batches merged with {}", batches.len() - cut);
        same(&what, &whole, &one.compute().into_result()?)?;
        // Giving a state away changes nothing.
        if let Some(before) = before {
            same("after giving its state", &before, &other.compute().into_result()?)?;
        }
    }
    let mut restored = subject.metric()?;
    let mut saved = subject.metric()?;
    for batch in &batches {
        update(&mut saved, batch)?;
    }
    restored.merge(saved.state().into_result()?).into_result()?;
    let (a, b) = (saved.state().into_result()?, restored.state().into_result()?);
    let again = if a == b { "the same bytes" } else { "other bytes" };
    Ok(format!("{} ways to part {} batches; {again}", batches.len() + 1, batches.len()))
}

/// Nothing measured is an error or a number.
pub(crate) fn empty(subject: &Subject<'_>) -> Answer {
    let metric = subject.metric()?;
    match metric.compute().into_result() {
        Ok(values) => match values.iter().find(|value| value.value.is_nan()) {
            Some(value) => fail(format!("with nothing measured `{}` is not a number", value.name)),
            None => Ok("numbers".to_owned()),
        },
        Err(error) if error.kind == ErrorKind::PANIC => {
            fail(format!("with nothing measured: {}", told(&error)))
        }
        Err(error) => Ok(told(&error)),
    }
}

/// Wrong inputs and states are errors that change nothing.
pub(crate) fn misuse(subject: &Subject<'_>) -> Answer {
    let mut stream = subject.stream("misuse");
    let batches = taken(subject, &mut stream, 1)?;
    let wanted = measure(subject, &batches)?;
    let wrong = wrong_batches(&subject.contract()?.inputs, &batches[0]);
    for Wrong { what, batch, optional } in &wrong {
        let mut metric = subject.metric()?;
        update(&mut metric, &batches[0])?;
        match update(&mut metric, batch) {
            // What is never read may be anything.
            Ok(()) if *optional => {
                let right = [batches[0].clone(), batches[0].clone()];
                let right = measure(subject, &right)?;
                same(&format!("{what} was taken"), &right, &metric.compute().into_result()?)?;
                continue;
            }
            Ok(()) => return fail(format!("{what} was taken")),
            Err(error) if error.kind == ErrorKind::PANIC => {
                return fail(format!("{what}: {}", told(&error)));
            }
            Err(_) => {}
        }
        same(&format!("after {what}"), &wanted, &metric.compute().into_result()?)?;
    }
    let mut metric = subject.metric()?;
    update(&mut metric, &batches[0])?;
    let garbage: RVec<u8> = b"\xff\x00 this is no state".iter().copied().collect();
    match metric.merge(garbage).into_result() {
        Ok(()) => return fail("bytes that are no state were merged"),
        Err(error) if error.kind == ErrorKind::PANIC => {
            return fail(format!("bytes that are no state: {}", told(&error)));
        }
        Err(_) => {}
    }
    same("after bytes that are no state", &wanted, &metric.compute().into_result()?)?;
    Ok(format!("{} wrong updates were refused", wrong.len()))
}

pub(crate) fn memory(subject: &Subject<'_>) -> Answer {
    let mut stream = subject.stream("memory");
    let batches = taken(subject, &mut stream, 1)?;
    resources::memory(|_| measure(subject, &batches).map(drop))
}

pub(crate) fn threads(subject: &Subject<'_>) -> Answer {
    let mut stream = subject.stream("threads");
    let batches = taken(subject, &mut stream, 3)?;
    resources::threads(subject.kit.threads, || measure(subject, &batches).map(drop))
}
