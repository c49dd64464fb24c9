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
        /// Whether its disk is full.
        full: bool,
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
    /// The run is done, and that is final.
    #[error("run `{run}` is done: it is not run again")]
    Final {
        /// The full id.
        run: String,
    },
    /// The run has no attempt of this number.
    #[error("run `{run}` has no attempt {number}")]
    NoAttempt {
        /// The full id.
        run: String,
        /// The number.
        number: u32,
    },
    /// A run folder whose name is not the id of the run in it, such as a copy made by hand.
    #[error("`{}` holds run `{run}`, which its name does not say", folder.display())]
    Misplaced {
        /// The folder.
        folder: PathBuf,
        /// The run that its manifest names.
        run: String,
    },
    /// Something was to be written into a home folder that only lets itself be read.
    #[error("cannot write into `{}`", home.display())]
    ReadOnly {
        /// The home folder.
        home: PathBuf,
        /// What the system said.
        source: Box<Error>,
    },
    /// The run left no artifact of this name.
    #[error("run `{run}` has no artifact `{name}`")]
    NoArtifact {
        /// The full id.
        run: String,
        /// The name.
        name: String,
        /// Those that it has.
        known: Vec<String>,
    },
    /// The run is not done, so its artifacts are not all there.
    #[error("run `{run}` is not done: its artifacts appear when it is")]
    NotDone {
        /// The full id.
        run: String,
    },
    /// The file of an artifact is not what the run left.
    #[error("damaged artifact `{name}` of run `{run}`: `{}` {reason}", file.display())]
    DamagedArtifact {
        /// The full id.
        run: String,
        /// The name.
        name: String,
        /// The damaged file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
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
    /// Whether there is no space left to write to.
    pub fn is_full(&self) -> bool {
        match self {
            Self::Io(error) => {
                matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
            }
            Self::Index { full, .. } => *full,
            _ => false,
        }
    }

    /// Whether nothing may be written where it was tried.
    pub fn is_read_only(&self) -> bool {
        match self {
            Self::Io(error) => matches!(
                error.kind(),
                io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied
            ),
            Self::ReadOnly { .. } => true,
            _ => false,
        }
    }

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
            Self::NoArtifact { known, .. } if known.is_empty() => {
                vec!["it left none: an experiment asks for them with `[artifact.NAME]`".into()]
            }
            Self::NoArtifact { known, .. } => {
                let known: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
                vec![format!("its artifacts: {}", known.join(", "))]
            }
            Self::NotDone { run } => vec![format!("`ablate show {run}` says how far it is")],
            Self::DamagedArtifact { run, .. } => {
                vec![format!("`ablate reproduce {run} --keep` makes it again")]
            }
            Self::Io(error) => io_hints(error.kind()),
            Self::ReadOnly { .. } => io_hints(io::ErrorKind::ReadOnlyFilesystem),
            Self::Index { full: true, .. } => io_hints(io::ErrorKind::StorageFull),
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

fn io_hints(kind: io::ErrorKind) -> Vec<String> {
    match kind {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => vec![
            "free some space on that disk; the same command goes on where it stopped".into(),
            "`ablate registry gc` removes libraries that no run needs".into(),
        ],
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
            vec!["set `ABLATE_HOME` to a folder that you may write to".into()]
        }
        _ => Vec::new(),
    }
}
