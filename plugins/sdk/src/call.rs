//! One forward call, as a component sees it.

use crate::Error;
use crate::seed::derive;
use ablate_abi::v1;
use burn::tensor::Device;
use serde::de::DeserializeOwned;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What the caller wants of a forward pass, and where it stands in training.
#[derive(Debug)]
pub struct Call {
    raw: v1::Call,
    device: Device,
    /// The random stream of the instance in this call.
    stream: u64,
    slot_calls: AtomicU64,
    options_read: AtomicBool,
}

impl Call {
    pub(crate) fn new(raw: v1::Call, device: Device, stream: u64) -> Self {
        let options_read = AtomicBool::new(raw.options.is_empty());
        Self { raw, device, stream, slot_calls: AtomicU64::new(0), options_read }
    }

    /// What to compute: `train`, `eval`, or one of the component's own methods. `predict` gives
    /// what a user wants of finished training, and may leave out what only losses need; `encode`
    /// gives the representation of the inputs.
    pub fn method(&self) -> &str {
        &self.raw.method
    }

    /// The settings of this call of the method; `#[serde(deny_unknown_fields, default)]` belongs
    /// on the type. Options that nobody asks for are an error.
    ///
    /// # Errors
    /// If they do not fit the type.
    pub fn options<O: DeserializeOwned>(&self) -> Result<O, Error> {
        self.options_read.store(true, Ordering::Relaxed);
        let text = if self.raw.options.is_empty() { "{}" } else { self.raw.options.as_str() };
        serde_json::from_str(text).map_err(|error| {
            Error::config(format!("the options of `{}`: {error}", self.raw.method))
        })
    }

    pub(crate) fn options_were_read(&self) -> Result<(), Error> {
        if self.options_read.load(Ordering::Relaxed) {
            return Ok(());
        }
        let (method, options) = (&self.raw.method, &self.raw.options);
        Err(Error::config(format!("`{method}` takes no options, it was given `{options}`")))
    }

    /// Optimizer steps taken so far.
    pub fn step(&self) -> u64 {
        self.raw.step
    }

    /// Passes over the train split finished so far.
    pub fn epoch(&self) -> u64 {
        self.raw.epoch
    }

    /// Whether running statistics may change and dropout is on.
    pub fn train(&self) -> bool {
        self.raw.train()
    }

    /// The device to put new tensors on; it records a graph when gradients are wanted.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// A seed of this call for `purpose`, for randomness outside Burn.
    pub fn seed(&self, purpose: &str) -> u64 {
        derive(self.stream, &[purpose])
    }

    pub(crate) fn wants_context(&self) -> bool {
        self.raw.wants_context()
    }

    /// The call that the block in a slot gets, with a stream of its own: of `method`, else of
    /// `train` or `eval`, since methods and options are between a component and its caller.
    pub(crate) fn for_slot(&self, slot: &str, method: Option<&str>) -> v1::Call {
        let count = self.slot_calls.fetch_add(1, Ordering::Relaxed);
        let v1::Call { step, epoch, flags, .. } = self.raw;
        let method = method.unwrap_or(if self.train() { "train" } else { "eval" });
        let seed = derive(self.raw.seed, &["slot", slot, &count.to_string()]);
        v1::Call { step, epoch, flags, ..v1::Call::new(method, seed) }
    }

    /// Seeds this image's generator after a slot call. A native block draws from it and a foreign
    /// one does not; with this, both ways draw the same numbers afterwards.
    pub(crate) fn reseed(&self) {
        let count = self.slot_calls.load(Ordering::Relaxed);
        self.device.seed(derive(self.stream, &["after slot", &count.to_string()]));
    }
}
