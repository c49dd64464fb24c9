//! The feature cache: what is computed when, damaged entries, several processes at once.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use ablate_audio::{Cached, Error, FeatureCache, FeatureConfig, Features, Source, walk_audio};
use hound::SampleFormat::Int;
use tempfile::TempDir;

use crate::support::{tone, write_wav};

struct Setup {
    folder: TempDir,
    cache: FeatureCache,
    computed: Cell<usize>,
}

impl Setup {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cache = FeatureCache::open(folder.path().join("cache")).unwrap();
        Self { folder, cache, computed: Cell::new(0) }
    }

    /// A clip that was last changed a minute ago.
    fn clip(&self, name: &str, rate: u32) -> PathBuf {
        let path = self.folder.path().join(name);
        write_wav(&path, rate, 1, 16, Int, &tone(16000, 1, 4000));
        set_modified(&path, SystemTime::now() - Duration::from_mins(1));
        path
    }

    /// Features from the cache, and how often they were computed for it.
    fn get(&self, path: &Path, config: &FeatureConfig) -> (Features, usize) {
        let before = self.computed.get();
        let compute = || {
            self.computed.set(self.computed.get() + 1);
            config.extract(path)
        };
        let features = self.cache.get_or_compute(path, config, compute).unwrap();
        (features, self.computed.get() - before)
    }

    fn files(&self, name: &str) -> Vec<PathBuf> {
        files(&self.folder.path().join("cache").join(name))
    }
}

/// The files in a folder of the cache, two levels down.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for folder in fs_err::read_dir(folder).unwrap() {
        let folder = folder.unwrap().path();
        files.extend(fs_err::read_dir(folder).unwrap().map(|file| file.unwrap().path()));
    }
    files
}

fn set_modified(path: &Path, time: SystemTime) {
    fs_err::OpenOptions::new().write(true).open(path).unwrap().set_modified(time).unwrap();
}

#[test]
fn computes_once_per_content_and_configuration() {
    let setup = Setup::new();
    let config = FeatureConfig::default();
    let normalized = FeatureConfig { normalize: true, ..config.clone() };
    let path = setup.clip("a.wav", 16000);
    let (first, computed) = setup.get(&path, &config);
    assert_eq!((computed, first.frames, first.bins), (1, 23, 80));
    assert_eq!(setup.get(&path, &config), (first.clone(), 0));
    // Another name for the same content is the same entry.
    let copy = setup.folder.path().join("b.wav");
    fs_err::copy(&path, &copy).unwrap();
    assert_eq!(setup.get(&copy, &config), (first.clone(), 0));
    assert_eq!(setup.get(&path, &normalized).1, 1);
    // Changed content is another one.
    write_wav(&path, 16000, 1, 16, Int, &tone(8000, 1, 4000));
    let (changed, computed) = setup.get(&path, &config);
    assert_eq!(computed, 1);
    assert_ne!(changed, first);
    assert_eq!(setup.files("features").len(), 3);
}

#[test]
fn unchanged_audio_is_not_read_again() {
    let setup = Setup::new();
    let path = setup.clip("a.wav", 16000);
    let config = FeatureConfig::default();
    let (first, _) = setup.get(&path, &config);
    let modified = fs_err::metadata(&path).unwrap().modified().unwrap();
    // Same size and time, so only reading the file could tell.
    let size = fs_err::metadata(&path).unwrap().len() as usize;
    fs_err::write(&path, vec![7; size]).unwrap();
    set_modified(&path, modified);
    assert_eq!(setup.get(&path, &config), (first, 0));
}

#[test]
fn audio_that_has_just_changed_is_read_again() {
    let setup = Setup::new();
    let path = setup.folder.path().join("a.wav");
    for rate in [16000, 8000] {
        // The second file has the size of the first and perhaps its time.
        write_wav(&path, 16000, 1, 16, Int, &tone(rate, 1, 4000));
        assert_eq!(setup.get(&path, &FeatureConfig::default()).1, 1);
    }
}

#[test]
fn damaged_entries_are_computed_again() {
    let setup = Setup::new();
    let path = setup.clip("a.wav", 16000);
    let config = FeatureConfig::default();
    let (first, _) = setup.get(&path, &config);
    let entry = setup.files("features").remove(0);
    let bytes = fs_err::read(&entry).unwrap();
    let mut flipped = bytes.clone();
    flipped[100] ^= 4;
    for damaged in [&bytes[..bytes.len() / 2], &[], &flipped] {
        fs_err::write(&entry, damaged).unwrap();
        assert_eq!(setup.get(&path, &config), (first.clone(), 1));
        assert_eq!(fs_err::read(&entry).unwrap(), bytes, "the entry is whole again");
    }
    let known = setup.files("files").remove(0);
    fs_err::write(&known, "{").unwrap();
    assert_eq!(setup.get(&path, &config), (first, 0));
}

#[test]
fn failed_computations_leave_nothing() {
    let setup = Setup::new();
    let path = setup.folder.path().join("a.wav");
    fs_err::write(&path, "no audio").unwrap();
    let error = setup.cache.features(&path, &FeatureConfig::default()).unwrap_err();
    assert!(matches!(error, Error::NotAudio { .. }));
    assert!(setup.files("features").is_empty());
}

#[test]
fn too_short_audio_is_named_with_the_shortest_length() {
    let setup = Setup::new();
    let path = setup.folder.path().join("a.wav");
    write_wav(&path, 16000, 1, 16, Int, &tone(16000, 1, 100));
    let error = setup.cache.features(&path, &FeatureConfig::default()).unwrap_err();
    let Error::Features { source, .. } = &error else { panic!("{error}") };
    assert!(source.to_string().ends_with("at least 400 samples are needed"), "{source}");
    assert!(!error.hints().is_empty());
}

#[test]
fn many_writers_of_one_entry_agree() {
    let setup = Setup::new();
    let paths: Vec<PathBuf> = (0..4).map(|n| setup.clip(&format!("{n}.wav"), 16000)).collect();
    let folder = setup.folder.path().join("cache");
    let config = FeatureConfig::default();
    let expected = config.extract(&paths[0]).unwrap();
    let (folder, config, expected) = (&folder, &config, &expected);
    std::thread::scope(|scope| {
        for path in paths.iter().cycle().take(16) {
            scope.spawn(move || {
                let cache = FeatureCache::open(folder).unwrap();
                for _ in 0..20 {
                    assert_eq!(&cache.features(path, config).unwrap(), expected);
                    for entry in files(&folder.join("features")) {
                        // Entries vanish and come back under the others' hands.
                        let _ = fs_err::remove_file(entry);
                    }
                }
            });
        }
    });
    let left = fs_err::read_dir(folder.join("new")).unwrap().count();
    assert_eq!(left, 0, "temporary files are gone");
}

#[test]
fn resamples_to_the_rate_of_the_filter_bank() {
    let setup = Setup::new();
    let path = setup.clip("a.wav", 48000);
    // 4000 samples at 48 kHz are 1334 at 16 kHz: floor((1334 - 400) / 160) + 1 frames.
    assert_eq!(setup.get(&path, &FeatureConfig::default()).0.frames, 6);
    assert_eq!(walk_audio(setup.folder.path()).unwrap(), [path]);
}

#[test]
fn entries_keep_what_their_features_are_of() {
    let setup = Setup::new();
    let source = Source { samples: 160_000, total_samples: 256_123, peak: 0.5 };
    let features = Features { frames: 2, bins: 1, data: vec![1.0, 2.0] };
    let cached = Cached { features, source };
    let key = |content: &str, config: &str| setup.cache.key(content, config).unwrap();
    assert_eq!(setup.cache.get(&key("audio", "one")), None);
    setup.cache.put(&key("audio", "one"), &cached).unwrap();
    assert_eq!(setup.cache.get(&key("audio", "one")), Some(cached));
    assert_eq!(setup.cache.get(&key("audio", "other")), None);
    assert_eq!(setup.cache.get(&key("other", "one")), None);
}
