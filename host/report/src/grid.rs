//! The table as people see it: one line per variant, one column per metric, and differences beside the objectives;
//! below it what else was asked for.

use crate::{
    MetricColumn, Row, Table,
    digits::{plain_with_interval, rounded, with_interval, with_spread},
    interactions::Interaction,
};

/// Below it a corrected p gets a star.
pub(crate) const SIGNIFICANT: f64 = 0.05;

/// What stands where there is nothing.
const NOTHING: &str = "–";

/// Titles and cells, the same in all forms for people.
#[derive(Debug)]
pub(crate) struct Grid {
    /// What the grid is, for the ones below the main one.
    pub(crate) part: &'static str,
    pub(crate) columns: Vec<Column>,
    pub(crate) lines: Vec<Vec<Cell>>,
}

/// The main grid.
pub(crate) const MAIN: &str = "";

#[derive(Debug, Default)]
pub(crate) struct Column {
    pub(crate) title: String,
    /// What stands above the column and its neighbors of the same group.
    pub(crate) heading: String,
    /// A name of the column that stays when other columns come or go.
    pub(crate) id: String,
    /// Whether the column must stay beside the one before it.
    pub(crate) bound: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Cell {
    pub(crate) text: String,
    /// Whether it is made of numbers and not a name.
    pub(crate) numeric: bool,
    pub(crate) best: bool,
    pub(crate) star: bool,
    /// The row of the table whose runs it comes from.
    pub(crate) row: Option<usize>,
}

impl Cell {
    fn name(text: &str) -> Self {
        Self { text: text.to_owned(), ..Self::default() }
    }

    fn number(text: String) -> Self {
        Self { text, numeric: true, ..Self::default() }
    }

    fn or_nothing(text: Option<String>) -> Self {
        text.map_or_else(|| Self::name(NOTHING), Self::number)
    }
}

impl Table {
    /// The table, and below it what else there is.
    pub(crate) fn grids(&self) -> Vec<Grid> {
        let mut grids = vec![self.main_grid()];
        if !self.interactions.is_empty() && !self.input.view.means_only {
            grids.push(self.interaction_grid());
        }
        if self.input.view.iqm {
            grids.push(self.iqm_grid());
        }
        if self.input.view.ranks {
            grids.push(self.rank_grid());
        }
        grids
    }

    fn main_grid(&self) -> Grid {
        let mut columns = vec![
            Column { title: self.row_title().into(), id: "name".into(), ..Column::default() },
            Column { title: "n".into(), id: "n".into(), bound: true, ..Column::default() },
        ];
        let interval = if self.has_intervals() { " [95 %]" } else { "" };
        for metric in &self.metrics {
            columns.push(self.column(metric));
            if !self.shows_delta(metric) {
                continue;
            }
            // Beside its column a difference needs no name, unless there are several.
            let beside = |other: &&MetricColumn| {
                self.heading(other) == self.heading(metric) && self.shows_delta(other)
            };
            let several = self.metrics.iter().filter(beside).count() > 1;
            let name = if several { format!(" {}", metric.name) } else { String::new() };
            let mut push = |title: String, id: &str| {
                let id = self.id(metric, &format!("{id} {}", metric.name));
                columns.push(Column { title, heading: self.heading(metric), id, bound: true });
            };
            push(format!("Δ{name}{interval}"), "Δ");
            if self.has_effects() {
                push(format!("g{name}"), "g");
            }
        }
        let best = self.best_means();
        let lines = (0..self.input.variants.len()).map(|variant| self.line(variant, &best));
        Grid { part: MAIN, columns, lines: lines.collect() }
    }

    /// Objectives show their difference to the baseline; without any objective the first metric does.
    pub(crate) fn shows_delta(&self, metric: &MetricColumn) -> bool {
        let first = self.metrics.first().is_some_and(|first| first.name == metric.name);
        let decides = metric.objective || (first && !self.metrics.iter().any(|m| m.objective));
        decides && self.input.variants.len() > 1 && !self.input.view.means_only
    }

    /// A single pair has no interval.
    pub(crate) fn has_intervals(&self) -> bool {
        self.rows.iter().any(|row| row.ci_low.is_some())
    }

    /// Whether an effect size is shown: two pairs have none without bias.
    pub(crate) fn has_effects(&self) -> bool {
        self.shown_deltas().any(|row| row.hedges_g.is_some())
    }

    /// The rows whose differences are shown.
    fn shown_deltas(&self) -> impl Iterator<Item = &Row> {
        let columns = self.metrics.len().max(1);
        let shown =
            move |(index, _): &(usize, &Row)| self.shows_delta(&self.metrics[index % columns]);
        self.rows.iter().enumerate().filter(shown).map(|(_, row)| row)
    }

    pub(crate) fn row_title(&self) -> &str {
        let title = &self.input.view.row_title;
        if title.is_empty() { "variant" } else { title }
    }

    /// What stands above a column: its group, and its split where there are several.
    pub(crate) fn heading(&self, metric: &MetricColumn) -> String {
        let several = self.metrics.iter().any(|other| other.split != metric.split);
        let split = if several { metric.split.as_str() } else { "" };
        match (metric.group.as_str(), split) {
            (group, "") => group.to_owned(),
            ("", split) => split.to_owned(),
            (group, split) => format!("{group}, {split}"),
        }
    }

    fn column(&self, metric: &MetricColumn) -> Column {
        let mut title = metric.name.clone();
        if let Some(unit) = &metric.unit {
            title = format!("{title} ({unit})");
        }
        match metric.higher_is_better {
            Some(true) => title += " ↑",
            Some(false) => title += " ↓",
            None => {}
        }
        let id = self.id(metric, &metric.name);
        Column { title, heading: self.heading(metric), id, bound: false }
    }

    fn id(&self, metric: &MetricColumn, name: &str) -> String {
        let heading = self.heading(metric);
        if heading.is_empty() { name.to_owned() } else { format!("{heading}: {name}") }
    }

    fn line(&self, variant: usize, best: &[Option<f64>]) -> Vec<Cell> {
        let first = self.metrics.first().map(|_| self.row(variant, 0));
        let n = first.map_or(0, |row| row.n);
        let pruned =
            (0..self.metrics.len()).all(|column| self.row(variant, column).pruned.is_some());
        let count = match first.and_then(|row| row.pruned) {
            Some(_) if pruned => Cell::name("pruned"),
            _ => Cell::number(self.count(n)),
        };
        let has_effects = self.has_effects();
        let mut line = vec![Cell::name(&self.input.variants[variant]), count];
        for (column, metric) in self.metrics.iter().enumerate() {
            let index = variant * self.metrics.len() + column;
            let row = &self.rows[index];
            let star = row.p_holm.is_some_and(|p| p < SIGNIFICANT);
            let shows_delta = self.shows_delta(metric);
            let star_here = star && !shows_delta;
            let best = row.mean.is_some() && row.mean == best[column];
            let mean = mean_cell(row, n, pruned);
            line.push(Cell { best, star: star_here, row: Some(index), ..mean });
            if shows_delta {
                let baseline = variant == self.baseline();
                line.push(delta_cell(row, baseline, star));
                if has_effects {
                    let text = row.hedges_g.map(|g| rounded(g, 2));
                    line.push(if baseline { Cell::name("") } else { Cell::or_nothing(text) });
                }
            }
        }
        line
    }

    /// How many seeds, of how many where that should be one number.
    fn count(&self, n: usize) -> String {
        let seeds = self.input.seeds.len();
        if n == seeds || self.input.sequential.is_some() {
            n.to_string()
        } else {
            format!("{n}/{seeds}")
        }
    }

    /// The best mean of each column with a direction, where there is something to choose from.
    fn best_means(&self) -> Vec<Option<f64>> {
        let best = |(column, metric): (usize, &MetricColumn)| {
            let higher_is_better = metric.higher_is_better?;
            let own = self.rows.iter().skip(column).step_by(self.metrics.len());
            let means = own.filter_map(|row| row.mean);
            means
                .reduce(|best, mean| if higher_is_better { best.max(mean) } else { best.min(mean) })
        };
        let several = self.input.variants.len() > 1;
        self.metrics.iter().enumerate().map(|column| best(column).filter(|_| several)).collect()
    }

    fn interaction_grid(&self) -> Grid {
        let shown: Vec<usize> = (0..self.metrics.len())
            .filter(|index| self.shows_delta(&self.metrics[*index]))
            .collect();
        let interval =
            if self.interactions.iter().any(|one| one.ci_low.is_some()) { " [95 %]" } else { "" };
        let mut columns =
            vec![Column { title: "interaction".into(), id: "name".into(), ..Column::default() }];
        for column in &shown {
            let metric = &self.metrics[*column];
            columns.push(Column {
                title: format!("{}: Δab − Δa − Δb{interval}", metric.name),
                id: self.id(metric, &format!("interaction {}", metric.name)),
                ..self.column(metric)
            });
        }
        let lines = self.interactions.chunks(self.metrics.len()).map(|pair| {
            let name = format!("a = {}, b = {}", pair[0].first, pair[0].second);
            let cells = shown.iter().map(|column| interaction_cell(&pair[*column]));
            std::iter::once(Cell::name(&name)).chain(cells).collect()
        });
        Grid { part: "interactions", lines: lines.collect(), columns }
    }

    fn iqm_grid(&self) -> Grid {
        let mut columns =
            vec![Column { title: self.row_title().into(), id: "name".into(), ..Column::default() }];
        columns.extend(self.metrics.iter().map(|metric| {
            let column = self.column(metric);
            Column {
                title: format!("IQM {}", column.title),
                id: self.id(metric, &format!("IQM {}", metric.name)),
                ..column
            }
        }));
        let per_variant = self.aggregates.len() / self.input.variants.len().max(1);
        for pooled in self.aggregates.iter().take(per_variant) {
            let metric = MetricColumn {
                name: pooled.metric.clone(),
                split: pooled.split.clone(),
                group: format!("all {}", pooled.groups),
                ..MetricColumn::default()
            };
            let column = self.column(&metric);
            let id = self.id(&metric, &format!("IQM {}", metric.name));
            columns.push(Column { title: format!("IQM {}", column.title), id, ..column });
        }
        let lines = self.input.variants.iter().enumerate().map(|(index, variant)| {
            let mut line = vec![Cell::name(variant)];
            for column in 0..self.metrics.len() {
                let row = self.row(index, column);
                let text =
                    row.iqm.map(|iqm| plain_with_interval(iqm, row.iqm_low.zip(row.iqm_high)));
                let place = Some(index * self.metrics.len() + column);
                line.push(Cell { row: place, ..Cell::or_nothing(text) });
            }
            let pooled = self.aggregates.iter().skip(index * per_variant).take(per_variant);
            line.extend(pooled.map(|pooled| {
                let interval = pooled.iqm_low.zip(pooled.iqm_high);
                Cell::or_nothing(pooled.iqm.map(|iqm| plain_with_interval(iqm, interval)))
            }));
            line
        });
        Grid { part: "iqm", lines: lines.collect(), columns }
    }

    fn rank_grid(&self) -> Grid {
        let with_direction = |index: &usize| self.metrics[*index].higher_is_better.is_some();
        let shown: Vec<usize> = (0..self.metrics.len()).filter(with_direction).collect();
        let mut columns = vec![
            Column { title: self.row_title().into(), id: "name".into(), ..Column::default() },
            Column {
                title: "mean rank".into(),
                id: "mean rank".into(),
                bound: true,
                ..Column::default()
            },
        ];
        for index in &shown {
            let metric = &self.metrics[*index];
            let id = self.id(metric, &format!("rank {}", metric.name));
            columns.push(Column { title: metric.name.clone(), id, ..self.column(metric) });
        }
        let best = self.ranks.iter().filter_map(|rank| rank.mean_rank).reduce(f64::min);
        let lines = self.ranks.iter().enumerate().map(|(index, rank)| {
            let mean = Cell {
                best: rank.mean_rank.is_some() && rank.mean_rank == best,
                ..Cell::or_nothing(rank.mean_rank.map(|rank| rounded(rank, 2)))
            };
            let own = shown.iter().map(|column| {
                let rank = self.row(index, *column).rank;
                let digits = usize::from(rank.is_some_and(|rank| rank.fract() != 0.0));
                let place = Some(index * self.metrics.len() + column);
                Cell { row: place, ..Cell::or_nothing(rank.map(|rank| rounded(rank, digits))) }
            });
            [Cell::name(&rank.variant), mean].into_iter().chain(own).collect()
        });
        Grid { part: "ranks", lines: lines.collect(), columns }
    }
}

fn mean_cell(row: &Row, n: usize, pruned: bool) -> Cell {
    let Some(mean) = row.mean else {
        return Cell::name(if row.pruned.is_some() && !pruned { "pruned" } else { NOTHING });
    };
    let text = with_spread(mean, row.sd);
    // The column of counts speaks of the first metric.
    let text = if row.n == n { text } else { format!("{text} (n = {})", row.n) };
    Cell::number(text)
}

fn delta_cell(row: &Row, baseline: bool, star: bool) -> Cell {
    if baseline {
        return Cell::name("baseline");
    }
    let interval = row.ci_low.zip(row.ci_high);
    Cell { star, ..Cell::or_nothing(row.delta.map(|delta| with_interval(delta, interval))) }
}

fn interaction_cell(interaction: &Interaction) -> Cell {
    let interval = interaction.ci_low.zip(interaction.ci_high);
    let star = interaction.p_holm.is_some_and(|p| p < SIGNIFICANT);
    Cell { star, ..Cell::or_nothing(interaction.delta.map(|delta| with_interval(delta, interval))) }
}
