//! The slot of role `aggregation` of a metric.

use crate::aggregation::ROLE;
use crate::arrays::WindowCodes;
use ablate_sdk::burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use ablate_sdk::{Arrays, BlockSlot, Build, Contract, Error, SlotSpec, Tensors};

const SLOT: &str = "aggregation";

/// A frozen block that makes codes of documents of codes of windows.
#[derive(Debug)]
pub(crate) struct Aggregation {
    block: BlockSlot,
    device: Device,
}

impl Aggregation {
    pub(crate) fn slot() -> SlotSpec {
        let doc = "Codes of the windows of a document to codes of the document.";
        SlotSpec::new(SLOT, ROLE, doc).default_block("mean")
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

    /// Takes the block of the slot.
    pub(crate) fn new(build: &mut Build) -> Result<Self, Error> {
        Ok(Self { block: build.slot(SLOT)?, device: build.plain_device() })
    }

    /// The codes that the block gives for those of a batch.
    pub(crate) fn apply(
        &self,
        inputs: &Arrays,
        windows: WindowCodes,
    ) -> Result<WindowCodes, Error> {
        let WindowCodes { codes, mask, items, windows, levels } = windows;
        let shape = inputs.shape("codebooks")?;
        let codebooks = TensorData::new(inputs.slice::<f32>("codebooks")?.to_vec(), shape);
        let codes = TensorData::new(codes, [items, windows, levels]);
        let mask = TensorData::new(mask, [items, windows]);
        let tensors = Tensors::new()
            .with("codes", Tensor::<3, Int>::from_data(codes, &self.device))
            .with("mask", Tensor::<2, Bool>::from_data(mask, &self.device))
            .with("codebooks", Tensor::<3>::from_data(codebooks, &self.device));
        // What is frozen draws nothing.
        let answer = self.block.evaluate(tensors, 0)?;
        let (codes, mask) = (answer.int::<3>("codes")?, answer.bool::<2>("mask")?);
        let [given, windows, width] = codes.dims();
        if (given, width) != (items, levels) || mask.dims() != [items, windows] {
            let (codes, mask) = (codes.dims(), mask.dims());
            return Err(Error::contract(format!(
                "the block of slot `{SLOT}` makes `codes` of shape {codes:?} with a `mask` of shape \
                 {mask:?} of {items} items of {levels} levels"
            )));
        }
        let codes = codes.into_data().iter::<i64>().collect();
        let mask = mask.into_data().iter::<bool>().collect();
        WindowCodes { codes, mask, items, windows, levels }.checked(None)
    }
}
