//! What the colors of a heat map mean.

use plotters::style::RGBColor;

use crate::{
    Measure,
    canvas::{Align, At, Canvas, Type, fill, stroke},
    frame::{Edges, LABEL, widest},
    palette::{FAINT, PAPER, SOFT, viridis},
    scale::Scale,
    ticks::Ticks,
};

const GAP: f64 = 18.0;
const BAR: f64 = 13.0;
const STEPS: usize = 64;

/// The room that the bar needs at the right of a map.
pub(crate) fn room(ticks: &Ticks) -> f64 {
    GAP + BAR + 8.0 + widest(ticks)
}

/// From values to colors: bright is better where the measure has a direction, else higher.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Colors {
    scale: Scale,
    flipped: bool,
}

impl Colors {
    pub(crate) fn new(scale: Scale, measure: &Measure) -> Self {
        Self { scale, flipped: measure.higher_is_better == Some(false) }
    }

    pub(crate) fn of(&self, value: f64) -> RGBColor {
        self.at(self.scale.part(value))
    }

    fn at(&self, part: f64) -> RGBColor {
        viridis(if self.flipped { 1.0 - part } else { part })
    }
}

/// Draws the bar at the right of `edges`, with marks.
pub(crate) fn color_bar(canvas: &Canvas<'_>, edges: &Edges, colors: Colors, ticks: &Ticks) {
    let (left, right) = (edges.right + GAP, edges.right + GAP + BAR);
    let height = edges.bottom - edges.top;
    for step in 0..STEPS {
        let bottom = edges.bottom - height * step as f64 / STEPS as f64;
        // One piece reaches under the next, so that no seam shows.
        let top = (bottom - 1.6 * height / STEPS as f64).max(edges.top);
        let color = colors.at((step as f64 + 0.5) / STEPS as f64);
        canvas.rectangle((left, top), (right, bottom), fill(color, 1.0));
    }
    // What overlaps shows at the sides.
    canvas.outline((left, edges.top), (right, edges.bottom), stroke(PAPER, 1.0, 1.0));
    for (value, label) in &ticks.labeled {
        let y = edges.bottom - colors.scale.part(*value) * height;
        canvas.path(&[(right, y), (right + 4.0, y)], stroke(SOFT, 1.0, 1.0));
        let kind = Type::new(LABEL, SOFT, Align::Left);
        canvas.text(label, (right + 8.0, y + LABEL * 0.35), kind);
    }
}

/// The mark of a place without a value: diagonals.
pub(crate) fn hatch(canvas: &Canvas<'_>, from: At, to: At) {
    let (width, height) = (to.0 - from.0, to.1 - from.1);
    let mut along = 3.0;
    while along < width + height {
        let (start, end) = (
            (from.0 + (along - height).max(0.0), from.1 + along.min(height)),
            (from.0 + along.min(width), from.1 + (along - width).max(0.0)),
        );
        canvas.path(&[start, end], stroke(FAINT, 1.0, 1.0));
        along += 6.0;
    }
    canvas.outline(from, to, stroke(FAINT, 1.0, 1.0));
}
