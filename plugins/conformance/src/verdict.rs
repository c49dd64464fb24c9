//! How a check ends early.

use ablate_abi::v1::{ErrorKind, PluginError};

/// Why a check did not pass.
#[derive(Clone, Debug)]
pub(crate) enum Stop {
    /// The plugin is wrong.
    Failed(String),
    /// The plugin gave an error where none was expected.
    Refused(PluginError),
    /// There is nothing to look at.
    Skipped(String),
}

/// What a check looked at, or why it did not pass.
pub(crate) type Answer = Result<String, Stop>;

/// The check fails.
pub(crate) fn fail<T>(text: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Failed(text.into()))
}

/// The check has nothing to look at.
pub(crate) fn skip<T>(text: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Skipped(text.into()))
}

/// An error with its kind, as it is told.
pub(crate) fn told(error: &PluginError) -> String {
    let kind = match error.kind {
        ErrorKind::PANIC => "a panic",
        ErrorKind::CONFIG => "kind `config`",
        ErrorKind::DATA => "kind `data`",
        ErrorKind::CONTRACT => "kind `contract`",
        ErrorKind::NOT_FINITE => "kind `not-finite`",
        ErrorKind::CANCELLED => "kind `cancelled`",
        ErrorKind::UNSUPPORTED => "kind `unsupported`",
        ErrorKind::STATE => "kind `state`",
        _ => "kind `other`",
    };
    let place = error.backtrace.lines().next().filter(|_| error.kind == ErrorKind::PANIC);
    let place = place.map_or(String::new(), |place| format!(" at {place}"));
    format!("{error} ({kind}{place})")
}

impl From<PluginError> for Stop {
    fn from(error: PluginError) -> Self {
        Self::Refused(error)
    }
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl Stop {
    /// With where it happened in front.
    pub(crate) fn at(self, place: &str) -> Self {
        match self {
            Self::Failed(text) => Self::Failed(format!("{place}: {text}")),
            Self::Skipped(text) => Self::Skipped(format!("{place}: {text}")),
            Self::Refused(error) => Self::Failed(format!("{place}: {}", told(&error))),
        }
    }
}
