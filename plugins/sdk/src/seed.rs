//! Random streams, derived by hashing so that nothing depends on the order of calls.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use sha2::{Digest, Sha256};

/// The stream that `seed` and the parts of a path lead to. Parts are separated, so that
/// `["a", "bc"]` and `["ab", "c"]` differ.
pub fn derive(seed: u64, parts: &[&str]) -> u64 {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    let digest = hash.finalize();
    u64::from_le_bytes(digest[..8].try_into().expect("a sha256 has 32 bytes"))
}

/// A generator for `stream` whose values do not change between releases (ChaCha with 8 rounds).
pub fn generator(stream: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_separated_and_seeds_matter() {
        let values = [
            derive(1, &["a", "bc"]),
            derive(1, &["ab", "c"]),
            derive(2, &["a", "bc"]),
            derive(1, &["a", "bc", ""]),
            derive(1, &[]),
        ];
        for (i, one) in values.iter().enumerate() {
            assert!(values[i + 1..].iter().all(|other| other != one));
        }
    }
}
