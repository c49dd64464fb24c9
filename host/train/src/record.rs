//! Where measurements, progress and checkpoints go: the host implements these over its store and screen.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, StorageError};

/// One value of a metric or loss at a step and split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// `NAME` or `NAME/PART` of a metric, `loss` for the weighted sum of the losses, `loss/NAME` for one of them.
    pub metric: String,
    /// The split.
    pub split: String,
    /// Optimizer steps taken so far.
    pub step: u64,
    /// Passes over the train split finished so far.
    pub epoch: u64,
    /// The value.
    pub value: f64,
    /// Its unit, such as `dB`.
    pub unit: Option<String>,
    /// Which way is better; `None` where neither is.
    pub higher_is_better: Option<bool>,
}

/// Which of the checkpoints of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckpointKind {
    /// The latest state: what a run is resumed from.
    Last,
    /// The state with the best objective on `valid`.
    Best,
}

impl CheckpointKind {
    /// `last` or `best`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Last => "last",
            Self::Best => "best",
        }
    }
}

/// What the loop is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase<'a> {
    /// Training.
    Train,
    /// Evaluating a split.
    Evaluate {
        /// The split.
        split: &'a str,
        /// Batches done.
        batch: u64,
        /// Batches in all.
        batches: u64,
    },
    /// Computing what artifacts are made of.
    Publish {
        /// The split.
        split: &'a str,
        /// Batches done.
        batch: u64,
        /// Batches in all.
        batches: u64,
    },
}

/// How far a trial is.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress<'a> {
    /// What is being done.
    pub phase: Phase<'a>,
    /// Passes over the train split finished so far.
    pub epoch: u64,
    /// Passes in all, the last perhaps begun only.
    pub epochs: u64,
    /// Optimizer steps taken so far.
    pub step: u64,
    /// Optimizer steps in all.
    pub steps: u64,
    /// The weighted sum of the losses in the last step of this process.
    pub loss: Option<f64>,
    /// Time until the last step, judged by the steps of this process; `None` before the first.
    pub eta: Option<Duration>,
}

/// Takes what a trial measures.
pub trait Recorder {
    /// Called once before anything else: the trial starts after this step, 0 or that of the checkpoint it is resumed
    /// from. What was recorded for later steps is from an attempt that was lost, and will be recorded again.
    ///
    /// # Errors
    /// If it cannot be stored; the trial fails.
    fn starts_after(&mut self, step: u64) -> Result<(), StorageError>;

    /// A value was measured.
    ///
    /// # Errors
    /// If it cannot be stored; the trial fails.
    fn measurement(&mut self, measurement: &Measurement) -> Result<(), StorageError>;

    /// Called after every step and every batch of an evaluation, and of what artifacts are made of.
    fn progress(&mut self, progress: &Progress<'_>);

    /// A checkpoint was written.
    fn checkpointed(&mut self, kind: CheckpointKind, step: u64);

    /// A path for the file `file` of the artifact `name`, in a folder of its own that is there and empty: what an
    /// attempt that was lost left of it is removed.
    ///
    /// # Errors
    /// If it cannot be made, or nothing that is published is kept; the trial fails.
    fn artifact(&mut self, name: &str, file: &str) -> Result<PathBuf, StorageError> {
        Err(format!("no place for `{file}` of the artifact `{name}`").into())
    }
}

/// Keeps the checkpoints of a run. Each is a folder with one folder per component and `train.json`.
pub trait Checkpoints {
    /// Replaces a checkpoint by what `fill` writes into the empty folder that it is given, at once or not at all.
    ///
    /// # Errors
    /// The error of `fill`, or [`Error::storage`].
    fn save(
        &mut self,
        kind: CheckpointKind,
        fill: &mut dyn FnMut(&Path) -> Result<(), Error>,
    ) -> Result<(), Error>;

    /// The folder of a checkpoint, its content checked; `None` when there is none.
    ///
    /// # Errors
    /// If it is damaged: [`Error::storage`].
    fn load(&mut self, kind: CheckpointKind) -> Result<Option<PathBuf>, Error>;
}
