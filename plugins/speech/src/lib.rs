//! Speech datasets: synthetic, LibriSpeech and any folder of audio.
//!
//! Batches are log-mel features with a mask: `features: f32[B, T, F]` (0 where padded),
//! `mask: bool[B, T]` (true where not padded) and `speaker: int[B]`; `synthetic-speech` adds
//! `word: int[B]`. Sizes of items are in frames.
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

mod extraction;

mod padding;

mod progress;

mod random;

mod try_once;

pub use audio_folder::AudioFolder;
pub use corpus::{CorpusConfig, Crop, SplitBy};
pub use librispeech::LibriSpeech;
pub use synthetic::{SyntheticConfig, SyntheticSpeech};

ablate_sdk::export_plugin!(
    ablate_plugin_speech,
    [dataset SyntheticSpeech, dataset LibriSpeech, dataset AudioFolder]
);
