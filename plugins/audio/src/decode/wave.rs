//! wav: reads the chunk headers itself, so that lengths are checked, codecs are named and the odd
//! headers that many writers leave do no harm.

use std::path::Path;

use super::{Decoded, stream};
use crate::Error;

/// Lengths from here on are what a writer puts that does not know the length yet.
const UNKNOWN_LENGTH: u32 = 0x7fff_f000;

/// More channels than this come from a damaged header.
const MAX_CHANNELS: u16 = 64;

/// The `fmt ` chunk, reduced to what matters.
struct Layout {
    codec: u16,
    channels: u16,
    sample_rate: u32,
    /// Bytes per sample of all channels.
    block: u16,
    bits: u16,
}

pub(super) fn decode(path: &Path, bytes: &[u8]) -> Result<Decoded, Error> {
    let (layout, data_length, start) = read_header(path, bytes)?;
    let is_known = data_length < UNKNOWN_LENGTH;
    let wanted = if is_known { data_length as usize } else { usize::MAX };
    let block = usize::from(layout.block);
    let available = wanted.min(bytes.len() - start).min(u32::MAX as usize / 2);
    let data = &bytes[start..start + available / block * block];
    // Many writers leave wrong lengths and odd chunks around the samples; the decoder sees neither.
    let header = plain_header(&layout, data.len() as u32);
    let mut decoded = stream::decode_wave(path, &header, data)?;
    decoded.expected = is_known.then_some((wanted / block) as u64);
    Ok(decoded)
}

/// The canonical header of 44 bytes.
fn plain_header(layout: &Layout, length: u32) -> Vec<u8> {
    let rate = layout.sample_rate;
    let mut header = b"RIFF".to_vec();
    header.extend((36 + length).to_le_bytes());
    header.extend(b"WAVEfmt \x10\0\0\0");
    header.extend([layout.codec.to_le_bytes(), layout.channels.to_le_bytes()].concat());
    header.extend(rate.to_le_bytes());
    header.extend(rate.wrapping_mul(u32::from(layout.block)).to_le_bytes());
    header.extend([layout.block.to_le_bytes(), layout.bits.to_le_bytes()].concat());
    header.extend(b"data");
    header.extend(length.to_le_bytes());
    header
}

/// Walks over the chunks up to `data`: the layout, the length and the offset of the samples.
fn read_header(path: &Path, bytes: &[u8]) -> Result<(Layout, u32, usize), Error> {
    let corrupt = |reason: &str| Error::Corrupt { path: path.to_owned(), reason: reason.into() };
    let unfinished = || Error::Unfinished {
        path: path.to_owned(),
        reason: "it ends before the samples begin".into(),
    };
    let mut layout = None;
    let mut offset = 12;
    loop {
        let chunk = bytes.get(offset..offset + 8).ok_or_else(unfinished)?;
        let length = u32::from_le_bytes([chunk[4], chunk[5], chunk[6], chunk[7]]);
        let body = &bytes[offset + 8..];
        match &chunk[..4] {
            b"fmt " => {
                let body = body.get(..16.max(length.min(40) as usize)).ok_or_else(unfinished)?;
                layout = Some(read_format(path, body)?);
            }
            b"data" => {
                let layout = layout.ok_or_else(|| corrupt("there is no `fmt ` chunk"))?;
                return Ok((layout, length, offset + 8));
            }
            _ => {}
        }
        // Chunks begin at even offsets.
        offset += 8 + length as usize + (length as usize & 1);
    }
}

/// The layout, if the codec is supported.
fn read_format(path: &Path, body: &[u8]) -> Result<Layout, Error> {
    let word = |at: usize| u16::from_le_bytes([body[at], body[at + 1]]);
    // The extensible format has the codec at the start of a longer identifier.
    let codec = if word(0) == 0xfffe && body.len() >= 26 { word(24) } else { word(0) };
    let (channels, block, bits) = (word(2), word(12), word(14));
    let unsupported = |reason: String| Error::UnsupportedCodec { path: path.to_owned(), reason };
    let name = match codec {
        1 if [8, 16, 24, 32].contains(&bits) => None,
        3 if [32, 64].contains(&bits) => None,
        6 | 7 if bits == 8 => None,
        1 | 3 | 6 | 7 => Some(format!("{bits}-bit samples in wav")),
        0x02 => Some("Microsoft ADPCM in wav".into()),
        0x11 => Some("IMA ADPCM in wav".into()),
        0x31 => Some("GSM 6.10 in wav".into()),
        0x50 => Some("MPEG layer 2 in wav".into()),
        0x55 => Some("mp3 in wav".into()),
        _ => Some(format!("codec {codec:#06x} in wav")),
    };
    if let Some(name) = name {
        return Err(unsupported(name));
    }
    if channels == 0 || channels > MAX_CHANNELS {
        return Err(unsupported(format!("{channels} channels")));
    }
    if u32::from(block) != u32::from(channels) * u32::from(bits) / 8 {
        let reason = format!("{block} bytes per sample of {channels} channels with {bits} bits");
        return Err(Error::Corrupt { path: path.to_owned(), reason });
    }
    let sample_rate = u32::from_le_bytes([body[4], body[5], body[6], body[7]]);
    Ok(Layout { codec, channels, sample_rate, block, bits })
}
