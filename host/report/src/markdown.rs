//! The table in Markdown.

use crate::{Table, grid::Cell};

impl Table {
    /// A Markdown table and its notes; the best value of each metric is bold.
    #[must_use]
    pub fn markdown(&self) -> String {
        let grid = self.grid();
        let titles: Vec<_> = grid.columns.iter().map(|column| escape(&column.title)).collect();
        let mut lines = vec![line(&titles), line(&vec!["---".to_owned(); titles.len()])];
        for cells in &grid.lines {
            lines.push(line(&cells.iter().map(show).collect::<Vec<_>>()));
        }
        lines.push(String::new());
        // A leading `*` would be read as a mark of a list.
        lines.extend(self.notes().iter().map(|note| format!("- {}", note.replace('*', "\\*"))));
        lines.join("\n") + "\n"
    }
}

fn line(cells: &[String]) -> String {
    format!("| {} |", cells.join(" | "))
}

fn show(cell: &Cell) -> String {
    let text = escape(&cell.text);
    let text = if cell.best { format!("**{text}**") } else { text };
    if cell.star { format!("{text} \\*") } else { text }
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('|', "\\|").replace('*', "\\*").replace('_', "\\_")
}
