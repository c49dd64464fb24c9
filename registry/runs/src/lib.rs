//! The store of runs: one folder per run, which is the truth, and a SQLite index over the folders.
//!
//! ```text
//! HOME/runs/<run id>/       spec.json  manifest.json  measurements.jsonl  attempts/  checkpoints/  artifacts/
//!                           result.json once it has ended, mark.json while it is marked
//! HOME/trials/<identity>    .lock held by the process that runs the trial, .lease with how far it is
//! HOME/sweeps/<experiment>/ the sweeps that were planned
//! HOME/index.sqlite         made anew from the run folders whenever it is missing or damaged
//! ```
//!
//! A run is finished when its `result.json` is there, which an atomic rename puts in place. A run without one is
//! running while somebody holds the lock of its trial, and lost otherwise. A trial has one run and several attempts at
//! it, until that is done: [`TrialState`] has the table. Times are UTC.
//!
//! ```
//! use ablate_runs::{Filter, Measurement, NewRun, Outcome, Status, Store};
//!
//! let home = tempfile::tempdir()?;
//! let store = Store::open(home.path())?;
//! let claim = store.claim("5f2c")?.expect("nobody else runs this trial");
//! let run = store.create(NewRun {
//!     identity: "5f2c".into(),
//!     experiment: "pooling".into(),
//!     variant: "mean".into(),
//!     seed: 0,
//!     spec: serde_json::json!({ "model": { "use": "rqvae" } }),
//!     manifest: serde_json::json!({ "host": "0.1.0" }),
//! })?;
//! run.append(&Measurement::new("loss", "train", 1, 0, 0.5))?;
//! run.finish(&Outcome { wall_s: 1.5, ..Outcome::default() })?;
//! drop(claim);
//! assert_eq!(store.runs(&Filter::default())?[0].status, Status::Done);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod artifact;
mod attempt;
mod checkpoint;
mod claim;
mod durable;
mod error;
mod folders;
mod id;
mod index;
mod lease;
mod mark;
mod measurement;
mod outcome;
mod rows;
mod run;
mod state;
mod store;
mod summary;
mod sweep_record;
mod sweeps;

pub use crate::{
    artifact::{Artifact, Published},
    attempt::{Attempt, AttemptEnd, AttemptOutcome, AttemptRecord, AttemptState, NewAttempt},
    checkpoint::Checkpoint,
    claim::Claim,
    error::Error,
    folders::{Rebuilt, Unreadable},
    id::RunId,
    lease::Lease,
    mark::Mark,
    measurement::Measurement,
    outcome::{Failure, Outcome, RunResult, Status},
    run::{NewRun, Run},
    state::{TrialEvent, TrialState},
    store::Store,
    summary::{Filter, RunSummary},
    sweep_record::{SweepRecord, TrialRecord, VariantRecord},
    sweeps::SweepSummary,
};
