//! From values to places along an axis, by a linear or a logarithmic rule.

use std::ops::Range;

/// Values beyond this are treated as not finite: their squares and differences would not be numbers.
pub(crate) const LARGEST: f64 = 1e150;

/// Values closer than this part of their size are drawn as one.
const RESOLUTION: f64 = 1e-12;

/// The room left free on both sides of the data, as a part of it.
const ROOM: f64 = 0.05;

/// Positive values that span so much are drawn on a logarithmic axis.
const LOG_SPAN: f64 = 100.0;

/// Values of an axis of an experiment need to span at least so much to be log-like.
const LOG_AXIS_SPAN: f64 = 8.0;

/// Whether a value can be drawn.
pub(crate) fn drawable(value: f64) -> bool {
    value.abs() <= LARGEST
}

/// An axis: a range of values and the rule that spreads them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scale {
    log: bool,
    /// The ends, as logarithms on a logarithmic axis.
    low: f64,
    high: f64,
}

impl Scale {
    /// The range of all values with some room on both sides.
    pub(crate) fn around(values: impl IntoIterator<Item = f64>, log: bool) -> Self {
        let (low, high) = ends(values.into_iter().map(|value| forward(log, value)));
        if high - low <= RESOLUTION * high.abs().max(low.abs()) {
            // A constant stands in the middle.
            let half = match (log, low == 0.0) {
                (true, _) => 0.5,
                (false, true) => 1.0,
                (false, false) => low.abs() * 0.1,
            };
            return Self { log, low: low - half, high: high + half };
        }
        let room = (high - low) * ROOM;
        Self { log, low: low - room, high: high + room }
    }

    /// From the first to the last value, without room.
    pub(crate) fn between(low: f64, high: f64) -> Self {
        if high > low {
            Self { log: false, low, high }
        } else {
            Self { log: false, low: low - 1.0, high: low + 1.0 }
        }
    }

    /// Logarithmic for positive values that span orders of magnitude, else linear.
    pub(crate) fn is_log(values: impl IntoIterator<Item = f64>) -> bool {
        let (low, high) = ends(values.into_iter());
        low > 0.0 && high / low >= LOG_SPAN
    }

    pub(crate) const fn log(&self) -> bool {
        self.log
    }

    /// The ends in the space where the axis is linear.
    pub(crate) const fn range(&self) -> Range<f64> {
        self.low..self.high
    }

    /// The value in the space where the axis is linear, brought into the range.
    pub(crate) fn forward(&self, value: f64) -> f64 {
        let forward = forward(self.log, value);
        if forward.is_nan() { self.low } else { forward.clamp(self.low, self.high) }
    }

    /// The place of a value between 0, the low end, and 1.
    pub(crate) fn part(&self, value: f64) -> f64 {
        (self.forward(value) - self.low) / (self.high - self.low)
    }
}

fn forward(log: bool, value: f64) -> f64 {
    if log { value.log10() } else { value }
}

/// The smallest and the largest of the finite values; 0 and 0 without any.
fn ends(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let finite = values.filter(|value| value.is_finite());
    let ends = finite.fold(None, |ends: Option<(f64, f64)>, value| {
        Some(ends.map_or((value, value), |(low, high)| (low.min(value), high.max(value))))
    });
    ends.unwrap_or((0.0, 0.0))
}

/// Whether the sorted values of an experiment's axis, such as 1, 2, 4, 8 or 0.1, 0.01, 0.001, are meant by their
/// ratios: they are positive, span a lot, and their ratios are more alike than their differences.
pub(crate) fn is_log_like(values: &[f64]) -> bool {
    let (Some(first), Some(last)) = (values.first(), values.last()) else { return false };
    if *first <= 0.0 || last / first < LOG_AXIS_SPAN || values.len() < 2 {
        return false;
    }
    let spread = |forward: fn(f64) -> f64| {
        let gaps = values.windows(2).map(|pair| forward(pair[1]) - forward(pair[0]));
        let (low, high) = ends(gaps);
        low / high
    };
    values.len() == 2 || spread(f64::log10) > spread(|value| value)
}

#[cfg(test)]
mod tests {
    use super::{Scale, is_log_like};

    #[test]
    fn data_lie_inside_with_room() {
        let scale = Scale::around([2.0, 4.0, f64::NAN], false);
        assert_eq!(scale.range(), 1.9..4.1);
        assert!((scale.part(3.0) - 0.5).abs() < 1e-12);
        let log = Scale::around([1e-3, 1e3], true);
        assert!((log.part(1.0) - 0.5).abs() < 1e-12);
        // What has no logarithm stands at the low end.
        assert_eq!((log.part(0.0), log.part(-1.0)), (0.0, 0.0));
    }

    #[test]
    fn constants_stand_in_the_middle() {
        for value in [0.0, 1.0, -3.5, 1e-9, 1e12, 1e-300] {
            let scale = Scale::around([value, value], false);
            assert!(scale.range().end > scale.range().start, "{value}");
            assert!((scale.part(value) - 0.5).abs() < 1e-3, "{value}");
        }
        assert_eq!(Scale::around([], false).range(), -1.0..1.0);
    }

    #[test]
    fn ratios_make_an_axis_logarithmic() {
        for (values, expected) in [
            (&[1.0, 2.0, 4.0, 8.0][..], true),
            (&[0.001, 0.01, 0.1], true),
            (&[1e-4, 3e-4, 1e-3, 3e-3], true),
            (&[1.0, 2.0, 3.0], false),
            (&[10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0], false),
            (&[0.0, 1.0, 10.0], false),
            (&[-10.0, 1.0, 10.0], false),
            (&[1.0, 100.0], true),
            (&[5.0], false),
            (&[], false),
        ] {
            assert_eq!(is_log_like(values), expected, "{values:?}");
        }
    }
}
