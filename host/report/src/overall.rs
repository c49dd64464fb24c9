//! What is computed over all variants or over all columns: ranks, Friedman's test, pooled interquartile means.

use serde::Serialize;

use crate::{MetricColumn, Table, TableInput, quartiles, ranks, statistics::mean, values::Values};

/// The ranks of one variant over all columns that have a direction.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MeanRank {
    /// The variant.
    pub variant: String,
    /// The mean of its ranks; null where it lacks one.
    pub mean_rank: Option<f64>,
}

/// Friedman's test of one column.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Friedman {
    /// The metric.
    pub metric: String,
    /// The split that the values come from.
    pub split: String,
    /// The group of columns; empty where there are none.
    pub group: String,
    /// How many variants are compared: those with any value.
    pub variants: usize,
    /// The seeds that all of them have.
    pub n: usize,
    /// The χ² statistic, corrected for ties.
    pub statistic: Option<f64>,
    /// Its upper tail.
    pub p: Option<f64>,
}

/// The interquartile mean of one variant over all groups of columns.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Aggregate {
    /// The variant.
    pub variant: String,
    /// The metric.
    pub metric: String,
    /// The split that the values come from.
    pub split: String,
    /// How many groups it is made from.
    pub groups: usize,
    /// How many values.
    pub n: usize,
    /// The interquartile mean; null where a group has no value.
    pub iqm: Option<f64>,
    /// Lower end of its 95 % bootstrap interval, stratified by group.
    pub iqm_low: Option<f64>,
    /// Upper end of its 95 % bootstrap interval, stratified by group.
    pub iqm_high: Option<f64>,
}

/// The variants with any value in a column, and the positions of the seeds that all of them have.
fn common(input: &TableInput, values: &Values, column: usize) -> (Vec<usize>, Vec<usize>) {
    let any = |variant: &usize| values.of(*variant, column).iter().any(Option::is_some);
    let variants: Vec<usize> = (0..input.variants.len()).filter(any).collect();
    let seeds = values.common(&variants, column);
    (variants, seeds)
}

/// Fills in the ranks of all rows and the mean ranks.
pub(crate) fn rank(table: &mut Table, values: &Values) {
    let columns = table.metrics.len();
    for (column, metric) in table.metrics.iter().enumerate() {
        let Some(higher_is_better) = metric.higher_is_better else { continue };
        let (variants, seeds) = common(&table.input, values, column);
        let means: Option<Vec<f64>> = variants
            .iter()
            .map(|variant| {
                let at = |seed: &usize| values.at(*variant, column, *seed);
                mean(&seeds.iter().map(at).collect::<Vec<_>>())
            })
            .collect();
        let Some(means) = means.filter(|means| means.len() > 1) else { continue };
        for (variant, rank) in variants.iter().zip(ranks::average_ranks(&means, higher_is_better)) {
            table.rows[variant * columns + column].rank = Some(rank);
        }
    }
    let ranked: Vec<usize> = (0..columns)
        .filter(|column| {
            table.rows.iter().skip(*column).step_by(columns).any(|row| row.rank.is_some())
        })
        .collect();
    let mean_rank = |variant: usize| {
        let own: Option<Vec<f64>> =
            ranked.iter().map(|column| table.row(variant, *column).rank).collect();
        own.and_then(|own| mean(&own))
    };
    let variants = table.input.variants.iter().enumerate();
    table.ranks = variants
        .map(|(index, variant)| MeanRank { variant: variant.clone(), mean_rank: mean_rank(index) })
        .collect();
}

/// Friedman's test of every column.
pub(crate) fn friedman(
    input: &TableInput,
    metrics: &[MetricColumn],
    values: &Values,
) -> Vec<Friedman> {
    metrics
        .iter()
        .enumerate()
        .map(|(column, metric)| {
            let (variants, seeds) = common(input, values, column);
            let numbers: Vec<Vec<f64>> = variants
                .iter()
                .map(|variant| {
                    seeds.iter().map(|seed| values.at(*variant, column, *seed)).collect()
                })
                .collect();
            let test = ranks::friedman(&numbers);
            Friedman {
                metric: metric.name.clone(),
                split: metric.split.clone(),
                group: metric.group.clone(),
                variants: variants.len(),
                n: seeds.len(),
                statistic: test.map(|test| test.statistic),
                p: test.map(|test| test.p),
            }
        })
        .collect()
}

/// Interquartile means over all groups, for each metric and split that several groups have.
pub(crate) fn aggregates(
    input: &TableInput,
    metrics: &[MetricColumn],
    values: &Values,
) -> Vec<Aggregate> {
    let mut pooled: Vec<(&str, &str, Vec<usize>)> = Vec::new();
    for (column, metric) in metrics.iter().enumerate() {
        let same = |(name, split, _): &&mut (&str, &str, Vec<usize>)| {
            *name == metric.name && *split == metric.split
        };
        match pooled.iter_mut().find(same) {
            Some((_, _, columns)) => columns.push(column),
            None => pooled.push((&metric.name, &metric.split, vec![column])),
        }
    }
    pooled.retain(|(_, _, columns)| columns.len() > 1);
    let mut aggregates = Vec::new();
    for (index, variant) in input.variants.iter().enumerate() {
        for (metric, split, columns) in &pooled {
            let strata: Vec<Vec<f64>> = columns
                .iter()
                .map(|column| values.of(index, *column).iter().flatten().map(|v| v.value).collect())
                .collect();
            let whole = strata.iter().all(|stratum| !stratum.is_empty());
            let interval = quartiles::interval(&strata).filter(|_| whole);
            aggregates.push(Aggregate {
                variant: variant.clone(),
                metric: (*metric).to_owned(),
                split: (*split).to_owned(),
                groups: columns.len(),
                n: strata.iter().map(Vec::len).sum(),
                iqm: quartiles::interquartile_mean(&strata.concat()).filter(|_| whole),
                iqm_low: interval.map(|(low, _)| low),
                iqm_high: interval.map(|(_, high)| high),
            });
        }
    }
    aggregates
}
