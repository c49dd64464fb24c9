//! The first window's codes.

use super::{ROLE, UNUSED, contract};
use crate::burn;
use crate::windows::Windows;
use ablate_sdk::burn::module::Module;
use ablate_sdk::{Block, Build, Call, Contract, Error, NoConfig, Output, Tensors};

/// The codes of the first valid window: the least that an aggregation has to beat.
#[derive(Module, Debug)]
pub struct First {}

impl Block for First {
    type Config = NoConfig;
    const NAME: &'static str = "first";
    const ROLE: &'static str = ROLE;
    const DOC: &'static str = "The codes of the first valid window.";

    fn contract(_: &NoConfig) -> Result<Contract, Error> {
        Ok(contract(UNUSED, "1"))
    }

    fn new(_: &NoConfig, _: &mut Build) -> Result<Self, Error> {
        Ok(Self {})
    }

    fn forward(&self, inputs: Tensors, _: &Call) -> Result<Output, Error> {
        Ok(Windows::read(&inputs)?.aggregate(|tuples| tuples[0].to_vec()))
    }
}
