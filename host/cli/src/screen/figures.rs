//! Numbers as a live screen shows them: values of one column with one last place, durations,
//! memory.

use std::time::Duration;

/// How the values of one column are written, so that they can be compared at a glance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    /// With this number of decimals.
    Fixed(usize),
    /// With an exponent, for very large and very small numbers.
    Exponent,
}

/// Digits before and after the point together, at most.
const DIGITS_MAX: i32 = 8;

impl Scale {
    /// For means and their standard deviations: the smallest spread has two significant digits, or,
    /// where there is none, the largest mean has four digits before and after the point.
    pub(super) fn of(values: impl IntoIterator<Item = (f64, Option<f64>)>) -> Self {
        let (mut top, mut spread_min) = (0.0_f64, f64::INFINITY);
        for (mean, spread) in values {
            let size = mean.abs().max(spread.unwrap_or(0.0));
            if size.is_finite() {
                top = top.max(size);
            }
            if let Some(spread) = spread.filter(|spread| *spread > 0.0) {
                spread_min = spread_min.min(spread);
            }
        }
        if top == 0.0 {
            return Self::Fixed(0);
        }
        let order = magnitude(top);
        if !(-3..7).contains(&order) {
            return Self::Exponent;
        }
        let wanted =
            if spread_min.is_finite() { 1 - magnitude(spread_min) } else { 3 - order.max(0) };
        Self::Fixed(wanted.clamp(0, DIGITS_MAX - 1 - order.max(0)) as usize)
    }

    pub(super) fn number(self, value: f64) -> String {
        match self {
            Self::Fixed(decimals) => format!("{value:.decimals$}"),
            Self::Exponent => format!("{value:.3e}"),
        }
    }

    /// With a sign, also where it is positive.
    pub(super) fn signed(self, value: f64) -> String {
        match self {
            Self::Fixed(decimals) => format!("{value:+.decimals$}"),
            Self::Exponent => format!("{value:+.3e}"),
        }
    }
}

/// The power of ten of the first digit.
fn magnitude(value: f64) -> i32 {
    value.log10().floor() as i32
}

/// A value by itself, such as a loss: three significant digits.
pub(super) fn short(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    match magnitude(value.abs()) {
        order @ -3..=4 => format!("{value:.*}", (2 - order).max(0) as usize),
        _ => format!("{value:.2e}"),
    }
}

/// `0:09`, `12:41`, `1:02:03`, `2 d 01:02`.
pub(super) fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    match (days, hours) {
        (0, 0) => format!("{minutes}:{:02}", seconds % 60),
        (0, _) => format!("{hours}:{:02}:{:02}", minutes % 60, seconds % 60),
        _ => format!("{days} d {:02}:{:02}", hours % 24, minutes % 60),
    }
}

/// `45 s`, `4 min`, `2 h 5 min`, `3 d 4 h`.
pub(super) fn about(time: Duration) -> String {
    let seconds = time.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    match (days, hours, minutes) {
        (0, 0, 0..=1) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, _, _) => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

/// How long something took: in seconds while people think in seconds.
pub(super) fn took(time: Duration) -> String {
    if time.as_secs() < 600 { format!("{:.1} s", time.as_secs_f64()) } else { clock(time) }
}

/// `212 MiB`, `18.2 GiB`.
pub(super) fn memory(bytes: u64) -> String {
    let mebibytes = bytes as f64 / f64::from(1 << 20);
    if mebibytes < 9999.5 {
        format!("{mebibytes:.0} MiB")
    } else {
        format!("{:.1} GiB", mebibytes / 1024.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Scale, about, clock, memory, short, took};
    use std::time::Duration;

    type Pair = (f64, Option<f64>);

    #[test]
    fn a_column_has_one_last_place() {
        let scale = Scale::of([(0.714_28, Some(0.021)), (0.69, Some(0.3)), (0.5, None)]);
        assert_eq!(scale, Scale::Fixed(3));
        assert_eq!([scale.number(0.714_28), scale.signed(0.5)], ["0.714", "+0.500"]);
        let cases: [(&[Pair], Scale); 9] = [
            (&[], Scale::Fixed(0)),
            (&[(0.0, Some(0.0))], Scale::Fixed(0)),
            (&[(0.714, None)], Scale::Fixed(3)),
            (&[(71.4, None), (0.1, None)], Scale::Fixed(2)),
            (&[(71.4, Some(0.31)), (69.8, Some(0.44))], Scale::Fixed(2)),
            (&[(1234.5, Some(56.0))], Scale::Fixed(0)),
            (&[(0.5, Some(1e-13))], Scale::Fixed(7)),
            (&[(2.5e-9, Some(1e-10))], Scale::Exponent),
            (&[(f64::NAN, None), (3e12, None)], Scale::Exponent),
        ];
        for (values, expected) in cases {
            assert_eq!(Scale::of(values.iter().copied()), expected, "{values:?}");
        }
        assert_eq!(Scale::Exponent.number(2.5e-9), "2.500e-9");
        assert_eq!(Scale::Fixed(2).number(f64::NAN), "NaN");
    }

    #[test]
    fn single_values_have_three_digits() {
        let cases = [
            (0.412_34, "0.412"),
            (-0.412_34, "-0.412"),
            (12.345, "12.3"),
            (1234.5, "1234"),
            (123_456.0, "1.23e5"),
            (0.001_234, "0.00123"),
            (0.000_123_4, "1.23e-4"),
            (0.0, "0"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "inf"),
        ];
        for (value, expected) in cases {
            assert_eq!(short(value), expected);
        }
    }

    #[test]
    fn times_and_sizes_are_read_at_a_glance() {
        let clocks = [(0, "0:00"), (9, "0:09"), (761, "12:41"), (3723, "1:02:03")];
        for (seconds, expected) in clocks {
            assert_eq!(clock(Duration::from_secs(seconds)), expected);
        }
        assert_eq!(clock(Duration::from_secs(176_543)), "2 d 01:02");
        let words = [(45, "45 s"), (119, "119 s"), (250, "4 min"), (7500, "2 h 5 min")];
        for (seconds, expected) in words {
            assert_eq!(about(Duration::from_secs(seconds)), expected);
        }
        assert_eq!(about(Duration::from_hours(76)), "3 d 4 h");
        assert_eq!(took(Duration::from_millis(599_940)), "599.9 s");
        assert_eq!(took(Duration::from_secs(3723)), "1:02:03");
        assert_eq!(memory(222_298_112), "212 MiB");
        assert_eq!(memory(19_542_101_197), "18.2 GiB");
    }
}
