//! Features on disk, found by content: unchanged audio is neither read nor computed again.

mod entry;
mod fingerprint;

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{Error, FeatureConfig, Features};

/// Part of every key; raised when the same audio and configuration give other features.
pub const CACHE_REVISION: u32 = 1;

/// The audio that features are of.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Source {
    /// Samples that the features were computed from.
    pub samples: u64,
    /// Samples of the whole recording, which may have been cut.
    pub total_samples: u64,
    /// Largest absolute value of the samples; 0 is digital silence.
    pub peak: f32,
}

/// What an entry of the cache holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Cached {
    /// The features.
    pub features: Features,
    /// What they are of.
    pub source: Source,
}

/// Where an entry of the cache is, whether it is there or not.
#[derive(Debug, Clone)]
pub struct CacheKey(PathBuf);

/// A folder with the features of audio files.
///
/// The key of an entry is the sha256 of the audio's content, the configuration's JSON and
/// [`CACHE_REVISION`], so a renamed file is found again and a changed one is not. Entries are
/// written to a temporary file and renamed; a damaged one is computed again. Any number of
/// processes may use one folder.
#[derive(Debug, Clone)]
pub struct FeatureCache {
    folder: PathBuf,
}

impl FeatureCache {
    /// Opens `folder`, which is created when it is not there.
    ///
    /// # Errors
    /// `Write` when that is not possible.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, Error> {
        let folder = folder.into();
        for name in ["features", "files", "new"] {
            let path = folder.join(name);
            fs_err::create_dir_all(&path).map_err(|source| Error::write(&path, source))?;
        }
        Ok(Self { folder })
    }

    /// The features of the audio file `path` under `config`, from the cache or from `compute`.
    ///
    /// `config` is whatever determines the features besides the audio, usually a
    /// [`FeatureConfig`]; equal JSON is taken for equal features.
    ///
    /// # Errors
    /// What `compute` returns; `Read` when the audio cannot be read; `Write` when the entry cannot
    /// be written.
    pub fn get_or_compute<C, F, E>(
        &self,
        path: impl AsRef<Path>,
        config: &C,
        compute: F,
    ) -> Result<Features, E>
    where
        C: Serialize + ?Sized,
        F: FnOnce() -> Result<Features, E>,
        E: From<Error>,
    {
        let path = path.as_ref();
        let (content, stamp) = self.fingerprint(path)?;
        let key = self.key(&content, config)?;
        if let Some(cached) = self.get(&key) {
            return Ok(cached.features);
        }
        let cached = Cached { features: compute()?, source: Source::default() };
        // Audio that changed meanwhile must not be stored under its old content.
        if fingerprint::Stamp::of(path).is_ok_and(|now| now == stamp) {
            self.put(&key, &cached)?;
        }
        Ok(cached.features)
    }

    /// The entry for audio with `content`, such as [`content_hash`](Self::content_hash), under
    /// `config`, which is whatever determines the features besides the audio.
    ///
    /// # Errors
    /// `ConfigJson` when `config` has no JSON.
    pub fn key<C: Serialize + ?Sized>(&self, content: &str, config: &C) -> Result<CacheKey, Error> {
        let json = serde_json::to_string(config).map_err(|source| Error::ConfigJson { source })?;
        let hash = Sha256::new()
            .chain_update(CACHE_REVISION.to_le_bytes())
            .chain_update(content)
            .chain_update(json);
        let name = hex(&hash.finalize());
        Ok(CacheKey(self.folder.join("features").join(&name[..2]).join(&name)))
    }

    /// What is stored under `key`; nothing when there is no entry or a damaged one.
    pub fn get(&self, key: &CacheKey) -> Option<Cached> {
        entry::parse(&fs_err::read(&key.0).ok()?)
    }

    /// Stores an entry, whole or not at all.
    ///
    /// # Errors
    /// `Write` when it cannot be written.
    pub fn put(&self, key: &CacheKey, cached: &Cached) -> Result<(), Error> {
        self.write(&key.0, &entry::render(cached))
    }

    /// As [`get_or_compute`](Self::get_or_compute) with [`FeatureConfig::extract`].
    pub fn features(
        &self,
        path: impl AsRef<Path>,
        config: &FeatureConfig,
    ) -> Result<Features, Error> {
        let path = path.as_ref();
        self.get_or_compute(path, config, || config.extract(path))
    }

    /// The sha256 of the content of `path` in hexadecimal, read again only if the file changed.
    ///
    /// # Errors
    /// `Read` when the file cannot be read, `Write` when the cache cannot be written.
    pub fn content_hash(&self, path: impl AsRef<Path>) -> Result<String, Error> {
        self.fingerprint(path.as_ref()).map(|(hash, _)| hash)
    }

    /// Writes `bytes` to `path` so that readers see all of it or nothing.
    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), Error> {
        let failed = |source| Error::write(path, source);
        if let Some(folder) = path.parent() {
            fs_err::create_dir_all(folder).map_err(failed)?;
        }
        let mut builder = tempfile::Builder::new();
        // Others may share the cache; the process's mask still applies.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let mut file = builder.tempfile_in(self.folder.join("new")).map_err(failed)?;
        file.write_all(bytes).map_err(failed)?;
        match file.persist(path) {
            Ok(_) => Ok(()),
            // Where a file that is open cannot be replaced, another process has just written it.
            Err(_) if path.exists() => Ok(()),
            Err(error) => Err(failed(error.error)),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from(b"0123456789abcdef"[usize::from(value)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
