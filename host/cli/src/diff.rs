//! `ablate diff`: what differs between two runs, in how they were made and in what came out.

use crate::arguments::{DiffArguments, Format};
use crate::differences::{self, Row};
use crate::failure::Failure;
use crate::printer;
use crate::reference::{self, Meant};
use crate::reproduce::{agreed, extent, points, value};
use ablate_report::{Agreement, StreamComparison};
use ablate_runs::{Measurement, Status};
use serde_json::{Value, json};
use std::fmt::Write;

/// Cells are cut to so many characters; JSON has all of them.
const WIDEST: usize = 44;
/// A headline names so many things.
const NAMED: usize = 4;

pub(crate) fn diff(arguments: &DiffArguments) -> Result<u8, Failure> {
    let left = Side::read(&arguments.left)?;
    let right = Side::read(&arguments.right)?;
    let mut rows = differences::manifests(&left.manifest, &right.manifest);
    rows.extend(differences::specs(&left.spec, &right.spec));
    rows.sort_by_key(|row| row.area);
    let streams =
        StreamComparison::new(&points(&left.measurements), &points(&right.measurements), None);
    let finals = finals(&left, &right);
    let same = streams.agreement == Agreement::Equal && finals.iter().all(Final::is_equal);
    let headline = headline(&rows, same);
    if arguments.format == Format::Json {
        printer::json(&json!({
            "runs": [left.meant.run.id(), right.meant.run.id()],
            "headline": headline,
            "same_result": same,
            "differences": rows,
            "finals": finals.iter().map(Final::json).collect::<Vec<_>>(),
            "measurements": streams,
        }))?;
        return Ok(0);
    }
    let mut text = format!("{headline}\n\n");
    text.push_str(&columns(&listing(&left, &right, &rows)));
    text.push_str(&result(&left, &right, &finals, &streams));
    printer::data(&text);
    printer::note(&format!("next: ablate show {}", right.short));
    Ok(0)
}

/// One of the two runs.
struct Side {
    meant: Meant,
    short: String,
    status: Status,
    spec: Value,
    manifest: Value,
    measurements: Vec<Measurement>,
    finals: Vec<Measurement>,
}

impl Side {
    fn read(text: &str) -> Result<Self, Failure> {
        let meant = reference::find(text)?;
        let run = &meant.run;
        let finals = run.result()?.map(|result| result.outcome.finals).unwrap_or_default();
        Ok(Self {
            short: meant.short()?,
            status: run.status()?,
            spec: run.spec()?,
            manifest: run.manifest()?,
            measurements: run.measurements()?,
            finals,
            meant,
        })
    }
}

/// A value that tables are made of, in both runs.
struct Final {
    split: String,
    metric: String,
    unit: Option<String>,
    left: Option<f64>,
    right: Option<f64>,
}

impl Final {
    fn is_equal(&self) -> bool {
        self.left.map(f64::to_bits) == self.right.map(f64::to_bits)
    }

    fn difference(&self) -> Option<f64> {
        Some(self.right? - self.left?)
    }

    fn json(&self) -> Value {
        // What is not finite has no JSON number; the words are those of the run's files.
        let number = |value: Option<f64>| match value {
            Some(value) if !value.is_finite() => json!(value.to_string()),
            value => json!(value),
        };
        json!({
            "split": self.split, "metric": self.metric, "unit": self.unit,
            "left": number(self.left), "right": number(self.right),
            "difference": number(self.difference()),
        })
    }
}

/// The final values of both runs, in the order of the left one.
fn finals(left: &Side, right: &Side) -> Vec<Final> {
    let mut finals: Vec<Final> = Vec::new();
    let sides = [(&left.finals, true), (&right.finals, false)];
    for (measurements, is_left) in sides {
        for measurement in measurements {
            let known = finals.iter().position(|known| {
                (&known.split, &known.metric) == (&measurement.split, &measurement.metric)
            });
            let index = known.unwrap_or_else(|| {
                finals.push(Final {
                    split: measurement.split.clone(),
                    metric: measurement.metric.clone(),
                    unit: measurement.unit.clone(),
                    left: None,
                    right: None,
                });
                finals.len() - 1
            });
            let place = &mut finals[index];
            *(if is_left { &mut place.left } else { &mut place.right }) = Some(measurement.value);
        }
    }
    finals
}

/// What differs and matters, in one line.
fn headline(rows: &[Row], same: bool) -> String {
    let subjects = differences::subjects(rows);
    let result = if same { "the results are equal" } else { "the results differ" };
    let verb = if same { "and" } else { "but" };
    match subjects.as_slice() {
        [] => format!("nothing that decides results differs, {verb} {result}"),
        [only] => {
            let matters = rows.iter().filter(|row| row.matters);
            // Of a component the name comes first.
            let values = matters.map(Row::values).next();
            let (left, right) = values.unwrap_or_default();
            format!("only {only} differs ({left}, {right}); {result}")
        }
        several if several.len() <= NAMED => {
            let (last, others) = several.split_last().expect("more than one");
            format!("only {} and {last} differ; {result}", others.join(", "))
        }
        many => {
            let named = many[..NAMED - 1].join(", ");
            format!("{named} and {} other things differ; {result}", many.len() - NAMED + 1)
        }
    }
}

/// The differences as lines of cells; a line with one cell is a heading.
fn listing(left: &Side, right: &Side, rows: &[Row]) -> Vec<Vec<String>> {
    let line = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
    let (one, other) = (left.meant.run.variant(), right.meant.run.variant());
    let seeds = [left, right].map(|side| format!("seed {}", side.meant.run.seed()));
    let mut lines = vec![
        line(["", &left.short, &right.short]),
        line(["", left.meant.run.experiment(), right.meant.run.experiment()]),
        line(["", one, other]),
        line(["", &seeds[0], &seeds[1]]),
    ];
    let mut area = None;
    for row in rows {
        if area.replace(row.area) != Some(row.area) {
            lines.push(vec![row.area.as_str().to_owned()]);
        }
        let (left, right) = row.values();
        lines.push(line([&format!("  {}", row.key), &left, &right]));
    }
    lines
}

/// Lines of cells, aligned.
fn columns(lines: &[Vec<String>]) -> String {
    let cut = |cell: &String| match cell.char_indices().nth(WIDEST) {
        Some((end, _)) => format!("{}…", &cell[..end]),
        None => cell.clone(),
    };
    let lines: Vec<Vec<String>> = lines.iter().map(|line| line.iter().map(cut).collect()).collect();
    let mut widths: Vec<usize> = Vec::new();
    for line in lines.iter().filter(|line| line.len() > 1) {
        widths.resize(widths.len().max(line.len()), 0);
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for line in &lines {
        let mut row = String::new();
        for (cell, width) in line.iter().zip(&widths) {
            let padding = width.saturating_sub(cell.chars().count());
            row.push_str(cell);
            row.push_str(&" ".repeat(padding + 2));
        }
        text.push_str(row.trim_end());
        text.push('\n');
    }
    text
}

/// What came out of both.
fn result(left: &Side, right: &Side, finals: &[Final], streams: &StreamComparison) -> String {
    let mut text = "result\n".to_owned();
    // Writing to a string cannot fail.
    if left.status != right.status {
        let _ = writeln!(text, "  status  {}, {}", left.status, right.status);
    }
    let mut lines = Vec::new();
    for one in finals {
        let short =
            |value: Option<f64>| value.map_or("—".to_owned(), |value| format!("{value:.6}"));
        let change = match one.difference() {
            _ if one.is_equal() => "equal".to_owned(),
            Some(difference) if difference.abs() < 5e-7 => format!("{difference:+.1e}"),
            Some(difference) => format!("{difference:+.6}"),
            None => String::new(),
        };
        let unit = one.unit.clone().unwrap_or_default();
        let name = format!("  {:<6}  {}", one.split, one.metric);
        lines.push(vec![name, short(one.left), short(one.right), change, unit]);
    }
    text.push_str(&columns(&lines));
    match &streams.first {
        None => {
            let _ = writeln!(text, "  all {} measurements are equal bit for bit", streams.points);
        }
        Some(first) => {
            let _ = writeln!(
                text,
                "  different from step {} on{}, first in {} {}: {}, {}",
                first.step,
                agreed(streams),
                first.split,
                first.metric,
                value(first.left),
                value(first.right)
            );
            let sides = ["on the left", "on the right"];
            let _ = writeln!(text, "  {}", extent(streams, "measurements", sides));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{columns, headline};
    use crate::differences::{Area, Row};
    use serde_json::json;

    fn row(area: Area, key: &str, matters: bool) -> Row {
        let (left, right) = (json!(1), json!(2));
        Row { area, key: key.to_owned(), left, right, matters }
    }

    #[test]
    fn the_headline_says_what_matters() {
        let check = |rows: &[Row], same: bool, expected: &str| {
            assert_eq!(headline(rows, same), expected);
        };
        let commit = row(Area::Code, "commit", false);
        let seed = row(Area::Seed, "seed", true);
        let key = |key: &str| row(Area::Spec, key, true);
        check(&[], true, "nothing that decides results differs, and the results are equal");
        check(
            std::slice::from_ref(&commit),
            false,
            "nothing that decides results differs, but the results differ",
        );
        check(&[seed.clone(), commit], false, "only the seed differs (1, 2); the results differ");
        check(
            &[seed.clone(), key("train.batch_size")],
            false,
            "only the seed and `train.batch_size` differ; the results differ",
        );
        let many = [seed, key("a"), key("b"), key("c"), row(Area::Data, "fingerprint", true)];
        check(&many, false, "the seed, `a`, `b` and 2 other things differ; the results differ");
    }

    #[test]
    fn columns_are_aligned_and_cut() {
        let lines = [
            vec![String::new(), "one".to_owned(), "two".to_owned()],
            vec!["a heading that is longer".to_owned()],
            vec!["  key".to_owned(), "x".repeat(50), "ü".to_owned()],
        ];
        let long = format!("{}…", "x".repeat(44));
        let pad = " ".repeat(42);
        let expected =
            format!("       one{pad}  two\na heading that is longer\n  key  {long}  ü\n");
        assert_eq!(columns(&lines), expected);
    }
}
