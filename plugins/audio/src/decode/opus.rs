//! Ogg Opus after RFC 7845, and the reading of Ogg pages that Vorbis shares.

use std::io::{Cursor, ErrorKind};
use std::path::Path;

use ogg::{OggReadError, Packet, PacketReader};
use opus_pure::{MAX_PACKET_SAMPLES, OpusDecoder};

use super::{Decoded, downmix};
use crate::Error;

/// Granule positions count at this rate whatever the input was; the decoder runs at it too.
const OPUS_RATE: u32 = 48_000;

/// A page on which no packet ends has this granule position.
const NO_GRANULE: u64 = u64::MAX;

/// The identification header, RFC 7845 section 5.1.
struct Head {
    channels: usize,
    /// Samples at 48 kHz to drop from the start.
    pre_skip: u64,
    /// Factor that the samples are multiplied with.
    gain: f32,
}

pub(super) fn decode(path: &Path, bytes: &[u8]) -> Result<Decoded, Error> {
    let corrupt = |reason: String| Error::Corrupt { path: path.to_owned(), reason };
    let packets = read_packets(path, bytes)?;
    let head = read_head(path, &packets[0].data)?;
    if !packets.get(1).is_some_and(|packet| packet.data.starts_with(b"OpusTags")) {
        return Err(corrupt("the comment header is missing".into()));
    }
    let mut decoder = OpusDecoder::new(OPUS_RATE as i32, head.channels)
        .map_err(|error| corrupt(error.to_string()))?;
    let mut block = vec![0.0; MAX_PACKET_SAMPLES * head.channels];
    let mut samples = Vec::new();
    // Where playback starts and ends, on the scale of the granule positions.
    let (mut start, mut end) = (None, 0);
    for packet in packets[2..].iter().filter(|packet| !packet.data.is_empty()) {
        let count = decoder
            .decode(&packet.data, MAX_PACKET_SAMPLES, &mut block)
            .map_err(|error| corrupt(format!("packet at sample {}: {error}", samples.len())))?;
        downmix(&block[..count * head.channels], head.channels, &mut samples);
        let granule = packet.absgp_page();
        if packet.last_in_page() && granule != NO_GRANULE {
            end = granule;
            // A cut stream begins later than 0; a short first page that is also the last one
            // marks the end instead (RFC 7845 sections 4.3 and 4.4).
            start.get_or_insert_with(|| granule.saturating_sub(samples.len() as u64));
        }
    }
    let playable = end.saturating_sub(start.unwrap_or(0));
    let expected = playable.saturating_sub(head.pre_skip);
    samples.truncate(playable.min(samples.len() as u64) as usize);
    samples.drain(..(head.pre_skip as usize).min(samples.len()));
    for sample in &mut samples {
        *sample *= head.gain;
    }
    let expected = Some(expected);
    Ok(Decoded { samples, sample_rate: OPUS_RATE, channels: head.channels, expected })
}

fn read_head(path: &Path, packet: &[u8]) -> Result<Head, Error> {
    let corrupt = |reason: &str| Error::Corrupt { path: path.to_owned(), reason: reason.into() };
    let unsupported = |reason| Error::UnsupportedCodec { path: path.to_owned(), reason };
    if packet.len() < 19 {
        return Err(corrupt("the Opus header is too short"));
    }
    if packet[8] >> 4 != 0 {
        return Err(unsupported(format!("Opus in Ogg, version {}", packet[8])));
    }
    let (channels, family) = (usize::from(packet[9]), packet[18]);
    // One or two channels are coded alike in the families 0 and 1.
    if !(1..=2).contains(&channels) || family > 1 || (family == 1 && packet.get(19) != Some(&1)) {
        return Err(unsupported(format!(
            "Opus with {channels} channels of mapping family {family}"
        )));
    }
    let gain_db = f32::from(i16::from_le_bytes([packet[16], packet[17]])) / 256.0;
    let pre_skip = u64::from(u16::from_le_bytes([packet[10], packet[11]]));
    Ok(Head { channels, pre_skip, gain: 10.0_f32.powf(gain_db / 20.0) })
}

/// All packets of an Ogg file with one stream; at least one.
///
/// # Errors
/// A page that does not match its checksum, a file that stops before the page that is marked as
/// the last one, several streams.
pub(super) fn read_packets(path: &Path, bytes: &[u8]) -> Result<Vec<Packet>, Error> {
    let mut reader = PacketReader::new(Cursor::new(bytes));
    let mut packets: Vec<Packet> = Vec::new();
    let unfinished =
        |reason: &str| Error::Unfinished { path: path.to_owned(), reason: reason.into() };
    loop {
        match reader.read_packet() {
            Ok(Some(packet)) => {
                let first = packets.first().unwrap_or(&packet);
                if first.stream_serial() != packet.stream_serial() {
                    let reason = "several streams in Ogg".into();
                    return Err(Error::UnsupportedCodec { path: path.to_owned(), reason });
                }
                packets.push(packet);
            }
            Ok(None) => break,
            Err(OggReadError::ReadError(error)) if error.kind() == ErrorKind::UnexpectedEof => {
                return Err(unfinished("it ends within an Ogg page"));
            }
            Err(error) => {
                return Err(Error::Corrupt { path: path.to_owned(), reason: error.to_string() });
            }
        }
    }
    if !has_last_page(bytes) {
        return Err(unfinished("the last Ogg page is missing"));
    }
    if packets.is_empty() {
        return Err(unfinished("it has no packets"));
    }
    Ok(packets)
}

/// Whether the page that begins last is marked as the end of its stream. Asked of the pages, since
/// that page may hold no packet.
fn has_last_page(bytes: &[u8]) -> bool {
    let mut is_last = false;
    let mut offset = 0;
    while let Some(page) = bytes.get(offset..offset + 27).filter(|page| page.starts_with(b"OggS")) {
        is_last = page[5] & 4 != 0;
        let table = offset + 27;
        let Some(lengths) = bytes.get(table..table + usize::from(page[26])) else { break };
        let body: usize = lengths.iter().map(|&length| usize::from(length)).sum();
        offset = table + lengths.len() + body;
    }
    is_last
}
