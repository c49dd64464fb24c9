//! What has changed since an experiment was swept last.

use crate::differences::specs;
use ablate_runs::{SweepRecord, VariantRecord};
use std::collections::{BTreeMap, BTreeSet};

/// So many changed keys are named.
const NAMED: usize = 6;

/// Sentences about the difference between two records of one experiment; none where nothing changed.
///
/// `plugins` says which libraries changed since; it is asked only where specs do not tell the difference.
pub(crate) fn changes(
    old: &SweepRecord,
    new: &SweepRecord,
    plugins: impl FnOnce() -> Vec<String>,
) -> Vec<String> {
    let mut lines = Vec::new();
    let names = |record: &SweepRecord| -> BTreeSet<String> {
        record.variants.iter().map(|variant| variant.name.clone()).collect()
    };
    let (before, after) = (names(old), names(new));
    lines.extend(list("new variant", after.difference(&before)));
    lines.extend(list("variant no longer there", before.difference(&after)));
    let (seeds_before, seeds_after): (BTreeSet<u64>, BTreeSet<u64>) =
        (old.seeds.iter().copied().collect(), new.seeds.iter().copied().collect());
    lines.extend(list("new seed", seeds_after.difference(&seeds_before)));
    lines.extend(list("seed no longer there", seeds_before.difference(&seeds_after)));
    if old.baseline != new.baseline {
        lines.push(format!("baseline: `{}` → `{}`", old.baseline, new.baseline));
    }
    let changed = changed_specs(old, new);
    let explained = !changed.is_empty();
    lines.extend(changed);
    let identities: BTreeSet<&str> =
        old.trials.iter().map(|trial| trial.identity.as_str()).collect();
    let common = new
        .trials
        .iter()
        .filter(|trial| before.contains(&trial.variant) && seeds_before.contains(&trial.seed));
    let (mut same, mut other) = (0, 0);
    for trial in common {
        if identities.contains(trial.identity.as_str()) { same += 1 } else { other += 1 }
    }
    if other > 0 && !explained {
        let plugins = plugins();
        let reason = if plugins.is_empty() {
            "the data or the host changed".to_owned()
        } else {
            plugins.join(", ")
        };
        lines.push(reason);
    }
    if other > 0 {
        lines.push(format!(
            "{other} trials that were planned before are other trials now; {same} are the same"
        ));
    }
    lines
}

/// `new seeds: 8, 9`.
fn list<T: std::fmt::Display>(what: &str, items: impl Iterator<Item = T>) -> Option<String> {
    let items: Vec<String> = items.map(|item| format!("`{item}`")).collect();
    let plural = if items.len() == 1 { "" } else { "s" };
    let (noun, rest) =
        what.split_once(" no longer").map_or((what, ""), |(noun, _)| (noun, " no longer there"));
    (!items.is_empty()).then(|| format!("{noun}{plural}{rest}: {}", items.join(", ")))
}

/// Keys that changed, with the variants in which they did.
fn changed_specs(old: &SweepRecord, new: &SweepRecord) -> Vec<String> {
    let mut changes: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    let mut common = 0;
    for variant in &new.variants {
        let same = |other: &&VariantRecord| other.name == variant.name;
        let Some(before) = old.variants.iter().find(same) else { continue };
        common += 1;
        for row in specs(&before.spec, &variant.spec) {
            // What is only about the report, or how data is loaded, makes no other trials.
            if row.matters {
                let (old, new) = row.values();
                let change = format!("`{}`: {old} → {new}", row.key);
                changes.entry(change).or_default().push(&variant.name);
            }
        }
    }
    let more = changes.len().saturating_sub(NAMED);
    let mut lines: Vec<String> = changes
        .into_iter()
        .take(NAMED)
        .map(|(change, variants)| match variants.len() {
            all if all == common => change,
            _ => format!("{change} in `{}`", variants.join("`, `")),
        })
        .collect();
    if more > 0 {
        lines.push(format!("{more} more keys changed"));
    }
    lines
}
