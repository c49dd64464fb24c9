//! Interactions: what two changes do together beyond the sum of what each does alone.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::Value;

use crate::{
    ChangePair, MetricColumn, TableInput,
    statistics::{compare, holm},
    table::baseline,
    values::Values,
};

/// More changed keys than this in one variant are not taken apart.
const MOST_KEYS: usize = 8;

/// The interaction of two changes in one column: Δboth - Δfirst - Δsecond, paired by seed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Interaction {
    /// The variant with the one change.
    pub first: String,
    /// The variant with the other change.
    pub second: String,
    /// The variant with both.
    pub both: String,
    /// The metric.
    pub metric: String,
    /// The split that the values come from.
    pub split: String,
    /// The group of columns; empty where there are none.
    pub group: String,
    /// How many seeds all four variants have.
    pub n: usize,
    /// The mean interaction.
    pub delta: Option<f64>,
    /// Lower end of its 95 % paired t interval.
    pub ci_low: Option<f64>,
    /// Upper end of its 95 % paired t interval.
    pub ci_high: Option<f64>,
    /// Two-sided p of the sign-flip permutation test.
    pub p: Option<f64>,
    /// The same after Holm's correction over the pairs within the column.
    pub p_holm: Option<f64>,
}

/// The variants that change what two others change, and nothing else. `changes` are the keys and values that each
/// variant sets over the baseline.
pub fn change_pairs(changes: &[(String, Vec<(String, Value)>)]) -> Vec<ChangePair> {
    let canonical = |set: &[&(String, Value)]| {
        let mut keys: Vec<String> =
            set.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        keys.sort();
        keys.join("\n")
    };
    let mut named: HashMap<String, &str> = HashMap::new();
    for (name, set) in changes {
        named.entry(canonical(&set.iter().collect::<Vec<_>>())).or_insert(name);
    }
    let mut pairs = Vec::new();
    for (both, set) in changes.iter().filter(|(_, set)| (2..=MOST_KEYS).contains(&set.len())) {
        // Every way to split the keys in two, each once: the first key stays on the left.
        for mask in 0..(1_u32 << (set.len() - 1)) - 1 {
            let on_left = |index: usize| index == 0 || mask >> (index - 1) & 1 == 1;
            let part = |left: bool| {
                let chosen = set.iter().enumerate().filter(|(index, _)| on_left(*index) == left);
                named.get(&canonical(&chosen.map(|(_, entry)| entry).collect::<Vec<_>>()))
            };
            if let (Some(first), Some(second)) = (part(true), part(false)) {
                pairs.push(ChangePair {
                    first: (*first).to_owned(),
                    second: (*second).to_owned(),
                    both: both.clone(),
                });
            }
        }
    }
    pairs
}

/// The interaction of every pair in every column.
pub(crate) fn interactions(
    input: &TableInput,
    metrics: &[MetricColumn],
    values: &Values,
) -> Vec<Interaction> {
    let position = |name: &str| input.variants.iter().position(|variant| variant == name);
    let mut interactions = Vec::new();
    for pair in &input.pairs {
        let places = [&pair.both, &pair.first, &pair.second].map(|name| position(name));
        let [Some(both), Some(first), Some(second)] = places else { continue };
        for (column, metric) in metrics.iter().enumerate() {
            let base = baseline(input);
            let at = |variant, seed| values.at(variant, column, seed);
            let seeds = values.common(&[both, first, second, base], column);
            let differences: Vec<f64> = seeds
                .into_iter()
                .map(|seed| {
                    (at(both, seed) - at(first, seed)) - (at(second, seed) - at(base, seed))
                })
                .collect();
            let comparison = compare(&differences);
            let interval = comparison.and_then(|comparison| comparison.interval);
            interactions.push(Interaction {
                first: pair.first.clone(),
                second: pair.second.clone(),
                both: pair.both.clone(),
                metric: metric.name.clone(),
                split: metric.split.clone(),
                group: metric.group.clone(),
                n: differences.len(),
                delta: comparison.map(|comparison| comparison.delta),
                ci_low: interval.map(|(low, _)| low),
                ci_high: interval.map(|(_, high)| high),
                p: comparison.map(|comparison| comparison.p),
                p_holm: None,
            });
        }
    }
    for column in 0..metrics.len() {
        let mut own: Vec<_> =
            interactions.iter_mut().skip(column).step_by(metrics.len().max(1)).collect();
        let family = own.len();
        own.retain(|interaction| interaction.p.is_some());
        let ps: Vec<f64> = own.iter().filter_map(|interaction| interaction.p).collect();
        for (interaction, p) in own.into_iter().zip(holm(&ps, family)) {
            interaction.p_holm = Some(p);
        }
    }
    interactions
}

#[cfg(test)]
mod tests {
    use super::change_pairs;
    use serde_json::json;

    #[test]
    fn pairs_are_found_by_what_variants_change() {
        let set =
            |keys: &[&str]| keys.iter().map(|key| ((*key).to_owned(), json!("none"))).collect();
        let changes = [
            ("full".to_owned(), set(&[])),
            ("-a".to_owned(), set(&["model.a"])),
            ("-b".to_owned(), set(&["model.b", "train.b"])),
            ("-c".to_owned(), set(&["model.c"])),
            // In another order than alone.
            ("-a-b".to_owned(), set(&["train.b", "model.a", "model.b"])),
            ("-a-d".to_owned(), set(&["model.a", "model.d"])),
        ];
        let pairs = change_pairs(&changes);
        assert_eq!(pairs.len(), 1, "{pairs:?}");
        let mut parts = [pairs[0].first.as_str(), &pairs[0].second];
        parts.sort_unstable();
        assert_eq!((parts, pairs[0].both.as_str()), (["-a", "-b"], "-a-b"));
    }
}
