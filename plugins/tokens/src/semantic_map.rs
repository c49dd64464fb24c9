//! The metric `semantic-map`: how short token sequences get; it publishes them with their
//! vocabulary.

use crate::batch::{TokenBatch, units_of};
use crate::codebook::failed;
use crate::pairs::Merges;
use crate::vocabulary::{self, Vocabulary};
use ablate_sdk::metric_state as state;
use ablate_sdk::{
    Arrays, ArtifactSource, Build, Contract, Direction, Error, Metric, MetricValue, serde_json,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

/// Configuration of `semantic-map`.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default)]
#[serde(deny_unknown_fields, default)]
pub struct SemanticMapConfig {
    /// Whether a run of equal tokens becomes one: yes when not given, or as `vocabulary` was made.
    pub deduplicate: Option<bool>,
    /// Byte-pair encoding: pairs become new tokens until there are this many, special tokens not
    /// counted, or no pair occurs twice.
    #[schemars(range(min = 1))]
    pub bpe_vocabulary: Option<usize>,
    /// A vocabulary that another run published, the artifact of a `semantic-map`: sequences are
    /// encoded with it and nothing is learned.
    pub vocabulary: Option<ArtifactSource>,
    /// Number of different tokens that come in; when not given, the dimension K of the input
    /// `codebook` says it.
    #[schemars(range(min = 1))]
    pub units: Option<usize>,
}

impl SemanticMapConfig {
    fn check(&self) -> Result<(), Error> {
        let Self { deduplicate: _, bpe_vocabulary, vocabulary, units } = self;
        for (name, value) in [("bpe_vocabulary", bpe_vocabulary), ("units", units)] {
            if *value == Some(0) {
                return Err(Error::config(format!("`{name}` is 0, must be at least 1")));
            }
        }
        if bpe_vocabulary.is_some() && vocabulary.is_some() {
            let text = "`bpe_vocabulary` and `vocabulary` are both set: one learns merges, the \
                        other takes those of another run";
            return Err(Error::config(text));
        }
        match (units, bpe_vocabulary) {
            (Some(units), Some(size)) => check_size(*size, *units),
            _ => Ok(()),
        }
    }
}

/// A vocabulary with merges is larger than one without.
fn check_size(size: usize, units: usize) -> Result<(), Error> {
    if size >= units {
        return Ok(());
    }
    let text =
        format!("`bpe_vocabulary` is {size}, must be at least the number of units ({units})");
    Err(Error::config(text))
}

/// Tokens of every item without runs and, if asked for, with merged pairs.
#[derive(Debug)]
pub struct SemanticMap {
    config: SemanticMapConfig,
    /// What another run learned.
    given: Option<Vocabulary>,
    seen: Seen,
    /// The ids of the batch that comes next.
    announced: Option<Vec<String>>,
    /// What was learned from all that was seen, once somebody asked.
    learned: OnceCell<Vocabulary>,
}

/// What was seen so far.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seen {
    units: usize,
    /// Units of each item, with runs.
    items: Vec<Vec<u32>>,
    /// Of each item while an artifact is made, else none.
    ids: Vec<String>,
    /// Of each item as bits, if all batches say it.
    seconds: Vec<u64>,
}

impl SemanticMap {
    /// Before anything was seen; `given` is the vocabulary of another run.
    fn with(config: SemanticMapConfig, given: Option<Vocabulary>) -> Result<Self, Error> {
        config.check()?;
        if let (Some(wanted), Some(given)) = (config.deduplicate, &given)
            && wanted != given.deduplicated()
        {
            let made = if wanted { "without" } else { "with" };
            let text = format!("`deduplicate` is {wanted}, but `vocabulary` was made {made} it");
            return Err(Error::config(text));
        }
        let (seen, learned) = (Seen::default(), OnceCell::new());
        Ok(Self { config, given, seen, announced: None, learned })
    }

    /// The vocabulary of all that was seen.
    fn vocabulary(&self) -> Result<&Vocabulary, Error> {
        if let Some(given) = &self.given {
            return Ok(given);
        }
        if let Some(learned) = self.learned.get() {
            return Ok(learned);
        }
        let (units, deduplicate) = (self.seen.units, self.config.deduplicate.unwrap_or(true));
        let size = self.config.bpe_vocabulary.unwrap_or(units);
        check_size(size, units)?;
        let sequences: Vec<Vec<u32>> = if deduplicate && size > units {
            self.seen.items.iter().map(|item| vocabulary::without_runs(item)).collect()
        } else {
            self.seen.items.clone()
        };
        let merges = Merges::learn(units as u32, &sequences, size - units);
        Ok(self.learned.get_or_init(|| Vocabulary::new(merges, deduplicate)))
    }

    /// Units of the batch: of the codebook or the configuration, and known to a given vocabulary.
    fn units(&self, inputs: &Arrays) -> Result<usize, Error> {
        let units = match self.config.units {
            Some(units) => units,
            None if inputs.contains("codebook") => units_of(inputs)?,
            None => {
                let text = "`units` is not set and `codebook` not wired";
                return Err(Error::config(text));
            }
        };
        if let Some(given) = &self.given
            && given.merges().units() as usize != units
        {
            let known = given.merges().units();
            let text = format!("`vocabulary` is of {known} units, but there are {units}");
            return Err(Error::config(text).hint(
                "the tokens have to come from the codebook that the vocabulary was made with",
            ));
        }
        Ok(units)
    }

    /// Seconds of each item, if the batch says them.
    fn seconds(inputs: &Arrays, items: usize) -> Result<Vec<u64>, Error> {
        if !inputs.contains("seconds") {
            return Ok(Vec::new());
        }
        if inputs.shape("seconds")? != [items] {
            let found = inputs.shape("seconds")?;
            let text = format!("`seconds` is f32{found:?}, but there are {items} items");
            return Err(Error::contract(text));
        }
        let seconds = inputs.slice::<f32>("seconds")?;
        Ok(seconds.iter().map(|&seconds| f64::from(seconds).to_bits()).collect())
    }

    fn add(&mut self, seen: Seen) {
        let Seen { units, items, ids, seconds } = seen;
        self.seen.units = self.seen.units.max(units);
        self.seen.items.extend(items);
        self.seen.ids.extend(ids);
        self.seen.seconds.extend(seconds);
        self.learned = OnceCell::new();
    }
}

impl Metric for SemanticMap {
    type Config = SemanticMapConfig;
    const NAME: &'static str = "semantic-map";
    const DOC: &'static str =
        "Token sequences without runs and with merged pairs; publishes them with their vocabulary.";
    const PUBLISHES: Option<&'static str> = Some("semantic_map.json");

    fn contract(config: &SemanticMapConfig) -> Result<Contract, Error> {
        config.check()?;
        let contract = TokenBatch::contract().input("seconds?: f32[B]");
        Ok(match config.units {
            Some(_) => contract,
            None => contract.input("codebook?: f32[K, F]"),
        })
    }

    fn new(config: &SemanticMapConfig, build: &mut Build) -> Result<Self, Error> {
        // Of a codebook that a file decides on, K is not known before the first batch.
        if let (Some(size), Ok(units)) = (config.bpe_vocabulary, build.dim("K")) {
            check_size(size, units)?;
        }
        let given = match config.vocabulary {
            Some(_) => Some(Vocabulary::read(&build.artifact("vocabulary")?)?),
            None => None,
        };
        Self::with(config.clone(), given)
    }

    fn items(&mut self, _: &str, ids: &[String]) -> Result<(), Error> {
        self.announced = Some(ids.to_vec());
        Ok(())
    }

    fn update(&mut self, inputs: &Arrays, _: &[String]) -> Result<(), Error> {
        let units = self.units(inputs)?;
        let TokenBatch { items } = TokenBatch::read(inputs, units)?;
        let seconds = Self::seconds(inputs, items.len())?;
        let ids = self.announced.take().unwrap_or_default();
        if !ids.is_empty() && ids.len() != items.len() {
            let (ids, items) = (ids.len(), items.len());
            return Err(Error::contract(format!("{ids} ids for a batch of {items} items")));
        }
        self.add(Seen { units, items, ids, seconds });
        Ok(())
    }

    /// The map at `path`, and the vocabulary as `vocabulary.json` beside it.
    fn publish(&self, path: &Path) -> Result<(), Error> {
        let Seen { items, ids, .. } = &self.seen;
        if items.is_empty() {
            return Err(state::nothing_measured("an item"));
        }
        if ids.len() != items.len() {
            let text = format!("{} ids for {} items", ids.len(), items.len());
            return Err(Error::state(text));
        }
        let mut known = BTreeSet::new();
        if let Some(twice) = ids.iter().find(|id| !known.insert(*id)) {
            let text = format!("two items are called `{twice}`, a map needs different ids");
            return Err(Error::data(text));
        }
        let vocabulary = self.vocabulary()?;
        let mut text = String::from("{");
        for (position, (id, item)) in ids.iter().zip(items).enumerate() {
            let id = serde_json::to_string(id).map_err(|error| Error::other(error.to_string()))?;
            let tokens: Vec<String> =
                vocabulary.encode(item).iter().map(ToString::to_string).collect();
            let comma = if position == 0 { "" } else { "," };
            let _ = write!(text, "{comma}\n{id}: [{}]", tokens.join(", "));
        }
        text.push_str("\n}\n");
        let beside = path.with_file_name(vocabulary::FILE);
        for (file, text) in [(path, text), (&beside, vocabulary.to_json())] {
            fs_err::write(file, text).map_err(|error| failed("write", file, &error))?;
        }
        Ok(())
    }

    fn compute(&self) -> Result<Vec<MetricValue>, Error> {
        let Seen { items, seconds, .. } = &self.seen;
        let frames: usize = items.iter().map(Vec::len).sum();
        if frames == 0 {
            return Err(state::nothing_measured("a valid frame"));
        }
        let vocabulary = self.vocabulary()?;
        let kept: usize = items.iter().map(|item| vocabulary::without_runs(item).len()).sum();
        let tokens: usize = items.iter().map(|item| vocabulary.encode(item).len()).sum();
        let value = |name: &str, value: f64, unit: &'static str| MetricValue {
            name: name.to_owned(),
            value,
            unit,
            direction: Direction::Neither,
        };
        let mut values = vec![
            value("", tokens as f64 / frames as f64, "tokens/frame"),
            value("runs", kept as f64 / frames as f64, "runs/frame"),
            value("vocabulary", f64::from(vocabulary.size()), "tokens"),
            value("merges", vocabulary.merges().pairs().len() as f64, ""),
        ];
        let seconds_in_all: f64 = seconds.iter().map(|&bits| f64::from_bits(bits)).sum();
        if seconds.len() == items.len() && seconds_in_all > 0.0 {
            values.push(value("per-second", tokens as f64 / seconds_in_all, "tokens/s"));
        }
        Ok(values)
    }

    fn reset(&mut self) {
        self.seen = Seen::default();
        self.announced = None;
        self.learned = OnceCell::new();
    }

    fn state(&self) -> Result<Vec<u8>, Error> {
        state::write(&self.seen)
    }

    fn merge(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let other: Seen = state::read(Self::NAME, bytes)?;
        let units = other.units as u64;
        let wrong = other.items.iter().flatten().find(|&&unit| u64::from(unit) >= units);
        if let Some(unit) = wrong {
            let text = format!("a state of {units} units with unit {unit}");
            return Err(Error::data(text));
        }
        self.add(other);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
