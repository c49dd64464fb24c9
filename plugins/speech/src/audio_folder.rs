//! `audio-folder`: any tree of audio files; the folder of a file names its speaker.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ablate_sdk::{Arrays, Build, Contract, Dataset, Error, Item, SlotSpec, host};
use serde_json::Value;

use crate::corpus::{Corpus, CorpusConfig, Recording, unknown_subset};
use crate::encoder::{self, Encoder};
use crate::log_mel::LogMelConfig;

const LAYOUT: &str = "a folder with wav, flac, mp3, ogg or opus files at any depth; the folder of a \
                      file is its speaker";

/// Any tree of audio files.
pub struct AudioFolder {
    corpus: Corpus,
    root: PathBuf,
}

impl AudioFolder {
    /// Lists the folder; features are kept below `cache_folder`.
    ///
    /// # Errors
    /// A setting that makes no sense, or no audio in `root`.
    pub fn open(config: CorpusConfig, cache_folder: &Path) -> Result<Self, Error> {
        Self::open_with(config, cache_folder, Encoder::log_mel(&LogMelConfig::default())?)
    }

    /// As [`open`](Self::open), with another encoder than `log-mel`.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(
        config: CorpusConfig,
        cache_folder: &Path,
        encoder: Encoder,
    ) -> Result<Self, Error> {
        config.check()?;
        let (root, paths) = config.audio(LAYOUT)?;
        let mut recordings: Vec<Recording> =
            paths.into_iter().map(|path| recording(&root, path)).collect();
        if let Some(subset) = &config.subset {
            let inside = subset.trim_matches('/');
            let folders = || recordings.iter().filter_map(|one| one.id.split_once('/'));
            let known: BTreeSet<String> = folders().map(|(first, _)| first.to_owned()).collect();
            recordings.retain(|one| Path::new(&one.id).starts_with(inside));
            if recordings.is_empty() {
                return Err(unknown_subset(subset, &root, &Vec::from_iter(known)));
            }
        }
        let corpus = Corpus::new(config, cache_folder, recordings, encoder)?;
        Ok(Self { corpus, root })
    }
}

/// The id is the path below `root`, with `/` on every system; the speaker is the file's folder, or
/// `.` directly in `root`, whose own name says nothing about the data.
fn recording(root: &Path, path: PathBuf) -> Recording {
    let inside = path.strip_prefix(root).unwrap_or(&path);
    let parts: Vec<String> =
        inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    let speaker = parts.iter().rev().nth(1).map_or(".", String::as_str).to_owned();
    Recording { id: parts.join("/"), speaker, path }
}

impl Dataset for AudioFolder {
    type Config = CorpusConfig;
    const NAME: &'static str = "audio-folder";
    const DOC: &'static str = "Any tree of audio files; the folder of a file is its speaker.";

    fn contract(config: &CorpusConfig) -> Result<Contract, Error> {
        config.check()?;
        Ok(encoder::contract(config.audio))
    }

    fn slots() -> Vec<SlotSpec> {
        vec![encoder::slot()]
    }

    fn new(config: &CorpusConfig, build: &mut Build) -> Result<Self, Error> {
        Self::open_with(config.clone(), &host::cache_folder(), Encoder::in_slot(build)?)
    }

    fn prepare(&self) -> Result<Value, Error> {
        self.corpus.prepare()
    }

    fn fingerprint(&self) -> Result<String, Error> {
        self.corpus.fingerprint()
    }

    fn sources(&self) -> Vec<String> {
        vec![self.root.display().to_string()]
    }

    fn splits(&self) -> Vec<String> {
        self.corpus.splits()
    }

    fn items(&self, split: &str) -> Result<Vec<Item>, Error> {
        self.corpus.items(split)
    }

    fn batch(&self, split: &str, indices: &[usize], stream: u64) -> Result<Arrays, Error> {
        self.corpus.batch(split, indices, stream)
    }
}
