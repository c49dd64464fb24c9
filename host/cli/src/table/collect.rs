//! From a sweep and its runs to what a table is made from.

use super::source::Source;
use crate::arguments::ViewArguments;
use crate::failure::Failure;
use ablate_config::nearest;
use ablate_report::{
    AbsentVariant, Axes, ChangePair, Layout, MetricColumn, MissingTrial, PrunedTrial, SeedValue,
    TableInput, VariantKeys, View, change_pairs, lay_out,
};
use ablate_runs::{
    Filter, Mark, Measurement, RunSummary, Status, Store, TrialRecord, VariantRecord,
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// What a table shows of a sweep.
pub(crate) fn collect(
    source: &Source,
    store: &Store,
    view: &ViewArguments,
) -> Result<TableInput, Failure> {
    let record = &source.record;
    let layout = layout(source, view)?;
    let found = Found::read(source, store, &layout)?;
    let splits = splits(&record.variants, view, &found)?;
    let columns = columns(&record.variants, view, &splits, &layout.groups, &found)?;
    let mut input = TableInput {
        experiment: record.experiment.clone(),
        baseline: layout.rows[layout.baseline].clone(),
        variants: layout.rows.clone(),
        seeds: seeds(source, &found),
        cells: cells(&found, &columns, &layout),
        metrics: columns,
        sequential: source.sequential.clone(),
        pairs: pairs(&layout, view),
        absent: absent(&layout),
        checkpoint: text(&record.variants, |spec| spec.pointer("/report/checkpoint"), "last"),
        test_variants: configurations(store, &record.experiment, &found)?,
        view: View {
            row_title: view.by.clone().unwrap_or_default(),
            means_only: view.by.is_some() && view.columns.is_some(),
            allow_unequal: view.allow_unequal,
            iqm: view.iqm,
            ranks: view.ranks,
            arguments: view.words(),
        },
        ..TableInput::default()
    };
    for (trial, place, run) in &found.unfinished {
        let (variant, group) = (layout.rows[place.0].clone(), layout.groups[place.1].clone());
        match run.as_ref().and_then(|run| run.mark.as_ref()) {
            Some(Mark::Pruned { rung_epoch, .. }) => input.pruned.push(PrunedTrial {
                variant,
                group,
                seed: trial.seed,
                epoch: *rung_epoch,
            }),
            // A seed that was not needed.
            _ if run.is_none() && !source.is_wanted(trial.seed) => {}
            _ => {
                let why = why_missing(run.as_ref());
                input.missing.push(MissingTrial { variant, group, seed: trial.seed, why });
            }
        }
    }
    Ok(input)
}

/// The seeds of the table: those that every variant should have, and those that were added.
fn seeds(source: &Source, found: &Found<'_>) -> Vec<u64> {
    let done = found.done.iter().map(|(trial, _, _)| trial.seed);
    let begun = found.unfinished.iter().filter(|(_, _, run)| run.is_some());
    let used: HashSet<u64> = done.chain(begun.map(|(trial, _, _)| trial.seed)).collect();
    let all = source.seeds.iter().copied();
    all.filter(|seed| source.is_wanted(*seed) || used.contains(seed)).collect()
}

/// The place of a variant: its row and its group of columns.
type Place = (usize, usize);

/// The runs of all trials that are in the table.
struct Found<'a> {
    done: Vec<(&'a TrialRecord, Place, RunSummary)>,
    unfinished: Vec<(&'a TrialRecord, Place, Option<RunSummary>)>,
    finals: BTreeMap<ablate_runs::RunId, Vec<Measurement>>,
}

impl<'a> Found<'a> {
    fn read(source: &'a Source, store: &Store, layout: &Layout) -> Result<Self, Failure> {
        let record = &source.record;
        let places: HashMap<&str, Place> = record
            .variants
            .iter()
            .zip(&layout.places)
            .filter_map(|(variant, place)| Some((variant.name.as_str(), (*place)?)))
            .collect();
        let trials: Vec<(&TrialRecord, Place)> = record
            .trials
            .iter()
            .filter_map(|trial| Some((trial, *places.get(trial.variant.as_str())?)))
            .collect();
        let runs = store.latest(trials.iter().map(|(trial, _)| &trial.identity))?;
        let (mut done, mut unfinished) = (Vec::new(), Vec::new());
        for (trial, place) in trials {
            match runs.get(&trial.identity) {
                Some(run) if run.status == Status::Done => done.push((trial, place, run.clone())),
                run => unfinished.push((trial, place, run.cloned())),
            }
        }
        let ids: Vec<_> = done.iter().map(|(_, _, run)| run.id).collect();
        Ok(Self { done, unfinished, finals: store.finals(&ids)? })
    }

    fn finals(&self) -> impl Iterator<Item = &Measurement> {
        self.finals.values().flatten()
    }
}

fn layout(source: &Source, view: &ViewArguments) -> Result<Layout, Failure> {
    let record = &source.record;
    let mut filters = Vec::new();
    for filter in &view.filters {
        let Some((key, value)) = filter.split_once('=') else {
            return Err(Failure::user(format!("`--where {filter}` has no value"))
                .hint("it is a key with a value, such as `--where train.batch_size=8`"));
        };
        filters.push((key.trim().to_owned(), value.trim().to_owned()));
    }
    let axes = Axes { by: view.by.clone(), columns: view.columns.clone(), filters };
    let variants: Vec<VariantKeys<'_>> = record
        .variants
        .iter()
        .map(|variant| VariantKeys { name: &variant.name, set: &variant.set, spec: &variant.spec })
        .collect();
    Ok(lay_out(&variants, &record.baseline, &axes)?)
}

/// A text of the specs, which is the same in all variants.
fn text(
    variants: &[VariantRecord],
    get: impl Fn(&Value) -> Option<&Value>,
    otherwise: &str,
) -> String {
    let found = variants.first().and_then(|variant| get(&variant.spec));
    found.and_then(Value::as_str).unwrap_or(otherwise).to_owned()
}

/// The splits that are shown: those asked for, that of the report, `test` where there is one, `valid`,
/// `train`.
fn splits(
    variants: &[VariantRecord],
    view: &ViewArguments,
    found: &Found<'_>,
) -> Result<Vec<String>, Failure> {
    let known: BTreeSet<&str> = found.finals().map(|m| m.split.as_str()).collect();
    let mut splits: Vec<String> = Vec::new();
    for split in &view.split {
        if !known.is_empty() && !known.contains(split.as_str()) {
            let known: Vec<&str> = known.into_iter().collect();
            return Err(Failure::user(format!("nothing was measured on a split `{split}`"))
                .hint(format!("there are `{}`", known.join("`, `"))));
        }
        if !splits.contains(split) {
            splits.push(split.clone());
        }
    }
    if splits.is_empty() {
        // Of a closed corpus, all of which is trained on, there is nothing else.
        let first = ["test", "valid", "train"].into_iter().find(|split| known.contains(split));
        let otherwise = first.unwrap_or("test");
        splits.push(text(variants, |spec| spec.pointer("/report/split"), otherwise));
    }
    Ok(splits)
}

/// The split of what artifacts measured, over all of their splits at once.
const ALL: &str = "all";

/// A column per metric of the specs, in their order, then the losses; of each split and group. What
/// artifacts measured has columns where it is asked for, by its name or by its split.
fn columns(
    variants: &[VariantRecord],
    view: &ViewArguments,
    splits: &[String],
    groups: &[String],
    found: &Found<'_>,
) -> Result<Vec<MetricColumn>, Failure> {
    let mut names: Vec<(String, bool)> = Vec::new();
    let mut seen: HashSet<&str> = HashSet::new();
    for variant in variants {
        for metric in variant.spec["metrics"].as_array().into_iter().flatten() {
            let name = metric["name"].as_str().unwrap_or_default();
            if seen.insert(name) {
                names.push((name.to_owned(), metric["objective"] == true));
            }
        }
    }
    names.push(("loss".to_owned(), !names.iter().any(|(_, objective)| *objective)));
    if splits.iter().any(|split| split == ALL) {
        for variant in variants {
            for artifact in variant.spec["artifacts"].as_array().into_iter().flatten() {
                let name = artifact["name"].as_str().unwrap_or_default();
                if seen.insert(name) {
                    names.push((name.to_owned(), false));
                }
            }
        }
    }
    if !view.metrics.is_empty() {
        names = chosen(&names, &view.metrics, found)?;
    } else if view.by.is_some() && view.columns.is_some() {
        // Two axes leave room for one metric.
        names.sort_by_key(|(_, objective)| !objective);
        names.truncate(1);
    }
    let mut known: HashMap<(&str, &str), &Measurement> = HashMap::new();
    for measurement in found.finals() {
        known.entry((&measurement.split, &measurement.metric)).or_insert(measurement);
    }
    let mut columns: Vec<MetricColumn> = Vec::new();
    for group in groups {
        for split in splits {
            for (name, objective) in &names {
                let is_there = |split: &str| known.contains_key(&(split, name.as_str()));
                let split = if !is_there(split) && is_there(ALL) { ALL } else { split };
                let is_empty = split == ALL && !is_there(ALL) && !known.is_empty();
                let same = |one: &MetricColumn| {
                    one.group == *group && one.split == split && one.name == *name
                };
                if is_empty || columns.iter().any(same) {
                    continue;
                }
                let known = known.get(&(split, name.as_str()));
                columns.push(MetricColumn {
                    name: name.clone(),
                    split: split.to_owned(),
                    group: group.clone(),
                    unit: known.and_then(|m| m.unit.clone()).filter(|unit| !unit.is_empty()),
                    higher_is_better: known.and_then(|m| m.higher_is_better),
                    objective: *objective,
                });
            }
        }
    }
    if columns.is_empty() {
        let names: Vec<String> = names.iter().map(|(name, _)| format!("`{name}`")).collect();
        return Err(Failure::user(format!(
            "on split `{ALL}` nothing of {} was measured",
            names.join(", ")
        ))
        .hint("on this split is what artifacts measured; leave `--split` out for the others"));
    }
    Ok(columns)
}

/// The metrics asked for, in that order; parts of a metric, such as its levels, may be asked for too.
fn chosen(
    names: &[(String, bool)],
    wanted: &[String],
    found: &Found<'_>,
) -> Result<Vec<(String, bool)>, Failure> {
    let measured: BTreeSet<&str> = found.finals().map(|m| m.metric.as_str()).collect();
    let mut chosen: Vec<(String, bool)> = Vec::new();
    for name in wanted {
        let known = names.iter().find(|(known, _)| known == name).cloned();
        let part = measured.contains(name.as_str()).then(|| (name.clone(), false));
        let Some(metric) = known.or(part) else {
            let mut known: Vec<&str> = names.iter().map(|(name, _)| name.as_str()).collect();
            known.extend(
                measured.iter().filter(|name| !known.contains(name)).copied().collect::<Vec<_>>(),
            );
            let mut failure = Failure::user(format!("no metric `{name}`"));
            if let Some(near) = nearest(name, known.iter().copied()) {
                failure = failure.hint(format!("did you mean `{near}`?"));
            }
            return Err(failure.hint(format!("there are `{}`", known.join("`, `"))));
        };
        if !chosen.contains(&metric) {
            chosen.push(metric);
        }
    }
    Ok(chosen)
}

fn cells(found: &Found<'_>, columns: &[MetricColumn], layout: &Layout) -> Vec<SeedValue> {
    let mut cells = Vec::new();
    for (trial, (row, group), run) in &found.done {
        let Some(finals) = found.finals.get(&run.id) else { continue };
        let group = &layout.groups[*group];
        for column in columns.iter().filter(|column| column.group == *group) {
            let value = finals.iter().find(|m| m.metric == column.name && m.split == column.split);
            cells.extend(value.map(|value| SeedValue {
                variant: layout.rows[*row].clone(),
                seed: trial.seed,
                metric: column.name.clone(),
                split: column.split.clone(),
                group: group.clone(),
                value: value.value,
                // In full: what is unique today need not be so when there are more runs.
                run: run.id.to_string(),
                configuration: trial.variant.clone(),
            }));
        }
    }
    cells
}

/// Rows that change what two others change, all of them against the baseline.
fn pairs(layout: &Layout, view: &ViewArguments) -> Vec<ChangePair> {
    if view.by.is_some() {
        return Vec::new();
    }
    let baseline = &layout.sets[layout.baseline];
    let changes: Vec<(String, Vec<(String, Value)>)> = layout
        .rows
        .iter()
        .zip(&layout.sets)
        .filter(|(_, set)| baseline.iter().all(|change| set.contains(change)))
        .map(|(row, set)| {
            let own = set.iter().filter(|change| !baseline.contains(change));
            (row.clone(), own.cloned().collect())
        })
        .collect();
    change_pairs(&changes)
}

/// Rows and groups without a variant.
fn absent(layout: &Layout) -> Vec<AbsentVariant> {
    let taken: HashSet<Place> = layout.places.iter().flatten().copied().collect();
    let all = (0..layout.rows.len())
        .flat_map(|row| (0..layout.groups.len()).map(move |group| (row, group)));
    all.filter(|place| !taken.contains(place))
        .map(|(row, group)| AbsentVariant {
            variant: layout.rows[row].clone(),
            group: layout.groups[group].clone(),
        })
        .collect()
}

/// Why a trial has no result.
fn why_missing(run: Option<&RunSummary>) -> String {
    match run {
        None => "not run".to_owned(),
        Some(run) if run.status == Status::Failed => {
            let error = run.error.as_deref().unwrap_or_default();
            format!("failed: {} ({})", error.lines().next().unwrap_or_default(), run.short)
        }
        Some(run) => format!("{} ({})", run.status, run.short),
    }
}

/// How many different configurations of the experiment were ever scored: what a winner was chosen from.
///
/// Trials with equal seeds and different identities are different configurations, whatever their variants were
/// called. Configurations that never shared a seed may be counted as one. Those of this table count also where it was
/// another experiment that ran them.
fn configurations(store: &Store, experiment: &str, found: &Found<'_>) -> Result<usize, Failure> {
    let filter = Filter {
        experiment: Some(experiment.to_owned()),
        status: Some(Status::Done),
        ..Filter::default()
    };
    let mut by_seed: HashMap<u64, HashSet<String>> = HashMap::new();
    for run in store.runs(&filter)? {
        by_seed.entry(run.seed).or_default().insert(run.identity);
    }
    for (trial, ..) in &found.done {
        by_seed.entry(trial.seed).or_default().insert(trial.identity.clone());
    }
    Ok(by_seed.values().map(HashSet::len).max().unwrap_or(0))
}
