//! The part of a picture where data are: two axes with their marks and titles, and shapes placed by value.

use plotters::{
    coord::{cartesian::Cartesian2d, types::RangedCoordf64},
    element::{Circle, PathElement, Polygon},
    style::ShapeStyle,
};

use crate::{
    canvas::{Align, Area, At, Canvas, Type, stroke, units},
    palette::{GRID, INK, SOFT},
    scale::Scale,
    text::width,
    ticks::Ticks,
};

/// The size of the labels of an axis.
pub(crate) const LABEL: f64 = 12.0;

const STRING: &str = "a string takes every element";

/// A rectangle by its edges, in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Edges {
    pub(crate) left: f64,
    pub(crate) right: f64,
    pub(crate) top: f64,
    pub(crate) bottom: f64,
}

impl Edges {
    pub(crate) fn width(&self) -> f64 {
        self.right - self.left
    }

    pub(crate) fn middle(&self) -> f64 {
        f64::midpoint(self.left, self.right)
    }
}

/// Where data are drawn.
pub(crate) struct Frame<'a> {
    pub(crate) edges: Edges,
    pub(crate) x: Scale,
    pub(crate) y: Scale,
    area: Area<'a, Cartesian2d<RangedCoordf64, RangedCoordf64>>,
}

impl<'a> Frame<'a> {
    pub(crate) fn new(canvas: &Canvas<'a>, edges: Edges, x: Scale, y: Scale) -> Self {
        let pixels = (
            units(edges.left)..units(edges.right),
            // The value grows upwards, the row of a picture downwards.
            units(edges.bottom)..units(edges.top),
        );
        let area = canvas.with(Cartesian2d::new(x.range(), y.range(), pixels));
        Self { edges, x, y, area }
    }

    /// The place of a value on the sheet.
    pub(crate) fn across(&self, x: f64) -> f64 {
        self.edges.left + self.x.part(x) * self.edges.width()
    }

    /// The place of a value on the sheet.
    pub(crate) fn down(&self, y: f64) -> f64 {
        self.edges.bottom - self.y.part(y) * (self.edges.bottom - self.edges.top)
    }

    fn forward(&self, points: &[At]) -> Vec<(f64, f64)> {
        points.iter().map(|(x, y)| (self.x.forward(*x), self.y.forward(*y))).collect()
    }

    /// Straight lines through points given by value.
    pub(crate) fn line(&self, points: &[At], style: ShapeStyle) {
        self.area.draw(&PathElement::new(self.forward(points), style)).expect(STRING);
    }

    /// A filled shape given by value.
    pub(crate) fn shape(&self, points: &[At], style: ShapeStyle) {
        self.area.draw(&Polygon::new(self.forward(points), style)).expect(STRING);
    }

    /// A circle of a radius in pixels at a point given by value.
    pub(crate) fn dot(&self, point: At, radius: f64, style: ShapeStyle) {
        let center = (self.x.forward(point.0), self.y.forward(point.1));
        self.area.draw(&Circle::new(center, units(radius), style)).expect(STRING);
    }

    /// The axis of values on the left: lines of the grid with their labels.
    pub(crate) fn left_axis(&self, canvas: &Canvas<'_>, ticks: &Ticks) {
        let Edges { left, right, .. } = self.edges;
        for (value, label) in &ticks.labeled {
            let y = self.down(*value);
            canvas.path(&[(left, y), (right, y)], stroke(GRID, 1.0, 1.0));
            let kind = Type::new(LABEL, SOFT, Align::Right);
            canvas.text(label, (left - 7.0, y + LABEL * 0.35), kind);
        }
        for value in &ticks.unlabeled {
            let y = self.down(*value);
            canvas.path(&[(left - 3.0, y), (left, y)], stroke(GRID, 1.0, 1.0));
        }
    }

    /// The axis at the bottom: a line with marks, labels that do not touch, and a title.
    pub(crate) fn bottom_axis(&self, canvas: &Canvas<'_>, ticks: &Ticks, title: &str) {
        let Edges { left, right, bottom, .. } = self.edges;
        let style = stroke(SOFT, 1.0, 1.0);
        canvas.path(&[(left, bottom), (right, bottom)], style);
        for value in &ticks.unlabeled {
            let x = self.across(*value);
            canvas.path(&[(x, bottom), (x, bottom + 3.0)], style);
        }
        let mut free = f64::NEG_INFINITY;
        for (value, label) in &ticks.labeled {
            let x = self.across(*value);
            canvas.path(&[(x, bottom), (x, bottom + 5.0)], style);
            let half = width(label, LABEL, false) / 2.0;
            if x - half >= free {
                let kind = Type::new(LABEL, SOFT, Align::Center);
                canvas.text(label, (x, bottom + 19.0), kind);
                free = x + half + 6.0;
            }
        }
        let kind = Type::new(LABEL, INK, Align::Center);
        canvas.text(title, (self.edges.middle(), bottom + 38.0), kind);
    }
}

/// How wide the widest label is.
pub(crate) fn widest(ticks: &Ticks) -> f64 {
    ticks.labeled.iter().map(|(_, label)| width(label, LABEL, false)).fold(0.0, f64::max)
}
