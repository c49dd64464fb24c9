//! How a trial ended, and what was measured at its end.

use std::path::PathBuf;

use crate::record::{CheckpointKind, Measurement};
use crate::state::Best;

/// How a trial ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// All is measured.
    Finished(Finished),
    /// It was asked to stop. The checkpoint `last` is of this step; [`crate::run`] goes on from there.
    Stopped {
        /// Optimizer steps taken.
        step: u64,
    },
}

/// A trial that ran to its end.
#[derive(Clone, Debug, PartialEq)]
pub struct Finished {
    /// Optimizer steps taken.
    pub steps: u64,
    /// Passes over the train split finished.
    pub epochs: u64,
    /// All splits after the last step, and if the report is on the best checkpoint, all splits there.
    pub finals: Vec<FinalMeasurement>,
    /// What was published, in the order of the spec.
    pub artifacts: Vec<Published>,
    /// Whether early stopping ended it.
    pub stopped_early: bool,
    /// The best objective on `valid`, if there is one.
    pub best: Option<Best>,
}

/// A file that a finished trial left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The name after `artifact.`.
    pub name: String,
    /// The metric that wrote it.
    pub component: String,
    /// Where it lies.
    pub path: PathBuf,
}

/// A measurement of a finished trial.
#[derive(Clone, Debug, PartialEq)]
pub struct FinalMeasurement {
    /// The checkpoint that was measured.
    pub checkpoint: CheckpointKind,
    /// The measurement.
    pub measurement: Measurement,
}
