//! A differentiable component behind the checks of the host: contract, NaN, gradients, poisoning.
//!
//! The loop calls models and losses through it, and a block of another library is put into its slot inside of one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use ablate_abi::v1::{
    Call, CallOutput, Context, Context_TO, Differentiable, Differentiable_TO, ErrorKind,
    ForwardOutput, GroupRate, NamedTensor, OwnedContext, Parameter, PluginError, RArc, RErr, RNone,
    ROk, ROption, RResult, RSome, RStr, RString, RVec, SharedDifferentiable, TD_Opaque, Tensor,
};

use crate::entered::entered;
use crate::error::{ComponentId, Error};
use crate::guard::{Guard, Look, Sizes, When};

/// Why a call behind the checks failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The check; the text names component, tensor and step.
    Check(PluginError),
    /// The component itself.
    Inner(PluginError),
}

impl Failure {
    /// As the error of a trial; `action` as in "failed to …".
    pub(crate) fn into_error(self, component: &ComponentId, action: impl Into<String>) -> Error {
        match self {
            Self::Check(problem) => Error::Tensor { problem: Box::new(problem) },
            Self::Inner(error) => Error::component(component, action, error),
        }
    }

    /// For the library that the component was lent to, which does not know its name.
    fn into_plugin_error(self, component: &ComponentId) -> PluginError {
        match self {
            Self::Check(error) => error,
            Self::Inner(error) => error.context(component.to_string()),
        }
    }
}

/// What a checked forward pass gives.
pub(crate) struct Passed {
    pub(crate) outputs: Vec<NamedTensor>,
    pub(crate) records: RVec<RString>,
    pub(crate) averaged_over: u64,
    pub(crate) context: Option<CheckedContext>,
}

/// A component with its checks.
pub(crate) struct Checked {
    guard: Arc<Guard>,
    inner: SharedDifferentiable,
    state: Arc<State>,
    /// Whether inputs come from somewhere that has not looked for NaN in them.
    scan_inputs: bool,
    /// Whether nobody else looks for NaN in the outputs.
    scan_outputs: bool,
}

#[derive(Default)]
struct State {
    poisoned: AtomicBool,
    live: AtomicU64,
}

impl Checked {
    /// A component that the loop calls, with tensors that were looked at where they came from.
    pub(crate) fn new(guard: Guard, inner: SharedDifferentiable) -> Self {
        let (guard, state) = (Arc::new(guard), Arc::default());
        Self { guard, inner, state, scan_inputs: false, scan_outputs: true }
    }

    /// A loss: the loop looks at its value.
    pub(crate) fn loss(guard: Guard, inner: SharedDifferentiable) -> Self {
        Self { scan_outputs: false, ..Self::new(guard, inner) }
    }

    /// A block to put into a slot of another library.
    pub(crate) fn block(guard: Guard, inner: SharedDifferentiable) -> SharedDifferentiable {
        let checked = Self { scan_inputs: true, ..Self::new(guard, inner) };
        Differentiable_TO::from_ptr(RArc::new(checked), TD_Opaque)
    }

    pub(crate) fn id(&self) -> &ComponentId {
        &self.guard.id
    }

    /// Computes outputs, checked on both ways.
    pub(crate) fn run(&self, call: Call, inputs: RVec<NamedTensor>) -> Result<Passed, Failure> {
        let guard = &self.guard;
        if self.state.poisoned.load(Ordering::SeqCst) {
            let text = format!("{} panicked before and takes no more calls", guard.id);
            return Err(Failure::Check(PluginError::state(text)));
        }
        let (wants_context, train, step) = (call.wants_context(), call.train(), call.step);
        let method = call.method.clone();
        let when = When::of_call(&method, train, step);
        // Contracts speak of these two methods; others may take and give something else.
        let complete = matches!(method.as_str(), "train" | "eval");
        let look = Look { direction: "input", complete, finite: self.scan_inputs };
        let mut sizes = Sizes::default();
        guard
            .check(&guard.contract.inputs, &inputs, &mut sizes, look, when)
            .map_err(Failure::Check)?;
        let input_shapes = if wants_context { shapes(&inputs) } else { Vec::new() };
        let forward = {
            let _inside = entered(&guard.id);
            self.inner.forward(call, inputs).into_result()
        };
        let ForwardOutput { outputs, records, averaged_over, context } =
            forward.map_err(|error| self.state.failed(error))?;
        let look = Look { direction: "output", complete, finite: self.scan_outputs };
        guard
            .check(&guard.contract.outputs, &outputs, &mut sizes, look, when)
            .map_err(Failure::Check)?;
        let context = match context.into_option() {
            // One that nobody asked for is dropped: what it would be given was not looked at.
            Some(inner) if wants_context => Some(CheckedContext {
                inner: Some(inner),
                guard: guard.clone(),
                state: self.state.counted(),
                inputs: input_shapes,
                outputs: shapes(&outputs),
                step: step + 1,
            }),
            None if wants_context => {
                let text = "it kept no graph although gradients are wanted";
                return Err(Failure::Check(guard.broken(text)));
            }
            _ => None,
        };
        Ok(Passed { outputs: RVec::into_vec(outputs), records, averaged_over, context })
    }
}

impl State {
    fn failed(&self, error: PluginError) -> Failure {
        if error.kind == ErrorKind::PANIC {
            self.poisoned.store(true, Ordering::SeqCst);
        }
        Failure::Inner(error.readable())
    }

    fn counted(self: &Arc<Self>) -> Arc<Self> {
        self.live.fetch_add(1, Ordering::SeqCst);
        self.clone()
    }
}

type Shape = (String, Vec<usize>);

fn shapes(tensors: &[NamedTensor]) -> Vec<Shape> {
    tensors.iter().map(|named| (named.name.to_string(), named.tensor.shape())).collect()
}

/// The graph of a checked forward pass.
pub(crate) struct CheckedContext {
    /// Present until the drop.
    inner: Option<OwnedContext>,
    guard: Arc<Guard>,
    state: Arc<State>,
    inputs: Vec<Shape>,
    outputs: Vec<Shape>,
    /// The step of the forward pass, counted from 1.
    step: u64,
}

impl Drop for CheckedContext {
    fn drop(&mut self) {
        let _inside = entered(&self.guard.id);
        drop(self.inner.take());
        self.state.live.fetch_sub(1, Ordering::SeqCst);
    }
}

impl CheckedContext {
    /// Gradients of outputs to gradients of inputs, checked on both ways.
    pub(crate) fn run(
        &mut self,
        gradients: RVec<ROption<Tensor>>,
    ) -> Result<RVec<ROption<Tensor>>, Failure> {
        self.check(&gradients, &self.outputs, "output").map_err(Failure::Check)?;
        let answer = {
            let _inside = entered(&self.guard.id);
            self.inner().backward(gradients).into_result()
        };
        let answer = answer.map_err(|error| self.state.failed(error))?;
        self.check(&answer, &self.inputs, "input").map_err(Failure::Check)?;
        Ok(answer)
    }

    fn inner(&mut self) -> &mut OwnedContext {
        self.inner.as_mut().expect("present until the drop")
    }

    fn check(
        &self,
        gradients: &[ROption<Tensor>],
        shapes: &[Shape],
        direction: &str,
    ) -> Result<(), PluginError> {
        if gradients.len() != shapes.len() {
            let (found, expected) = (gradients.len(), shapes.len());
            let text = format!("{found} gradients for {expected} {direction}s");
            return Err(self.guard.broken(&text));
        }
        for (gradient, (name, shape)) in gradients.iter().zip(shapes) {
            let RSome(gradient) = gradient else { continue };
            let what = format!("the gradient of {direction} `{name}`");
            gradient
                .validate()
                .map_err(|error| error.context(format!("{}: {what}", self.guard.id)))?;
            if gradient.shape() != *shape {
                let found = gradient.shape();
                let text = format!("{what} has shape {found:?}, the tensor has {shape:?}");
                return Err(self.guard.broken(&text));
            }
            self.guard.finite(&what, gradient, When::Step(self.step))?;
        }
        Ok(())
    }
}

impl Context for CheckedContext {
    fn backward(
        &mut self,
        gradients: RVec<ROption<Tensor>>,
    ) -> RResult<RVec<ROption<Tensor>>, PluginError> {
        self.run(gradients).map_err(|failure| failure.into_plugin_error(&self.guard.id)).into()
    }

    fn call(
        &mut self,
        name: RStr<'_>,
        json: RStr<'_>,
        tensors: RVec<NamedTensor>,
    ) -> RResult<CallOutput, PluginError> {
        self.inner().call(name, json, tensors)
    }
}

impl Differentiable for Checked {
    fn image(&self) -> u64 {
        self.inner.image()
    }

    fn contract(&self) -> RResult<RString, PluginError> {
        self.inner.contract()
    }

    fn forward(
        &self,
        call: Call,
        inputs: RVec<NamedTensor>,
    ) -> RResult<ForwardOutput, PluginError> {
        let passed = match self.run(call, inputs) {
            Ok(passed) => passed,
            Err(failure) => return RErr(failure.into_plugin_error(&self.guard.id)),
        };
        let context = passed
            .context
            .map_or(RNone, |context| RSome(Context_TO::from_value(context, TD_Opaque)));
        ROk(ForwardOutput {
            outputs: passed.outputs.into(),
            records: passed.records,
            averaged_over: passed.averaged_over,
            context,
        })
    }

    fn parameters(&self) -> RResult<RVec<Parameter>, PluginError> {
        self.inner.parameters()
    }

    fn set_optimizer(&self, config: RStr<'_>) -> RResult<(), PluginError> {
        self.inner.set_optimizer(config)
    }

    fn set_trainable(&self, group: RStr<'_>, trainable: bool) -> RResult<(), PluginError> {
        self.inner.set_trainable(group, trainable)
    }

    fn grad_norm_sq(&self) -> RResult<f64, PluginError> {
        self.inner.grad_norm_sq()
    }

    fn step(&self, scale: f64, rates: RVec<GroupRate>) -> RResult<(), PluginError> {
        self.inner.step(scale, rates)
    }

    fn zero_grad(&self) -> RResult<(), PluginError> {
        self.inner.zero_grad()
    }

    fn save(&self, path: RStr<'_>, format: RStr<'_>) -> RResult<(), PluginError> {
        self.inner.save(path, format)
    }

    fn load(&self, path: RStr<'_>, format: RStr<'_>) -> RResult<(), PluginError> {
        self.inner.load(path, format)
    }

    /// Graphs that were given out through these checks and are alive.
    fn live_contexts(&self) -> u64 {
        self.state.live.load(Ordering::SeqCst)
    }

    fn call(
        &self,
        name: RStr<'_>,
        json: RStr<'_>,
        tensors: RVec<NamedTensor>,
    ) -> RResult<CallOutput, PluginError> {
        self.inner.call(name, json, tensors)
    }
}
