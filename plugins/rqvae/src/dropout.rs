//! Dropout from a seed: which values fall depends on the seed alone.

use ablate_sdk::burn::tensor::{Device, Tensor, TensorData};
use std::cell::Cell;

/// The dropout of one forward pass (Srivastava et al., 2014). Burn's own draws its mask from the
/// library's one generator and takes four times as long.
#[derive(Debug)]
pub(crate) struct Dropout {
    /// A draw of 16 bits below this drops the value.
    threshold: u64,
    /// The state of the generator; `None`: nothing is dropped.
    state: Option<Cell<u64>>,
}

impl Dropout {
    /// Drops the share `rate` of the values in training, that is with a seed, and none without.
    pub(crate) fn new(rate: f64, seed: Option<u64>) -> Self {
        let threshold = (rate.clamp(0.0, 1.0) * 65536.0).round() as u64;
        Self { threshold, state: seed.filter(|_| threshold > 0).map(Cell::new) }
    }

    /// Whether anything is dropped.
    pub(crate) fn drops(&self) -> bool {
        self.state.is_some()
    }

    /// The values with some of them zero and the others larger, so that the mean stays.
    pub(crate) fn apply<const D: usize>(&self, values: Tensor<D>) -> Tensor<D> {
        match self.mask(values.dims(), &values.device()) {
            Some(mask) => values * mask,
            None => values,
        }
    }

    /// The factors of values of this shape: 0, or what keeps the mean.
    fn mask<const D: usize>(&self, shape: [usize; D], device: &Device) -> Option<Tensor<D>> {
        let state = self.state.as_ref()?;
        let (first, threshold) = (state.get(), self.threshold);
        let kept = if threshold < 65536 { 65536.0 / (65536 - threshold) as f32 } else { 0.0 };
        let mut factors = vec![0.0_f32; shape.iter().product::<usize>().next_multiple_of(4)];
        for (number, four) in factors.chunks_exact_mut(4).enumerate() {
            let random = mixed(first.wrapping_add((number as u64 + 1).wrapping_mul(STEP)));
            for (lane, factor) in four.iter_mut().enumerate() {
                let drawn = (random >> (16 * lane)) & 0xffff;
                *factor = if drawn < threshold { 0.0 } else { kept };
            }
        }
        state.set(first.wrapping_add((factors.len() as u64 / 4).wrapping_mul(STEP)));
        factors.truncate(shape.iter().product());
        Some(Tensor::from_data(TensorData::new(factors, shape), &device.clone().inner()))
    }
}

/// Distance of the states of SplitMix64 (Steele, Lea and Flood, 2014).
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// The output of SplitMix64 in a state.
fn mixed(state: u64) -> u64 {
    let value = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn factors(dropout: &Dropout, count: usize) -> Vec<f32> {
        let values = dropout.apply(Tensor::<1>::ones([count], &Device::flex()));
        values.into_data().iter::<f32>().collect()
    }

    #[test]
    fn drops_its_share_and_keeps_the_mean() {
        // 100 000 draws of probability 0.1: standard deviation 95.
        let found = factors(&Dropout::new(0.1, Some(7)), 100_000);
        let dropped = found.iter().filter(|&&factor| factor == 0.0).count();
        assert!(dropped.abs_diff(10_000) < 400, "{dropped}");
        assert!(found.iter().all(|&f| f == 0.0 || (f - 1.0 / 0.9).abs() < 1e-4));
        let mean = found.iter().sum::<f32>() / 1e5;
        assert!((mean - 1.0).abs() < 0.005, "{mean}");
    }

    #[test]
    fn repeats_with_its_seed_and_goes_on_from_mask_to_mask() {
        let both = |seed| {
            let dropout = Dropout::new(0.5, Some(seed));
            (factors(&dropout, 1001), factors(&dropout, 1001))
        };
        let (first, second) = both(3);
        assert_eq!(both(3), (first.clone(), second.clone()));
        assert!(first != second && both(4).0 != first);
        let equal = first.iter().zip(&second).filter(|(a, b)| a == b).count();
        assert!((400..600).contains(&equal), "{equal} of 1001");
    }

    #[test]
    fn leaves_everything_alone_without_a_seed_or_a_rate() {
        for dropout in [Dropout::new(0.5, None), Dropout::new(0.0, Some(1))] {
            assert!(!dropout.drops());
            assert!(factors(&dropout, 9).iter().all(|&factor| factor == 1.0));
        }
    }

    #[test]
    fn the_generator_is_splitmix64() {
        // The first outputs for the seed 1234567, as published with the algorithm.
        let state = |number: u64| 1_234_567_u64.wrapping_add(number.wrapping_mul(STEP));
        assert_eq!(mixed(state(1)), 6_457_827_717_110_365_317);
        assert_eq!(mixed(state(2)), 3_203_168_211_198_807_973);
    }
}
