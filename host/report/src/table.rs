//! The table: checked input and one row of numbers per variant and column.

use std::collections::HashMap;

use serde::Serialize;

use crate::{
    Error, MetricColumn, TableInput,
    effect::{cohen_d, hedges_g},
    interactions::{self, Interaction},
    missing::missing,
    overall::{self, Aggregate, Friedman, MeanRank},
    quartiles,
    statistics::{compare, holm, mean, standard_deviation},
    values::{self, Values},
};

/// An ablation table, ready to be rendered.
#[derive(Clone, Debug)]
pub struct Table {
    /// The columns in the order of the table.
    pub(crate) metrics: Vec<MetricColumn>,
    /// One row per variant and column: the variants' order, and within it that of the columns.
    pub(crate) rows: Vec<Row>,
    /// What is not there, one text each.
    pub(crate) missing: Vec<String>,
    /// What pairs of changes do together.
    pub(crate) interactions: Vec<Interaction>,
    /// The mean rank of each variant.
    pub(crate) ranks: Vec<MeanRank>,
    /// Friedman's test of each column.
    pub(crate) friedman: Vec<Friedman>,
    /// Interquartile means over several groups of columns, where they are asked for.
    pub(crate) aggregates: Vec<Aggregate>,
    /// The rest of the input, without its cells.
    pub(crate) input: TableInput,
}

/// The numbers of one variant and column. What cannot be computed is null.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Row {
    /// The variant.
    pub variant: String,
    /// The metric.
    pub metric: String,
    /// The split that the values come from.
    pub split: String,
    /// The group of columns; empty where there are none.
    pub group: String,
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
    /// The same after Holm's correction over the variants within the column; variants without a p count too.
    pub p_holm: Option<f64>,
    /// How many seeds the difference is made from.
    pub pairs: usize,
    /// `delta` in units of the standard deviation of the differences: Cohen's d_z.
    pub cohen_d: Option<f64>,
    /// `cohen_d` with Hedges' correction for small samples.
    pub hedges_g: Option<f64>,
    /// The rank of the mean among all variants, over the seeds that all have; 1 is the best, equals share.
    pub rank: Option<f64>,
    /// Interquartile mean over seeds, where it is asked for.
    pub iqm: Option<f64>,
    /// Lower end of the 95 % bootstrap interval of `iqm`.
    pub iqm_low: Option<f64>,
    /// Upper end of the 95 % bootstrap interval of `iqm`.
    pub iqm_high: Option<f64>,
    /// The epoch after which the variant was stopped as hopeless.
    pub pruned: Option<u64>,
    /// The seeds that have a value.
    pub seeds: Vec<u64>,
    /// The values, in the order of `seeds`.
    pub values: Vec<f64>,
    /// The runs, in the order of `seeds`.
    pub runs: Vec<String>,
}

impl Table {
    /// Computes the table.
    ///
    /// # Errors
    /// Numbers that are not finite, count twice, mix configurations or belong to nothing in the table.
    pub fn new(mut input: TableInput) -> Result<Self, Error> {
        values::check_lists(&input)?;
        let mut metrics = std::mem::take(&mut input.metrics);
        values::order_columns(&mut metrics);
        let values = values::collect(&mut input, &metrics)?;
        let missing = missing(&input, &metrics, &values);
        let rows = rows(&input, &metrics, &values);
        let interactions = interactions::interactions(&input, &metrics, &values);
        let friedman = overall::friedman(&input, &metrics, &values);
        let aggregates = if input.view.iqm {
            overall::aggregates(&input, &metrics, &values)
        } else {
            Vec::new()
        };
        let mut table = Self {
            metrics,
            rows,
            missing,
            interactions,
            ranks: Vec::new(),
            friedman,
            aggregates,
            input,
        };
        overall::rank(&mut table, &values);
        Ok(table)
    }

    /// One row per variant and column.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// What pairs of changes do together, for each pair and column.
    pub fn interactions(&self) -> &[Interaction] {
        &self.interactions
    }

    /// Whether every variant has a value of every metric for every seed that it should have.
    pub fn complete(&self) -> bool {
        self.missing.is_empty()
    }

    /// Whether the table is as complete as it was asked to be.
    pub fn accepted(&self) -> bool {
        self.complete() || self.input.view.allow_unequal
    }

    pub(crate) fn row(&self, variant: usize, column: usize) -> &Row {
        &self.rows[variant * self.metrics.len() + column]
    }

    /// The position of the baseline among the variants.
    pub(crate) fn baseline(&self) -> usize {
        baseline(&self.input)
    }
}

pub(crate) fn baseline(input: &TableInput) -> usize {
    let position = input.variants.iter().position(|variant| *variant == input.baseline);
    position.expect("the baseline is a variant: it was checked")
}

fn rows(input: &TableInput, metrics: &[MetricColumn], values: &Values) -> Vec<Row> {
    let baseline = baseline(input);
    let mut pruned: HashMap<(&str, &str), u64> = HashMap::new();
    for trial in &input.pruned {
        let epoch = pruned.entry((&trial.variant, &trial.group)).or_default();
        *epoch = (*epoch).max(trial.epoch);
    }
    let mut rows = Vec::with_capacity(input.variants.len() * metrics.len());
    for (index, variant) in input.variants.iter().enumerate() {
        for (column, metric) in metrics.iter().enumerate() {
            let mut row = row(input, metric, values, (index, column), baseline);
            row.pruned = pruned.get(&(variant.as_str(), metric.group.as_str())).copied();
            rows.push(row);
        }
    }
    for column in 0..metrics.len() {
        correct(rows.iter_mut().skip(column).step_by(metrics.len()).collect());
    }
    rows
}

fn row(
    input: &TableInput,
    metric: &MetricColumn,
    values: &Values,
    (variant, column): (usize, usize),
    baseline: usize,
) -> Row {
    let own = values.of(variant, column);
    // The order of the seeds in the experiment, so that equal inputs give equal sums.
    let present: Vec<_> = own
        .iter()
        .zip(&input.seeds)
        .filter_map(|(value, seed)| value.as_ref().map(|value| (*seed, value)))
        .collect();
    let numbers: Vec<f64> = present.iter().map(|(_, value)| value.value).collect();
    let differences: Vec<f64> = if variant == baseline {
        Vec::new()
    } else {
        let seeds = values.common(&[variant, baseline], column);
        let at = |variant, seed| values.at(variant, column, seed);
        seeds.into_iter().map(|seed| at(variant, seed) - at(baseline, seed)).collect()
    };
    let comparison = compare(&differences);
    let interval = comparison.and_then(|comparison| comparison.interval);
    let cohen_d = cohen_d(&differences);
    let iqm = quartiles::interquartile_mean(&numbers).filter(|_| input.view.iqm);
    let iqm_interval = iqm.and_then(|_| quartiles::interval(std::slice::from_ref(&numbers)));
    Row {
        variant: input.variants[variant].clone(),
        metric: metric.name.clone(),
        split: metric.split.clone(),
        group: metric.group.clone(),
        n: numbers.len(),
        mean: mean(&numbers),
        sd: standard_deviation(&numbers),
        delta: comparison.map(|comparison| comparison.delta),
        ci_low: interval.map(|(low, _)| low),
        ci_high: interval.map(|(_, high)| high),
        p: comparison.map(|comparison| comparison.p),
        p_holm: None,
        pairs: differences.len(),
        cohen_d,
        hedges_g: cohen_d.and_then(|d| hedges_g(d, differences.len())),
        rank: None,
        iqm,
        iqm_low: iqm_interval.map(|(low, _)| low),
        iqm_high: iqm_interval.map(|(_, high)| high),
        pruned: None,
        seeds: present.iter().map(|(seed, _)| *seed).collect(),
        runs: present.iter().map(|(_, value)| value.run.clone()).collect(),
        values: numbers,
    }
}

/// Holm's correction over the rows of one column: all but the baseline's.
fn correct(mut rows: Vec<&mut Row>) {
    let family = rows.len() - 1;
    rows.retain(|row| row.p.is_some());
    let adjusted = holm(&rows.iter().filter_map(|row| row.p).collect::<Vec<_>>(), family);
    for (row, p) in rows.into_iter().zip(adjusted) {
        row.p_holm = Some(p);
    }
}
