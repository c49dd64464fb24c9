//! Random numbers whose values are this crate's own, so that no library update changes the data.

use ablate_sdk::seed;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

/// A stream of random numbers.
pub(crate) struct Draw(ChaCha8Rng);

impl Draw {
    /// The stream that `seed` and the parts of a path lead to.
    pub(crate) fn new(seed: u64, parts: &[&str]) -> Self {
        Self(seed::generator(seed::derive(seed, parts)))
    }

    /// Uniform in `0..1`.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Uniform in `low..high`.
    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Uniform in `0..count`; 0 when `count` is 0.
    pub(crate) fn index(&mut self, count: usize) -> usize {
        // The product's high half; its bias is below count / 2^64.
        ((u128::from(self.0.next_u64()) * count as u128) >> 64) as usize
    }

    /// White noise with variance 1, uniform in shape.
    pub(crate) fn noise(&mut self) -> f64 {
        let bits = self.0.next_u32();
        (f64::from(bits) / f64::from(1_u32 << 31) - 1.0) * 3.0_f64.sqrt()
    }

    /// Brings `values` into random order.
    pub(crate) fn shuffle<T>(&mut self, values: &mut [T]) {
        for last in (1..values.len()).rev() {
            values.swap(last, self.index(last + 1));
        }
    }
}
