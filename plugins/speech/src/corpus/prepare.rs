//! Decodes all recordings once, in parallel, into the feature cache and, where they fit, memory.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use ablate_audio::FeatureCache;
use ablate_sdk::{Error, ErrorKind, LogLevel, host};
use rayon::prelude::*;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Corpus, Crop, Recording, extract, hex};
use crate::progress::Progress;

/// Part of the fingerprint; raised when batches of the same files change.
const REVISION: u32 = 1;
/// Files that a message names.
const NAMED: usize = 5;
/// Files that the report lists.
const LISTED: usize = 100;

/// Clips by split, in the order of the assignment's splits.
pub(crate) struct Prepared {
    pub(crate) splits: Vec<Vec<Clip>>,
    pub(crate) report: Value,
    pub(crate) cache: FeatureCache,
}

/// A recording that could be read.
pub(crate) struct Clip {
    /// Its number in the corpus.
    pub(crate) recording: usize,
    /// Sha256 of the file.
    pub(crate) content: String,
    /// Frames of all of it.
    pub(crate) frames: usize,
    /// Its features, unless there are too many: those that a batch may need.
    pub(crate) held: Option<Vec<f32>>,
}

enum Failure {
    /// The host wants to stop, or another file failed for good.
    Stopped,
    /// This file cannot be used.
    Unreadable(ablate_audio::Error),
    /// No file can be prepared, for example because the disk is full.
    Fatal(ablate_audio::Error),
}

impl From<ablate_audio::Error> for Failure {
    fn from(error: ablate_audio::Error) -> Self {
        use ablate_audio::Error as E;
        match error {
            E::Write { .. } | E::Config { .. } | E::ConfigJson { .. } => Self::Fatal(error),
            _ => Self::Unreadable(error),
        }
    }
}

impl Prepared {
    pub(crate) fn new(corpus: &Corpus) -> Result<Self, Error> {
        let failed = |error: ablate_audio::Error| Error::from_error(ErrorKind::OTHER, &error);
        let cache = FeatureCache::open(&corpus.cache).map_err(failed)?;
        let count = corpus.recordings.len();
        let (progress, stop, held) =
            (Progress::new("features", count), AtomicBool::new(false), AtomicUsize::new(0));
        let outcomes: Vec<Result<Clip, Failure>> = (0..count)
            .into_par_iter()
            .map(|index| {
                if stop.load(Ordering::Relaxed) || progress.check_cancelled().is_err() {
                    return Err(Failure::Stopped);
                }
                let clip = corpus.clip(&cache, index, &held);
                if matches!(clip, Err(Failure::Fatal(_))) {
                    stop.store(true, Ordering::Relaxed);
                }
                progress.step();
                clip
            })
            .collect();
        let mut clips: Vec<Option<Clip>> = Vec::with_capacity(count);
        let (mut unreadable, mut stopped) = (Vec::new(), false);
        for (recording, outcome) in corpus.recordings.iter().zip(outcomes) {
            match outcome {
                Ok(clip) => {
                    clips.push(Some(clip));
                    continue;
                }
                Err(Failure::Fatal(error)) => return Err(failed(error)),
                Err(Failure::Unreadable(error)) => unreadable.push((recording, error)),
                Err(Failure::Stopped) => stopped = true,
            }
            clips.push(None);
        }
        if stopped {
            return Err(progress.cancelled());
        }
        corpus.check_unreadable(&unreadable)?;
        let splits = corpus.collect(clips)?;
        let report = corpus.report(&splits, &unreadable);
        Ok(Self { splits, report, cache })
    }
}

/// Identity of the batches: ids, speakers, splits, file contents and what is made of them, but not
/// where the files are. Hashes of unchanged files are remembered beside the features.
///
/// A file that cannot be decoded counts with its content too: whether it is left out follows from
/// that and from the configuration.
pub(crate) fn fingerprint(corpus: &Corpus) -> Result<String, Error> {
    let failed = |error: ablate_audio::Error| Error::from_error(ErrorKind::DATA, &error);
    let cache = FeatureCache::open(&corpus.cache).map_err(failed)?;
    let settings = json!([
        "speech",
        REVISION,
        ablate_audio::CACHE_REVISION,
        corpus.extraction.config,
        corpus.max_frames,
        corpus.config.crop,
        corpus.config.skip_unreadable
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
    /// Features of one recording; `held` counts the values in memory.
    fn clip(
        &self,
        cache: &FeatureCache,
        index: usize,
        held: &AtomicUsize,
    ) -> Result<Clip, Failure> {
        let path = &self.recordings[index].path;
        let content = cache.content_hash(path)?;
        let features = extract(cache, &self.extraction, path)?;
        let frames = features.frames;
        let needed = match self.config.crop {
            Crop::Start => self.cropped(frames),
            Crop::Random => frames,
        };
        let mut data = features.data;
        data.truncate(needed * features.bins);
        data.shrink_to_fit();
        let limit = self.config.memory_mib.saturating_mul(1 << 18);
        let fits = held.fetch_add(data.len(), Ordering::Relaxed) + data.len() <= limit;
        if !fits {
            held.fetch_sub(data.len(), Ordering::Relaxed);
        }
        Ok(Clip { recording: index, content, frames, held: fits.then_some(data) })
    }

    fn check_unreadable(
        &self,
        unreadable: &[(&Recording, ablate_audio::Error)],
    ) -> Result<(), Error> {
        if unreadable.is_empty() {
            return Ok(());
        }
        let (count, total) = (unreadable.len(), self.recordings.len());
        let mut reasons: Vec<String> =
            unreadable.iter().take(NAMED).map(|(_, error)| chain(error)).collect();
        if count > NAMED {
            reasons.push(format!("and {} more", count - NAMED));
        }
        let reasons = reasons.join("; ");
        let message = format!("{count} of {total} audio files cannot be read: {reasons}");
        if !self.config.skip_unreadable {
            let advice = "`dataset.skip_unreadable=true` leaves such files out";
            return Err(Error::data(format!("{message}; {advice}")));
        }
        if count == total {
            return Err(Error::data(message));
        }
        host::log(LogLevel::WARN, "speech", &format!("left out: {message}"));
        Ok(())
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

    fn report(
        &self,
        splits: &[Vec<Clip>],
        unreadable: &[(&Recording, ablate_audio::Error)],
    ) -> Value {
        let names = self.assignment.splits().map(|(name, _)| name.to_owned());
        let items: serde_json::Map<String, Value> =
            names.zip(splits).map(|(name, clips)| (name, clips.len().into())).collect();
        let clips = || splits.iter().flatten();
        let cropped = clips().filter(|clip| self.cropped(clip.frames) < clip.frames).count();
        let shift_s = f64::from(self.extraction.config.fbank.frame_shift_ms) / 1000.0;
        let frames: usize = clips().map(|clip| clip.frames).sum();
        let skipped: Vec<Value> = unreadable
            .iter()
            .take(LISTED)
            .map(|(recording, error)| json!({ "id": recording.id, "reason": chain(error) }))
            .collect();
        let mut speakers: Vec<usize> = clips().map(|clip| self.speakers[clip.recording]).collect();
        speakers.sort_unstable();
        speakers.dedup();
        json!({
            "files": self.recordings.len(),
            "items": items,
            "speakers": speakers.len(),
            "seconds": (frames as f64 * shift_s * 10.0).round() / 10.0,
            "cropped": cropped,
            "in_memory": clips().all(|clip| clip.held.is_some()),
            "skipped": unreadable.len(),
            "skipped_files": skipped,
        })
    }
}

/// An error and its causes in one line.
fn chain(error: &ablate_audio::Error) -> String {
    Error::from_error(ErrorKind::DATA, error).to_string()
}
