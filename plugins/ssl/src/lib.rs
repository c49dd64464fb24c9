//! Self-supervised speech encoders: WavLM and HuBERT, with their published weights.
//!
//! Both take a waveform of 16 kHz and give one frame every 20 ms. They are the models of the
//! `transformers` library and read its checkpoints; everything is computed in 32 bits.

mod config;

mod architecture;

mod checkpoint;

mod weights;

mod beside;

mod validity;

mod gelu;

mod waveform;

mod positions;

mod relative;

mod layer;

mod encoder;

mod blocks;

use ablate_sdk::burn;

pub use architecture::{Architecture, Buckets, Convolution, Family, FeatureNorm};
pub use blocks::{Hubert, Wavlm};
pub use config::{Size, SpeechEncoderConfig};
pub use encoder::SpeechEncoder;

ablate_sdk::export_plugin!(ablate_plugin_ssl, [block Wavlm, block Hubert]);
