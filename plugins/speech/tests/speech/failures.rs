//! What cannot be read or found.

use ablate_audio::Features;
use ablate_sdk::{Dataset, Error, ErrorKind};
use ablate_speech::{AudioFolder, CorpusConfig, Encoder, LibriSpeech};

use crate::support::{Folder, ids, whole};

fn librispeech(folder: &Folder, config: CorpusConfig) -> Error {
    LibriSpeech::open(config, &folder.cache()).err().expect("must fail")
}

fn audio_folder(folder: &Folder, config: CorpusConfig) -> Error {
    AudioFolder::open(config, &folder.cache()).err().expect("must fail")
}

#[test]
fn a_missing_root_says_how_to_set_it() {
    let folder = Folder::new();
    for config in
        [CorpusConfig::default(), CorpusConfig { root: Some("".into()), ..folder.config() }]
    {
        let error = librispeech(&folder, config);
        assert_eq!(error.kind, ErrorKind::CONFIG);
        let text = error.to_string();
        assert!(
            text.starts_with("`root` is not set; set it with `dataset.root=/path/to/"),
            "{text}"
        );
        assert!(text.contains("<speaker>/<chapter>/<speaker>-<chapter>-<number>.flac"), "{text}");
    }
    let error = librispeech(&folder, folder.config());
    assert_eq!(error.kind, ErrorKind::DATA);
    let expected = format!("`root`: there is no folder `{}`; set it", folder.root().display());
    assert!(error.to_string().starts_with(&expected), "{error}");
}

#[test]
fn a_relative_root_is_named_in_full() {
    let folder = Folder::new();
    let config = CorpusConfig { root: Some("no/such/folder".into()), ..folder.config() };
    let here = std::env::current_dir().unwrap().join("no/such/folder");
    let error = audio_folder(&folder, config).to_string();
    assert!(error.contains(&format!("there is no folder `{}`", here.display())), "{error}");
}

#[test]
fn a_root_without_audio_or_with_another_layout_fails() {
    let folder = Folder::new();
    folder.file("notes.txt", b"nothing here");
    let error = audio_folder(&folder, folder.config());
    let expected = "there is no audio (wav, flac, mp3, ogg, opus, oga) in";
    assert!(error.to_string().starts_with(expected), "{error}");
    assert_eq!(error.kind, ErrorKind::DATA);
    folder.wave("ann/1.wav", 4000, 200.0);
    let error = librispeech(&folder, folder.config()).to_string();
    assert!(error.starts_with("none of the 1 audio files in"), "{error}");
    assert!(error.ends_with("for any other tree use the dataset `audio-folder`"), "{error}");
    let file = CorpusConfig { root: Some(folder.root().join("notes.txt")), ..folder.config() };
    let error = audio_folder(&folder, file).to_string();
    assert!(error.starts_with("`root` is the file `"), "{error}");
}

#[test]
fn one_utterance_in_two_formats_is_refused() {
    let folder = Folder::new();
    folder.wave("1/2/1-2-0000.wav", 4000, 200.0);
    folder.file("1/2/1-2-0000.flac", b"");
    let error = librispeech(&folder, folder.config()).to_string();
    assert!(error.ends_with("are both utterance `1-2-0000`"), "{error}");
}

/// Ten good files and seven bad ones.
fn with_bad_files() -> Folder {
    let folder = Folder::new();
    for index in 0..10 {
        folder.wave(&format!("good/{index}.wav"), 8000, 100.0 + 20.0 * index as f32);
    }
    folder.wave("bad/empty.wav", 0, 100.0);
    // One frame takes 400 samples.
    folder.wave("bad/short.wav", 399, 100.0);
    folder.file("bad/text.wav", b"this is a letter, not a wave");
    folder.file("bad/nothing.flac", b"");
    folder.wave("bad/cut.wav", 8000, 100.0);
    let cut = folder.root().join("bad/cut.wav");
    let bytes = fs_err::read(&cut).unwrap();
    fs_err::write(&cut, &bytes[..4000]).unwrap();
    folder.file("bad/x.mp3", &[0; 100]);
    folder.file("bad/y.ogg", b"OggS");
    folder
}

#[test]
fn unreadable_files_are_named_with_their_reasons() {
    let folder = with_bad_files();
    let dataset = AudioFolder::open(folder.config(), &folder.cache()).unwrap();
    for _ in 0..2 {
        let error = dataset.prepare().unwrap_err();
        assert_eq!(error.kind, ErrorKind::DATA);
        let text = error.to_string();
        println!("{text}");
        assert!(text.starts_with("7 of 17 audio files cannot be read: "), "{text}");
        for part in [
            "cut.wav` is truncated",
            "empty.wav` contains no samples",
            "short.wav`: audio of 399 samples is shorter than one frame: at least 400 samples are \
             needed",
            "; and 2 more; ",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(text.ends_with("`dataset.skip_unreadable=true` leaves such files out"), "{text}");
    }
    assert_eq!(dataset.items("train").unwrap_err().kind, ErrorKind::DATA);
    assert_eq!(dataset.batch("train", &[0], 0).unwrap_err().kind, ErrorKind::DATA);
}

#[test]
fn unreadable_files_can_be_left_out_and_are_counted() {
    let folder = with_bad_files();
    let config = CorpusConfig {
        skip_unreadable: true,
        valid_fraction: 0.0,
        test_fraction: 0.0,
        ..folder.config()
    };
    let dataset = AudioFolder::open(config.clone(), &folder.cache()).unwrap();
    let report = dataset.prepare().unwrap();
    assert_eq!((&report["skipped"], &report["files"]), (&7.into(), &17.into()));
    assert_eq!(report["items"]["train"], 10);
    assert_eq!(report["skipped_files"][0]["id"], "bad/cut.wav");
    whole(&dataset, "train", 0);
    assert!(ids(&dataset, "train").iter().all(|id| id.starts_with("good/")));

    let config = CorpusConfig { subset: Some("bad".into()), ..config };
    let dataset = AudioFolder::open(config, &folder.cache()).unwrap();
    let error = dataset.prepare().unwrap_err().to_string();
    assert!(error.starts_with("7 of 7 audio files cannot be read: "), "{error}");
}

#[test]
fn a_cache_that_cannot_be_written_is_not_the_audios_fault() {
    let folder = Folder::new();
    folder.librispeech("", 2, 5);
    fs_err::create_dir_all(folder.cache()).unwrap();
    fs_err::write(folder.cache().join("audio"), b"a file is in the way").unwrap();
    let config = CorpusConfig { skip_unreadable: true, ..folder.config() };
    let dataset = LibriSpeech::open(config, &folder.cache()).unwrap();
    let error = dataset.prepare().unwrap_err();
    assert_eq!(error.kind, ErrorKind::OTHER);
    assert!(error.to_string().starts_with("failed to write `"), "{error}");
}

#[test]
fn audio_that_changes_under_a_dataset_is_noticed() {
    let folder = Folder::new();
    folder.librispeech("", 2, 5);
    let config = CorpusConfig { memory_mib: 0, ..folder.config() };
    let dataset = LibriSpeech::open(config, &folder.cache()).unwrap();
    let id = ids(&dataset, "train")[0].clone();
    folder.wave(&format!("{}/7/{id}.wav", &id[..3]), 9000, 90.0);
    let error = dataset.batch("train", &[0], 0).unwrap_err().to_string();
    assert!(error.ends_with("changed since the dataset was prepared"), "{error}");
}

#[test]
fn settings_that_make_no_sense_are_named() {
    let folder = Folder::new();
    folder.librispeech("", 2, 5);
    let check = |config: CorpusConfig, expected: &str| {
        let error = librispeech(&folder, config);
        assert_eq!(error.kind, ErrorKind::CONFIG);
        assert!(error.to_string().starts_with(expected), "{error}");
    };
    let config = || folder.config();
    check(
        CorpusConfig { valid_fraction: 1.5, ..config() },
        "`valid_fraction` must be from 0 to 0.9",
    );
    check(
        CorpusConfig { valid_fraction: 0.5, test_fraction: 0.5, ..config() },
        "`valid_fraction` and `test_fraction` together must be at most 0.95, not `1`",
    );
    for max_seconds in [-1.0, 1e-6, f64::NAN] {
        check(
            CorpusConfig { max_seconds, ..config() },
            &format!("`max_seconds` must be 0 (no limit) or positive, not `{max_seconds}`"),
        );
    }
}

#[test]
fn utterances_that_are_cut_too_short_for_the_encoder_say_so() {
    let folder = Folder::new();
    folder.librispeech("", 2, 5);
    // 160 samples, and a frame is 400.
    let config = CorpusConfig { max_seconds: 0.01, skip_unreadable: true, ..folder.config() };
    let error = LibriSpeech::open(config, &folder.cache()).unwrap().prepare().unwrap_err();
    assert_eq!(error.kind, ErrorKind::DATA);
    let (text, root) = (error.to_string(), folder.root());
    let expected = format!(
        "10 of 10 audio files cannot be read: failed to encode the first 0.01 s of \
         `{}/100/7/100-7-0000.wav`: audio of 160 samples is shorter than one frame",
        root.display()
    );
    assert!(text.starts_with(&expected), "{text}");
}

#[test]
fn samples_that_are_no_numbers_are_named_and_silence_is_counted() {
    let folder = Folder::new();
    folder.librispeech("", 2, 5);
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 16000,
        bits_per_sample: 32,
        sample_format: hound::SampleFormat::Float,
    };
    let write = |name: &str, value: f32| {
        folder.file(name, b"");
        let mut writer = hound::WavWriter::create(folder.root().join(name), spec).unwrap();
        (0..8000).for_each(|_| writer.write_sample(value).unwrap());
        writer.finalize().unwrap();
    };
    write("100/7/100-7-0007.wav", 0.0);
    write("100/7/100-7-0008.wav", f32::NAN);
    let config = CorpusConfig { valid_fraction: 0.0, test_fraction: 0.0, ..folder.config() };
    let dataset = LibriSpeech::open(config.clone(), &folder.cache()).unwrap();
    let error = dataset.prepare().unwrap_err().to_string();
    assert!(error.contains("100-7-0008.wav` has a non-finite sample at index 0"), "{error}");
    let config = CorpusConfig { skip_unreadable: true, ..config };
    for _ in 0..2 {
        // The second time the features are in the cache.
        let dataset = LibriSpeech::open(config.clone(), &folder.cache()).unwrap();
        let report = dataset.prepare().unwrap();
        assert_eq!((&report["skipped"], &report["silent"]), (&1.into(), &1.into()));
        assert_eq!(ids(&dataset, "train").len(), 11);
    }
}

#[test]
fn an_encoder_that_fails_for_good_stops_at_the_first_recording() {
    let folder = Folder::new();
    folder.librispeech("", 2, 5);
    let fails = |encoder: Encoder| {
        let config = CorpusConfig { skip_unreadable: true, ..folder.config() };
        let dataset = LibriSpeech::open_with(config, &folder.cache(), encoder).unwrap();
        dataset.prepare().unwrap_err()
    };
    let error = fails(Encoder::new(None, |_| Err(Error::unsupported("no such layer"))));
    assert_eq!(error.kind, ErrorKind::UNSUPPORTED);
    let first = folder.root().join("100/7/100-7-0000.wav");
    let expected = format!("failed to encode `{}`: no such layer", first.display());
    assert_eq!(error.to_string(), expected);
    // 3200 samples, then 4000.
    let error = fails(Encoder::new(None, |samples| {
        let bins = samples.len() / 800;
        Ok(Features { frames: 1, bins, data: vec![0.5; bins] })
    }));
    assert_eq!(error.kind, ErrorKind::CONTRACT);
    let text = error.to_string();
    assert!(text.starts_with("the encoder makes 5 features per frame of `"), "{text}");
}

#[test]
fn cached_features_that_vanish_under_a_dataset_are_missed() {
    let folder = Folder::new();
    folder.librispeech("", 2, 5);
    let config = CorpusConfig { memory_mib: 0, ..folder.config() };
    let dataset = LibriSpeech::open(config, &folder.cache()).unwrap();
    whole(&dataset, "train", 0);
    fs_err::remove_dir_all(folder.cache().join("audio/features")).unwrap();
    let error = dataset.batch("train", &[0], 0).unwrap_err().to_string();
    assert!(error.contains("` are gone or damaged since the dataset was prepared"), "{error}");
}
