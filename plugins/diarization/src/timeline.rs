//! Stretches of time.

/// From `start` to `end`, in seconds; never empty.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Where it starts.
    pub start: f64,
    /// Where it ends, after its start.
    pub end: f64,
}

impl Interval {
    /// From `start` to `end`.
    ///
    /// # Panics
    /// If it does not end after its start: a bug of the caller.
    pub fn new(start: f64, end: f64) -> Self {
        assert!(start < end, "an interval from {start} to {end}");
        Self { start, end }
    }

    /// Its length in seconds.
    pub fn duration(self) -> f64 {
        self.end - self.start
    }
}

/// Intervals in order that neither overlap nor touch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timeline(Vec<Interval>);

impl Timeline {
    /// The union of intervals.
    pub fn new(intervals: impl IntoIterator<Item = Interval>) -> Self {
        let mut sorted: Vec<Interval> = intervals.into_iter().collect();
        sorted.sort_by(|a, b| a.start.total_cmp(&b.start));
        let mut union: Vec<Interval> = Vec::with_capacity(sorted.len());
        for interval in sorted {
            match union.last_mut() {
                Some(last) if interval.start <= last.end => last.end = last.end.max(interval.end),
                _ => union.push(interval),
            }
        }
        Self(union)
    }

    /// Its intervals, in order.
    pub fn intervals(&self) -> &[Interval] {
        &self.0
    }

    /// Their length in seconds.
    pub fn duration(&self) -> f64 {
        self.0.iter().map(|interval| interval.duration()).sum()
    }

    /// What is in it and not in `other`.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let mut left = Vec::new();
        let mut cuts = other.0.iter().peekable();
        for interval in &self.0 {
            let mut start = interval.start;
            while let Some(cut) = cuts.peek().filter(|cut| cut.start < interval.end) {
                if start < cut.start {
                    left.push(Interval { start, end: cut.start });
                }
                start = start.max(cut.end);
                // One that reaches further may cut the next interval too.
                if cut.end > interval.end {
                    break;
                }
                cuts.next();
            }
            if start < interval.end {
                left.push(Interval { start, end: interval.end });
            }
        }
        Self(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn timeline(pairs: &[(u8, u8)]) -> Timeline {
        let intervals = pairs.iter().filter(|(start, length)| start < &200 && length > &0);
        Timeline::new(intervals.map(|(start, length)| {
            Interval::new(f64::from(*start), f64::from(*start) + f64::from(*length))
        }))
    }

    fn holds(timeline: &Timeline, at: f64) -> bool {
        timeline.intervals().iter().any(|interval| interval.start < at && at < interval.end)
    }

    proptest! {
        #[test]
        fn a_difference_holds_what_one_has_and_the_other_has_not(
            one in proptest::collection::vec((0_u8..200, 0_u8..30), 0..12),
            other in proptest::collection::vec((0_u8..200, 0_u8..30), 0..12),
        ) {
            let (one, other) = (timeline(&one), timeline(&other));
            let difference = one.without(&other);
            for second in 0..240 {
                let at = f64::from(second) + 0.5;
                prop_assert_eq!(holds(&difference, at), holds(&one, at) && !holds(&other, at));
            }
            let ordered = difference.intervals().windows(2).all(|two| two[0].end <= two[1].start);
            prop_assert!(ordered);
        }
    }
}
