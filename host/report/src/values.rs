//! The values of a table by variant, column and seed, after everything that must not be mixed is refused.

use std::collections::{HashMap, HashSet, hash_map::Entry};

use crate::{Error, MetricColumn, SeedValue, TableInput};

/// A value and the run that it comes from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Value {
    pub(crate) value: f64,
    pub(crate) run: String,
}

/// All values of a table.
#[derive(Clone, Debug)]
pub(crate) struct Values {
    columns: usize,
    /// Variant by variant, column by column: a place for each seed.
    places: Vec<Vec<Option<Value>>>,
}

impl Values {
    /// The values of one variant and column, a place for each seed.
    pub(crate) fn of(&self, variant: usize, column: usize) -> &[Option<Value>] {
        &self.places[variant * self.columns + column]
    }

    /// The positions of the seeds that all of these variants have in the column.
    pub(crate) fn common(&self, variants: &[usize], column: usize) -> Vec<usize> {
        let Some(first) = variants.first() else { return Vec::new() };
        let seeds = 0..self.of(*first, column).len();
        let all = |seed: &usize| {
            variants.iter().all(|variant| self.of(*variant, column)[*seed].is_some())
        };
        seeds.filter(all).collect()
    }

    /// The value of one variant, column and position of a seed, which must be there.
    pub(crate) fn at(&self, variant: usize, column: usize, seed: usize) -> f64 {
        self.of(variant, column)[seed].as_ref().expect("a seed that is common to all").value
    }
}

/// Columns of one group and split side by side, objectives first in each.
pub(crate) fn order_columns(metrics: &mut Vec<MetricColumn>) {
    let mut blocks: Vec<Vec<MetricColumn>> = Vec::new();
    for column in std::mem::take(metrics) {
        let block = blocks.iter_mut().find(|block| {
            block.iter().any(|other| other.group == column.group && other.split == column.split)
        });
        match block {
            Some(block) => block.push(column),
            None => blocks.push(vec![column]),
        }
    }
    for block in &mut blocks {
        block.sort_by_key(|column| !column.objective);
    }
    *metrics = blocks.concat();
}

/// Refuses what is listed twice and what names nothing.
pub(crate) fn check_lists(input: &TableInput) -> Result<(), Error> {
    fn once(what: &'static str, names: impl Iterator<Item = String>) -> Result<(), Error> {
        let mut seen = HashSet::new();
        for name in names {
            if !seen.insert(name.clone()) {
                return Err(Error::ListedTwice { what, name });
            }
        }
        Ok(())
    }
    once("variant", input.variants.iter().cloned())?;
    once("seed", input.seeds.iter().map(u64::to_string))?;
    once("metric", input.metrics.iter().map(MetricColumn::full_name))?;
    if input.variants.contains(&input.baseline) {
        Ok(())
    } else {
        let (baseline, variants) = (input.baseline.clone(), input.variants.clone());
        Err(Error::Baseline { baseline, variants })
    }
}

/// Takes the cells out of the input. `metrics` are its columns, in the order of the table.
pub(crate) fn collect(input: &mut TableInput, metrics: &[MetricColumn]) -> Result<Values, Error> {
    let cells = std::mem::take(&mut input.cells);
    let variants = positions(input.variants.iter());
    let seeds = positions(input.seeds.iter());
    let columns = positions(metrics.iter().map(MetricColumn::key));
    let pruned: HashSet<(&str, &str)> =
        input.pruned.iter().map(|trial| (trial.variant.as_str(), trial.group.as_str())).collect();
    let mut configurations: HashMap<(String, String), (String, String)> = HashMap::new();
    let mut places = vec![vec![None; seeds.len()]; variants.len() * metrics.len()];
    for cell in cells {
        let key = (cell.group.as_str(), cell.split.as_str(), cell.metric.as_str());
        let variant = variants.get(&cell.variant).copied();
        let seed = seeds.get(&cell.seed).copied();
        let column = columns.get(&key).copied();
        let (Some(variant), Some(seed), Some(column)) = (variant, seed, column) else {
            let (what, name) = match (variant, seed) {
                (None, _) => ("variant", cell.variant),
                (_, None) => ("seed", cell.seed.to_string()),
                _ => ("metric", full_name(&cell.group, &cell.split, &cell.metric)),
            };
            return Err(Error::Unlisted { run: cell.run, what, name });
        };
        refuse_mixture(&cell, &mut configurations)?;
        if !cell.value.is_finite() {
            let SeedValue { run, variant, seed, metric, value, .. } = cell;
            return Err(Error::NotFinite { run, variant, seed, metric, value });
        }
        let is_pruned = pruned.contains(&(cell.variant.as_str(), cell.group.as_str()));
        let place = &mut places[variant * metrics.len() + column][seed];
        if let Some(Value { run: first, .. }) = place {
            let (first, second) = (first.clone(), cell.run);
            let SeedValue { variant, seed, metric, .. } = cell;
            return Err(Error::Duplicate { variant, seed, metric, first, second });
        }
        if !is_pruned {
            *place = Some(Value { value: cell.value, run: cell.run });
        }
    }
    Ok(Values { columns: metrics.len(), places })
}

/// All values of one variant and group must come from one configuration.
fn refuse_mixture(
    cell: &SeedValue,
    configurations: &mut HashMap<(String, String), (String, String)>,
) -> Result<(), Error> {
    match configurations.entry((cell.variant.clone(), cell.group.clone())) {
        Entry::Vacant(entry) => {
            entry.insert((cell.configuration.clone(), cell.run.clone()));
            Ok(())
        }
        Entry::Occupied(entry) if entry.get().0 == cell.configuration => Ok(()),
        Entry::Occupied(entry) => Err(Error::Mixed {
            variant: cell.variant.clone(),
            first: entry.get().1.clone(),
            second: cell.run.clone(),
        }),
    }
}

fn positions<T: std::hash::Hash + Eq>(items: impl Iterator<Item = T>) -> HashMap<T, usize> {
    items.enumerate().map(|(index, item)| (item, index)).collect()
}

impl MetricColumn {
    fn key(&self) -> (&str, &str, &str) {
        (&self.group, &self.split, &self.name)
    }

    fn full_name(&self) -> String {
        full_name(&self.group, &self.split, &self.name)
    }
}

fn full_name(group: &str, split: &str, metric: &str) -> String {
    let group = if group.is_empty() { String::new() } else { format!(" of {group}") };
    format!("{metric} on {split}{group}")
}
