//! The kinds of failure that a trial can end with: what a retry policy tells apart.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a trial failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FailureClass {
    /// A value that a component refused, although its schema allows it.
    Config,
    /// The data is missing, unreadable or not what it was when it was prepared.
    Data,
    /// A panic inside a plugin.
    Panic,
    /// A signal ended the process: a segfault, an abort, a kill.
    Signal,
    /// The memory limit or the system's last byte.
    OutOfMemory,
    /// The time limit, or nothing heard for too long.
    Timeout,
    /// A loss, a gradient or a metric that is NaN or infinite.
    NotFinite,
    /// The disk: full, read-only, gone.
    Storage,
    /// A tensor that is not what the contract says.
    Contract,
    /// Anything else.
    Other,
}

impl FailureClass {
    /// All classes, in the order of listings.
    pub const ALL: [Self; 10] = [
        Self::Config,
        Self::Data,
        Self::Panic,
        Self::Signal,
        Self::OutOfMemory,
        Self::Timeout,
        Self::NotFinite,
        Self::Storage,
        Self::Contract,
        Self::Other,
    ];

    /// The word used in files and messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Data => "data",
            Self::Panic => "panic",
            Self::Signal => "signal",
            Self::OutOfMemory => "out-of-memory",
            Self::Timeout => "timeout",
            Self::NotFinite => "not-finite",
            Self::Storage => "storage",
            Self::Contract => "contract",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for FailureClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that names no class of failure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown class of failure `{word}`")]
pub struct UnknownFailureClass {
    /// The word as given.
    pub word: String,
}

impl FromStr for FailureClass {
    type Err = UnknownFailureClass;

    fn from_str(word: &str) -> Result<Self, UnknownFailureClass> {
        Self::ALL
            .into_iter()
            .find(|class| class.as_str() == word)
            .ok_or_else(|| UnknownFailureClass { word: word.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_has_one_word_everywhere() {
        for class in FailureClass::ALL {
            assert_eq!(class.as_str().parse(), Ok(class));
            assert_eq!(serde_json::to_value(class).unwrap(), class.as_str());
        }
        let error = "moon".parse::<FailureClass>().unwrap_err();
        assert_eq!(error.to_string(), "unknown class of failure `moon`");
    }
}
