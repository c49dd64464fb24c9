//! The sheet that pictures are drawn on, in pixels with fractions.

use plotters::{
    coord::Shift,
    drawing::{DrawingArea, IntoDrawingArea},
    element::{Circle, DashedPathElement, PathElement, Rectangle},
    prelude::SVGBackend,
    style::{
        Color, FontDesc, FontFamily, FontStyle, RGBColor, ShapeStyle, TextStyle,
        text_anchor::{HPos, Pos, VPos},
    },
};

use crate::{Picture, palette::PAPER, text::FAMILY};

/// Units of the SVG per pixel: plotters rounds to whole units, which would show in pixels.
pub(crate) const UNIT: f64 = 20.0;

/// Plotters divides font sizes by this when it writes SVG.
const FONT_FACTOR: f64 = 1.24;

/// How far below its upper edge plotters puts the baseline of text, in font sizes.
const ASCENT: f64 = 0.76;

const STRING: &str = "a string takes every element";

pub(crate) type Area<'a, Coordinates> = DrawingArea<SVGBackend<'a>, Coordinates>;

/// A place on the sheet, from its upper left corner.
pub(crate) type At = (f64, f64);

/// Where text stands relative to its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Center,
    Right,
}

/// How text looks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Type {
    pub(crate) size: f64,
    pub(crate) bold: bool,
    pub(crate) color: RGBColor,
    pub(crate) align: Align,
}

impl Type {
    pub(crate) const fn new(size: f64, color: RGBColor, align: Align) -> Self {
        Self { size, bold: false, color, align }
    }

    pub(crate) const fn bold(mut self, bold: bool) -> Self {
        self.bold = bold;
        self
    }
}

/// A line of a color, an opacity and a width in pixels.
pub(crate) fn stroke(color: RGBColor, opacity: f64, width: f64) -> ShapeStyle {
    color.mix(opacity).stroke_width(units(width).unsigned_abs())
}

/// A filled shape.
pub(crate) fn fill(color: RGBColor, opacity: f64) -> ShapeStyle {
    color.mix(opacity).filled()
}

/// Pixels in units.
pub(crate) fn units(pixels: f64) -> i32 {
    (pixels * UNIT).round() as i32
}

fn place((x, y): At) -> (i32, i32) {
    (units(x), units(y))
}

/// The sheet.
pub(crate) struct Canvas<'a> {
    area: Area<'a, Shift>,
}

/// A picture of this size in pixels, with a title and a description for those who cannot see it.
pub(crate) fn paint(
    (width, height): (f64, f64),
    title: &str,
    description: &str,
    draw: impl FnOnce(&Canvas<'_>),
) -> Picture {
    let mut svg = String::new();
    let (width, height) = (width.ceil(), height.ceil());
    let size = (units(width).unsigned_abs(), units(height).unsigned_abs());
    {
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        area.fill(&PAPER).expect(STRING);
        let canvas = Canvas { area };
        draw(&canvas);
        canvas.area.present().expect(STRING);
    }
    // The head is written anew: a size in pixels, round corners, and words.
    let (_, body) = svg.split_once('\n').expect("the head is a line");
    Picture::new(format!(
        "<svg width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {} {}\" \
         xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" stroke-linejoin=\"round\">\n\
         <title>{}</title>\n<desc>{}</desc>\n{body}",
        size.0,
        size.1,
        escape(title),
        escape(description),
    ))
}

impl<'a> Canvas<'a> {
    /// Text with its baseline at `at`.
    pub(crate) fn text(&self, text: &str, at: At, kind: Type) {
        let style = if kind.bold { FontStyle::Bold } else { FontStyle::Normal };
        let font = FontDesc::new(FontFamily::Name(FAMILY), kind.size * UNIT * FONT_FACTOR, style);
        let align = match kind.align {
            Align::Left => HPos::Left,
            Align::Center => HPos::Center,
            Align::Right => HPos::Right,
        };
        let style = TextStyle::from(font).color(&kind.color).pos(Pos::new(align, VPos::Top));
        let upper = place((at.0, at.1 - ASCENT * kind.size));
        self.area.draw_text(&printable(text), &style, upper).expect(STRING);
    }

    /// Straight lines through all points.
    pub(crate) fn path(&self, points: &[At], style: ShapeStyle) {
        let points: Vec<_> = points.iter().copied().map(place).collect();
        self.area.draw(&PathElement::new(points, style)).expect(STRING);
    }

    /// The same with dashes and gaps of these lengths in pixels.
    pub(crate) fn dashed(&self, points: &[At], dash: f64, gap: f64, style: ShapeStyle) {
        let points: Vec<_> = points.iter().copied().map(place).collect();
        let element = DashedPathElement::new(points, units(dash), units(gap), style);
        self.area.draw(&element).expect(STRING);
    }

    /// A filled rectangle between two corners.
    pub(crate) fn rectangle(&self, from: At, to: At, style: ShapeStyle) {
        self.area.draw(&Rectangle::new([place(from), place(to)], style)).expect(STRING);
    }

    /// The outline of a rectangle between two corners.
    pub(crate) fn outline(&self, from: At, to: At, style: ShapeStyle) {
        let corners = [from, (to.0, from.1), to, (from.0, to.1), from];
        // A little over the first corner, so that it is a corner too.
        let over = (from.0 + (to.0 - from.0) * 0.05, from.1);
        self.path(&[&corners[..], &[over]].concat(), style);
    }

    /// A circle of a radius in pixels.
    pub(crate) fn circle(&self, center: At, radius: f64, style: ShapeStyle) {
        self.area.draw(&Circle::new(place(center), units(radius), style)).expect(STRING);
    }

    /// The sheet with coordinates of its own.
    pub(crate) fn with<Coordinates: plotters::coord::CoordTranslate>(
        &self,
        coordinates: Coordinates,
    ) -> Area<'a, Coordinates> {
        self.area.apply_coord_spec(coordinates)
    }
}

/// Without characters that XML has no place for.
fn printable(text: &str) -> String {
    let known =
        |character: char| !character.is_control() && !"\u{fffe}\u{ffff}".contains(character);
    text.chars().map(|character| if known(character) { character } else { '\u{fffd}' }).collect()
}

fn escape(text: &str) -> String {
    printable(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
