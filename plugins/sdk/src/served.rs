//! A component of this image as an object of the border.

use crate::Error;
use crate::any::{AnyTensor, Tensors};
use crate::border::{export, import};
use crate::call::Call;
use crate::component::Output;
use crate::foreign::{backward_with, tie};
use crate::graph::{later, sweep};
use crate::host;
use crate::logging::AtWork;
use crate::panics::catch;
use crate::seed::derive;
use crate::slot::BlockSlot;
use crate::trained::Trained;
use abi_stable::sabi_trait::{TD_CanDowncast, TD_Opaque};
use abi_stable::std_types::{RArc, RNone, ROption, RResult, RSome, RStr, RString, RVec};
use ablate_abi::v1::{
    self, CallOutput, Context, Context_TO, Differentiable, Differentiable_TO, ErrorKind,
    ForwardOutput, GroupRate, LogLevel, NamedTensor, Parameter, SharedDifferentiable,
};
use burn::module::Module;
use burn::tensor::{Device, Gradients, Tensor};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The forward function of a component: module, inputs, call to outputs and loss weight.
pub(crate) type Forward<M> = fn(&M, Tensors, &Call) -> Result<(Output, u64), Error>;

/// What a component says about itself beside its functions.
#[derive(Clone, Copy)]
pub(crate) struct Custom {
    /// The optimizer group of the parameter at a path.
    pub(crate) group: fn(&str) -> &'static str,
    /// Methods beside `train` and `eval`.
    pub(crate) methods: &'static [&'static str],
}

/// What the border needs of a component, whatever its module type.
pub(crate) trait Instance: Send + Sync {
    fn forward(&self, inputs: Tensors, call: &Call) -> Result<(Output, u64), Error>;
    fn collect_gradients(&self, gradients: &mut Gradients) -> Result<(), Error>;
    fn parameters(&self) -> Vec<Parameter>;
    fn set_optimizer(&self, config: &str) -> Result<(), Error>;
    fn set_trainable(&self, group: &str, trainable: bool) -> Result<(), Error>;
    fn grad_norm_sq(&self) -> Result<f64, Error>;
    fn step(&self, scale: f64, rates: &[GroupRate]) -> Result<(), Error>;
    fn zero_grad(&self);
    fn save(&self, path: &str, format: &str) -> Result<(), Error>;
    fn load(&self, path: &str, format: &str) -> Result<(), Error>;
    fn call(&self, name: &str) -> Result<CallOutput, Error>;
}

/// The one type behind every model, block and loss of this image, so that a block handed to a
/// consumer of the same image can be recognized and called natively.
pub(crate) struct Served(Arc<Shared>);

struct Shared {
    instance: Guarded,
    methods: &'static [&'static str],
    contract: String,
    path: Arc<str>,
    /// The autodiff device.
    device: Device,
    poisoned: AtomicBool,
    live: AtomicU64,
}

impl Served {
    pub(crate) fn new<M: Module + 'static>(
        module: M,
        forward: Forward<M>,
        custom: Custom,
        slots: Vec<BlockSlot>,
        contract: &Value,
        path: &str,
        device: &Device,
    ) -> Self {
        Self(Arc::new(Shared {
            instance: Guarded(Some(Box::new(Trained::new(
                module,
                forward,
                custom.group,
                slots,
                device,
            )))),
            methods: custom.methods,
            contract: contract.to_string(),
            path: path.into(),
            device: device.clone(),
            poisoned: AtomicBool::new(false),
            live: AtomicU64::new(0),
        }))
    }

    pub(crate) fn into_object(self) -> SharedDifferentiable {
        Differentiable_TO::from_ptr(RArc::new(self), TD_CanDowncast)
    }

    /// Runs the component inside the consumer's own graph.
    pub(crate) fn forward_native(&self, inputs: Tensors, call: v1::Call) -> Result<Tensors, Error> {
        self.0.healthy()?;
        let _at_work = AtWork::at(&self.0.path);
        Ok(self.0.run(inputs, call)?.0.tensors)
    }

    pub(crate) fn collect_gradients(&self, gradients: &mut Gradients) -> Result<(), Error> {
        self.0.instance.collect_gradients(gradients)
    }
}

impl Shared {
    fn healthy(&self) -> Result<(), Error> {
        if self.poisoned.load(Ordering::SeqCst) {
            let text = format!("`{}` panicked before and takes no more calls", self.path);
            return Err(Error::state(text));
        }
        Ok(())
    }

    /// Runs `call` behind the guard; after a panic the instance takes no more calls.
    fn guarded<T>(&self, call: impl FnOnce() -> Result<T, Error>) -> RResult<T, Error> {
        let at_work = AtWork::at(&self.path);
        let result = self.healthy().and_then(|()| catch(call));
        drop(at_work);
        if result.as_ref().is_err_and(|error| error.kind == ErrorKind::PANIC) {
            self.poisoned.store(true, Ordering::SeqCst);
        }
        result.into()
    }

    /// Seeds this image's generator for the instance and the call, then computes.
    fn run(&self, inputs: Tensors, call: v1::Call) -> Result<(Output, u64), Error> {
        self.knows(&call.method)?;
        let stream = derive(call.seed, &[&self.path]);
        self.device.seed(stream);
        let recorded = call.wants_context();
        let device = if recorded { self.device.clone() } else { self.device.clone().inner() };
        let call = Call::new(call, device, stream);
        let result = self.instance.forward(inputs, &call)?;
        call.options_were_read()?;
        Ok(result)
    }

    fn knows(&self, method: &str) -> Result<(), Error> {
        if matches!(method, "train" | "eval") || self.methods.contains(&method) {
            return Ok(());
        }
        let known = ["train", "eval"].iter().chain(self.methods);
        let known: Vec<String> = known.map(|method| format!("`{method}`")).collect();
        let text =
            format!("`{}` has no method `{method}`; there is {}", self.path, known.join(", "));
        Err(Error::unsupported(text))
    }

    fn evaluate(&self, call: v1::Call, inputs: RVec<NamedTensor>) -> Result<ForwardOutput, Error> {
        let plain = self.device.clone().inner();
        let mut tensors = Tensors::new();
        for NamedTensor { name, tensor } in inputs {
            tensors = tensors.with(&name, import(tensor, &plain)?);
        }
        let (output, averaged_over) = self.run(tensors, call)?;
        let records = records(&output);
        let outputs = export_all(output.tensors)?;
        Ok(ForwardOutput { outputs, records, averaged_over, context: RNone })
    }

    fn record(
        self: &Arc<Self>,
        call: v1::Call,
        inputs: RVec<NamedTensor>,
    ) -> Result<ForwardOutput, Error> {
        let plain = self.device.clone().inner();
        let mut leaves = Vec::with_capacity(inputs.len());
        let mut tensors = Tensors::new();
        for NamedTensor { name, tensor } in inputs {
            let wanted = tensor.needs_grad();
            let mut leaf = import(tensor, &plain)?.autodiff();
            if wanted {
                leaf = leaf.require_grad();
            }
            leaves.push((wanted && leaf.is_float()).then(|| leaf.clone()));
            tensors = tensors.with(&name, leaf);
        }
        let (output, averaged_over) = self.run(tensors, call)?;
        let records = records(&output);
        let sentinel = Tensor::<1>::zeros([1], &self.device).require_grad();
        let roots = output.tensors.iter().map(|(_, tensor)| tie(tensor.clone(), &sentinel));
        let roots = roots.collect::<Result<Vec<_>, _>>()?;
        self.live.fetch_add(1, Ordering::SeqCst);
        let (asked, done, owner) = (false, false, self.clone());
        let graph = Graph { leaves, roots, sentinel, asked, done, owner };
        let context = RSome(Context_TO::from_value(graph, TD_Opaque));
        let outputs = export_all(output.tensors)?;
        Ok(ForwardOutput { outputs, records, averaged_over, context })
    }
}

fn records(output: &Output) -> RVec<RString> {
    output.records.iter().map(|record| RString::from(record.to_string())).collect()
}

fn export_all(tensors: Tensors) -> Result<RVec<NamedTensor>, Error> {
    let entries = tensors.into_entries().into_iter();
    entries.map(|(name, tensor)| Ok(NamedTensor::new(&name, export(tensor, 0)?))).collect()
}

/// The graph of one forward pass.
struct Graph {
    leaves: Vec<Option<AnyTensor>>,
    roots: Vec<AnyTensor>,
    /// A leaf that every root is tied to. A parameter would not do: its place in Burn's table of
    /// graphs is gone after the first backward pass that reaches it.
    sentinel: Tensor<1>,
    /// Whether gradients were asked for.
    asked: bool,
    /// Whether Burn went through the graph, and freed it.
    done: bool,
    owner: Arc<Shared>,
}

impl Graph {
    fn run(
        &mut self,
        gradients: RVec<ROption<v1::Tensor>>,
    ) -> Result<RVec<ROption<v1::Tensor>>, Error> {
        if self.asked {
            return Err(Error::state("backward was already called on this pass"));
        }
        if gradients.len() != self.roots.len() {
            let (given, wanted) = (gradients.len(), self.roots.len());
            return Err(Error::contract(format!("{given} gradients for {wanted} outputs")));
        }
        let mut seeds = Vec::new();
        for (root, gradient) in self.roots.iter().zip(gradients) {
            let RSome(gradient) = gradient else { continue };
            gradient.validate()?;
            if gradient.shape() != root.shape() {
                let (found, wanted) = (gradient.shape(), root.shape());
                let text = format!("a gradient of shape {found:?} for an output of {wanted:?}");
                return Err(Error::contract(text));
            }
            if root.is_tracked() {
                seeds.push((root.clone(), gradient));
            }
        }
        self.asked = true;
        if seeds.is_empty() {
            // Nothing to propagate: the drop frees the graph.
            return Ok(self.leaves.iter().map(|_| RNone).collect());
        }
        self.done = true;
        self.roots.clear();
        let mut gradients = backward_with(seeds, &self.owner.device.clone().inner());
        let mut answer = RVec::with_capacity(self.leaves.len());
        for leaf in std::mem::take(&mut self.leaves) {
            let gradient = leaf.and_then(|leaf| leaf.take_gradient(&mut gradients));
            answer.push(match gradient {
                Some(gradient) => RSome(export(gradient, 0)?),
                None => RNone,
            });
        }
        self.owner.instance.collect_gradients(&mut gradients)?;
        Ok(answer)
    }
}

impl Context for Graph {
    fn backward(
        &mut self,
        gradients: RVec<ROption<v1::Tensor>>,
    ) -> RResult<RVec<ROption<v1::Tensor>>, Error> {
        let owner = self.owner.clone();
        owner.guarded(|| self.run(gradients))
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        self.owner.live.fetch_sub(1, Ordering::SeqCst);
        if self.done {
            return;
        }
        let roots = std::mem::take(&mut self.roots);
        let leaves = std::mem::take(&mut self.leaves);
        let sentinel = self.sentinel.clone();
        // A failing sweep only keeps memory; nothing may unwind out of a drop.
        let _ = catch(move || {
            later(Box::new(move || {
                drop((roots, leaves));
                sweep(sentinel);
            }));
            Ok(())
        });
    }
}

impl Differentiable for Served {
    fn image(&self) -> u64 {
        host::image()
    }

    fn contract(&self) -> RResult<RString, Error> {
        self.0.guarded(|| Ok(RString::from(self.0.contract.as_str())))
    }

    fn forward(&self, call: v1::Call, inputs: RVec<NamedTensor>) -> RResult<ForwardOutput, Error> {
        self.0.guarded(|| {
            if call.wants_context() {
                self.0.record(call, inputs)
            } else {
                self.0.evaluate(call, inputs)
            }
        })
    }

    fn parameters(&self) -> RResult<RVec<Parameter>, Error> {
        self.0.guarded(|| Ok(self.0.instance.parameters().into()))
    }

    fn set_optimizer(&self, config: RStr<'_>) -> RResult<(), Error> {
        self.0.guarded(|| self.0.instance.set_optimizer(config.as_str()))
    }

    fn set_trainable(&self, group: RStr<'_>, trainable: bool) -> RResult<(), Error> {
        self.0.guarded(|| self.0.instance.set_trainable(group.as_str(), trainable))
    }

    fn grad_norm_sq(&self) -> RResult<f64, Error> {
        self.0.guarded(|| self.0.instance.grad_norm_sq())
    }

    fn step(&self, scale: f64, rates: RVec<GroupRate>) -> RResult<(), Error> {
        self.0.guarded(|| self.0.instance.step(scale, &rates))
    }

    fn zero_grad(&self) -> RResult<(), Error> {
        self.0.guarded(|| {
            self.0.instance.zero_grad();
            Ok(())
        })
    }

    fn save(&self, path: RStr<'_>, format: RStr<'_>) -> RResult<(), Error> {
        self.0.guarded(|| self.0.instance.save(path.as_str(), format.as_str()))
    }

    fn load(&self, path: RStr<'_>, format: RStr<'_>) -> RResult<(), Error> {
        self.0.guarded(|| self.0.instance.load(path.as_str(), format.as_str()))
    }

    fn live_contexts(&self) -> u64 {
        self.0.live.load(Ordering::SeqCst)
    }

    fn call(
        &self,
        name: RStr<'_>,
        _json: RStr<'_>,
        _tensors: RVec<NamedTensor>,
    ) -> RResult<CallOutput, Error> {
        self.0.guarded(|| self.0.instance.call(name.as_str()))
    }
}

/// An instance whose drop, which runs the author's code, cannot unwind across the border.
struct Guarded(Option<Box<dyn Instance>>);

impl std::ops::Deref for Guarded {
    type Target = dyn Instance;

    fn deref(&self) -> &Self::Target {
        self.0.as_deref().expect("present until the drop")
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let instance = self.0.take();
        let dropped = catch(|| {
            drop(instance);
            Ok(())
        });
        // The instance is gone either way, and nobody waits for an answer.
        if let Err(error) = dropped {
            let text = format!("a drop panicked: {error}\nat {}", error.backtrace);
            host::log(LogLevel::ERROR, "panic", &text);
        }
    }
}
