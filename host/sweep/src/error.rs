//! What can go wrong between an experiment and its processes.

use std::path::PathBuf;

use ablate_config::At;

/// Why a sweep cannot be planned or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A `baseline` that no variant is named.
    #[error("{at}: no variant is named `{name}`")]
    UnknownBaseline { at: Box<At>, name: String, near: Option<String>, known: Vec<String> },
    /// A variant that the sweep has made is named like another one, and means something else.
    #[error("{at}: the variant `{name}` is named like another one")]
    DuplicateVariant { at: Box<At>, name: String },
    /// The blocks have more points than anyone can mean.
    #[error("{at}: {points} points are more than {limit}")]
    TooManyPoints { at: Box<At>, points: u128, limit: usize },
    /// Something that an ablation form takes away and that cannot be taken away.
    #[error("{at}: {problem}")]
    CannotRemove { at: Box<At>, problem: String, hints: Vec<String> },
    /// An exclusion that leaves out nothing, or the baseline.
    #[error("{at}: {problem}")]
    BadExclusion { at: Box<At>, problem: String, hints: Vec<String> },
    /// A value that no variant can have.
    #[error(transparent)]
    Config(#[from] ablate_config::Error),
    /// The file for a job's standard error cannot be made.
    #[error("failed to open the log `{}` of `{label}`", path.display())]
    Log { label: String, path: PathBuf, source: std::io::Error },
    /// A process cannot be started.
    #[error("failed to start `{program}` for `{label}`")]
    Start { label: String, program: String, source: std::io::Error },
    /// The system does not say how a process ended.
    #[error("failed to wait for the process of `{label}`")]
    Wait { label: String, source: std::io::Error },
}

impl Error {
    /// What to try instead, one line each, most useful first.
    #[must_use]
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::UnknownBaseline { near, known, .. } => {
                let near = near.iter().map(|near| format!("did you mean `{near}`?"));
                let names: Vec<_> = known.iter().take(20).map(|name| format!("`{name}`")).collect();
                let more = known.len().saturating_sub(names.len());
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                near.chain([format!("variants: {}{more}", names.join(", "))]).collect()
            }
            Self::DuplicateVariant { .. } => {
                vec![
                    "give the variant, or the base spec (`sweep.base_name`), another name, or the \
                     random table another `seed`"
                        .into(),
                ]
            }
            Self::CannotRemove { hints, .. } | Self::BadExclusion { hints, .. } => hints.clone(),
            Self::Config(error) => error.hints(),
            _ => Vec::new(),
        }
    }
}
