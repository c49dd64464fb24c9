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
        let grid = self.grid();
        let width = width.max(20);
        let mut parts = vec![wrap(&self.headline(), width)];
        for block in pack(&grid, width) {
            parts.push(render(&grid, &block, width, color));
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
        let variants = count(self.input.variants.len(), "variant");
        let seeds = count(self.input.seeds.len(), "seed");
        let incomplete = if self.complete() { "" } else { ", incomplete" };
        format!("{}: {variants} × {seeds}{incomplete}", self.input.experiment)
    }
}

/// Spreads the columns over blocks that fit; each block repeats the first column.
fn pack(grid: &Grid, width: u16) -> Vec<Vec<usize>> {
    let widths = plain(grid, &(0..grid.columns.len()).collect::<Vec<_>>(), false)
        .column_max_content_widths();
    let size = |columns: &[usize]| -> u32 {
        columns.iter().map(|column| u32::from(widths[*column]) + u32::from(GAP)).sum::<u32>()
            - u32::from(GAP)
    };
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
        let pieces = if size(&alone) <= u32::from(width) {
            vec![group]
        } else {
            group.into_iter().map(|column| vec![column]).collect()
        };
        for piece in pieces {
            let last = blocks.last_mut().expect("there is a first block");
            last.extend(&piece);
            if size(last) > u32::from(width) && last.len() > piece.len() + 1 {
                last.truncate(last.len() - piece.len());
                blocks.push([vec![0], piece].concat());
            }
        }
    }
    blocks
}

fn render(grid: &Grid, columns: &[usize], width: u16, color: bool) -> String {
    let mut table = plain(grid, columns, color);
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    table.trim_fmt()
}

fn plain(grid: &Grid, columns: &[usize], color: bool) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table
        .load_style(STYLE)
        .set_header(columns.iter().map(|index| grid.columns[*index].title.as_str()));
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
