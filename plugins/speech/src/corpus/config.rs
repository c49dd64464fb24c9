//! The options of datasets that are folders of audio.

use std::path::{Path, PathBuf};

use ablate_audio::walk_audio;
use ablate_sdk::{Error, ErrorKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::encoder::SAMPLE_RATE;

/// What splits are made of.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "kebab-case")]
pub enum SplitBy {
    /// Single utterances: the splits share speakers.
    #[default]
    Utterance,
    /// Speakers: no speaker is in two splits.
    Speaker,
}

/// Which part of a long utterance is used.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "kebab-case")]
pub enum Crop {
    /// Its start.
    #[default]
    Start,
    /// In `train` a random part, drawn again for each batch: the encoder sees the whole, and its
    /// features are cut. Elsewhere its start.
    Random,
}

/// Configuration of `librispeech` and `audio-folder`.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug)]
#[serde(deny_unknown_fields, default)]
pub struct CorpusConfig {
    /// Folder of the corpus.
    #[schemars(extend("x-ablate" = "location"))]
    pub root: Option<PathBuf>,
    /// Use only this part of the corpus: a LibriSpeech subset such as `train-clean-100`, or a
    /// folder inside of `root`.
    pub subset: Option<String>,
    /// Whether utterances or speakers are split.
    pub split_by: SplitBy,
    /// Part of the utterances (or speakers) that is the split `valid`; 0 leaves it out.
    #[schemars(range(min = 0.0, max = 0.9))]
    pub valid_fraction: f64,
    /// Part of the utterances (or speakers) that is the split `test`; 0 leaves it out.
    #[schemars(range(min = 0.0, max = 0.9))]
    pub test_fraction: f64,
    /// Seed of the splits; the trial's seed does not change them.
    pub split_seed: u64,
    /// Longer utterances are cut to this many seconds before the encoder sees them; 0 leaves them
    /// whole.
    #[schemars(range(min = 0.0))]
    pub max_seconds: f64,
    /// Which part of a longer utterance is used.
    pub crop: Crop,
    /// Whether what is used of each utterance is normalized to mean 0 and variance 1 per feature.
    pub normalize: bool,
    /// Whether batches hold the audio itself too, for a model that has an encoder of its own.
    pub audio: bool,
    /// Leave out audio that cannot be read, or is too short for the encoder, instead of stopping.
    pub skip_unreadable: bool,
    /// Features and audio that are held in memory, in MiB; of the others, features are read from
    /// the cache and audio is decoded each time.
    pub memory_mib: usize,
}

impl Default for CorpusConfig {
    fn default() -> Self {
        Self {
            root: None,
            subset: None,
            split_by: SplitBy::Utterance,
            valid_fraction: 0.15,
            test_fraction: 0.15,
            split_seed: 0,
            max_seconds: 10.0,
            crop: Crop::Start,
            normalize: true,
            audio: false,
            skip_unreadable: false,
            memory_mib: 1024,
        }
    }
}

impl CorpusConfig {
    /// The most samples of an item, if there is a limit.
    ///
    /// # Errors
    /// A value that makes no sense, by its key.
    pub(crate) fn check(&self) -> Result<Option<usize>, Error> {
        for (key, fraction) in
            [("valid_fraction", self.valid_fraction), ("test_fraction", self.test_fraction)]
        {
            if !(0.0..=0.9).contains(&fraction) {
                let message = format!("`{key}` must be from 0 to 0.9, not `{fraction}`");
                return Err(Error::config(message));
            }
        }
        let held_out = self.valid_fraction + self.test_fraction;
        if held_out > 0.95 {
            return Err(Error::config(format!(
                "`valid_fraction` and `test_fraction` together must be at most 0.95, not `{held_out}`"
            )));
        }
        if self.max_seconds == 0.0 {
            return Ok(None);
        }
        let samples = (self.max_seconds * f64::from(SAMPLE_RATE)).round() as usize;
        if samples == 0 {
            return Err(Error::config(format!(
                "`max_seconds` must be 0 (no limit) or positive, not `{}`",
                self.max_seconds
            )));
        }
        Ok(Some(samples))
    }

    /// The folder of the corpus, which exists, and all audio in it. `layout` says what should be
    /// there.
    ///
    /// # Errors
    /// If `root` is not set or not a folder with audio.
    pub(crate) fn audio(&self, layout: &str) -> Result<(PathBuf, Vec<PathBuf>), Error> {
        const ADVICE: &str = "set it with `dataset.root=/path/to/corpus` on the command line or \
                              `root` under `[dataset]` in the experiment";
        let root = self.root.as_deref().unwrap_or(Path::new(""));
        if root.as_os_str().is_empty() {
            return Err(Error::config(format!("`root` is not set; {ADVICE}; it is {layout}")));
        }
        // The user must be able to see what a relative path was relative to.
        let root = std::path::absolute(root).unwrap_or_else(|_| root.to_owned());
        let shown = root.display();
        match fs_err::metadata(&root) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => {
                return Err(Error::data(format!(
                    "`root` is the file `{shown}`, not a folder; {ADVICE}; it is {layout}"
                )));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Error::data(format!(
                    "`root`: there is no folder `{shown}`; {ADVICE}; it is {layout}"
                )));
            }
            Err(error) => return Err(Error::from_error(ErrorKind::DATA, &error)),
        }
        let paths =
            walk_audio(&root).map_err(|error| Error::from_error(ErrorKind::DATA, &error))?;
        if paths.is_empty() {
            let known = ablate_audio::AUDIO_EXTENSIONS.join(", ");
            return Err(Error::data(format!(
                "there is no audio ({known}) in `{shown}`; `root` should be {layout}"
            )));
        }
        Ok((root, paths))
    }
}

/// The error for a `subset` without audio; `known` are the ones that have some.
pub(crate) fn unknown_subset(subset: &str, root: &Path, known: &[String]) -> Error {
    const SHOWN: usize = 10;
    let root = root.display();
    let mut names: Vec<String> = known.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    if known.len() > SHOWN {
        names.push(format!("{} more", known.len() - SHOWN));
    }
    let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    Error::data(format!("`subset`: no audio of `{subset}` in `{root}`; there is {names}"))
}
