//! Diarization error rate (DER) and Jaccard error rate (JER), exactly: by stretches in which nobody starts or stops.

use crate::mapping::assign;
use crate::{Interval, Timeline, Turn, merged};
use std::ops::{Add, AddAssign};

/// What is scored.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Scoring {
    /// Seconds on each side of every start and end in the reference that are not scored (`md-eval -c`; pyannote.metrics'
    /// `collar` is twice as much).
    pub collar: f64,
    /// Leave out where two or more speakers of the reference talk at once.
    pub skip_overlap: bool,
}

/// Seconds of speakers, pooled over recordings by adding.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ErrorTime {
    /// Speech in the reference; two who talk at once count twice.
    pub total: f64,
    /// Speech that the system has not.
    pub missed: f64,
    /// Speech that only the system has.
    pub false_alarm: f64,
    /// Speech given to another speaker.
    pub confusion: f64,
}

impl ErrorTime {
    /// (missed + false alarm + confusion) / total (NIST RT); `None` without speech in the reference.
    pub fn error_rate(&self) -> Option<f64> {
        let wrong = self.missed + self.false_alarm + self.confusion;
        (self.total > 0.0).then(|| wrong / self.total)
    }
}

/// Sums over speakers of the reference, pooled over recordings by adding.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Jaccard {
    /// Speakers of the reference.
    pub speakers: u64,
    /// The sum of their errors, each from 0 to 1.
    pub error: f64,
}

impl Jaccard {
    /// The mean over speakers of 1 − intersection / union with the system's speaker that is mapped to them, 1 for a
    /// speaker without one (DIHARD II evaluation plan, 2019); `None` without speakers.
    pub fn error_rate(&self) -> Option<f64> {
        (self.speakers > 0).then(|| self.error / self.speakers as f64)
    }
}

/// How a system did on one recording.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Score {
    /// Seconds right and wrong.
    pub time: ErrorTime,
    /// Errors of speakers.
    pub jaccard: Jaccard,
    /// Which speaker of the system is which of the reference: (reference, system).
    pub mapping: Vec<(String, String)>,
}

/// Compares the turns of a system with those of a reference within `region`, by default from the first start to the
/// last end of both.
///
/// Speakers are mapped so that they share as much scored time as possible, one to one. Turns of one speaker that overlap
/// count once.
pub fn score(
    reference: &[Turn],
    system: &[Turn],
    region: Option<&Timeline>,
    scoring: Scoring,
) -> Score {
    let (reference, system) = (merged(reference), merged(system));
    let scored = scored(&reference, &system, region, scoring);
    let (own, own_names) = numbered(&reference);
    let (other, other_names) = numbered(&system);
    let stretches = stretches(&own, &other, &scored);
    let mut shared = vec![vec![0.0; other_names.len()]; own_names.len()];
    let (mut own_time, mut other_time) = (vec![0.0; own_names.len()], vec![0.0; other_names.len()]);
    for Stretch { duration, own, other } in &stretches {
        for one in own {
            own_time[*one] += duration;
            for two in other {
                shared[*one][*two] += duration;
            }
        }
        for two in other {
            other_time[*two] += duration;
        }
    }
    let mapping = assign(&shared);
    let mut time = ErrorTime::default();
    for Stretch { duration, own, other } in &stretches {
        let (said, heard) = (own.len() as f64, other.len() as f64);
        let right = own.iter().filter(|one| mapping[**one].is_some_and(|two| other.contains(&two)));
        time.total += duration * said;
        time.missed += duration * (said - heard).max(0.0);
        time.false_alarm += duration * (heard - said).max(0.0);
        time.confusion += duration * (said.min(heard) - right.count() as f64);
    }
    let mut jaccard = Jaccard::default();
    for (one, two) in mapping.iter().enumerate().filter(|(one, _)| own_time[*one] > 0.0) {
        jaccard.speakers += 1;
        jaccard.error += two.map_or(1.0, |two| {
            let both = shared[one][two];
            let union = own_time[one] + other_time[two] - both;
            (union - both) / union
        });
    }
    let names = mapping.iter().zip(&own_names);
    let names = names.filter_map(|(two, one)| Some((one.clone(), other_names[(*two)?].clone())));
    Score { time, jaccard, mapping: names.collect() }
}

/// The region without collars and, if asked for, overlaps.
fn scored(
    reference: &[Turn],
    system: &[Turn],
    region: Option<&Timeline>,
    scoring: Scoring,
) -> Timeline {
    let region = region.cloned().unwrap_or_else(|| {
        let intervals = || reference.iter().chain(system).map(|turn| turn.interval);
        let start = intervals().map(|interval| interval.start).reduce(f64::min);
        let end = intervals().map(|interval| interval.end).reduce(f64::max);
        Timeline::new(start.zip(end).map(|(start, end)| Interval { start, end }))
    });
    let edges = reference.iter().flat_map(|turn| [turn.interval.start, turn.interval.end]);
    let collar = scoring.collar;
    let collars = edges.map(|edge| Interval { start: edge - collar, end: edge + collar });
    let region = if collar > 0.0 { region.without(&Timeline::new(collars)) } else { region };
    if scoring.skip_overlap { region.without(&overlap(reference)) } else { region }
}

/// Where two or more talk at once. The turns are in the order of their starts.
fn overlap(turns: &[Turn]) -> Timeline {
    let mut both = Vec::new();
    let mut end = f64::NEG_INFINITY;
    for Turn { interval, .. } in turns {
        if interval.start < end {
            both.push(Interval { start: interval.start, end: interval.end.min(end) });
        }
        end = end.max(interval.end);
    }
    Timeline::new(both)
}

/// Turns with numbers instead of names, and the names.
fn numbered(turns: &[Turn]) -> (Vec<(Interval, usize)>, Vec<String>) {
    let mut names: Vec<String> = turns.iter().map(|turn| turn.speaker.clone()).collect();
    names.sort_unstable();
    names.dedup();
    let number = |turn: &Turn| names.binary_search(&turn.speaker).expect("all names are there");
    (turns.iter().map(|turn| (turn.interval, number(turn))).collect(), names)
}

/// A piece of time in which nobody starts or stops: who talks in the reference and in the system.
struct Stretch {
    duration: f64,
    own: Vec<usize>,
    other: Vec<usize>,
}

/// Who starts or stops.
#[derive(Clone, Copy)]
enum Edge {
    Scored,
    Own(usize),
    Other(usize),
}

fn stretches(
    own: &[(Interval, usize)],
    other: &[(Interval, usize)],
    scored: &Timeline,
) -> Vec<Stretch> {
    let mut edges = Vec::with_capacity(2 * (own.len() + other.len() + scored.intervals().len()));
    let mut add = |interval: &Interval, edge: Edge| {
        edges.push((interval.start, true, edge));
        edges.push((interval.end, false, edge));
    };
    for (interval, speaker) in own {
        add(interval, Edge::Own(*speaker));
    }
    for (interval, speaker) in other {
        add(interval, Edge::Other(*speaker));
    }
    for interval in scored.intervals() {
        add(interval, Edge::Scored);
    }
    // Equal times give stretches of no length, so their order does not matter.
    edges.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut stretches = Vec::with_capacity(edges.len());
    let (mut talking, mut heard, mut is_scored) = (Vec::new(), Vec::new(), false);
    let mut last = f64::NEG_INFINITY;
    for (time, starts, edge) in edges {
        if is_scored && time > last && !(talking.is_empty() && heard.is_empty()) {
            let (own, other) = (talking.clone(), heard.clone());
            stretches.push(Stretch { duration: time - last, own, other });
        }
        last = time;
        match edge {
            Edge::Scored => is_scored = starts,
            Edge::Own(speaker) => set(&mut talking, speaker, starts),
            Edge::Other(speaker) => set(&mut heard, speaker, starts),
        }
    }
    stretches
}

fn set(speakers: &mut Vec<usize>, speaker: usize, talks: bool) {
    if talks {
        speakers.push(speaker);
    } else if let Some(index) = speakers.iter().position(|own| *own == speaker) {
        speakers.swap_remove(index);
    }
}

impl Add for ErrorTime {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            total: self.total + other.total,
            missed: self.missed + other.missed,
            false_alarm: self.false_alarm + other.false_alarm,
            confusion: self.confusion + other.confusion,
        }
    }
}

impl AddAssign for ErrorTime {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl AddAssign for Jaccard {
    fn add_assign(&mut self, other: Self) {
        self.speakers += other.speakers;
        self.error += other.error;
    }
}
