//! wav, flac, mp3 and Vorbis through Symphonia.

use std::io::{Cursor, ErrorKind, Read};
use std::path::Path;

use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{
    MediaSource, MediaSourceStream, MediaSourceStreamOptions, ReadOnlySource,
};
use symphonia::default::formats::{FlacReader, MpaReader, OggReader, WavReader};

use super::{Decoded, downmix, opus};
use crate::Error;

/// Undecodable packets are an error, or, for a stream that may have been cut anywhere, skipped
/// before the first good one.
#[derive(Clone, Copy, PartialEq)]
enum Leading {
    Strict,
    MayBeCut,
}

/// `header` and `data` are two parts of one file.
pub(super) fn decode_wave(path: &Path, header: &[u8], data: &[u8]) -> Result<Decoded, Error> {
    let reader = source(ReadOnlySource::new(header.chain(data)));
    let reader = WavReader::try_new(reader, FormatOptions::default());
    let reader = reader.map_err(|error| failure(path, error))?;
    decode_track(path, Box::new(reader), Leading::Strict)
}

pub(super) fn decode_flac(path: &Path, bytes: &[u8]) -> Result<Decoded, Error> {
    let reader = FlacReader::try_new(source(Cursor::new(bytes)), FormatOptions::default());
    let reader = reader.map_err(|error| failure(path, error))?;
    decode_track(path, Box::new(reader), Leading::Strict)
}

pub(super) fn decode_mp3(path: &Path, bytes: &[u8]) -> Result<Decoded, Error> {
    // Tags at the end could be taken for frames.
    let tag = bytes.len().checked_sub(128).filter(|&at| bytes[at..].starts_with(b"TAG"));
    let bytes = &bytes[..tag.unwrap_or(bytes.len())];
    // A source that cannot seek keeps the reader from guessing the length by the bit rate, and
    // then cutting what is beyond its guess.
    let reader = ReadOnlySource::new(Cursor::new(bytes));
    let reader = MpaReader::try_new(source(reader), FormatOptions::default());
    let reader = reader.map_err(|error| failure(path, error))?;
    let mut decoded = decode_track(path, Box::new(reader), Leading::MayBeCut)?;
    // The frame count of a Xing tag is often off by a frame or two of at most 1152 samples.
    let found = decoded.samples.len() as u64;
    decoded.expected = decoded.expected.filter(|&expected| found + 2 * 1152 < expected);
    Ok(decoded)
}

pub(super) fn decode_vorbis(path: &Path, bytes: &[u8]) -> Result<Decoded, Error> {
    // Symphonia skips damaged pages, so checksums and the end are checked first.
    opus::read_packets(path, bytes)?;
    let reader = OggReader::try_new(source(Cursor::new(bytes)), FormatOptions::default());
    let reader = reader.map_err(|error| failure(path, error))?;
    decode_track(path, Box::new(reader), Leading::Strict)
}

fn source<'a>(source: impl MediaSource + 'a) -> MediaSourceStream<'a> {
    MediaSourceStream::new(Box::new(source), MediaSourceStreamOptions::default())
}

fn decode_track(
    path: &Path,
    mut reader: Box<dyn FormatReader + '_>,
    leading: Leading,
) -> Result<Decoded, Error> {
    let corrupt = |reason: String| Error::Corrupt { path: path.to_owned(), reason };
    let track = reader.default_track(TrackType::Audio);
    let track = track.ok_or_else(|| corrupt("there is no audio track".into()))?;
    let (track_id, expected) = (track.id, track.num_frames);
    let parameters = track.codec_params.as_ref().and_then(|parameters| parameters.audio());
    let parameters = parameters.ok_or_else(|| corrupt("the codec is not declared".into()))?;
    // Verification compares with the checksum of the samples that flac has.
    let options = AudioDecoderOptions::default().verify(true);
    let mut decoder = symphonia::default::get_codecs()
        .make_audio_decoder(parameters, &options)
        .map_err(|error| failure(path, error))?;
    let mut decoded = Decoded { samples: Vec::new(), sample_rate: 0, channels: 0, expected };
    let mut interleaved: Vec<f32> = Vec::new();
    loop {
        let packet = match reader.next_packet() {
            Ok(Some(packet)) => packet,
            Ok(None) => break,
            Err(SymphoniaError::IoError(error)) if error.kind() == ErrorKind::UnexpectedEof => {
                break;
            }
            Err(error) => return Err(failure(path, error)),
        };
        if packet.track_id != track_id {
            continue;
        }
        let buffer = match decoder.decode(&packet) {
            Ok(buffer) => buffer,
            Err(SymphoniaError::DecodeError(_))
                if leading == Leading::MayBeCut && decoded.samples.is_empty() =>
            {
                continue;
            }
            Err(error) => return Err(failure(path, error)),
        };
        let (rate, channels) = (buffer.spec().rate(), buffer.spec().channels().count());
        if buffer.is_empty() || channels == 0 {
            continue;
        }
        if decoded.channels == 0 {
            (decoded.sample_rate, decoded.channels) = (rate, channels);
        } else if (decoded.sample_rate, decoded.channels) != (rate, channels) {
            let reason = "sample rate or channels change within the stream";
            return Err(corrupt(reason.into()));
        }
        buffer.copy_to_vec_interleaved(&mut interleaved);
        downmix(&interleaved, channels, &mut decoded.samples);
    }
    verify(path, &mut *decoder, &decoded)?;
    Ok(decoded)
}

/// A mismatch counts only when all samples are there; fewer are reported as such later.
fn verify(path: &Path, decoder: &mut dyn AudioDecoder, decoded: &Decoded) -> Result<(), Error> {
    let is_whole = decoded.expected.is_none_or(|count| decoded.samples.len() as u64 >= count);
    if is_whole && decoder.finalize().verify_ok == Some(false) {
        let reason = "the samples do not match their checksum".into();
        return Err(Error::Corrupt { path: path.to_owned(), reason });
    }
    Ok(())
}

fn failure(path: &Path, error: SymphoniaError) -> Error {
    let path = path.to_owned();
    match error {
        SymphoniaError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => {
            Error::Unfinished { path, reason: "it ends within a header".into() }
        }
        SymphoniaError::IoError(source) => Error::Read { path, source },
        SymphoniaError::Unsupported(reason) => {
            Error::UnsupportedCodec { path, reason: reason.to_owned() }
        }
        SymphoniaError::DecodeError(reason) => Error::Corrupt { path, reason: reason.to_owned() },
        other => Error::Corrupt { path, reason: other.to_string() },
    }
}
