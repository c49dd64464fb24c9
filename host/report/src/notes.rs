//! What stands under a table: where the numbers come from, what the signs mean, what is missing.

use crate::{
    MetricColumn, Row, Table,
    grid::SIGNIFICANT,
    overall::Friedman,
    quartiles::RESAMPLES,
    statistics::{DRAWS, EXACT_PAIRS, smallest_p},
};

/// How many missing trials are listed one by one.
const LISTED: usize = 20;

impl Table {
    /// The sentences under the table. Names stand in backticks.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let mut notes = vec![self.source()];
        if self.input.variants.len() > 1 {
            notes.extend(self.differences());
            notes.push(self.significance());
        }
        if !self.interactions.is_empty() && !self.input.view.means_only {
            notes.push(
                "interaction: what changes a and b do together beyond the sum of what each does alone, paired by \
                 seed; Holm-corrected over the pairs within each column"
                    .into(),
            );
        }
        notes.extend(self.iqm());
        notes.extend(self.ranking());
        notes.extend(self.looks());
        notes.extend(self.unequal());
        if !self.complete() {
            let listed = self.missing.iter().take(LISTED);
            notes.extend(listed.map(|missing| format!("missing: {missing}")));
            if self.missing.len() > LISTED {
                let rest = self.missing.len() - LISTED;
                notes.push(format!("missing: {rest} more, all of them in the JSON form"));
            }
        }
        notes
    }

    fn source(&self) -> String {
        let same = self.metrics.iter().all(|metric| metric.split == self.metrics[0].split);
        let splits = match self.metrics.first() {
            Some(metric) if same => format!("split `{}`, ", metric.split),
            // The titles of the columns say which.
            _ => String::new(),
        };
        let n = self.input.seeds.len();
        let count =
            if self.input.sequential.is_some() { String::new() } else { format!(", n = {n}") };
        let spread = if n > 1 { "; mean ± sd over seeds" } else { "" };
        format!("{splits}checkpoint `{}`{count}{spread}", self.input.checkpoint)
    }

    fn differences(&self) -> Vec<String> {
        if self.input.view.means_only {
            return Vec::new();
        }
        let interval = if self.has_intervals() { ", with its 95 % paired t interval" } else { "" };
        let baseline = &self.input.baseline;
        let mut notes =
            vec![format!("Δ: mean difference to `{baseline}`, paired by seed{interval}")];
        if self.has_effects() {
            notes.push(
                "g: Δ in units of the standard deviation of the paired differences, with Hedges' correction".into(),
            );
        }
        notes
    }

    fn significance(&self) -> String {
        let compared: Vec<&Row> = self.rows.iter().filter(|row| row.p.is_some()).collect();
        let Some(pairs) = compared.iter().map(|row| row.pairs).max() else {
            return format!("no variant shares a seed with `{}`", self.input.baseline);
        };
        let fewest = compared.iter().map(|row| row.pairs).min().unwrap_or(pairs);
        // Variants within one column: what Holm's correction counts.
        let variants = self.input.variants.len() - 1;
        if smallest_p(pairs) >= SIGNIFICANT {
            let p = smallest_p(pairs);
            return format!("n = {pairs}: no two-sided sign-flip p can be below {p}");
        }
        let floor = smallest_p(pairs) * variants as f64;
        if floor >= SIGNIFICANT {
            return format!(
                "n = {pairs}: after Holm's correction over {variants} variants no two-sided sign-flip p can be \
                 below {}",
                floor.min(1.0)
            );
        }
        let patterns = if pairs <= EXACT_PAIRS {
            "exact two-sided sign-flip test".to_owned()
        } else {
            format!("two-sided sign-flip test with {DRAWS} random sign patterns")
        };
        let unequal =
            if fewest < pairs { format!(" ({fewest} to {pairs} pairs)") } else { String::new() };
        let within = if self.has_groups() { "column" } else { "metric" };
        let holm = match variants {
            1 => String::new(),
            _ => format!(", Holm-corrected over {variants} variants within each {within}"),
        };
        let against = if self.input.view.means_only {
            format!(" against `{}`", self.input.baseline)
        } else {
            String::new()
        };
        let starred = compared.iter().any(|row| row.p_holm.is_some_and(|p| p < SIGNIFICANT));
        let sign = if starred { "*: p < 0.05" } else { "no difference has p < 0.05" };
        format!("{sign}{against}, {patterns} paired by seed{unequal}{holm}")
    }

    fn has_groups(&self) -> bool {
        self.metrics.iter().any(|metric| !self.heading(metric).is_empty())
    }

    fn iqm(&self) -> Vec<String> {
        if !self.input.view.iqm {
            return Vec::new();
        }
        let most = self.rows.iter().map(|row| row.n).max().unwrap_or(0);
        let few = if most < 4 && self.aggregates.is_empty() {
            format!("; of {most} values nothing is left out")
        } else {
            String::new()
        };
        let strata = if self.aggregates.is_empty() { "" } else { ", stratified by group" };
        vec![format!(
            "IQM: mean without the lowest and the highest quarter of the values{few}; 95 % percentile bootstrap \
             interval from {RESAMPLES} resamples of the seeds{strata}"
        )]
    }

    fn ranking(&self) -> Vec<String> {
        if !self.input.view.ranks {
            return Vec::new();
        }
        let mut notes = vec![
            "ranks: of the means over the seeds that all variants have, 1 is the best, equals share; the mean is \
             over the columns"
                .to_owned(),
        ];
        let (fewest, most) = self
            .friedman
            .iter()
            .fold((usize::MAX, 0), |(fewest, most), test| (fewest.min(test.n), most.max(test.n)));
        if most < self.input.seeds.len() || fewest < most {
            let seeds =
                if fewest < most { format!("{fewest} to {most}") } else { most.to_string() };
            let all = self.input.seeds.len();
            notes.push(format!("ranks and Friedman's test use {seeds} of {all} seeds"));
        }
        let tests: Vec<String> = self
            .metrics
            .iter()
            .zip(&self.friedman)
            .filter(|(metric, _)| metric.higher_is_better.is_some())
            .filter_map(|(metric, test)| Some(self.friedman_text(metric, test, test.p?)))
            .collect();
        if tests.is_empty() {
            notes.push("Friedman's test needs three variants and two seeds that all have".into());
        } else {
            notes.push(format!("Friedman's test over seeds (χ²): {}", tests.join(", ")));
        }
        notes
    }

    fn friedman_text(&self, metric: &MetricColumn, test: &Friedman, p: f64) -> String {
        let heading = self.heading(metric);
        let place = if heading.is_empty() { String::new() } else { format!(" on {heading}") };
        let p = if p < 1e-3 { format!("{p:.1e}") } else { format!("{p:.3}") };
        format!("`{}`{place} p = {p}", test.metric)
    }

    /// How many looks at the test split there have been.
    fn looks(&self) -> Option<String> {
        let on_test = self.metrics.iter().any(|metric| metric.split == "test");
        let count = self.input.test_variants;
        (on_test && count > 1).then(|| {
            format!(
                "{count} configurations of this experiment have been scored on `test`: the best of {count} looks \
                 better than it is"
            )
        })
    }

    /// What makes the numbers of seeds differ.
    fn unequal(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if let Some(rule) = &self.input.sequential {
            let until = match rule.half_width {
                Some(half_width) => format!(" until the interval's half width was ≤ {half_width}"),
                None => String::new(),
            };
            notes.push(format!(
                "seeds added{until}, at most {}: n differs by design, and a difference uses the seeds that both \
                 variants have",
                rule.max
            ));
        }
        let mut stopped: Vec<(String, u64, Vec<u64>)> = Vec::new();
        for trial in &self.input.pruned {
            let place = if trial.group.is_empty() {
                format!("`{}`", trial.variant)
            } else {
                format!("`{}` on `{}`", trial.variant, trial.group)
            };
            match stopped.iter_mut().find(|(known, _, _)| *known == place) {
                Some((_, epoch, seeds)) => {
                    *epoch = (*epoch).max(trial.epoch);
                    seeds.push(trial.seed);
                }
                None => stopped.push((place, trial.epoch, vec![trial.seed])),
            }
        }
        notes.extend(stopped.into_iter().map(|(place, epoch, seeds)| {
            let seeds: Vec<String> = seeds.iter().map(u64::to_string).collect();
            let noun = if seeds.len() == 1 { "seed" } else { "seeds" };
            format!(
                "{place} was pruned at epoch {epoch} ({noun} {}): its values are left out",
                seeds.join(", ")
            )
        }));
        notes.extend(self.input.absent.iter().map(|place| {
            format!("`{}` on `{}` is not part of the sweep", place.variant, place.group)
        }));
        if !self.complete() {
            let asked =
                if self.input.view.allow_unequal { "incomplete, as allowed" } else { "incomplete" };
            notes
                .push(format!("{asked}: a difference uses only the seeds that both variants have"));
        }
        notes
    }
}
