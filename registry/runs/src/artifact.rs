//! The files that a run leaves: listed with their checksums in its result, checked before use.
//!
//! What an experiment asks for with `[artifact.NAME]` lies as `artifacts/NAME/FILE`. What else components wrote into
//! `artifacts/` is listed by its path there.

use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::{Error, Run, Status, checkpoint::checksum, durable};

/// A file that a run left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// Its name; of a file that no experiment asked for the same as `file`.
    pub name: String,
    /// Its path below the run's folder `artifacts`, with `/` on all systems.
    pub file: String,
    /// The component that wrote it, if the experiment asked for it.
    pub component: Option<String>,
    /// Its length.
    pub bytes: u64,
    /// Its content, in hexadecimal.
    pub sha256: String,
}

/// A file that was published at the place that [`Run::place_artifact`] gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The name of the artifact.
    pub name: String,
    /// The component that wrote it.
    pub component: String,
    /// Where it lies.
    pub path: PathBuf,
}

impl Run {
    /// A path for the file `file` of the artifact `name`, in an empty folder: what an attempt left there that was lost
    /// is removed.
    ///
    /// # Errors
    /// If there is a file in the place of the folder, or it cannot be made.
    pub fn place_artifact(&self, name: &str, file: &str) -> Result<PathBuf, Error> {
        durable::check_name("artifact", name)?;
        let folder = self.artifacts().join(name);
        if folder.is_dir() {
            fs::remove_dir_all(&folder)?;
        }
        // Not with what lies around it: a run that was removed must not come back as a shell.
        fs::create_dir(&folder)?;
        Ok(folder.join(file))
    }

    /// All files under `artifacts/` with their checksums: what was `published` in that order, then what else
    /// components left, by name. For the result of a run that ends now.
    ///
    /// # Errors
    /// If a file cannot be read, or has a name that is not UTF-8.
    pub fn list_artifacts(&self, published: &[Published]) -> Result<Vec<Artifact>, Error> {
        let root = self.artifacts();
        let mut files = Vec::new();
        walk(&root, "", &mut files)?;
        files.sort();
        let mut artifacts = Vec::new();
        for one in published {
            let found = files.iter().position(|file| root.join(file) == one.path);
            let Some(found) = found else {
                return Err(self.damaged(&one.name, one.path.clone(), "is missing"));
            };
            let (name, component) = (one.name.clone(), Some(one.component.clone()));
            artifacts.push(listed(&root, name, files.remove(found), component)?);
        }
        for file in files {
            artifacts.push(listed(&root, file.clone(), file, None)?);
        }
        Ok(artifacts)
    }

    /// The artifact `name` and its file, whose content has been checked.
    ///
    /// # Errors
    /// If the run is not done, has no such artifact, or its file is not what the run left.
    pub fn artifact(&self, name: &str) -> Result<(Artifact, PathBuf), Error> {
        let run = || self.id().to_string();
        let result = self.result()?.filter(|result| result.status == Status::Done);
        let Some(result) = result else { return Err(Error::NotDone { run: run() }) };
        let artifacts = result.outcome.artifacts;
        let Some(artifact) = artifacts.iter().find(|artifact| artifact.name == name) else {
            let known = artifacts.into_iter().map(|artifact| artifact.name).collect();
            return Err(Error::NoArtifact { run: run(), name: name.to_owned(), known });
        };
        let path = self.artifacts().join(&artifact.file);
        if !path.is_file() {
            return Err(self.damaged(name, path, "is missing"));
        }
        let found = checksum(&path)?;
        if found.bytes != artifact.bytes {
            let reason = format!("has {} bytes, {} were written", found.bytes, artifact.bytes);
            return Err(self.damaged(name, path, &reason));
        }
        if found.sha256 != artifact.sha256 {
            return Err(self.damaged(name, path, "does not have the content that was written"));
        }
        Ok((artifact.clone(), path))
    }

    fn damaged(&self, name: &str, file: PathBuf, reason: &str) -> Error {
        let (run, name, reason) = (self.id().to_string(), name.to_owned(), reason.to_owned());
        Error::DamagedArtifact { run, name, file, reason }
    }
}

/// The files of artifacts and their folders: what has to reach the disk before the result does.
pub(crate) fn written(root: &Path, artifacts: &[Artifact]) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for artifact in artifacts {
        let path = root.join(&artifact.file);
        let folders = path.ancestors().skip(1).take_while(|folder| folder.starts_with(root));
        paths.extend(folders.map(Path::to_path_buf));
        paths.push(path);
    }
    paths.sort();
    paths.dedup();
    paths
}

fn listed(
    root: &Path,
    name: String,
    file: String,
    component: Option<String>,
) -> Result<Artifact, Error> {
    let found = checksum(&root.join(&file))?;
    Ok(Artifact { name, file, component, bytes: found.bytes, sha256: found.sha256 })
}

/// The ordinary files below a folder, by their paths from it. Links lead elsewhere and are not what a run left.
fn walk(folder: &Path, prefix: &str, files: &mut Vec<String>) -> Result<(), Error> {
    if !folder.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().into_string().map_err(|_| Error::Damaged {
            file: entry.path(),
            reason: "has a name that is not UTF-8".into(),
        })?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            walk(&entry.path(), &format!("{prefix}{name}/"), files)?;
        } else if kind.is_file() {
            files.push(format!("{prefix}{name}"));
        }
    }
    Ok(())
}
