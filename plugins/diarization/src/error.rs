//! The error of this crate: names the file, the line and the reason; advice is separate, in `hints`.

use std::path::PathBuf;

/// What can be wrong with annotations.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read or written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A line is not what the format asks for.
    #[error("`{path}`, line {line}: {reason}")]
    Line {
        /// The file.
        path: PathBuf,
        /// Its line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// The file is no text.
    #[error("`{path}` is not UTF-8 text")]
    NotText {
        /// The file.
        path: PathBuf,
    },
    /// Recordings of a reference and a system do not go together.
    #[error("{reason}")]
    Unpaired {
        /// Which recordings have no counterpart.
        reason: String,
    },
}

impl Error {
    /// What could help, a sentence each.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::Line { path, .. } => {
                let is_uem = path.extension().is_some_and(|ending| ending == "uem");
                let format = if is_uem {
                    "a line of a UEM file is `<recording> <channel> <start s> <end s>`"
                } else {
                    "a line of an RTTM file is `SPEAKER <recording> <channel> <onset s> <duration s> \
                     <NA> <NA> <speaker> <NA> <NA>`"
                };
                vec![format.to_owned()]
            }
            Self::NotText { .. } => vec!["is it an annotation, or audio?".to_owned()],
            Self::Unpaired { .. } => vec![
                "names of recordings must be equal, up to suffixes that are said to be dropped"
                    .to_owned(),
            ],
            Self::Io(_) => Vec::new(),
        }
    }
}
