//! Numbers as people read them.

/// How the numbers of one axis or column are written: all with the same power of ten and the same decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Numbers {
    exponent: i32,
    decimals: usize,
}

impl Numbers {
    /// For numbers up to `largest` in absolute value that differ by about `step`.
    pub(crate) fn new(largest: f64, step: f64) -> Self {
        let magnitude = order(largest);
        let exponent = if (-3..=5).contains(&magnitude) { 0 } else { magnitude };
        let decimals = (exponent - order(step)).clamp(0, 15);
        Self { exponent, decimals: decimals as usize }
    }

    /// For numbers up to `largest` of which `detail` is worth two digits.
    pub(crate) fn two_digits(largest: f64, detail: f64) -> Self {
        let numbers = Self::new(largest, detail);
        let decimals = (numbers.exponent - order(detail) + 1).clamp(0, 8);
        Self { decimals: decimals as usize, ..numbers }
    }

    /// The power of ten that the numbers leave out, such as `1e−9`.
    pub(crate) fn factor(&self) -> Option<String> {
        (self.exponent != 0).then(|| minus(&format!("1e{}", self.exponent)))
    }

    /// The number without the factor.
    pub(crate) fn write(&self, value: f64) -> String {
        // In two steps, since 10^-310 is not a number that one can divide by.
        let half = self.exponent / 2;
        let scaled = value / 10_f64.powi(half) / 10_f64.powi(self.exponent - half);
        let text = format!("{scaled:.*}", self.decimals);
        let zero = !text.bytes().any(|byte| (b'1'..=b'9').contains(&byte));
        minus(if zero { text.trim_start_matches('-') } else { &text })
    }

    /// The number with a sign, unless it is zero.
    pub(crate) fn write_signed(&self, value: f64) -> String {
        let text = self.write(value);
        let positive = value > 0.0 && text.bytes().any(|byte| (b'1'..=b'9').contains(&byte));
        if positive { format!("+{text}") } else { text }
    }
}

/// The power of ten at or below a number, where 0.0999… counts as 0.1; 0 for zero.
pub(crate) fn order(value: f64) -> i32 {
    let order = (value.abs().log10() + 1e-9).floor();
    if order.is_finite() { order as i32 } else { 0 }
}

/// One number on its own, with up to `digits` digits that matter and no zeros at the end.
pub(crate) fn short(value: f64, digits: usize) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    // Rounding first: 9.99 with two digits is 10.
    let rounded: f64 = format!("{value:.*e}", digits.max(1) - 1).parse().unwrap_or(value);
    let magnitude = order(rounded);
    if (-4..=5).contains(&magnitude) {
        let decimals = (digits as i32 - 1 - magnitude).max(0) as usize;
        return minus(without_zeros(&format!("{rounded:.decimals$}")));
    }
    let text = format!("{rounded:e}");
    minus(&text)
}

/// A count of steps or epochs: `500`, `20k`, `1.5M`.
pub(crate) fn count(value: f64) -> String {
    for (factor, suffix) in [(1e9, "G"), (1e6, "M"), (1e3, "k")] {
        if value.abs() >= factor * if factor > 1e3 { 1.0 } else { 10.0 } {
            return format!("{}{suffix}", short(value / factor, 4));
        }
    }
    short(value, 6)
}

/// `1 seed`, `2 seeds`.
pub(crate) fn counted(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

fn without_zeros(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

/// With the sign that is as wide as a plus.
fn minus(text: &str) -> String {
    text.replace('-', "\u{2212}")
}

#[cfg(test)]
mod tests {
    use super::{Numbers, count, short};

    #[test]
    fn an_axis_has_one_form() {
        let check = |largest, step, values: &[f64], expected: &[&str], factor: Option<&str>| {
            let numbers = Numbers::new(largest, step);
            let texts: Vec<_> = values.iter().map(|value| numbers.write(*value)).collect();
            assert_eq!(texts, expected);
            assert_eq!(numbers.factor().as_deref(), factor);
        };
        check(1.0, 0.1, &[0.0, 0.3, -0.5], &["0.0", "0.3", "−0.5"], None);
        check(40.0, 10.0, &[10.0, -40.0], &["10", "−40"], None);
        check(3e-9, 5e-10, &[5e-10, -3e-9], &["0.5", "−3.0"], Some("1e−9"));
        check(2e7, 5e6, &[5e6, 2e7], &["0.5", "2.0"], Some("1e7"));
        check(3e-310, 1e-310, &[1e-310], &["1"], Some("1e−310"));
        check(1.0, 0.5, &[-0.0, -0.01], &["0.0", "0.0"], None);
    }

    #[test]
    fn signs_are_written_where_there_is_one() {
        let numbers = Numbers::two_digits(0.5, 0.012);
        assert_eq!(numbers.write_signed(0.25), "+0.250");
        assert_eq!(numbers.write_signed(-0.25), "−0.250");
        assert_eq!(numbers.write_signed(0.0001), "0.000");
    }

    #[test]
    fn single_numbers_are_short() {
        let check = |value, digits, expected: &str| assert_eq!(short(value, digits), expected);
        check(0.0, 3, "0");
        check(9.99, 2, "10");
        check(0.5, 3, "0.5");
        check(1234.5, 3, "1230");
        check(0.000_012, 3, "1.2e−5");
        check(-1e-9, 3, "−1e−9");
        check(2.5e8, 3, "2.5e8");
        assert_eq!([count(500.0), count(20_000.0), count(1.5e6)], ["500", "20k", "1.5M"]);
    }
}
