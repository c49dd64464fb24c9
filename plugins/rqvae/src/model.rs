//! The model: encoder, pooling slot, quantizer, decoder.

use crate::burn;
use crate::config::RqVaeConfig;
use crate::decoder::Decoder;
use crate::encoder::Encoder;
use crate::positions::Places;
use crate::quantizer::{ResidualQuantizer, TrainingSeeds};
use crate::rows::flags;
use ablate_sdk::burn::module::Module;
use ablate_sdk::burn::tensor::{Bool, Int, Tensor};
use ablate_sdk::{BlockSlot, Build, Call, Contract, Error, Model, Output, SlotSpec, Tensors};

/// The residual-quantized autoencoder of documents.
#[derive(Module, Debug)]
pub struct RqVae {
    encoder: Encoder,
    pooling: BlockSlot,
    quantizer: ResidualQuantizer,
    decoder: Decoder,
}

impl Model for RqVae {
    type Config = RqVaeConfig;
    const NAME: &'static str = "rqvae";
    const DOC: &'static str = "Residual-quantized autoencoder: codes per document or window.";
    const SURROGATE_GRADIENTS: &'static [(&'static str, &'static str)] =
        &[("reconstruction", "straight through the choice of codes")];

    fn slots() -> Vec<SlotSpec> {
        vec![
            SlotSpec::new("pooling", "pooling", "Encoded frames to the vectors that get codes.")
                .default_block("attentive-stats")
                .null_block("mean"),
        ]
    }

    fn contract(config: &RqVaeConfig) -> Result<Contract, Error> {
        config.check()?;
        let RqVaeConfig { latent_dim, levels, codebook_size, .. } = *config;
        let pooling = Contract::new()
            .input(format!("features: f32[B, T, {latent_dim}]"))
            .input("mask: bool[B, T]")
            .output(format!("pooled: f32[B, W, {latent_dim}]"))
            .output("mask: bool[B, W]");
        Ok(Contract::new()
            .input("features: f32[B, T, F]")
            .input("mask?: bool[B, T]")
            .output("reconstruction: f32[B, T, F]")
            .output(format!("codes: int[B, W, {levels}]"))
            .output("code_mask: bool[B, W]")
            .output("commitment: f32[1]")
            .output(format!("codebooks: f32[{levels}, {codebook_size}, {latent_dim}]"))
            .slot("pooling", pooling))
    }

    fn new(config: &RqVaeConfig, build: &mut Build) -> Result<Self, Error> {
        let features = build.dim("F")?;
        Ok(Self {
            encoder: Encoder::new(features, config, build.device()),
            quantizer: ResidualQuantizer::new(config, build.device()),
            decoder: Decoder::new(features, config, build.device()),
            pooling: build.slot("pooling")?,
        })
    }

    fn forward(&self, inputs: Tensors, call: &Call) -> Result<Output, Error> {
        let features = inputs.float::<3>("features")?;
        let mask = if inputs.contains("mask") { Some(inputs.bool::<2>("mask")?) } else { None };
        let training = call.train().then(|| TrainingSeeds {
            clusters: call.seed("k-means"),
            dead_codes: call.seed("dead codes"),
        });
        let parts = (&self.encoder, &self.quantizer, &self.decoder);
        let pool = |features, mask| {
            let inputs = Tensors::new().with("features", features).with("mask", mask);
            let outputs = self.pooling.forward(inputs, call)?;
            Ok((outputs.float("pooled")?, outputs.bool("mask")?))
        };
        let result = autoencode(parts, features, mask, training, pool)?;
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
    /// The commitment term, `[1]`.
    pub commitment: Tensor<1>,
    /// The codebooks that the codes refer to, `[L, K, D]`.
    pub codebooks: Tensor<3>,
}

/// Encodes, pools with `pool`, quantizes and reconstructs. Without a mask every frame is valid.
///
/// # Errors
/// Those of `pool`, and shapes that do not fit.
pub fn autoencode(
    (encoder, quantizer, decoder): (&Encoder, &ResidualQuantizer, &Decoder),
    features: Tensor<3>,
    mask: Option<Tensor<2, Bool>>,
    training: Option<TrainingSeeds>,
    pool: impl FnOnce(Tensor<3>, Tensor<2, Bool>) -> Result<(Tensor<3>, Tensor<2, Bool>), Error>,
) -> Result<Reconstruction, Error> {
    let ([batch, frames, _], device) = (features.dims(), features.device());
    if batch == 0 || frames == 0 {
        let text = format!("`features` has {batch} items of {frames} frames, nothing to encode");
        return Err(Error::data(text));
    }
    let mask = mask.unwrap_or_else(|| Tensor::full([batch, frames], true, &device));
    if mask.dims() != [batch, frames] {
        let (found, wanted) = (mask.dims(), [batch, frames]);
        let text = format!("`mask` has shape {found:?}, expected {wanted:?} as of `features`");
        return Err(Error::contract(text));
    }
    let encoded = encoder.forward(features, &mask);
    let width = encoded.dims()[2];
    let (pooled, code_mask) = pool(encoded, mask.clone())?;
    let windows = pooled.dims()[1];
    if pooled.dims() != [batch, windows, width] || code_mask.dims() != [batch, windows] {
        let (vectors, filled) = (pooled.dims(), code_mask.dims());
        let text = format!(
            "the pooling gave vectors {vectors:?} under a mask {filled:?}, expected {:?} under {:?}",
            [batch, windows, width],
            [batch, windows]
        );
        return Err(Error::contract(text));
    }
    let quantized = quantizer.forward(pooled, &code_mask, training);
    let places = Places::new(&flags(&mask), frames, &flags(&code_mask), windows);
    Ok(Reconstruction {
        frames: decoder.forward(quantized.vectors, &code_mask, &places),
        codes: quantized.codes,
        code_mask,
        commitment: quantized.commitment,
        codebooks: quantized.codebooks,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ablate_sdk::serde_json::json;

    #[test]
    fn the_contract_tells_metrics_the_number_of_levels_and_codes() {
        let config = RqVaeConfig { latent_dim: 32, heads: 2, levels: 3, ..RqVaeConfig::default() };
        let contract = RqVae::contract(&config).expect("valid").to_json().expect("well written");
        let shape = |output: usize| contract["outputs"][output]["shape"].clone();
        assert_eq!(shape(1), json!(["B", "W", 3]));
        assert_eq!(shape(4), json!([3, 64, 32]));
        let pooling = &contract["slots"]["pooling"];
        assert_eq!(pooling["inputs"][0]["shape"], json!(["B", "T", 32]));
        assert_eq!(pooling["outputs"][0]["shape"], json!(["B", "W", 32]));
    }
}
