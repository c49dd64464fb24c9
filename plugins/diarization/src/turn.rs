//! Turns of speakers.

use crate::Interval;

/// One speaker talking without a pause.
#[derive(Clone, Debug, PartialEq)]
pub struct Turn {
    /// From when to when.
    pub interval: Interval,
    /// Who.
    pub speaker: String,
}

impl Turn {
    /// From `start` to `end`, in seconds.
    ///
    /// # Panics
    /// If it does not end after its start: a bug of the caller.
    pub fn new(start: f64, end: f64, speaker: impl Into<String>) -> Self {
        Self { interval: Interval::new(start, end), speaker: speaker.into() }
    }
}

/// Turns in which those of one speaker that overlap or touch are one, by start, then end, then speaker.
pub fn merged(turns: &[Turn]) -> Vec<Turn> {
    let mut sorted: Vec<&Turn> = turns.iter().collect();
    sorted.sort_by(|a, b| {
        let starts = a.interval.start.total_cmp(&b.interval.start);
        a.speaker.cmp(&b.speaker).then(starts)
    });
    let mut merged: Vec<Turn> = Vec::with_capacity(sorted.len());
    for turn in sorted {
        match merged.last_mut() {
            Some(last)
                if last.speaker == turn.speaker && turn.interval.start <= last.interval.end =>
            {
                last.interval.end = last.interval.end.max(turn.interval.end);
            }
            _ => merged.push(turn.clone()),
        }
    }
    merged.sort_by(order);
    merged
}

/// By start, then end, then speaker.
pub(crate) fn order(a: &Turn, b: &Turn) -> std::cmp::Ordering {
    let starts = a.interval.start.total_cmp(&b.interval.start);
    let ends = a.interval.end.total_cmp(&b.interval.end);
    starts.then(ends).then_with(|| a.speaker.cmp(&b.speaker))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_of_one_speaker_that_overlap_or_touch_are_one() {
        let turns = [
            Turn::new(4.0, 6.0, "a"),
            Turn::new(0.0, 2.0, "a"),
            Turn::new(1.0, 1.5, "a"),
            Turn::new(2.0, 3.0, "a"),
            Turn::new(1.0, 5.0, "b"),
        ];
        let expected =
            [Turn::new(0.0, 3.0, "a"), Turn::new(1.0, 5.0, "b"), Turn::new(4.0, 6.0, "a")];
        assert_eq!(merged(&turns), expected);
    }
}
