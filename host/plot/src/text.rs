//! How wide text is in the font of the pictures, and how to make it fit.

use std::sync::OnceLock;

use skrifa::{FontRef, MetadataProvider, instance::LocationRef, instance::Size};

/// The font that is embedded, then fonts of the same or a smaller width for viewers that lack it.
pub(crate) const FAMILY: &str = "Noto Sans, Open Sans, Segoe UI, Helvetica, Arial, sans-serif";

/// Regular and bold, as the crate `notosans` carries them (SIL Open Font License).
pub(crate) fn fonts() -> [&'static [u8]; 2] {
    [notosans::REGULAR_TTF, notosans::BOLD_TTF]
}

/// After which names may be broken into two lines.
const BREAKS: [char; 8] = [' ', ',', '-', '_', '.', '=', '/', ':'];

/// The width of text in pixels at a size in pixels, without kerning.
pub(crate) fn width(text: &str, size: f64, bold: bool) -> f64 {
    static FONTS: OnceLock<[FontRef<'static>; 2]> = OnceLock::new();
    let fonts = FONTS
        .get_or_init(|| fonts().map(|bytes| FontRef::new(bytes).expect("the fonts are embedded")));
    let font = &fonts[usize::from(bold)];
    let map = font.charmap();
    let metrics = font.glyph_metrics(Size::new(size as f32), LocationRef::default());
    let advance = |glyph| metrics.advance_width(glyph).map(f64::from);
    // What the font lacks is drawn by another one, at most as wide as the size.
    text.chars().map(|character| map.map(character).and_then(advance).unwrap_or(size)).sum()
}

/// The text with its middle left out if it is wider than `most` pixels.
pub(crate) fn elide(text: &str, size: f64, bold: bool, most: f64) -> String {
    if width(text, size, bold) <= most {
        return text.to_owned();
    }
    let characters: Vec<char> = text.chars().collect();
    for kept in (0..characters.len()).rev() {
        let (head, tail) = (kept.div_ceil(2), kept / 2);
        let short: String = characters[..head]
            .iter()
            .chain(std::iter::once(&'…'))
            .chain(&characters[characters.len() - tail..])
            .collect();
        if width(&short, size, bold) <= most {
            return short;
        }
    }
    "…".to_owned()
}

/// A name in one line, or in two of about the same width, each at most `most` pixels wide.
pub(crate) fn name_lines(name: &str, size: f64, bold: bool, most: f64) -> Vec<String> {
    if width(name, size, bold) <= most {
        return vec![name.to_owned()];
    }
    let breaks = name.char_indices().filter(|(_, character)| BREAKS.contains(character));
    let halves = breaks.map(|(at, character)| name.split_at(at + character.len_utf8()));
    let wider = |(head, tail): &(&str, &str)| {
        width(head.trim_end(), size, bold).max(width(tail.trim_start(), size, bold))
    };
    let best = halves
        .filter(|(head, tail)| !head.trim().is_empty() && !tail.trim().is_empty())
        .min_by(|a, b| wider(a).total_cmp(&wider(b)));
    let (head, tail) = best.unwrap_or((name, ""));
    [head, tail]
        .into_iter()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| elide(line, size, bold, most))
        .collect()
}

/// Words in lines of at most `most` pixels; a word that is wider has a line of its own.
pub(crate) fn wrap(words: &str, size: f64, most: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width(&format!("{line} {word}"), size, false) <= most => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(elide(word, size, false, most)),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::{elide, name_lines, width, wrap};

    #[test]
    fn widths_are_those_of_the_font() {
        // From the tables of the files: of 2048 units `M` is 1858 wide and `i` 528, the bold `M` 1931.
        assert!((width("Mi", 2048.0, false) - (1858.0 + 528.0)).abs() < 1e-3);
        assert!((width("M", 2048.0, true) - 1931.0).abs() < 1e-3);
    }

    #[test]
    fn what_is_too_wide_loses_its_middle() {
        assert_eq!(elide("short", 10.0, false, 100.0), "short");
        let short = elide("learning_rate=0.00100", 10.0, false, 60.0);
        assert!(width(&short, 10.0, false) <= 60.0, "{short}");
        assert!(short.starts_with("lea") && short.ends_with("100") && short.contains('…'));
        assert_eq!(elide("name", 10.0, false, 0.0), "…");
    }

    #[test]
    fn long_names_break_where_words_end() {
        assert_eq!(
            name_lines("attentive-stats-per-channel", 12.0, false, 110.0),
            ["attentive-stats-", "per-channel"]
        );
        for line in name_lines("onewordwithoutanybreaksinit", 12.0, false, 60.0) {
            assert!(width(&line, 12.0, false) <= 60.0);
        }
    }

    #[test]
    fn words_fill_lines() {
        let lines = wrap("a mean over eight seeds and a band", 12.0, 90.0);
        assert!(lines.len() > 1 && lines.iter().all(|line| width(line, 12.0, false) <= 90.0));
        assert_eq!(lines.join(" "), "a mean over eight seeds and a band");
    }
}
