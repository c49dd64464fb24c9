//! An export from its beginning to its end.

use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::{Error, Form, Selection, events, folder, tables};

/// What an export holds; `export.json` in its folder says the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// The form of the files.
    #[serde(rename = "as")]
    pub form: Form,
    /// The experiment, if all of one was exported.
    pub experiment: Option<String>,
    /// How many runs.
    pub runs: u64,
    /// How many measurements.
    pub measurements: u64,
    /// The files.
    pub files: Vec<WrittenFile>,
}

/// One file of an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrittenFile {
    /// Its path in the folder.
    pub file: PathBuf,
    /// Rows of a table, or scalars of an event file.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
}

impl WrittenFile {
    pub(crate) fn new(folder: &Path, file: &Path, rows: u64) -> Result<Self, Error> {
        let bytes = fs::metadata(folder.join(file))?.len();
        Ok(Self { file: file.to_path_buf(), rows, bytes })
    }
}

/// Writes runs into `folder`, which appears as a whole and replaces what an earlier export left there. `progress` is
/// told how many runs are written.
///
/// # Errors
/// [`Error::Foreign`] when the folder has files that no export wrote; else when something cannot be read or written.
pub fn write(
    folder: &Path,
    form: Form,
    selection: &Selection<'_>,
    progress: &mut dyn FnMut(usize),
) -> Result<Written, Error> {
    folder::replace(folder, |new| {
        let files = match form {
            Form::Csv | Form::Parquet => tables::write(new, form, selection, progress)?,
            Form::Tensorboard => events::write(new, selection, progress)?,
        };
        // The last table is that of the measurements.
        let measurements = match form {
            Form::Csv | Form::Parquet => files.last().map_or(0, |file| file.rows),
            Form::Tensorboard => files.iter().map(|file| file.rows).sum(),
        };
        Ok(Written {
            form,
            experiment: selection.experiment.map(str::to_owned),
            runs: selection.runs.len() as u64,
            measurements,
            files,
        })
    })
}
