//! A forest plot: the paired difference of each variant to the baseline, with its interval.

use plotters::style::RGBColor;

use crate::{
    Error, Measure, Picture,
    canvas::{self, Align, Canvas, Type, fill, stroke},
    frame::{Edges, Frame, LABEL},
    heading::{Caption, heading},
    numbers::{Numbers, counted, short},
    palette::{BETTER, GRID, INK, PAPER, SOFT, WORSE},
    scale::{Scale, drawable},
    text::{name_lines, width},
    ticks::Ticks,
};

/// What a forest plot is drawn from: the rows of one metric of an ablation table.
#[derive(Clone, Debug, PartialEq)]
pub struct Forest {
    /// The experiment's name.
    pub experiment: String,
    /// What is shown.
    pub measure: Measure,
    /// The variant that the others are compared with.
    pub baseline: String,
    /// The other variants, in the order in which they are drawn.
    pub rows: Vec<ForestRow>,
    /// Sentences that follow the caption, such as what is missing.
    pub notes: Vec<String>,
}

/// The difference of one variant to the baseline. What cannot be computed is `None`.
#[derive(Clone, Debug, PartialEq)]
pub struct ForestRow {
    /// The variant.
    pub variant: String,
    /// How many seeds the difference is made from.
    pub n: usize,
    /// The mean difference, paired by seed.
    pub delta: Option<f64>,
    /// The lower end of its 95 % interval.
    pub ci_low: Option<f64>,
    /// The upper end of its 95 % interval.
    pub ci_high: Option<f64>,
    /// Its p after Holm's correction.
    pub p_holm: Option<f64>,
}

/// The p below which a difference is marked.
const SIGNIFICANT: f64 = 0.05;

const WIDTH: f64 = 560.0;
const NAME: f64 = 150.0;
const LINE: f64 = 14.0;
const ROW: f64 = 25.0;
const MARGIN: f64 = 10.0;
const GAP: f64 = 14.0;
const TOP: f64 = 62.0;
/// The least that is left for the intervals; long names and numbers make the sheet wider.
const PLOT: f64 = 190.0;

/// One row as text, and where it stands.
struct Line<'a> {
    row: &'a ForestRow,
    name: Vec<String>,
    delta: String,
    interval: String,
    p: String,
    n: String,
    top: f64,
    height: f64,
}

/// The right edges of the columns of text.
struct Columns {
    delta: f64,
    interval: f64,
    p: f64,
    n: f64,
}

/// Draws a forest plot.
///
/// Filled marks are differences with p below 0.05 after Holm's correction.
///
/// # Errors
/// [`Error::Empty`] without a difference.
pub fn forest(input: &Forest) -> Result<Picture, Error> {
    let rows: Vec<ForestRow> = input.rows.iter().map(drawn).collect();
    let ends = || rows.iter().flat_map(|row| [row.delta, row.ci_low, row.ci_high]).flatten();
    if ends().next().is_none() {
        let Measure { name, split, .. } = &input.measure;
        return Err(Error::Empty { metric: name.clone(), split: split.clone() });
    }
    let numbers = digits(&rows);
    let lines = lines(&rows, numbers);
    let bottom = lines.last().map_or(TOP, |line| line.top + line.height);
    let widest = |texts: &mut dyn Iterator<Item = &String>| {
        texts.map(|text| width(text, LABEL, false)).fold(0.0, f64::max)
    };
    let names = widest(&mut lines.iter().flat_map(|line| &line.name));
    let title = format!("Δ {}", input.measure.title(numbers.factor().as_deref()));
    let head = |text: &str| width(text, LABEL, true);
    let delta = widest(&mut lines.iter().map(|line| &line.delta)).max(head("Δ"));
    let interval = widest(&mut lines.iter().map(|line| &line.interval)).max(head("95 % interval"));
    let p = widest(&mut lines.iter().map(|line| &line.p)).max(head("p (Holm)"));
    let n = widest(&mut lines.iter().map(|line| &line.n)).max(head("n"));
    let left = MARGIN + names + GAP;
    let text = delta + interval + p + n + 5.0 * GAP + MARGIN;
    let sheet = WIDTH.max(left + PLOT + text);
    let right = sheet - text;
    let columns = Columns {
        delta: right + 2.0 * GAP + delta,
        interval: right + 3.0 * GAP + delta + interval,
        p: right + 4.0 * GAP + delta + interval + p,
        n: right + 5.0 * GAP + delta + interval + p + n,
    };
    let edges = Edges { left, right, top: TOP, bottom };
    let caption = Caption::new(&caption(input), &input.notes, sheet);
    let words = format!("{}: differences of {}", input.experiment, input.measure.name);
    let height = bottom + 48.0 + caption.height();
    let x = Scale::around(ends().chain([0.0]), false);
    Ok(canvas::paint((sheet, height), &words, &caption.text, |canvas| {
        heading(canvas, &title, &input.measure, sheet);
        let frame = Frame::new(canvas, edges, x, Scale::between(0.0, 1.0));
        ground(canvas, &frame, input);
        heads(canvas, &columns);
        for line in &lines {
            draw(canvas, &frame, line, &columns, &input.measure);
        }
        caption.draw(canvas, bottom + 48.0);
    }))
}

/// The row without numbers that no sheet has a place for.
fn drawn(row: &ForestRow) -> ForestRow {
    let some = |value: Option<f64>| value.filter(|value| drawable(*value));
    ForestRow {
        delta: some(row.delta),
        ci_low: some(row.ci_low),
        ci_high: some(row.ci_high),
        ..row.clone()
    }
}

/// Two digits of a typical half width, the same for all rows.
fn digits(rows: &[ForestRow]) -> Numbers {
    let of = |row: &ForestRow| [row.delta, row.ci_low, row.ci_high];
    let largest = rows.iter().flat_map(of).flatten().map(f64::abs).fold(0.0, f64::max);
    let halves = rows.iter().filter_map(|row| Some((row.ci_high? - row.ci_low?) / 2.0));
    let mut halves: Vec<f64> = halves.filter(|half| *half > 0.0).collect();
    halves.sort_by(f64::total_cmp);
    let typical = halves.get(halves.len() / 2).copied();
    Numbers::two_digits(largest, typical.unwrap_or(largest / 10.0))
}

fn lines(rows: &[ForestRow], numbers: Numbers) -> Vec<Line<'_>> {
    let mut top = TOP;
    rows.iter()
        .map(|row| {
            let name = name_lines(&row.variant, LABEL, false, NAME);
            let height = ROW.max(name.len() as f64 * LINE + 8.0);
            let line = Line {
                row,
                name,
                delta: row.delta.map_or("–".into(), |delta| numbers.write_signed(delta)),
                interval: match (row.ci_low, row.ci_high) {
                    (Some(low), Some(high)) => {
                        format!("[{}, {}]", numbers.write(low), numbers.write(high))
                    }
                    _ => "–".into(),
                },
                p: row.p_holm.map_or("–".into(), p_text),
                n: row.n.to_string(),
                top,
                height,
            };
            top += height;
            line
        })
        .collect()
}

fn p_text(p: f64) -> String {
    let star = if p < SIGNIFICANT { "*" } else { "" };
    let text = if p < 0.001 { "< 0.001".to_owned() } else { format!("{p:.3}") };
    format!("{text}{star}")
}

/// The axis, the line of no difference, and which way is better.
fn ground(canvas: &Canvas<'_>, frame: &Frame<'_>, input: &Forest) {
    let Edges { left, right, top, bottom } = frame.edges;
    let wanted = (frame.edges.width() / 62.0).clamp(2.0, 6.0) as usize;
    let ticks = Ticks::of(&frame.x, wanted);
    for (value, _) in &ticks.labeled {
        let x = frame.across(*value);
        canvas.path(&[(x, top), (x, bottom)], stroke(GRID, 1.0, 1.0));
    }
    let zero = frame.across(0.0);
    canvas.path(&[(zero, top - 4.0), (zero, bottom)], stroke(INK, 1.0, 1.2));
    let title = format!("difference to {}", input.baseline);
    frame.bottom_axis(canvas, &ticks, &title);
    if let Some(better) = input.measure.better() {
        let (lower, higher) = if better > 0.0 {
            (("← worse", WORSE), ("better →", BETTER))
        } else {
            (("← better", BETTER), ("worse →", WORSE))
        };
        let word = |(text, color): (&str, RGBColor), x, align| {
            canvas.text(text, (x, top - 8.0), Type::new(LABEL, color, align));
        };
        // A side that is nearly empty has no room for its word.
        if zero - left > width(lower.0, LABEL, false) + 6.0 {
            word(lower, left, Align::Left);
        }
        if right - zero > width(higher.0, LABEL, false) + 6.0 {
            word(higher, right, Align::Right);
        }
    }
}

fn heads(canvas: &Canvas<'_>, columns: &Columns) {
    let kind = Type::new(LABEL, INK, Align::Right).bold(true);
    for (text, x) in [
        ("Δ", columns.delta),
        ("95 % interval", columns.interval),
        ("p (Holm)", columns.p),
        ("n", columns.n),
    ] {
        canvas.text(text, (x, TOP - 8.0), kind);
    }
}

fn draw(
    canvas: &Canvas<'_>,
    frame: &Frame<'_>,
    line: &Line<'_>,
    columns: &Columns,
    measure: &Measure,
) {
    let middle = line.top + line.height / 2.0;
    let baseline = middle + LABEL * 0.35;
    let first = baseline - (line.name.len() as f64 - 1.0) * LINE / 2.0;
    for (index, text) in line.name.iter().enumerate() {
        let at = (MARGIN, first + index as f64 * LINE);
        canvas.text(text, at, Type::new(LABEL, INK, Align::Left));
    }
    let significant = line.row.p_holm.is_some_and(|p| p < SIGNIFICANT);
    let color = match (significant, line.row.delta, measure.better()) {
        (false, ..) => SOFT,
        (true, Some(delta), Some(better)) => {
            if delta * better > 0.0 {
                BETTER
            } else {
                WORSE
            }
        }
        (true, ..) => INK,
    };
    for (text, x) in [
        (&line.delta, columns.delta),
        (&line.interval, columns.interval),
        (&line.p, columns.p),
        (&line.n, columns.n),
    ] {
        let kind = Type::new(LABEL, if significant { INK } else { SOFT }, Align::Right);
        canvas.text(text, (x, baseline), kind);
    }
    if let (Some(low), Some(high)) = (line.row.ci_low, line.row.ci_high) {
        let (low, high) = (frame.across(low), frame.across(high));
        canvas.path(&[(low, middle), (high, middle)], stroke(color, 1.0, 1.8));
        for end in [low, high] {
            canvas.path(&[(end, middle - 4.0), (end, middle + 4.0)], stroke(color, 1.0, 1.8));
        }
    }
    if let Some(delta) = line.row.delta {
        let at = (frame.across(delta), middle);
        canvas.circle(at, 5.0, fill(color, 1.0));
        if !significant {
            canvas.circle(at, 3.2, fill(PAPER, 1.0));
        }
    }
}

fn caption(input: &Forest) -> String {
    let interval = if input.rows.iter().any(|row| row.ci_low.is_some()) {
        "with 95 % t intervals"
    } else {
        "too few seeds for intervals"
    };
    let marks = if input.rows.iter().any(|row| row.p_holm.is_some_and(|p| p < SIGNIFICANT)) {
        "Filled, *: p < 0.05.".to_owned()
    } else {
        let seeds = input.rows.iter().map(|row| row.n).max().unwrap_or(0);
        // All signs alike are the least likely of 2^n patterns, in two directions.
        let smallest = 2_f64.powi(1 - seeds as i32);
        if smallest < SIGNIFICANT {
            "No difference has p < 0.05.".to_owned()
        } else {
            let seeds = counted(seeds, "seed");
            format!("With {seeds} no p can be below {}.", short(smallest.min(1.0), 3))
        }
    };
    format!(
        "{}: mean differences paired by seed, {interval}; p of the sign-flip test after Holm's \
         correction over {}. {marks}",
        input.experiment,
        counted(input.rows.iter().filter(|row| row.p_holm.is_some()).count(), "variant"),
    )
}
