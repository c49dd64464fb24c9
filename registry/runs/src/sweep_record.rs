//! What a sweep is in its resolved form: every variant with its spec, every trial with its identity.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A sweep as it was planned. Tables, plots and bundles are made from it and the runs, without the experiment's file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SweepRecord {
    /// The experiment's name.
    pub experiment: String,
    /// The question that it asks; may be empty.
    pub question: String,
    /// The experiment's file.
    pub file: PathBuf,
    /// When it was planned.
    pub created: DateTime<Utc>,
    /// The variant that the others are compared with.
    pub baseline: String,
    /// The seeds of every variant.
    pub seeds: Vec<u64>,
    /// The variants, in the order of the table.
    pub variants: Vec<VariantRecord>,
    /// The trials, in the order in which they are run.
    pub trials: Vec<TrialRecord>,
}

/// One variant of a sweep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VariantRecord {
    /// Its name.
    pub name: String,
    /// What it sets over the base spec: keys and values.
    pub set: Vec<(String, Value)>,
    /// The resolved spec.
    pub spec: Value,
}

/// One trial of a sweep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrialRecord {
    /// The variant's name.
    pub variant: String,
    /// The seed.
    pub seed: u64,
    /// The identity, by which its runs are found.
    pub identity: String,
}
