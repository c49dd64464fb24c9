//! A place in a model or block that holds a block, wherever that block comes from.

use crate::Error;
use crate::any::Tensors;
use crate::call::Call;
use crate::foreign;
use crate::host;
use crate::served::Served;
use ablate_abi::v1::{self, SharedDifferentiable};
use burn::module::{
    Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
};
use burn::tensor::{Device, Gradients};
use std::sync::Arc;

/// A slot with its block. Put it as a field into a module: it has no parameters of its own.
#[derive(Clone)]
pub struct BlockSlot(Arc<Filled>);

struct Filled {
    name: String,
    block: SharedDifferentiable,
    shared: bool,
    /// Without a graph.
    device: Device,
}

impl std::fmt::Debug for BlockSlot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BlockSlot({})", self.0.name)
    }
}

impl std::fmt::Display for BlockSlot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self, f)
    }
}

impl BlockSlot {
    pub(crate) fn new(slot: v1::Slot, device: &Device) -> Self {
        let v1::Slot { name, block, shared } = slot;
        let device = device.clone().inner();
        Self(Arc::new(Filled { name: name.into_string(), block, shared, device }))
    }

    /// Name of the slot.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Runs the block. Gradients flow through it, and into its parameters.
    ///
    /// # Errors
    /// Those of the block, and tensors that do not fit its contract.
    pub fn forward(&self, inputs: Tensors, call: &Call) -> Result<Tensors, Error> {
        self.forward_as(None, inputs, call)
    }

    /// As [`BlockSlot::forward`], with one of the block's own methods, such as `encode`.
    ///
    /// # Errors
    /// Also those of a block that does not know the method.
    pub fn forward_method(
        &self,
        method: &str,
        inputs: Tensors,
        call: &Call,
    ) -> Result<Tensors, Error> {
        self.forward_as(Some(method), inputs, call)
    }

    /// Runs the block outside of any call, without a graph and without dropout: how a dataset or a
    /// metric uses a block, which is frozen there. Equal seeds give equal random numbers.
    ///
    /// The inputs lie on [`crate::Build::plain_device`]. A dataset calls it in `prepare` and not in
    /// `batch`, which runs while a model of the same library may draw random numbers.
    ///
    /// # Errors
    /// Those of the block, and tensors that do not fit its contract.
    pub fn evaluate(&self, inputs: Tensors, seed: u64) -> Result<Tensors, Error> {
        let device = self.0.device.clone();
        let call = Call::new(v1::Call::new("eval", seed), device, seed);
        self.forward_as(None, inputs, &call)
    }

    fn forward_as(
        &self,
        method: Option<&str>,
        inputs: Tensors,
        call: &Call,
    ) -> Result<Tensors, Error> {
        let raw = call.for_slot(&self.0.name, method);
        let result = match self.native() {
            Some(served) => served.forward_native(inputs, raw),
            None => foreign::forward(&self.0.block, inputs, raw, call.device()),
        };
        call.reseed();
        result.map_err(|error| error.context(format!("in the block of slot `{}`", self.0.name)))
    }

    /// The block itself when it lives in this image and only here: it then joins this graph
    /// directly.
    fn native(&self) -> Option<&Served> {
        if self.0.shared || self.0.block.image() != host::image() {
            return None;
        }
        self.0.block.obj.downcast_as::<Served>().ok()
    }

    /// Hands gradients of this graph to the parameters of native blocks.
    pub(crate) fn collect_gradients(&self, gradients: &mut Gradients) -> Result<(), Error> {
        self.native().map_or(Ok(()), |served| served.collect_gradients(gradients))
    }
}

impl Module for BlockSlot {
    fn visit<V: ModuleVisitor>(&self, _: &mut V) {}

    fn map<M: ModuleMapper>(self, _: &mut M) -> Self {
        self
    }

    fn to_device(self, _: &Device) -> Self {
        self
    }

    fn fork(self, _: &Device) -> Self {
        self
    }

    fn collect_devices(&self, devices: Devices) -> Devices {
        devices
    }

    fn materialize(self) -> Self {
        self
    }

    fn valid(&self) -> Self {
        self.clone()
    }

    fn train(self) -> Self {
        self
    }
}

impl ModuleDisplayDefault for BlockSlot {
    fn content(&self, content: Content) -> Option<Content> {
        content.add_formatted(&self.to_string()).optional()
    }
}

impl ModuleDisplay for BlockSlot {}
