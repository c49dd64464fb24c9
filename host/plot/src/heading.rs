//! The words of a picture: what it shows, above it, and how it was made, below it.

use crate::{
    Measure,
    canvas::{Align, Canvas, Type},
    palette::{INK, SOFT},
    text::{elide, width, wrap},
};

const TITLE: f64 = 14.0;
const SUBTITLE: f64 = 12.0;
const CAPTION: f64 = 11.0;
const CAPTION_LINE: f64 = 14.5;
const MARGIN: f64 = 10.0;

/// Names that a caption lists; of more it says how many.
const LISTED: usize = 4;

/// Metric and unit in bold, split and direction beside them, or below where there is no room.
pub(crate) fn heading(canvas: &Canvas<'_>, title: &str, measure: &Measure, sheet: f64) {
    let subtitle = measure.subtitle();
    let room = sheet - 2.0 * MARGIN - width(&subtitle, SUBTITLE, false) - 12.0;
    let title = elide(title, TITLE, true, room);
    canvas.text(&title, (MARGIN, 25.0), Type::new(TITLE, INK, Align::Left).bold(true));
    let after = MARGIN + width(&title, TITLE, true) + 9.0;
    canvas.text(&subtitle, (after, 25.0), Type::new(SUBTITLE, SOFT, Align::Left));
}

/// Lines in small type under a picture.
pub(crate) struct Caption {
    /// All of it.
    pub(crate) text: String,
    lines: Vec<String>,
}

impl Caption {
    /// The text, then notes, wrapped to the width of the sheet.
    pub(crate) fn new(text: &str, notes: &[String], sheet: f64) -> Self {
        let parts = std::iter::once(text).chain(notes.iter().map(String::as_str));
        let text = parts.collect::<Vec<_>>().join(" ");
        let lines = wrap(&text, CAPTION, sheet - 2.0 * MARGIN);
        Self { text, lines }
    }

    pub(crate) fn height(&self) -> f64 {
        self.lines.len() as f64 * CAPTION_LINE + 8.0
    }

    /// Draws it with its upper edge at `top`.
    pub(crate) fn draw(&self, canvas: &Canvas<'_>, top: f64) {
        for (index, line) in self.lines.iter().enumerate() {
            let at = (MARGIN, top + CAPTION + index as f64 * CAPTION_LINE);
            canvas.text(line, at, Type::new(CAPTION, SOFT, Align::Left));
        }
    }
}

/// `a, b, c and 3 more`.
pub(crate) fn listed(names: &[String]) -> String {
    match names.len().checked_sub(LISTED) {
        None | Some(0) => names.join(", "),
        Some(more) => format!("{} and {more} more", names[..LISTED].join(", ")),
    }
}
