//! Rich transcription time marked files (RTTM), of which the speakers' turns are read and written.
//!
//! Ten fields: `SPEAKER <recording> <channel> <onset s> <duration s> <NA> <NA> <speaker> <NA> <NA>` (NIST RT-09
//! evaluation plan, appendix A); the last one is often missing.

use crate::lines::{self, Line};
use crate::turn::order;
use crate::{Error, Turn};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// Types of records beside `SPEAKER` that the format knows; none of them is a turn.
const OTHER_TYPES: &[&str] = &[
    "SPKR-INFO",
    "LEXEME",
    "NON-LEX",
    "NON-SPEECH",
    "FILLER",
    "EDIT",
    "SU",
    "IP",
    "CB",
    "A/P",
    "SEGMENT",
    "NOSCORE",
    "NO_RT_METADATA",
];

/// Fields that a line has at least: some writers leave the last one out.
const LEAST_FIELDS: usize = 9;

/// The turns of recordings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rttm {
    /// Turns by recording, each in the order of start, end and speaker.
    recordings: BTreeMap<String, Vec<Turn>>,
    /// What was left out.
    pub skipped: Skipped,
}

/// Lines that say nothing about who spoke.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Turns of no length.
    pub without_length: usize,
    /// Records of another type than `SPEAKER`.
    pub other_types: usize,
}

impl Rttm {
    /// Reads a file.
    ///
    /// # Errors
    /// As [`Rttm::parse`], and if it cannot be read.
    pub fn read(path: &Path) -> Result<Self, Error> {
        Self::parse(&lines::read(path)?, path)
    }

    /// Reads a text; `path` is for messages.
    ///
    /// # Errors
    /// A line with too few fields, of an unknown type, or with times that are no times.
    pub fn parse(text: &str, path: &Path) -> Result<Self, Error> {
        let mut rttm = Self::default();
        for line in lines::lines(text, path) {
            rttm.take(&line)?;
        }
        rttm.recordings.values_mut().for_each(|turns| turns.sort_by(order));
        Ok(rttm)
    }

    fn take(&mut self, line: &Line<'_>) -> Result<(), Error> {
        match line.fields[0] {
            "SPEAKER" => {}
            other if OTHER_TYPES.contains(&other) => {
                self.skipped.other_types += 1;
                return Ok(());
            }
            other => {
                return Err(line.wrong(format!("the type is `{other}`, expected `SPEAKER`")));
            }
        }
        line.expect(LEAST_FIELDS)?;
        let (onset, duration) = (line.seconds(3, "the onset")?, line.seconds(4, "the duration")?);
        let (recording, speaker) = (line.fields[1], line.fields[7]);
        if speaker == "<NA>" {
            return Err(line.wrong("the speaker is `<NA>`, expected a name"));
        }
        // A recording in which nobody is left is still one that was annotated.
        let turns = self.recordings.entry(recording.to_owned()).or_default();
        let end = onset + duration;
        if onset < end {
            turns.push(Turn::new(onset, end, speaker));
        } else {
            self.skipped.without_length += 1;
        }
        Ok(())
    }

    /// Names of the recordings, in order.
    pub fn recordings(&self) -> impl Iterator<Item = &str> {
        self.recordings.keys().map(String::as_str)
    }

    /// The turns of a recording, by start; none for one that is not there.
    pub fn turns(&self, recording: &str) -> &[Turn] {
        self.recordings.get(recording).map_or(&[], Vec::as_slice)
    }

    /// Puts the turns of a recording in place of those that it has.
    pub fn insert(&mut self, recording: impl Into<String>, mut turns: Vec<Turn>) {
        turns.sort_by(order);
        self.recordings.insert(recording.into(), turns);
    }

    /// Takes all of another file; turns of a recording that both have are joined.
    pub fn extend(&mut self, other: Self) {
        for (recording, turns) in other.recordings {
            let own = self.recordings.entry(recording).or_default();
            own.extend(turns);
            own.sort_by(order);
        }
        self.skipped.without_length += other.skipped.without_length;
        self.skipped.other_types += other.skipped.other_types;
    }

    /// As text, with microseconds. Reading it gives the same turns, to the microsecond.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for (recording, turns) in &self.recordings {
            for Turn { interval, speaker } in turns {
                let (start, duration) = (interval.start, interval.duration());
                // Writing to a string cannot fail.
                let _ = writeln!(
                    text,
                    "SPEAKER {recording} 1 {start:.6} {duration:.6} <NA> <NA> {speaker} <NA> <NA>"
                );
            }
        }
        text
    }
}
