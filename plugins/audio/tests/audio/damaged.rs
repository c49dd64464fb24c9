//! Truncated and flipped files: an error or audio, never a panic, and never silence about it.

use ablate_audio::{Error, decode};
use hound::SampleFormat::{Float, Int};

use crate::support::{stored, tone, write_wav};

const STORED: [&str; 5] =
    ["flac16.flac", "vorbis.ogg", "opus-mono.opus", "mp3.mp3", "mp3-stereo.mp3"];

/// All kinds of files, short, under their names.
fn files() -> Vec<(String, Vec<u8>)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.wav");
    let mut files = Vec::new();
    for (bits, format) in [(8, Int), (16, Int), (24, Int), (32, Float)] {
        write_wav(&path, 16000, 2, bits, format, &tone(16000, 2, 600));
        files.push((format!("{bits} bits"), fs_err::read(&path).unwrap()));
    }
    files.extend(STORED.map(|name| (name.to_owned(), fs_err::read(stored(name)).unwrap())));
    files
}

/// Any numbers, the same in every run.
fn numbers() -> impl FnMut(usize) -> usize {
    let mut state = 1_u64;
    move |below| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    }
}

#[test]
fn truncations_are_errors_unless_the_format_has_no_length() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    let mut number = numbers();
    for (name, bytes) in files() {
        let mut lengths: Vec<usize> =
            (0..64).chain((0..150).map(|_| number(bytes.len()))).collect();
        lengths.push(bytes.len() - 1);
        for length in lengths {
            fs_err::write(&path, &bytes[..length]).unwrap();
            let result = decode(&path);
            let is_open_ended = name.ends_with("mp3");
            assert!(
                is_open_ended || result.is_err(),
                "{name} cut to {length} of {} bytes",
                bytes.len()
            );
            assert!(!matches!(result, Err(Error::DecoderPanicked { .. })), "{name} at {length}");
        }
    }
}

#[test]
fn flipped_bytes_never_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    let mut number = numbers();
    let (mut errors, mut crashes) = (0, 0);
    for (name, bytes) in files() {
        for round in 0..300 {
            let mut damaged = bytes.clone();
            // Every second round stays within the headers.
            let range = if round % 2 == 0 { bytes.len().min(200) } else { bytes.len() };
            for _ in 0..=round % 4 {
                damaged[number(range)] = number(256) as u8;
            }
            fs_err::write(&path, &damaged).unwrap();
            match decode(&path) {
                Err(error) => {
                    errors += 1;
                    crashes += usize::from(matches!(error, Error::DecoderPanicked { .. }));
                    assert!(!error.to_string().is_empty());
                }
                Ok(audio) => assert!(audio.samples.iter().all(|x| x.is_finite()), "{name}"),
            }
        }
    }
    println!("{errors} errors, {crashes} of them panics of a decoder");
    assert!(errors > 500);
}

#[test]
fn damaged_checksummed_formats_are_always_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    let mut number = numbers();
    for name in ["flac16.flac", "vorbis.ogg", "opus-mono.opus"] {
        let bytes = fs_err::read(stored(name)).unwrap();
        let whole = decode(stored(name)).unwrap();
        for _ in 0..200 {
            let at = number(bytes.len());
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << number(8);
            fs_err::write(&path, &damaged).unwrap();
            // Bits outside of the samples may be without effect, but none gives other samples.
            if let Ok(audio) = decode(&path) {
                assert_eq!(audio.samples, whole.samples, "{name}, byte {at}");
            }
        }
    }
}
