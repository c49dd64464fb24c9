//! A block of another library as an operation in this library's autodiff graph.
//!
//! Every call is a chain on a token. `link` ties each tracked input to it, `emit` hangs each float
//! output on it, so any number of inputs and outputs works without packing. The chain starts at an
//! **anchor**, a leaf of its own: without one, a block whose inputs are untracked would silently
//! get no gradient for its parameters.

use crate::Error;
use crate::any::{AnyTensor, Tensors};
use crate::border::{data, export, export_flex, import};
use crate::graph::in_burn;
use abi_stable::std_types::{RNone, ROption, RSome};
use ablate_abi::v1::{self, NamedTensor, OwnedContext, PluginError, SharedDifferentiable};
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients as GraphGradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::{Device, Gradients, Tensor};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One forward call: the owner's graph, and the gradients on their way.
struct CallState {
    context: Option<OwnedContext>,
    output_gradients: Vec<ROption<v1::Tensor>>,
    input_gradients: Vec<ROption<v1::Tensor>>,
}

#[derive(Clone)]
pub(crate) struct CallHandle(Arc<Mutex<CallState>>);

impl CallHandle {
    fn lock(&self) -> MutexGuard<'_, CallState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for CallHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CallHandle")
    }
}

/// The gradient that a backward pass starts from.
#[derive(Clone)]
pub(crate) struct Seed(Arc<Mutex<Option<v1::Tensor>>>);

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seed")
    }
}

/// There is no error channel inside Burn's backward pass: the error travels as a panic payload to
/// the guard of this image, without running the panic hook.
fn raise<T>(result: Result<T, PluginError>) -> T {
    result.unwrap_or_else(|error| std::panic::resume_unwind(Box::new(error)))
}

#[backend_extension(Flex, Autodiff)]
pub(crate) trait VectorJacobian: Backend {
    /// Token of the inputs so far. Backward: hands out the gradient of input `index`.
    fn link(
        token: FloatTensor<Self>,
        input: FloatTensor<Self>,
        call: CallHandle,
        index: usize,
    ) -> FloatTensor<Self>;
    /// Output `index` of the call. Backward: collects its gradient.
    fn emit(
        token: FloatTensor<Self>,
        output: FloatTensor<Self>,
        call: CallHandle,
        index: usize,
    ) -> FloatTensor<Self>;
    /// A root whose backward puts a given gradient on `output`: no multiplication, no sum.
    fn seed(token: FloatTensor<Self>, output: FloatTensor<Self>, seed: Seed) -> FloatTensor<Self>;
    /// `output` as it is, with `sentinel` as a second parent that gets no gradient: it puts both
    /// into one graph.
    fn tie(output: FloatTensor<Self>, sentinel: FloatTensor<Self>) -> FloatTensor<Self>;
    /// A gradient as a border tensor.
    fn float_export(tensor: FloatTensor<Self>) -> v1::Tensor;
}

impl VectorJacobian for Flex {
    fn link(
        token: FloatTensor<Self>,
        _: FloatTensor<Self>,
        _: CallHandle,
        _: usize,
    ) -> FloatTensor<Self> {
        token
    }

    fn emit(
        _: FloatTensor<Self>,
        output: FloatTensor<Self>,
        _: CallHandle,
        _: usize,
    ) -> FloatTensor<Self> {
        output
    }

    fn seed(token: FloatTensor<Self>, _: FloatTensor<Self>, _: Seed) -> FloatTensor<Self> {
        token
    }

    fn tie(output: FloatTensor<Self>, _: FloatTensor<Self>) -> FloatTensor<Self> {
        output
    }

    fn float_export(tensor: FloatTensor<Self>) -> v1::Tensor {
        raise(export_flex(tensor, 0))
    }
}

#[derive(Debug)]
struct LinkBackward;

impl<B: Backend + VectorJacobian> Backward<B, 2> for LinkBackward {
    type State = (CallHandle, usize);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut GraphGradients, _: &mut Checkpointer) {
        let token_gradient = grads.consume::<B>(&ops.node);
        let device = token_gradient.device();
        let (call, index) = ops.state;
        let [token, input] = ops.parents;
        let gradient = {
            let mut state = call.lock();
            // The deepest link of the chain runs first: one vector-Jacobian product per call.
            if let Some(mut context) = state.context.take() {
                let gradients = std::mem::take(&mut state.output_gradients);
                let answer = raise(context.backward(gradients.into()).into_result());
                state.input_gradients = answer.into_iter().collect();
            }
            state.input_gradients.get_mut(index).and_then(|gradient| gradient.take().into_option())
        };
        if let (Some(input), Some(gradient)) = (input, gradient) {
            let gradient = B::float_from_data(raise(data(gradient)), &device);
            grads.register::<B>(input.id, gradient);
        }
        if let Some(token) = token {
            grads.register::<B>(token.id, token_gradient);
        }
    }
}

#[derive(Debug)]
struct EmitBackward;

impl<B: Backend + VectorJacobian> Backward<B, 1> for EmitBackward {
    type State = (CallHandle, usize);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut GraphGradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<B>(&ops.node);
        let device = gradient.device();
        let (call, index) = ops.state;
        if let Some(slot) = call.lock().output_gradients.get_mut(index) {
            *slot = RSome(B::float_export(gradient));
        }
        if let [Some(token)] = ops.parents {
            let dummy = B::float_zeros([1].into(), &device, burn::tensor::FloatDType::F32);
            grads.register::<B>(token.id, dummy);
        }
    }
}

#[derive(Debug)]
struct SeedBackward;

impl<B: Backend + VectorJacobian> Backward<B, 2> for SeedBackward {
    type State = Seed;

    fn backward(self, ops: Ops<Seed, 2>, grads: &mut GraphGradients, _: &mut Checkpointer) {
        let token_gradient = grads.consume::<B>(&ops.node);
        let device = token_gradient.device();
        let [token, output] = ops.parents;
        let seed = ops.state.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let (Some(output), Some(seed)) = (output, seed) {
            grads.register::<B>(output.id, B::float_from_data(raise(data(seed)), &device));
        }
        if let Some(token) = token {
            grads.register::<B>(token.id, token_gradient);
        }
    }
}

#[derive(Debug)]
struct TieBackward;

impl<B: Backend> Backward<B, 2> for TieBackward {
    type State = ();

    fn backward(self, ops: Ops<(), 2>, grads: &mut GraphGradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<B>(&ops.node);
        if let [Some(output), _] = ops.parents {
            grads.register::<B>(output.id, gradient);
        }
    }
}

impl<B: Backend + VectorJacobian, C: CheckpointStrategy> VectorJacobian for Autodiff<B, C> {
    fn link(
        token: FloatTensor<Self>,
        input: FloatTensor<Self>,
        call: CallHandle,
        index: usize,
    ) -> FloatTensor<Self> {
        let parents = [token.node(), input.node()];
        match LinkBackward.prepare::<C>(parents).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((call, index), token.into_primitive()),
            OpsKind::UnTracked(prep) => prep.finish(token.into_primitive()),
        }
    }

    fn emit(
        token: FloatTensor<Self>,
        output: FloatTensor<Self>,
        call: CallHandle,
        index: usize,
    ) -> FloatTensor<Self> {
        match EmitBackward.prepare::<C>([token.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((call, index), output.into_primitive()),
            OpsKind::UnTracked(prep) => prep.finish(output.into_primitive()),
        }
    }

    fn seed(token: FloatTensor<Self>, output: FloatTensor<Self>, seed: Seed) -> FloatTensor<Self> {
        let parents = [token.node(), output.node()];
        match SeedBackward.prepare::<C>(parents).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(seed, token.into_primitive()),
            OpsKind::UnTracked(prep) => prep.finish(token.into_primitive()),
        }
    }

    fn tie(output: FloatTensor<Self>, sentinel: FloatTensor<Self>) -> FloatTensor<Self> {
        let parents = [output.node(), sentinel.node()];
        match TieBackward.prepare::<C>(parents).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((), output.into_primitive()),
            OpsKind::UnTracked(prep) => prep.finish(output.into_primitive()),
        }
    }

    fn float_export(tensor: FloatTensor<Self>) -> v1::Tensor {
        B::float_export(tensor.into_primitive())
    }
}

/// Calls a block of another library; with a graph, the call becomes a part of it.
pub(crate) fn forward(
    block: &SharedDifferentiable,
    inputs: Tensors,
    call: v1::Call,
    device: &Device,
) -> Result<Tensors, Error> {
    let recorded = call.wants_context();
    let device = device.clone();
    let plain = device.clone().inner();
    let inputs = inputs.into_entries();
    let mut crossing = Vec::with_capacity(inputs.len());
    for (name, tensor) in &inputs {
        let flags = if recorded && tensor.is_tracked() { v1::Tensor::NEEDS_GRAD } else { 0 };
        crossing.push(NamedTensor::new(name, export(tensor.clone(), flags)?));
    }
    let output = block.forward(call, crossing.into()).into_result()?;
    let mut outputs = Vec::with_capacity(output.outputs.len());
    for NamedTensor { name, tensor } in output.outputs {
        outputs.push((name.into_string(), import(tensor, &plain)?));
    }
    if recorded {
        outputs = record(inputs, outputs, output.context.into_option(), &device, &plain)?;
    }
    Ok(outputs.into_iter().fold(Tensors::new(), |all, (name, tensor)| all.with(&name, tensor)))
}

type Entry = (String, AnyTensor);

fn record(
    inputs: Vec<Entry>,
    outputs: Vec<Entry>,
    context: Option<OwnedContext>,
    device: &Device,
    plain: &Device,
) -> Result<Vec<Entry>, Error> {
    let call = CallHandle(Arc::new(Mutex::new(CallState {
        context,
        output_gradients: outputs.iter().map(|_| RNone).collect(),
        input_gradients: Vec::new(),
    })));
    let mut token = Tensor::<1>::zeros([1], device).require_grad().into_dispatch();
    for (index, (_, input)) in inputs.into_iter().enumerate() {
        if input.is_tracked() {
            let input = input.into_dispatch();
            token = <Dispatch as VectorJacobian>::link(token, input, call.clone(), index);
        }
    }
    // The last link has no input: it makes sure that the product is computed even if no input is
    // tracked.
    let none = Tensor::<1>::zeros([1], plain).into_dispatch();
    let token = <Dispatch as VectorJacobian>::link(token, none, call.clone(), usize::MAX);
    let mut recorded = Vec::with_capacity(outputs.len());
    for (index, (name, output)) in outputs.into_iter().enumerate() {
        let output = if output.is_float() {
            let rank = output.shape().len();
            let output = output.into_dispatch();
            let emitted =
                <Dispatch as VectorJacobian>::emit(token.clone(), output, call.clone(), index);
            AnyTensor::float_from_dispatch(rank, emitted)?
        } else {
            output.autodiff()
        };
        recorded.push((name, output));
    }
    Ok(recorded)
}

/// Ties the float outputs of a forward pass to a leaf of their own, through which an abandoned
/// pass can be freed.
pub(crate) fn tie(output: AnyTensor, sentinel: &Tensor<1>) -> Result<AnyTensor, Error> {
    if !output.is_float() || !output.is_tracked() {
        return Ok(output);
    }
    let rank = output.shape().len();
    let sentinel = sentinel.clone().into_dispatch();
    let tied = <Dispatch as VectorJacobian>::tie(output.into_dispatch(), sentinel);
    AnyTensor::float_from_dispatch(rank, tied)
}

/// Vector-Jacobian product: the backward pass of `outputs` from the given gradients.
pub(crate) fn backward_with(outputs: Vec<(AnyTensor, v1::Tensor)>, plain: &Device) -> Gradients {
    let mut token = Tensor::<1>::zeros([1], plain).into_dispatch();
    for (output, gradient) in outputs {
        let seed = Seed(Arc::new(Mutex::new(Some(gradient))));
        token = <Dispatch as VectorJacobian>::seed(token, output.into_dispatch(), seed);
    }
    in_burn(|| Tensor::<1>::from_dispatch(token).backward())
}
