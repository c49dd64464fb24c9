//! What has changed since an experiment was swept last.

use ablate_runs::{SweepRecord, VariantRecord};
use serde_json::Value;
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
    let specs = changed_specs(old, new);
    let explained = !specs.is_empty();
    lines.extend(specs);
    let identities: BTreeSet<&str> =
        old.trials.iter().map(|trial| trial.identity.as_str()).collect();
    let common = new.trials.iter().filter(|trial| {
        before.contains(&trial.variant) && seeds_before.contains(&trial.seed)
    });
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
        lines.push(format!("{other} trials that were planned before are other trials now; {same} are the same"));
    }
    lines
}

/// `new seeds: 8, 9`.
fn list<T: std::fmt::Display>(what: &str, items: impl Iterator<Item = T>) -> Option<String> {
    let items: Vec<String> = items.map(|item| format!("`{item}`")).collect();
    let plural = if items.len() == 1 { "" } else { "s" };
    let (noun, rest) = what.split_once(" no longer").map_or((what, ""), |(noun, _)| (noun, " no longer there"));
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
        for change in differences(&before.spec, &variant.spec) {
            changes.entry(change).or_default().push(&variant.name);
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

/// Leaves that differ: `train.batch_size: 16 → 32`.
fn differences(old: &Value, new: &Value) -> Vec<String> {
    let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
    leaves(old, "", &mut before);
    leaves(new, "", &mut after);
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let show = |value: Option<&Value>| value.map_or("nothing".to_owned(), Value::to_string);
    keys.into_iter()
        .filter(|key| before.get(*key) != after.get(*key))
        .map(|key| format!("`{key}`: {} → {}", show(before.get(key)), show(after.get(key))))
        .collect()
}

/// The values of a document by their paths; lists are leaves.
pub(crate) fn leaves(value: &Value, path: &str, into: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(entries) if !entries.is_empty() => {
            for (key, value) in entries {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                leaves(value, &path, into);
            }
        }
        value => {
            into.insert(path.to_owned(), value.clone());
        }
    }
}
