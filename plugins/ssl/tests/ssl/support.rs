//! Tiny checkpoints, their references, and audio that is drawn from integers.

use ablate_sdk::burn::tensor::{Bool, Device, Tensor, TensorData};
use ablate_ssl::{Family, Size, SpeechEncoder, SpeechEncoderConfig};
use safetensors::SafeTensors;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A stored checkpoint.
pub(crate) struct Tiny {
    pub(crate) family: Family,
    pub(crate) folder: &'static str,
    pub(crate) file: &'static str,
}

pub(crate) const HUBERT_BASE: Tiny =
    Tiny { family: Family::Hubert, folder: "hubert-base", file: "model.safetensors" };
pub(crate) const HUBERT_LARGE: Tiny =
    Tiny { family: Family::Hubert, folder: "hubert-large", file: "model.safetensors" };
pub(crate) const WAVLM_BASE: Tiny =
    Tiny { family: Family::Wavlm, folder: "wavlm-base", file: "pytorch_model.bin" };
pub(crate) const WAVLM_LARGE: Tiny =
    Tiny { family: Family::Wavlm, folder: "wavlm-large", file: "model.safetensors" };

impl Tiny {
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ssl/data");
        data.join(self.folder).join(name)
    }

    pub(crate) fn config(&self) -> SpeechEncoderConfig {
        SpeechEncoderConfig {
            size: Size::Custom,
            architecture: Some(self.path("config.json")),
            weights: Some(self.path(self.file)),
            ..SpeechEncoderConfig::default()
        }
    }

    pub(crate) fn encoder(&self, device: &Device) -> SpeechEncoder {
        SpeechEncoder::new(self.family, &self.config(), device).expect("the checkpoint loads")
    }

    pub(crate) fn reference(&self) -> BTreeMap<String, (Vec<usize>, Vec<f32>)> {
        let bytes = std::fs::read(self.path("reference.safetensors")).expect("it is stored");
        let file = SafeTensors::deserialize(&bytes).expect("safetensors");
        let values = |bytes: &[u8]| {
            let words = bytes.chunks_exact(4);
            words.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
        };
        let entry = |(name, view): (String, safetensors::tensor::TensorView<'_>)| {
            (name, (view.shape().to_vec(), values(view.data())))
        };
        file.tensors().into_iter().map(entry).collect()
    }
}

/// The upper bits of a linear congruential generator, in [-1, 1), as `make_references.py` has them.
pub(crate) fn audio(seed: u32, count: usize) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as f32 / 32768.0 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// Items of `lengths`, each drawn from its length, padded with noise that must not matter.
pub(crate) fn batch(lengths: &[usize], device: &Device) -> (Tensor<2>, Tensor<2, Bool>) {
    let extent = lengths.iter().copied().max().unwrap_or(0);
    let (mut samples, mut flags) = (Vec::new(), Vec::new());
    for &length in lengths {
        samples.extend(audio(length as u32, length));
        samples.extend(audio(99, extent - length).iter().map(|value| 30.0 * value));
        flags.extend((0..extent).map(|at| at < length));
    }
    let shape = [lengths.len(), extent];
    let samples = Tensor::from_data(TensorData::new(samples, shape), device);
    (samples, Tensor::from_data(TensorData::new(flags, shape), device))
}

/// The values of frames `0..count` of item `row`.
pub(crate) fn frames(tensor: &Tensor<3>, row: usize, count: usize) -> Vec<f32> {
    let width = tensor.dims()[2];
    let part = tensor.clone().inner().slice([row..row + 1, 0..count, 0..width]);
    part.into_data().try_into_vec().expect("floats")
}

/// The largest difference; shapes must be equal.
pub(crate) fn distance(found: &[f32], wanted: &[f32]) -> f32 {
    assert_eq!(found.len(), wanted.len());
    let pairs = found.iter().zip(wanted);
    pairs
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, |most, off| if off > most || off.is_nan() { off } else { most })
}
