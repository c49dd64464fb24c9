//! Measurements and the append-only file that holds them, one JSON object per line.

use std::{
    io::{Read, Seek, SeekFrom, Write},
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::{Error, durable};

/// One value of a metric at a step and split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// The metric's name.
    pub metric: String,
    /// `train`, `valid` or `test`.
    pub split: String,
    /// Optimizer updates done so far.
    pub step: u64,
    /// Passes over the training split done so far.
    pub epoch: u64,
    /// The value; in the file what is not finite stands as `"NaN"`, `"inf"` or `"-inf"`.
    #[serde(with = "any_float")]
    pub value: f64,
    /// The unit, such as `dB`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The direction, where the metric has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub higher_is_better: Option<bool>,
}

impl Measurement {
    /// A measurement without unit and direction.
    #[must_use]
    pub fn new(metric: &str, split: &str, step: u64, epoch: u64, value: f64) -> Self {
        Self {
            metric: metric.to_owned(),
            split: split.to_owned(),
            step,
            epoch,
            value,
            unit: None,
            higher_is_better: None,
        }
    }
}

/// The measurements file of one run. One process writes; others may read at any time.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    /// Opened by the first append, which also cuts off what a crash left of a line.
    writer: Mutex<Option<fs::File>>,
}

impl Journal {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, writer: Mutex::new(None) }
    }

    pub(crate) fn append(&self, measurements: &[Measurement]) -> Result<(), Error> {
        let lines = self.lines(measurements)?;
        // A panic elsewhere while the lock was held leaves at most a torn line, as a crash does.
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let file = match writer.as_mut() {
            Some(file) => file,
            None => writer.insert(self.open()?),
        };
        if let Err(error) = file.write_all(&lines) {
            // On a full disk a part may have been written: the next append opens the file anew and cuts it off.
            *writer = None;
            return Err(error.into());
        }
        Ok(())
    }

    /// All measurements in the order in which they were appended, without a torn last line.
    pub(crate) fn read(&self) -> Result<Vec<Measurement>, Error> {
        if !self.path.exists() {
            return Ok(Vec::new());
        }
        let bytes = fs::read(&self.path)?;
        bytes[..whole_lines(&bytes)]
            .split_inclusive(|byte| *byte == b'\n')
            .enumerate()
            .map(|(index, line)| {
                serde_json::from_slice(line).map_err(|source| Error::Line {
                    path: self.path.clone(),
                    line: index + 1,
                    source,
                })
            })
            .collect()
    }

    /// Drops all measurements of later steps than `step`, atomically.
    pub(crate) fn truncate_after(&self, step: u64) -> Result<(), Error> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let all = self.read()?;
        let mut kept = all.clone();
        kept.retain(|measurement| measurement.step <= step);
        if kept.len() == all.len() {
            return Ok(());
        }
        // The rename leaves an open file pointing at the old content.
        *writer = None;
        durable::write_atomically(&self.path, &self.lines(&kept)?)
    }

    /// The length of the file in bytes; 0 when there is none.
    pub(crate) fn bytes(&self) -> Result<u64, Error> {
        if self.path.exists() { Ok(fs::metadata(&self.path)?.len()) } else { Ok(0) }
    }

    /// The file, once there is one.
    pub(crate) fn file(&self) -> Vec<PathBuf> {
        if self.path.exists() { vec![self.path.clone()] } else { Vec::new() }
    }

    fn lines(&self, measurements: &[Measurement]) -> Result<Vec<u8>, Error> {
        let mut lines = Vec::new();
        for measurement in measurements {
            serde_json::to_writer(&mut lines, measurement)
                .map_err(|source| Error::Json { path: self.path.clone(), source })?;
            lines.push(b'\n');
        }
        Ok(lines)
    }

    fn open(&self) -> Result<fs::File, Error> {
        let mut file =
            fs::OpenOptions::new().read(true).append(true).create(true).open(&self.path)?;
        let length = file.metadata()?.len();
        if length > 0 {
            file.seek(SeekFrom::End(-1))?;
            let mut last = [0];
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                let bytes = fs::read(&self.path)?;
                file.set_len(whole_lines(&bytes) as u64)?;
            }
        }
        Ok(file)
    }
}

/// The length of the part that consists of whole lines.
fn whole_lines(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1)
}

/// JSON has no NaN and no infinities: they are written as strings.
pub(crate) mod any_float {
    use std::fmt;

    use serde::{
        Deserializer, Serializer,
        de::{Error, Visitor},
    };

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    pub(crate) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        if value.is_finite() {
            serializer.serialize_f64(*value)
        } else {
            // Rust prints these three as `NaN`, `inf` and `-inf`.
            serializer.serialize_str(&value.to_string())
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        deserializer.deserialize_any(AnyFloat)
    }

    struct AnyFloat;

    impl Visitor<'_> for AnyFloat {
        type Value = f64;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a number, `NaN`, `inf` or `-inf`")
        }

        fn visit_f64<E: Error>(self, value: f64) -> Result<f64, E> {
            Ok(value)
        }

        fn visit_i64<E: Error>(self, value: i64) -> Result<f64, E> {
            Ok(value as f64)
        }

        fn visit_u64<E: Error>(self, value: u64) -> Result<f64, E> {
            Ok(value as f64)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<f64, E> {
            match text {
                "NaN" => Ok(f64::NAN),
                "inf" => Ok(f64::INFINITY),
                "-inf" => Ok(f64::NEG_INFINITY),
                other => Err(E::custom(format!("`{other}` is not a number"))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Journal, Measurement};
    use crate::Error;

    fn journal(folder: &tempfile::TempDir) -> Journal {
        Journal::new(folder.path().join("measurements.jsonl"))
    }

    fn loss(step: u64, value: f64) -> Measurement {
        Measurement::new("loss", "train", step, 0, value)
    }

    #[test]
    fn values_come_back_bit_for_bit() {
        let folder = tempfile::tempdir().unwrap();
        // Shortest decimal forms that a parser without correct rounding gets wrong, and what JSON cannot say.
        let mut values = vec![
            0.1 + 0.2,
            -0.0,
            1e-310,
            5e-324,
            f64::MAX,
            f64::NAN,
            f64::INFINITY,
            -f64::INFINITY,
        ];
        // A multiplicative generator gives mantissas of every kind.
        let mut state = 1_u64;
        for _ in 0..2000 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let value = f64::from_bits(state);
            values.push(if value.is_nan() { f64::NAN } else { value });
        }
        let written: Vec<_> =
            values.iter().enumerate().map(|(step, value)| loss(step as u64, *value)).collect();
        journal(&folder).append(&written).unwrap();
        let read = journal(&folder).read().unwrap();
        assert_eq!(read.len(), values.len());
        for (measurement, value) in read.iter().zip(values) {
            assert_eq!(measurement.value.to_bits(), value.to_bits(), "{value:e}");
        }
    }

    #[test]
    fn a_torn_last_line_is_dropped_and_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        journal(&folder).append(&[loss(1, 1.0), loss(2, 2.0)]).unwrap();
        let path = folder.path().join("measurements.jsonl");
        let mut bytes = fs_err::read(&path).unwrap();
        bytes.extend_from_slice(b"{\"metric\":\"loss\",\"sp");
        fs_err::write(&path, bytes).unwrap();
        assert_eq!(journal(&folder).read().unwrap(), [loss(1, 1.0), loss(2, 2.0)]);
        journal(&folder).append(&[loss(3, 3.0)]).unwrap();
        assert_eq!(journal(&folder).read().unwrap(), [loss(1, 1.0), loss(2, 2.0), loss(3, 3.0)]);
    }

    #[test]
    fn a_damaged_line_in_the_middle_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs_err::write(folder.path().join("measurements.jsonl"), "{\"metric\"\n{}\n").unwrap();
        let error = journal(&folder).read().unwrap_err();
        assert!(matches!(error, Error::Line { line: 1, .. }), "{error}");
    }

    #[test]
    fn truncation_keeps_the_step_itself_and_appends_go_on() {
        let folder = tempfile::tempdir().unwrap();
        let journal = journal(&folder);
        for step in 1..=5 {
            journal.append(&[loss(step, 0.5)]).unwrap();
        }
        journal.truncate_after(3).unwrap();
        journal.append(&[loss(4, 0.25)]).unwrap();
        let steps: Vec<_> = journal.read().unwrap().iter().map(|m| (m.step, m.value)).collect();
        assert_eq!(steps, [(1, 0.5), (2, 0.5), (3, 0.5), (4, 0.25)]);
    }
}
