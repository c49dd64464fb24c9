//! The table for programs: JSON and CSV, with all digits.

use serde::Serialize;

use crate::{
    Row, Table,
    interactions::Interaction,
    marks::{self, Markup},
    overall::{Aggregate, Friedman, MeanRank},
};

#[derive(Serialize)]
struct Json<'a> {
    experiment: &'a str,
    baseline: &'a str,
    seeds: &'a [u64],
    complete: bool,
    checkpoint: &'a str,
    test_variants: usize,
    stamp: String,
    rows: &'a [Row],
    interactions: &'a [Interaction],
    ranks: &'a [MeanRank],
    friedman: &'a [Friedman],
    iqm: &'a [Aggregate],
    missing: &'a [String],
    notes: Vec<String>,
}

/// The columns of the CSV form.
const CSV: &str = "variant,metric,split,n,mean,sd,delta,ci_low,ci_high,p,p_holm,group,pairs,cohen_d,hedges_g,rank,iqm,\
                   iqm_low,iqm_high,pruned,seeds,values,runs";

impl Table {
    /// An object with the table's `rows`, as [`Row`] has them, and everything that stands under it; what cannot be
    /// computed is null.
    #[must_use]
    pub fn json(&self) -> String {
        let marks = self.marks(&self.grids(), Markup::Markdown);
        let json = Json {
            experiment: &self.input.experiment,
            baseline: &self.input.baseline,
            seeds: &self.input.seeds,
            complete: self.complete(),
            checkpoint: &self.input.checkpoint,
            test_variants: self.input.test_variants,
            stamp: marks::stamp(marks.iter().flatten().flatten()),
            rows: &self.rows,
            interactions: &self.interactions,
            ranks: &self.ranks,
            friedman: &self.friedman,
            iqm: &self.aggregates,
            missing: &self.missing,
            notes: self.notes(),
        };
        serde_json::to_string_pretty(&json).expect("strings and numbers are JSON") + "\n"
    }

    /// The rows of [`Table::json`] with the same columns; lists are separated by spaces, what is null is empty.
    #[must_use]
    pub fn csv(&self) -> String {
        let mut lines = vec![CSV.to_owned()];
        lines.extend(self.rows.iter().map(csv_line));
        lines.join("\n") + "\n"
    }
}

fn csv_line(row: &Row) -> String {
    let numbers = |values: &[Option<f64>]| -> Vec<String> {
        values.iter().map(|value| value.map(number).unwrap_or_default()).collect()
    };
    let list = |items: Vec<String>| quote(&items.join(" "));
    let fields = [
        vec![quote(&row.variant), quote(&row.metric), quote(&row.split), row.n.to_string()],
        numbers(&[row.mean, row.sd, row.delta, row.ci_low, row.ci_high, row.p, row.p_holm]),
        vec![quote(&row.group), row.pairs.to_string()],
        numbers(&[row.cohen_d, row.hedges_g, row.rank, row.iqm, row.iqm_low, row.iqm_high]),
        vec![
            row.pruned.map(|epoch| epoch.to_string()).unwrap_or_default(),
            list(row.seeds.iter().map(u64::to_string).collect()),
            list(row.values.iter().map(|value| number(*value)).collect()),
            list(row.runs.clone()),
        ],
    ];
    fields.concat().join(",")
}

/// The same digits as in JSON.
fn number(value: f64) -> String {
    serde_json::to_string(&value).ok().filter(|text| text != "null").unwrap_or_default()
}

/// Quotes as RFC 4180 says.
fn quote(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
