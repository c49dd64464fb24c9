//! How many items can be told apart by their codes.

use crate::aggregation::Aggregation;
use crate::code_counts::higher;
use crate::codes::Codes;
use ablate_sdk::metric_state as state;
use ablate_sdk::{Arrays, Build, Contract, Error, Metric, MetricValue, NoConfig, SlotSpec};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Items whose tuple of codes (valid windows in order, all levels) no other item has / items; with a
/// block in its slot `aggregation`, of the codes that this makes of the windows'.
///
/// An item without a valid window has no code to be found by: it counts, and is never unique.
#[derive(Debug, Default)]
pub struct UniqueCodeRatio {
    aggregation: Option<Aggregation>,
    items: Items,
}

/// What was seen so far.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Items {
    /// Levels of the codes; none where nobody said it before the first item.
    levels: Option<usize>,
    /// Items by the first 128 bits of the SHA-256 of their tuple, which keeps long tuples small.
    tuples: BTreeMap<u128, u64>,
    without_code: u64,
}

impl Items {
    /// Tuples have a meaning only among equals.
    fn fit(&mut self, levels: usize) -> Result<(), Error> {
        let before = *self.levels.get_or_insert(levels);
        if before == levels {
            return Ok(());
        }
        Err(Error::contract(format!("`codes` has {levels} levels, but had {before} before")))
    }
}

impl Metric for UniqueCodeRatio {
    type Config = NoConfig;
    const NAME: &'static str = "unique-code-ratio";
    const DOC: &'static str = "Share of the items whose codes no other item has.";

    fn contract(_: &NoConfig) -> Result<Contract, Error> {
        Ok(Contract::new()
            .input("codes: int[B, W, L]")
            .input("code_mask?: bool[B, W]")
            .input("codebooks?: f32[L, K, D]")
            .slot("aggregation", Aggregation::contract()))
    }

    fn slots() -> Vec<SlotSpec> {
        vec![Aggregation::slot()]
    }

    fn new(_: &NoConfig, build: &mut Build) -> Result<Self, Error> {
        let items = Items { levels: Some(build.dim("L")?), ..Items::default() };
        Ok(Self { aggregation: Aggregation::new(build)?, items })
    }

    fn update(&mut self, inputs: &Arrays, _: &[String]) -> Result<(), Error> {
        let mut codes = Codes::read(inputs, None)?;
        if let Some(aggregation) = &self.aggregation {
            codes = aggregation.apply(inputs, codes)?;
        }
        self.items.fit(codes.levels())?;
        for tuple in codes.items() {
            if tuple.is_empty() {
                self.items.without_code += 1;
            } else {
                *self.items.tuples.entry(digest(&tuple)).or_default() += 1;
            }
        }
        Ok(())
    }

    fn compute(&self) -> Result<Vec<MetricValue>, Error> {
        let Items { levels: _, tuples, without_code } = &self.items;
        let items = tuples.values().sum::<u64>() + without_code;
        if items == 0 {
            return Err(state::nothing_measured("an item"));
        }
        let unique = tuples.values().filter(|&&count| count == 1).count();
        Ok(vec![higher("", unique as f64 / items as f64)])
    }

    fn reset(&mut self) {
        self.items = Items { levels: self.items.levels, ..Items::default() };
    }

    fn state(&self) -> Result<Vec<u8>, Error> {
        state::write(&self.items)
    }

    fn merge(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let other: Items = state::read(Self::NAME, bytes)?;
        if let Some(levels) = other.levels {
            self.items.fit(levels)?;
        }
        for (tuple, count) in other.tuples {
            *self.items.tuples.entry(tuple).or_default() += count;
        }
        self.items.without_code += other.without_code;
        Ok(())
    }
}

fn digest(tuple: &[i64]) -> u128 {
    let mut hash = Sha256::new();
    for code in tuple {
        hash.update(code.to_le_bytes());
    }
    let hash = hash.finalize();
    hash[..16].iter().fold(0, |digest, &byte| digest << 8 | u128::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ablate_sdk::rand::RngExt;
    use ablate_sdk::seed::generator;

    fn measure(batches: &[Arrays]) -> Result<f64, Error> {
        let mut metric = UniqueCodeRatio::default();
        batches.iter().try_for_each(|batch| metric.update(batch, &[]))?;
        Ok(metric.compute()?[0].value)
    }

    /// Items of two windows and two levels.
    fn batch(items: &[[i64; 4]], mask: &[[bool; 2]]) -> Arrays {
        Arrays::new().with("codes", items.concat(), &[items.len(), 2, 2]).with(
            "code_mask",
            mask.concat(),
            &[items.len(), 2],
        )
    }

    #[test]
    fn compares_the_valid_windows_over_batches() {
        let (both, first, second) = ([true, true], [true, false], [false, true]);
        let one = batch(&[[1, 2, 3, 4], [1, 2, 0, 0]], &[both, first]);
        assert_eq!(measure(&[one]).expect("measured"), 1.0);
        // (1 2) comes again in the other batch, once behind another padding; (3 4) alone is new.
        let one = batch(&[[1, 2, 3, 4], [1, 2, 0, 0]], &[both, first]);
        let two = batch(&[[9, 9, 1, 2], [3, 4, -1, 7]], &[second, first]);
        assert_eq!(measure(&[one, two]).expect("measured"), 0.5);
    }

    #[test]
    fn an_item_without_a_code_is_not_unique() {
        let items = batch(&[[1, 2, 3, 4], [5, 6, 7, 8]], &[[true, true], [false, false]]);
        assert_eq!(measure(&[items]).expect("measured"), 0.5);
    }

    #[test]
    fn refuses_negative_codes_other_levels_and_nothing_at_all() {
        let text = |batches: &[Arrays]| measure(batches).expect_err("must fail").to_string();
        assert_eq!(text(&[]), "nothing was measured: no batch held an item");
        assert_eq!(
            text(&[batch(&[[1, 2, 3, -4]], &[[true, true]])]),
            "code `-4` is below 0: item 0 of the batch, window 2, level 2"
        );
        let other = Arrays::new().with("codes", vec![0_i64; 3], &[1, 1, 3]);
        assert_eq!(
            text(&[batch(&[[1, 2, 3, 4]], &[[true, true]]), other]),
            "`codes` has 3 levels, but had 2 before"
        );
    }

    #[test]
    fn items_of_no_windows_count_too() {
        let none = Arrays::new().with("codes", Vec::<i64>::new(), &[3, 0, 2]);
        let items = batch(&[[1, 2, 3, 4]], &[[true, true]]);
        assert_eq!(measure(&[none, items]).expect("measured"), 0.25);
    }

    #[test]
    fn agrees_with_comparing_every_pair() {
        let mut random = generator(3);
        for _ in 0..500 {
            let count = random.random_range(1..20);
            let codes: Vec<[i64; 4]> = (0..count)
                .map(|_| [random.random_range(0..2), 0, random.random_range(0..2), 1])
                .collect();
            let mask: Vec<[bool; 2]> = (0..count).map(|_| random.random()).collect();
            let tuple = |item: usize| {
                let halves = codes[item].chunks(2).zip(mask[item]);
                halves.filter(|(_, valid)| *valid).flat_map(|(half, _)| half).collect::<Vec<_>>()
            };
            let unique = (0..count).filter(|&item| {
                let mut others = (0..count).filter(|&other| other != item);
                !tuple(item).is_empty() && others.all(|other| tuple(other) != tuple(item))
            });
            let wanted = unique.count() as f64 / count as f64;
            assert_eq!(measure(&[batch(&codes, &mask)]).expect("measured"), wanted);
        }
    }
}
