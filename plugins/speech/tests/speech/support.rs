//! Folders of audio that the tests write, and what all tests ask of a batch.

use std::f32::consts::TAU;
use std::path::{Path, PathBuf};

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ablate_audio::Features;
use ablate_sdk::{Arrays, Dataset, Error};
use ablate_speech::{CorpusConfig, Encoder};

/// An encoder that looks at all of an utterance, 50 times a second, and counts how often it runs.
///
/// Its frames are those of a convolution over 400 samples every 320: the loudness of the frame, its
/// number, and how many samples there are in all.
#[derive(Clone, Default)]
pub(crate) struct Counter(Arc<AtomicUsize>);

impl Counter {
    pub(crate) const HOP: usize = 320;
    pub(crate) const FIELD: usize = 400;

    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    pub(crate) fn frames(samples: usize) -> usize {
        samples.checked_sub(Self::FIELD).map_or(0, |rest| rest / Self::HOP + 1)
    }

    pub(crate) fn encoder(&self, identity: Option<&str>) -> Encoder {
        let counter = self.clone();
        Encoder::new(identity.map(str::to_owned), move |samples| {
            counter.0.fetch_add(1, Ordering::SeqCst);
            let frames = Self::frames(samples.len());
            if frames == 0 {
                return Err(Error::data(format!("{} samples are too few", samples.len())));
            }
            let loudness =
                |part: &[f32]| (part.iter().map(|x| x * x).sum::<f32>() / part.len() as f32).sqrt();
            let row = |frame: usize| {
                let start = frame * Self::HOP;
                [loudness(&samples[start..start + Self::FIELD]), frame as f32, samples.len() as f32]
            };
            Ok(Features { frames, bins: 3, data: (0..frames).flat_map(row).collect() })
        })
    }
}

/// A folder with audio, and one for its cache.
pub(crate) struct Folder {
    folder: tempfile::TempDir,
}

impl Folder {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("corpus")
    }

    pub(crate) fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    pub(crate) fn config(&self) -> CorpusConfig {
        CorpusConfig { root: Some(self.root()), ..CorpusConfig::default() }
    }

    pub(crate) fn file(&self, name: &str, content: &[u8]) {
        let path = self.root().join(name);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, content).unwrap();
    }

    /// A tone with overtones, whose pitch falls, so that every frame is different.
    pub(crate) fn wave(&self, name: &str, samples: usize, pitch_hz: f32) {
        self.file(name, b"");
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 16000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(self.root().join(name), spec).unwrap();
        let mut phase = 0.0_f32;
        for index in 0..samples {
            phase += TAU * pitch_hz * (1.0 - 0.3 * index as f32 / samples as f32) / 16000.0;
            let value = 0.3 * phase.sin() + 0.2 * (phase * 3.0).sin();
            writer.write_sample((value * 30000.0) as i16).unwrap();
        }
        writer.finalize().unwrap();
    }

    /// `speakers` with `each` utterances of 0.2 s and longer, in LibriSpeech's layout.
    pub(crate) fn librispeech(&self, below: &str, speakers: usize, each: usize) {
        for speaker in 0..speakers {
            let speaker = 100 + speaker;
            for index in 0..each {
                let name = format!("{below}{speaker}/7/{speaker}-7-{index:04}.wav");
                self.wave(&name, 3200 + 800 * index, 100.0 + speaker as f32 + 10.0 * index as f32);
            }
        }
    }
}

/// All of a split as one batch, after checking what must hold of every batch.
pub(crate) fn whole<D: Dataset>(dataset: &D, split: &str, stream: u64) -> Arrays {
    let items = dataset.items(split).unwrap();
    let indices: Vec<usize> = (0..items.len()).collect();
    let batch = dataset.batch(split, &indices, stream).unwrap();
    let shape = batch.shape("features").unwrap();
    let [count, frames, bins] = shape[..] else { panic!("{shape:?}") };
    assert_eq!(frames, items.iter().map(|item| item.size).max().unwrap());
    assert_eq!(batch.shape("mask").unwrap(), [count, frames]);
    assert_eq!(batch.shape("speaker").unwrap(), [count]);
    let (features, mask) =
        (batch.slice::<f32>("features").unwrap(), batch.slice::<bool>("mask").unwrap());
    for (index, item) in items.iter().enumerate() {
        let mask = &mask[index * frames..(index + 1) * frames];
        assert!(mask.iter().enumerate().all(|(t, &valid)| valid == (t < item.size)), "{}", item.id);
        let rows = &features[index * frames * bins..(index + 1) * frames * bins];
        assert!(rows.iter().all(|x| x.is_finite()), "{}", item.id);
        assert!(rows[item.size * bins..].iter().all(|&x| x == 0.0), "{}", item.id);
        assert!(rows[..item.size * bins].iter().any(|&x| x != 0.0), "{}", item.id);
    }
    batch
}

pub(crate) fn ids<D: Dataset>(dataset: &D, split: &str) -> Vec<String> {
    dataset.items(split).unwrap().into_iter().map(|item| item.id).collect()
}

/// The folder with real data, or nothing after saying so.
pub(crate) fn data() -> Option<PathBuf> {
    let data = std::env::var_os("ABLATE_DATA").map(PathBuf::from);
    if data.is_none() {
        println!("skipped: no data");
    }
    data
}

/// Copies a folder.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs_err::create_dir_all(to).unwrap();
    for entry in fs_err::read_dir(from).unwrap() {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name())).unwrap();
        if path.is_dir() {
            copy(&path, &to.join(name));
        } else {
            fs_err::copy(&path, to.join(name)).unwrap();
        }
    }
}
