//! wav in every sample format, generated.

use ablate_audio::{Error, decode};
use hound::SampleFormat::{Float, Int};

use crate::support::{tone, wav_bytes, write_wav};

#[test]
fn decodes_every_sample_format() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.wav");
    for (bits, format) in [(8, Int), (16, Int), (24, Int), (32, Int), (32, Float)] {
        for (rate, channels) in [(8000, 1), (16000, 2), (44100, 1), (48000, 2), (96000, 1)] {
            let samples = tone(rate, channels, 3000);
            write_wav(&path, rate, channels, bits, format, &samples);
            let audio = decode(&path).unwrap();
            assert_eq!((audio.sample_rate, audio.channels), (rate, channels));
            assert_eq!(audio.samples.len(), 3000);
            assert_eq!(audio.duration_s, 3000.0 / f64::from(rate));
            // Half a step of the integers, and the rounding of 32-bit floats.
            let step = if format == Int { 0.5 / f64::from(1_u32 << (bits - 1)) } else { 0.0 };
            for (frame, &found) in samples.chunks(usize::from(channels)).zip(&audio.samples) {
                let expected = frame.iter().sum::<f64>() / f64::from(channels);
                let error = (expected - f64::from(found)).abs();
                assert!(error <= step + 1e-7, "{bits} bits, {channels} channels: off by {error}");
            }
        }
    }
}

#[test]
fn decodes_64_bit_floats_beyond_full_scale() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.wav");
    let data: Vec<u8> = [0.25_f64, -3.5, 1e-3].iter().flat_map(|x| x.to_le_bytes()).collect();
    fs_err::write(&path, wav_bytes(3, 16000, 1, 64, &data)).unwrap();
    assert_eq!(decode(&path).unwrap().samples, [0.25, -3.5, 1e-3]);
}

#[test]
fn downmix_is_the_mean_of_any_number_of_channels() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.wav");
    write_wav(&path, 16000, 5, 16, Int, &[0.5, 0.25, -0.25, 0.0, 0.0, 0.5, 0.5, 0.5, 0.5, 0.5]);
    let audio = decode(&path).unwrap();
    assert_eq!((audio.samples.as_slice(), audio.channels), ([0.1, 0.5].as_slice(), 5));
}

#[test]
fn format_is_recognized_by_content_not_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trñ00.mp3");
    write_wav(&path, 16000, 1, 16, Int, &tone(16000, 1, 100));
    assert_eq!(decode(&path).unwrap().samples.len(), 100);
}

#[track_caller]
fn fails(bytes: &[u8], expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.wav");
    fs_err::write(&path, bytes).unwrap();
    let error = decode(&path).unwrap_err().to_string();
    assert_eq!(error.replace(&*path.to_string_lossy(), "x"), expected);
}

#[test]
fn fails_on_truncated_file_with_both_counts() {
    let bytes = wav_bytes(1, 16000, 1, 16, &[0; 2000]);
    fails(&bytes[..44 + 1500], "`x` is truncated: decoded 750 of 1000 samples");
    fails(&bytes[..44], "`x` is truncated: decoded 0 of 1000 samples");
    fails(&bytes[..30], "`x` is truncated: it ends before the samples begin");
}

#[test]
fn fails_on_no_samples() {
    fails(&wav_bytes(1, 16000, 1, 16, &[]), "`x` contains no samples");
}

#[test]
fn fails_on_non_finite_samples() {
    for value in [f32::NAN, f32::INFINITY] {
        let data: Vec<u8> = [0.0, 0.5, value].iter().flat_map(|x| x.to_le_bytes()).collect();
        fails(&wav_bytes(3, 16000, 1, 32, &data), "`x` has a non-finite sample at index 2");
    }
}

#[test]
fn fails_on_unsupported_codec_by_name() {
    fails(&wav_bytes(0x11, 16000, 1, 8, &[0; 99]), "`x` is not supported: IMA ADPCM in wav");
    fails(&wav_bytes(0x55, 16000, 1, 8, &[0; 99]), "`x` is not supported: mp3 in wav");
    fails(&wav_bytes(0x92, 16000, 1, 8, &[0; 99]), "`x` is not supported: codec 0x0092 in wav");
    fails(&wav_bytes(1, 16000, 1, 12, &[0; 99]), "`x` is not supported: 12-bit samples in wav");
}

#[test]
fn reads_to_the_end_where_the_writer_did_not_know_the_length() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.wav");
    for length in [u32::MAX, 0x7fff_ffff - 36] {
        let mut bytes = wav_bytes(1, 16000, 1, 16, &vec![0; 9001 * 2]);
        bytes[4..8].copy_from_slice(&length.to_le_bytes());
        bytes[40..44].copy_from_slice(&length.to_le_bytes());
        fs_err::write(&path, bytes).unwrap();
        assert_eq!(decode(&path).unwrap().samples.len(), 9001);
    }
}

#[test]
fn skips_chunks_around_the_samples() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.wav");
    let mut bytes = wav_bytes(1, 16000, 1, 16, &[1, 0, 2, 0]);
    bytes.splice(36..36, *b"LIST\x05\0\0\0INFO?\0");
    bytes.splice(12..12, *b"junk\x03\0\0\0abc\0");
    bytes.extend(b"cue \x04\0\0\0\0\0\0\0");
    for length in [bytes.len() as u32 - 8, 0, 40, u32::MAX] {
        // Many writers leave a wrong length of the whole.
        bytes[4..8].copy_from_slice(&length.to_le_bytes());
        fs_err::write(&path, &bytes).unwrap();
        assert_eq!(decode(&path).unwrap().samples, [1.0 / 32768.0, 2.0 / 32768.0]);
    }
}

#[test]
fn missing_file_is_named() {
    let error = decode("no/such.wav").unwrap_err();
    assert!(matches!(error, Error::Read { .. }));
    assert_eq!(error.to_string(), "failed to read `no/such.wav`");
}
