//! Learning curves: one line per variant, its mean over seeds, with a band of one standard deviation.

use std::fmt::Write;

use crate::{
    Error, Measure, Picture,
    canvas::{self, Align, At, Canvas, Type, fill, stroke},
    frame::{Edges, Frame, LABEL, widest},
    heading::{Caption, heading, listed},
    labels::{Wish, spread},
    lineup::{Style, styles},
    numbers::short,
    palette::{INK, readable},
    scale::{Scale, drawable},
    summary::{Point, average, bin_width, binned},
    text::{name_lines, width},
    ticks::Ticks,
};

/// What learning curves are drawn from.
#[derive(Clone, Debug, PartialEq)]
pub struct Curves {
    /// The experiment's name.
    pub experiment: String,
    /// What is shown.
    pub measure: Measure,
    /// What the first number of a point counts, such as `optimizer steps`.
    pub x: String,
    /// The variant that the others are compared with.
    pub baseline: String,
    /// All variants, in the order of the table.
    pub variants: Vec<CurveVariant>,
    /// Sentences that follow the caption, such as what is missing.
    pub notes: Vec<String>,
}

/// The curves of one variant.
#[derive(Clone, Debug, PartialEq)]
pub struct CurveVariant {
    /// The variant's name.
    pub name: String,
    /// One curve per seed: places and values. What is not finite is left out and said under the picture.
    pub seeds: Vec<Vec<(f64, f64)>>,
}

pub(crate) const WIDTH: f64 = 500.0;
pub(crate) const TOP: f64 = 42.0;
const HEIGHT: f64 = 250.0;
/// The widest that a name beside its line may be.
const NAME: f64 = 128.0;
const LINE: f64 = 14.0;
const SWATCH: f64 = 17.0;
/// The dashes of lines whose color comes a second time.
const DASH: f64 = 5.0;
const GAP: f64 = 3.0;
/// Curves of up to so many points show the points.
const FEW: usize = 30;

/// One variant, ready to be drawn.
struct Line<'a> {
    name: &'a str,
    points: Vec<Point>,
    /// How many seeds have a curve.
    seeds: usize,
    dropped: usize,
    style: Style,
}

/// Draws learning curves.
///
/// The vertical axis is logarithmic where all values are positive, span two orders of magnitude, and are no decibels
/// nor better when higher. Of more than
/// thirteen variants the baseline and the six that end best are colored.
///
/// # Errors
/// [`Error::Empty`] without a finite value.
pub fn curves(input: &Curves) -> Result<Picture, Error> {
    let width = bin_width(input.variants.iter().flat_map(|variant| &variant.seeds));
    let lines = lines(input, width);
    if lines.iter().all(|line| line.points.is_empty()) {
        let Measure { name, split, .. } = &input.measure;
        return Err(Error::Empty { metric: name.clone(), split: split.clone() });
    }
    let (x, y) = scales(input, &lines);
    let ticks = Ticks::of(&y, 5);
    let labels = labels(&lines);
    let tall: f64 = labels.iter().map(|label| label.height).sum();
    let room = labels.iter().map(|label| label.width).fold(0.0, f64::max);
    let edges = Edges {
        left: 18.0 + widest(&ticks),
        right: WIDTH - room - swatch(&labels) - 28.0,
        top: TOP,
        bottom: TOP + HEIGHT.max(tall),
    };
    let caption = Caption::new(&caption(input, &lines, width), &input.notes, WIDTH);
    let height = edges.bottom + 48.0 + caption.height();
    let title = format!("{}: {} on {}", input.experiment, input.measure.name, input.measure.split);
    Ok(canvas::paint((WIDTH, height), &title, &caption.text, |canvas| {
        let heading_text = input.measure.title(ticks.factor.as_deref());
        heading(canvas, &heading_text, &input.measure, WIDTH);
        let frame = Frame::new(canvas, edges, x, y);
        frame.left_axis(canvas, &ticks);
        frame.bottom_axis(canvas, &Ticks::of_counts(&x, 6), &format!("{} →", input.x));
        // The baseline in front, the grey ones at the back.
        let order = |line: &&Line<'_>| (line.style.shown, line.style.color == INK);
        let mut back_to_front: Vec<_> = lines.iter().collect();
        back_to_front.sort_by_key(order);
        for line in back_to_front.iter().filter(|line| line.style.shown) {
            band(&frame, line);
        }
        for line in &back_to_front {
            mean(canvas, &frame, line);
        }
        names(canvas, &frame, &labels);
        caption.draw(canvas, edges.bottom + 48.0);
    }))
}

fn lines(input: &Curves, width: Option<f64>) -> Vec<Line<'_>> {
    let average = |variant: &CurveVariant| match width {
        Some(width) => {
            let seeds = variant.seeds.iter().map(|seed| binned(seed, width));
            average(&seeds.collect::<Vec<_>>())
        }
        None => average(&variant.seeds),
    };
    let averaged: Vec<_> = input.variants.iter().map(average).collect();
    let last = |points: &[Point]| points.last().map(|point| point.mean);
    let roles: Vec<_> = input
        .variants
        .iter()
        .zip(&averaged)
        .map(|(variant, (points, _))| (variant.name == input.baseline, last(points)))
        .collect();
    let styles = styles(&roles, input.measure.better());
    input
        .variants
        .iter()
        .zip(averaged)
        .zip(styles)
        .map(|((variant, (points, dropped)), style)| Line {
            name: &variant.name,
            points,
            seeds: variant.seeds.iter().filter(|seed| !seed.is_empty()).count(),
            dropped,
            style,
        })
        .collect()
}

fn scales(input: &Curves, lines: &[Line<'_>]) -> (Scale, Scale) {
    let points = || lines.iter().flat_map(|line| line.points.iter().map(move |p| (line.style, p)));
    let means = points().map(|(_, point)| point.mean);
    let log = input.measure.may_be_logarithmic() && Scale::is_log(means);
    let y = Scale::around(
        points().flat_map(|(style, point)| {
            let band = style.shown && !(log && point.low <= 0.0);
            [point.mean, if band { point.low } else { point.mean }, {
                if style.shown { point.high } else { point.mean }
            }]
        }),
        log,
    );
    // From the first to the last measurement, which bins move.
    let measured = input.variants.iter().flat_map(|variant| variant.seeds.iter().flatten());
    let measured: Vec<f64> = measured.map(|(x, _)| *x).filter(|x| drawable(*x)).collect();
    let xs = || points().map(|(_, point)| point.x).chain(measured.iter().copied());
    let (low, high) = (xs().fold(f64::INFINITY, f64::min), xs().fold(f64::NEG_INFINITY, f64::max));
    // Steps are counted from zero unless the curves begin far from it.
    let low = if low > 0.0 && low <= high * 0.5 { 0.0 } else { low };
    (Scale::between(low, high), y)
}

fn band(frame: &Frame<'_>, line: &Line<'_>) {
    let points = &line.points;
    if line.points.iter().all(|point| point.n < 2) {
        return;
    }
    if let [Point { x, low, high, .. }] = points[..] {
        frame.line(&[(x, low), (x, high)], stroke(line.style.color, 0.4, 4.0));
        return;
    }
    let upper = points.iter().map(|point| (point.x, point.high));
    let lower = points.iter().rev().map(|point| (point.x, point.low));
    let outline: Vec<At> = upper.chain(lower).collect();
    frame.shape(&outline, fill(line.style.color, 0.15));
}

fn mean(canvas: &Canvas<'_>, frame: &Frame<'_>, line: &Line<'_>) {
    let points = &line.points;
    let Style { color, dashed, shown } = line.style;
    // Where seeds are missing the mean is another one: it is drawn thinner from there on.
    for part in points
        .windows(2)
        .collect::<Vec<_>>()
        .chunk_by(|a, b| (a[1].n < line.seeds) == (b[1].n < line.seeds))
    {
        let full = part[0][1].n == line.seeds;
        let ends = part.iter().map(|pair| (pair[1].x, pair[1].mean));
        let path: Vec<At> = std::iter::once((part[0][0].x, part[0][0].mean)).chain(ends).collect();
        let style = stroke(color, 1.0, if !shown || !full { 0.9 } else { 2.0 });
        if dashed {
            let path: Vec<At> =
                path.iter().map(|(x, y)| (frame.across(*x), frame.down(*y))).collect();
            canvas.dashed(&path, DASH, GAP, style);
        } else {
            frame.line(&path, style);
        }
    }
    if points.len() <= FEW {
        for point in points {
            frame.dot((point.x, point.mean), if shown { 2.2 } else { 1.2 }, fill(color, 1.0));
        }
    }
}

/// A name beside the end of its line.
struct Label<'a> {
    lines: Vec<String>,
    width: f64,
    height: f64,
    line: &'a Line<'a>,
    end: Point,
}

fn labels<'a>(lines: &'a [Line<'a>]) -> Vec<Label<'a>> {
    let shown = lines.iter().filter(|line| line.style.shown);
    shown
        .filter_map(|line| {
            let end = *line.points.last()?;
            let bold = line.style.color == INK;
            let texts = name_lines(line.name, LABEL, bold, NAME);
            let width = texts.iter().map(|text| width(text, LABEL, bold)).fold(0.0, f64::max);
            let height = texts.len() as f64 * LINE + 2.0;
            Some(Label { lines: texts, width, height, line, end })
        })
        .collect()
}

/// Where colors come twice, a piece of the line stands before each name; its width.
fn swatch(labels: &[Label<'_>]) -> f64 {
    if labels.iter().any(|label| label.line.style.dashed) { SWATCH + 4.0 } else { 0.0 }
}

fn names(canvas: &Canvas<'_>, frame: &Frame<'_>, labels: &[Label<'_>]) {
    let swatch = swatch(labels);
    let wishes: Vec<Wish> = labels
        .iter()
        .map(|label| Wish { middle: frame.down(label.end.mean), height: label.height })
        .collect();
    let Edges { top, bottom, right, .. } = frame.edges;
    for (label, middle) in labels.iter().zip(spread(&wishes, top - 6.0, bottom + 6.0)) {
        let color = label.line.style.color;
        let end = (frame.across(label.end.x), frame.down(label.end.mean));
        // From the end of the line, beyond the frame, to the name.
        let leader =
            [(end.0.max(right - 1.0), end.1), (right + 4.0, end.1), (right + 14.0, middle)];
        let leader = if end.0 < right - 4.0 { &leader[1..] } else { &leader[..] };
        if end.0 < right - 4.0 {
            canvas.dashed(&[end, (right + 4.0, end.1)], 1.0, 2.5, stroke(color, 0.7, 0.8));
        }
        canvas.path(leader, stroke(color, 0.7, 0.8));
        if swatch > 0.0 {
            let piece = [(right + 16.0, middle), (right + 16.0 + SWATCH, middle)];
            let style = stroke(color, 1.0, 2.0);
            if label.line.style.dashed {
                canvas.dashed(&piece, DASH, GAP, style);
            } else {
                canvas.path(&piece, style);
            }
        }
        let first = middle - (label.lines.len() as f64 - 1.0) * LINE / 2.0 + LABEL * 0.35;
        for (index, text) in label.lines.iter().enumerate() {
            let kind = Type::new(LABEL, readable(color), Align::Left).bold(color == INK);
            canvas.text(text, (right + 17.0 + swatch, first + index as f64 * LINE), kind);
        }
    }
}

fn caption(input: &Curves, lines: &[Line<'_>], width: Option<f64>) -> String {
    let seeds: Vec<usize> = lines.iter().map(|line| line.seeds).filter(|n| *n > 0).collect();
    let (fewest, most) = (seeds.iter().min().copied(), seeds.iter().max().copied());
    let (fewest, most) = (fewest.unwrap_or(0), most.unwrap_or(0));
    let mut text = match (fewest, most) {
        (1, 1) => format!("{}: one seed.", input.experiment),
        (low, high) if low == high => {
            format!("{}: mean over {high} seeds; band: ± 1 standard deviation.", input.experiment)
        }
        (low, high) => format!(
            "{}: mean over {low} to {high} seeds; band: ± 1 standard deviation.",
            input.experiment
        ),
    };
    // Writing to a string cannot fail.
    if let Some(width) = width {
        let _ = write!(text, " Each point: mean over {} {}.", short(width, 9), input.x);
    }
    if lines.iter().any(|line| line.points.iter().any(|point| point.n < line.seeds)) {
        text.push_str(" Thin: not all seeds have a value.");
    }
    let grey = lines.iter().filter(|l| !l.style.shown && !l.points.is_empty()).count();
    if grey > 0 {
        let shown = lines.iter().filter(|line| line.style.shown).count();
        let which = match input.measure.better() {
            Some(_) => format!("the {} that end best", shown.saturating_sub(1)),
            None => format!("the first {}", shown.saturating_sub(1)),
        };
        let _ = write!(text, " In color: the baseline and {which}, of {}.", shown + grey);
    }
    let dropped: Vec<String> = lines
        .iter()
        .filter(|line| line.dropped > 0)
        .map(|line| format!("{} ({})", line.name, line.dropped))
        .collect();
    if !dropped.is_empty() {
        let _ = write!(text, " Left out, not finite: {}.", listed(&dropped));
    }
    let empty: Vec<String> = lines
        .iter()
        .filter(|line| line.points.is_empty())
        .map(|line| line.name.to_owned())
        .collect();
    if !empty.is_empty() {
        let _ = write!(text, " No values: {}.", listed(&empty));
    }
    text
}
