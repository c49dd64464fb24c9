//! `log-mel`: Kaldi's log-mel filter banks as a block of role `encoder`.

use std::fmt;
use std::sync::Arc;

use ablate_audio::{Fbank, FbankConfig};
use ablate_sdk::burn;
use ablate_sdk::burn::module::Module;
use ablate_sdk::burn::tensor::{Bool, Tensor, TensorData};
use ablate_sdk::{Block, Build, Call, Contract, Error, ErrorKind, Output, Tensors};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::encoder::SAMPLE_RATE;

/// Configuration of `log-mel`.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct LogMelConfig {
    /// Mel filters, which is the number of features per frame.
    #[schemars(range(min = 1))]
    pub mel_bins: usize,
    /// Length of a frame in milliseconds.
    #[schemars(extend("exclusiveMinimum" = 0.0, "maximum" = 10_000.0))]
    pub frame_length_ms: f32,
    /// Milliseconds from the start of one frame to the start of the next.
    #[schemars(extend("exclusiveMinimum" = 0.0, "maximum" = 10_000.0))]
    pub frame_shift_ms: f32,
}

impl Default for LogMelConfig {
    fn default() -> Self {
        Self { mel_bins: 80, frame_length_ms: 25.0, frame_shift_ms: 10.0 }
    }
}

impl LogMelConfig {
    /// The filter bank.
    ///
    /// # Errors
    /// A value that makes no sense, by its key.
    pub(crate) fn fbank(&self) -> Result<Fbank, Error> {
        let Self { mel_bins, frame_length_ms, frame_shift_ms } = *self;
        let config = FbankConfig {
            sample_rate: SAMPLE_RATE,
            num_mel_bins: mel_bins,
            frame_length_ms,
            frame_shift_ms,
            ..FbankConfig::default()
        };
        Fbank::new(config).map_err(|error| match error {
            ablate_audio::Error::Config { key: "num_mel_bins", expected, value } => {
                Error::config(format!("`mel_bins` must be {expected}, not `{value}`"))
            }
            error => Error::from_error(ErrorKind::CONFIG, &error),
        })
    }
}

/// The filter bank, which modules may hold: shared and without parameters.
#[derive(Clone)]
struct Bank(Arc<Fbank>);

impl fmt::Debug for Bank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.config().fmt(f)
    }
}

/// Log-mel energies of every 25 ms of audio, 100 times a second. It learns nothing, and audio gets
/// no gradient through it.
#[derive(Module, Debug)]
pub struct LogMel {
    #[module(skip)]
    bank: Bank,
}

impl Block for LogMel {
    type Config = LogMelConfig;
    const NAME: &'static str = "log-mel";
    const ROLE: &'static str = "encoder";
    const DOC: &'static str = "Log-mel filter banks as Kaldi computes them; nothing is learned.";
    const SURROGATE_GRADIENTS: &'static [(&'static str, &'static str)] =
        &[("audio", "the filter bank is computed outside of the graph, so audio gets no gradient")];

    fn contract(config: &LogMelConfig) -> Result<Contract, Error> {
        config.fbank()?;
        Ok(Contract::new()
            .input("audio: f32[B, S]")
            .input("mask: bool[B, S]")
            .output(format!("features: f32[B, T, {}]", config.mel_bins))
            .output("mask: bool[B, T]"))
    }

    fn new(config: &LogMelConfig, _: &mut Build) -> Result<Self, Error> {
        Ok(Self { bank: Bank(Arc::new(config.fbank()?)) })
    }

    /// Frames of `audio` that lie within its mask, 0 beyond: `T` follows from `S` alone.
    fn forward(&self, inputs: Tensors, call: &Call) -> Result<Output, Error> {
        let bank = &self.bank.0;
        let (audio, mask) = (inputs.float::<2>("audio")?, inputs.bool::<2>("mask")?);
        let ([batch, samples], bins) = (audio.dims(), bank.config().num_mel_bins);
        if mask.dims() != [batch, samples] {
            let (found, wanted) = (mask.dims(), [batch, samples]);
            let text = format!("`mask` has shape {found:?}, expected {wanted:?} as of `audio`");
            return Err(Error::contract(text));
        }
        let frames = bank.frames(samples);
        if frames == 0 {
            let shortest = bank.shortest();
            let error = ablate_audio::Error::TooShort { samples, shortest };
            return Err(Error::from_error(ErrorKind::DATA, &error));
        }
        let unreadable = |error| Error::contract(format!("the inputs cannot be read: {error:?}"));
        let audio = audio.into_data().try_to_vec::<f32>().map_err(unreadable)?;
        let mask = mask.into_data().try_to_vec::<bool>().map_err(unreadable)?;
        let mut features = vec![0.0; batch * frames * bins];
        let mut valid = vec![false; batch * frames];
        for row in 0..batch {
            let length = valid_length(&mask[row * samples..(row + 1) * samples])?;
            let count = bank.frames(length);
            if count == 0 {
                continue;
            }
            let found = bank
                .compute(&audio[row * samples..row * samples + length])
                .map_err(|error| Error::from_error(ErrorKind::DATA, &error))?;
            features[row * frames * bins..][..count * bins].copy_from_slice(&found.data);
            valid[row * frames..][..count].fill(true);
        }
        let features = TensorData::new(features, [batch, frames, bins]);
        let valid = TensorData::new(valid, [batch, frames]);
        Ok(Tensors::new()
            .with("features", Tensor::<3>::from_data(features, call.device()))
            .with("mask", Tensor::<2, Bool>::from_data(valid, call.device()))
            .into())
    }
}

/// Elements that are true, all of them at the start.
///
/// # Errors
/// If one is true after one that is not.
pub(crate) fn valid_length(mask: &[bool]) -> Result<usize, Error> {
    let length = mask.iter().position(|valid| !valid).unwrap_or(mask.len());
    if mask[length..].contains(&true) {
        return Err(Error::data("`mask` has a gap: padding may only stand at the end of an item"));
    }
    Ok(length)
}
