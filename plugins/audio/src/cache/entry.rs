//! The file format of a cache entry.
//!
//! `ABLFEAT\0`, then revision, frames and bins as `u32`, the samples used and the samples of the
//! whole recording as `u64`, their peak and the values as `f32`, and the sha256 of all that; numbers
//! are little-endian.

use sha2::{Digest, Sha256};

use super::{Cached, Source};
use crate::Features;

const MAGIC: &[u8; 8] = b"ABLFEAT\0";
const REVISION: u32 = 2;
const HEADER_LENGTH: usize = 40;
const CHECKSUM_LENGTH: usize = 32;

pub(super) fn render(cached: &Cached) -> Vec<u8> {
    let Cached { features, source } = cached;
    let mut bytes = Vec::with_capacity(HEADER_LENGTH + 4 * features.data.len() + CHECKSUM_LENGTH);
    bytes.extend_from_slice(MAGIC);
    for number in [REVISION, features.frames as u32, features.bins as u32] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes.extend_from_slice(&source.samples.to_le_bytes());
    bytes.extend_from_slice(&source.total_samples.to_le_bytes());
    bytes.extend_from_slice(&source.peak.to_le_bytes());
    bytes.extend(features.data.iter().flat_map(|value| value.to_le_bytes()));
    let checksum = Sha256::digest(&bytes);
    bytes.extend_from_slice(&checksum);
    bytes
}

/// The entry, or nothing when the bytes are damaged or of another revision.
pub(super) fn parse(bytes: &[u8]) -> Option<Cached> {
    let (content, checksum) = bytes.split_at_checked(bytes.len().checked_sub(CHECKSUM_LENGTH)?)?;
    let (header, values) = content.split_at_checked(HEADER_LENGTH)?;
    let number = |at: usize| {
        let word = header[at..at + 4].try_into().expect("four bytes of the header");
        u32::from_le_bytes(word)
    };
    if !header.starts_with(MAGIC) || number(8) != REVISION {
        return None;
    }
    let (frames, bins) = (number(12) as usize, number(16) as usize);
    let long = |at: usize| u64::from(number(at)) | u64::from(number(at + 4)) << 32;
    let peak = f32::from_bits(number(36));
    let source = Source { samples: long(20), total_samples: long(28), peak };
    if frames.checked_mul(bins)?.checked_mul(4)? != values.len() {
        return None;
    }
    if Sha256::digest(content).as_slice() != checksum {
        return None;
    }
    let value = |word: &[u8]| f32::from_le_bytes(word.try_into().expect("chunks of four bytes"));
    let data = values.chunks_exact(4).map(value).collect();
    Some(Cached { features: Features { frames, bins, data }, source })
}

#[cfg(test)]
mod tests {
    use super::{parse, render};
    use crate::{Cached, Features, Source};

    fn cached() -> Cached {
        let data = vec![0.5, -1.0, 1e-30, f32::MAX, -0.0, 15.25];
        let source = Source { samples: 7 << 33, total_samples: u64::MAX, peak: 0.25 };
        Cached { features: Features { frames: 2, bins: 3, data }, source }
    }

    #[test]
    fn reads_back_what_it_wrote() {
        assert_eq!(parse(&render(&cached())), Some(cached()));
    }

    #[test]
    fn refuses_every_truncation_and_every_flipped_bit() {
        let bytes = render(&cached());
        for length in 0..bytes.len() {
            assert_eq!(parse(&bytes[..length]), None, "cut to {length} bytes");
        }
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(parse(&damaged), None, "bit {bit}");
        }
    }
}
