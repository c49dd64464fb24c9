//! One forward call, as a component sees it.

use crate::seed::derive;
use ablate_abi::v1;
use burn::tensor::Device;
use std::sync::atomic::{AtomicU64, Ordering};

/// What the caller wants of a forward pass, and where it stands in training.
#[derive(Debug)]
pub struct Call {
    raw: v1::Call,
    device: Device,
    slot_calls: AtomicU64,
}

impl Call {
    pub(crate) fn new(raw: v1::Call, device: Device) -> Self {
        Self { raw, device, slot_calls: AtomicU64::new(0) }
    }

    /// What to compute: `train`, `eval`, `predict`, `encode`, …
    pub fn method(&self) -> &str {
        &self.raw.method
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
        derive(self.raw.seed, &[purpose])
    }

    pub(crate) fn wants_context(&self) -> bool {
        self.raw.wants_context()
    }

    /// The call that the block in a slot gets: the same but for its own stream.
    pub(crate) fn for_slot(&self, slot: &str) -> v1::Call {
        let count = self.slot_calls.fetch_add(1, Ordering::Relaxed);
        let seed = derive(self.raw.seed, &["slot", slot, &count.to_string()]);
        v1::Call { seed, ..self.raw.clone() }
    }

    /// Seeds this image's generator after a slot call. A native block draws from it and a foreign
    /// one does not; with this, both ways draw the same numbers afterwards.
    pub(crate) fn reseed(&self) {
        let count = self.slot_calls.load(Ordering::Relaxed);
        self.device.seed(derive(self.raw.seed, &["after slot", &count.to_string()]));
    }
}
