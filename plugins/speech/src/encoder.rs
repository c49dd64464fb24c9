//! What makes features of audio: a frozen block, run once over every recording.

use ablate_audio::Features;
use ablate_sdk::burn::tensor::{Bool, Device, Tensor, TensorData};
use ablate_sdk::{BlockSlot, Build, Contract, Error, ErrorKind, SlotSpec, Tensors};

use crate::log_mel::{LogMelConfig, valid_length};

/// Samples per second of the audio that blocks of role `encoder` take.
pub const SAMPLE_RATE: u32 = 16_000;

const SLOT: &str = "encoder";

type Encode = dyn Fn(&[f32]) -> Result<Features, Error> + Send + Sync;

/// Makes features of the audio of one utterance.
pub struct Encoder {
    identity: Option<String>,
    encode: Box<Encode>,
}

impl Encoder {
    /// `encode` takes the samples of one utterance at [`SAMPLE_RATE`]. Encoders of one `identity`
    /// compute the same; what one without computes is kept in memory alone.
    ///
    /// An error of kind `data` says that the utterance cannot be used, any other one that nothing
    /// can be encoded.
    pub fn new(
        identity: Option<String>,
        encode: impl Fn(&[f32]) -> Result<Features, Error> + Send + Sync + 'static,
    ) -> Self {
        Self { identity, encode: Box::new(encode) }
    }

    /// The block `log-mel` without a slot around it.
    ///
    /// # Errors
    /// A value that makes no sense, by its key.
    pub fn log_mel(config: &LogMelConfig) -> Result<Self, Error> {
        let fbank = config.fbank()?;
        let identity = serde_json::to_string(config).expect("plain data has JSON");
        Ok(Self::new(Some(format!("log-mel {identity}")), move |samples| {
            fbank.compute(samples).map_err(|error| Error::from_error(ErrorKind::DATA, &error))
        }))
    }

    /// The block that the dataset's slot holds.
    pub(crate) fn in_slot(build: &mut Build) -> Result<Self, Error> {
        let block = build.slot(SLOT)?;
        let identity = build.slot_identity(SLOT).map(str::to_owned);
        let device = build.plain_device();
        Ok(Self::new(identity, move |samples| through(&block, &device, samples)))
    }

    /// A text that differs for encoders that compute something else.
    pub(crate) fn identity(&self) -> Option<&str> {
        self.identity.as_deref()
    }

    /// Features of one utterance: at least one frame, and all values finite.
    pub(crate) fn encode(&self, samples: &[f32]) -> Result<Features, Error> {
        let features = (self.encode)(samples)?;
        let Features { frames, bins, data } = &features;
        if *frames == 0 || *bins == 0 {
            let seconds = samples.len() as f64 / f64::from(SAMPLE_RATE);
            return Err(Error::data(format!(
                "the encoder makes no frame of {} samples ({seconds} s)",
                samples.len()
            )));
        }
        if let Some(index) = data.iter().position(|value| !value.is_finite()) {
            let (frame, bin) = (index / bins, index % bins);
            return Err(Error::data(format!("feature {bin} of frame {frame} is not finite")));
        }
        Ok(features)
    }
}

/// The slot of datasets.
pub(crate) fn slot() -> SlotSpec {
    let doc = "Makes features of audio; frozen, and run once over every recording.";
    SlotSpec::new(SLOT, "encoder", doc).default_block("log-mel")
}

/// The outputs that every dataset here has, in the sizes that the block in the slot gives.
pub(crate) fn contract(audio: bool) -> Contract {
    let encoder = Contract::new()
        .input("audio: f32[N, X]")
        .input("mask: bool[N, X]")
        .output("features: f32[N, Y, F]")
        .output("mask: bool[N, Y]");
    let contract = Contract::new()
        .output("features: f32[B, T, F]")
        .output("mask: bool[B, T]")
        .output("seconds: f32[B]")
        .output("speaker: int[B]")
        .slot(SLOT, encoder);
    if !audio {
        return contract;
    }
    contract.output("audio: f32[B, S]").output("audio_mask: bool[B, S]")
}

/// Runs the block of a slot over one utterance, without padding.
fn through(block: &BlockSlot, device: &Device, samples: &[f32]) -> Result<Features, Error> {
    let shape = [1, samples.len()];
    let audio = TensorData::new(samples.to_vec(), shape);
    let mask = TensorData::new(vec![true; samples.len()], shape);
    let inputs = Tensors::new()
        .with("audio", Tensor::<2>::from_data(audio, device))
        .with("mask", Tensor::<2, Bool>::from_data(mask, device));
    // Frozen blocks draw nothing.
    let outputs = block.evaluate(inputs, 0)?;
    let features = outputs.float::<3>("features")?;
    let mask = outputs.bool::<2>("mask")?;
    let ([_, frames, bins], of_mask) = (features.dims(), mask.dims());
    if features.dims()[0] != 1 || of_mask != [1, frames] {
        let found = features.dims();
        return Err(Error::contract(format!(
            "the block of slot `{SLOT}` makes `features` of shape {found:?} with a `mask` of shape \
             {of_mask:?} of one utterance"
        )));
    }
    let unreadable = |error| Error::other(format!("its outputs cannot be read: {error:?}"));
    let mask = mask.into_data().try_to_vec::<bool>().map_err(unreadable)?;
    let mut data = features.into_data().try_to_vec::<f32>().map_err(unreadable)?;
    let frames = valid_length(&mask)?;
    data.truncate(frames * bins);
    Ok(Features { frames, bins, data })
}

#[cfg(test)]
mod tests {
    use super::Encoder;
    use ablate_audio::Features;

    #[test]
    fn an_utterance_that_gives_no_frame_or_no_number_is_refused() {
        let text = |features: Features| {
            let encoder = Encoder::new(None, move |_| Ok(features.clone()));
            encoder.encode(&[0.0; 80]).unwrap_err().to_string()
        };
        assert_eq!(
            text(Features { frames: 0, bins: 3, data: Vec::new() }),
            "the encoder makes no frame of 80 samples (0.005 s)"
        );
        assert_eq!(
            text(Features { frames: 2, bins: 2, data: vec![0.0, 1.0, 2.0, f32::NAN] }),
            "feature 1 of frame 1 is not finite"
        );
    }
}
