//! Where one speaker follows another.

use crate::Turn;
use crate::turn::order;

/// Which moment between two turns is the boundary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// The onset of the next turn.
    #[default]
    NextOnset,
    /// The middle of gap or overlap.
    GapMid,
    /// The end of the turn before.
    PreviousEnd,
}

/// Which changes are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ChangeRule {
    /// Which moment is the boundary.
    pub place: Place,
    /// Gaps and overlaps of at most this many seconds; `None` keeps all.
    pub max_gap: Option<f64>,
    /// Both turns last at least this many seconds.
    pub min_duration: f64,
}

/// How hard it is to say where the change is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difficulty {
    /// A pause of 0.2 s or more.
    Easy,
    /// A shorter pause.
    Medium,
    /// Both speak at once.
    Hard,
}

/// A pause below this many seconds is hard to find.
const SHORT_PAUSE: f64 = 0.2;

/// A boundary between two speakers.
#[derive(Clone, Debug, PartialEq)]
pub struct SpeakerChange {
    /// Where it is, in seconds.
    pub time: f64,
    /// Seconds of silence; below 0 they overlap.
    pub gap: f64,
    /// Who spoke before.
    pub left: String,
    /// Who speaks then.
    pub right: String,
}

impl SpeakerChange {
    /// How hard it is.
    pub fn difficulty(&self) -> Difficulty {
        match self.gap {
            gap if gap < 0.0 => Difficulty::Hard,
            gap if gap < SHORT_PAUSE => Difficulty::Medium,
            _ => Difficulty::Easy,
        }
    }
}

/// The changes between consecutive turns (by start, then end) of different speakers.
pub fn changes(turns: &[Turn], rule: ChangeRule) -> Vec<SpeakerChange> {
    let mut sorted: Vec<&Turn> = turns.iter().collect();
    sorted.sort_by(|a, b| order(a, b));
    let pairs = sorted.windows(2).map(|pair| (pair[0], pair[1]));
    pairs
        .filter(|(left, right)| {
            let long = |turn: &Turn| turn.interval.duration() >= rule.min_duration;
            left.speaker != right.speaker && long(left) && long(right)
        })
        .map(|(left, right)| {
            let (end, onset) = (left.interval.end, right.interval.start);
            let time = match rule.place {
                Place::NextOnset => onset,
                Place::GapMid => f64::midpoint(end, onset),
                Place::PreviousEnd => end,
            };
            let (gap, left, right) = (onset - end, left.speaker.clone(), right.speaker.clone());
            SpeakerChange { time, gap, left, right }
        })
        .filter(|change| rule.max_gap.is_none_or(|most| change.gap.abs() <= most))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns() -> [Turn; 5] {
        [
            Turn::new(0.0, 4.0, "a"),
            Turn::new(4.5, 6.0, "b"),
            Turn::new(5.5, 9.0, "c"),
            Turn::new(9.1, 9.2, "a"),
            Turn::new(12.0, 13.0, "a"),
        ]
    }

    #[test]
    fn a_change_lies_where_the_rule_says() {
        let times = |place| {
            let rule = ChangeRule { place, ..ChangeRule::default() };
            changes(&turns(), rule).iter().map(|change| change.time).collect::<Vec<_>>()
        };
        assert_eq!(times(Place::NextOnset), [4.5, 5.5, 9.1]);
        assert_eq!(times(Place::GapMid), [4.25, 5.75, 9.05]);
        assert_eq!(times(Place::PreviousEnd), [4.0, 6.0, 9.0]);
    }

    #[test]
    fn pauses_and_overlaps_say_how_hard_it_is() {
        let found = changes(&turns(), ChangeRule::default());
        let difficulties: Vec<_> = found.iter().map(SpeakerChange::difficulty).collect();
        assert_eq!(difficulties, [Difficulty::Easy, Difficulty::Hard, Difficulty::Medium]);
        assert_eq!(
            (found[1].gap, found[1].left.as_str(), found[1].right.as_str()),
            (-0.5, "b", "c")
        );
    }

    #[test]
    fn long_gaps_and_short_turns_are_left_out() {
        let count = |rule| changes(&turns(), rule).len();
        assert_eq!(count(ChangeRule { max_gap: Some(0.3), ..ChangeRule::default() }), 1);
        assert_eq!(count(ChangeRule { min_duration: 1.0, ..ChangeRule::default() }), 2);
        assert_eq!(changes(&turns()[..1], ChangeRule::default()), []);
    }
}
