//! Runs and their measurements for other programs to read: CSV, Parquet, and event files for TensorBoard.
//!
//! CSV and Parquet are two tables with the same columns.
//!
//! ```text
//! runs           id experiment variant seed status created finished wall_s peak_memory_bytes identity set.KEY …
//! measurements   run experiment variant seed metric split step epoch value unit higher_is_better
//! ```
//!
//! `set.KEY` is there for every [`Setting`], a key whose value is not the same in all variants. In CSV a missing cell is
//! empty, times are RFC 3339 in UTC, and numbers have the shortest digits that give the same bits again, with `NaN`,
//! `inf` and `-inf`. Parquet has a type for each column; a missing cell is null.
//!
//! TensorBoard gets one file per run, `VARIANT/seed-N/events.out.tfevents.…`, with tags such as `valid/loss`. Its
//! scalars are of 32 bits, so they are rounded. Measurements do not say when they were made: their times are
//! interpolated by step between the run's start and its end.
//!
//! ```
//! use ablate_export::{Form, Selection, write};
//! use ablate_runs::{Measurement, NewRun, Store};
//! # let home = tempfile::tempdir()?;
//! let store = Store::open(home.path().join("home"))?;
//! let run = store.create(NewRun {
//!     identity: "5f2c".into(),
//!     experiment: "pooling".into(),
//!     variant: "mean".into(),
//!     seed: 0,
//!     spec: serde_json::json!({}),
//!     manifest: serde_json::json!({}),
//! })?;
//! run.append(&Measurement::new("loss", "train", 1, 0, 0.5))?;
//! let out = home.path().join("pooling-csv");
//! let selection = Selection { experiment: Some("pooling"), runs: &[run], settings: &[] };
//! let written = write(&out, Form::Csv, &selection, &mut |_| ())?;
//! assert_eq!((written.runs, written.measurements), (1, 1));
//! let text = std::fs::read_to_string(out.join("measurements.csv"))?;
//! assert!(text.ends_with(",loss,train,1,0,0.5,,\n"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod comma_separated;
mod error;
mod events;
mod folder;
mod framing;
mod lines;
mod parquet_file;
mod selection;
mod setting;
mod table;
mod tables;
mod write;

pub use crate::{
    error::Error,
    selection::{Form, Selection},
    setting::Setting,
    write::{Written, WrittenFile, write},
};
