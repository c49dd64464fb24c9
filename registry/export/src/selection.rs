//! What is exported, and how.

use ablate_runs::Run;
use serde::{Deserialize, Serialize};

use crate::Setting;

/// What is exported.
#[derive(Clone, Copy, Debug)]
pub struct Selection<'a> {
    /// The experiment, if all of one is exported.
    pub experiment: Option<&'a str>,
    /// The runs, in the order of the tables.
    pub runs: &'a [Run],
    /// The keys in which the variants differ.
    pub settings: &'a [Setting],
}

/// The form of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// Two tables as text.
    Csv,
    /// Two tables by columns, compressed with Snappy.
    Parquet,
    /// An event file per run.
    Tensorboard,
}

impl Form {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Parquet => "parquet",
            Self::Tensorboard => "tensorboard",
        }
    }
}
