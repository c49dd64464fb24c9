//! Recordings in a folder as a dataset: what `librispeech` and `audio-folder` share.

mod config;
mod prepare;
mod report;
mod split;

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use ablate_audio::{decode, resample};
use ablate_sdk::{Arrays, Error, ErrorKind, Item};
use serde_json::Value;

use crate::encoded::{Encodings, normalized, seconds};
use crate::encoder::{Encoder, SAMPLE_RATE};
use crate::padding::{Piece, item, pad, pick, unknown_split};
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
    encoder: Encoder,
    /// Most samples of an item, if there is a limit.
    max_samples: Option<usize>,
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
        encoder: Encoder,
    ) -> Result<Self, Error> {
        let max_samples = config.check()?;
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
        Ok(Self { config, encoder, max_samples, recordings, speakers, assignment, cache, prepared })
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
        let clips = self.clips(split)?.iter();
        let prepared = self.prepared()?;
        let item =
            |clip: &Clip| item(&self.recordings[clip.recording].id, prepared.used_frames(clip));
        Ok(clips.map(item).collect())
    }

    pub(crate) fn batch(
        &self,
        split: &str,
        indices: &[usize],
        stream: u64,
    ) -> Result<Arrays, Error> {
        let clips = pick(split, self.clips(split)?, indices)?;
        let pieces: Vec<Piece<'_>> =
            clips.iter().map(|clip| self.piece(clip, stream)).collect::<Result<_, _>>()?;
        let speakers = clips.iter().map(|clip| self.speakers[clip.recording] as i64).collect();
        Ok(pad(&pieces, self.prepared()?.bins).with("speaker", speakers, &[clips.len()]))
    }

    fn clips(&self, split: &str) -> Result<&[Clip], Error> {
        let position = self.assignment.splits().position(|(name, _)| name == split);
        let position = position.ok_or_else(|| unknown_split(split, &self.splits()))?;
        Ok(&self.prepared()?.splits[position])
    }

    fn prepared(&self) -> Result<&Prepared, Error> {
        self.prepared.get_or_try(|| Prepared::new(self))
    }

    /// Whether items of `split` are parts that are drawn again for each batch. Only training sees
    /// random places: evaluation must not depend on chance.
    fn is_random(&self, split: &str) -> bool {
        split == "train" && self.config.crop == Crop::Random && self.max_samples.is_some()
    }

    /// What a batch holds of a clip.
    fn piece<'a>(&'a self, clip: &'a Clip, stream: u64) -> Result<Piece<'a>, Error> {
        let prepared = self.prepared()?;
        let (bins, used) = (prepared.bins, prepared.used_frames(clip));
        let features = match &clip.features {
            Some(held) => Cow::Borrowed(held.as_slice()),
            None => Cow::Owned(self.read(clip, prepared)?),
        };
        let audio = match &clip.audio {
            Some(held) => Some(Cow::Borrowed(held.as_slice())),
            None if self.config.audio => Some(Cow::Owned(self.listen(clip)?)),
            None => None,
        };
        if used == clip.frames {
            // What was cut at its start is held as it is used.
            let features = match (clip.random && self.config.normalize, features) {
                (true, features) => Cow::Owned(normalized(features.into_owned(), bins)),
                (false, features) => features,
            };
            let seconds = seconds(clip.source.samples) as f32;
            return Ok(Piece { features, seconds, audio });
        }
        let id = &self.recordings[clip.recording].id;
        let start = Draw::new(stream, &["crop", id]).index(clip.frames - used + 1);
        let features = features[start * bins..(start + used) * bins].to_vec();
        let features = if self.config.normalize { normalized(features, bins) } else { features };
        let most = self.max_samples.unwrap_or(usize::MAX);
        let audio = audio.map(|audio| {
            // The first frame starts with the audio and the last one ends with it, whatever the
            // encoder's frame rate is.
            let (samples, frames) = (audio.len() - most, clip.frames - used);
            let first = (start * samples + frames / 2) / frames;
            Cow::Owned(audio[first..first + most].to_vec())
        });
        Ok(Piece { features: features.into(), seconds: seconds(most as u64) as f32, audio })
    }

    /// Features of a clip that are not held in memory, from the cache.
    fn read(&self, clip: &Clip, prepared: &Prepared) -> Result<Vec<f32>, Error> {
        self.check_unchanged(clip, prepared)?;
        let path = &self.recordings[clip.recording].path;
        let encodings = Encodings { encoder: &self.encoder, cache: &prepared.cache };
        let key = encodings.key(&clip.content, self.limit(clip.random))?;
        // The encoder does not run again here: a model may be drawing random numbers.
        let cached = encodings.find(key.as_ref()).ok_or_else(|| {
            Error::data(format!(
                "the cached features of `{}` are gone or damaged since the dataset was prepared; \
                 start again, and they are computed again",
                path.display()
            ))
        })?;
        let data = cached.features.data;
        let normalize = self.config.normalize && !clip.random;
        Ok(if normalize { normalized(data, prepared.bins) } else { data })
    }

    /// Audio of a clip that is not held in memory: what its features are of.
    fn listen(&self, clip: &Clip) -> Result<Vec<f32>, Error> {
        self.check_unchanged(clip, self.prepared()?)?;
        let path = &self.recordings[clip.recording].path;
        let failed = |error| Error::from_error(ErrorKind::DATA, &error);
        let mut samples = samples(path).map_err(failed)?;
        samples.truncate(clip.source.samples as usize);
        Ok(samples)
    }

    fn check_unchanged(&self, clip: &Clip, prepared: &Prepared) -> Result<(), Error> {
        let path = &self.recordings[clip.recording].path;
        let content = prepared.cache.content_hash(path);
        if content.map_err(|error| Error::from_error(ErrorKind::DATA, &error))? == clip.content {
            return Ok(());
        }
        let message = format!("`{}` changed since the dataset was prepared", path.display());
        Err(Error::data(message))
    }

    /// Samples at the start of a recording that the encoder sees. It sees what an item is; of random
    /// parts it sees the whole, since what it makes of a part depends on what is around it.
    fn limit(&self, random: bool) -> Option<usize> {
        if random { None } else { self.max_samples }
    }
}

/// All of a recording at [`SAMPLE_RATE`].
fn samples(path: &Path) -> Result<Vec<f32>, ablate_audio::Error> {
    let audio = decode(path)?;
    if audio.sample_rate == SAMPLE_RATE {
        return Ok(audio.samples);
    }
    Ok(resample(&audio.samples, audio.sample_rate, SAMPLE_RATE))
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
