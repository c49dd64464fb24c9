//! The table in Markdown.

use crate::{
    Table,
    grid::{Cell, Grid},
    marks::{self, Markup},
};

impl Table {
    /// A Markdown table and its notes; the best value of each metric is bold.
    ///
    /// A comment before it carries the run ids of each cell, for [`crate::find_tables`].
    #[must_use]
    pub fn markdown(&self) -> String {
        let grids = self.grids();
        let marks = self.marks(&grids, Markup::Markdown);
        let mark = self.table_mark(marks.iter().flatten().flatten());
        let mut lines = vec![format!("<!-- {}", marks::line(&mark))];
        for (index, (grid, marks)) in grids.iter().zip(&marks).enumerate() {
            if index > 0 {
                lines.push("<!--".to_owned());
            }
            lines.extend(marks.iter().flatten().map(marks::line));
            lines.push("-->\n".to_owned());
            lines.extend(grid_lines(grid));
            lines.push(String::new());
        }
        // A leading `*` would be read as a mark of a list.
        lines.extend(self.notes().iter().map(|note| format!("- {}", note.replace('*', "\\*"))));
        lines.join("\n") + "\n"
    }
}

fn grid_lines(grid: &Grid) -> Vec<String> {
    let title = |column: &crate::grid::Column| {
        let heading = &column.heading;
        let title = &column.title;
        escape(&if heading.is_empty() { title.clone() } else { format!("{heading}: {title}") })
    };
    let titles: Vec<_> = grid.columns.iter().map(title).collect();
    let mut lines = vec![line(&titles), line(&vec!["---".to_owned(); titles.len()])];
    lines.extend(grid.lines.iter().map(|cells| line(&cells.iter().map(show).collect::<Vec<_>>())));
    lines
}

fn line(cells: &[String]) -> String {
    format!("| {} |", cells.join(" | "))
}

/// A cell as Markdown.
pub(crate) fn show(cell: &Cell) -> String {
    let text = escape(&cell.text);
    let text = if cell.best { format!("**{text}**") } else { text };
    if cell.star { format!("{text} \\*") } else { text }
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('|', "\\|").replace('*', "\\*").replace('_', "\\_")
}
