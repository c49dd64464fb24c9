//! The table in LaTeX, for the package booktabs.

use crate::{
    Table,
    grid::{Cell, Grid},
    marks::{self, CellMark, Markup},
};

impl Table {
    /// A `tabular` and its notes, to stand in a `table`; the best value of each metric is bold.
    ///
    /// Comments carry the run ids of each cell, for [`crate::find_tables`].
    #[must_use]
    pub fn latex(&self) -> String {
        let grids = self.grids();
        let marks = self.marks(&grids, Markup::Latex);
        let mark = self.table_mark(marks.iter().flatten().flatten());
        let mut lines =
            vec!["% \\usepackage{booktabs}".to_owned(), format!("% {}", marks::line(&mark))];
        for (index, (grid, marks)) in grids.iter().zip(&marks).enumerate() {
            if index > 0 {
                lines.push("\\par\\medskip".to_owned());
            }
            lines.extend(tabular(grid, marks));
        }
        lines.push("\\par\\smallskip".to_owned());
        lines.push("{\\footnotesize".to_owned());
        lines.extend(self.notes().iter().map(|note| format!("{}\\par", escape_note(note))));
        lines.push("}".to_owned());
        lines.join("\n") + "\n"
    }
}

fn tabular(grid: &Grid, marks: &[Vec<CellMark>]) -> Vec<String> {
    let titles: Vec<_> = grid.columns.iter().map(|column| escape(&column.title)).collect();
    let mut lines =
        vec![format!("\\begin{{tabular}}{{{}}}", "l".repeat(titles.len())), "\\toprule".to_owned()];
    lines.extend(headings(grid));
    lines.push(line(&titles));
    lines.push("\\midrule".to_owned());
    for (cells, marks) in grid.lines.iter().zip(marks) {
        lines.extend(marks.iter().map(|mark| format!("% {}", marks::line(mark))));
        lines.push(line(&cells.iter().map(show).collect::<Vec<_>>()));
    }
    lines.extend(["\\bottomrule".to_owned(), "\\end{tabular}".to_owned()]);
    lines
}

/// The names of the groups over their columns, each with a rule under it; nothing without groups.
fn headings(grid: &Grid) -> Vec<String> {
    let mut cells = Vec::new();
    let mut rules = String::new();
    let mut start = 0;
    while start < grid.columns.len() {
        let heading = &grid.columns[start].heading;
        let same = |column: &&crate::grid::Column| column.heading == *heading;
        let width = grid.columns[start..].iter().take_while(same).count();
        if heading.is_empty() {
            cells.extend(vec![String::new(); width]);
        } else {
            cells.push(format!("\\multicolumn{{{width}}}{{c}}{{{}}}", escape(heading)));
            rules = format!("{rules}\\cmidrule(lr){{{}-{}}}", start + 1, start + width);
        }
        start += width;
    }
    if rules.is_empty() { Vec::new() } else { vec![line(&cells), rules] }
}

fn line(cells: &[String]) -> String {
    format!("{} \\\\", cells.join(" & "))
}

/// A cell as LaTeX.
pub(crate) fn show(cell: &Cell) -> String {
    if !cell.numeric {
        return escape(&cell.text);
    }
    let star = if cell.star { "^{*}" } else { "" };
    let math = format!("${}{star}$", math(&cell.text));
    if cell.best { format!("{{\\boldmath {math}}}") } else { math }
}

/// Numbers for math mode: `2.5e-9` becomes a power of ten.
fn math(text: &str) -> String {
    let mut math = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('e') {
        let end = rest[at + 1..]
            .find(|letter: char| letter != '-' && !letter.is_ascii_digit())
            .map_or(rest.len(), |length| at + 1 + length);
        math = format!("{math}{} \\times 10^{{{}}}", &rest[..at], &rest[at + 1..end]);
        rest = &rest[end..];
    }
    // Math mode drops spaces.
    (math + rest).replace('±', "\\pm").replace(" [", "\\;[")
}

/// Names in backticks become typewriter text.
fn escape_note(note: &str) -> String {
    let mut text = String::new();
    for (index, part) in note.split('`').enumerate() {
        if index % 2 == 1 {
            text = format!("{text}\\texttt{{{}}}", escape(part));
        } else {
            text += &escape(part);
        }
    }
    text
}

fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for letter in text.chars() {
        match letter {
            '\\' => escaped.push_str("\\textbackslash{}"),
            '~' => escaped.push_str("\\textasciitilde{}"),
            '^' => escaped.push_str("\\textasciicircum{}"),
            '<' => escaped.push_str("$<$"),
            '>' => escaped.push_str("$>$"),
            '±' => escaped.push_str("$\\pm$"),
            '×' => escaped.push_str("$\\times$"),
            'Δ' => escaped.push_str("$\\Delta$"),
            '↑' => escaped.push_str("$\\uparrow$"),
            '↓' => escaped.push_str("$\\downarrow$"),
            '≤' => escaped.push_str("$\\leq$"),
            'χ' => escaped.push_str("$\\chi$"),
            '²' => escaped.push_str("$^2$"),
            '−' => escaped.push_str("$-$"),
            '–' => escaped.push_str("--"),
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => {
                escaped.push('\\');
                escaped.push(letter);
            }
            _ => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::{escape_note, math};

    #[test]
    fn exponents_become_powers_of_ten() {
        assert_eq!(math("(2.50 ± 0.10)e-9"), "(2.50 \\pm 0.10) \\times 10^{-9}");
        assert_eq!(math("0.5 ± 1.2e-13"), "0.5 \\pm 1.2 \\times 10^{-13}");
        assert_eq!(math("0.5 (n = 4)"), "0.5 (n = 4)");
    }

    #[test]
    fn special_letters_are_escaped() {
        assert_eq!(escape_note("Δ to `a_b`: 95 %"), "$\\Delta$ to \\texttt{a\\_b}: 95 \\%");
    }
}
