//! The most frequent code of each level.

use super::{ROLE, UNUSED, contract};
use crate::burn;
use crate::windows::Windows;
use ablate_sdk::burn::module::Module;
use ablate_sdk::{Block, Build, Call, Contract, Error, NoConfig, Output, Tensors};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// At each level the code that most valid windows have; of equally frequent ones the smallest.
///
/// Levels are counted apart, so that the tuple need not be one that any window has.
#[derive(Module, Debug)]
pub struct Vote {}

impl Vote {
    /// The most frequent code of each level; at least one tuple.
    pub(crate) fn of(tuples: &[&[i64]]) -> Vec<i64> {
        let level = |level: usize| {
            let mut counts = BTreeMap::new();
            for tuple in tuples {
                *counts.entry(tuple[level]).or_insert(0) += 1;
            }
            let best = counts.into_iter().max_by_key(|&(code, count)| (count, Reverse(code)));
            best.map(|(code, _)| code).expect("there is a tuple")
        };
        (0..tuples[0].len()).map(level).collect()
    }
}

impl Block for Vote {
    type Config = NoConfig;
    const NAME: &'static str = "vote";
    const ROLE: &'static str = ROLE;
    const DOC: &'static str = "The most frequent code of each level; ties give the smallest code.";

    fn contract(_: &NoConfig) -> Result<Contract, Error> {
        Ok(contract(UNUSED, "1"))
    }

    fn new(_: &NoConfig, _: &mut Build) -> Result<Self, Error> {
        Ok(Self {})
    }

    fn forward(&self, inputs: Tensors, _: &Call) -> Result<Output, Error> {
        Ok(Windows::read(&inputs)?.aggregate(Self::of))
    }
}
