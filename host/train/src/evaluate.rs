//! Losses and metrics over all batches of a split, without gradients.

use std::sync::Arc;

use ablate_abi::v1::{Call, NamedTensor, PluginError, RString, RVec};
use ablate_config::TrainSpec;

use crate::data::{Ahead, Batch, Split, evaluation};
use crate::entered::entered;
use crate::error::Error;
use crate::parts::{MetricPart, Parts};
use crate::record::Measurement;
use crate::step::evaluate_loss;
use crate::stream::derive;
use crate::tally::Tally;
use crate::tensors::{Pool, gather, text};
use crate::wiring::Wire;

/// What one evaluation measured.
pub(crate) struct Evaluation {
    pub(crate) measurements: Vec<Measurement>,
    /// The objective's value and which way is better.
    pub(crate) objective: Option<(f64, Option<bool>)>,
    /// The first value that is not finite; it is among the measurements.
    pub(crate) not_finite: Option<Error>,
}

/// At which state of training a split is evaluated.
#[derive(Clone, Copy)]
pub(crate) struct At {
    pub(crate) seed: u64,
    pub(crate) step: u64,
    pub(crate) epoch: u64,
}

/// Evaluates `split`. `advanced` is told batches done and batches in all, and says whether to go on; `None` is given
/// when it said no.
///
/// The seeds of the batches do not depend on the step, so that two states are measured on the same numbers.
pub(crate) fn evaluate(
    parts: &mut Parts,
    split: &Arc<Split>,
    train: &TrainSpec,
    at: At,
    advanced: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<Option<Evaluation>, Error> {
    for metric in &mut parts.metrics {
        let reset = metric.handle.reset().into_result();
        reset.map_err(|error| Error::component(&metric.id, "start over", error))?;
    }
    let ahead = Ahead { workers: train.prefetch_workers, batches: train.prefetch_batches };
    let (batches, count) = evaluation(parts, split, train.batch_size, at.seed, ahead)?;
    let mut tallies = vec![Tally::default(); parts.losses.len()];
    for (index, batch) in batches.enumerate() {
        let index = index as u64;
        let seed = derive(at.seed, &["eval", &split.name, &index.to_string()]);
        let method = "eval".into();
        let options = RString::new();
        let call = Call { method, step: at.step, epoch: at.epoch, seed, flags: 0, options };
        evaluate_batch(parts, batch?, &call, &split.name, &mut tallies)?;
        if !advanced(index + 1, count) {
            return Ok(None);
        }
    }
    let mut result = Evaluation { measurements: Vec::new(), objective: None, not_finite: None };
    let values: Vec<f64> = tallies.iter().map(Tally::mean).collect();
    result.measurements = loss_measurements(parts, &values, &split.name, at);
    for metric in &parts.metrics {
        compute(metric, &split.name, at, &mut result)?;
    }
    Ok(Some(result))
}

fn evaluate_batch(
    parts: &mut Parts,
    batch: Batch,
    call: &Call,
    split: &str,
    tallies: &mut [Tally],
) -> Result<(), Error> {
    let items = batch.items;
    let losses = parts.losses.iter().flat_map(|loss| &loss.wires);
    let metrics = parts.metrics.iter().flat_map(|metric| &metric.wires);
    let wires = losses.chain(metrics);
    let Forward { mut outputs, mut batch, records } = forward(parts, batch, call, split, wires)?;
    for (loss, tally) in parts.losses.iter().zip(tallies) {
        let (inputs, _) = gather(&loss.wires, &mut outputs, &mut batch, false);
        let when = || format!("on split `{split}` after step {}", call.step);
        let (value, computed) = evaluate_loss(loss, call.clone(), inputs, when)?;
        tally.add(value, computed.averaged_over, items);
    }
    for metric in &mut parts.metrics {
        let (inputs, _) = gather(&metric.wires, &mut outputs, &mut batch, false);
        take(metric, inputs, records.clone(), split)?;
    }
    Ok(())
}

/// Hands a batch to a metric.
pub(crate) fn take(
    metric: &mut MetricPart,
    inputs: RVec<NamedTensor>,
    records: RVec<RString>,
    split: &str,
) -> Result<(), Error> {
    let updated = {
        let _inside = entered(&metric.id);
        metric.handle.update(inputs, records).into_result()
    };
    updated.map_err(|error| {
        Error::component(&metric.id, format!("take a batch of split `{split}`"), error)
    })
}

/// What there is of a batch after the model.
pub(crate) struct Forward {
    pub(crate) outputs: Pool,
    pub(crate) batch: Pool,
    /// Of each item, if the model gives any.
    pub(crate) records: RVec<RString>,
}

/// Computes the outputs of the model for those who take them by `wires`.
pub(crate) fn forward<'w>(
    parts: &'w Parts,
    batch: Batch,
    call: &Call,
    split: &str,
    wires: impl Iterator<Item = &'w Wire> + Clone,
) -> Result<Forward, Error> {
    let items = batch.items;
    let model_inputs = || parts.bound.model_inputs.iter().map(String::as_str);
    let takers = model_inputs().chain(wires.clone().filter_map(Wire::batch_tensor));
    let mut batch = Pool::new(batch.tensors, takers);
    let inputs = model_inputs()
        .filter_map(|name| batch.take(name).map(|tensor| NamedTensor::new(name, tensor)));
    let model = &parts.model;
    let passed = model.run(call.clone(), inputs.collect()).map_err(|failure| {
        failure.into_error(model.id(), format!("evaluate a batch of split `{split}`"))
    })?;
    let records = passed.records.len() as u64;
    if records != 0 && records != items {
        let text = format!("{} gives {records} records for a batch of {items} items", model.id());
        return Err(Error::Tensor { problem: Box::new(PluginError::contract(text)) });
    }
    let outputs = Pool::new(passed.outputs, wires.filter_map(Wire::model_output));
    Ok(Forward { outputs, batch, records: passed.records })
}

/// `loss`, the weighted sum, and `loss/NAME` for each.
pub(crate) fn loss_measurements(
    parts: &Parts,
    values: &[f64],
    split: &str,
    at: At,
) -> Vec<Measurement> {
    let measurement = |metric: String, value: f64| Measurement {
        metric,
        split: split.to_owned(),
        step: at.step,
        epoch: at.epoch,
        value,
        unit: None,
        higher_is_better: Some(false),
    };
    let mut measurements = vec![measurement("loss".to_owned(), total(parts, values))];
    let named = parts.losses.iter().zip(values);
    measurements
        .extend(named.map(|(loss, value)| measurement(format!("loss/{}", loss.name), *value)));
    measurements
}

/// The weighted sum of loss values.
pub(crate) fn total(parts: &Parts, values: &[f64]) -> f64 {
    parts.losses.iter().zip(values).map(|(loss, value)| loss.weight * value).sum()
}

pub(crate) fn compute(
    metric: &MetricPart,
    split: &str,
    at: At,
    result: &mut Evaluation,
) -> Result<(), Error> {
    let values = {
        let _inside = entered(&metric.id);
        metric.handle.compute().into_result()
    };
    let values = values.map_err(|error| {
        Error::component(&metric.id, format!("give its value on split `{split}`"), error)
    })?;
    for (position, value) in values.iter().enumerate() {
        let name = match text(&value.name).as_str() {
            "" => metric.name.clone(),
            part => format!("{}/{part}", metric.name),
        };
        let higher_is_better = match value.direction {
            0 => None,
            direction => Some(direction > 0),
        };
        if metric.objective && position == 0 {
            result.objective = Some((value.value, higher_is_better));
        }
        if !value.value.is_finite() && result.not_finite.is_none() {
            result.not_finite = Some(Error::MetricNotFinite {
                metric: metric.id.boxed(),
                name: name.clone(),
                value: value.value,
                split: split.to_owned(),
            });
        }
        result.measurements.push(Measurement {
            metric: name,
            split: split.to_owned(),
            step: at.step,
            epoch: at.epoch,
            value: value.value,
            unit: Some(text(&value.unit)).filter(|unit| !unit.is_empty()),
            higher_is_better,
        });
    }
    Ok(())
}
