//! The slot of role `aggregation`: codes of windows to codes of items before they are compared.

use crate::codes::Codes;
use ablate_sdk::burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use ablate_sdk::{Arrays, BlockSlot, Build, Contract, Error, SlotSpec, Tensors};

const SLOT: &str = "aggregation";

/// A frozen block that makes codes of items of codes of windows.
#[derive(Debug)]
pub(crate) struct Aggregation {
    block: BlockSlot,
    device: Device,
}

impl Aggregation {
    pub(crate) fn slot() -> SlotSpec {
        let doc = "Codes of the windows of an item to codes of the item; without it all of them.";
        SlotSpec::new(SLOT, "aggregation", doc).optional()
    }

    /// What the block is given and must give, in the symbols of a metric.
    pub(crate) fn contract() -> Contract {
        Contract::new()
            .input("codes: int[B, W, L]")
            .input("mask: bool[B, W]")
            .input("codebooks: f32[L, K, D]")
            .output("codes: int[B, A, L]")
            .output("mask: bool[B, A]")
    }

    /// Takes the block of the slot, if there is one.
    ///
    /// # Errors
    /// If there is one and the metric has no codebooks for it.
    pub(crate) fn new(build: &mut Build) -> Result<Option<Self>, Error> {
        let Some(block) = build.optional_slot(SLOT) else { return Ok(None) };
        build.dim("K").map_err(|error| {
            error.context(format!("slot `{SLOT}` is filled, but `codebooks` is not wired"))
        })?;
        Ok(Some(Self { block, device: build.plain_device() }))
    }

    /// The codes that the block gives for those of a batch.
    pub(crate) fn apply(&self, inputs: &Arrays, codes: Codes) -> Result<Codes, Error> {
        let shape = inputs.shape("codebooks")?;
        let (values, mask, [batch, windows, levels]) = codes.into_parts();
        if shape.len() != 3 || shape[0] != levels {
            let text = format!("`codebooks` is f32{shape:?}, but `codes` has {levels} levels");
            return Err(Error::contract(text));
        }
        let codebooks = TensorData::new(inputs.slice::<f32>("codebooks")?.to_vec(), shape);
        let codes = TensorData::new(values, [batch, windows, levels]);
        let mask = TensorData::new(mask, [batch, windows]);
        let tensors = Tensors::new()
            .with("codes", Tensor::<3, Int>::from_data(codes, &self.device))
            .with("mask", Tensor::<2, Bool>::from_data(mask, &self.device))
            .with("codebooks", Tensor::<3>::from_data(codebooks, &self.device));
        // What is frozen draws nothing.
        let answer = self.block.evaluate(tensors, 0)?;
        let (codes, mask) = (answer.int::<3>("codes")?, answer.bool::<2>("mask")?);
        let (shape, of_mask) = (codes.dims(), mask.dims());
        if (shape[0], shape[2]) != (batch, levels) || of_mask != shape[..2] {
            return Err(Error::contract(format!(
                "the block of slot `{SLOT}` makes `codes` of shape {shape:?} with a `mask` of shape \
                 {of_mask:?} of {batch} items of {levels} levels"
            )));
        }
        let values = codes.into_data().iter::<i64>().collect();
        Codes::new(values, mask.into_data().iter::<bool>().collect(), shape, None)
    }
}
