//! What stands under a table: where the numbers come from, what the signs mean, what is missing.

use crate::{
    Row, Table,
    grid::SIGNIFICANT,
    statistics::{DRAWS, EXACT_PAIRS, smallest_p},
};

impl Table {
    /// The sentences under the table. Names stand in backticks.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let mut notes = vec![self.source()];
        if self.input.variants.len() > 1 {
            let interval =
                if self.has_intervals() { ", with its 95 % paired t interval" } else { "" };
            let baseline = &self.input.baseline;
            notes.push(format!("Δ: mean difference to `{baseline}`, paired by seed{interval}"));
            notes.push(self.significance());
        }
        let on_test = self.metrics.iter().any(|metric| metric.split == "test");
        if on_test && self.input.test_variants > 1 {
            notes.push(format!(
                "{} variants of this experiment have been scored on `test`: the best of them looks better than it is",
                self.input.test_variants
            ));
        }
        if !self.complete() {
            notes.push(
                "incomplete: a difference uses only the seeds that both variants have".into(),
            );
            notes.extend(self.missing.iter().map(|missing| format!("missing: {missing}")));
        }
        notes
    }

    fn source(&self) -> String {
        let mut splits: Vec<_> = self.metrics.iter().map(|metric| metric.split.as_str()).collect();
        splits.dedup();
        let splits = match splits.as_slice() {
            [split] => format!("split `{split}`, "),
            // The titles of the columns say which.
            _ => String::new(),
        };
        let n = self.input.seeds.len();
        let spread = if n > 1 { "; mean ± sd over seeds" } else { "" };
        format!("{splits}checkpoint `{}`, n = {n}{spread}", self.input.checkpoint)
    }

    fn significance(&self) -> String {
        let compared: Vec<&Row> = self.rows.iter().filter(|row| row.p.is_some()).collect();
        let Some(pairs) = compared.iter().map(|row| row.pairs).max() else {
            return format!("no variant shares a seed with `{}`", self.input.baseline);
        };
        // Variants within one metric: what Holm's correction counts.
        let family = |row: &Row| compared.iter().filter(|other| other.metric == row.metric).count();
        let smallest = |row: &Row| smallest_p(row.pairs) * family(row) as f64;
        if smallest_p(pairs) >= SIGNIFICANT {
            return format!(
                "n = {pairs}: no two-sided sign-flip p can be below {}",
                smallest_p(pairs)
            );
        }
        let floor = compared.iter().map(|row| smallest(row)).fold(f64::INFINITY, f64::min);
        let variants = compared.iter().map(|row| family(row)).max().unwrap_or(1);
        if floor >= SIGNIFICANT {
            return format!(
                "n = {pairs}: after Holm's correction over {variants} variants no two-sided sign-flip p can be \
                 below {floor}"
            );
        }
        let patterns = if pairs <= EXACT_PAIRS {
            "exact two-sided sign-flip test".to_owned()
        } else {
            format!("two-sided sign-flip test with {DRAWS} random sign patterns")
        };
        let holm = match variants {
            1 => String::new(),
            _ => format!(", Holm-corrected over {variants} variants within each metric"),
        };
        let starred = compared.iter().any(|row| row.p_holm.is_some_and(|p| p < SIGNIFICANT));
        let sign = if starred { "*: p < 0.05" } else { "no difference has p < 0.05" };
        format!("{sign}, {patterns} paired by seed{holm}")
    }
}
