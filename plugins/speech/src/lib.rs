//! Speech datasets: synthetic, LibriSpeech and any folder of audio.
//!
//! Batches are features with a mask: `features: f32[B, T, F]` (0 where padded), `mask: bool[B, T]`
//! (true where not padded), `seconds: f32[B]` (of the audio that the features are of) and
//! `speaker: int[B]`; `synthetic-speech` adds `word: int[B]`. With `audio = true` they hold
//! `audio: f32[B, S]` and `audio_mask: bool[B, S]` too. Sizes of items are in frames.
//!
//! The frozen block in the slot `encoder` makes the features, `log-mel` unless another is named; it
//! runs once over every recording, and what it makes is cached on disk.
//!
//! ```
//! use ablate_sdk::Dataset;
//! use ablate_speech::{SyntheticConfig, SyntheticSpeech};
//!
//! let config = SyntheticConfig { items_train: 4, ..SyntheticConfig::default() };
//! let dataset = SyntheticSpeech::open(config)?;
//! let longest = dataset.items("train")?.iter().map(|item| item.size).max();
//! let batch = dataset.batch("train", &[0, 1, 2, 3], 0)?;
//! assert_eq!(batch.shape("features")?, [4, longest.unwrap_or(0), 80]);
//! # Ok::<(), ablate_sdk::Error>(())
//! ```

mod synthetic;

mod librispeech;

mod audio_folder;

mod corpus;

mod encoder;

mod log_mel;

mod encoded;

mod padding;

mod progress;

mod random;

mod try_once;

pub use audio_folder::AudioFolder;
pub use corpus::{CorpusConfig, Crop, SplitBy};
pub use encoder::{Encoder, SAMPLE_RATE};
pub use librispeech::LibriSpeech;
pub use log_mel::{LogMel, LogMelConfig};
pub use synthetic::{SyntheticConfig, SyntheticSpeech};

ablate_sdk::export_plugin!(
    ablate_plugin_speech,
    [dataset SyntheticSpeech, dataset LibriSpeech, dataset AudioFolder, block LogMel]
);
