//! Colors that people with every kind of color vision tell apart.

use plotters::style::{RGBColor, colors::colormaps::ViridisRGB};

/// Text and the baseline.
pub(crate) const INK: RGBColor = RGBColor(34, 34, 34);

/// Text that is not looked at first.
pub(crate) const SOFT: RGBColor = RGBColor(92, 92, 92);

/// What stands back behind colored lines.
pub(crate) const FAINT: RGBColor = RGBColor(188, 188, 188);

/// Lines of the grid.
pub(crate) const GRID: RGBColor = RGBColor(230, 230, 230);

/// The background: opaque, so that a picture reads the same on dark pages and on light ones.
pub(crate) const PAPER: RGBColor = RGBColor(255, 255, 255);

/// A change for the better.
pub(crate) const BETTER: RGBColor = RGBColor(0, 114, 178);

/// A change for the worse.
pub(crate) const WORSE: RGBColor = RGBColor(213, 94, 0);

/// The colors of Okabe and Ito (2008) that are dark enough for lines on white, without black, which the baseline has.
pub(crate) const COLORS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
];

/// Viridis at `part`, from dark (0) to bright (1).
pub(crate) fn viridis(part: f64) -> RGBColor {
    ViridisRGB::get_color(part.clamp(0.0, 1.0) as f32)
}

/// The color of text on a ground, for the better contrast.
pub(crate) fn text_on(ground: RGBColor) -> RGBColor {
    if luminance(ground) > 0.18 { RGBColor(0, 0, 0) } else { RGBColor(255, 255, 255) }
}

/// The color, darkened until text in it is read well on white: a contrast of at least 4.5 to 1.
pub(crate) fn readable(color: RGBColor) -> RGBColor {
    let mut color = color;
    while 1.05 / (luminance(color) + 0.05) < 4.5 {
        let darker = |part: u8| (f64::from(part) * 0.95) as u8;
        color = RGBColor(darker(color.0), darker(color.1), darker(color.2));
    }
    color
}

/// The relative luminance (WCAG 2.1), from 0, black, to 1, white.
fn luminance(RGBColor(red, green, blue): RGBColor) -> f64 {
    let linear = |part: u8| {
        let part = f64::from(part) / 255.0;
        if part <= 0.03928 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
}
