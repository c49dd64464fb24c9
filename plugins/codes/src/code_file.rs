//! The metric `codes`: how many windows have codes; it publishes all of them.

use crate::announced::{Announced, unnamed};
use crate::arrays::WindowCodes;
use crate::publish::publish;
use ablate_sdk::metric_state::{self as state, nothing_measured};
use ablate_sdk::{
    Arrays, Build, Contract, Direction, Error, Metric, MetricValue, NoConfig, serde_json,
};
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::Path;

/// The codes of every window of every item, with the codebooks.
///
/// Published as safetensors: `codes: i32[N, L]` and `mask: bool[N]` of the windows of all items one
/// after another, up to the last valid one of each; `offsets: i64[I + 1]`, where item i has the
/// windows from `offsets[i]` to `offsets[i + 1]`; `codebooks: f32[L, K, D]`; and as metadata the key
/// `ids` with the ids of the items in that order as a JSON list. A window outside the mask has the
/// codes 0.
#[derive(Debug, Default)]
pub struct CodeFile {
    announced: Announced,
    seen: Seen,
}

/// What was seen so far.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seen {
    /// The numbers of the codebooks as bits, and their shape; none before the first batch.
    codebooks: Option<(Vec<u32>, [usize; 3])>,
    /// Whether some batches came with other codebooks.
    changed: bool,
    items: Vec<Item>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    id: Option<String>,
    mask: Vec<bool>,
    codes: Vec<u32>,
}

impl Seen {
    /// Takes the codebooks of a batch; all must be the same by the time of publishing.
    fn see(&mut self, codebooks: (Vec<u32>, [usize; 3])) {
        self.changed |= self.codebooks.as_ref().is_some_and(|before| *before != codebooks);
        self.codebooks = Some(codebooks);
    }

    /// The file.
    fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        if self.changed {
            let text = "`codebooks` differs between batches, so that codes mean different things";
            return Err(Error::data(text).hint("codes are published once training is over"));
        }
        let (numbers, shape) =
            self.codebooks.as_ref().ok_or_else(|| nothing_measured("an item"))?;
        let ids: Option<Vec<&String>> = self.items.iter().map(|item| item.id.as_ref()).collect();
        let ids = ids.ok_or_else(unnamed)?;
        let ids = serde_json::to_string(&ids).map_err(|error| Error::other(error.to_string()))?;
        let mut offsets = vec![0_i64];
        let (mut codes, mut mask) = (Vec::new(), Vec::new());
        for item in &self.items {
            codes.extend(item.codes.iter().flat_map(|code| code.to_le_bytes()));
            mask.extend(item.mask.iter().map(|&valid| u8::from(valid)));
            offsets.push(mask.len() as i64);
        }
        let offsets: Vec<u8> = offsets.iter().flat_map(|offset| offset.to_le_bytes()).collect();
        let numbers: Vec<u8> = numbers.iter().flat_map(|bits| bits.to_le_bytes()).collect();
        let windows = mask.len();
        let tensors = [
            ("codes", Dtype::I32, vec![windows, shape[0]], &codes),
            ("mask", Dtype::BOOL, vec![windows], &mask),
            ("offsets", Dtype::I64, vec![self.items.len() + 1], &offsets),
            ("codebooks", Dtype::F32, shape.to_vec(), &numbers),
        ];
        let failed = |error: safetensors::SafeTensorError| Error::other(error.to_string());
        let mut views = Vec::new();
        for (name, dtype, shape, bytes) in tensors {
            views.push((name, TensorView::new(dtype, shape, bytes).map_err(failed)?));
        }
        // One key only: several would stand in another order each time.
        let metadata = HashMap::from([("ids".to_owned(), ids)]);
        safetensors::serialize(views, Some(metadata)).map_err(failed)
    }
}

impl Metric for CodeFile {
    type Config = NoConfig;
    const NAME: &'static str = "codes";
    const DOC: &'static str = "Number of windows with codes; publishes the codes of every window.";
    const PUBLISHES: Option<&'static str> = Some("codes.safetensors");

    fn contract(_: &NoConfig) -> Result<Contract, Error> {
        Ok(WindowCodes::contract())
    }

    fn new(_: &NoConfig, _: &mut Build) -> Result<Self, Error> {
        Ok(Self::default())
    }

    fn items(&mut self, split: &str, ids: &[String]) -> Result<(), Error> {
        self.announced.announce(split, ids)
    }

    fn update(&mut self, inputs: &Arrays, _: &[String]) -> Result<(), Error> {
        let (windows, shape) = WindowCodes::read(inputs)?;
        let numbers = inputs.slice::<f32>("codebooks")?.iter().map(|value| value.to_bits());
        let codebooks = (numbers.collect(), shape);
        let ids = self.announced.take(windows.items)?;
        self.seen.see(codebooks);
        for (index, id) in ids.into_iter().enumerate() {
            let mut item = Item { id, mask: Vec::new(), codes: Vec::new() };
            for (valid, tuple) in windows.up_to_last_valid(index) {
                item.mask.push(valid);
                let code = |&code: &i64| if valid { code as u32 } else { 0 };
                item.codes.extend(tuple.iter().map(code));
            }
            self.seen.items.push(item);
        }
        Ok(())
    }

    fn publish(&self, path: &Path) -> Result<(), Error> {
        publish(path, &self.seen.to_bytes()?)
    }

    fn compute(&self) -> Result<Vec<MetricValue>, Error> {
        let items = self.seen.items.len();
        if items == 0 {
            return Err(nothing_measured("an item"));
        }
        let valid = |item: &Item| item.mask.iter().filter(|&&valid| valid).count();
        let windows: usize = self.seen.items.iter().map(valid).sum();
        let count = |name: &str, count: usize, unit| MetricValue {
            name: name.to_owned(),
            value: count as f64,
            unit,
            direction: Direction::Neither,
        };
        Ok(vec![count("", windows, "windows"), count("items", items, "items")])
    }

    fn reset(&mut self) {
        *self = Self::default();
    }

    fn state(&self) -> Result<Vec<u8>, Error> {
        state::write(&self.seen)
    }

    fn merge(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let other: Seen = state::read(Self::NAME, bytes)?;
        let Some(codebooks) = other.codebooks else { return Ok(()) };
        let levels = codebooks.1[0];
        let broken = |item: &Item| item.codes.len() != item.mask.len() * levels;
        if !other.changed && other.items.iter().any(broken) {
            return Err(Error::data(format!("a state with broken tuples of {levels} levels")));
        }
        self.announced.merge(other.items.iter().filter_map(|item| item.id.as_ref()))?;
        self.seen.see(codebooks);
        self.seen.changed |= other.changed;
        self.seen.items.extend(other.items);
        Ok(())
    }
}
