//! Pictures over the axes of an experiment: a heat map where two keys make a grid, a line where one key is a number.

use super::space::Space;
use super::{Named, Subject, measure};
use crate::arguments::{PlotArguments, PlotKind};
use crate::failure::Failure;
use ablate_plot::{AxisCurve, AxisPoint, Heatmap, HeatmapCell, HeatmapValue};
use ablate_report::{MetricColumn, Row, Table, show_value};
use std::collections::HashMap;

/// What is drawn: the keys of a heat map, and those of lines.
#[derive(Default)]
struct Chosen {
    /// Across, then up.
    grid: Option<(String, String)>,
    lines: Vec<String>,
}

/// Heat maps and lines of every column of the table.
pub(super) fn axes(
    subject: &Subject<'_>,
    arguments: &PlotArguments,
    table: &Table,
    columns: &[MetricColumn],
) -> Result<Vec<Named>, Failure> {
    let (space, chosen) = choose(subject, arguments)?;
    let mut pictures = Vec::new();
    for column in columns {
        let rows = table
            .rows()
            .iter()
            .filter(|row| (&row.metric, &row.split) == (&column.name, &column.split));
        let panel = Panel {
            subject,
            space: &space,
            column,
            rows: rows.map(|row| (row.variant.as_str(), row)).collect(),
        };
        if let Some(grid) = chosen.grid.as_ref().filter(|_| arguments.kind != PlotKind::Axis) {
            pictures.push(panel.heatmap(grid));
        }
        if arguments.kind != PlotKind::Heatmap {
            pictures.extend(chosen.lines.iter().map(|key| panel.line(key)));
        }
    }
    if pictures.is_empty() && arguments.kind != PlotKind::All {
        return Err(nothing(subject, &space, arguments.kind));
    }
    Ok(pictures)
}

fn choose(subject: &Subject<'_>, arguments: &PlotArguments) -> Result<(Space, Chosen), Failure> {
    let record = &subject.source.record;
    let baseline = record.variants.iter().position(|variant| variant.name == record.baseline);
    let space = Space::new(&record.variants, baseline.unwrap_or_default());
    match arguments.axes.as_slice() {
        [] => {}
        [key] => {
            let key = space.key(key)?;
            if space.numbers(&key).is_none() {
                return Err(Failure::user(format!("`{key}` is not a number in all variants"))
                    .hint(
                        "a line needs an axis of numbers; `--kind forest` compares any variants",
                    ));
            }
            return Ok((space, Chosen { grid: None, lines: vec![key] }));
        }
        [across, up] => {
            let grid = Some((space.key(across)?, space.key(up)?));
            return Ok((space, Chosen { grid, lines: Vec::new() }));
        }
        _ => return Err(Failure::user("`--axes` takes one key, or two with a comma between them")),
    }
    // A baseline may lie outside of the grid that the others make.
    let places = [baseline.unwrap_or_default(), 0, record.variants.len().saturating_sub(1)];
    for place in places {
        let space = Space::new(&record.variants, place);
        let grid = space.grid();
        let lines = space.lines(grid.as_ref());
        if grid.is_some() || !lines.is_empty() {
            return Ok((space, Chosen { grid, lines }));
        }
    }
    Ok((space, Chosen::default()))
}

fn nothing(subject: &Subject<'_>, space: &Space, kind: PlotKind) -> Failure {
    let experiment = &subject.source.record.experiment;
    let what = if kind == PlotKind::Axis {
        "no key of numbers with three or more values"
    } else {
        "no two keys that make a grid"
    };
    let failure = Failure::user(format!("the variants of `{experiment}` have {what}"));
    let varying = space.varying();
    if varying.is_empty() {
        return failure.hint("`[sweep.grid]` adds axes to an experiment");
    }
    failure
        .hint(format!("they differ in `{}`", varying.join("`, `")))
        .hint("`--axes KEY,KEY` draws a heat map of two of them, `--axes KEY` a line")
}

/// One column of the table, to be drawn over axes.
struct Panel<'a> {
    subject: &'a Subject<'a>,
    space: &'a Space,
    column: &'a MetricColumn,
    rows: HashMap<&'a str, &'a Row>,
}

impl Panel<'_> {
    fn heatmap(&self, (across, up): &(String, String)) -> Named {
        let members = self.space.members(&[across, up]);
        let value = |key: &str, member: usize| {
            if let Some(numbers) = self.space.numbers(key) {
                return HeatmapValue::Number(numbers[&member]);
            }
            let value = self.space.value(key, member);
            HeatmapValue::Text(value.map_or("none".to_owned(), show_value))
        };
        let cells = members.iter().map(|&member| HeatmapCell {
            x: value(across, member),
            y: value(up, member),
            values: self.values(member),
            baseline: self.is_baseline(member),
        });
        let record = &self.subject.source.record;
        let measure = measure(self.column);
        let picture = ablate_plot::heatmap(&Heatmap {
            experiment: record.experiment.clone(),
            measure: measure.clone(),
            x: across.clone(),
            y: up.clone(),
            seeds: record.seeds.len(),
            cells: cells.collect(),
            notes: self.notes(members.len()),
        });
        Named::new("heatmap", String::new(), measure, picture)
    }

    fn line(&self, key: &String) -> Named {
        let numbers = self.space.numbers(key).unwrap_or_default();
        let members = self.space.members(&[key]);
        let points = members.iter().filter_map(|member| {
            Some(AxisPoint {
                at: *numbers.get(member)?,
                values: self.values(*member),
                baseline: self.is_baseline(*member),
            })
        });
        let record = &self.subject.source.record;
        let measure = measure(self.column);
        let picture = ablate_plot::axis_curve(&AxisCurve {
            experiment: record.experiment.clone(),
            measure: measure.clone(),
            key: key.clone(),
            seeds: record.seeds.len(),
            points: points.collect(),
            notes: self.notes(members.len()),
        });
        Named::new("axis", key.clone(), measure, picture)
    }

    fn values(&self, member: usize) -> Vec<f64> {
        let name = self.subject.source.record.variants[member].name.as_str();
        self.rows.get(name).map(|row| row.values.clone()).unwrap_or_default()
    }

    fn is_baseline(&self, member: usize) -> bool {
        let record = &self.subject.source.record;
        record.variants[member].name == record.baseline
    }

    fn notes(&self, shown: usize) -> Vec<String> {
        let mut notes = self.subject.notes.clone();
        let others = self.subject.source.record.variants.len() - shown;
        if others > 0 {
            let verb = if others == 1 {
                "1 variant differs"
            } else {
                &format!("{others} variants differ")
            };
            notes.push(format!("Not shown: {verb} in other keys."));
        }
        notes
    }
}
