//! Random streams, derived by hashing, so that nothing depends on the order or number of workers.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

/// The seed that `seed` and the parts of a path lead to: the first eight bytes of a SHA-256, little-endian.
///
/// Each part is hashed behind its length, so that `["a", "bc"]` and `["ab", "c"]` differ.
/// The parts say whom the stream is for and when, such as `["step", "12", "0"]`.
#[must_use]
pub fn derive(seed: u64, parts: &[&str]) -> u64 {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    let digest = hash.finalize();
    u64::from_le_bytes(digest[..8].try_into().expect("a SHA-256 has 32 bytes"))
}

/// Puts `items` into a random order (Fisher and Yates).
///
/// Written out here because an order that a library's update changed would change results.
pub(crate) fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    for last in (1..items.len()).rev() {
        items.swap(last, below(&mut generator, last as u64 + 1) as usize);
    }
}

/// A number below `bound`, all equally likely: draws that would favor small ones are refused.
fn below(generator: &mut ChaCha8Rng, bound: u64) -> u64 {
    let fair = u64::MAX - u64::MAX % bound;
    loop {
        let draw = generator.next_u64();
        if draw < fair {
            return draw % bound;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{derive, shuffle};

    const STEP_12_OF_SEED_7: u64 = 17_212_124_958_938_650_738;

    #[test]
    fn derives_what_sha256_says() {
        // python3 -c "import hashlib,struct; p=lambda s: struct.pack('<Q',len(s))+s;
        //   print(struct.unpack('<Q',hashlib.sha256(struct.pack('<Q',7)+p(b'step')+p(b'12')).digest()[:8])[0])"
        assert_eq!(derive(7, &["step", "12"]), STEP_12_OF_SEED_7);
        assert_ne!(derive(7, &["step1", "2"]), STEP_12_OF_SEED_7);
    }

    #[test]
    fn every_order_is_equally_likely() {
        let mut counts = std::collections::BTreeMap::<[u8; 3], u32>::new();
        for seed in 0..6000 {
            let mut items = [0, 1, 2];
            shuffle(&mut items, seed);
            *counts.entry(items).or_default() += 1;
        }
        // Six orders with 1000 expected each: 5 standard deviations are 144.
        assert_eq!(counts.len(), 6);
        assert!(counts.values().all(|count| count.abs_diff(1000) < 144), "{counts:?}");
    }
}
