//! The table: checked input and one row of numbers per variant and metric.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::{
    Error, MetricColumn, TableInput,
    statistics::{compare, holm, mean, standard_deviation},
};

/// An ablation table, ready to be rendered.
#[derive(Clone, Debug)]
pub struct Table {
    /// The metrics in the order of the table.
    pub(crate) metrics: Vec<MetricColumn>,
    /// One row per variant and metric: the variants' order, and within it that of the metrics.
    pub(crate) rows: Vec<Row>,
    /// What is not there, one text each.
    pub(crate) missing: Vec<String>,
    /// The rest of the input, without its cells.
    pub(crate) input: TableInput,
}

/// The numbers of one variant and metric. What cannot be computed is null.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The variant.
    pub variant: String,
    /// The metric.
    pub metric: String,
    /// The split that the values come from.
    pub split: String,
    /// How many seeds have a value.
    pub n: usize,
    /// Mean over seeds.
    pub mean: Option<f64>,
    /// Standard deviation over seeds, with n - 1.
    pub sd: Option<f64>,
    /// Mean difference to the baseline, over the seeds that both have; the baseline has none.
    pub delta: Option<f64>,
    /// Lower end of the 95 % paired t interval of `delta`.
    pub ci_low: Option<f64>,
    /// Upper end of the 95 % paired t interval of `delta`.
    pub ci_high: Option<f64>,
    /// Two-sided p of the sign-flip permutation test.
    pub p: Option<f64>,
    /// The same after Holm's correction over the variants within the metric.
    pub p_holm: Option<f64>,
    /// The runs, in the order of the seeds.
    pub runs: Vec<String>,
    /// How many seeds the difference is made from.
    #[serde(skip)]
    pub(crate) pairs: usize,
}

/// The values of one variant and metric by seed, with their runs.
type Values = BTreeMap<u64, (f64, String)>;

impl Table {
    /// Computes the table.
    ///
    /// # Errors
    /// Numbers that are not finite, count twice or belong to nothing in the table.
    pub fn new(mut input: TableInput) -> Result<Self, Error> {
        check_lists(&input)?;
        let mut metrics = std::mem::take(&mut input.metrics);
        metrics.sort_by_key(|metric| !metric.objective);
        let values = collect(&mut input, &metrics)?;
        let missing = missing(&input, &metrics, &values);
        let mut rows = Vec::new();
        for variant in &input.variants {
            for metric in &metrics {
                rows.push(row(&input, variant, metric, &values));
            }
        }
        for metric in &metrics {
            correct(rows.iter_mut().filter(|row| row.metric == metric.name).collect());
        }
        Ok(Self { metrics, rows, missing, input })
    }

    /// One row per variant and metric.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Whether every variant has a value of every metric for every seed.
    pub fn complete(&self) -> bool {
        self.missing.is_empty()
    }

    pub(crate) fn row(&self, variant: &str, metric: &str) -> &Row {
        self.rows
            .iter()
            .find(|row| row.variant == variant && row.metric == metric)
            .expect("a row for each variant and metric")
    }
}

fn check_lists(input: &TableInput) -> Result<(), Error> {
    fn once(what: &'static str, names: impl Iterator<Item = String>) -> Result<(), Error> {
        let mut seen = BTreeSet::new();
        for name in names {
            if !seen.insert(name.clone()) {
                return Err(Error::ListedTwice { what, name });
            }
        }
        Ok(())
    }
    once("variant", input.variants.iter().cloned())?;
    once("seed", input.seeds.iter().map(u64::to_string))?;
    once("metric", input.metrics.iter().map(|metric| metric.name.clone()))?;
    if input.variants.contains(&input.baseline) {
        Ok(())
    } else {
        let (baseline, variants) = (input.baseline.clone(), input.variants.clone());
        Err(Error::Baseline { baseline, variants })
    }
}

/// Takes the cells out of the input and sorts them by variant and metric.
fn collect(
    input: &mut TableInput,
    metrics: &[MetricColumn],
) -> Result<BTreeMap<(String, String), Values>, Error> {
    let mut values: BTreeMap<(String, String), Values> = BTreeMap::new();
    for cell in std::mem::take(&mut input.cells) {
        let listed = [
            ("variant", &cell.variant, input.variants.contains(&cell.variant)),
            ("seed", &cell.seed.to_string(), input.seeds.contains(&cell.seed)),
            ("metric", &cell.metric, metrics.iter().any(|metric| metric.name == cell.metric)),
        ];
        for (what, name, listed) in listed {
            if !listed {
                return Err(Error::Unlisted { run: cell.run, what, name: name.clone() });
            }
        }
        if !cell.value.is_finite() {
            return Err(Error::NotFinite {
                run: cell.run,
                variant: cell.variant,
                seed: cell.seed,
                metric: cell.metric,
                value: cell.value,
            });
        }
        let by_seed = values.entry((cell.variant.clone(), cell.metric.clone())).or_default();
        let second = cell.run.clone();
        if let Some((_, first)) = by_seed.insert(cell.seed, (cell.value, cell.run)) {
            return Err(Error::Duplicate {
                variant: cell.variant,
                seed: cell.seed,
                metric: cell.metric,
                first,
                second,
            });
        }
    }
    Ok(values)
}

/// What is not there: trials that the caller knows about, and single metrics of the others.
fn missing(
    input: &TableInput,
    metrics: &[MetricColumn],
    values: &BTreeMap<(String, String), Values>,
) -> Vec<String> {
    let mut missing = Vec::new();
    for variant in &input.variants {
        for seed in &input.seeds {
            let known =
                input.missing.iter().find(|trial| trial.variant == *variant && trial.seed == *seed);
            if let Some(trial) = known {
                missing.push(format!("`{variant}` seed {seed}: {}", trial.why));
                continue;
            }
            let without: Vec<_> = metrics
                .iter()
                .filter(|metric| {
                    let key = (variant.clone(), metric.name.clone());
                    values.get(&key).is_none_or(|by_seed| !by_seed.contains_key(seed))
                })
                .map(|metric| format!("`{}`", metric.name))
                .collect();
            if without.len() == metrics.len() && !metrics.is_empty() {
                missing.push(format!("`{variant}` seed {seed}: no values"));
            } else if !without.is_empty() {
                missing.push(format!("`{variant}` seed {seed}: no {}", without.join(", ")));
            }
        }
    }
    missing
}

fn row(
    input: &TableInput,
    variant: &str,
    metric: &MetricColumn,
    values: &BTreeMap<(String, String), Values>,
) -> Row {
    let none = Values::new();
    let of =
        |variant: &str| values.get(&(variant.to_owned(), metric.name.clone())).unwrap_or(&none);
    let (own, baseline) = (of(variant), of(&input.baseline));
    // The order of the seeds in the experiment, so that equal inputs give equal sums.
    let present = || input.seeds.iter().filter_map(|seed| own.get(seed).map(|value| (seed, value)));
    let numbers: Vec<f64> = present().map(|(_, (value, _))| *value).collect();
    let differences: Vec<f64> = if variant == input.baseline {
        Vec::new()
    } else {
        present()
            .filter_map(|(seed, (value, _))| baseline.get(seed).map(|(other, _)| value - other))
            .collect()
    };
    let comparison = compare(&differences);
    let interval = comparison.and_then(|comparison| comparison.interval);
    Row {
        variant: variant.to_owned(),
        metric: metric.name.clone(),
        split: metric.split.clone(),
        n: numbers.len(),
        mean: mean(&numbers),
        sd: standard_deviation(&numbers),
        delta: comparison.map(|comparison| comparison.delta),
        ci_low: interval.map(|(low, _)| low),
        ci_high: interval.map(|(_, high)| high),
        p: comparison.map(|comparison| comparison.p),
        p_holm: None,
        runs: present().map(|(_, (_, run))| run.clone()).collect(),
        pairs: differences.len(),
    }
}

/// Holm's correction over the rows of one metric.
fn correct(mut rows: Vec<&mut Row>) {
    rows.retain(|row| row.p.is_some());
    let adjusted = holm(&rows.iter().filter_map(|row| row.p).collect::<Vec<_>>());
    for (row, p) in rows.into_iter().zip(adjusted) {
        row.p_holm = Some(p);
    }
}
