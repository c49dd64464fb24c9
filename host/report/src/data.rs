//! The table for programs: JSON and CSV, with all digits.

use serde::Serialize;

use crate::{Row, Table};

#[derive(Serialize)]
struct Json<'a> {
    experiment: &'a str,
    baseline: &'a str,
    seeds: &'a [u64],
    complete: bool,
    rows: &'a [Row],
}

impl Table {
    /// `{experiment, baseline, seeds, complete, rows: [{variant, metric, split, n, mean, sd, delta, ci_low, ci_high,
    /// p, p_holm, runs}]}`, indented; what cannot be computed is null.
    #[must_use]
    pub fn json(&self) -> String {
        let json = Json {
            experiment: &self.input.experiment,
            baseline: &self.input.baseline,
            seeds: &self.input.seeds,
            complete: self.complete(),
            rows: &self.rows,
        };
        serde_json::to_string_pretty(&json).expect("strings and numbers are JSON") + "\n"
    }

    /// The rows of [`Table::json`] with the same columns; runs are separated by spaces, what is null is empty.
    #[must_use]
    pub fn csv(&self) -> String {
        let mut lines =
            vec!["variant,metric,split,n,mean,sd,delta,ci_low,ci_high,p,p_holm,runs".to_owned()];
        for row in &self.rows {
            let Row {
                variant,
                metric,
                split,
                n,
                mean,
                sd,
                delta,
                ci_low,
                ci_high,
                p,
                p_holm,
                runs,
                pairs: _,
            } = row;
            let mut fields = vec![quote(variant), quote(metric), quote(split), n.to_string()];
            fields
                .extend([mean, sd, delta, ci_low, ci_high, p, p_holm].map(|value| number(*value)));
            fields.push(quote(&runs.join(" ")));
            lines.push(fields.join(","));
        }
        lines.join("\n") + "\n"
    }
}

/// The same digits as in JSON.
fn number(value: Option<f64>) -> String {
    value
        .and_then(|value| serde_json::to_string(&value).ok())
        .filter(|text| text != "null")
        .unwrap_or_default()
}

/// Quotes as RFC 4180 says.
fn quote(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
