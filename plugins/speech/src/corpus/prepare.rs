//! Reads every recording once and has it encoded, into the cache and, where it fits, into memory.

use ablate_audio::{CacheKey, Cached, FeatureCache, Source};
use ablate_sdk::{Error, ErrorKind};
use rayon::prelude::*;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::report::Unreadable;
use super::{Corpus, Recording, hex, samples};
use crate::encoded::{Encodings, normalized, seconds};
use crate::encoder::SAMPLE_RATE;
use crate::progress::Progress;

/// Part of the fingerprint; raised when batches of the same files change.
const REVISION: u32 = 2;
/// Recordings per thread that are decoded before the encoder runs over them.
const AHEAD: usize = 4;
/// Values in a MiB.
const MIB: usize = 1 << 18;

/// Clips by split, in the order of the assignment's splits.
pub(crate) struct Prepared {
    pub(crate) splits: Vec<Vec<Clip>>,
    pub(crate) report: Value,
    pub(crate) cache: FeatureCache,
    /// Values per frame.
    pub(crate) bins: usize,
    /// Most samples of an item, and how many frames the encoder makes of so many: what is drawn of
    /// a longer recording.
    part: Option<(u64, usize)>,
}

/// A recording that could be read and encoded.
pub(crate) struct Clip {
    /// Its number in the corpus.
    pub(crate) recording: usize,
    /// Sha256 of the file.
    pub(crate) content: String,
    /// What its features are of.
    pub(crate) source: Source,
    /// Whether they are of all of it, for a part to be drawn for each batch.
    pub(crate) random: bool,
    /// Frames that the encoder made.
    pub(crate) frames: usize,
    /// Its features, unless there are too many; normalized as batches are, unless `random`.
    pub(crate) features: Option<Vec<f32>>,
    /// Its audio, if batches hold it and unless there is too much.
    pub(crate) audio: Option<Vec<f32>>,
}

/// What stops a recording from becoming a clip.
enum Failure {
    /// The host wants to stop.
    Stopped,
    /// This file cannot be used.
    Unreadable(String),
    /// No file can be prepared, for example because the disk is full.
    Fatal(Error),
}

impl From<ablate_audio::Error> for Failure {
    fn from(error: ablate_audio::Error) -> Self {
        use ablate_audio::Error as E;
        match error {
            E::Write { .. } | E::Config { .. } | E::ConfigJson { .. } => {
                Self::Fatal(Error::from_error(ErrorKind::OTHER, &error))
            }
            _ => Self::Unreadable(Error::from_error(ErrorKind::DATA, &error).to_string()),
        }
    }
}

/// A recording as it is on disk: encoded before, or its samples.
struct Found {
    content: String,
    key: Option<CacheKey>,
    cached: Option<Cached>,
    /// What the encoder sees; there if nothing is cached or batches hold audio.
    samples: Option<Vec<f32>>,
    total: usize,
}

/// What may still be held in memory.
struct Budget {
    values: usize,
    /// Whether something did not fit.
    full: bool,
}

impl Budget {
    fn take(&mut self, count: usize) -> bool {
        let fits = count <= self.values;
        self.values -= if fits { count } else { 0 };
        self.full |= !fits;
        fits
    }
}

impl Prepared {
    pub(crate) fn new(corpus: &Corpus) -> Result<Self, Error> {
        let cache = FeatureCache::open(&corpus.cache)
            .map_err(|error| Error::from_error(ErrorKind::OTHER, &error))?;
        let encodings = Encodings { encoder: &corpus.encoder, cache: &cache };
        let random = corpus.random();
        let count = corpus.recordings.len();
        let progress = Progress::new("features", count);
        let mut budget =
            Budget { values: corpus.config.memory_mib.saturating_mul(MIB), full: false };
        let (mut clips, mut unreadable, mut bins) = (Vec::with_capacity(count), Vec::new(), None);
        let step = AHEAD * rayon::current_num_threads();
        for first in (0..count).step_by(step) {
            progress.check_cancelled()?;
            // What cannot be held need not be decoded either, if its features are there.
            let audio = corpus.config.audio && !budget.full;
            let found: Vec<Result<Found, Failure>> = (first..count.min(first + step))
                .into_par_iter()
                .map(|index| corpus.find(&encodings, index, random[index], audio))
                .collect();
            // The encoder has all threads for itself, and draws nothing behind another call's back.
            for (index, found) in (first..).zip(found) {
                progress.check_cancelled()?;
                let clip = found.and_then(|found| {
                    corpus.clip(&encodings, (index, random[index]), found, &mut budget, &mut bins)
                });
                match clip {
                    Ok(clip) => clips.push(Some(clip)),
                    Err(Failure::Stopped) => return Err(progress.cancelled()),
                    Err(Failure::Fatal(error)) => return Err(error),
                    Err(Failure::Unreadable(reason)) => {
                        unreadable.push(Unreadable { recording: index, reason });
                        clips.push(None);
                    }
                }
                progress.step();
            }
        }
        corpus.check_unreadable(&unreadable)?;
        let splits = corpus.collect(clips)?;
        let part = corpus.part(&encodings, &splits)?;
        let report = corpus.report(&splits, &unreadable);
        Ok(Self { splits, report, cache, bins: bins.unwrap_or(1), part })
    }

    /// Frames of a clip that an item has.
    pub(crate) fn used_frames(&self, clip: &Clip) -> usize {
        match self.part {
            Some((most, frames)) if clip.random && clip.source.samples > most => {
                frames.min(clip.frames)
            }
            _ => clip.frames,
        }
    }
}

/// Identity of the data: ids, speakers, splits, file contents and what is made of them, but not
/// where the files are, and not which encoder sees them, which the trial's identity has by itself.
/// Hashes of unchanged files are remembered beside the features.
///
/// A file that cannot be decoded counts with its content too: whether it is left out follows from
/// that and from the configuration.
pub(crate) fn fingerprint(corpus: &Corpus) -> Result<String, Error> {
    let failed = |error: ablate_audio::Error| Error::from_error(ErrorKind::DATA, &error);
    let cache = FeatureCache::open(&corpus.cache).map_err(failed)?;
    let config = &corpus.config;
    let settings = json!([
        "speech",
        REVISION,
        ablate_audio::CACHE_REVISION,
        SAMPLE_RATE,
        corpus.max_samples,
        config.crop,
        config.normalize,
        config.audio,
        config.skip_unreadable
    ]);
    let mut hash = Sha256::new_with_prefix(settings.to_string());
    for (name, indices) in corpus.assignment.splits() {
        for &index in indices {
            let Recording { id, path, .. } = &corpus.recordings[index];
            let content = cache.content_hash(path).map_err(failed)?;
            hash.update(json!([name, id, corpus.speakers[index], content]).to_string());
        }
    }
    Ok(hex(&hash.finalize()))
}

impl Corpus {
    /// Of each recording, whether batches hold a part of it that is drawn for each.
    fn random(&self) -> Vec<bool> {
        let mut random = vec![false; self.recordings.len()];
        for (split, indices) in self.assignment.splits() {
            for &index in indices {
                random[index] = self.is_random(split);
            }
        }
        random
    }

    /// What is on disk of a recording. Many threads do this at once.
    fn find(
        &self,
        encodings: &Encodings<'_>,
        index: usize,
        random: bool,
        audio: bool,
    ) -> Result<Found, Failure> {
        let path = &self.recordings[index].path;
        let content = encodings.cache.content_hash(path)?;
        let limit = self.limit(random);
        let key = encodings.key(&content, limit).map_err(Failure::Fatal)?;
        let cached = encodings.find(key.as_ref());
        if cached.is_some() && !audio {
            return Ok(Found { content, key, cached, samples: None, total: 0 });
        }
        let mut samples = samples(path)?;
        // Audio that changed meanwhile must not be stored under its old content.
        if encodings.cache.content_hash(path)? != content {
            let reason = format!("`{}` changed while it was read", path.display());
            return Err(Failure::Unreadable(reason));
        }
        let total = samples.len();
        samples.truncate(limit.unwrap_or(usize::MAX));
        Ok(Found { content, key, cached, samples: Some(samples), total })
    }

    /// Has a recording encoded, unless that is done; takes what is to be held from `budget`.
    fn clip(
        &self,
        encodings: &Encodings<'_>,
        (recording, random): (usize, bool),
        found: Found,
        budget: &mut Budget,
        bins: &mut Option<usize>,
    ) -> Result<Clip, Failure> {
        let Found { content, key, cached, samples, total } = found;
        let path = self.recordings[recording].path.display();
        let cached = match (cached, &samples) {
            (Some(cached), _) => cached,
            (None, samples) => {
                let samples = samples.as_deref().unwrap_or(&[]);
                let made = encodings.make(samples, total).map_err(|error| {
                    let part = if samples.len() < total {
                        format!("the first {} s of ", seconds(samples.len() as u64))
                    } else {
                        String::new()
                    };
                    let kind = error.kind;
                    let error = error.context(format!("failed to encode {part}`{path}`"));
                    match kind {
                        ErrorKind::CANCELLED => Failure::Stopped,
                        ErrorKind::DATA | ErrorKind::NOT_FINITE => {
                            Failure::Unreadable(error.to_string())
                        }
                        _ => Failure::Fatal(error),
                    }
                })?;
                encodings.keep(key.as_ref(), &made).map_err(Failure::Fatal)?;
                made
            }
        };
        let Cached { features, source } = cached;
        let expected = *bins.get_or_insert(features.bins);
        if features.bins != expected {
            let found = features.bins;
            return Err(Failure::Fatal(Error::contract(format!(
                "the encoder makes {found} features per frame of `{path}`, and {expected} of others"
            ))));
        }
        let frames = features.frames;
        // Nowhere else to read it from.
        let only_here = key.is_none();
        let held = budget.take(features.data.len()) || only_here;
        let data = held.then(|| {
            let normalize = self.config.normalize && !random;
            if normalize { normalized(features.data, expected) } else { features.data }
        });
        let audio = samples.filter(|audio| self.config.audio && budget.take(audio.len()));
        Ok(Clip { recording, content, source, random, frames, features: data, audio })
    }

    /// How many frames the parts have that are drawn of longer recordings: as many as the encoder
    /// makes of audio of that length. Nothing, if none is longer.
    fn part(
        &self,
        encodings: &Encodings<'_>,
        splits: &[Vec<Clip>],
    ) -> Result<Option<(u64, usize)>, Error> {
        let Some(most) = self.max_samples else { return Ok(None) };
        let is_longer = |clip: &Clip| clip.random && clip.source.samples > most as u64;
        if !splits.iter().flatten().any(is_longer) {
            return Ok(None);
        }
        let key = encodings.key(&format!("a tone of {most} samples"), None)?;
        if let Some(cached) = encodings.find(key.as_ref()) {
            return Ok(Some((most as u64, cached.features.frames)));
        }
        let tone: Vec<f32> = (0..most).map(|n| 0.1 * (n as f32 * 0.1).sin()).collect();
        let made = encodings.make(&tone, most).map_err(|error| {
            error.context(format!(
                "`max_seconds`: failed to encode {} s of a tone, which tells how many frames that \
                 is",
                seconds(most as u64)
            ))
        })?;
        encodings.keep(key.as_ref(), &made)?;
        Ok(Some((most as u64, made.features.frames)))
    }

    /// Sorts the clips into their splits.
    fn collect(&self, mut clips: Vec<Option<Clip>>) -> Result<Vec<Vec<Clip>>, Error> {
        let split = |(name, indices): (&str, &[usize])| {
            let split: Vec<Clip> = indices.iter().filter_map(|&i| clips[i].take()).collect();
            if split.is_empty() {
                let message = format!("no audio file of split `{name}` can be read");
                return Err(Error::data(message));
            }
            Ok(split)
        };
        self.assignment.splits().map(split).collect()
    }
}
