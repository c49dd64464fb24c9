//! Draws a block of lines at the bottom of a terminal again and again, and lines that stay above it.
//!
//! Everything of one moment is one piece of text: the terminal never shows half of it. Only lines
//! that changed are written. The cursor waits in the empty line below the block, so that whatever
//! ends the program leaves a usable terminal.

use super::line::Line;
use std::fmt::Write;

/// Terminals that know it show everything up to `END` at once; the others ignore it. Without
/// wrapping, a line that a terminal thinks is wider than we do is cut, not continued.
const BEGIN: &str = "\x1b[?2026h\x1b[?7l";
const END: &str = "\x1b[?7h\x1b[?2026l";
const WRAP: &str = "\x1b[?7h";
const NO_WRAP: &str = "\x1b[?7l";
const ERASE_LINE_END: &str = "\x1b[K";
const ERASE_BELOW: &str = "\x1b[J";

/// What is on the terminal.
pub(super) struct Painter {
    color: bool,
    /// Whether the terminal breaks lines again when it becomes narrower.
    reflows: bool,
    columns: usize,
    rows: usize,
    /// The lines as they were written, and their widths.
    shown: Vec<(String, usize)>,
}

impl Painter {
    pub(super) fn new(color: bool, reflows: bool) -> Self {
        Self { color, reflows, columns: 0, rows: 0, shown: Vec::new() }
    }

    /// Whether the terminal is not as it was at the last frame.
    pub(super) fn resized(&self, size: (usize, usize)) -> bool {
        size != (self.columns, self.rows)
    }

    /// What to write so that the lines `above` stay and `block` stands below them. Nothing if that is
    /// so already.
    pub(super) fn draw(
        &mut self,
        above: &[Line],
        block: &[Line],
        (columns, rows): (usize, usize),
    ) -> String {
        let up = self.height_at(columns).min(rows.saturating_sub(1));
        let whole = !above.is_empty() || self.resized((columns, rows));
        let block: Vec<(String, usize)> =
            block.iter().map(|line| (line.paint(self.color), line.width())).collect();
        if !whole && block == self.shown {
            return String::new();
        }
        let mut text = BEGIN.to_owned();
        to_start(&mut text, up);
        if whole {
            text.push_str(ERASE_BELOW);
            if !above.is_empty() {
                text.push_str(WRAP);
                for line in above {
                    text.push_str(&line.paint(self.color));
                    text.push_str("\r\n");
                }
                text.push_str(NO_WRAP);
            }
        }
        for (index, (painted, _)) in block.iter().enumerate() {
            let stands = !whole && self.shown.get(index).is_some_and(|(old, _)| old == painted);
            if !stands {
                text.push_str(painted);
                text.push_str(ERASE_LINE_END);
            }
            text.push_str("\r\n");
        }
        if !whole && block.len() < self.shown.len() {
            text.push_str(ERASE_BELOW);
        }
        text.push_str(END);
        (self.columns, self.rows, self.shown) = (columns, rows, block);
        text
    }

    /// Rows that the block takes now: a terminal that became narrower may have broken its lines.
    fn height_at(&self, columns: usize) -> usize {
        let rows = |(_, width): &(String, usize)| match columns {
            1.. if self.reflows => width.div_ceil(columns).max(1),
            _ => 1,
        };
        self.shown.iter().map(rows).sum()
    }
}

fn to_start(text: &mut String, rows_up: usize) {
    text.push('\r');
    if rows_up > 0 {
        // Writing to a string cannot fail.
        let _ = write!(text, "\x1b[{rows_up}A");
    }
}

#[cfg(test)]
mod tests {
    use super::super::line::{Ink, Line};
    use super::Painter;
    use std::num::NonZeroU16;

    fn size(number: u16) -> NonZeroU16 {
        NonZeroU16::new(number).unwrap()
    }

    fn lines(texts: &[&str]) -> Vec<Line> {
        texts.iter().map(|text| Line::new(text, Ink::Good)).collect()
    }

    /// A terminal with what was on it before.
    fn terminal(rows: u16, columns: u16) -> vt100::Parser {
        let mut terminal = vt100::Parser::new(size(rows), size(columns), 100);
        terminal.process(b"$ ablate sweep\r\n");
        terminal
    }

    fn shown(terminal: &vt100::Parser) -> Vec<String> {
        let columns = terminal.screen().size().1;
        let rows = terminal.screen().rows(0, columns.get());
        let mut rows: Vec<String> = rows.map(|row| row.trim_end().to_owned()).collect();
        while rows.last().is_some_and(String::is_empty) {
            rows.pop();
        }
        rows
    }

    #[test]
    fn the_block_moves_down_below_lines_that_stay() {
        let (mut terminal, mut painter) = (terminal(8, 20), Painter::new(true, true));
        let mut draw = |above: &[&str], block: &[&str]| {
            let text = painter.draw(&lines(above), &lines(block), (20, 8));
            terminal.process(text.as_bytes());
            (shown(&terminal), terminal.screen().cursor_position())
        };
        let all = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        let command = "$ ablate sweep";
        assert_eq!(draw(&[], &["0/3", "one"]), (all(&[command, "0/3", "one"]), (3, 0)));
        assert_eq!(draw(&[], &["0/3", "only"]), (all(&[command, "0/3", "only"]), (3, 0)));
        let expected = all(&[command, "done a", "1/3", "o", "two"]);
        assert_eq!(draw(&["done a"], &["1/3", "o", "two"]), (expected, (5, 0)));
        let long = "failed: this is longer than the terminal";
        let expected =
            all(&[command, "done a", "failed: this is long", "er than the terminal", "2/3"]);
        assert_eq!(draw(&[long], &["2/3"]), (expected, (5, 0)));
        let (rows, cursor) = draw(&["done b", "done c"], &["3/3", "x", "y"]);
        let expected =
            ["er than the terminal", "done b", "done c", "3/3", "x", "y"].map(str::to_owned);
        assert_eq!((&rows[1..], cursor), (&expected[..], (7, 0)));
        let (rows, cursor) = draw(&[], &[]);
        assert_eq!((rows.last().map(String::as_str), cursor), (Some("done c"), (4, 0)));
        // What was scrolled away can be scrolled back.
        terminal.screen_mut().set_scrollback(1);
        assert_eq!(shown(&terminal)[0], "done a");
    }

    #[test]
    fn only_what_changed_is_written() {
        let mut painter = Painter::new(false, true);
        let first = painter.draw(&[], &lines(&["head", "row"]), (20, 8));
        assert!(first.contains("head") && first.contains("row"));
        assert_eq!(painter.draw(&[], &lines(&["head", "row"]), (20, 8)), "");
        let second = painter.draw(&[], &lines(&["head", "new"]), (20, 8));
        assert!(!second.contains("head") && second.contains("new"), "{second:?}");
        // Another size: nothing of what stands there can be trusted.
        assert!(painter.draw(&[], &lines(&["head", "new"]), (21, 8)).contains("head"));
    }

    #[test]
    fn colors_are_written_only_where_they_are_wanted() {
        let line = [Line::new("done", Ink::Good)];
        let drawn = |color| Painter::new(color, true).draw(&line, &line, (20, 8));
        assert_eq!(drawn(true).matches("\x1b[32mdone\x1b[0m").count(), 2);
        assert!(!drawn(false).contains("\x1b[32m") && drawn(false).contains("done\r\n"));
    }

    #[test]
    fn a_narrower_terminal_keeps_what_was_above() {
        // This one does not break lines again.
        let (mut terminal, mut painter) = (terminal(8, 20), Painter::new(false, false));
        let wide = lines(&["0/3 trials running", "variant and seed 3"]);
        terminal.process(painter.draw(&lines(&["done"]), &wide, (20, 8)).as_bytes());
        terminal.screen_mut().set_size(size(8), size(10));
        terminal.process(painter.draw(&[], &lines(&["0/3", "varian"]), (10, 8)).as_bytes());
        assert_eq!(shown(&terminal), ["$ ablate s", "done", "0/3", "varian"]);
        // Those that do show each of these lines in two rows of ten columns.
        let mut painter = Painter::new(false, true);
        let _ = painter.draw(&[], &wide, (20, 8));
        assert!(painter.draw(&[], &wide, (10, 8)).contains("\r\x1b[4A\x1b[J"));
        // Not further than the terminal is high.
        assert!(painter.draw(&[], &wide, (2, 8)).contains("\r\x1b[7A\x1b[J"));
    }

    #[test]
    fn what_stays_may_wrap_and_the_block_may_not() {
        let mut painter = Painter::new(false, true);
        let text = painter.draw(&lines(&["said"]), &lines(&["head", "row"]), (20, 8));
        let wraps = |part: &str| {
            let before = &text[..text.find(part).unwrap()];
            before.rfind("\x1b[?7h") > before.rfind("\x1b[?7l")
        };
        assert_eq!([wraps("said"), wraps("head"), wraps("row")], [true, false, false]);
        assert!(text.rfind("\x1b[?7h") > text.rfind("\x1b[?7l"));
    }
}
