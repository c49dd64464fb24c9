//! Exports of runs whose values are awkward, read back by readers that share nothing with the writers.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "these are tests")]

use std::{collections::BTreeMap, path::Path};

use ablate_export::{Error, Form, Selection, Setting, Written, write};
use ablate_runs::{Measurement, NewRun, Outcome, Run, Store};
use fs_err as fs;
use parquet::{
    file::{reader::FileReader, serialized_reader::SerializedFileReader},
    record::{Field, Row},
};
use serde_json::json;

/// What text and floating point have that a careless writer loses.
const VALUES: [f64; 9] =
    [f64::NAN, -0.0, f64::INFINITY, f64::NEG_INFINITY, 5e-324, f64::MAX, 0.1 + 0.2, 1.0, -1.5e-7];

struct Place {
    temporary: tempfile::TempDir,
    runs: Vec<Run>,
    settings: Vec<Setting>,
}

/// A finished run with all values, and an unfinished one with nothing but a torn line.
fn place() -> Place {
    let temporary = tempfile::tempdir().unwrap();
    let store = Store::open(temporary.path().join("home")).unwrap();
    let new = |variant: &str, seed: u64| NewRun {
        identity: format!("{variant}-{seed}").replace(' ', ""),
        experiment: "pooling".into(),
        variant: variant.into(),
        seed,
        spec: json!({}),
        manifest: json!({}),
    };
    let done = store.create(new("mean", u64::MAX)).unwrap();
    for (step, value) in VALUES.iter().enumerate() {
        let mut measurement = Measurement::new("loss", "train", step as u64 * 100, 1, *value);
        if step % 2 == 1 {
            measurement.unit = Some("dB, \"A\"".into());
            measurement.higher_is_better = Some(step % 4 == 1);
        }
        done.append(&measurement).unwrap();
    }
    let finals = vec![Measurement::new("loss", "train", 800, 1, 1.0)];
    let outcome =
        Outcome { wall_s: 4.0, peak_memory_bytes: Some(1 << 40), finals, ..Outcome::default() };
    done.finish(&outcome).unwrap();
    let open = store.create(new("sliding window", 0)).unwrap();
    fs::write(open.folder().join("measurements.jsonl"), "{\"metric\":\"lo").unwrap();
    let keys = |size: i64, name: Option<&str>| {
        BTreeMap::from([
            ("train.batch_size".to_owned(), json!(size)),
            ("model.name".to_owned(), json!(name)),
            ("same".to_owned(), json!(1)),
        ])
    };
    let settings =
        Setting::differing([("mean", keys(8, Some(""))), ("sliding window", keys(16, None))]);
    Place { temporary, runs: vec![done, open], settings }
}

impl Place {
    fn export(&self, form: Form) -> Result<Written, Error> {
        let selection =
            Selection { experiment: Some("pooling"), runs: &self.runs, settings: &self.settings };
        write(&self.temporary.path().join("out"), form, &selection, &mut |_| ())
    }

    fn out(&self) -> &Path {
        self.temporary.path()
    }
}

fn rows(path: &Path) -> Vec<Row> {
    let reader = SerializedFileReader::try_from(path).unwrap();
    reader.get_row_iter(None).unwrap().map(Result::unwrap).collect()
}

fn cells(row: &Row) -> Vec<(&str, &Field)> {
    row.get_column_iter().map(|(name, field)| (name.as_str(), field)).collect()
}

#[test]
fn parquet_gives_back_every_bit() {
    let place = place();
    let written = place.export(Form::Parquet).unwrap();
    assert_eq!((written.runs, written.measurements), (2, VALUES.len() as u64));
    let measurements = rows(&place.out().join("out/measurements.parquet"));
    assert_eq!(measurements.len(), VALUES.len());
    let id = place.runs[0].id().to_string();
    for (index, (row, value)) in measurements.iter().zip(VALUES).enumerate() {
        let cells: BTreeMap<&str, &Field> = cells(row).into_iter().collect();
        let Field::Double(read) = cells["value"] else { panic!("{row}") };
        assert_eq!(read.to_bits(), value.to_bits());
        assert_eq!(cells["run"], &Field::Str(id.clone()));
        assert_eq!(cells["seed"], &Field::ULong(u64::MAX));
        assert_eq!(cells["step"], &Field::ULong(index as u64 * 100));
        let (unit, better) = if index % 2 == 1 {
            (Field::Str("dB, \"A\"".into()), Field::Bool(index % 4 == 1))
        } else {
            (Field::Null, Field::Null)
        };
        assert_eq!((cells["unit"], cells["higher_is_better"]), (&unit, &better));
    }
    let runs = rows(&place.out().join("out/runs.parquet"));
    let created = Field::TimestampMillis(place.runs[0].created().timestamp_millis());
    let text = |text: &str| Field::Str(text.into());
    let finished = place.runs[0].result().unwrap().unwrap().finished.timestamp_millis();
    let expected = [
        ("id", text(&id)),
        ("experiment", text("pooling")),
        ("variant", text("mean")),
        ("seed", Field::ULong(u64::MAX)),
        ("status", text("done")),
        ("created", created),
        ("finished", Field::TimestampMillis(finished)),
        ("wall_s", Field::Double(4.0)),
        ("peak_memory_bytes", Field::ULong(1 << 40)),
        ("identity", text(&format!("mean-{}", u64::MAX))),
        ("set.model.name", text("")),
        ("set.train.batch_size", Field::Long(8)),
    ];
    let expected: Vec<(&str, &Field)> = expected.iter().map(|(name, f)| (*name, f)).collect();
    assert_eq!(cells(&runs[0]), expected);
    let open: BTreeMap<&str, &Field> = cells(&runs[1]).into_iter().collect();
    for missing in ["finished", "wall_s", "peak_memory_bytes", "set.model.name"] {
        assert_eq!(open[missing], &Field::Null, "{missing}");
    }
    assert_eq!(open["status"], &text("lost"));
}

#[test]
fn groups_of_rows_follow_each_other_without_a_gap() {
    let place = place();
    // One more than two groups.
    let count = 2 * (1 << 17) + 1;
    let many: Vec<Measurement> =
        (0..count).map(|step| Measurement::new("loss", "train", step, 0, step as f64)).collect();
    fs::remove_file(place.runs[1].folder().join("measurements.jsonl")).unwrap();
    place.runs[1].append_all(&many).unwrap();
    place.export(Form::Parquet).unwrap();
    let path = place.out().join("out/measurements.parquet");
    let reader = SerializedFileReader::try_from(path.as_path()).unwrap();
    assert_eq!(reader.metadata().num_row_groups(), 3);
    let steps: Vec<u64> = rows(&path)
        .iter()
        .skip(VALUES.len())
        .map(|row| match cells(row)[6] {
            ("step", Field::ULong(step)) => *step,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(steps, (0..count).collect::<Vec<u64>>());
}

#[test]
fn csv_is_what_it_says() {
    let place = place();
    place.export(Form::Csv).unwrap();
    let id = place.runs[0].id();
    let read = |name: &str| fs::read_to_string(place.out().join("out").join(name)).unwrap();
    let seed = u64::MAX;
    let quoted = "\"dB, \"\"A\"\"\"";
    let expected = format!(
        "run,experiment,variant,seed,metric,split,step,epoch,value,unit,higher_is_better\n\
         {id},pooling,mean,{seed},loss,train,0,1,NaN,,\n\
         {id},pooling,mean,{seed},loss,train,100,1,-0.0,{quoted},true\n\
         {id},pooling,mean,{seed},loss,train,200,1,inf,,\n\
         {id},pooling,mean,{seed},loss,train,300,1,-inf,{quoted},false\n\
         {id},pooling,mean,{seed},loss,train,400,1,5e-324,,\n\
         {id},pooling,mean,{seed},loss,train,500,1,1.7976931348623157e308,{quoted},true\n\
         {id},pooling,mean,{seed},loss,train,600,1,0.30000000000000004,,\n\
         {id},pooling,mean,{seed},loss,train,700,1,1.0,{quoted},false\n\
         {id},pooling,mean,{seed},loss,train,800,1,-1.5e-7,,\n"
    );
    assert_eq!(read("measurements.csv"), expected);
    let runs = read("runs.csv");
    let lines: Vec<&str> = runs.lines().collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(
        lines[0],
        "id,experiment,variant,seed,status,created,finished,wall_s,peak_memory_bytes,identity,\
         set.model.name,set.train.batch_size"
    );
    let done = format!(",4.0,1099511627776,mean-{seed},\"\",8");
    assert!(lines[1].ends_with(&done), "{}", lines[1]);
    assert!(lines[2].ends_with("Z,,,,slidingwindow-0,,16"), "{}", lines[2]);
}

/// CRC-32C bit by bit, from its definition.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82f6_3b78 * (crc & 1));
        }
    }
    !crc
}

fn little(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// The records of an event file, checksums checked.
fn records(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let masked = |bytes: &[u8]| {
        let crc = crc32c(bytes);
        u64::from(crc.rotate_right(15).wrapping_add(0xa282_ead8))
    };
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let length = little(&bytes[..8]) as usize;
        assert_eq!(little(&bytes[8..12]), masked(&bytes[..8]));
        let record = &bytes[12..12 + length];
        assert_eq!(little(&bytes[12 + length..16 + length]), masked(record));
        records.push(record.to_vec());
        bytes = &bytes[16 + length..];
    }
    records
}

/// The fields of a protobuf message: number, and the bytes of its value (those of a varint as a number).
fn fields(mut message: &[u8]) -> BTreeMap<u64, Vec<u8>> {
    let mut fields = BTreeMap::new();
    let varint = |message: &mut &[u8]| {
        let end = message.iter().position(|byte| *byte < 0x80).unwrap();
        let number =
            message[..=end].iter().rev().fold(0_u64, |n, byte| n << 7 | u64::from(byte & 0x7f));
        *message = &message[end + 1..];
        number
    };
    while !message.is_empty() {
        let key = varint(&mut message);
        let value = match key & 7 {
            0 => varint(&mut message).to_le_bytes().to_vec(),
            kind => {
                let length = match kind {
                    1 => 8,
                    5 => 4,
                    2 => varint(&mut message) as usize,
                    other => panic!("kind {other}"),
                };
                let (value, rest) = message.split_at(length);
                message = rest;
                value.to_vec()
            }
        };
        assert!(fields.insert(key >> 3, value).is_none(), "a field twice");
    }
    fields
}

#[test]
fn event_files_hold_every_scalar() {
    assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    let place = place();
    let written = place.export(Form::Tensorboard).unwrap();
    assert_eq!((written.runs, written.measurements), (2, VALUES.len() as u64));
    let files: Vec<String> =
        written.files.iter().map(|file| file.file.display().to_string()).collect();
    assert!(files[0].starts_with(&format!("mean/seed-{}/events.out.tfevents.", u64::MAX)));
    assert!(files[1].starts_with("sliding window/seed-0/events.out.tfevents."));
    let records = records(&fs::read(place.out().join("out").join(&files[0])).unwrap());
    assert_eq!(fields(&records[0])[&3], b"brain.Event:2");
    let start = place.runs[0].created().timestamp_millis() as f64 / 1000.0;
    assert_eq!(records.len(), 1 + VALUES.len());
    for (index, (record, value)) in records[1..].iter().zip(VALUES).enumerate() {
        let event = fields(record);
        assert_eq!(little(&event[&2]), index as u64 * 100);
        // 800 steps in four seconds.
        let time = f64::from_bits(little(&event[&1]));
        assert!((time - start - 0.5 * index as f64).abs() < 1e-3, "{time}");
        let value_of = fields(&fields(&event[&5])[&1]);
        assert_eq!(value_of[&1], b"train/loss");
        let read = f32::from_bits(little(&value_of[&2]) as u32);
        assert_eq!(read.to_bits(), (value as f32).to_bits(), "{value}");
    }
}

#[test]
fn only_an_export_is_replaced() {
    let place = place();
    place.export(Form::Csv).unwrap();
    let notes = place.out().join("out/notes.txt");
    fs::write(&notes, "mine").unwrap();
    let error = place.export(Form::Tensorboard).unwrap_err();
    assert!(
        matches!(&error, Error::Foreign { file, .. } if file == Path::new("notes.txt")),
        "{error}"
    );
    assert!(place.out().join("out/runs.csv").exists());
    fs::remove_file(notes).unwrap();
    place.export(Form::Tensorboard).unwrap();
    assert!(!place.out().join("out/runs.csv").exists());
    place.export(Form::Parquet).unwrap();
    assert!(!place.out().join("out/mean").exists());
    let names = |folder: &Path| {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    let expected = ["export.json", "measurements.parquet", "runs.parquet"];
    assert_eq!(names(&place.out().join("out")), expected);
    assert_eq!(names(place.out()), ["home", "out"], "nothing is left beside");
}

#[test]
fn a_damaged_line_leaves_what_was_there() {
    let place = place();
    place.export(Form::Csv).unwrap();
    fs::write(place.runs[1].folder().join("measurements.jsonl"), "{}\n{\"metric\"\n").unwrap();
    let error = place.export(Form::Parquet).unwrap_err();
    assert!(error.to_string().contains("line 1 of"), "{error}");
    assert!(error.hints()[0].contains("export them by their ids"));
    assert!(place.out().join("out/runs.csv").exists());
    assert_eq!(fs::read_dir(place.out()).unwrap().count(), 2);
}
