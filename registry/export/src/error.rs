//! What can go wrong in an export, and advice about it.

use std::{
    io,
    path::{Path, PathBuf},
};

use parquet::errors::ParquetError;

/// A failed export. Nothing is left of it, and what stood at its place still does.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder could not be read or written; the text names its path.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A run could not be read.
    #[error(transparent)]
    Runs(#[from] ablate_runs::Error),
    /// The Parquet writer refused to work.
    #[error("failed to write `{}`", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// What the writer said.
        source: ParquetError,
    },
    /// The text that says what an export holds could not be made.
    #[error("failed to write `{}`", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What the writer said.
        source: serde_json::Error,
    },
    /// Something is where the folder is to be, and no export wrote it.
    #[error("`{}` is there already, and `{}` in it was not written by an export", folder.display(), file.display())]
    Foreign {
        /// The folder.
        folder: PathBuf,
        /// The first file in it that no export wrote, relative to the folder.
        file: PathBuf,
    },
    /// Something that is no folder is where the folder is to be.
    #[error("`{}` is not a folder", path.display())]
    NotFolder {
        /// The path.
        path: PathBuf,
    },
    /// The path ends in `.`, `..` or `/`, so that nothing can be put in its place.
    #[error("`{}` names no new folder", path.display())]
    Unnamed {
        /// The path.
        path: PathBuf,
    },
}

impl Error {
    pub(crate) fn parquet(path: &Path) -> impl Fn(ParquetError) -> Self + use<> {
        let path = path.to_path_buf();
        move |source| match source {
            // A full disk is to be told as such.
            ParquetError::External(source) => match source.downcast::<io::Error>() {
                Ok(error) => Self::Io(*error),
                Err(source) => {
                    Self::Parquet { path: path.clone(), source: ParquetError::External(source) }
                }
            },
            source => Self::Parquet { path: path.clone(), source },
        }
    }

    /// Advice on what to do, one sentence each.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::Runs(ablate_runs::Error::Line { path, .. }) => vec![format!(
                "the other runs are unharmed: export them by their ids, or remove that line of `{}`",
                path.display()
            )],
            Self::Runs(error) => error.hints(),
            Self::Foreign { .. } | Self::NotFolder { .. } => {
                vec!["name another folder with `--out`, or move what is there away".into()]
            }
            Self::Unnamed { .. } => {
                vec!["name the folder that is to be made, such as `--out results/pooling`".into()]
            }
            Self::Io(error) => match error.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    vec!["name a folder on a disk with more space with `--out`".into()]
                }
                io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
                    vec!["name a folder that you may write to with `--out`".into()]
                }
                _ => Vec::new(),
            },
            Self::Parquet { .. } => vec!["`--as csv` writes the same tables as text".into()],
            Self::Json { .. } => Vec::new(),
        }
    }
}
