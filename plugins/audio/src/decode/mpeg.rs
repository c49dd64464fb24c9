//! Finds the first frame of an MPEG audio stream, which has no magic bytes of its own.

/// Bytes that may lie between a tag and the first frame, for example padding.
const SEARCH_LIMIT: usize = 64 * 1024;

const KBPS_VERSION_1: [usize; 15] =
    [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
const KBPS_VERSION_2: [usize; 15] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];

/// Offset of the first frame and its layer (0 is AAC), or nothing.
///
/// A layer 3 frame counts if another one follows it or the stream ends with it. Without a tag
/// before it only zeros may precede the frame, else any data would be taken for audio sooner or
/// later.
pub(super) fn find(bytes: &[u8], after_tag: bool) -> Option<(usize, u8)> {
    let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
    let last = if after_tag { SEARCH_LIMIT } else { zeros };
    let mut offsets = (0..=last.min(bytes.len())).filter(|&offset| is_stream(&bytes[offset..]));
    if let Some(offset) = offsets.next() {
        return Some((offset, 3));
    }
    let header = bytes.get(zeros..zeros + 4)?;
    let is_synced = header[0] == 0xff && header[1] & 0xe0 == 0xe0;
    let is_version = header[1] & 0x18 != 0x08;
    match header[1] & 0x06 {
        // AAC has 12 bits of sync and a profile, not a bit rate, in the third byte.
        0 if is_synced && header[1] & 0xf0 == 0xf0 && header[2] & 0x3c < 0x34 => Some((zeros, 0)),
        4 if is_synced && is_version && header[2] & 0xf0 != 0xf0 => Some((zeros, 2)),
        _ => None,
    }
}

fn is_stream(bytes: &[u8]) -> bool {
    let Some(length) = frame_length(bytes) else { return false };
    match bytes.get(length..) {
        // A file of one frame, which may be cut.
        None | Some([]) => true,
        Some(rest) => frame_length(rest).is_some() || rest.starts_with(b"TAG") || rest.len() < 4,
    }
}

/// Length in bytes of the layer 3 frame that begins here.
fn frame_length(bytes: &[u8]) -> Option<usize> {
    let header = bytes.get(..4)?;
    let is_layer_3 = header[0] == 0xff && header[1] & 0xe6 == 0xe2;
    let (kbps, rate) = (usize::from(header[2] >> 4), usize::from(header[2] >> 2 & 3));
    // Version bits: 3 is MPEG 1, 2 is MPEG 2, 0 is MPEG 2.5. Bit rate 0 is the free format.
    let version = header[1] >> 3 & 3;
    if !is_layer_3 || version == 1 || kbps == 0 || kbps == 15 || rate == 3 {
        return None;
    }
    let rate = [44100, 48000, 32000][rate];
    let padding = usize::from(header[2] >> 1 & 1);
    Some(match version {
        3 => 144_000 * KBPS_VERSION_1[kbps] / rate + padding,
        2 => 72_000 * KBPS_VERSION_2[kbps] / (rate / 2) + padding,
        _ => 72_000 * KBPS_VERSION_2[kbps] / (rate / 4) + padding,
    })
}
