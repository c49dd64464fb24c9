//! `synthetic-speech`: words that speakers say, made by a formant synthesizer; needs no files.

mod lexicon;
mod phones;
mod voice;

use std::path::{Path, PathBuf};

use ablate_audio::{FeatureCache, Features};
use ablate_sdk::{Arrays, Build, Contract, Dataset, Error, ErrorKind, Item, SlotSpec, host};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::encoded::{Encodings, normalized, seconds};
use crate::encoder::{self, Encoder, SAMPLE_RATE};
use crate::log_mel::LogMelConfig;
use crate::padding::{Piece, item, pad, pick, unknown_split};
use crate::progress::Progress;
use crate::random::Draw;
use crate::try_once::TryOnce;
use lexicon::Lexicon;

/// Part of the fingerprint; raised when the same configuration gives other data.
const REVISION: u32 = 1;

/// Configuration of `synthetic-speech`.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug)]
#[serde(deny_unknown_fields, default)]
pub struct SyntheticConfig {
    /// Number of speakers; each has a pitch, a vocal tract and a timbre.
    #[schemars(range(min = 1, max = 10_000))]
    pub speakers: usize,
    /// Number of words; each is a sequence of three to six sounds.
    #[schemars(range(min = 1, max = 10_000))]
    pub words: usize,
    /// Utterances to train on.
    #[schemars(range(min = 1, max = 100_000))]
    pub items_train: usize,
    /// Utterances of the split `valid`; 0 leaves it out.
    #[schemars(range(max = 100_000))]
    pub items_valid: usize,
    /// Utterances of the split `test`; 0 leaves it out.
    #[schemars(range(max = 100_000))]
    pub items_test: usize,
    /// Length of the shortest utterances in seconds.
    #[schemars(range(min = 0.1, max = 60.0))]
    pub min_seconds: f64,
    /// Length of the longest utterances in seconds.
    #[schemars(range(min = 0.1, max = 60.0))]
    pub max_seconds: f64,
    /// Level of white noise relative to that of the speech.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub noise: f64,
    /// Whether each utterance is normalized to mean 0 and variance 1 per feature.
    pub normalize: bool,
    /// Whether batches hold the audio itself too, for a model that has an encoder of its own.
    pub audio: bool,
    /// Seed of the data; the trial's seed does not change it.
    pub data_seed: u64,
}

impl Default for SyntheticConfig {
    fn default() -> Self {
        Self {
            speakers: 8,
            words: 20,
            items_train: 192,
            items_valid: 48,
            items_test: 48,
            min_seconds: 0.8,
            max_seconds: 1.6,
            noise: 0.02,
            normalize: true,
            audio: false,
            data_seed: 0,
        }
    }
}

impl SyntheticConfig {
    fn check(&self) -> Result<(), Error> {
        let wrong = |key: &str, expected: &str, value: &dyn std::fmt::Display| {
            Err(Error::config(format!("`{key}` must be {expected}, not `{value}`")))
        };
        if !(1..=10_000).contains(&self.speakers) {
            return wrong("speakers", "from 1 to 10000", &self.speakers);
        }
        if !(1..=10_000).contains(&self.words) {
            return wrong("words", "from 1 to 10000", &self.words);
        }
        if !(1..=100_000).contains(&self.items_train) {
            return wrong("items_train", "from 1 to 100000", &self.items_train);
        }
        for (key, count) in [("items_valid", self.items_valid), ("items_test", self.items_test)] {
            if count > 100_000 {
                return wrong(key, "at most 100000", &count);
            }
        }
        if !(0.1..=60.0).contains(&self.min_seconds) {
            return wrong("min_seconds", "from 0.1 to 60", &self.min_seconds);
        }
        if !(self.min_seconds..=60.0).contains(&self.max_seconds) {
            return wrong("max_seconds", "from `min_seconds` to 60", &self.max_seconds);
        }
        if !(0.0..=10.0).contains(&self.noise) {
            return wrong("noise", "from 0 to 10", &self.noise);
        }
        Ok(())
    }

    /// The splits that are not empty, with their numbers of items.
    fn splits(&self) -> Vec<(&'static str, usize)> {
        let all =
            [("train", self.items_train), ("valid", self.items_valid), ("test", self.items_test)];
        all.into_iter().filter(|&(_, count)| count > 0).collect()
    }
}

/// Generated speech: several speakers say several words. Splits are separate draws of the same
/// speakers and words.
pub struct SyntheticSpeech {
    config: SyntheticConfig,
    encoder: Encoder,
    /// Folder of the feature cache; without one, features are made anew each time.
    cache: Option<PathBuf>,
    generated: TryOnce<Generated>,
}

struct Generated {
    /// The utterances of each split, in the order of `splits`.
    splits: Vec<Vec<Utterance>>,
    /// Values per frame.
    bins: usize,
}

struct Utterance {
    id: String,
    speaker: usize,
    word: usize,
    frames: usize,
    samples: usize,
    features: Vec<f32>,
    audio: Option<Vec<f32>>,
}

impl Utterance {
    fn piece(&self) -> Piece<'_> {
        let audio = self.audio.as_deref().map(Into::into);
        let seconds = seconds(self.samples as u64) as f32;
        Piece { features: self.features.as_slice().into(), seconds, audio }
    }
}

/// An utterance before it is encoded.
struct Spoken {
    speaker: usize,
    word: usize,
    samples: Vec<f32>,
}

impl SyntheticSpeech {
    /// Checks the configuration; the speech is generated on first use, and `log-mel` makes its
    /// features.
    ///
    /// # Errors
    /// A value that makes no sense, by its key.
    pub fn open(config: SyntheticConfig) -> Result<Self, Error> {
        Self::open_with(config, None, Encoder::log_mel(&LogMelConfig::default())?)
    }

    /// As [`open`](Self::open), with another encoder than `log-mel`; its features are kept below
    /// `cache_folder` if there is one.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(
        config: SyntheticConfig,
        cache_folder: Option<&Path>,
        encoder: Encoder,
    ) -> Result<Self, Error> {
        config.check()?;
        let cache = cache_folder.map(|folder| folder.join("audio"));
        Ok(Self { config, encoder, cache, generated: TryOnce::new() })
    }

    /// The waveform of an utterance at [`SAMPLE_RATE`]: for ears and for tests.
    ///
    /// # Errors
    /// If there is no such split or item.
    pub fn waveform(&self, split: &str, index: usize) -> Result<Vec<f32>, Error> {
        let words = self.words(self.position(split)?);
        let word = *pick(split, &words, &[index])?[0];
        Ok(self.speak(&self.lexicon(), split, index, word).1)
    }

    fn position(&self, split: &str) -> Result<usize, Error> {
        let found = self.config.splits().iter().position(|(name, _)| *name == split);
        found.ok_or_else(|| unknown_split(split, &self.splits()))
    }

    fn lexicon(&self) -> Lexicon {
        Lexicon::new(self.config.speakers, self.config.words, self.config.data_seed)
    }

    fn split(&self, split: &str) -> Result<&[Utterance], Error> {
        let position = self.position(split)?;
        Ok(&self.generated()?.splits[position])
    }

    fn generated(&self) -> Result<&Generated, Error> {
        self.generated.get_or_try(|| {
            let spoken = self.spoken()?;
            let failed = |error| Error::from_error(ErrorKind::OTHER, &error);
            let cache = self.cache.as_ref().map(FeatureCache::open).transpose().map_err(failed)?;
            let progress = Progress::new("features", spoken.iter().map(Vec::len).sum());
            let mut bins = 1;
            let mut splits = Vec::new();
            for ((name, _), spoken) in self.config.splits().into_iter().zip(spoken) {
                let mut split = Vec::with_capacity(spoken.len());
                for (index, spoken) in spoken.into_iter().enumerate() {
                    progress.check_cancelled()?;
                    let (utterance, width) = self.encoded(name, index, spoken, cache.as_ref())?;
                    bins = width;
                    split.push(utterance);
                    progress.step();
                }
                splits.push(split);
            }
            Ok(Generated { splits, bins })
        })
    }

    /// The waveforms of each split.
    fn spoken(&self) -> Result<Vec<Vec<Spoken>>, Error> {
        let lexicon = self.lexicon();
        let splits = self.config.splits();
        let total = splits.iter().map(|(_, count)| count).sum();
        let progress = Progress::new("synthesis", total);
        let split = |position: usize| {
            let words = self.words(position);
            (0..words.len())
                .into_par_iter()
                .map(|index| {
                    progress.check_cancelled()?;
                    let (name, word) = (splits[position].0, words[index]);
                    let (speaker, samples) = self.speak(&lexicon, name, index, word);
                    progress.step();
                    Ok(Spoken { speaker, word, samples })
                })
                .collect()
        };
        (0..splits.len()).map(split).collect()
    }

    /// The word of each item of a split: all words equally often, in random order.
    fn words(&self, position: usize) -> Vec<usize> {
        let (name, count) = self.config.splits()[position];
        let mut words: Vec<usize> = (0..count).map(|index| index % self.config.words).collect();
        Draw::new(self.config.data_seed, &["order", name]).shuffle(&mut words);
        words
    }

    fn speak(
        &self,
        lexicon: &Lexicon,
        split: &str,
        index: usize,
        word: usize,
    ) -> (usize, Vec<f32>) {
        let config = &self.config;
        let mut draw = Draw::new(config.data_seed, &["item", split, &index.to_string()]);
        let speaker = draw.index(config.speakers);
        let seconds = draw.between(config.min_seconds, config.max_seconds);
        let (said, by) = (&lexicon.words[word], &lexicon.speakers[speaker]);
        let samples = voice::say(said, by, seconds, SAMPLE_RATE, config.noise, &mut draw);
        (speaker, samples)
    }

    /// The features of a waveform and how many there are per frame, from the cache if they are there.
    fn encoded(
        &self,
        split: &str,
        index: usize,
        spoken: Spoken,
        cache: Option<&FeatureCache>,
    ) -> Result<(Utterance, usize), Error> {
        let Spoken { speaker, word, samples } = spoken;
        let id = format!("{split}-{index:05}-speaker{speaker}-word{word}");
        let features = self
            .features(&samples, cache)
            .map_err(|error| error.context(format!("failed to encode `{id}`")))?;
        let (frames, bins) = (features.frames, features.bins);
        let data = features.data;
        let features = if self.config.normalize { normalized(data, bins) } else { data };
        let length = samples.len();
        let audio = self.config.audio.then_some(samples);
        Ok((Utterance { id, speaker, word, frames, samples: length, features, audio }, bins))
    }

    fn features(&self, samples: &[f32], cache: Option<&FeatureCache>) -> Result<Features, Error> {
        let Some(cache) = cache else { return self.encoder.encode(samples) };
        let mut hash = Sha256::new();
        for sample in samples {
            hash.update(sample.to_le_bytes());
        }
        let encodings = Encodings { encoder: &self.encoder, cache };
        let key = encodings.key(&crate::corpus::hex(&hash.finalize()), None)?;
        if let Some(cached) = encodings.find(key.as_ref()) {
            return Ok(cached.features);
        }
        let made = encodings.make(samples, samples.len())?;
        encodings.keep(key.as_ref(), &made)?;
        Ok(made.features)
    }
}

impl Dataset for SyntheticSpeech {
    type Config = SyntheticConfig;
    const NAME: &'static str = "synthetic-speech";
    const DOC: &'static str = "Generated speech-like words by several speakers; needs no files.";

    fn contract(config: &SyntheticConfig) -> Result<Contract, Error> {
        config.check()?;
        Ok(encoder::contract(config.audio).output("word: int[B]"))
    }

    fn slots() -> Vec<SlotSpec> {
        vec![encoder::slot()]
    }

    fn new(config: &SyntheticConfig, build: &mut Build) -> Result<Self, Error> {
        let encoder = Encoder::in_slot(build)?;
        Self::open_with(config.clone(), Some(&host::cache_folder()), encoder)
    }

    fn prepare(&self) -> Result<serde_json::Value, Error> {
        let utterances = || self.generated().map(|made| made.splits.iter().flatten());
        let frames: usize = utterances()?.map(|one| one.frames).sum();
        let samples: usize = utterances()?.map(|one| one.samples).sum();
        let seconds = (seconds(samples as u64) * 10.0).round() / 10.0;
        let splits = self.config.splits().into_iter();
        let items: serde_json::Map<String, serde_json::Value> =
            splits.map(|(name, count)| (name.to_owned(), count.into())).collect();
        Ok(json!({ "items": items, "frames": frames, "seconds": seconds }))
    }

    fn fingerprint(&self) -> Result<String, Error> {
        let config = serde_json::to_string(&self.config).expect("plain data has JSON");
        let hash = Sha256::digest(format!("synthetic-speech {REVISION} {config}"));
        Ok(crate::corpus::hex(&hash))
    }

    fn sources(&self) -> Vec<String> {
        vec![format!("generated by synthetic-speech, revision {REVISION}")]
    }

    fn splits(&self) -> Vec<String> {
        self.config.splits().into_iter().map(|(name, _)| name.to_owned()).collect()
    }

    fn items(&self, split: &str) -> Result<Vec<Item>, Error> {
        Ok(self.split(split)?.iter().map(|one| item(&one.id, one.frames)).collect())
    }

    fn batch(&self, split: &str, indices: &[usize], _: u64) -> Result<Arrays, Error> {
        let clips = pick(split, self.split(split)?, indices)?;
        let pieces: Vec<Piece<'_>> = clips.iter().map(|one| one.piece()).collect();
        let speakers: Vec<i64> = clips.iter().map(|one| one.speaker as i64).collect();
        let words: Vec<i64> = clips.iter().map(|one| one.word as i64).collect();
        let shape = [clips.len()];
        Ok(pad(&pieces, self.generated()?.bins)
            .with("speaker", speakers, &shape)
            .with("word", words, &shape))
    }
}
