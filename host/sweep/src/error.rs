//! What can go wrong between an experiment and its processes.

use std::path::PathBuf;

use ablate_config::Origin;

/// Why a sweep cannot be planned or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A `baseline` that no variant is named.
    #[error("{origin}: `sweep.baseline`: no variant is named `{name}`")]
    UnknownBaseline { origin: Origin, name: String, near: Option<String>, known: Vec<String> },
    /// A point of the grid is named like another variant.
    #[error("{origin}: `sweep.grid`: the point `{name}` is named like another variant")]
    DuplicateVariant { origin: Origin, name: String },
    /// The grid has more points than anyone can mean.
    #[error("{origin}: `sweep.grid`: {points} points are more than {limit}")]
    TooManyPoints { origin: Origin, points: u128, limit: usize },
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
                vec!["give the variant, or the base spec (`sweep.base_name`), another name".into()]
            }
            Self::Config(error) => error.hints(),
            _ => Vec::new(),
        }
    }
}
