//! Files of the regions that are scored (UEM): `<recording> <channel> <start s> <end s>`.

use crate::{Error, Interval, Timeline, lines};
use std::collections::BTreeMap;
use std::path::Path;

/// Scored regions by recording.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Uem(BTreeMap<String, Timeline>);

impl Uem {
    /// Reads a file.
    ///
    /// # Errors
    /// As [`Uem::parse`], and if it cannot be read.
    pub fn read(path: &Path) -> Result<Self, Error> {
        Self::parse(&lines::read(path)?, path)
    }

    /// Reads a text; `path` is for messages. The fourth field is an end, not a duration.
    ///
    /// # Errors
    /// A line with too few fields, or with times that are no times.
    pub fn parse(text: &str, path: &Path) -> Result<Self, Error> {
        let mut regions: BTreeMap<String, Vec<Interval>> = BTreeMap::new();
        for line in lines::lines(text, path) {
            line.expect(4)?;
            let (start, end) = (line.seconds(2, "the start")?, line.seconds(3, "the end")?);
            if end <= start {
                let text =
                    format!("the region from {start} to {end} s does not end after its start");
                return Err(line.wrong(text));
            }
            let own = regions.entry(line.fields[0].to_owned()).or_default();
            own.push(Interval::new(start, end));
        }
        let regions = regions.into_iter();
        Ok(Self(regions.map(|(recording, own)| (recording, Timeline::new(own))).collect()))
    }

    /// The scored region of a recording.
    pub fn region(&self, recording: &str) -> Option<&Timeline> {
        self.0.get(recording)
    }

    /// Takes all of another file; regions of a recording that both have are united.
    pub fn extend(&mut self, other: Self) {
        for (recording, region) in other.0 {
            let own = self.0.entry(recording).or_default();
            let both = own.intervals().iter().chain(region.intervals());
            *own = Timeline::new(both.copied());
        }
    }
}
