//! What can go wrong in the store, and advice about it.

use std::{io, path::PathBuf};

/// A failure of the store of runs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder could not be read or written; the text names its path.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A file of a run is not the JSON that it should be.
    #[error("failed to read `{}`", path.display())]
    Json {
        /// The damaged file.
        path: PathBuf,
        /// What the parser said.
        source: serde_json::Error,
    },
    /// A line of the measurements, other than a torn last one, is not a measurement.
    #[error("failed to read line {line} of `{}`", path.display())]
    Line {
        /// The damaged file.
        path: PathBuf,
        /// The line, counted from one.
        line: usize,
        /// What the parser said.
        source: serde_json::Error,
    },
    /// The index refused to work for a reason that making it anew does not cure.
    #[error("failed to use the index `{}`", path.display())]
    Index {
        /// The index file.
        path: PathBuf,
        /// What SQLite said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An identity or a checkpoint's name that cannot be the name of a file.
    #[error("invalid {what} `{name}`: only letters, digits, `-` and `_` are allowed")]
    Name {
        /// What was named.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// The manifest given for a new run is not a JSON object.
    #[error("the manifest of a run must be a JSON object without the key `run`")]
    Manifest,
    /// No run has an id with this prefix.
    #[error("no run `{prefix}`")]
    NotFound {
        /// What was looked for.
        prefix: String,
        /// The most recent runs, one line each, newest first.
        recent: Vec<String>,
    },
    /// Several runs have an id with this prefix.
    #[error("`{prefix}` is the start of more than one run id")]
    Ambiguous {
        /// What was looked for.
        prefix: String,
        /// The runs that it may mean, one line each, newest first.
        candidates: Vec<String>,
    },
    /// The run already has a result.
    #[error("run `{run}` is already finished")]
    AlreadyFinished {
        /// The full id.
        run: String,
    },
    /// A file of a checkpoint is not what was written.
    #[error("damaged checkpoint: `{}` {reason}", file.display())]
    Damaged {
        /// The damaged file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl Error {
    /// Advice on what to do, one sentence each.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::NotFound { recent, .. } if recent.is_empty() => {
                vec!["there are no runs yet: start one with `ablate run EXPERIMENT`".into()]
            }
            Self::NotFound { recent, .. } => vec![format!("recent runs: {}", recent.join(", "))],
            Self::Ambiguous { candidates, .. } => {
                vec![format!("did you mean {}?", candidates.join(" or "))]
            }
            Self::Index { .. } => {
                vec!["`ablate registry rebuild` makes the index anew from the run folders".into()]
            }
            Self::Damaged { file, .. } => file
                .parent()
                .map(|folder| {
                    format!("remove `{}` to do without this checkpoint", folder.display())
                })
                .into_iter()
                .collect(),
            _ => Vec::new(),
        }
    }
}
