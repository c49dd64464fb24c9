//! The metric `id-map`: how well documents can be told apart by their codes; it publishes them.

use crate::announced::{Announced, unnamed};
use crate::arrays::WindowCodes;
use crate::publish::publish;
use crate::slot::Aggregation;
use ablate_sdk::metric_state::{self as state, nothing_measured};
use ablate_sdk::{
    Arrays, Build, Contract, Direction, Error, Metric, MetricValue, NoConfig, SlotSpec, log,
    serde_json,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

/// The codes of every document, aggregated by the block in its slot.
///
/// Published as `{"id": [c1, …, cL]}`, one document per line in the order of the items; where a
/// document has several tuples (aggregation `all`), every entry is a list of tuples. A document
/// without a valid window has no codes and is left out.
#[derive(Debug, Default)]
pub struct IdMap {
    /// Without one every window's codes are the document's, as with `all`.
    aggregation: Option<Aggregation>,
    announced: Announced,
    documents: Documents,
}

/// What was seen so far.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Documents {
    /// None where nobody said it before the first batch.
    levels: Option<usize>,
    list: Vec<Document>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    id: Option<String>,
    /// Tuples one after another; empty without a valid window.
    codes: Vec<u32>,
}

impl Documents {
    /// Tuples have a meaning only among equals.
    fn check_levels(&self, levels: usize) -> Result<(), Error> {
        match self.levels {
            Some(before) if before != levels => {
                let text = format!("`codes` has {levels} levels, but had {before} before");
                Err(Error::contract(text))
            }
            _ => Ok(()),
        }
    }

    /// Documents by their codes; those without codes are left out.
    fn groups(&self) -> BTreeMap<&[u32], u64> {
        let mut groups = BTreeMap::new();
        for document in self.list.iter().filter(|document| !document.codes.is_empty()) {
            *groups.entry(document.codes.as_slice()).or_insert(0) += 1;
        }
        groups
    }

    /// Σ over levels of the entropy of the codes, in nats.
    fn entropy(&self) -> f64 {
        let levels = self.levels.unwrap_or(0);
        let level = |level: usize| {
            let mut counts: BTreeMap<u32, u64> = BTreeMap::new();
            for document in &self.list {
                for code in document.codes.iter().skip(level).step_by(levels) {
                    *counts.entry(*code).or_default() += 1;
                }
            }
            let total = counts.values().sum::<u64>() as f64;
            let shares = counts.values().map(|&count| count as f64 / total);
            -shares.map(|share| share * share.ln()).sum::<f64>()
        };
        (0..levels).map(level).sum()
    }

    /// The map as text.
    fn to_json(&self) -> Result<String, Error> {
        let levels = self.levels.unwrap_or(1);
        let nested = self.list.iter().any(|document| document.codes.len() > levels);
        let mut text = String::from("{");
        let mut separator = "\n";
        for document in self.list.iter().filter(|document| !document.codes.is_empty()) {
            let id = document.id.as_ref().ok_or_else(unnamed)?;
            let id = serde_json::to_string(id).map_err(|error| Error::other(error.to_string()))?;
            let tuples: Vec<String> = document.codes.chunks(levels).map(tuple).collect();
            let codes = tuples.join(", ");
            let codes = if nested { format!("[{codes}]") } else { codes };
            write!(text, "{separator}  {id}: {codes}").expect("a string takes all text");
            separator = ",\n";
        }
        text.push_str("\n}\n");
        Ok(text)
    }
}

fn tuple(codes: &[u32]) -> String {
    let codes: Vec<String> = codes.iter().map(u32::to_string).collect();
    format!("[{}]", codes.join(", "))
}

impl Metric for IdMap {
    type Config = NoConfig;
    const NAME: &'static str = "id-map";
    const DOC: &'static str =
        "Share of the documents whose codes no other has; publishes the codes of every document.";
    const PUBLISHES: Option<&'static str> = Some("id_map.json");

    fn contract(_: &NoConfig) -> Result<Contract, Error> {
        Ok(WindowCodes::contract().slot("aggregation", Aggregation::contract()))
    }

    fn slots() -> Vec<SlotSpec> {
        vec![Aggregation::slot()]
    }

    fn new(_: &NoConfig, build: &mut Build) -> Result<Self, Error> {
        let documents = Documents { levels: Some(build.dim("L")?), ..Documents::default() };
        let aggregation = Some(Aggregation::new(build)?);
        Ok(Self { aggregation, documents, ..Self::default() })
    }

    fn items(&mut self, split: &str, ids: &[String]) -> Result<(), Error> {
        self.announced.announce(split, ids)
    }

    fn update(&mut self, inputs: &Arrays, _: &[String]) -> Result<(), Error> {
        let (windows, _) = WindowCodes::read(inputs)?;
        self.documents.check_levels(windows.levels)?;
        let codes = match &self.aggregation {
            Some(aggregation) => aggregation.apply(inputs, windows)?,
            None => windows,
        };
        let ids = self.announced.take(codes.items)?;
        self.documents.levels = Some(codes.levels);
        for (item, id) in ids.into_iter().enumerate() {
            let codes = codes.valid(item).flatten().map(|&code| code as u32).collect();
            self.documents.list.push(Document { id, codes });
        }
        Ok(())
    }

    fn publish(&self, path: &Path) -> Result<(), Error> {
        let text = self.documents.to_json()?;
        let without: Vec<&Document> =
            self.documents.list.iter().filter(|document| document.codes.is_empty()).collect();
        if let Some(first) = without.first() {
            let (count, id) = (without.len(), first.id.as_deref().unwrap_or("?"));
            log::warn!(
                "{count} documents have no valid window and are not in the map, such as `{id}`"
            );
        }
        publish(path, text.as_bytes())
    }

    fn compute(&self) -> Result<Vec<MetricValue>, Error> {
        let documents = self.documents.list.len();
        if documents == 0 {
            return Err(nothing_measured("a document"));
        }
        let groups = self.documents.groups();
        let coded: u64 = groups.values().sum();
        let unique = groups.values().filter(|&&count| count == 1).count() as u64;
        let largest = groups.values().max().copied().unwrap_or(0);
        let (higher, lower) = (Direction::Higher, Direction::Lower);
        let value = |name: &str, value: f64, unit, direction| MetricValue {
            name: name.to_owned(),
            value,
            unit,
            direction,
        };
        let entropy = self.documents.entropy();
        Ok(vec![
            value("", unique as f64 / documents as f64, "", higher),
            value("documents", documents as f64, "documents", Direction::Neither),
            value("colliding", (coded - unique) as f64, "documents", lower),
            value("largest-group", largest as f64, "documents", lower),
            value("effective-capacity", entropy.exp(), "tuples", higher),
            value("without-codes", (documents as u64 - coded) as f64, "documents", lower),
        ])
    }

    fn reset(&mut self) {
        self.announced = Announced::default();
        self.documents = Documents { levels: self.documents.levels, ..Documents::default() };
    }

    fn state(&self) -> Result<Vec<u8>, Error> {
        state::write(&self.documents)
    }

    fn merge(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let other: Documents = state::read(Self::NAME, bytes)?;
        if let Some(levels) = other.levels {
            self.documents.check_levels(levels)?;
            if levels == 0 || other.list.iter().any(|one| one.codes.len() % levels != 0) {
                return Err(Error::data(format!("a state with broken tuples of {levels} levels")));
            }
        }
        let ids = other.list.iter().filter_map(|document| document.id.as_ref());
        self.announced.merge(ids)?;
        self.documents.levels = self.documents.levels.or(other.levels);
        self.documents.list.extend(other.list);
        Ok(())
    }
}
