//! A line of text in several inks: measured, cut and painted.

use console::{measure_text_width, strip_ansi_codes};

/// What a piece of text means; the painter turns it into a color, or leaves it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    Plain,
    Strong,
    Faint,
    Good,
    Bad,
    Busy,
}

impl Ink {
    /// The numbers of an SGR escape sequence.
    fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Strong => Some("1"),
            Self::Faint => Some("2"),
            Self::Good => Some("32"),
            Self::Bad => Some("31"),
            Self::Busy => Some("36"),
        }
    }
}

/// One line, without its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Line(Vec<(String, Ink)>);

impl Line {
    pub(super) fn new(text: &str, ink: Ink) -> Self {
        Self::default().with(text, ink)
    }

    /// With more text at its end.
    #[must_use]
    pub(super) fn with(mut self, text: &str, ink: Ink) -> Self {
        self.push(text, ink);
        self
    }

    /// Adds text; what could move the cursor becomes a blank.
    pub(super) fn push(&mut self, text: &str, ink: Ink) {
        if !text.is_empty() {
            self.0.push((clean(text), ink));
        }
    }

    pub(super) fn append(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Columns that it takes on a terminal.
    pub(super) fn width(&self) -> usize {
        self.0.iter().map(|(text, _)| measure_text_width(text)).sum()
    }

    /// Cut to at most `width` columns, with `…` where something is missing.
    #[must_use]
    pub(super) fn cut(self, width: usize) -> Self {
        if self.width() <= width {
            return self;
        }
        let mut left = width;
        let mut kept = Self::default();
        for (text, ink) in self.0 {
            let wide = measure_text_width(&text);
            // Something follows or has to go, so that the mark needs its column too.
            if wide < left {
                left -= wide;
                kept.0.push((text, ink));
                continue;
            }
            if left > 0 {
                kept.0.push((cut(&text, left, true), ink));
            }
            break;
        }
        kept
    }

    /// Cut or filled to exactly `width` columns.
    #[must_use]
    pub(super) fn fill(self, width: usize) -> Self {
        let mut line = self.cut(width);
        let missing = width.saturating_sub(line.width());
        line.push(&" ".repeat(missing), Ink::Plain);
        line
    }

    /// The text alone, without blanks at its end.
    pub(super) fn text(&self) -> String {
        let text: String = self.0.iter().map(|(text, _)| text.as_str()).collect();
        text.trim_end().to_owned()
    }

    /// The text with escape sequences for its inks.
    pub(super) fn paint(&self, color: bool) -> String {
        if !color {
            return self.text();
        }
        let mut painted = String::new();
        for (text, ink) in &self.0 {
            match ink.code() {
                Some(code) => {
                    for part in ["\x1b[", code, "m", text, "\x1b[0m"] {
                        painted.push_str(part);
                    }
                }
                None => painted.push_str(text),
            }
        }
        painted.truncate(painted.trim_end().len());
        painted
    }
}

/// `text` in at most `width` columns.
pub(super) fn shortened(text: &str, width: usize) -> String {
    let text = clean(text);
    if measure_text_width(&text) <= width { text } else { cut(&text, width, false) }
}

/// The beginning of `text` and `…`, together at most `width` columns. With `more`, text that just
/// fits is cut too, because something follows it.
fn cut(text: &str, width: usize, more: bool) -> String {
    if width == 0 || (!more && measure_text_width(text) <= width) {
        return String::new();
    }
    let mut kept = String::new();
    for character in text.chars() {
        kept.push(character);
        if measure_text_width(&kept) > width - 1 {
            kept.pop();
            break;
        }
    }
    kept.push('…');
    kept
}

/// Without escape sequences and control characters.
fn clean(text: &str) -> String {
    if !text.chars().any(char::is_control) {
        return text.to_owned();
    }
    let stripped = strip_ansi_codes(text);
    stripped.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::{Ink, Line, shortened};
    use console::measure_text_width;

    #[test]
    fn what_is_too_long_is_cut_with_a_mark_in_the_ink_of_its_place() {
        let line = Line::new("seed 3", Ink::Bad).with(" epoch", Ink::Plain).with("!", Ink::Good);
        let cut = |width| line.clone().cut(width).paint(true);
        assert_eq!(cut(13), "\x1b[31mseed 3\x1b[0m epoch\x1b[32m!\x1b[0m");
        assert_eq!(cut(12), "\x1b[31mseed 3\x1b[0m epoc…");
        assert_eq!(cut(7), "\x1b[31mseed 3\x1b[0m…");
        assert_eq!(cut(6), "\x1b[31mseed …\x1b[0m");
        assert_eq!(cut(1), "\x1b[31m…\x1b[0m");
        assert_eq!(cut(0), "");
        assert_eq!(line.clone().fill(15).width(), 15);
        assert_eq!(line.paint(false), "seed 3 epoch!");
    }

    #[test]
    fn width_is_counted_in_columns_whatever_the_script() {
        for name in
            ["größer", "注意力池化", "🦀🦀🦀🦀", "e\u{301}e\u{301}e\u{301}e\u{301}", "ab", ""]
        {
            for width in 0..12 {
                let line = Line::new(name, Ink::Plain).with(name, Ink::Busy);
                let (cut, filled) = (line.clone().cut(width), line.clone().fill(width));
                assert!(cut.width() <= width, "{name} at {width}: {}", cut.text());
                assert_eq!(filled.width(), width, "{name} at {width}");
                if line.width() > width && width > 0 {
                    assert!(cut.text().ends_with('…'), "{name} at {width}: {}", cut.text());
                }
                assert!(measure_text_width(&shortened(name, width)) <= width);
            }
        }
        assert_eq!(shortened("注意力池化", 6), "注意…");
        assert_eq!(shortened("注意力池化", 10), "注意力池化");
    }

    #[test]
    fn nothing_in_a_text_moves_the_cursor() {
        let line = Line::new("a\x1b[2Jb\r\nc\td\u{9b}2J\x07", Ink::Plain);
        assert!(!line.paint(false).chars().any(char::is_control), "{:?}", line.text());
        assert_eq!(Line::new("a\x1b[31mb\x1b[0m\tc", Ink::Plain).text(), "ab c");
    }
}
