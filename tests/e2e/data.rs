//! Recordings: what cannot be read is named, and real ones work.

use crate::harness::{Place, data_folder};
use std::f32::consts::TAU;
use std::path::Path;

/// The small experiment on a folder of recordings.
fn place() -> Place {
    let place = Place::new();
    let synthetic = "use = \"synthetic-speech\"\nspeakers = 2\nwords = 3\nitems_train = 12\n\
                     items_valid = 4\nitems_test = 4\nmin_seconds = 0.3\nmax_seconds = 0.5\n";
    place.edit(synthetic, "use = \"audio-folder\"\nroot = \"recordings\"\n");
    for speaker in ["ada", "bob"] {
        for number in 0..6 {
            let file = place.path(&format!("recordings/{speaker}/{number}.wav"));
            write_tone(&file, 6400, 200.0 + 30.0 * number as f32);
        }
    }
    place
}

/// A tone at 16 kHz.
fn write_tone(file: &Path, samples: usize, hertz: f32) {
    fs_err::create_dir_all(file.parent().unwrap()).unwrap();
    let (channels, bits_per_sample) = (1, 16);
    let sample_format = hound::SampleFormat::Int;
    let spec = hound::WavSpec { channels, sample_rate: 16000, bits_per_sample, sample_format };
    let mut writer = hound::WavWriter::create(file, spec).unwrap();
    for index in 0..samples {
        let value = (TAU * hertz * index as f32 / 16000.0).sin();
        writer.write_sample((value * 8000.0) as i16).unwrap();
    }
    writer.finalize().unwrap();
}

#[track_caller]
fn refused(place: &Place, expected: &str) {
    let answer = place.ablate(&["sweep", "pooling", "sweep.seeds=[0]"]).expect(1);
    // Before it stands what was about to run.
    assert!(answer.stderr.ends_with(expected), "expected:\n{expected}\nfound:\n{}", answer.stderr);
    assert!(place.runs().is_empty(), "something was run");
}

#[test]
fn a_folder_of_recordings_runs() {
    let place = place();
    place.ablate(&["sweep", "pooling", "sweep.seeds=[0]"]).expect(0);
    // The folder may move: what counts is what the files hold.
    fs_err::rename(place.path("recordings"), place.path("moved")).unwrap();
    let moved = ["sweep", "pooling", "sweep.seeds=[0]", "dataset.root=moved"];
    let again = place.ablate(&moved).expect(0);
    assert!(again.stderr.contains("2 done, 0 to run"), "{}", again.stderr);
    // Another recording makes other data.
    write_tone(&place.path("moved/ada/9.wav"), 6400, 999.0);
    let more = place.ablate(&moved).expect(0);
    assert!(more.stderr.contains("0 done, 2 to run"), "{}", more.stderr);
}

/// The failure of the dataset, `what` of 12 tones and `more` files.
fn unreadable(what: &str) -> String {
    format!(
        "error: `dataset` (`audio-folder`): {what}; \
         `dataset.skip_unreadable=true` leaves such files out\n"
    )
}

#[test]
fn unreadable_recordings_are_named_and_counted_and_may_be_left_out() {
    let place = place();
    place.write("recordings/bob/broken.wav", "RIFF, but only by name\n");
    let whole = fs_err::read(place.path("recordings/ada/0.wav")).unwrap();
    place.write("recordings/ada/half.wav", &whole[..whole.len() / 2]);
    // A header of 44 bytes and 6400 samples of two: half of it holds 3189 whole samples.
    let what = "2 of 14 audio files cannot be read: `[PLACE]/recordings/ada/half.wav` is \
                truncated: decoded 3189 of 6400 samples; `[PLACE]/recordings/bob/broken.wav` is \
                not audio: it is text";
    refused(&place, &unreadable(what));
    let arguments = ["sweep", "pooling", "sweep.seeds=[0]", "dataset.skip_unreadable=true"];
    let skipped = place.ablate(&arguments).expect(0);
    // Once, not again for every trial.
    assert_eq!(skipped.stderr.matches(what).count(), 1, "{}", skipped.stderr);
    skipped.says_line(&format!("[TIME] speech: left out: {what}"));
    for run in place.runs() {
        assert_eq!(run.manifest()["dataset"]["prepared"]["skipped"], 2);
        let log = fs_err::read_to_string(run.folder.join("attempts/001/log.txt")).unwrap();
        assert!(log.contains("warning: speech: left out: 2 of 14 audio files"), "{log}");
        assert!(log.lines().last().unwrap().contains(" finished after step "), "{log}");
    }
    assert_eq!(place.runs().iter().filter(|run| run.status() == "done").count(), 2);
}

#[test]
fn a_recording_without_samples_or_shorter_than_a_frame_is_named() {
    let place = place();
    let file = place.path("recordings/bob/short.wav");
    write_tone(&file, 0, 100.0);
    let path = "`[PLACE]/recordings/bob/short.wav`";
    let what = "1 of 13 audio files cannot be read:";
    refused(&place, &unreadable(&format!("{what} {path} contains no samples")));
    place.write("recordings/bob/short.wav", "");
    refused(&place, &unreadable(&format!("{what} {path} is not audio: it is empty")));
    write_tone(&file, 100, 100.0);
    // A frame is 25 ms: 400 samples at 16 kHz.
    refused(
        &place,
        &unreadable(&format!(
            "{what} failed to encode {path}: in the block of slot `encoder`: audio of 100 samples \
             is shorter than one frame: at least 400 samples are needed"
        )),
    );
}

#[test]
fn a_closed_corpus_is_all_trained_on() {
    let place = place();
    let arguments = [
        "sweep",
        "pooling",
        "sweep.seeds=[0]",
        "dataset.valid_fraction=0",
        "dataset.test_fraction=0",
    ];
    let answer = place.ablate(&arguments).expect(0);
    assert!(answer.stdout.contains("split `train`"), "{}", answer.stdout);
    for run in place.runs() {
        assert_eq!(run.manifest()["dataset"]["prepared"]["items"]["train"], 12);
        assert_eq!(run.status(), "done");
    }
}

#[test]
fn every_encoder_runs_once_over_every_recording() {
    let place = place();
    let entries = || -> usize {
        let folder = place.path("home/cache/audio/features");
        let Ok(folders) = fs_err::read_dir(folder) else { return 0 };
        folders.map(|below| fs_err::read_dir(below.unwrap().path()).unwrap().count()).sum()
    };
    place.ablate(&["sweep", "pooling", "sweep.seeds=[0]"]).expect(0);
    // Both speakers say the same: what counts is what the files hold.
    assert_eq!(entries(), 6);
    // What is trained on the features changes nothing about them.
    let normalized = ["run", "pooling", "dataset.normalize=false", "--seed", "1"];
    place.ablate(&normalized).expect(0);
    assert_eq!(entries(), 6);
    let coarse = ["sweep", "pooling", "sweep.seeds=[0]", "dataset.encoder.mel_bins=10"];
    let other = place.ablate(&coarse).expect(0);
    assert!(other.stderr.contains("0 done, 2 to run"), "{}", other.stderr);
    assert_eq!(entries(), 12);
}

#[test]
fn read_speech_trains_for_an_epoch() {
    let Some(data) = data_folder() else { return };
    let place = place();
    place.edit(
        "use = \"audio-folder\"\nroot = \"recordings\"\n",
        "use = \"librispeech\"\nmax_seconds = 2.0\n",
    );
    let root = format!("dataset.root={}", data.join("librispeech_to").display());
    let arguments = ["run", "pooling", &root, "train.total_epochs=1", "train.batch_size=16"];
    let answer = place.ablate(&arguments).expect(0);
    assert!(answer.stdout.contains("utilization"), "{}", answer.stdout);
    eprintln!("one epoch of read speech took {:?}", answer.took);
}

#[test]
fn spoken_digits_train_for_an_epoch() {
    let Some(data) = data_folder() else { return };
    let place = place();
    let root = format!("dataset.root={}", data.join("fsdd").display());
    let arguments = ["run", "pooling", &root, "train.total_epochs=1", "train.batch_size=16"];
    let answer = place.ablate(&arguments).expect(0);
    assert!(answer.stdout.contains("utilization"), "{}", answer.stdout);
    eprintln!("one epoch of spoken digits took {:?}", answer.took);
}
