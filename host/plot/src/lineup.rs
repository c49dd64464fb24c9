//! Which variants of a picture are drawn how: up to thirteen by color and dashes, of more only the best.

use plotters::style::RGBColor;

use crate::palette::{COLORS, FAINT, INK};

/// Colors, each solid and dashed.
const STYLES: usize = 2 * COLORS.len();

/// How a variant is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Style {
    pub(crate) color: RGBColor,
    pub(crate) dashed: bool,
    /// Whether it stands in front, with its band and its name.
    pub(crate) shown: bool,
}

/// A style for each variant, by whether it is the baseline and by its last value.
///
/// With more variants than styles the baseline and those that end best are shown (by `better`, 1 for higher and -1
/// for lower; without a direction the first ones), the others stay grey.
pub(crate) fn styles(variants: &[(bool, Option<f64>)], better: Option<f64>) -> Vec<Style> {
    let mut others: Vec<usize> = variants
        .iter()
        .enumerate()
        .filter(|(_, (baseline, last))| !baseline && last.is_some())
        .map(|(index, _)| index)
        .collect();
    if others.len() > STYLES {
        let rank = |index: usize| -better.unwrap_or(0.0) * variants[index].1.unwrap_or(0.0);
        others.sort_by(|&a, &b| rank(a).total_cmp(&rank(b)).then(a.cmp(&b)));
        others.truncate(COLORS.len());
        // The order of the table keeps a variant's color the same over pictures that show the same variants.
        others.sort_unstable();
    }
    let style = |index: usize, baseline: bool| {
        if baseline {
            return Style { color: INK, dashed: false, shown: true };
        }
        match others.iter().position(|other| *other == index) {
            Some(rank) => Style {
                color: COLORS[rank % COLORS.len()],
                dashed: rank >= COLORS.len(),
                shown: true,
            },
            None => Style { color: FAINT, dashed: false, shown: false },
        }
    };
    variants.iter().enumerate().map(|(index, (baseline, _))| style(index, *baseline)).collect()
}

#[cfg(test)]
mod tests {
    use super::styles;

    #[test]
    fn thirteen_variants_look_different() {
        let variants: Vec<_> = (0..13).map(|index| (index == 4, Some(0.0))).collect();
        let styles = styles(&variants, Some(1.0));
        for (index, one) in styles.iter().enumerate() {
            assert!(one.shown);
            assert!(!styles[..index].contains(one), "{index}");
        }
    }

    #[test]
    fn of_many_the_best_are_shown() {
        let variants: Vec<_> =
            (0..20).map(|index| (index == 0, Some(f64::from(index % 10)))).collect();
        let shown = |better| {
            let styles = styles(&variants, better);
            let shown = styles.iter().enumerate().filter(|(_, style)| style.shown);
            shown.map(|(index, _)| index).collect::<Vec<_>>()
        };
        assert_eq!(shown(Some(1.0)), [0, 7, 8, 9, 17, 18, 19]);
        // The baseline aside, 0 is at 10, 1 at 1 and 11, 2 at 2 and 12, 3 at 3 before 13.
        assert_eq!(shown(Some(-1.0)), [0, 1, 2, 3, 10, 11, 12]);
        assert_eq!(shown(None), [0, 1, 2, 3, 4, 5, 6]);
    }
}
