//! Where an axis has its marks, and what stands beside them.

use crate::{
    numbers::{Numbers, count, order, short},
    scale::Scale,
};

/// The marks of an axis.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Ticks {
    /// Values with their labels.
    pub(crate) labeled: Vec<(f64, String)>,
    /// Values between them, marked only.
    pub(crate) unlabeled: Vec<f64>,
    /// A power of ten that all labels leave out.
    pub(crate) factor: Option<String>,
}

impl Ticks {
    /// About `wanted` marks at round values.
    pub(crate) fn of(scale: &Scale, wanted: usize) -> Self {
        if scale.log() { logarithmic(scale, wanted) } else { linear(scale, wanted) }
    }

    /// The same for counts, at whole numbers.
    pub(crate) fn of_counts(scale: &Scale, wanted: usize) -> Self {
        let range = scale.range();
        let step = round_step((range.end - range.start) / wanted as f64).max(1.0);
        let labeled = multiples(scale, step).map(|value| (value, count(value))).collect();
        Self { labeled, ..Self::default() }
    }

    /// Marks at given values.
    pub(crate) fn at(values: &[f64]) -> Self {
        let labeled = values.iter().map(|value| (*value, short(*value, 4))).collect();
        Self { labeled, ..Self::default() }
    }
}

fn linear(scale: &Scale, wanted: usize) -> Ticks {
    let range = scale.range();
    let step = round_step((range.end - range.start) / wanted as f64);
    let values: Vec<f64> = multiples(scale, step).collect();
    let largest = values.iter().fold(0_f64, |largest, value| largest.max(value.abs()));
    let numbers = Numbers::new(largest, step);
    Ticks {
        labeled: values.into_iter().map(|value| (value, numbers.write(value))).collect(),
        unlabeled: Vec::new(),
        factor: numbers.factor(),
    }
}

fn multiples(scale: &Scale, step: f64) -> impl Iterator<Item = f64> {
    let range = scale.range();
    // A little beyond the ends, which rounding may have moved.
    let first = (range.start / step - 1e-6).ceil();
    let last = (range.end / step + 1e-6).floor();
    (0..=(last - first).max(0.0) as usize).map(move |index| (first + index as f64) * step)
}

/// Of 1, 2 and 5 times powers of ten the one that is nearest to `step` by ratio.
fn round_step(step: f64) -> f64 {
    let power = 10_f64.powi(order(step));
    if power == 0.0 {
        return step;
    }
    // Up to the geometric mean of a digit and the next one.
    let digits = [(1.0, 2_f64), (2.0, 10.0), (5.0, 50.0)];
    let near = digits.into_iter().find(|(_, square)| step / power <= square.sqrt());
    near.map_or(10.0, |(digit, _)| digit) * power
}

fn logarithmic(scale: &Scale, wanted: usize) -> Ticks {
    let range = scale.range();
    let inside = |value: f64| range.contains(&value.log10());
    let (low, high) = (range.start.floor() as i32, range.end.ceil() as i32);
    let decades = range.end - range.start;
    // One label per decade, fewer over many, more within few.
    let digits: &[f64] = match decades {
        decades if decades < 1.0 => &[1.0, 2.0, 3.0, 4.0, 5.0, 7.0],
        decades if decades < 2.0 => &[1.0, 2.0, 5.0],
        _ => &[1.0],
    };
    let every = ((decades / wanted as f64).ceil() as i32).max(1);
    let mut ticks = Ticks::default();
    for exponent in low..=high {
        for digit in 1..=9 {
            let digit = f64::from(digit);
            let value = digit * 10_f64.powi(exponent);
            if !inside(value) {
                continue;
            }
            if digits.contains(&digit) && exponent.rem_euclid(every) == 0 {
                ticks.labeled.push((value, short(value, 4)));
            } else if digit == 1.0 || decades < 5.0 {
                ticks.unlabeled.push(value);
            }
        }
    }
    ticks
}

#[cfg(test)]
mod tests {
    use super::Ticks;
    use crate::scale::Scale;

    fn labels(ticks: &Ticks) -> Vec<&str> {
        ticks.labeled.iter().map(|(_, label)| label.as_str()).collect()
    }

    #[test]
    fn linear_marks_are_round() {
        let check = |values: [f64; 2], expected: &[&str], factor: Option<&str>| {
            let ticks = Ticks::of(&Scale::around(values, false), 5);
            assert_eq!(labels(&ticks), expected);
            assert_eq!(ticks.factor.as_deref(), factor);
        };
        check([0.0, 1.0], &["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"], None);
        check([0.0, 4.0], &["0", "1", "2", "3", "4"], None);
        check([-2e-9, 2e-9], &["−2", "−1", "0", "1", "2"], Some("1e−9"));
        check([1.5, 1.5], &["1.35", "1.40", "1.45", "1.50", "1.55", "1.60", "1.65"], None);
    }

    #[test]
    fn counts_are_whole() {
        let ticks = Ticks::of_counts(&Scale::between(1.0, 3.0), 6);
        assert_eq!(labels(&ticks), ["1", "2", "3"]);
        let ticks = Ticks::of_counts(&Scale::between(0.0, 100_000.0), 5);
        assert_eq!(labels(&ticks), ["0", "20k", "40k", "60k", "80k", "100k"]);
    }

    #[test]
    fn decades_are_labeled_on_logarithmic_axes() {
        let ticks = Ticks::of(&Scale::around([1e-3, 1.0], true), 6);
        assert_eq!(labels(&ticks), ["0.001", "0.01", "0.1", "1"]);
        assert!(ticks.unlabeled.contains(&0.002));
        let ticks = Ticks::of(&Scale::around([1e-100, 1e100], true), 6);
        assert!((3..=7).contains(&ticks.labeled.len()), "{ticks:?}");
        let ticks = Ticks::of(&Scale::around([2.0, 6.0], true), 6);
        assert_eq!(labels(&ticks), ["2", "3", "4", "5"]);
    }
}
