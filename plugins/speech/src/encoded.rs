//! What an encoder made of audio, kept on disk by the content of the audio and what the encoder is.

use ablate_audio::{CacheKey, Cached, FeatureCache, Features, Source};
use ablate_sdk::{Error, ErrorKind};
use serde_json::json;

use crate::encoder::{Encoder, SAMPLE_RATE};

/// Part of every key; raised when the same audio reaches the encoder as other samples.
const REVISION: u32 = 1;

/// An encoder with the folder that keeps what it made.
pub(crate) struct Encodings<'a> {
    pub(crate) encoder: &'a Encoder,
    pub(crate) cache: &'a FeatureCache,
}

impl Encodings<'_> {
    /// Where features of audio with `content` are, of which the encoder sees at most `limit`
    /// samples. Nowhere, if nobody can say what the encoder is.
    ///
    /// # Errors
    /// None in practice: the key's parts have JSON.
    pub(crate) fn key(
        &self,
        content: &str,
        limit: Option<usize>,
    ) -> Result<Option<CacheKey>, Error> {
        let Some(identity) = self.encoder.identity() else { return Ok(None) };
        let config = json!(["encoded", REVISION, identity, SAMPLE_RATE, limit]);
        let key = self.cache.key(content, &config);
        Ok(Some(key.map_err(|error| Error::from_error(ErrorKind::OTHER, &error))?))
    }

    /// What is on disk under `key`, whole.
    pub(crate) fn find(&self, key: Option<&CacheKey>) -> Option<Cached> {
        self.cache.get(key?)
    }

    /// Encodes `samples`, the start of a recording of `total` samples.
    ///
    /// # Errors
    /// Those of the encoder; of kind `data` if it is the audio's fault.
    pub(crate) fn make(&self, samples: &[f32], total: usize) -> Result<Cached, Error> {
        let features = self.encoder.encode(samples)?;
        let peak = samples.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
        let (samples, total_samples) = (samples.len() as u64, total as u64);
        Ok(Cached { features, source: Source { samples, total_samples, peak } })
    }

    /// Writes to disk, whole or not at all; another process may do the same at the same time.
    ///
    /// # Errors
    /// If the entry cannot be written.
    pub(crate) fn keep(&self, key: Option<&CacheKey>, cached: &Cached) -> Result<(), Error> {
        let Some(key) = key else { return Ok(()) };
        let written = self.cache.put(key, cached);
        written.map_err(|error| Error::from_error(ErrorKind::OTHER, &error))
    }
}

/// `data`, rows of `bins` values, with mean 0 and variance 1 in each of the columns.
pub(crate) fn normalized(data: Vec<f32>, bins: usize) -> Vec<f32> {
    let mut features = Features { frames: data.len() / bins, bins, data };
    features.normalize();
    features.data
}

/// Length of `samples` samples in seconds.
pub(crate) fn seconds(samples: u64) -> f64 {
    samples as f64 / f64::from(SAMPLE_RATE)
}
