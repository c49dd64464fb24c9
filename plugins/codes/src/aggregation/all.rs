//! Every window's codes.

use super::{ROLE, UNUSED, contract};
use crate::burn;
use crate::windows::Windows;
use ablate_sdk::burn::module::Module;
use ablate_sdk::{Block, Build, Call, Contract, Error, NoConfig, Output, Tensors};

/// Every window's codes, unchanged: a document is a sequence of tuples.
#[derive(Module, Debug)]
pub struct All {}

impl Block for All {
    type Config = NoConfig;
    const NAME: &'static str = "all";
    const ROLE: &'static str = ROLE;
    const DOC: &'static str = "The codes of every valid window, in order.";

    fn contract(_: &NoConfig) -> Result<Contract, Error> {
        Ok(contract(UNUSED, "W"))
    }

    fn new(_: &NoConfig, _: &mut Build) -> Result<Self, Error> {
        Ok(Self {})
    }

    fn forward(&self, inputs: Tensors, _: &Call) -> Result<Output, Error> {
        Ok(Windows::read(&inputs)?.all())
    }
}
