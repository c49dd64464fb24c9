//! Recordings in a folder as a dataset: what `librispeech` and `audio-folder` share.

mod config;
mod prepare;
mod split;

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use ablate_audio::{FeatureCache, Features};
use ablate_sdk::{Arrays, Error, ErrorKind, Item};
use serde_json::Value;

use crate::extraction::Extraction;
use crate::padding::{item, pad, pick, unknown_split};
use crate::random::Draw;
use crate::try_once::TryOnce;
use prepare::{Clip, Prepared};
use split::Assignment;

pub(crate) use config::unknown_subset;
pub use config::{CorpusConfig, Crop, SplitBy};

/// A recording that was found, before it is read.
#[derive(Debug)]
pub(crate) struct Recording {
    /// Unique and the same wherever the corpus lies.
    pub(crate) id: String,
    /// Name of the speaker.
    pub(crate) speaker: String,
    pub(crate) path: PathBuf,
}

/// The recordings of a folder, split, and their features once they were prepared.
pub(crate) struct Corpus {
    config: CorpusConfig,
    extraction: Extraction,
    /// Most frames of an item, if there is a limit.
    max_frames: Option<usize>,
    /// In the order of their ids.
    recordings: Vec<Recording>,
    /// Number of each recording's speaker.
    speakers: Vec<usize>,
    assignment: Assignment,
    /// Folder of the feature cache.
    cache: PathBuf,
    prepared: TryOnce<Prepared>,
}

impl Corpus {
    /// Splits `recordings`, of which there is at least one. Reads none of them.
    ///
    /// # Errors
    /// A setting that makes no sense, two recordings with one id, or too few recordings to split.
    pub(crate) fn new(
        config: CorpusConfig,
        cache_folder: &Path,
        mut recordings: Vec<Recording>,
    ) -> Result<Self, Error> {
        let (extraction, max_frames) = config.check()?;
        recordings.sort_by(|a, b| a.id.cmp(&b.id));
        if let Some(pair) = recordings.windows(2).find(|pair| pair[0].id == pair[1].id) {
            let (first, second) = (pair[0].path.display(), pair[1].path.display());
            let id = &pair[0].id;
            let message = format!("`{first}` and `{second}` are both utterance `{id}`");
            return Err(Error::data(message));
        }
        let mut names: Vec<&str> = recordings.iter().map(|one| one.speaker.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        let number = |one: &Recording| names.partition_point(|name| *name < one.speaker.as_str());
        let speakers = recordings.iter().map(number).collect();
        let assignment = Assignment::new(&config, &recordings)?;
        let cache = cache_folder.join("audio");
        let prepared = TryOnce::new();
        Ok(Self {
            config,
            extraction,
            max_frames,
            recordings,
            speakers,
            assignment,
            cache,
            prepared,
        })
    }

    /// The recordings in the order of their ids.
    pub(crate) fn recordings(&self) -> &[Recording] {
        &self.recordings
    }

    pub(crate) fn prepare(&self) -> Result<Value, Error> {
        Ok(self.prepared()?.report.clone())
    }

    /// Identity of the batches, from the contents of the files; decodes nothing.
    pub(crate) fn fingerprint(&self) -> Result<String, Error> {
        prepare::fingerprint(self)
    }

    pub(crate) fn splits(&self) -> Vec<String> {
        self.assignment.splits().map(|(name, _)| name.to_owned()).collect()
    }

    pub(crate) fn items(&self, split: &str) -> Result<Vec<Item>, Error> {
        let size = |clip: &Clip| self.cropped(clip.frames);
        let clips = self.clips(split)?.iter();
        Ok(clips.map(|clip| item(&self.recordings[clip.recording].id, size(clip))).collect())
    }

    pub(crate) fn batch(
        &self,
        split: &str,
        indices: &[usize],
        stream: u64,
    ) -> Result<Arrays, Error> {
        let clips = pick(split, self.clips(split)?, indices)?;
        // Only training sees random places: evaluation must not depend on chance.
        let random = split == "train" && self.config.crop == Crop::Random;
        let features = clips.iter().map(|clip| self.features(clip, random.then_some(stream)));
        let features: Vec<Cow<'_, [f32]>> = features.collect::<Result<_, _>>()?;
        let speakers = clips.iter().map(|clip| self.speakers[clip.recording] as i64).collect();
        let bins = self.config.mel_bins;
        Ok(pad(&features, bins).with("speaker", speakers, &[clips.len()]))
    }

    fn clips(&self, split: &str) -> Result<&[Clip], Error> {
        let position = self.assignment.splits().position(|(name, _)| name == split);
        let position = position.ok_or_else(|| unknown_split(split, &self.splits()))?;
        Ok(&self.prepared()?.splits[position])
    }

    fn prepared(&self) -> Result<&Prepared, Error> {
        self.prepared.get_or_try(|| Prepared::new(self))
    }

    /// Frames that are left of `frames`.
    fn cropped(&self, frames: usize) -> usize {
        self.max_frames.map_or(frames, |most| frames.min(most))
    }

    /// The features of a clip, cut to length from its start or, with a stream, from a random frame.
    fn features<'a>(&self, clip: &'a Clip, stream: Option<u64>) -> Result<Cow<'a, [f32]>, Error> {
        let bins = self.config.mel_bins;
        let frames = self.cropped(clip.frames);
        let start = stream.map_or(0, |stream| {
            let id = &self.recordings[clip.recording].id;
            Draw::new(stream, &["crop", id]).index(clip.frames - frames + 1)
        });
        let range = start * bins..(start + frames) * bins;
        match &clip.held {
            Some(data) => Ok(Cow::Borrowed(&data[range])),
            None => Ok(Cow::Owned(self.read(clip)?[range].to_vec())),
        }
    }

    /// All features of a clip that is not held in memory, from the cache.
    fn read(&self, clip: &Clip) -> Result<Vec<f32>, Error> {
        let path = &self.recordings[clip.recording].path;
        let failed = |error| Error::from_error(ErrorKind::DATA, &error);
        let cache = &self.prepared()?.cache;
        let unchanged = cache.content_hash(path).map_err(failed)? == clip.content;
        let features = extract(cache, &self.extraction, path).map_err(failed)?;
        if unchanged && features.frames == clip.frames {
            return Ok(features.data);
        }
        let message = format!("`{}` changed since the dataset was prepared", path.display());
        Err(Error::data(message))
    }
}

/// Features of the whole recording, from the cache when they are there.
fn extract(
    cache: &FeatureCache,
    extraction: &Extraction,
    path: &Path,
) -> Result<Features, ablate_audio::Error> {
    let Extraction { config, fbank } = extraction;
    cache.get_or_compute(path, config, || config.extract_with(fbank, path))
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(digit), 16).expect("a digit is below 16"));
        }
        text
    })
}
