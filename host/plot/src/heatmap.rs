//! A heat map: the mean of a metric over a grid of two axes.

use std::{cmp::Ordering, fmt::Write};

use crate::{
    Error, Measure, Picture,
    canvas::{self, Align, At, Canvas, Type, fill, stroke},
    color_bar::{Colors, color_bar, hatch, room},
    frame::{Edges, LABEL},
    heading::{Caption, heading},
    numbers::{Numbers, counted, short},
    palette::{INK, PAPER, SOFT, text_on},
    scale::Scale,
    summary::Summary,
    text::{elide, name_lines, width},
    ticks::Ticks,
};

/// What a heat map is drawn from.
#[derive(Clone, Debug, PartialEq)]
pub struct Heatmap {
    /// The experiment's name.
    pub experiment: String,
    /// What is shown.
    pub measure: Measure,
    /// The key of the horizontal axis.
    pub x: String,
    /// The key of the vertical axis.
    pub y: String,
    /// How many values a complete cell has.
    pub seeds: usize,
    /// The cells in any order; places of the grid that no cell has are hatched.
    pub cells: Vec<HeatmapCell>,
    /// Sentences that follow the caption, such as what is missing.
    pub notes: Vec<String>,
}

/// One cell of the grid.
#[derive(Clone, Debug, PartialEq)]
pub struct HeatmapCell {
    /// Where it stands.
    pub x: HeatmapValue,
    /// Where it stands.
    pub y: HeatmapValue,
    /// One value per seed.
    pub values: Vec<f64>,
    /// Whether it is the variant that the others are compared with.
    pub baseline: bool,
}

/// A value of an axis. Numbers are sorted, the largest to the right or at the top; words stay in their order.
#[derive(Clone, Debug, PartialEq)]
pub enum HeatmapValue {
    /// A number.
    Number(f64),
    /// Anything else.
    Text(String),
}

impl HeatmapValue {
    fn label(&self) -> String {
        match self {
            Self::Number(number) => short(*number, 6),
            Self::Text(text) => text.clone(),
        }
    }
}

const WIDTH: f64 = 500.0;
/// Narrower sheets have no room for their words.
const NARROWEST: f64 = 360.0;
const MARGIN: f64 = 10.0;
const TOP: f64 = 62.0;
const BELOW: f64 = 46.0;
const NAME: f64 = 120.0;
const CELL: (f64, f64) = (92.0, 44.0);
const SMALLEST: (f64, f64) = (26.0, 22.0);
const TALLEST: f64 = 300.0;
const SIZES: [f64; 5] = [13.0, 12.0, 11.0, 10.0, 9.0];

/// A cell at its place.
struct Placed<'a> {
    column: usize,
    row: usize,
    cell: &'a HeatmapCell,
    summary: Option<Summary>,
    /// Its mean, and below it what else is to be said.
    texts: Option<(String, Option<String>)>,
}

/// The grid on the sheet.
struct Grid<'a> {
    x: Vec<&'a HeatmapValue>,
    y: Vec<&'a HeatmapValue>,
    cells: Vec<Placed<'a>>,
    edges: Edges,
    cell: (f64, f64),
    /// The size of type that all means fit in, if there is one.
    size: Option<f64>,
    /// Whether there is room for the second line.
    second: bool,
}

/// Draws a heat map. Bright is better where the metric has a direction, else higher.
///
/// # Errors
/// [`Error::Empty`] without a finite value; [`Error::SamePlace`] when two cells have the same place.
pub fn heatmap(input: &Heatmap) -> Result<Picture, Error> {
    let x = axis(input.cells.iter().map(|cell| &cell.x));
    let mut y = axis(input.cells.iter().map(|cell| &cell.y));
    if all_numbers(&y) {
        y.reverse();
    }
    let mut cells = placed(input, &x, &y)?;
    let means: Vec<f64> = cells.iter().filter_map(|cell| cell.summary.map(|s| s.mean)).collect();
    if means.is_empty() {
        let Measure { name, split, .. } = &input.measure;
        return Err(Error::Empty { metric: name.clone(), split: split.clone() });
    }
    let log = input.measure.may_be_logarithmic() && Scale::is_log(means.iter().copied());
    let scale = Scale::around(means.iter().copied(), log);
    let ticks = Ticks::of(&scale, (row_height(y.len()) * y.len() as f64 / 30.0).min(5.0) as usize);
    let factor = write(&mut cells, &means, log, input.seeds);
    let grid = Grid::new(x, y, cells, room(&ticks) + MARGIN);
    let sheet = (grid.edges.right + room(&ticks) + MARGIN).max(NARROWEST);
    let caption = Caption::new(&caption(input, &grid), &input.notes, sheet);
    let height = grid.edges.bottom + BELOW + caption.height();
    let words = format!("{}: {} over two axes", input.experiment, input.measure.name);
    Ok(canvas::paint((sheet, height), &words, &caption.text, |canvas| {
        let factor = ticks.factor.as_deref().or(factor.as_deref());
        heading(canvas, &input.measure.title(factor), &input.measure, sheet);
        let colors = Colors::new(scale, &input.measure);
        grid.draw(canvas, colors, &input.measure);
        grid.names(canvas, input);
        color_bar(canvas, &grid.edges, colors, &ticks);
        caption.draw(canvas, grid.edges.bottom + BELOW);
    }))
}

/// The height of a row; few rows leave room for the marks of the color bar.
fn row_height(rows: usize) -> f64 {
    let rows = rows as f64;
    (TALLEST / rows).clamp(SMALLEST.1, CELL.1).max(90.0 / rows)
}

/// The different values of an axis.
fn axis<'a>(values: impl Iterator<Item = &'a HeatmapValue>) -> Vec<&'a HeatmapValue> {
    let mut axis: Vec<&HeatmapValue> = Vec::new();
    for value in values {
        if !axis.contains(&value) {
            axis.push(value);
        }
    }
    axis.sort_by(|a, b| match (a, b) {
        (HeatmapValue::Number(a), HeatmapValue::Number(b)) => a.total_cmp(b),
        // Numbers first, so that the order is one.
        (HeatmapValue::Number(_), HeatmapValue::Text(_)) => Ordering::Less,
        (HeatmapValue::Text(_), HeatmapValue::Number(_)) => Ordering::Greater,
        (HeatmapValue::Text(_), HeatmapValue::Text(_)) => Ordering::Equal,
    });
    axis
}

fn all_numbers(values: &[&HeatmapValue]) -> bool {
    values.iter().all(|value| matches!(value, HeatmapValue::Number(_)))
}

fn placed<'a>(
    input: &'a Heatmap,
    x: &[&HeatmapValue],
    y: &[&HeatmapValue],
) -> Result<Vec<Placed<'a>>, Error> {
    let mut cells: Vec<Placed<'_>> = Vec::new();
    for cell in &input.cells {
        let find = |axis: &[&HeatmapValue], wanted: &HeatmapValue| {
            axis.iter().position(|value| *value == wanted)
        };
        // Only what is not equal to itself is not found.
        let (Some(column), Some(row)) = (find(x, &cell.x), find(y, &cell.y)) else { continue };
        if cells.iter().any(|other| (other.column, other.row) == (column, row)) {
            let place =
                format!("{} = {}, {} = {}", input.x, cell.x.label(), input.y, cell.y.label());
            return Err(Error::SamePlace { metric: input.measure.name.clone(), place });
        }
        let summary = Summary::of(cell.values.iter().copied());
        cells.push(Placed { column, row, cell, summary, texts: None });
    }
    Ok(cells)
}

/// Writes the numbers of the cells; the power of ten that they leave out.
fn write(cells: &mut [Placed<'_>], means: &[f64], log: bool, seeds: usize) -> Option<String> {
    let (low, high) = means
        .iter()
        .fold((f64::MAX, f64::MIN), |(low, high), mean| (low.min(*mean), high.max(*mean)));
    let largest = low.abs().max(high.abs());
    // Two digits of a tenth of the range, so that neighbours differ.
    let detail = if high > low { (high - low) / 10.0 } else { largest / 10.0 };
    let numbers = Numbers::two_digits(largest, detail);
    for cell in cells {
        let Some(summary) = cell.summary else { continue };
        // Over orders of magnitude no number of decimals suits all.
        let number = |value| if log { short(value, 3) } else { numbers.write(value) };
        let second = if summary.n < seeds {
            Some(format!("n={}", summary.n))
        } else {
            summary.sd.map(|sd| format!("±{}", if log { short(sd, 2) } else { numbers.write(sd) }))
        };
        cell.texts = Some((number(summary.mean), second));
    }
    numbers.factor().filter(|_| !log)
}

impl<'a> Grid<'a> {
    fn new(
        x: Vec<&'a HeatmapValue>,
        y: Vec<&'a HeatmapValue>,
        cells: Vec<Placed<'a>>,
        right: f64,
    ) -> Self {
        let names = y.iter().map(|value| width(&value.label(), LABEL, false)).fold(20.0, f64::max);
        let left = MARGIN + names.min(NAME) + 8.0;
        let cell = (
            ((WIDTH - left - right) / x.len() as f64).clamp(SMALLEST.0, CELL.0),
            row_height(y.len()),
        );
        let edges = Edges {
            left,
            right: left + cell.0 * x.len() as f64,
            top: TOP,
            bottom: TOP + cell.1 * y.len() as f64,
        };
        let texts = || cells.iter().filter_map(|cell| cell.texts.as_ref());
        let first = texts().map(|(mean, _)| width(mean, 1.0, true)).fold(0.0, f64::max);
        let second = texts().filter_map(|(_, second)| second.as_ref());
        let second = second.map(|text| width(text, 1.0, false)).fold(0.0, f64::max);
        let fits = |size: &f64| first * size <= cell.0 - 4.0 && size + 4.0 <= cell.1;
        let size = SIZES.into_iter().find(fits);
        let both = |size: f64| second * (size - 2.0) <= cell.0 - 4.0 && 2.0 * size + 6.0 <= cell.1;
        Self { x, y, edges, cell, size, second: size.is_some_and(both), cells }
    }

    fn corner(&self, column: usize, row: usize) -> At {
        let Edges { left, top, .. } = self.edges;
        (left + column as f64 * self.cell.0, top + row as f64 * self.cell.1)
    }

    fn draw(&self, canvas: &Canvas<'_>, colors: Colors, measure: &Measure) {
        for row in 0..self.y.len() {
            for column in 0..self.x.len() {
                let (from, to) = (self.corner(column, row), self.corner(column + 1, row + 1));
                let found = self.cells.iter().find(|cell| (cell.column, cell.row) == (column, row));
                match found.and_then(|cell| cell.summary) {
                    Some(summary) => {
                        canvas.rectangle(from, to, fill(colors.of(summary.mean), 1.0));
                    }
                    None => hatch(canvas, from, to),
                }
            }
        }
        self.lines(canvas);
        let best = self.best(measure);
        for cell in &self.cells {
            self.write(canvas, cell, colors, best);
        }
    }

    fn write(&self, canvas: &Canvas<'_>, cell: &Placed<'_>, colors: Colors, best: Option<f64>) {
        let Placed { column, row, summary, .. } = *cell;
        let (from, to) = (self.corner(column, row), self.corner(column + 1, row + 1));
        let color = summary.map_or(INK, |summary| text_on(colors.of(summary.mean)));
        if cell.cell.baseline {
            // Apart from the white lines between the cells, since the outline may be white too.
            let inside = 3.5;
            let corners = ((from.0 + inside, from.1 + inside), (to.0 - inside, to.1 - inside));
            canvas.outline(corners.0, corners.1, stroke(color, 1.0, 2.0));
        }
        let (Some((mean, second)), Some(size)) = (&cell.texts, self.size) else { return };
        let second = second.as_ref().filter(|_| self.second);
        let middle = (f64::midpoint(from.0, to.0), f64::midpoint(from.1, to.1));
        let shift = if second.is_some() { -size * 0.6 } else { 0.0 };
        let bold = summary.is_some_and(|summary| Some(summary.mean) == best);
        let kind = Type::new(size, color, Align::Center).bold(bold);
        canvas.text(mean, (middle.0, middle.1 + size * 0.35 + shift), kind);
        if let Some(text) = second {
            let kind = Type::new(size - 2.0, color, Align::Center);
            canvas.text(text, (middle.0, middle.1 + size * 0.95 + 2.0), kind);
        }
    }

    /// White lines between the cells.
    fn lines(&self, canvas: &Canvas<'_>) {
        let Edges { left, right, top, bottom } = self.edges;
        let style = stroke(PAPER, 1.0, 1.5);
        for column in 1..self.x.len() {
            let x = self.corner(column, 0).0;
            canvas.path(&[(x, top), (x, bottom)], style);
        }
        for row in 1..self.y.len() {
            let y = self.corner(0, row).1;
            canvas.path(&[(left, y), (right, y)], style);
        }
    }

    /// The best mean, if there is a better and a worse one.
    fn best(&self, measure: &Measure) -> Option<f64> {
        let better = measure.better()?;
        let means = || self.cells.iter().filter_map(|cell| cell.summary.map(|s| s.mean));
        let best = means().max_by(|a, b| (a * better).total_cmp(&(b * better)));
        best.filter(|best| means().any(|mean| mean != *best))
    }

    fn names(&self, canvas: &Canvas<'_>, input: &Heatmap) {
        let Edges { top, bottom, left, .. } = self.edges;
        for (row, value) in self.y.iter().enumerate() {
            let mut lines = name_lines(&value.label(), LABEL, false, NAME);
            if lines.len() > 1 && self.cell.1 < 2.0 * LABEL + 4.0 {
                lines = vec![elide(&value.label(), LABEL, false, NAME)];
            }
            let middle = self.corner(0, row).1 + self.cell.1 / 2.0;
            let first = middle + LABEL * 0.35 - (lines.len() as f64 - 1.0) * 7.0;
            for (index, line) in lines.iter().enumerate() {
                let at = (left - 7.0, first + index as f64 * 14.0);
                canvas.text(line, at, Type::new(LABEL, SOFT, Align::Right));
            }
        }
        let room = self.cell.0 - 3.0;
        let widest = self.x.iter().map(|value| width(&value.label(), 1.0, false));
        let widest = widest.fold(0.0, f64::max);
        let size = SIZES.into_iter().find(|size| *size <= LABEL && widest * size <= room);
        let size = size.unwrap_or(SIZES[SIZES.len() - 1]);
        for (column, value) in self.x.iter().enumerate() {
            let middle = self.corner(column, 0).0 + self.cell.0 / 2.0;
            let text = elide(&value.label(), size, false, room);
            canvas.text(&text, (middle, bottom + 17.0), Type::new(size, SOFT, Align::Center));
        }
        // An arrow only where the axis has a direction.
        let title = |key: &str, values: &[&HeatmapValue], arrow: char| {
            if all_numbers(values) { format!("{key} {arrow}") } else { key.to_owned() }
        };
        let kind = Type::new(LABEL, INK, Align::Left);
        canvas.text(&title(&input.y, &self.y, '↑'), (MARGIN, top - 9.0), kind);
        let kind = Type::new(LABEL, INK, Align::Center);
        canvas.text(&title(&input.x, &self.x, '→'), (self.edges.middle(), bottom + 36.0), kind);
    }
}

fn caption(input: &Heatmap, grid: &Grid<'_>) -> String {
    let mut text = format!("{}: mean over {}", input.experiment, counted(input.seeds, "seed"));
    let filled = || grid.cells.iter().filter_map(|cell| cell.summary);
    if grid.second && filled().any(|summary| summary.sd.is_some()) {
        text.push_str(" ± standard deviation");
    }
    text.push('.');
    if input.measure.better().is_some() {
        text.push_str(" Bright is better");
        text.push_str(if grid.best(&input.measure).is_some() { "; bold: the best." } else { "." });
    }
    if grid.cells.iter().any(|cell| cell.cell.baseline) {
        text.push_str(" Outlined: the baseline.");
    }
    let fewer = filled().filter(|summary| summary.n < input.seeds).count();
    if fewer > 0 {
        let cells = counted(fewer, "cell");
        let how = if grid.second { " (n)" } else { "" };
        // Writing to a string cannot fail.
        let _ = write!(text, " Fewer seeds in {cells}{how}.");
    }
    if filled().count() < grid.x.len() * grid.y.len() {
        text.push_str(" Hatched: no value.");
    }
    text
}
