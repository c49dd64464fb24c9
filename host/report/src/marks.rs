//! What a table in a paper remembers in its comments: each cell as it was, its runs, and a stamp over all of them.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    Table,
    grid::{Cell, Grid},
};

/// What a line of a comment starts with, behind the sign of a comment.
pub(crate) const MARK: &str = "ablate: ";

/// Digits of a stamp.
const STAMP_DIGITS: usize = 16;

/// The language of a table in a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Markup {
    Latex,
    Markdown,
}

/// The first comment of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TableMark {
    /// The experiment's name.
    pub(crate) table: String,
    /// The arguments that ask for this view of it.
    #[serde(default)]
    pub(crate) arguments: Vec<String>,
    /// A hash over the comments of all cells.
    pub(crate) stamp: String,
}

/// The comment of one cell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CellMark {
    /// Which of several grids; empty for the table itself.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) part: String,
    /// The name of its row.
    pub(crate) row: String,
    /// The name of its column.
    pub(crate) column: String,
    /// The cell in the language of the document.
    pub(crate) shown: String,
    /// The runs that it is made from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) runs: Vec<String>,
}

impl Markup {
    /// A cell in this language.
    pub(crate) fn show(self, cell: &Cell) -> String {
        match self {
            Self::Latex => crate::latex::show(cell),
            Self::Markdown => crate::markdown::show(cell),
        }
    }
}

impl Table {
    /// The comments of all cells but the rows' names: grid by grid, line by line.
    pub(crate) fn marks(&self, grids: &[Grid], markup: Markup) -> Vec<Vec<Vec<CellMark>>> {
        let mark = |grid: &Grid, line: &[Cell], index: usize| CellMark {
            part: grid.part.to_owned(),
            row: line[0].text.clone(),
            column: grid.columns[index].id.clone(),
            shown: markup.show(&line[index]),
            runs: line[index].row.map(|row| self.rows[row].runs.clone()).unwrap_or_default(),
        };
        let line = |grid: &Grid, line: &Vec<Cell>| -> Vec<CellMark> {
            (1..line.len()).map(|index| mark(grid, line, index)).collect()
        };
        grids
            .iter()
            .map(|grid| grid.lines.iter().map(|cells| line(grid, cells)).collect())
            .collect()
    }

    /// The comment that comes first.
    pub(crate) fn table_mark<'a>(&self, marks: impl Iterator<Item = &'a CellMark>) -> TableMark {
        TableMark {
            table: self.input.experiment.clone(),
            arguments: self.input.view.arguments.clone(),
            stamp: stamp(marks),
        }
    }
}

/// A hash over the comments of all cells, in their order.
pub(crate) fn stamp<'a>(marks: impl Iterator<Item = &'a CellMark>) -> String {
    let mut hash = Sha256::new();
    for mark in marks {
        hash.update(line(mark));
        hash.update(b"\n");
    }
    hash.finalize().iter().take(STAMP_DIGITS / 2).fold(String::new(), |mut digits, byte| {
        // Writing to a string cannot fail.
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

/// A comment without the sign of a comment. It has no line break and cannot end a comment of HTML.
pub(crate) fn line(mark: &impl Serialize) -> String {
    let json = serde_json::to_string(mark).expect("strings are JSON");
    format!("{MARK}{}", json.replace('>', "\\u003e"))
}
