//! The codes of the window in the middle.

use super::{NEEDED, ROLE, contract, vectors};
use crate::burn;
use crate::codebooks::Codebooks;
use crate::windows::Windows;
use ablate_sdk::burn::module::Module;
use ablate_sdk::{Block, Build, Call, Contract, Error, NoConfig, Output, Tensors};

/// The codes of the window whose quantized vector is nearest to all others: that with the smallest
/// sum of Euclidean distances to them, the first of several.
///
/// Unlike a mean, the tuple is always one that a window has.
#[derive(Module, Debug)]
pub struct Medoid {}

impl Medoid {
    /// The tuple in the middle; at least one tuple.
    pub(crate) fn of(codebooks: &Codebooks, tuples: &[&[i64]]) -> Vec<i64> {
        let vectors = vectors(codebooks, tuples);
        let mut sums = vec![0.0; vectors.len()];
        for (index, one) in vectors.iter().enumerate() {
            for (offset, other) in vectors[index + 1..].iter().enumerate() {
                let distance = distance(one, other);
                sums[index] += distance;
                sums[index + 1 + offset] += distance;
            }
        }
        let mut best = 0;
        for index in 1..sums.len() {
            if sums[index] < sums[best] {
                best = index;
            }
        }
        tuples[best].to_vec()
    }
}

fn distance(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

impl Block for Medoid {
    type Config = NoConfig;
    const NAME: &'static str = "medoid";
    const ROLE: &'static str = ROLE;
    const DOC: &'static str = "The codes of the window that is nearest to all others.";

    fn contract(_: &NoConfig) -> Result<Contract, Error> {
        Ok(contract(NEEDED, "1"))
    }

    fn new(_: &NoConfig, _: &mut Build) -> Result<Self, Error> {
        Ok(Self {})
    }

    fn forward(&self, inputs: Tensors, _: &Call) -> Result<Output, Error> {
        let windows = Windows::read(&inputs)?;
        let codebooks = windows.codebooks(&inputs)?;
        Ok(windows.aggregate(|tuples| Self::of(&codebooks, tuples)))
    }
}
