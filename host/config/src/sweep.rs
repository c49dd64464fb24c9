//! The table `[sweep]`: what is compared, over which seeds, and how its trials are treated.

mod ablation;
mod axes;
mod halving;
mod policy;
mod random;
mod seeds;

use std::time::Duration;

use crate::error::{At, Error, nearest};
use crate::key_path::KeyPath;
use crate::quantity;
use crate::section::{Section, list, table};
use crate::tree::{Data, Node};

pub use ablation::{Exclusion, ExclusionRule, Removal};
pub use axes::{Axis, Block};
pub use halving::HalvingSpec;
pub use policy::RetryPolicy;
pub use random::{Distribution, Draw, Random};
pub use seeds::{Seeds, SequentialSeeds};

const KEYS: [&str; 18] = [
    "seeds",
    "base_name",
    "baseline",
    "variant",
    "leave_one_out",
    "pairs",
    "add_one_in",
    "one_at_a_time",
    "grid",
    "zip",
    "random",
    "concat",
    "exclude",
    "halving",
    "retry",
    "trial_timeout",
    "stall_timeout",
    "trial_memory",
];

/// What an experiment compares.
#[derive(Clone, Debug, PartialEq)]
pub struct Sweep {
    /// One trial per variant and seed.
    pub seeds: Seeds,
    /// The name of the base spec as a variant.
    pub base_name: String,
    /// The variant that others are compared with; the base spec by default.
    pub baseline: Option<String>,
    /// Named variants, in file order.
    pub variants: Vec<VariantSpec>,
    /// What is removed from the base spec, one at a time.
    pub leave_one_out: Vec<Removal>,
    /// Whether every two of `leave_one_out` are removed together too.
    pub pairs: bool,
    /// What is first removed from the base spec, all of it, and then put back step by step.
    pub add_one_in: Vec<Removal>,
    /// Axes of which each value is set alone.
    pub one_at_a_time: Vec<Axis>,
    /// Blocks of points: the one that `[sweep]` itself describes, if it does, then those of `concat`.
    pub blocks: Vec<Block>,
    /// What is left out of all that.
    pub exclude: Vec<Exclusion>,
    /// Stopping hopeless variants early.
    pub halving: Option<HalvingSpec>,
    /// How often a trial is tried again, by the kind of its failure.
    pub retry: RetryPolicy,
    /// The most time that a trial may take.
    pub trial_timeout: Option<Duration>,
    /// The most time for which a trial may be silent.
    pub stall_timeout: Option<Duration>,
    /// The most memory that a trial may take, in bytes.
    pub trial_memory: Option<u64>,
}

/// A named variant: what it sets over the base spec, and what it removes from it.
#[derive(Clone, Debug, PartialEq)]
pub struct VariantSpec {
    /// Its name, unique in the sweep.
    pub name: String,
    /// Keys and values.
    pub set: Vec<(KeyPath, Node)>,
    /// Slots and losses.
    pub remove: Vec<Removal>,
}

impl Sweep {
    pub(crate) fn read(root: &Section<'_>) -> Result<Self, Error> {
        let section = root.section("sweep", &KEYS)?;
        let base_name = section.text("base_name")?.unwrap_or("base").to_owned();
        let leave_one_out = ablation::removals(&section, "leave_one_out")?;
        let seeds = seeds::read(root, &section)?;
        let sweep = Self {
            halving: halving::read(root, &section, &seeds)?,
            seeds,
            baseline: section.text("baseline")?.map(str::to_owned),
            variants: variants(&section, &base_name)?,
            pairs: ablation::pairs(&section, &leave_one_out)?,
            leave_one_out,
            add_one_in: ablation::removals(&section, "add_one_in")?,
            one_at_a_time: axes::read(&section, "one_at_a_time", true)?,
            blocks: axes::blocks(&section)?,
            exclude: ablation::exclusions(&section)?,
            retry: policy::retry(&section)?,
            trial_timeout: given(&section, "trial_timeout", quantity::duration)?,
            stall_timeout: given(&section, "stall_timeout", quantity::duration)?,
            trial_memory: given(&section, "trial_memory", quantity::bytes)?,
            base_name,
        };
        sweep.check_baseline(&section)?;
        Ok(sweep)
    }

    /// Whether there are variants that get their names only when the sweep is expanded.
    fn generates(&self) -> bool {
        !(self.blocks.is_empty()
            && self.leave_one_out.is_empty()
            && self.add_one_in.is_empty()
            && self.one_at_a_time.is_empty())
    }

    fn check_baseline(&self, section: &Section<'_>) -> Result<(), Error> {
        let names = self.variants.iter().map(|variant| variant.name.as_str());
        let known: Vec<&str> = std::iter::once(self.base_name.as_str()).chain(names).collect();
        match &self.baseline {
            Some(baseline) if !self.generates() && !known.contains(&baseline.as_str()) => {
                Err(Error::UnknownVariant {
                    at: section.at_key("baseline"),
                    name: baseline.clone(),
                    near: nearest(baseline, known.iter().copied()),
                    known: known.iter().map(|name| (*name).to_owned()).collect(),
                })
            }
            _ => Ok(()),
        }
    }
}

/// The value of a key; `false` takes away what a weaker layer says.
fn stated<'a>(section: &Section<'a>, key: &str) -> Option<&'a Node> {
    section.node(key).filter(|node| !matches!(node.data, Data::Bool(false)))
}

fn given<T>(
    section: &Section<'_>,
    key: &str,
    read: fn(&Node, &KeyPath) -> Result<T, Error>,
) -> Result<Option<T>, Error> {
    stated(section, key).map(|node| read(node, &section.path(key))).transpose()
}

fn variants(section: &Section<'_>, base_name: &str) -> Result<Vec<VariantSpec>, Error> {
    let Some(node) = stated(section, "variant") else { return Ok(Vec::new()) };
    let path = section.path("variant");
    let mut variants: Vec<VariantSpec> = Vec::new();
    let mut names = std::collections::HashSet::from([base_name]);
    for (index, item) in list(node, &path, "a list of tables")?.iter().enumerate() {
        let keys = ["name", "set", "remove"];
        let section = Section::open(Some(item), path.item(index), &item.origin, &keys)?;
        let Some(name) = section.text("name")?.filter(|name| !name.is_empty()) else {
            let why = "each variant has a name".to_owned();
            return Err(Error::Missing { at: section.at_key("name"), why });
        };
        if !names.insert(name) {
            let name = name.to_owned();
            return Err(Error::DuplicateVariant { at: section.at_key("name"), name });
        }
        let mut set = Vec::new();
        if let Some(node) = section.node("set") {
            let path = section.path("set");
            for (key, value) in table(node, &path)? {
                let at = At { origin: value.origin.clone(), key: path.child(key.as_str()) };
                set.push((axes::varied_key(key, &at)?, value.clone()));
            }
        }
        let remove = ablation::removals(&section, "remove")?;
        variants.push(VariantSpec { name: name.to_owned(), set, remove });
    }
    Ok(variants)
}
