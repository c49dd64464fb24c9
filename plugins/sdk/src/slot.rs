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
    pub(crate) fn new(slot: v1::Slot) -> Self {
        let v1::Slot { name, block, shared } = slot;
        Self(Arc::new(Filled { name: name.into_string(), block, shared }))
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
        let result = match self.native() {
            Some(served) => served.forward_native(inputs, call.for_slot(&self.0.name)),
            None => foreign::forward(&self.0.block, &self.0.name, inputs, call),
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
