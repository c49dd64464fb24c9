//! What a table lacks.

use std::collections::{HashMap, HashSet};

use crate::{MetricColumn, TableInput, values::Values};

/// What is not there: trials that the caller knows about, and single metrics of the others.
pub(crate) fn missing(
    input: &TableInput,
    metrics: &[MetricColumn],
    values: &Values,
) -> Vec<String> {
    let known: HashMap<(&str, &str, u64), &str> = input
        .missing
        .iter()
        .map(|trial| ((&*trial.variant, &*trial.group, trial.seed), &*trial.why))
        .collect();
    let absent = input.absent.iter().map(|place| (&*place.variant, &*place.group));
    let pruned = input.pruned.iter().map(|trial| (&*trial.variant, &*trial.group));
    let not_expected: HashSet<(&str, &str)> = absent.chain(pruned).collect();
    let mut groups: Vec<&str> = Vec::new();
    for column in metrics {
        if !groups.contains(&column.group.as_str()) {
            groups.push(&column.group);
        }
    }
    if groups.is_empty() {
        groups.push("");
    }
    let mut missing = Vec::new();
    for (index, variant) in input.variants.iter().enumerate() {
        for group in groups.iter().filter(|group| !not_expected.contains(&(variant, group))) {
            let columns: Vec<usize> =
                (0..metrics.len()).filter(|c| metrics[*c].group == **group).collect();
            let place = if group.is_empty() {
                format!("`{variant}`")
            } else {
                format!("`{variant}` on `{group}`")
            };
            for (position, seed) in input.seeds.iter().enumerate() {
                if let Some(why) = known.get(&(variant, group, *seed)) {
                    missing.push(format!("{place} seed {seed}: {why}"));
                    continue;
                }
                let without: Vec<usize> = columns
                    .iter()
                    .copied()
                    .filter(|column| values.of(index, *column)[position].is_none())
                    .collect();
                let none = without.len() == columns.len();
                if none && (columns.is_empty() || input.sequential.is_some()) {
                    // Nothing is asked for, or the seed was not needed.
                } else if none {
                    missing.push(format!("{place} seed {seed}: no values"));
                } else if !without.is_empty() {
                    missing.push(format!("{place} seed {seed}: no {}", names(metrics, &without)));
                }
            }
        }
    }
    missing
}

/// The columns by metric, with the split where there are several.
fn names(metrics: &[MetricColumn], columns: &[usize]) -> String {
    let several = metrics.iter().any(|column| column.split != metrics[0].split);
    let name = |column: &usize| {
        let MetricColumn { name, split, .. } = &metrics[*column];
        if several { format!("`{name}` on `{split}`") } else { format!("`{name}`") }
    };
    columns.iter().map(name).collect::<Vec<_>>().join(", ")
}
