//! `librispeech`: read speech in the official layout, and its transcripts where there are any.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use ablate_sdk::{Arrays, Build, Contract, Dataset, Error, Item, LogLevel, SlotSpec, host};
use serde_json::Value;

use crate::corpus::{Corpus, CorpusConfig, Recording, unknown_subset};
use crate::encoder::{self, Encoder};
use crate::log_mel::LogMelConfig;

const LAYOUT: &str = "a LibriSpeech folder or a subset of it, with \
                      `<speaker>/<chapter>/<speaker>-<chapter>-<number>.flac` at any depth";

/// LibriSpeech (Panayotov et al. 2015). The speaker is that of the folder; `SPEAKERS.TXT` is not
/// needed and may list speakers who are not there.
pub struct LibriSpeech {
    corpus: Corpus,
    root: PathBuf,
    /// Audio files that do not fit the layout.
    ignored: usize,
    /// Where transcripts would be.
    transcript_files: BTreeSet<PathBuf>,
    transcripts: OnceLock<BTreeMap<String, String>>,
}

impl LibriSpeech {
    /// Lists the corpus; features are kept below `cache_folder`.
    ///
    /// # Errors
    /// A setting that makes no sense, or no LibriSpeech in `root`.
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
        let total = paths.len();
        let mut found: Vec<Found> =
            paths.into_iter().filter_map(|path| Found::new(&root, path)).collect();
        let ignored = total - found.len();
        if found.is_empty() {
            return Err(Error::data(format!(
                "none of the {total} audio files in `{}` is named as in LibriSpeech; `root` should \
                 be {LAYOUT}; for any other tree use the dataset `audio-folder`",
                root.display()
            )));
        }
        if ignored > 0 {
            let message = format!("{ignored} of {total} audio files do not fit the layout");
            host::log(LogLevel::WARN, "speech", &message);
        }
        if let Some(subset) = &config.subset {
            let known: BTreeSet<String> = found.iter().map(|one| one.subset.clone()).collect();
            found.retain(|one| one.subset == *subset);
            if found.is_empty() {
                return Err(unknown_subset(subset, &root, &Vec::from_iter(known)));
            }
        }
        let transcript_files = found.iter().filter_map(Found::transcript_file).collect();
        let recordings = found.into_iter().map(|one| one.recording).collect();
        let corpus = Corpus::new(config, cache_folder, recordings, encoder)?;
        let transcripts = OnceLock::new();
        Ok(Self { corpus, root, ignored, transcript_files, transcripts })
    }

    /// What is said in the utterance `id`, in upper case as in the corpus, if that is known.
    #[must_use]
    pub fn transcript(&self, id: &str) -> Option<&str> {
        self.transcripts().get(id).map(String::as_str)
    }

    fn transcripts(&self) -> &BTreeMap<String, String> {
        self.transcripts.get_or_init(|| {
            let mut transcripts = BTreeMap::new();
            for file in &self.transcript_files {
                read_transcripts(file, &mut transcripts);
            }
            transcripts
        })
    }
}

struct Found {
    recording: Recording,
    /// The folder above the speaker's.
    subset: String,
}

impl Found {
    /// Nothing when `path` does not fit the layout.
    fn new(root: &Path, path: PathBuf) -> Option<Self> {
        let chapter = path.parent()?;
        let speaker = chapter.parent()?;
        // The folders of speaker and chapter are inside of the root.
        speaker.strip_prefix(root).ok().filter(|inside| !inside.as_os_str().is_empty())?;
        let name = |path: &Path| Some(path.file_name()?.to_str()?.to_owned());
        let id = path.file_stem()?.to_str()?.to_owned();
        let subset = speaker.parent().and_then(name).unwrap_or_default();
        let (speaker, chapter) = (name(speaker)?, name(chapter)?);
        let number = id.strip_prefix(&format!("{speaker}-{chapter}-"))?;
        let fits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        fits.then_some(Self { recording: Recording { id, speaker, path }, subset })
    }

    /// `<speaker>-<chapter>.trans.txt` beside the audio.
    fn transcript_file(&self) -> Option<PathBuf> {
        let (chapter, _) = self.recording.id.rsplit_once('-')?;
        Some(self.recording.path.with_file_name(format!("{chapter}.trans.txt")))
    }
}

/// Adds the lines `<id> <text>` of a chapter's file, if there is one.
fn read_transcripts(file: &Path, transcripts: &mut BTreeMap<String, String>) {
    match fs_err::read_to_string(file) {
        Ok(text) => {
            let lines = text.lines().filter_map(|line| line.trim().split_once(' '));
            transcripts.extend(lines.map(|(id, text)| (id.to_owned(), text.trim().to_owned())));
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        // Audio is usable without.
        Err(error) => {
            let message = format!("transcripts are left out: {error}");
            host::log(LogLevel::WARN, "speech", &message);
        }
    }
}

impl Dataset for LibriSpeech {
    type Config = CorpusConfig;
    const NAME: &'static str = "librispeech";
    const DOC: &'static str = "LibriSpeech or a part of it, in the official folder layout.";

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
        let mut report = self.corpus.prepare()?;
        let ids = self.corpus.recordings().iter().map(|one| &one.id);
        let known = ids.filter(|id| self.transcript(id).is_some()).count();
        report["ignored"] = self.ignored.into();
        report["transcripts"] = known.into();
        Ok(report)
    }

    fn fingerprint(&self) -> Result<String, Error> {
        self.corpus.fingerprint()
    }

    fn sources(&self) -> Vec<String> {
        vec![
            "LibriSpeech, https://www.openslr.org/12, CC BY 4.0".to_owned(),
            self.root.display().to_string(),
        ]
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
