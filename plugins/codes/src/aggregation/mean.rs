//! The codes of the mean vector.

use super::{NEEDED, ROLE, contract, vectors, weighted_mean};
use crate::burn;
use crate::codebooks::Codebooks;
use crate::windows::Windows;
use ablate_sdk::burn::module::Module;
use ablate_sdk::{Block, Build, Call, Contract, Error, NoConfig, Output, Tensors};

/// The mean over valid windows of what their codes mean, quantized again.
///
/// Codes of several levels cannot be averaged one by one, since a level refines those before it. The
/// mean is quantized greedily, so that even a single window may get other codes than it had, never
/// ones that are farther from its vector at the first level.
#[derive(Module, Debug)]
pub struct Mean {}

impl Mean {
    /// The codes of the mean of the vectors that `tuples` mean; at least one tuple.
    pub(crate) fn of(codebooks: &Codebooks, tuples: &[&[i64]]) -> Vec<i64> {
        let vectors = vectors(codebooks, tuples);
        codebooks.quantize(&weighted_mean(&vectors, &vec![1.0; vectors.len()]))
    }
}

impl Block for Mean {
    type Config = NoConfig;
    const NAME: &'static str = "mean";
    const ROLE: &'static str = ROLE;
    const DOC: &'static str = "The mean of the windows' quantized vectors, quantized again.";

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
