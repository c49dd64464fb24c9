//! The model: slots for the encoder, the pooling, the quantizer and the decoder.

use crate::burn;
use crate::config::RqVaeConfig;
use crate::quantizer::Quantized;
use ablate_sdk::burn::module::Module;
use ablate_sdk::burn::tensor::{Bool, Int, Tensor};
use ablate_sdk::{BlockSlot, Build, Call, Contract, Error, Model, Output, SlotSpec, Tensors};

/// The residual-quantized autoencoder of documents.
#[derive(Module, Debug)]
pub struct RqVae {
    encoder: BlockSlot,
    pooling: BlockSlot,
    quantizer: BlockSlot,
    decoder: BlockSlot,
}

impl Model for RqVae {
    type Config = RqVaeConfig;
    const NAME: &'static str = "rqvae";
    const DOC: &'static str = "Residual-quantized autoencoder: codes per document or window.";
    const SURROGATE_GRADIENTS: &'static [(&'static str, &'static str)] = &[
        ("reconstruction", "straight through the choice of codes"),
        ("commitment", "of some quantizers, whose terms move only one side each"),
    ];

    fn slots() -> Vec<SlotSpec> {
        vec![
            SlotSpec::new("encoder", "frame-encoder", "Frames to latent frames.")
                .default_block("convolution"),
            SlotSpec::new("pooling", "pooling", "Encoded frames to the vectors that get codes.")
                .default_block("attentive-stats")
                .null_block("mean"),
            SlotSpec::new("quantizer", "quantizer", "Vectors to codes and back.")
                .default_block("ema"),
            SlotSpec::new("decoder", "decoder", "Quantized vectors to frames.")
                .default_block("located"),
        ]
    }

    fn contract(config: &RqVaeConfig) -> Result<Contract, Error> {
        config.check()?;
        let width = config.latent_dim;
        let encoder = Contract::new()
            .input("features: f32[B, T, F]")
            .input("mask: bool[B, T]")
            .output(format!("encoded: f32[B, T, {width}]"));
        let pooling = Contract::new()
            .input(format!("features: f32[B, T, {width}]"))
            .input("mask: bool[B, T]")
            .output(format!("pooled: f32[B, W, {width}]"))
            .output("mask: bool[B, W]");
        let quantizer = Contract::new()
            .input(format!("vectors: f32[B, W, {width}]"))
            .input("mask: bool[B, W]")
            .output(format!("quantized: f32[B, W, {width}]"))
            .output("codes: int[B, W, L]")
            .output("commitment: f32[1]")
            .output(format!("codebooks: f32[L, K, {width}]"));
        let decoder = Contract::new()
            .input(format!("memory: f32[B, W, {width}]"))
            .input("memory_mask: bool[B, W]")
            .input("mask: bool[B, T]")
            .output("frames: f32[B, T, F]");
        Ok(Contract::new()
            .input("features: f32[B, T, F]")
            .input("mask?: bool[B, T]")
            .output("reconstruction: f32[B, T, F]")
            .output("codes: int[B, W, L]")
            .output("code_mask: bool[B, W]")
            .output("commitment: f32[1]")
            .output(format!("codebooks: f32[L, K, {width}]"))
            .slot("encoder", encoder)
            .slot("pooling", pooling)
            .slot("quantizer", quantizer)
            .slot("decoder", decoder))
    }

    fn new(_: &RqVaeConfig, build: &mut Build) -> Result<Self, Error> {
        Ok(Self {
            encoder: build.slot("encoder")?,
            pooling: build.slot("pooling")?,
            quantizer: build.slot("quantizer")?,
            decoder: build.slot("decoder")?,
        })
    }

    fn forward(&self, inputs: Tensors, call: &Call) -> Result<Output, Error> {
        let features = inputs.float::<3>("features")?;
        let mask = if inputs.contains("mask") { Some(inputs.bool::<2>("mask")?) } else { None };
        let stages = Stages {
            encode: |features, mask| {
                let inputs = Tensors::new().with("features", features).with("mask", mask);
                self.encoder.forward(inputs, call)?.float("encoded")
            },
            pool: |features, mask| {
                let inputs = Tensors::new().with("features", features).with("mask", mask);
                let outputs = self.pooling.forward(inputs, call)?;
                Ok((outputs.float("pooled")?, outputs.bool("mask")?))
            },
            quantize: |vectors, mask| {
                let inputs = Tensors::new().with("vectors", vectors).with("mask", mask);
                Quantized::read(&self.quantizer.forward(inputs, call)?)
            },
            decode: |memory, memory_mask, mask| {
                let inputs = Tensors::new().with("memory", memory);
                let inputs = inputs.with("memory_mask", memory_mask).with("mask", mask);
                self.decoder.forward(inputs, call)?.float("frames")
            },
        };
        let result = stages.autoencode(features, mask)?;
        Ok(Tensors::new()
            .with("reconstruction", result.frames)
            .with("codes", result.codes)
            .with("code_mask", result.code_mask)
            .with("commitment", result.commitment)
            .with("codebooks", result.codebooks)
            .into())
    }
}

/// What the model gives.
#[derive(Clone, Debug)]
pub struct Reconstruction {
    /// `[B, T, F]`; anything finite where the input was padding.
    pub frames: Tensor<3>,
    /// `[B, W, L]`; 0 where `code_mask` is false.
    pub codes: Tensor<3, Int>,
    /// `[B, W]`.
    pub code_mask: Tensor<2, Bool>,
    /// What the quantizer adds to the objective, `[1]`.
    pub commitment: Tensor<1>,
    /// The codebooks that the codes refer to, `[L, K, D]`.
    pub codebooks: Tensor<3>,
}

/// A mask `[B, T]` or `[B, W]`.
type Mask = Tensor<2, Bool>;

/// The four stages of the model, wherever they come from.
#[derive(Clone, Copy, Debug)]
pub struct Stages<Encode, Pool, Quantize, Decode> {
    /// Frames `[B, T, F]` under `[B, T]` to `[B, T, D]`.
    pub encode: Encode,
    /// Encoded frames under their mask to vectors `[B, W, D]` under `[B, W]`.
    pub pool: Pool,
    /// Vectors under their mask to codes.
    pub quantize: Quantize,
    /// Quantized vectors under `[B, W]` to frames `[B, T, F]` under `[B, T]`.
    pub decode: Decode,
}

impl<Encode, Pool, Quantize, Decode> Stages<Encode, Pool, Quantize, Decode>
where
    Encode: FnOnce(Tensor<3>, Mask) -> Result<Tensor<3>, Error>,
    Pool: FnOnce(Tensor<3>, Mask) -> Result<(Tensor<3>, Mask), Error>,
    Quantize: FnOnce(Tensor<3>, Mask) -> Result<Quantized, Error>,
    Decode: FnOnce(Tensor<3>, Mask, Mask) -> Result<Tensor<3>, Error>,
{
    /// Runs one after the other. Without a mask every frame is valid.
    ///
    /// # Errors
    /// Those of the stages, and shapes that do not fit.
    pub fn autoencode(
        self,
        features: Tensor<3>,
        mask: Option<Mask>,
    ) -> Result<Reconstruction, Error> {
        let ([batch, frames, bins], device) = (features.dims(), features.device());
        if batch == 0 || frames == 0 {
            let text =
                format!("`features` has {batch} items of {frames} frames, nothing to encode");
            return Err(Error::data(text));
        }
        let mask = mask.unwrap_or_else(|| Tensor::full([batch, frames], true, &device));
        if mask.dims() != [batch, frames] {
            let (found, wanted) = (mask.dims(), [batch, frames]);
            let text = format!("`mask` has shape {found:?}, expected {wanted:?} as of `features`");
            return Err(Error::contract(text));
        }
        let encoded = (self.encode)(features, mask.clone())?;
        let width = encoded.dims()[2];
        fits("encoder", "encoded", encoded.dims(), [batch, frames, width])?;
        let (pooled, code_mask) = (self.pool)(encoded, mask.clone())?;
        let windows = pooled.dims()[1];
        if pooled.dims() != [batch, windows, width] || code_mask.dims() != [batch, windows] {
            let (vectors, filled) = (pooled.dims(), code_mask.dims());
            let text = format!(
                "the pooling gave vectors {vectors:?} under a mask {filled:?}, expected {:?} \
                 under {:?}",
                [batch, windows, width],
                [batch, windows]
            );
            return Err(Error::contract(text));
        }
        let (pooled, code_mask) = at_least_one(pooled, code_mask);
        let windows = code_mask.dims()[1];
        let quantized = (self.quantize)(pooled, code_mask.clone())?;
        let vectors = quantized.vectors;
        fits("quantizer", "quantized", vectors.dims(), [batch, windows, width])?;
        let frames_found = (self.decode)(vectors, code_mask.clone(), mask)?;
        fits("decoder", "frames", frames_found.dims(), [batch, frames, bins])?;
        Ok(Reconstruction {
            frames: frames_found,
            codes: quantized.codes,
            code_mask,
            commitment: quantized.commitment,
            codebooks: quantized.codebooks,
        })
    }
}

/// One window that does not count in place of none, as for items all shorter than a window.
fn at_least_one(vectors: Tensor<3>, mask: Mask) -> (Tensor<3>, Mask) {
    let ([batch, windows, width], device) = (vectors.dims(), vectors.device());
    if windows > 0 {
        return (vectors, mask);
    }
    let mask = Tensor::full([batch, 1], false, &device);
    (Tensor::zeros([batch, 1, width], &device), mask)
}

fn fits(stage: &str, name: &str, found: [usize; 3], wanted: [usize; 3]) -> Result<(), Error> {
    if found == wanted {
        return Ok(());
    }
    let text = format!("the {stage} gave `{name}` of shape {found:?}, expected {wanted:?}");
    Err(Error::contract(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ablate_sdk::serde_json::json;

    #[test]
    fn the_contract_leaves_levels_and_codes_to_the_quantizer() {
        let config = RqVaeConfig { latent_dim: 32 };
        let contract = RqVae::contract(&config).expect("valid").to_json().expect("well written");
        let shape = |output: usize| contract["outputs"][output]["shape"].clone();
        assert_eq!(shape(1), json!(["B", "W", "L"]));
        assert_eq!(shape(4), json!(["L", "K", 32]));
        let slots = &contract["slots"];
        assert_eq!(slots["encoder"]["outputs"][0]["shape"], json!(["B", "T", 32]));
        assert_eq!(slots["pooling"]["inputs"][0]["shape"], json!(["B", "T", 32]));
        assert_eq!(slots["quantizer"]["outputs"][1]["shape"], json!(["B", "W", "L"]));
        assert_eq!(slots["quantizer"]["outputs"][3]["shape"], json!(["L", "K", 32]));
        assert_eq!(slots["decoder"]["outputs"][0]["shape"], json!(["B", "T", "F"]));
    }

    #[test]
    fn refuses_vectors_of_no_width() {
        let error = RqVae::contract(&RqVaeConfig { latent_dim: 0 }).expect_err("must fail");
        assert_eq!(error.to_string(), "`latent_dim` is 0, must be at least 1");
    }
}
