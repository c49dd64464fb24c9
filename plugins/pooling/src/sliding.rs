//! Pools every window of a sequence with the block in its slot.

use crate::burn;
use crate::frames::{empty, output, read, zero_invalid};
use crate::windows::{Tail, Windows};
use ablate_sdk::burn::module::Module;
use ablate_sdk::burn::tensor::{Bool, Tensor, TensorData};
use ablate_sdk::{Block, BlockSlot, Build, Call, Contract, Error, Output, SlotSpec, Tensors};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Configuration of the sliding window.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug)]
#[serde(deny_unknown_fields, default)]
pub struct SlidingWindowConfig {
    /// Frames in a window.
    #[schemars(range(min = 1))]
    pub window: usize,
    /// Frames from the start of one window to the start of the next.
    #[schemars(range(min = 1))]
    pub stride: usize,
    /// What happens with the frames at the end that fill no whole window.
    pub tail: Tail,
}

impl Default for SlidingWindowConfig {
    fn default() -> Self {
        Self { window: 25, stride: 12, tail: Tail::Pad }
    }
}

impl SlidingWindowConfig {
    fn check(&self) -> Result<(), Error> {
        for (name, value) in [("window", self.window), ("stride", self.stride)] {
            if value == 0 {
                return Err(Error::config(format!("`{name}` is 0, must be at least 1")));
            }
        }
        Ok(())
    }
}

/// One pooled vector per window.
#[derive(Module, Debug)]
pub struct SlidingWindow {
    #[module(skip)]
    windows: Windows,
    inner: BlockSlot,
}

impl Block for SlidingWindow {
    type Config = SlidingWindowConfig;
    const NAME: &'static str = "sliding-window";
    const ROLE: &'static str = "pooling";
    const DOC: &'static str = "One vector per window, pooled by the block in the slot.";

    fn slots() -> Vec<SlotSpec> {
        vec![
            SlotSpec::new("inner", "pooling", "Pools the frames of one window to one vector.")
                .default_block("attentive-stats")
                .null_block("mean"),
        ]
    }

    fn contract(config: &SlidingWindowConfig) -> Result<Contract, Error> {
        config.check()?;
        let inner = Contract::new()
            .input("features: f32[N, w, D]")
            .input("mask: bool[N, w]")
            .output("pooled: f32[N, 1, D]")
            .output("mask: bool[N, 1]");
        Ok(Contract::new()
            .input("features: f32[B, T, D]")
            .input("mask?: bool[B, T]")
            .output("pooled: f32[B, W, D]")
            .output("mask: bool[B, W]")
            .slot("inner", inner))
    }

    fn new(config: &SlidingWindowConfig, build: &mut Build) -> Result<Self, Error> {
        let SlidingWindowConfig { window, stride, tail } = *config;
        Ok(Self { windows: Windows { window, stride, tail }, inner: build.slot("inner")? })
    }

    fn forward(&self, inputs: Tensors, call: &Call) -> Result<Output, Error> {
        let (features, mask) = read(&inputs)?;
        let pooled = pool_windows(&self.windows, features, mask, |features, mask| {
            let inputs = Tensors::new().with("features", features).with("mask", mask);
            let outputs = self.inner.forward(inputs, call)?;
            Ok((outputs.float("pooled")?, outputs.bool("mask")?))
        })?;
        Ok(output(pooled))
    }
}

/// Pools all windows of all items in one call of `inner`, which takes `[N, w, D]` under `[N, w]`
/// and gives `[N, 1, D]` under `[N, 1]`. Windows that do not count are zero.
///
/// # Errors
/// Those of `inner`, or if it does not give one vector per window.
pub fn pool_windows(
    windows: &Windows,
    features: Tensor<3>,
    mask: Tensor<2, Bool>,
    inner: impl FnOnce(Tensor<3>, Tensor<2, Bool>) -> Result<(Tensor<3>, Tensor<2, Bool>), Error>,
) -> Result<(Tensor<3>, Tensor<2, Bool>), Error> {
    if let Some(result) = empty(&features) {
        return Ok(result);
    }
    let ([batch, frames, channels], device) = (features.dims(), features.device());
    let count = windows.count(frames);
    let list: Vec<bool> = mask.clone().into_data().iter::<bool>().collect();
    let valid = TensorData::new(windows.valid(&list, frames), [batch, count]);
    let valid = Tensor::<2, Bool>::from_data(valid, &device);

    let (features, mask) = windows.cut(features, mask);
    let rows = batch * count;
    let (pooled, filled) = inner(features, mask)?;
    if pooled.dims() != [rows, 1, channels] || filled.dims() != [rows, 1] {
        let (found, wanted) = (pooled.dims(), [rows, 1, channels]);
        let text =
            format!("the inner pooling gave {found:?}, expected one vector per window: {wanted:?}");
        return Err(Error::contract(text));
    }
    let valid = valid.bool_and(filled.reshape([batch, count]));
    Ok((zero_invalid(pooled.reshape([batch, count, channels]), &valid), valid))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ablate_sdk::serde_json::json;

    #[test]
    fn asks_its_inner_block_for_one_vector_per_window() {
        let contract = SlidingWindow::contract(&SlidingWindowConfig::default()).expect("valid");
        let inner = contract.to_json().expect("well written")["slots"]["inner"].clone();
        assert_eq!(inner["inputs"][0]["shape"], json!(["N", "w", "D"]));
        assert_eq!(inner["outputs"][0]["shape"], json!(["N", 1, "D"]));
    }

    #[test]
    fn refuses_windows_and_strides_of_nothing() {
        let config = SlidingWindowConfig { stride: 0, ..SlidingWindowConfig::default() };
        let error = SlidingWindow::contract(&config).expect_err("must fail").to_string();
        assert_eq!(error, "`stride` is 0, must be at least 1");
    }

    #[test]
    fn reads_the_tail_in_kebab_case_and_no_unknown_keys() {
        let read = |config| ablate_sdk::serde_json::from_value::<SlidingWindowConfig>(config);
        let config = read(json!({ "window": 50, "stride": 25, "tail": "drop" })).expect("valid");
        assert_eq!((config.window, config.stride, config.tail), (50, 25, Tail::Drop));
        assert!(read(json!({ "windows": 50 })).is_err());
        assert!(read(json!({ "tail": "cut" })).is_err());
    }
}
