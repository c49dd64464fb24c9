//! One optimizer step: forward, losses, backward, clipping, update.

use ablate_abi::v1::{Call, GroupRate, NamedTensor, RNone, ROption, RSome, RVec, Tensor};

use crate::checked::CheckedContext;
use crate::data::Batch;
use crate::entered::entered;
use crate::error::Error;
use crate::parts::{Instance, LossPart, Parts};
use crate::tally::Tally;
use crate::tensors::{Pool, add, gather, scalar, scalar_like};
use crate::wiring::Wire;

/// Added to the norm, as PyTorch's `clip_grad_norm_` does.
const CLIP_EPSILON: f64 = 1e-6;

/// How the micro-batches of one step are weighted.
///
/// Each counts by the elements that the *first loss with a weight that reports them* averaged: micro-batch `i` has the
/// share `n_i / Σ n`, for all losses alike. So one loss, or losses that average over the same elements, give exactly
/// the gradient of the undivided batch. When no loss reports elements in the first micro-batch, all count the same.
///
/// The sum is not known before the last one. Gradients are therefore accumulated with the factor `n_i / n_1`, and the
/// update scales them by one over the sum of these factors.
#[derive(Default)]
pub(crate) struct Shares {
    /// The loss that decides, and its elements in the first micro-batch.
    reference: Option<(usize, u64)>,
    factors: f64,
    started: bool,
}

impl Shares {
    /// The factor of the next micro-batch, from (weight, elements) of each loss.
    fn next(&mut self, losses: impl Iterator<Item = (f64, u64)>) -> f64 {
        let losses: Vec<(f64, u64)> = losses.collect();
        if !self.started {
            self.started = true;
            let decides = |(weight, elements): &(f64, u64)| *weight != 0.0 && *elements > 0;
            self.reference = losses.iter().position(decides).map(|index| (index, losses[index].1));
        }
        let factor =
            self.reference.map_or(1.0, |(index, first)| losses[index].1 as f64 / first as f64);
        self.factors += factor;
        factor
    }

    /// What the accumulated gradients have to be multiplied by.
    pub(crate) fn scale(&self) -> f64 {
        1.0 / self.factors
    }
}

/// A loss that was computed and not yet differentiated.
struct Computed<'a> {
    loss: &'a LossPart,
    context: Option<CheckedContext>,
    origins: Vec<Option<&'a str>>,
    outputs: Vec<NamedTensor>,
    elements: u64,
}

/// Accumulates the gradients of one micro-batch in all components, and adds the loss values to `tallies`.
pub(crate) fn accumulate(
    parts: &Parts,
    batch: Batch,
    call: &Call,
    shares: &mut Shares,
    tallies: &mut [Tally],
) -> Result<(), Error> {
    let (model, step) = (&parts.model, call.step + 1);
    let items = batch.items;
    let wires = || parts.losses.iter().flat_map(|loss| &loss.wires);
    let model_inputs = || parts.bound.model_inputs.iter().map(String::as_str);
    let takers = model_inputs().chain(wires().filter_map(Wire::batch_tensor));
    let mut batch = Pool::new(batch.tensors, takers);
    let inputs = model_inputs()
        .filter_map(|name| batch.take(name).map(|tensor| NamedTensor::new(name, tensor)));
    let passed = model
        .run(call.clone(), inputs.collect())
        .map_err(|failure| failure.into_error(model.id(), format!("compute step {step}")))?;
    let names: Vec<String> = passed.outputs.iter().map(|named| named.name.to_string()).collect();
    let mut outputs = Pool::new(passed.outputs, wires().filter_map(Wire::model_output));
    let mut computed = Vec::with_capacity(parts.losses.len());
    for (loss, tally) in parts.losses.iter().zip(tallies) {
        let (value, done) = forward(loss, call, &mut outputs, &mut batch)?;
        tally.add(value, done.elements, items);
        computed.push(done);
    }
    let factor = shares.next(computed.iter().map(|done| (done.loss.weight, done.elements)));
    let mut gradients: Vec<ROption<Tensor>> = names.iter().map(|_| RNone).collect();
    for done in computed {
        for (name, gradient) in backward(done, factor, step)? {
            let Some(position) = names.iter().position(|known| known == name) else { continue };
            let sum = match gradients[position].take() {
                RSome(other) => add(&other, &gradient).map_err(|error| {
                    Error::component(
                        model.id(),
                        format!("compute the gradients of step {step}"),
                        error,
                    )
                })?,
                RNone => gradient,
            };
            gradients[position] = RSome(sum);
        }
    }
    if let Some(mut context) = passed.context
        && gradients.iter().any(ROption::is_some)
    {
        context.run(gradients.into()).map_err(|failure| {
            failure.into_error(model.id(), format!("compute the gradients of step {step}"))
        })?;
    }
    Ok(())
}

/// The value of a loss, and what its gradient needs. A loss without weight is measured and not trained on.
fn forward<'a>(
    loss: &'a LossPart,
    call: &Call,
    outputs: &mut Pool,
    batch: &mut Pool,
) -> Result<(f64, Computed<'a>), Error> {
    let step = call.step + 1;
    let trained = loss.weight != 0.0;
    let (inputs, origins) = gather(&loss.wires, outputs, batch, trained);
    let mut call = call.clone();
    if !trained {
        call.flags &= !Call::WANT_CONTEXT;
    }
    let (value, passed) = evaluate_loss(loss, call, inputs, || format!("in step {step}"))?;
    let (context, elements) = (passed.context, passed.averaged_over);
    Ok((value, Computed { loss, context, origins, outputs: passed.outputs, elements }))
}

/// Computes a loss and checks its value.
pub(crate) fn evaluate_loss(
    loss: &LossPart,
    call: Call,
    inputs: RVec<NamedTensor>,
    when: impl Fn() -> String,
) -> Result<(f64, crate::checked::Passed), Error> {
    let id = loss.component.id();
    let names: Vec<String> = inputs.iter().map(|named| named.name.to_string()).collect();
    let passed = loss
        .component
        .run(call, inputs)
        .map_err(|failure| failure.into_error(id, format!("compute its value {}", when())))?;
    let value = passed.outputs.iter().find(|named| named.name == "loss");
    let value = value.and_then(|named| scalar(&named.tensor)).ok_or_else(|| Error::Contract {
        component: id.boxed(),
        problem: "its output `loss` is no float".to_owned(),
    })?;
    if value.is_finite() {
        return Ok((value, passed));
    }
    Err(Error::LossNotFinite { loss: id.boxed(), value, when: when(), inputs: names })
}

/// The gradients of the model's outputs from one loss.
fn backward(computed: Computed<'_>, factor: f64, step: u64) -> Result<Vec<(&str, Tensor)>, Error> {
    let Computed { loss, context, origins, outputs, .. } = computed;
    let Some(mut context) = context else { return Ok(Vec::new()) };
    let seed = |named: &NamedTensor| {
        if named.name != "loss" {
            return RNone;
        }
        let like = (named.tensor.dtype(), &*named.tensor.shape());
        RSome(scalar_like(like, loss.weight * factor))
    };
    let answer = context.run(outputs.iter().map(seed).collect()).map_err(|failure| {
        let action = format!("compute the gradients of step {step}");
        failure.into_error(loss.component.id(), action)
    })?;
    let answer = answer.into_iter().zip(origins);
    Ok(answer.filter_map(|(gradient, origin)| Some((origin?, gradient.into_option()?))).collect())
}

/// Clips by the global norm and lets every component take its step. Returns the norm before clipping.
pub(crate) fn update(
    parts: &Parts,
    scale: f64,
    clip_norm: Option<f64>,
    rates: &[GroupRate],
    step: u64,
) -> Result<f64, Error> {
    let mut sum = 0.0;
    for instance in &parts.instances {
        let squares = instance.handle.grad_norm_sq().into_result();
        let squares = squares
            .map_err(|error| Error::component(&instance.id, "add up its gradients", error))?;
        if !squares.is_finite() {
            return Err(not_finite(instance, step));
        }
        sum += squares;
    }
    let norm = scale * sum.sqrt();
    let clip = clip_norm.map_or(1.0, |limit| (limit / (norm + CLIP_EPSILON)).min(1.0));
    for Instance { id, handle } in &parts.instances {
        let _inside = entered(id);
        let stepped = handle.step(scale * clip, rates.iter().cloned().collect()).into_result();
        stepped.map_err(|error| Error::component(id, format!("take step {step}"), error))?;
    }
    Ok(norm)
}

/// Asks the component which of its gradients are not finite.
fn not_finite(instance: &Instance, step: u64) -> Error {
    let answer = instance.handle.call("non-finite-gradients".into(), "null".into(), RVec::new());
    let names =
        answer.into_result().ok().and_then(|answer| serde_json::from_str(&answer.json).ok());
    let names = names.unwrap_or_default();
    Error::GradientNotFinite { component: instance.id.boxed(), names, step }
}

#[cfg(test)]
mod tests {
    use super::Shares;

    fn shares(batches: &[[(f64, u64); 2]]) -> Vec<f64> {
        let mut shares = Shares::default();
        let factors: Vec<f64> =
            batches.iter().map(|losses| shares.next(losses.iter().copied())).collect();
        factors.iter().map(|factor| factor * shares.scale()).collect()
    }

    #[test]
    fn micro_batches_count_by_the_elements_of_the_first_loss_that_reports_them() {
        // The first loss reports nothing, the second 30 and 10 elements.
        assert_eq!(shares(&[[(1.0, 0), (1.0, 30)], [(1.0, 0), (1.0, 10)]]), [0.75, 0.25]);
        // The first loss has no weight.
        assert_eq!(shares(&[[(0.0, 1), (2.0, 10)], [(0.0, 9), (2.0, 10)]]), [0.5, 0.5]);
        assert_eq!(shares(&[[(1.0, 0), (1.0, 0)], [(1.0, 0), (1.0, 5)]]), [0.5, 0.5]);
        assert_eq!(shares(&[[(1.0, 7), (1.0, 0)]]), [1.0]);
    }
}
