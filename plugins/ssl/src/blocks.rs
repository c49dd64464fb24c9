//! The two encoders as blocks of role `encoder`.

use crate::architecture::{Architecture, Family};
use crate::burn;
use crate::checkpoint::Checkpoint;
use crate::config::SpeechEncoderConfig;
use crate::encoder::{SpeechEncoder, depth};
use ablate_sdk::burn::module::Module;
use ablate_sdk::{Block, Build, Call, Contract, Error, Output, Tensors};

/// WavLM: HuBERT with gated relative positions (Chen et al., 2022).
#[derive(Module, Debug)]
pub struct Wavlm {
    /// Its parameters.
    pub encoder: SpeechEncoder,
}

/// HuBERT (Hsu et al., 2021).
#[derive(Module, Debug)]
pub struct Hubert {
    /// Its parameters.
    pub encoder: SpeechEncoder,
}

impl Block for Wavlm {
    type Config = SpeechEncoderConfig;
    const NAME: &'static str = "wavlm";
    const ROLE: &'static str = "encoder";
    const DOC: &'static str = "WavLM with its published weights, up to one of its layers.";

    fn contract(config: &SpeechEncoderConfig) -> Result<Contract, Error> {
        contract(Family::Wavlm, config)
    }

    fn new(config: &SpeechEncoderConfig, build: &mut Build) -> Result<Self, Error> {
        Ok(Self { encoder: SpeechEncoder::new(Family::Wavlm, config, build.device())? })
    }

    fn forward(&self, inputs: Tensors, _: &Call) -> Result<Output, Error> {
        forward(&self.encoder, &inputs)
    }

    fn group(path: &str) -> &'static str {
        group(path)
    }
}

impl Block for Hubert {
    type Config = SpeechEncoderConfig;
    const NAME: &'static str = "hubert";
    const ROLE: &'static str = "encoder";
    const DOC: &'static str = "HuBERT with its published weights, up to one of its layers.";

    fn contract(config: &SpeechEncoderConfig) -> Result<Contract, Error> {
        contract(Family::Hubert, config)
    }

    fn new(config: &SpeechEncoderConfig, build: &mut Build) -> Result<Self, Error> {
        Ok(Self { encoder: SpeechEncoder::new(Family::Hubert, config, build.device())? })
    }

    fn forward(&self, inputs: Tensors, _: &Call) -> Result<Output, Error> {
        forward(&self.encoder, &inputs)
    }

    fn group(path: &str) -> &'static str {
        group(path)
    }
}

/// Fails for weights that are named and not there; that none are named is found when the block is
/// made, so that the defaults have a contract.
fn contract(family: Family, config: &SpeechEncoderConfig) -> Result<Contract, Error> {
    let architecture = Architecture::of(family, config)?;
    depth(config, &architecture)?;
    if config.weights.is_some() {
        Checkpoint::locate(family, config)?;
    }
    Ok(Contract::new()
        .input("audio: f32[B, S]")
        .input("mask: bool[B, S]")
        .output(format!("features: f32[B, T, {}]", architecture.width))
        .output("mask: bool[B, T]"))
}

fn forward(encoder: &SpeechEncoder, inputs: &Tensors) -> Result<Output, Error> {
    let (audio, mask) = (inputs.float::<2>("audio")?, inputs.bool::<2>("mask")?);
    let (features, mask) = encoder.forward(audio, &mask)?;
    Ok(Tensors::new().with("features", features).with("mask", mask).into())
}

fn group(path: &str) -> &'static str {
    match path.strip_prefix("encoder.") {
        Some(path) if path.starts_with("waveform.") => "feature-extractor",
        Some("layer_weights") => "layer-weights",
        _ => "transformer",
    }
}
