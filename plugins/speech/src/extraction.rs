//! From audio to features: the settings that all datasets share, checked.

use ablate_audio::{Fbank, FbankConfig, FeatureConfig};
use ablate_sdk::{Contract, Error, ErrorKind};

/// The filter bank and what it was made from.
pub(crate) struct Extraction {
    pub(crate) config: FeatureConfig,
    pub(crate) fbank: Fbank,
}

impl Extraction {
    /// # Errors
    /// A setting that makes no sense, by its key in a dataset.
    pub(crate) fn new(sample_rate: u32, mel_bins: usize, normalize: bool) -> Result<Self, Error> {
        let fbank = FbankConfig { sample_rate, num_mel_bins: mel_bins, ..FbankConfig::default() };
        let config = FeatureConfig { fbank, normalize };
        let fbank = Fbank::new(config.fbank.clone()).map_err(|error| match error {
            ablate_audio::Error::Config { key: "num_mel_bins", expected, value } => {
                Error::config(format!("`mel_bins` must be {expected}, not `{value}`"))
            }
            error => Error::from_error(ErrorKind::CONFIG, &error),
        })?;
        Ok(Self { config, fbank })
    }

    /// Seconds of the shortest audio that gives a frame.
    pub(crate) fn frame_seconds(&self) -> f64 {
        self.fbank.shortest() as f64 / f64::from(self.config.fbank.sample_rate)
    }

    /// Frames in `seconds` of audio.
    pub(crate) fn frames(&self, seconds: f64) -> usize {
        let rate = f64::from(self.config.fbank.sample_rate);
        self.fbank.frames((seconds * rate).round() as usize)
    }
}

/// The outputs that every dataset here has.
pub(crate) fn speech_contract(mel_bins: usize) -> Contract {
    Contract::new()
        .output(format!("features: f32[B, T, {mel_bins}]"))
        .output("mask: bool[B, T]")
        .output("speaker: int[B]")
}
