//! Numbers for people: a spread with two significant digits, and what it belongs to with the same last place.

/// Significant digits of a value without a spread.
const DIGITS_ALONE: i32 = 4;

/// The most significant digits that a value is shown with.
const MOST_DIGITS: i32 = 9;

/// Decimal places, and a power of ten that is taken out of very large and very small numbers.
#[derive(Clone, Copy, Debug)]
struct Scale {
    decimals: usize,
    exponent: i32,
}

/// `0.714 ± 0.021`; without a spread the value alone.
pub(crate) fn with_spread(value: f64, spread: Option<f64>) -> String {
    let scale = Scale::new(value, spread);
    let value = scale.show(value);
    // A rounded zero has no sign.
    let value = if value.bytes().all(|byte| b"-0.".contains(&byte)) {
        value.trim_start_matches('-').to_owned()
    } else {
        value
    };
    match spread {
        None => scale.finish(value, false),
        Some(spread) => scale.finish(format!("{value} ± {}", scale.show_spread(spread)), true),
    }
}

/// `+0.012 [-0.003, +0.027]`; without an interval the difference alone.
pub(crate) fn with_interval(delta: f64, interval: Option<(f64, f64)>) -> String {
    let scale = Scale::new(delta, interval.map(|(low, high)| (high - low) / 2.0));
    let signed = |value: f64| {
        let text = scale.show(value);
        if text.starts_with('-') { text } else { format!("+{text}") }
    };
    match interval {
        None => scale.finish(signed(delta), false),
        Some((low, high)) => {
            scale.finish(format!("{} [{}, {}]", signed(delta), signed(low), signed(high)), true)
        }
    }
}

/// `0.321 [0.318, 0.325]`; without an interval the value alone.
pub(crate) fn plain_with_interval(value: f64, interval: Option<(f64, f64)>) -> String {
    let scale = Scale::new(value, interval.map(|(low, high)| (high - low) / 2.0));
    let value = scale.show(value);
    match interval {
        None => scale.finish(value, false),
        Some((low, high)) => {
            scale.finish(format!("{value} [{}, {}]", scale.show(low), scale.show(high)), true)
        }
    }
}

/// With so many decimals; a rounded zero has no sign.
pub(crate) fn rounded(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    if text.bytes().all(|byte| b"-0.".contains(&byte)) {
        text.trim_start_matches('-').to_owned()
    } else {
        text
    }
}

impl Scale {
    fn new(value: f64, spread: Option<f64>) -> Self {
        let spread = spread.filter(|spread| *spread > 0.0);
        let magnitude = value.abs().max(spread.unwrap_or(0.0));
        let top = order(magnitude, DIGITS_ALONE - 1);
        let exponent = if (-3..7).contains(&top) { 0 } else { top };
        let last_place = spread.map_or(top - DIGITS_ALONE + 1, |spread| order(spread, 1) - 1);
        let last_place = last_place.max(top - MOST_DIGITS + 1);
        let decimals = if magnitude == 0.0 { 0 } else { (exponent - last_place).max(0) as usize };
        Self { decimals, exponent }
    }

    fn show(self, value: f64) -> String {
        // Two factors: one alone is zero or infinite for the smallest and largest exponents.
        let half = self.exponent / 2;
        let scaled = value / 10_f64.powi(half) / 10_f64.powi(self.exponent - half);
        format!("{scaled:.*}", self.decimals)
    }

    /// A spread that vanishes beside its value is written with its own exponent.
    fn show_spread(self, spread: f64) -> String {
        let text = self.show(spread);
        if spread == 0.0 {
            "0".to_owned()
        } else if text.bytes().all(|byte| b"0.".contains(&byte)) {
            format!("{:.1e}", spread / 10_f64.powi(self.exponent))
        } else {
            text
        }
    }

    fn finish(self, text: String, several: bool) -> String {
        match (self.exponent, several) {
            (0, _) => text,
            (exponent, true) => format!("({text})e{exponent}"),
            (exponent, false) => format!("{text}e{exponent}"),
        }
    }
}

/// The power of ten of the first digit, after rounding to `decimals + 1` significant digits.
fn order(value: f64, decimals: i32) -> i32 {
    // Rust writes `9.96e-2` with one decimal as `1.0e-1`, which is the rounding that is wanted.
    let text = format!("{:.*e}", decimals as usize, value);
    text.split_once('e').and_then(|(_, exponent)| exponent.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{plain_with_interval, rounded, with_interval, with_spread};

    #[test]
    fn spreads_have_two_digits_and_means_the_same_place() {
        let cases = [
            (0.714_28, Some(0.021_49), "0.714 ± 0.021"),
            (0.714_28, Some(0.099_6), "0.71 ± 0.10"),
            (71.428, Some(3.21), "71.4 ± 3.2"),
            (1234.5, Some(56.7), "1234 ± 57"),
            (1234.5, Some(567.8), "1234 ± 568"),
            (-0.000_1, Some(0.012), "0.000 ± 0.012"),
            (0.5, Some(0.0), "0.5000 ± 0"),
            (0.0, Some(0.0), "0 ± 0"),
            (0.5, None, "0.5000"),
            (12345.678, None, "12346"),
            (2.5e-9, Some(1.04e-10), "(2.50 ± 0.10)e-9"),
            (-3.25e12, None, "-3.250e12"),
            (0.5, Some(1.23e-13), "0.500000000 ± 1.2e-13"),
            (5e-324, None, "4.941e-324"),
            (0.001, Some(0.05), "0.001 ± 0.050"),
        ];
        for (value, spread, expected) in cases {
            assert_eq!(with_spread(value, spread), expected);
        }
    }

    #[test]
    fn differences_are_signed() {
        assert_eq!(with_interval(0.0123, Some((-0.0031, 0.0277))), "+0.012 [-0.003, +0.028]");
        assert_eq!(with_interval(-1.5, Some((-1.5, -1.5))), "-1.500 [-1.500, -1.500]");
        assert_eq!(with_interval(0.25, None), "+0.2500");
        assert_eq!(with_interval(2e-8, Some((1e-8, 3e-8))), "(+2.0 [+1.0, +3.0])e-8");
    }

    #[test]
    fn values_with_intervals_are_not() {
        assert_eq!(plain_with_interval(0.321, Some((0.3184, 0.3251))), "0.3210 [0.3184, 0.3251]");
        assert_eq!(plain_with_interval(-1.5, None), "-1.500");
        assert_eq!(plain_with_interval(2.0, Some((2.0, 2.0))), "2.000 [2.000, 2.000]");
        assert_eq!((rounded(-0.001, 2), rounded(-1.005, 1)), ("0.00".into(), "-1.0".into()));
    }
}
