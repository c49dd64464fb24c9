//! Two measurement streams side by side: what is equal bit for bit, what is near, and where they part.

use std::cmp::Ordering;

use serde::{Serialize, Serializer};

/// One value of a stream: a metric at a step and split.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point<'a> {
    /// Optimizer updates done so far.
    pub step: u64,
    /// `train`, `valid` or `test`.
    pub split: &'a str,
    /// The metric's name.
    pub metric: &'a str,
    /// The value.
    pub value: f64,
}

/// How two streams compare as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Agreement {
    /// The same points with the same bits.
    Equal,
    /// The same points, all of them equal or within the tolerance.
    WithinTolerance,
    /// A point is on one side only, or further apart than the tolerance.
    Different,
}

/// A point at which two streams are not equal bit for bit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// The step.
    pub step: u64,
    /// The split.
    pub split: String,
    /// The metric.
    pub metric: String,
    /// The value on the left; `None` where there is none. What is not finite is a string in JSON.
    #[serde(serialize_with = "any_float")]
    pub left: Option<f64>,
    /// The value on the right.
    #[serde(serialize_with = "any_float")]
    pub right: Option<f64>,
    /// [`relative_difference`] of the two values; infinite where one is missing.
    #[serde(serialize_with = "any_float")]
    pub relative: f64,
}

/// What two streams have in common and what not.
///
/// A point is found again by step, split and metric. Where a stream has several points with the same three, its first
/// is compared with the first of the other stream, and so on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StreamComparison {
    /// How they compare as a whole.
    pub agreement: Agreement,
    /// Points on either side, those on both sides counted once.
    pub points: usize,
    /// Points with equal bits.
    pub equal: usize,
    /// Points with other bits, within the tolerance.
    pub near: usize,
    /// Points on both sides that are further apart.
    pub different: usize,
    /// Points on the left side only.
    pub only_left: usize,
    /// Points on the right side only.
    pub only_right: usize,
    /// The first point that is not equal: by step, then split (`train`, `valid`, `test`, others), then metric.
    pub first: Option<Difference>,
    /// The first point that is not even within the tolerance.
    pub first_beyond: Option<Difference>,
    /// The last step with points before that of `first_beyond`: up to there the streams agree. `None` when there is
    /// no such step, or when they agree to the end.
    pub agree_until_step: Option<u64>,
    /// Of the points on both sides that are not equal the one with the largest relative difference, the first of those.
    pub largest: Option<Difference>,
}

impl StreamComparison {
    /// Compares two streams, each in any order. Without a tolerance every bit counts.
    ///
    /// Two values are within a relative tolerance `t` when [`relative_difference`] is at most `t`.
    #[must_use]
    pub fn new(left: &[Point<'_>], right: &[Point<'_>], tolerance: Option<f64>) -> Self {
        let (left, right) = (sorted(left), sorted(right));
        let (mut left, mut right) = (left.iter().peekable(), right.iter().peekable());
        let mut comparison = Self {
            agreement: Agreement::Equal,
            points: 0,
            equal: 0,
            near: 0,
            different: 0,
            only_left: 0,
            only_right: 0,
            first: None,
            first_beyond: None,
            agree_until_step: None,
            largest: None,
        };
        let (mut step, mut step_before) = (None, None);
        loop {
            let order = match (left.peek(), right.peek()) {
                (None, None) => return comparison,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(left), Some(right)) => key(left).cmp(&key(right)),
            };
            let left = if order.is_le() { left.next() } else { None };
            let right = if order.is_ge() { right.next() } else { None };
            let agreed = comparison.first_beyond.is_none();
            comparison.add(left.copied(), right.copied(), tolerance);
            let here = left.or(right).map(|point| point.step);
            if here != step {
                (step, step_before) = (here, step);
            }
            if agreed && comparison.first_beyond.is_some() {
                comparison.agree_until_step = step_before;
            }
        }
    }

    fn add(&mut self, left: Option<&Point<'_>>, right: Option<&Point<'_>>, tolerance: Option<f64>) {
        self.points += 1;
        let (a, b) = (left.map(|point| point.value), right.map(|point| point.value));
        if let (Some(a), Some(b)) = (a, b)
            && a.to_bits() == b.to_bits()
        {
            self.equal += 1;
            return;
        }
        let Some(place) = left.or(right) else { return };
        let difference = Difference {
            step: place.step,
            split: place.split.to_owned(),
            metric: place.metric.to_owned(),
            left: a,
            right: b,
            relative: a.zip(b).map_or(f64::INFINITY, |(a, b)| relative_difference(a, b)),
        };
        let both = a.is_some() && b.is_some();
        let near = both && tolerance.is_some_and(|tolerance| difference.relative <= tolerance);
        match (both, a.is_some()) {
            (true, _) if near => self.near += 1,
            (true, _) => self.different += 1,
            (false, true) => self.only_left += 1,
            (false, false) => self.only_right += 1,
        }
        let agreement = if near { Agreement::WithinTolerance } else { Agreement::Different };
        self.agreement = self.agreement.max(agreement);
        let known = self.largest.as_ref().map_or(-1.0, |largest| largest.relative);
        if both && difference.relative > known {
            self.largest = Some(difference.clone());
        }
        if !near && self.first_beyond.is_none() {
            self.first_beyond = Some(difference.clone());
        }
        self.first.get_or_insert(difference);
    }
}

/// `|a − b| / max(|a|, |b|)`: 0 for equal values, zeros of either sign and two NaN; at most 2 for finite values;
/// infinite where one value is not finite and the other is another.
#[must_use]
pub fn relative_difference(a: f64, b: f64) -> f64 {
    if a == b || (a.is_nan() && b.is_nan()) {
        return 0.0;
    }
    let scale = a.abs().max(b.abs());
    if !a.is_finite() || !b.is_finite() {
        return f64::INFINITY;
    }
    let gap = (a - b).abs();
    // The difference of two huge values of opposite sign is more than a float holds.
    if gap.is_finite() { gap / scale } else { (a / scale - b / scale).abs() }
}

/// Points by step, split and metric; equal ones in the order of the stream.
fn sorted<'a, 'b>(points: &'b [Point<'a>]) -> Vec<&'b Point<'a>> {
    let mut points: Vec<&Point<'_>> = points.iter().collect();
    points.sort_by_key(|point| key(point));
    points
}

fn key<'a>(point: &Point<'a>) -> (u64, usize, &'a str, &'a str) {
    let splits = ["train", "valid", "test"];
    let rank = splits.iter().position(|split| *split == point.split).unwrap_or(splits.len());
    (point.step, rank, point.split, point.metric)
}

/// JSON has no NaN and no infinities: they are written as strings, as in the files of a run.
fn any_float<S: Serializer>(
    value: &(impl Into<Option<f64>> + Copy),
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match (*value).into() {
        None => serializer.serialize_none(),
        Some(value) if value.is_finite() => serializer.serialize_f64(value),
        Some(value) => serializer.collect_str(&value),
    }
}

#[cfg(test)]
mod tests;
