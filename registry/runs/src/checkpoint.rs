//! Checkpoint folders that are complete or not there, and whose files are checked before use.
//!
//! A new checkpoint is written beside the old one and listed in `checksums.json` last. Then the old folder is renamed
//! away, the new one renamed into place, and the old one removed. A crash between the two renames leaves the complete
//! new folder and the old one under their temporary names, where [`Checkpoint::open`] finds them.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::Read,
    path::{Path, PathBuf},
};

use fs_err as fs;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Error, Run, durable};

const CHECKSUMS: &str = "checksums.json";

/// One named checkpoint of a run, such as `last` or `best`.
#[derive(Debug)]
pub struct Checkpoint<'run> {
    folder: PathBuf,
    /// The new folder while it is being written.
    incoming: PathBuf,
    /// The old folder while the new one takes its place.
    outgoing: PathBuf,
    run: &'run Run,
}

#[derive(Debug, Serialize, Deserialize)]
struct Checksums {
    files: BTreeMap<String, Checksum>,
    /// The length of the measurements of the steps before, in bytes.
    #[serde(default)]
    measured_bytes: u64,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checksum {
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
}

impl<'run> Checkpoint<'run> {
    pub(crate) fn new(run: &'run Run, name: &str) -> Result<Self, Error> {
        durable::check_name("checkpoint", name)?;
        let checkpoints = run.folder().join("checkpoints");
        Ok(Self {
            folder: checkpoints.join(name),
            incoming: checkpoints.join(format!(".{name}.new")),
            outgoing: checkpoints.join(format!(".{name}.old")),
            run,
        })
    }

    /// Replaces the checkpoint by what `fill` writes into the empty folder that it is given.
    ///
    /// When `fill` fails, the old checkpoint stays. Only the process that runs the trial may call this.
    ///
    /// # Errors
    /// The error of `fill`, or that of a file which could not be written.
    pub fn write<E: From<Error>>(
        &self,
        fill: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<(), E> {
        self.settle()?;
        remove_folder(&self.incoming)?;
        // Not with what lies around it: a run that was removed must not come back as a shell.
        fs::create_dir(&self.incoming).map_err(Error::from)?;
        let filled = fill(&self.incoming);
        if filled.is_err() {
            remove_folder(&self.incoming)?;
            return filled;
        }
        self.publish().map_err(|error| {
            // On a full disk it would only take the last of the space. That it cannot be removed is no second failure.
            let _ = fs::remove_dir_all(&self.incoming);
            E::from(error)
        })
    }

    /// The folder with the checkpoint, after its files have been checked; `None` when there is none.
    pub fn open(&self) -> Result<Option<PathBuf>, Error> {
        if self.folder.exists() {
            self.verify(&self.folder)?;
            return Ok(Some(self.folder.clone()));
        }
        if self.incoming.exists() && self.verify(&self.incoming).is_ok() {
            return Ok(Some(self.incoming.clone()));
        }
        if self.outgoing.exists() {
            self.verify(&self.outgoing)?;
            return Ok(Some(self.outgoing.clone()));
        }
        Ok(None)
    }

    /// Gives what an interrupted replacement left its proper name.
    fn settle(&self) -> Result<(), Error> {
        if !self.folder.exists() {
            if self.incoming.exists() && self.verify(&self.incoming).is_ok() {
                fs::rename(&self.incoming, &self.folder)?;
            } else if self.outgoing.exists() {
                fs::rename(&self.outgoing, &self.folder)?;
            }
        }
        remove_folder(&self.outgoing)
    }

    fn verify(&self, folder: &Path) -> Result<(), Error> {
        let path = folder.join(CHECKSUMS);
        if !path.exists() {
            return Err(Error::Damaged { file: path, reason: "is missing".into() });
        }
        let checksums: Checksums = durable::read_json(&path)?;
        let measured = self.run.measured_bytes()?;
        if measured < checksums.measured_bytes {
            let written = checksums.measured_bytes;
            let reason =
                format!("is of a run with {written} bytes of measurements, {measured} are there");
            return Err(Error::Damaged { file: folder.to_owned(), reason });
        }
        for (name, expected) in &checksums.files {
            let file = folder.join(name);
            if !file.is_file() {
                return Err(Error::Damaged { file, reason: "is missing".into() });
            }
            let found = checksum(&file)?;
            if found.bytes != expected.bytes {
                let reason = format!("has {} bytes, {} were written", found.bytes, expected.bytes);
                return Err(Error::Damaged { file, reason });
            }
            if found != *expected {
                let reason = "does not have the content that was written".into();
                return Err(Error::Damaged { file, reason });
            }
        }
        Ok(())
    }

    fn publish(&self) -> Result<(), Error> {
        let mut files = BTreeMap::new();
        let mut written = Vec::new();
        list(&self.incoming, "", &mut files, &mut written)?;
        let path = self.incoming.join(CHECKSUMS);
        fs::write(
            &path,
            durable::json(&path, &Checksums { files, measured_bytes: self.run.measured_bytes()? })?,
        )?;
        written.push(path);
        // Two rounds of syncs. The first: a checkpoint is whole when it gets its name, and must not outlive its run
        // and the measurements of the steps before it. The second: the old one is removed after that name is on disk.
        self.run.sync_with(written)?;
        if self.folder.exists() {
            fs::rename(&self.folder, &self.outgoing)?;
        }
        fs::rename(&self.incoming, &self.folder)?;
        durable::sync_parent(&self.folder)?;
        remove_folder(&self.outgoing)
    }
}

/// Collects the checksums of all files under `folder`, and what has to reach the disk.
fn list(
    folder: &Path,
    prefix: &str,
    files: &mut BTreeMap<String, Checksum>,
    written: &mut Vec<PathBuf>,
) -> Result<(), Error> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let name = entry.file_name().into_string().map_err(|_| Error::Damaged {
            file: path.clone(),
            reason: "has a name that is not UTF-8".into(),
        })?;
        let relative = format!("{prefix}{name}");
        if path.is_dir() {
            list(&path, &format!("{relative}/"), files, written)?;
        } else {
            files.insert(relative, checksum(&path)?);
            written.push(path);
        }
    }
    written.push(folder.to_owned());
    Ok(())
}

pub(crate) fn checksum(path: &Path) -> Result<Checksum, Error> {
    let mut file = fs::File::open(path)?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    let mut bytes = 0;
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        digest.update(&buffer[..read]);
        bytes += read as u64;
    }
    let sha256 = digest.finalize().iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    });
    Ok(Checksum { bytes, sha256 })
}

fn remove_folder(folder: &Path) -> Result<(), Error> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    Ok(())
}
