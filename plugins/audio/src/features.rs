//! Features of one clip, and the way from an audio file to them.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Error, Fbank, FbankConfig, decode, resample};

/// Standard deviations below this count as this, so that a constant bin becomes zero.
const SD_FLOOR: f64 = 1e-5;

/// Features of one clip: `frames` rows of `bins` values.
#[derive(Debug, Clone, PartialEq)]
pub struct Features {
    /// Number of frames.
    pub frames: usize,
    /// Values per frame.
    pub bins: usize,
    /// `frames * bins` values, frame after frame.
    pub data: Vec<f32>,
}

impl Features {
    /// Mean and variance normalization over the clip: each bin minus its mean, by its standard
    /// deviation (of the population, at least 1e-5).
    pub fn normalize(&mut self) {
        if self.frames == 0 || self.bins == 0 {
            return;
        }
        let count = self.frames as f64;
        let mut means = vec![0.0_f64; self.bins];
        for row in self.data.chunks_exact(self.bins) {
            for (mean, &value) in means.iter_mut().zip(row) {
                *mean += f64::from(value) / count;
            }
        }
        let mut variances = vec![0.0_f64; self.bins];
        for row in self.data.chunks_exact(self.bins) {
            for ((variance, mean), &value) in variances.iter_mut().zip(&means).zip(row) {
                *variance += (f64::from(value) - mean).powi(2) / count;
            }
        }
        let scales: Vec<f64> =
            variances.iter().map(|variance| variance.sqrt().max(SD_FLOOR).recip()).collect();
        for row in self.data.chunks_exact_mut(self.bins) {
            for ((value, mean), scale) in row.iter_mut().zip(&means).zip(&scales) {
                *value = ((f64::from(*value) - mean) * scale) as f32;
            }
        }
    }

    /// One frame, `bins` values.
    pub fn frame(&self, index: usize) -> &[f32] {
        &self.data[index * self.bins..(index + 1) * self.bins]
    }

    pub(crate) fn check_finite(&self) -> Result<(), Error> {
        match self.data.iter().position(|value| !value.is_finite()) {
            Some(index) => {
                let (frame, bin) = (index / self.bins, index % self.bins);
                Err(Error::NonFiniteFeature { frame, bin })
            }
            None => Ok(()),
        }
    }
}

/// How an audio file becomes features. Its JSON is part of a cache entry's key.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FeatureConfig {
    /// The filter bank.
    pub fbank: FbankConfig,
    /// Whether each clip is normalized to mean 0 and variance 1 per bin.
    pub normalize: bool,
}

impl FeatureConfig {
    /// Decodes `path`, resamples it, computes the filter bank and, if asked for, normalizes.
    ///
    /// # Errors
    /// Those of [`decode`] and [`Fbank`]; each names the file or, for settings, the key.
    pub fn extract(&self, path: impl AsRef<Path>) -> Result<Features, Error> {
        self.extract_with(&Fbank::new(self.fbank.clone())?, path)
    }

    /// As [`extract`](Self::extract), with a filter bank that was made once from `self.fbank`.
    pub fn extract_with(&self, fbank: &Fbank, path: impl AsRef<Path>) -> Result<Features, Error> {
        let path = path.as_ref();
        let audio = decode(path)?;
        let samples = resample(&audio.samples, audio.sample_rate, fbank.config().sample_rate);
        let named = |error| Error::Features { path: path.to_owned(), source: Box::new(error) };
        let mut features = fbank.compute(&samples).map_err(named)?;
        if self.normalize {
            features.normalize();
        }
        Ok(features)
    }
}

#[cfg(test)]
mod tests {
    use super::Features;

    #[test]
    fn normalizes_each_bin_by_its_population_deviation() {
        // Bin 0 is 1, 2, 3: mean 2, variance 2/3. Bin 1 is constant.
        let mut features = Features { frames: 3, bins: 2, data: vec![1., 7., 2., 7., 3., 7.] };
        features.normalize();
        let edge = 1.5_f32.sqrt();
        assert_eq!(features.data, [-edge, 0.0, 0.0, 0.0, edge, 0.0]);
    }

    #[test]
    fn normalizing_one_frame_gives_zeros() {
        let mut features = Features { frames: 1, bins: 3, data: vec![-15.9, 0.0, 1e9] };
        features.normalize();
        assert_eq!(features.data, [0.0; 3]);
    }
}
