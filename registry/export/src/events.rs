//! Event files for TensorBoard: one per run, with a scalar for each measurement.
//!
//! The messages are those of TensorFlow's `event.proto` and `summary.proto`, of which four fields are needed.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use ablate_runs::{Measurement, Run};
use fs_err as fs;

use crate::{Error, Selection, framing, lines, write::WrittenFile};

/// The most letters that a variant's folder takes of its name.
const NAME_MAX: usize = 100;

/// Kinds of fields of a message, in the lowest three bits of a field's key.
const VARINT: u8 = 0;
const EIGHT_BYTES: u8 = 1;
const LENGTH: u8 = 2;
const FOUR_BYTES: u8 = 5;

/// Writes the event files into `folder`; gives them in the order of the runs.
pub(crate) fn write(
    folder: &Path,
    selection: &Selection<'_>,
    progress: &mut dyn FnMut(usize),
) -> Result<Vec<WrittenFile>, Error> {
    let names = folder_names(selection.runs.iter().map(Run::variant));
    let mut files = Vec::new();
    for (index, run) in selection.runs.iter().enumerate() {
        let seconds = run.created().timestamp();
        let inside = PathBuf::from(&names[run.variant()])
            .join(format!("seed-{}", run.seed()))
            .join(format!("events.out.tfevents.{seconds:010}.{}", run.id()));
        fs::create_dir_all(folder.join(&inside).parent().unwrap_or(folder))?;
        let rows = run_file(&folder.join(&inside), run)?;
        files.push(WrittenFile::new(folder, &inside, rows)?);
        progress(index + 1);
    }
    Ok(files)
}

fn run_file(path: &Path, run: &Run) -> Result<u64, Error> {
    let mut file = BufWriter::with_capacity(1 << 18, fs::File::create(path)?);
    let mut clock = Clock::new(run)?;
    framing::record(&mut file, &version(clock.time))?;
    let rows = lines::each(run, |measurement| {
        let time = clock.at(measurement.step);
        Ok(framing::record(&mut file, &scalar(time, measurement))?)
    })?;
    file.flush()?;
    Ok(rows)
}

/// Times for measurements, which have none: by step between the run's start and its end, and never backwards.
struct Clock {
    start: f64,
    seconds_per_step: f64,
    /// The time of the last measurement, in seconds since 1970.
    time: f64,
}

impl Clock {
    fn new(run: &Run) -> Result<Self, Error> {
        let start = run.created().timestamp_millis() as f64 / 1000.0;
        let result = run.result()?;
        let outcome = result.map(|result| result.outcome).unwrap_or_default();
        let steps = outcome.finals.iter().map(|value| value.step).max().unwrap_or(0);
        // Without an end one second stands for a step.
        let known = steps > 0 && outcome.wall_s.is_finite() && outcome.wall_s > 0.0;
        let seconds_per_step = if known { outcome.wall_s / steps as f64 } else { 1.0 };
        Ok(Self { start, seconds_per_step, time: start })
    }

    fn at(&mut self, step: u64) -> f64 {
        self.time = self.time.max(self.start + step as f64 * self.seconds_per_step);
        self.time
    }
}

/// `Event { wall_time = 1, file_version = 3 }`, which begins a file.
fn version(time: f64) -> Vec<u8> {
    let mut event = Vec::new();
    field(&mut event, 1, EIGHT_BYTES);
    event.extend(time.to_le_bytes());
    field(&mut event, 3, LENGTH);
    bytes(&mut event, b"brain.Event:2");
    event
}

/// `Event { wall_time = 1, step = 2, summary = 5 { value = 1 { tag = 1, simple_value = 2 } } }`.
fn scalar(time: f64, measurement: &Measurement) -> Vec<u8> {
    let mut value = Vec::new();
    field(&mut value, 1, LENGTH);
    bytes(&mut value, format!("{}/{}", measurement.split, measurement.metric).as_bytes());
    field(&mut value, 2, FOUR_BYTES);
    value.extend((measurement.value as f32).to_le_bytes());
    let mut summary = Vec::new();
    field(&mut summary, 1, LENGTH);
    bytes(&mut summary, &value);
    let mut event = Vec::new();
    field(&mut event, 1, EIGHT_BYTES);
    event.extend(time.to_le_bytes());
    field(&mut event, 2, VARINT);
    varint(&mut event, measurement.step);
    field(&mut event, 5, LENGTH);
    bytes(&mut event, &summary);
    event
}

fn field(message: &mut Vec<u8>, number: u8, kind: u8) {
    message.push(number << 3 | kind);
}

fn bytes(message: &mut Vec<u8>, bytes: &[u8]) {
    varint(message, bytes.len() as u64);
    message.extend(bytes);
}

/// Seven bits a byte, the lowest first; the highest bit says that more follow.
fn varint(message: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        message.push(value as u8 | 0x80);
        value >>= 7;
    }
    message.push(value as u8);
}

/// A folder's name for each variant: the variant's where that can be a file's name, and never the same for two.
fn folder_names<'a>(variants: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, String> {
    let variants: BTreeSet<&str> = variants.collect();
    let mut names = BTreeMap::new();
    let mut taken = BTreeSet::new();
    for variant in variants {
        let safe = |letter: char| {
            if letter.is_control() || "/\\:*?\"<>|".contains(letter) { '-' } else { letter }
        };
        let mut plain: String = variant.chars().take(NAME_MAX).map(safe).collect();
        if plain.is_empty() || plain.starts_with('.') {
            plain.insert(0, '-');
        }
        let numbered = (2..).map(|number| format!("{plain}-{number}"));
        // Some file systems do not tell capitals.
        let name = std::iter::once(plain.clone())
            .chain(numbered)
            .find(|name| taken.insert(name.to_lowercase()))
            .expect("there is always another number");
        names.insert(variant, name);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::folder_names;

    #[test]
    fn variants_have_folders_of_their_own() {
        let names = folder_names(["a/b", "a:b", "..", "mean", "Mean", "mean"].into_iter());
        assert_eq!(names["a/b"], "a-b");
        assert_eq!(names["a:b"], "a-b-2");
        assert_eq!(names[".."], "-..");
        assert_eq!((names["Mean"].as_str(), names["mean"].as_str()), ("Mean", "mean-2"));
        let long = "x".repeat(400);
        assert_eq!(folder_names([long.as_str()].into_iter())[long.as_str()].len(), 100);
    }
}
