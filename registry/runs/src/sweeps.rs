//! The sweeps that were planned: `sweeps/<experiment>/<uuid v7>.json`, newest last.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

use chrono::{DateTime, Utc};
use fs_err as fs;
use serde::{Deserialize, Serialize, de::IgnoredAny};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{Error, SweepRecord, durable};

/// One line of the list of sweeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SweepSummary {
    /// The experiment's name.
    pub experiment: String,
    /// When it was planned.
    pub created: DateTime<Utc>,
    /// How many variants it has.
    pub variants: usize,
    /// How many trials it has.
    pub trials: usize,
    /// The file with the [`SweepRecord`].
    pub file: PathBuf,
}

/// Keeps a sweep unless it is the last one of its experiment again; true when it was written.
pub(crate) fn record(sweeps: &Path, record: &SweepRecord) -> Result<bool, Error> {
    if let Some(last) = last(sweeps, &record.experiment)?
        && (SweepRecord { created: record.created, ..last }) == *record
    {
        return Ok(false);
    }
    let folder = sweeps.join(folder_name(&record.experiment));
    fs::create_dir_all(&folder)?;
    // After the newest name, so that the last one stays the last when the clock goes backwards.
    let newest = files(&folder)?.pop();
    let newest = newest.as_deref().and_then(Path::file_stem).and_then(|name| name.to_str());
    let name = match newest.and_then(|name| Uuid::try_parse(name).ok()) {
        Some(newest) if newest >= Uuid::now_v7() => crate::id::after(newest),
        _ => Uuid::now_v7(),
    };
    durable::write_json(&folder.join(format!("{name}.json")), record)?;
    Ok(true)
}

/// The file of the sweep of an experiment that was planned last.
pub(crate) fn last_file(sweeps: &Path, experiment: &str) -> Result<Option<PathBuf>, Error> {
    Ok(files(&sweeps.join(folder_name(experiment)))?.pop())
}

/// The sweep of an experiment that was planned last.
pub(crate) fn last(sweeps: &Path, experiment: &str) -> Result<Option<SweepRecord>, Error> {
    for file in files(&sweeps.join(folder_name(experiment)))?.iter().rev() {
        let record: SweepRecord = durable::read_json(file)?;
        // Where names do not tell capitals, two experiments share a folder.
        if record.experiment == experiment {
            return Ok(Some(record));
        }
    }
    Ok(None)
}

/// All sweeps, newest first. Files that are no sweeps are left out.
pub(crate) fn list(sweeps: &Path) -> Result<Vec<SweepSummary>, Error> {
    #[derive(Deserialize)]
    struct Outline {
        experiment: String,
        created: DateTime<Utc>,
        variants: Vec<IgnoredAny>,
        trials: Vec<IgnoredAny>,
    }
    let mut list = Vec::new();
    for folder in entries(sweeps)?.into_iter().filter(|path| path.is_dir()) {
        for file in files(&folder)? {
            if let Ok(outline) = durable::read_json::<Outline>(&file) {
                list.push(SweepSummary {
                    experiment: outline.experiment,
                    created: outline.created,
                    variants: outline.variants.len(),
                    trials: outline.trials.len(),
                    file,
                });
            }
        }
    }
    list.sort_by(|a, b| (b.created, &b.file).cmp(&(a.created, &a.file)));
    Ok(list)
}

/// The records of one experiment, oldest first.
fn files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut files = entries(folder)?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    Ok(files)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    match fs::read_dir(folder) {
        Ok(entries) => {
            Ok(entries.map(|entry| entry.map(|e| e.path())).collect::<Result<_, _>>()?)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

/// The experiment's name where it can be a file's name; else what is left of it, and a hash that keeps names apart.
fn folder_name(experiment: &str) -> String {
    if durable::check_name("experiment", experiment).is_ok() {
        return experiment.to_owned();
    }
    let slug: String = experiment
        .chars()
        .take(64)
        .map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' })
        .collect();
    let hash = Sha256::digest(experiment.as_bytes());
    let digits = hash.iter().take(4).fold(0_u32, |digits, byte| digits << 8 | u32::from(*byte));
    format!("{slug}.{digits:08x}")
}
