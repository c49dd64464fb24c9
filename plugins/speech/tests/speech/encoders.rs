//! Encoders in front of folders of audio: what they see, what is kept, what is normalized.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ablate_audio::{FeatureConfig, Features};
use ablate_sdk::{Dataset, Error, ErrorKind};
use ablate_speech::{AudioFolder, CorpusConfig, Crop, Encoder, LibriSpeech};

use crate::support::{Counter, Folder, ids, whole};

/// All recordings to train on, features as the encoder makes them.
fn plain(folder: &Folder) -> CorpusConfig {
    CorpusConfig { valid_fraction: 0.0, test_fraction: 0.0, normalize: false, ..folder.config() }
}

/// Features of the only utterance of `train`.
fn only(config: &CorpusConfig, folder: &Folder, encoder: Encoder, stream: u64) -> Vec<f32> {
    let dataset = AudioFolder::open_with(config.clone(), &folder.cache(), encoder).unwrap();
    whole(&dataset, "train", stream).slice::<f32>("features").unwrap().to_vec()
}

#[test]
fn log_mel_features_are_those_of_the_filter_bank_to_the_bit() {
    let folder = Folder::new();
    folder.librispeech("", 1, 3);
    for normalize in [false, true] {
        let config = CorpusConfig { normalize, ..plain(&folder) };
        let dataset = LibriSpeech::open(config, &folder.cache()).unwrap();
        let expected = FeatureConfig { normalize, ..FeatureConfig::default() };
        for (index, id) in ids(&dataset, "train").iter().enumerate() {
            let batch = dataset.batch("train", &[index], 0).unwrap();
            let path = folder.root().join(format!("100/7/{id}.wav"));
            let expected = expected.extract(path).unwrap();
            assert_eq!(batch.slice::<f32>("features").unwrap(), expected.data);
        }
    }
}

#[test]
fn predicting_the_mean_has_an_error_of_one_and_no_signal_above_the_noise() {
    let folder = Folder::new();
    for index in 0..6 {
        folder.wave(&format!("a/{index}.wav"), 6000 + 1500 * index, 90.0 + 30.0 * index as f32);
    }
    for (crop, memory_mib) in [(Crop::Start, 1024), (Crop::Random, 1024), (Crop::Random, 0)] {
        // Four are longer than 0.5 s and are cut.
        let config = CorpusConfig {
            max_seconds: 0.5,
            crop,
            memory_mib,
            valid_fraction: 0.0,
            test_fraction: 0.0,
            ..folder.config()
        };
        let dataset = AudioFolder::open(config, &folder.cache()).unwrap();
        let batch = whole(&dataset, "train", 5);
        let [count, frames, bins] = batch.shape("features").unwrap()[..] else { panic!() };
        let features = batch.slice::<f32>("features").unwrap();
        let mask = batch.slice::<bool>("mask").unwrap();
        let (mut square, mut valid) = (0.0, 0.0);
        for item in 0..count {
            let length = mask[item * frames..(item + 1) * frames].iter().filter(|v| **v).count();
            for bin in 0..bins {
                let at = |frame| f64::from(features[(item * frames + frame) * bins + bin]);
                let mean = (0..length).map(at).sum::<f64>() / length as f64;
                let error = (0..length).map(|t| at(t).powi(2)).sum::<f64>() / length as f64;
                assert!(mean.abs() < 1e-5 && (error - 1.0).abs() < 1e-4, "{mean} {error}");
            }
            valid += (length * bins) as f64;
            square += features[item * frames * bins..(item + 1) * frames * bins]
                .iter()
                .map(|&value| f64::from(value).powi(2))
                .sum::<f64>();
        }
        // The mean is 0, so that the error of predicting it is the signal itself.
        assert!((square / valid - 1.0).abs() < 1e-5, "{crop:?}: {}", square / valid);
    }
}

#[test]
fn an_encoder_sees_each_recording_once_and_alone() {
    let folder = Folder::new();
    folder.librispeech("", 2, 5);
    let counter = Counter::default();
    let open = |config: CorpusConfig, identity| {
        LibriSpeech::open_with(config, &folder.cache(), counter.encoder(identity)).unwrap()
    };
    let features = |dataset: &LibriSpeech| {
        let batch = whole(dataset, "train", 0);
        batch.slice::<f32>("features").unwrap().to_vec()
    };
    let first = features(&open(folder.config(), Some("a")));
    assert_eq!(counter.count(), 10);
    // 50 frames a second: 3200 samples are 9, (3200 - 400) / 320 + 1.
    let sizes = open(plain(&folder), Some("a")).items("train").unwrap();
    assert_eq!(sizes[0].size, 9);
    // Other batches of the same features, from memory or not, normalized or not.
    assert_eq!(features(&open(folder.config(), Some("a"))), first);
    let lazy = CorpusConfig { memory_mib: 0, ..folder.config() };
    assert_eq!(features(&open(lazy, Some("a"))), first);
    assert_ne!(features(&open(plain(&folder), Some("a"))), first);
    assert_eq!(counter.count(), 10);
    // Another encoder, and one of which nobody knows what it is: it is asked each time.
    features(&open(folder.config(), Some("b")));
    assert_eq!(counter.count(), 20);
    for asked in [30, 40] {
        let config = CorpusConfig { memory_mib: 0, ..folder.config() };
        assert_eq!(features(&open(config, None)), first);
        assert_eq!(counter.count(), asked);
    }
    let (a, b) = (open(folder.config(), Some("a")), open(folder.config(), Some("b")));
    assert_eq!(a.fingerprint().unwrap(), b.fingerprint().unwrap());
}

#[test]
fn a_damaged_entry_is_made_again() {
    let folder = Folder::new();
    folder.wave("a/0.wav", 8000, 200.0);
    let counter = Counter::default();
    let config = plain(&folder);
    let first = only(&config, &folder, counter.encoder(Some("a")), 0);
    let entries = fs_err::read_dir(folder.cache().join("audio/features")).unwrap();
    let entries: Vec<_> = entries
        .flat_map(|below| fs_err::read_dir(below.unwrap().path()).unwrap())
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(entries.len(), 1);
    let bytes = fs_err::read(&entries[0]).unwrap();
    fs_err::write(&entries[0], &bytes[..bytes.len() - 7]).unwrap();
    assert_eq!(only(&config, &folder, counter.encoder(Some("a")), 0), first);
    assert_eq!(counter.count(), 2);
    assert_eq!(fs_err::read(&entries[0]).unwrap(), bytes, "the entry is whole again");
}

#[test]
fn what_is_cut_is_cut_before_the_encoder_sees_it() {
    let folder = Folder::new();
    folder.wave("a/0.wav", 16000, 200.0);
    let counter = Counter::default();
    let config = CorpusConfig { max_seconds: 0.5, ..plain(&folder) };
    let cut = only(&config, &folder, counter.encoder(Some("a")), 0);
    // (8000 - 400) / 320 + 1 frames, each with the number of samples that the encoder saw.
    assert_eq!(cut.len(), 24 * 3);
    let whole = only(&plain(&folder), &folder, counter.encoder(Some("a")), 0);
    assert_eq!(whole.len(), 49 * 3);
    assert_eq!((cut[0], cut[1]), (whole[0], whole[1]));
    assert_eq!((cut[2], whole[2]), (8000.0, 16000.0));
    assert_eq!(counter.count(), 2);
}

#[test]
fn a_random_part_has_features_of_the_whole_and_the_audio_that_belongs_to_them() {
    let folder = Folder::new();
    folder.wave("a/0.wav", 20000, 200.0);
    folder.wave("b/1.wav", 4000, 200.0);
    let counter = Counter::default();
    let path = folder.root().join("a/0.wav");
    let recording = ablate_audio::decode(path).unwrap().samples;
    for memory_mib in [0, 1024] {
        let config = CorpusConfig {
            max_seconds: 0.5,
            crop: Crop::Random,
            audio: true,
            memory_mib,
            ..plain(&folder)
        };
        let encoder = counter.encoder(Some("a"));
        let dataset = AudioFolder::open_with(config, &folder.cache(), encoder).unwrap();
        let all = only(&plain(&folder), &folder, counter.encoder(Some("a")), 0);
        let items = dataset.items("train").unwrap();
        // As many frames as half a second has, whatever the encoder's frame rate is.
        assert_eq!((items[0].size, items[1].size), (Counter::frames(8000), Counter::frames(4000)));
        let mut starts = std::collections::BTreeSet::new();
        for stream in 0..20 {
            let batch = whole(&dataset, "train", stream);
            let features = batch.slice::<f32>("features").unwrap();
            // The number of the frame says where it is from, the other one that it is of all.
            let start = features[1] as usize;
            let piece = &all[start * 3..(start + 24) * 3];
            assert_eq!(&features[..24 * 3], piece);
            let audio = batch.slice::<f32>("audio").unwrap();
            let spoken = &audio[..8000];
            let first = recording.windows(8000).position(|part| part == spoken).unwrap();
            // Where the first frame starts, to within half a hop.
            assert!(first.abs_diff(start * Counter::HOP) <= Counter::HOP / 2, "{start}: {first}");
            assert_eq!(batch.slice::<f32>("seconds").unwrap(), [0.5, 0.25]);
            let mask = batch.slice::<bool>("audio_mask").unwrap();
            assert_eq!(mask.iter().filter(|valid| **valid).count(), 12000);
            starts.insert(start);
        }
        assert!(starts.len() > 8, "{starts:?}");
    }
}

#[test]
fn nothing_is_drawn_outside_of_training() {
    let folder = Folder::new();
    folder.librispeech("", 4, 5);
    let open = |crop| {
        let config = CorpusConfig { max_seconds: 0.15, crop, audio: true, ..folder.config() };
        LibriSpeech::open_with(config, &folder.cache(), Counter::default().encoder(None)).unwrap()
    };
    let (random, start) = (open(Crop::Random), open(Crop::Start));
    for name in ["features", "audio"] {
        let of = |dataset: &LibriSpeech, stream| {
            whole(dataset, "test", stream).slice::<f32>(name).unwrap().to_vec()
        };
        assert_eq!(of(&random, 1), of(&random, 2));
        assert_eq!(of(&random, 1), of(&start, 1));
    }
}

#[test]
fn recordings_shorter_than_the_encoders_field_are_named_or_left_out() {
    let folder = Folder::new();
    folder.librispeech("", 2, 5);
    folder.wave("100/7/100-7-0009.wav", 399, 100.0);
    let open = |skip_unreadable| {
        let config = CorpusConfig { skip_unreadable, ..folder.config() };
        let encoder = Counter::default().encoder(Some("a"));
        LibriSpeech::open_with(config, &folder.cache(), encoder).unwrap()
    };
    let error = open(false).prepare().unwrap_err();
    assert_eq!(error.kind, ErrorKind::DATA);
    let path = folder.root().join("100/7/100-7-0009.wav");
    let expected = format!(
        "1 of 11 audio files cannot be read: failed to encode `{}`: 399 samples are too few; \
         `dataset.skip_unreadable=true` leaves such files out",
        path.display()
    );
    assert_eq!(error.to_string(), expected);
    assert_eq!(open(true).prepare().unwrap()["skipped"], 1);
}

#[test]
fn a_preparation_that_was_stopped_goes_on_where_it_was() {
    let folder = Folder::new();
    folder.librispeech("", 2, 5);
    let encoder = |stop_at: usize| {
        let seen = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&seen);
        let encoder = Encoder::new(Some("a".to_owned()), move |samples| {
            if counter.fetch_add(1, Ordering::SeqCst) == stop_at {
                return Err(Error::new(ErrorKind::CANCELLED, "asked to stop"));
            }
            let frames = samples.len() / 320;
            Ok(Features { frames, bins: 1, data: vec![1.0; frames] })
        });
        (encoder, seen)
    };
    let (stopping, _) = encoder(6);
    let dataset = LibriSpeech::open_with(folder.config(), &folder.cache(), stopping).unwrap();
    assert_eq!(dataset.prepare().unwrap_err().kind, ErrorKind::CANCELLED);
    let (patient, seen) = encoder(usize::MAX);
    let dataset = LibriSpeech::open_with(folder.config(), &folder.cache(), patient).unwrap();
    dataset.prepare().unwrap();
    assert_eq!(seen.load(Ordering::SeqCst), 4, "six of ten were there");
}
