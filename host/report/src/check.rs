//! Tables in a document, found by their comments and compared with what the table is now.

use std::collections::{HashMap, HashSet};

use serde::Serialize;
use serde_json::Value;

use crate::{
    Error, Table,
    marks::{CellMark, MARK, Markup, TableMark, stamp},
};

/// A table that was found in a document.
#[derive(Clone, Debug)]
pub struct FoundTable {
    /// The line of its first comment, counted from one.
    pub line: usize,
    /// The experiment that it is about.
    pub experiment: String,
    /// The arguments that ask for this view of it.
    pub arguments: Vec<String>,
    markup: Markup,
    stamp: String,
    cells: Vec<FoundCell>,
}

/// A cell that a comment speaks of, and what stands in the document.
#[derive(Clone, Debug)]
struct FoundCell {
    mark: CellMark,
    line: usize,
    /// The cell as it stands there; `None` when the row is gone.
    printed: Option<String>,
}

/// What is wrong with a cell of a table in a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CellState {
    /// The table says something else now, or the same from other runs.
    Stale,
    /// What stands there is not what was put there.
    Edited,
    /// The table has it, the document has not.
    Missing,
    /// The document has it, the table has it no longer.
    Gone,
    /// The comments are not as they were written.
    Comments,
}

/// A cell that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What is wrong.
    pub state: CellState,
    /// The line in the document, counted from one.
    pub line: usize,
    /// The name of the row.
    pub row: String,
    /// The name of the column.
    pub column: String,
    /// What stands in the document.
    pub printed: Option<String>,
    /// What was put there.
    pub recorded: Option<String>,
    /// What the table says now.
    pub current: Option<String>,
}

/// The tables of a LaTeX or Markdown document that carry comments.
///
/// # Errors
/// A comment that is not what this crate writes.
pub fn find_tables(text: &str) -> Result<Vec<FoundTable>, Error> {
    let lines: Vec<&str> = text.lines().collect();
    let mut tables: Vec<FoundTable> = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let Some((markup, json)) = comment(lines[at], tables.last()) else {
            at += 1;
            continue;
        };
        let bad = |reason: String| Error::Comment { line: at + 1, reason };
        let value: Value = serde_json::from_str(json).map_err(|error| bad(error.to_string()))?;
        if value.get("table").is_some() {
            let mark: TableMark =
                serde_json::from_value(value).map_err(|error| bad(error.to_string()))?;
            tables.push(FoundTable {
                line: at + 1,
                experiment: mark.table,
                arguments: mark.arguments,
                markup,
                stamp: mark.stamp,
                cells: Vec::new(),
            });
        } else {
            let mark: CellMark =
                serde_json::from_value(value).map_err(|error| bad(error.to_string()))?;
            let Some(table) = tables.last_mut() else {
                return Err(bad("a cell without a table before it".into()));
            };
            table.cells.push(FoundCell { mark, line: at + 1, printed: None });
        }
        at += 1;
    }
    for index in 0..tables.len() {
        let end = tables.get(index + 1).map_or(lines.len(), |next| next.line - 1);
        let table = &mut tables[index];
        match table.markup {
            Markup::Latex => read_latex(table, &lines[..end]),
            Markup::Markdown => read_markdown(table, &lines[..end]),
        }
    }
    Ok(tables)
}

/// The JSON of a comment, and the language that it stands in.
fn comment<'a>(line: &'a str, table: Option<&FoundTable>) -> Option<(Markup, &'a str)> {
    let line = line.trim();
    let end = |text: &'a str| text.strip_suffix("-->").unwrap_or(text).trim_end();
    if let Some(rest) = line.strip_prefix('%') {
        let json = rest.trim_start_matches('%').trim_start().strip_prefix(MARK)?;
        return Some((Markup::Latex, json));
    }
    if let Some(rest) = line.strip_prefix("<!--") {
        return Some((Markup::Markdown, end(rest.trim_start().strip_prefix(MARK)?)));
    }
    // Inside a comment of several lines.
    let inside = table.is_some_and(|table| table.markup == Markup::Markdown);
    let json = line.strip_prefix(MARK).filter(|json| inside && json.starts_with('{'))?;
    Some((Markup::Markdown, end(json)))
}

/// Runs of comments that speak of one row, each with the positions of its cells.
fn rows(cells: &[FoundCell]) -> Vec<Vec<usize>> {
    let mut rows: Vec<Vec<usize>> = Vec::new();
    for (index, cell) in cells.iter().enumerate() {
        let same = |row: &&mut Vec<usize>| {
            let last = &cells[row[row.len() - 1]].mark;
            last.part == cell.mark.part && last.row == cell.mark.row
        };
        match rows.last_mut().filter(same) {
            Some(row) => row.push(index),
            None => rows.push(vec![index]),
        }
    }
    rows
}

/// A row of LaTeX stands behind its comments and ends with `\\`.
fn read_latex(table: &mut FoundTable, lines: &[&str]) {
    for row in rows(&table.cells) {
        let after = table.cells[row[row.len() - 1]].line;
        let mut text = String::new();
        let mut whole = false;
        for line in &lines[after..] {
            if comment(line, None).is_some() || line.trim_start().starts_with("\\bottomrule") {
                break;
            }
            text.push_str(without_comment(line));
            text.push(' ');
            if line.contains("\\\\") {
                whole = true;
                break;
            }
        }
        if whole {
            let text = text.rsplit_once("\\\\").map_or(text.as_str(), |(row, _)| row);
            put(table, &row, &split(text, '&'));
        }
    }
}

/// The part of a line of LaTeX before a comment.
fn without_comment(line: &str) -> &str {
    let mut escaped = false;
    for (at, letter) in line.char_indices() {
        match letter {
            '%' if !escaped => return &line[..at],
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    line
}

/// The rows of a Markdown table stand behind all comments of their part, titles first.
fn read_markdown(table: &mut FoundTable, lines: &[&str]) {
    let rows = rows(&table.cells);
    let mut start = 0;
    while start < rows.len() {
        let part = &table.cells[rows[start][0]].mark.part;
        let end = (start..rows.len())
            .find(|row| table.cells[rows[*row][0]].mark.part != *part)
            .unwrap_or(rows.len());
        let after = rows[end - 1].last().map_or(0, |cell| table.cells[*cell].line);
        let found: Vec<Vec<String>> = lines[after..]
            .iter()
            .map(|line| line.trim())
            .skip_while(|line| !line.starts_with('|'))
            .take_while(|line| line.starts_with('|'))
            .skip(2)
            .map(|line| {
                let inner = line.trim_start_matches('|');
                split(inner.strip_suffix('|').unwrap_or(inner), '|')
            })
            .collect();
        for (row, printed) in rows[start..end].iter().zip(&found) {
            put(table, row, printed);
        }
        start = end;
    }
}

/// Cells of a row, the row's name first; a separator behind a backslash is none.
fn split(text: &str, separator: char) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut escaped = false;
    for letter in text.chars() {
        if letter == separator && !escaped {
            cells.push(String::new());
        } else if let Some(cell) = cells.last_mut() {
            cell.push(letter);
        }
        escaped = letter == '\\' && !escaped;
    }
    cells.into_iter().map(|cell| cell.trim().to_owned()).collect()
}

fn put(table: &mut FoundTable, row: &[usize], printed: &[String]) {
    for (index, text) in row.iter().zip(printed.iter().skip(1)) {
        table.cells[*index].printed = Some(text.clone());
    }
}

impl FoundTable {
    /// The language of its document as `ablate table --format` calls it.
    pub fn format(&self) -> &'static str {
        match self.markup {
            Markup::Latex => "latex",
            Markup::Markdown => "md",
        }
    }

    /// How many cells its comments speak of.
    pub fn size(&self) -> usize {
        self.cells.len()
    }

    /// What in the document is not what `table` says now, or not what was put there.
    pub fn compare(&self, table: &Table) -> Vec<Finding> {
        let marks = table.marks(&table.grids(), self.markup);
        let current: Vec<&CellMark> = marks.iter().flatten().flatten().collect();
        let key = |mark: &CellMark| (mark.part.clone(), mark.row.clone(), mark.column.clone());
        let by_key: HashMap<_, &CellMark> = current.iter().map(|mark| (key(mark), *mark)).collect();
        let mut findings = Vec::new();
        if stamp(self.cells.iter().map(|cell| &cell.mark)) != self.stamp {
            findings.push(Finding {
                state: CellState::Comments,
                line: self.line,
                row: String::new(),
                column: String::new(),
                printed: None,
                recorded: Some(self.stamp.clone()),
                current: None,
            });
        }
        for cell in &self.cells {
            let now = by_key.get(&key(&cell.mark)).copied();
            let mut push = |state| findings.push(cell.finding(state, now));
            let edited =
                cell.printed.as_ref().is_none_or(|text| bare(text) != bare(&cell.mark.shown));
            if edited {
                push(CellState::Edited);
            }
            match now {
                None => push(CellState::Gone),
                Some(now) if now.shown != cell.mark.shown || now.runs != cell.mark.runs => {
                    push(CellState::Stale);
                }
                Some(_) => {}
            }
        }
        let known: HashSet<_> = self.cells.iter().map(|cell| key(&cell.mark)).collect();
        for mark in current.into_iter().filter(|mark| !known.contains(&key(mark))) {
            findings.push(Finding {
                state: CellState::Missing,
                line: self.line,
                row: mark.row.clone(),
                column: mark.column.clone(),
                printed: None,
                recorded: None,
                current: Some(mark.shown.clone()),
            });
        }
        findings
    }
}

impl FoundCell {
    fn finding(&self, state: CellState, now: Option<&CellMark>) -> Finding {
        Finding {
            state,
            line: self.line,
            row: self.mark.row.clone(),
            column: self.mark.column.clone(),
            printed: self.printed.clone(),
            recorded: Some(self.mark.shown.clone()),
            current: now.map(|now| now.shown.clone()),
        }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { row, column, printed, recorded, current, .. } = self;
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let place = format!("`{row}`, {column}");
        match self.state {
            CellState::Comments => {
                write!(f, "comments: some were changed or removed since they were written")
            }
            CellState::Stale if recorded == current => {
                write!(f, "stale: {place}: `{}` now comes from other runs", text(recorded))
            }
            CellState::Stale => {
                write!(f, "stale: {place}: `{}` is now `{}`", text(recorded), text(current))
            }
            CellState::Edited if printed.is_none() => {
                write!(f, "edited: {place}: `{}` was removed by hand", text(recorded))
            }
            CellState::Edited => {
                write!(f, "edited: {place}: `{}` was `{}`", text(printed), text(recorded))
            }
            CellState::Missing => {
                write!(f, "missing: {place}: `{}` is not in the document", text(current))
            }
            CellState::Gone => {
                write!(f, "gone: {place}: the table no longer has `{}`", text(recorded))
            }
        }
    }
}

/// What a cell says without what only decides how it looks: fonts, braces, spaces, signs of math mode.
fn bare(text: &str) -> String {
    const FONTS: [&str; 10] = [
        "\\boldmath",
        "\\textbf",
        "\\mathbf",
        "\\textit",
        "\\emph",
        "\\underline",
        "\\bfseries",
        "\\bm",
        "\\,",
        "\\;",
    ];
    let mut text = text.to_owned();
    for font in FONTS {
        text = text.replace(font, "");
    }
    let text = text.replace("\\*", "\u{1}").replace("**", "").replace('\u{1}', "\\*");
    text.chars().filter(|letter| !letter.is_whitespace() && !"{}$~".contains(*letter)).collect()
}

#[cfg(test)]
mod tests {
    use super::{bare, split, without_comment};

    #[test]
    fn looks_do_not_count_and_numbers_do() {
        let same = [
            ("{\\boldmath $0.38 \\pm 0.01^{*}$}", "$\\mathbf{0.38\\pm0.01^{*}}$"),
            ("**0.38 ± 0.01** \\*", "0.38 ± 0.01 \\*"),
        ];
        for (one, other) in same {
            assert_eq!(bare(one), bare(other));
        }
        assert_ne!(bare("$0.38 \\pm 0.01$"), bare("$0.39 \\pm 0.01$"));
        assert_ne!(bare("$0.38 \\pm 0.01^{*}$"), bare("$0.38 \\pm 0.01$"));
        assert_ne!(bare("0.38 \\*"), bare("0.38"));
    }

    #[test]
    fn separators_and_comments_behind_a_backslash_are_text() {
        assert_eq!(split("a \\& b & c", '&'), ["a \\& b", "c"]);
        assert_eq!(split("a\\|b | c ", '|'), ["a\\|b", "c"]);
        assert_eq!(without_comment("95 \\% & 3 % three"), "95 \\% & 3 ");
        assert_eq!(without_comment("a \\\\% b"), "a \\\\");
    }
}
