//! The table as people see it: one line per variant, one column per metric, and differences beside the objectives.

use crate::{
    MetricColumn, Row, Table,
    digits::{with_interval, with_spread},
};

/// Below it a corrected p gets a star.
pub(crate) const SIGNIFICANT: f64 = 0.05;

/// What stands where there is nothing.
const NOTHING: &str = "–";

/// Titles and cells, the same in all forms for people.
#[derive(Debug)]
pub(crate) struct Grid {
    pub(crate) columns: Vec<Column>,
    pub(crate) lines: Vec<Vec<Cell>>,
}

#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) title: String,
    /// Whether the column must stay beside the one before it.
    pub(crate) bound: bool,
}

#[derive(Debug)]
pub(crate) struct Cell {
    pub(crate) text: String,
    /// Whether it is made of numbers and not a name.
    pub(crate) numeric: bool,
    pub(crate) best: bool,
    pub(crate) star: bool,
}

impl Cell {
    fn name(text: &str) -> Self {
        Self { text: text.to_owned(), numeric: false, best: false, star: false }
    }
}

impl Table {
    pub(crate) fn grid(&self) -> Grid {
        let mut columns = vec![
            Column { title: "variant".into(), bound: false },
            Column { title: "n".into(), bound: true },
        ];
        let compared: Vec<_> =
            self.metrics.iter().filter(|metric| self.shows_delta(metric)).collect();
        let interval = if self.has_intervals() { " [95 %]" } else { "" };
        for metric in &self.metrics {
            columns.push(Column { title: self.title(metric), bound: false });
            if self.shows_delta(metric) {
                let name =
                    if compared.len() > 1 { format!(" {}", metric.name) } else { String::new() };
                columns.push(Column { title: format!("Δ{name}{interval}"), bound: true });
            }
        }
        let lines = self.input.variants.iter().map(|variant| self.line(variant)).collect();
        Grid { columns, lines }
    }

    /// Objectives show their difference to the baseline; without any objective the first metric does.
    pub(crate) fn shows_delta(&self, metric: &MetricColumn) -> bool {
        let first = self.metrics.first().is_some_and(|first| first.name == metric.name);
        self.input.variants.len() > 1 && (metric.objective || first)
    }

    /// A single pair has no interval.
    pub(crate) fn has_intervals(&self) -> bool {
        self.rows.iter().any(|row| row.ci_low.is_some())
    }

    fn title(&self, metric: &MetricColumn) -> String {
        let mut title = metric.name.clone();
        if self.metrics.iter().any(|other| other.split != metric.split) {
            title = format!("{title} on {}", metric.split);
        }
        if let Some(unit) = &metric.unit {
            title = format!("{title} ({unit})");
        }
        match metric.higher_is_better {
            Some(true) => title + " ↑",
            Some(false) => title + " ↓",
            None => title,
        }
    }

    fn line(&self, variant: &str) -> Vec<Cell> {
        let seeds = self.input.seeds.len();
        let n = self.metrics.first().map_or(0, |metric| self.row(variant, &metric.name).n);
        let count = if n == seeds { n.to_string() } else { format!("{n}/{seeds}") };
        let mut line = vec![Cell::name(variant), Cell { numeric: true, ..Cell::name(&count) }];
        for metric in &self.metrics {
            let row = self.row(variant, &metric.name);
            let star = row.p_holm.is_some_and(|p| p < SIGNIFICANT);
            let shows_delta = self.shows_delta(metric);
            line.push(self.mean_cell(row, metric, n, star && !shows_delta));
            if shows_delta {
                line.push(delta_cell(row, variant == self.input.baseline, star));
            }
        }
        line
    }

    fn mean_cell(&self, row: &Row, metric: &MetricColumn, n: usize, star: bool) -> Cell {
        let Some(mean) = row.mean else { return Cell::name(NOTHING) };
        let mut text = with_spread(mean, row.sd);
        if row.n != n {
            // The column of counts speaks of the first metric.
            text = format!("{text} (n = {})", row.n);
        }
        Cell { text, numeric: true, best: self.is_best(mean, metric), star }
    }

    fn is_best(&self, mean: f64, metric: &MetricColumn) -> bool {
        let Some(higher_is_better) = metric.higher_is_better else { return false };
        let others = self.rows.iter().filter(|row| row.metric == metric.name);
        self.input.variants.len() > 1
            && others
                .filter_map(|row| row.mean)
                .all(|other| if higher_is_better { mean >= other } else { mean <= other })
    }
}

fn delta_cell(row: &Row, baseline: bool, star: bool) -> Cell {
    match row.delta {
        _ if baseline => Cell::name("baseline"),
        None => Cell::name(NOTHING),
        Some(delta) => {
            let text = with_interval(delta, row.ci_low.zip(row.ci_high));
            Cell { text, numeric: true, best: false, star }
        }
    }
}
