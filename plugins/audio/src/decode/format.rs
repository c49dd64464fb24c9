//! Recognizes what a file is by its content; names what is not supported.

use std::path::Path;

use super::mpeg;
use crate::Error;

/// A supported format, with the offset of its first byte where tags may come before it.
#[derive(Debug, PartialEq)]
pub(super) enum Format {
    Wave,
    Flac { start: usize },
    Mp3 { start: usize },
    Vorbis,
    Opus,
}

/// Magic bytes, their offset, and the name of what they stand for.
const UNSUPPORTED: [(usize, &[u8], &str); 24] = [
    (0, b"NIST_1A", "NIST SPHERE"),
    (0, b"RF64", "RF64 (64-bit wav)"),
    (0, b"BW64", "BW64 (64-bit wav)"),
    (0, b"RIFX", "RIFX (big-endian wav)"),
    (0, b"riff\x2e\x91\xcf\x11", "Wave64"),
    (8, b"AIFF", "AIFF"),
    (8, b"AIFC", "AIFF-C"),
    (8, b"AVI ", "AVI"),
    (0, b"caff", "Core Audio"),
    (0, b".snd", "AU"),
    (4, b"ftyp", "MP4"),
    (0, b"wvpk", "WavPack"),
    (0, b"MAC ", "Monkey's Audio"),
    (0, b"TTA1", "True Audio"),
    (0, b"#!AMR", "AMR"),
    (0, b"MThd", "MIDI"),
    (0, b"DSD ", "DSD"),
    (0, b"ajkg", "Shorten"),
    (0, b"Creative Voice File", "Creative Voice"),
    (0, b"\x1a\x45\xdf\xa3", "Matroska or WebM"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "Windows Media"),
    (0, b"ADIF", "AAC (ADIF)"),
    (0, b"\x0b\x77", "AC-3"),
    (0, b"MPCK", "Musepack"),
];

/// Content that is no audio at all, so that the error can say what it is.
const NOT_AUDIO: [(&[u8], &str); 7] = [
    (b"\x1f\x8b", "a gzip archive"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"%PDF", "a PDF document"),
    (b"version https://git-lfs", "a Git LFS pointer; the file itself was not fetched"),
    (b"<", "markup text, perhaps the error page of a download"),
];

/// What `bytes` are.
///
/// # Errors
/// `UnsupportedFormat`, `UnsupportedCodec` or `NotAudio` say what they are instead.
pub(super) fn recognize(path: &Path, bytes: &[u8]) -> Result<Format, Error> {
    if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WAVE") {
        return Ok(Format::Wave);
    }
    if bytes.starts_with(b"OggS") {
        return recognize_ogg(path, bytes);
    }
    for (offset, magic, name) in UNSUPPORTED {
        if bytes.get(offset..).is_some_and(|bytes| bytes.starts_with(magic)) {
            return Err(Error::UnsupportedFormat { path: path.to_owned(), format: name.into() });
        }
    }
    let start = end_of_tags(bytes);
    let content = &bytes[start..];
    if content.starts_with(b"fLaC") {
        return Ok(Format::Flac { start });
    }
    match mpeg::find(content, start > 0) {
        Some((offset, 3)) => return Ok(Format::Mp3 { start: start + offset }),
        Some((_, layer)) => {
            let name = if layer == 0 { "AAC (ADTS)".into() } else { format!("MPEG layer {layer}") };
            return Err(Error::UnsupportedFormat { path: path.to_owned(), format: name });
        }
        None => {}
    }
    Err(Error::NotAudio { path: path.to_owned(), found: describe(bytes) })
}

/// The codec is named by the first packet, which is the only one on the first page.
fn recognize_ogg(path: &Path, bytes: &[u8]) -> Result<Format, Error> {
    let segments = usize::from(bytes.get(26).copied().unwrap_or(0));
    let packet = bytes.get(27 + segments..).unwrap_or_default();
    let codecs: [(&[u8], &str); 5] = [
        (b"\x7fFLAC", "FLAC"),
        (b"Speex   ", "Speex"),
        (b"\x80theora", "Theora"),
        (b"fishead\0", "several streams (Skeleton)"),
        (b"CELT    ", "CELT"),
    ];
    if packet.starts_with(b"OpusHead") {
        return Ok(Format::Opus);
    }
    if packet.starts_with(b"\x01vorbis") {
        return Ok(Format::Vorbis);
    }
    if packet.len() < 8 {
        let reason = "it ends within the first page".to_owned();
        return Err(Error::Unfinished { path: path.to_owned(), reason });
    }
    let codec = codecs.iter().find(|(magic, _)| packet.starts_with(magic));
    let name = codec.map_or("an unknown codec", |(_, name)| name);
    Err(Error::UnsupportedCodec { path: path.to_owned(), reason: format!("{name} in Ogg") })
}

/// Offset behind the `ID3v2` tags at the start. Each has its length in four bytes of seven bits.
fn end_of_tags(bytes: &[u8]) -> usize {
    let mut start = 0;
    while let Some(header) = bytes.get(start..start + 10).filter(|tag| tag.starts_with(b"ID3")) {
        let length = header[6..10].iter().fold(0, |sum, &byte| sum << 7 | usize::from(byte & 0x7f));
        let footer = if header[5] & 0x10 == 0 { 0 } else { 10 };
        start += 10 + length + footer;
    }
    start.min(bytes.len())
}

fn describe(bytes: &[u8]) -> String {
    let known = NOT_AUDIO.iter().find(|(magic, _)| bytes.starts_with(magic));
    let start = &bytes[..bytes.len().min(512)];
    if bytes.is_empty() {
        "it is empty".to_owned()
    } else if let Some((_, name)) = known {
        format!("it is {name}")
    } else if start.iter().all(|&byte| byte == 0) {
        "it begins with zeros".to_owned()
    } else if start.iter().all(|&byte| byte >= 0x20 || byte.is_ascii_whitespace()) {
        "it is text".to_owned()
    } else {
        let bytes: Vec<String> = start.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        format!("unknown content that begins with the bytes {}", bytes.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::recognize;

    #[track_caller]
    fn check(bytes: &[u8], expected: &str) {
        let found = recognize(Path::new("x"), bytes);
        let found = found.map_or_else(|error| error.to_string(), |format| format!("{format:?}"));
        assert_eq!(found, expected);
    }

    #[test]
    fn recognizes_by_content() {
        check(b"RIFF\0\0\0\0WAVE", "Wave");
        check(b"fLaC", "Flac { start: 0 }");
        check(
            b"ID3\x04\0\0\0\0\x01\x00fLaC",
            "`x` is not audio: unknown content that begins with \
               the bytes 49 44 33 04 00 00 00 00",
        );
        check(
            &[b"ID3\x04\0\0\0\0\x00\x02??fLaC".as_slice(), &[0; 9]].concat(),
            "Flac { start: 12 }",
        );
    }

    #[test]
    fn names_what_is_not_supported() {
        check(b"NIST_1A\n   1024\n", "`x` is NIST SPHERE, which is not supported");
        check(b"FORM\0\0\0\0AIFF", "`x` is AIFF, which is not supported");
        check(b"\0\0\0\x20ftypM4A ", "`x` is MP4, which is not supported");
    }

    #[test]
    fn says_what_else_it_is() {
        check(b"", "`x` is not audio: it is empty");
        check(b"hello\n", "`x` is not audio: it is text");
        check("übung".as_bytes(), "`x` is not audio: it is text");
        check(&[0; 4096], "`x` is not audio: it begins with zeros");
        check(b"\x1f\x8b\x08", "`x` is not audio: it is a gzip archive");
    }
}
