//! A metric along one numeric axis of an experiment: mean, band, and every seed.

use std::fmt::Write;

use crate::{
    Error, Measure, Picture,
    canvas::{self, Canvas, fill, stroke},
    curves::{TOP, WIDTH},
    frame::{Edges, Frame, widest},
    heading::{Caption, heading, listed},
    numbers::{counted, short},
    palette::{BETTER, INK},
    scale::{Scale, drawable, is_log_like},
    summary::Summary,
    ticks::Ticks,
};

/// What a line over an axis is drawn from.
#[derive(Clone, Debug, PartialEq)]
pub struct AxisCurve {
    /// The experiment's name.
    pub experiment: String,
    /// What is shown.
    pub measure: Measure,
    /// The key of the axis.
    pub key: String,
    /// How many values a complete point has.
    pub seeds: usize,
    /// The points in any order.
    pub points: Vec<AxisPoint>,
    /// Sentences that follow the caption, such as what is missing.
    pub notes: Vec<String>,
}

/// One value of the axis.
#[derive(Clone, Debug, PartialEq)]
pub struct AxisPoint {
    /// The value.
    pub at: f64,
    /// The metric, one value per seed.
    pub values: Vec<f64>,
    /// Whether it is the variant that the others are compared with.
    pub baseline: bool,
}

const HEIGHT: f64 = 240.0;
/// More values than this have marks at round numbers instead of their own.
const OWN_TICKS: usize = 10;

/// Draws a line over an axis. The axis is logarithmic where its values are meant by their ratios.
///
/// # Errors
/// [`Error::Empty`] without a finite value; [`Error::SamePlace`] when two points have the same place.
pub fn axis_curve(input: &AxisCurve) -> Result<Picture, Error> {
    let mut points: Vec<(&AxisPoint, Option<Summary>)> = input
        .points
        .iter()
        .filter(|point| drawable(point.at))
        .map(|point| (point, Summary::of(point.values.iter().copied())))
        .collect();
    points.sort_by(|a, b| a.0.at.total_cmp(&b.0.at));
    let name = || input.measure.name.clone();
    if points.iter().all(|(_, summary)| summary.is_none()) {
        return Err(Error::Empty { metric: name(), split: input.measure.split.clone() });
    }
    if let Some(pair) = points.windows(2).find(|pair| pair[0].0.at == pair[1].0.at) {
        let place = format!("{} = {}", input.key, short(pair[0].0.at, 6));
        return Err(Error::SamePlace { metric: name(), place });
    }
    let places: Vec<f64> = points.iter().map(|(point, _)| point.at).collect();
    let x = Scale::around(places.iter().copied(), is_log_like(&places));
    let values = || points.iter().flat_map(|(point, _)| point.values.iter().copied());
    let log = input.measure.may_be_logarithmic()
        && Scale::is_log(values().filter(|value| drawable(*value)));
    let bands = points.iter().filter_map(|(_, summary)| *summary).flat_map(|s| [s.low(), s.high()]);
    let bands = bands.filter(|value| !log || *value > 0.0);
    let y = Scale::around(values().filter(|value| drawable(*value)).chain(bands), log);
    let ticks = Ticks::of(&y, 5);
    let bottom_ticks =
        if places.len() <= OWN_TICKS { Ticks::at(&places) } else { Ticks::of(&x, 6) };
    let edges =
        Edges { left: 18.0 + widest(&ticks), right: WIDTH - 18.0, top: TOP, bottom: TOP + HEIGHT };
    let caption = Caption::new(&caption(input, &points), &input.notes, WIDTH);
    let height = edges.bottom + 48.0 + caption.height();
    let words = format!("{}: {} over {}", input.experiment, input.measure.name, input.key);
    Ok(canvas::paint((WIDTH, height), &words, &caption.text, |canvas| {
        let title = input.measure.title(ticks.factor.as_deref());
        heading(canvas, &title, &input.measure, WIDTH);
        let frame = Frame::new(canvas, edges, x, y);
        frame.left_axis(canvas, &ticks);
        let scale = if x.log() { ", logarithmic" } else { "" };
        frame.bottom_axis(canvas, &bottom_ticks, &format!("{}{scale} →", input.key));
        draw(canvas, &frame, &points);
        caption.draw(canvas, edges.bottom + 48.0);
    }))
}

fn draw(canvas: &Canvas<'_>, frame: &Frame<'_>, points: &[(&AxisPoint, Option<Summary>)]) {
    // A place without a value parts the line.
    for part in points.split(|(_, summary)| summary.is_none()) {
        let all = || part.iter().filter_map(|(point, summary)| Some((point.at, (*summary)?)));
        let upper = all().map(|(at, summary)| (at, summary.high()));
        let lower = all().rev().map(|(at, summary)| (at, summary.low()));
        if let [(point, Some(summary))] = part
            && summary.n > 1
        {
            let ends = [(point.at, summary.low()), (point.at, summary.high())];
            frame.line(&ends, stroke(BETTER, 0.15, 8.0));
        } else if all().any(|(_, summary)| summary.n > 1) {
            frame.shape(&upper.chain(lower).collect::<Vec<_>>(), fill(BETTER, 0.15));
        }
        let means: Vec<_> = all().map(|(at, summary)| (at, summary.mean)).collect();
        frame.line(&means, stroke(BETTER, 1.0, 2.0));
    }
    for (point, summary) in points {
        let Some(summary) = summary else { continue };
        if summary.n > 1 {
            for value in point.values.iter().filter(|value| drawable(**value)) {
                frame.dot((point.at, *value), 2.4, fill(BETTER, 0.35));
            }
        }
        frame.dot((point.at, summary.mean), 4.0, fill(BETTER, 1.0));
        if point.baseline {
            let at = (frame.across(point.at), frame.down(summary.mean));
            canvas.circle(at, 7.5, stroke(INK, 1.0, 1.6));
        }
    }
}

fn caption(input: &AxisCurve, points: &[(&AxisPoint, Option<Summary>)]) -> String {
    let mut text = format!("{}: mean over {}", input.experiment, counted(input.seeds, "seed"));
    if points.iter().any(|(_, summary)| summary.is_some_and(|s| s.n > 1)) {
        text.push_str("; band: ± 1 standard deviation; small dots: seeds");
    }
    text.push('.');
    if points.iter().any(|(point, summary)| point.baseline && summary.is_some()) {
        text.push_str(" Ringed: the baseline.");
    }
    let short_of: Vec<String> = points
        .iter()
        .filter(|(_, summary)| summary.map_or(0, |s| s.n) < input.seeds)
        .map(|(point, summary)| {
            format!("{} (n={})", short(point.at, 6), summary.map_or(0, |s| s.n))
        })
        .collect();
    if !short_of.is_empty() {
        // Writing to a string cannot fail.
        let _ = write!(text, " Incomplete: {}.", listed(&short_of));
    }
    text
}
