//! The table for a terminal: as wide as the terminal at most, in several blocks if need be, never cut off.

use comfy_table::{Attribute, ContentArrangement, LineStyle, TableStyle};

use crate::{Table, grid::Grid};

/// Spaces between two columns.
const GAP: u16 = 2;

/// A line under the titles and nothing else.
const STYLE: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

impl Table {
    /// Text of at most `width` columns; the best value of each metric is bold when there is `color`.
    ///
    /// The objective and its difference come first. Metrics that do not fit beside them follow in blocks of their
    /// own; a column that does not fit alone is wrapped.
    #[must_use]
    pub fn term(&self, width: u16, color: bool) -> String {
        let width = width.max(20);
        let mut parts = vec![wrap(&self.headline(), width)];
        for grid in self.grids() {
            for block in pack(&grid, width) {
                parts.push(render(&grid, &block, width, color));
            }
        }
        let notes: Vec<_> = self.notes().iter().map(|note| wrap(note, width)).collect();
        parts.push(notes.join("\n"));
        parts.join("\n\n") + "\n"
    }

    /// One line that names the experiment and its size.
    pub(crate) fn headline(&self) -> String {
        let count = |number: usize, noun: &str| {
            let plural = if number == 1 { "" } else { "s" };
            format!("{number} {noun}{plural}")
        };
        let rows = if self.input.view.row_title.is_empty() { "variant" } else { "row" };
        let variants = count(self.input.variants.len(), rows);
        let seeds = count(self.input.seeds.len(), "seed");
        let seeds = if self.input.sequential.is_some() { format!("up to {seeds}") } else { seeds };
        let incomplete = if self.complete() { "" } else { ", incomplete" };
        format!("{}: {variants} × {seeds}{incomplete}", self.input.experiment)
    }
}

/// Spreads the columns over blocks that fit; each block repeats the first column.
fn pack(grid: &Grid, width: u16) -> Vec<Vec<usize>> {
    let widths = widths(grid);
    let fits = |columns: &[usize]| size(grid, &widths, columns) <= usize::from(width);
    // Columns that belong together are moved together, as long as they fit.
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (index, column) in grid.columns.iter().enumerate().skip(1) {
        match groups.last_mut() {
            Some(group) if column.bound && index > 1 => group.push(index),
            _ => groups.push(vec![index]),
        }
    }
    let mut blocks: Vec<Vec<usize>> = vec![vec![0]];
    for group in groups {
        let alone = [vec![0], group.clone()].concat();
        let pieces = if fits(&alone) {
            vec![group]
        } else {
            group.into_iter().map(|column| vec![column]).collect()
        };
        for piece in pieces {
            let last = blocks.last_mut().expect("there is a first block");
            last.extend(&piece);
            if !fits(last) && last.len() > piece.len() + 1 {
                last.truncate(last.len() - piece.len());
                blocks.push([vec![0], piece].concat());
            }
        }
    }
    blocks
}

/// The widths that columns have without their groups.
fn widths(grid: &Grid) -> Vec<usize> {
    let all: Vec<usize> = (0..grid.columns.len()).collect();
    let titles = all.iter().map(|index| grid.columns[*index].title.clone()).collect();
    let widths = plain(grid, &all, titles, false).column_max_content_widths();
    widths.into_iter().map(usize::from).collect()
}

/// Neighbors of one group: how many columns, and their width with the gaps between them.
fn runs(grid: &Grid, widths: &[usize], columns: &[usize]) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (position, &index) in columns.iter().enumerate() {
        let before = position.checked_sub(1).map(|before| &grid.columns[columns[before]].heading);
        match runs.last_mut() {
            Some((count, width)) if before == Some(&grid.columns[index].heading) => {
                *count += 1;
                *width += usize::from(GAP) + widths[index];
            }
            _ => runs.push((1, widths[index])),
        }
    }
    runs
}

/// The width of a block. A group's name that is wider than its columns widens the first of them.
fn size(grid: &Grid, widths: &[usize], columns: &[usize]) -> usize {
    let mut position = 0;
    let mut size = 0;
    for (count, width) in runs(grid, widths, columns) {
        let heading = grid.columns[columns[position]].heading.chars().count();
        let widened = heading.saturating_sub(widths[columns[position]]);
        size += if heading > width { width + widened } else { width } + usize::from(GAP);
        position += count;
    }
    size - usize::from(GAP)
}

fn render(grid: &Grid, columns: &[usize], width: u16, color: bool) -> String {
    let widths = widths(grid);
    let own = |index: &usize| grid.columns[*index].title.clone();
    if columns.iter().all(|index| grid.columns[*index].heading.is_empty()) {
        return arranged(plain(grid, columns, columns.iter().map(own).collect(), color), width);
    }
    let Some(above) = headings(grid, &widths, columns, width) else {
        return arranged(plain(grid, columns, titles(grid, columns), color), width);
    };
    let table = plain(grid, columns, columns.iter().map(own).collect(), color);
    format!("{above}\n{}", arranged(table, width))
}

fn arranged(mut table: comfy_table::Table, width: u16) -> String {
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    table.trim_fmt()
}

/// The names of the groups, each with a line over its columns; `None` where a name is wider than its columns.
fn headings(grid: &Grid, widths: &[usize], columns: &[usize], width: u16) -> Option<String> {
    if size(grid, widths, columns) > usize::from(width) {
        return None;
    }
    let mut line = String::new();
    let mut position = 0;
    for (count, width) in runs(grid, widths, columns) {
        let heading = &grid.columns[columns[position]].heading;
        let rest = width.checked_sub(heading.chars().count())?;
        let fill = if heading.is_empty() { ' ' } else { '─' };
        line.push_str(heading);
        if rest > 0 {
            line.push(' ');
            line.extend(std::iter::repeat_n(fill, rest - 1));
        }
        line.push_str(&" ".repeat(usize::from(GAP)));
        position += count;
    }
    Some(line.trim_end().to_owned())
}

fn plain(grid: &Grid, columns: &[usize], titles: Vec<String>, color: bool) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_style(STYLE).set_header(titles);
    for line in &grid.lines {
        table.add_row(columns.iter().map(|index| {
            let cell = &line[*index];
            let star = if cell.star { " *" } else { "" };
            let shown = comfy_table::Cell::new(format!("{}{star}", cell.text));
            if cell.best && color { shown.add_attribute(Attribute::Bold) } else { shown }
        }));
    }
    // The style itself puts one space between columns.
    let last = columns.len() - 1;
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, if index == last { 0 } else { GAP - 1 }));
    }
    if color {
        table.enforce_styling().style_text_only();
    } else {
        table.force_no_tty();
    }
    table
}

/// The titles of columns; where there are groups, the group's name stands above the first of its columns.
fn titles(grid: &Grid, columns: &[usize]) -> Vec<String> {
    let grouped = columns.iter().any(|index| !grid.columns[*index].heading.is_empty());
    let mut last = "";
    let mut titles = Vec::with_capacity(columns.len());
    for column in columns.iter().map(|index| &grid.columns[*index]) {
        let heading = if column.heading == last { "" } else { &column.heading };
        last = &column.heading;
        let title = &column.title;
        titles.push(if grouped { format!("{heading}\n{title}") } else { title.clone() });
    }
    titles
}

/// Breaks a sentence between words.
fn wrap(text: &str, width: u16) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= usize::from(width) => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join("\n")
}
