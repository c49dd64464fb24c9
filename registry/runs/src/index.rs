//! The SQLite index over the run folders. It holds nothing that the folders do not say.
//!
//! Every use is one short transaction. A shared OS lock on `index.lock` is held meanwhile, and an exclusive one by
//! whoever replaces the file. A connection stays open between uses, since the first one to a file has to set up what
//! the others share; one to a file that is no longer in place is left. Where nothing can be written the index is a
//! private copy in memory.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

use fs_err as fs;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use crate::{
    Error, Measurement, RunId, durable,
    folders::{self, Looked, Rebuilt, Scan},
    rows::{self, Entry, Selection},
};

/// How often a busy or unusable index is tried again.
const ATTEMPTS: usize = 8;

#[derive(Debug)]
pub(crate) struct Index {
    file: PathBuf,
    lock: PathBuf,
    runs: PathBuf,
    open: Mutex<Option<Open>>,
    in_memory: bool,
}

/// A connection and the file that it was opened on.
#[derive(Debug)]
struct Open {
    connection: Connection,
    file: FileId,
}

/// What tells a file from another one of the same name.
type FileId = Option<(u64, u64)>;

impl Index {
    /// The index in the home folder, made when it is first used.
    pub(crate) fn new(home: &Path) -> Self {
        Self {
            file: home.join("index.sqlite"),
            lock: home.join("index.lock"),
            runs: home.join("runs"),
            open: Mutex::new(None),
            in_memory: false,
        }
    }

    /// A private copy of the index in the home folder, as far as that one can be read.
    pub(crate) fn in_memory(home: &Path) -> Result<Self, Error> {
        let mut index = Self::new(home);
        let connection = index.copy().map_err(|source| index.error(source))?;
        index.open = Mutex::new(Some(Open { connection, file: None }));
        index.in_memory = true;
        Ok(index)
    }

    /// Whether the index cannot be opened for writing.
    pub(crate) fn probe(&self) -> Result<(), Error> {
        self.guard().map(drop)
    }

    /// Makes the index anew from the run folders; `progress` hears how many of how many are read.
    pub(crate) fn rebuild(&self, progress: &mut dyn FnMut(usize, usize)) -> Result<Rebuilt, Error> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        self.replace(&mut open, progress)
    }

    fn replace(
        &self,
        open: &mut Option<Open>,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Rebuilt, Error> {
        let guard = self.guard()?;
        guard.lock()?;
        *open = None;
        for suffix in ["", "-wal", "-shm", "-journal"] {
            let path = durable::sibling(&self.file, suffix);
            if path.exists() {
                fs::remove_file(path)?;
            }
        }
        let listed = folders::list(&self.runs)?;
        let scan = folders::scan(&listed.runs, progress);
        self.fill(&scan).map_err(|source| self.error(source))?;
        drop(guard);
        Ok(Rebuilt {
            indexed: scan.found.len(),
            unreadable: scan.unreadable,
            removed: folders::remove_leftovers(&self.runs, &listed.leftovers),
        })
    }

    /// Adds runs that have a folder but no row, and removes rows without a folder.
    ///
    /// A process that died between the two writes leaves the first, a folder removed by hand the second. Nothing is
    /// compared while the list of folders is as it was the last time.
    pub(crate) fn reconcile(&self) -> Result<(), Error> {
        // Before the folders are listed: what comes later makes it another time.
        let modified = folders::modified(&self.runs)?;
        let (looked, unreadable) =
            self.with(|connection| Ok((rows::looked(connection)?, rows::unreadable(connection)?)))?;
        let readable = |(name, _): &(String, String)| {
            folders::read(&self.runs.join(name)).is_ok_and(|found| found.damage.is_none())
        };
        if looked.as_deref() == Some(modified.text.as_str()) && !unreadable.iter().any(readable) {
            return Ok(());
        }
        self.compare(&modified, &unreadable)
    }

    fn compare(&self, modified: &Looked, unreadable: &[(String, String)]) -> Result<(), Error> {
        // Rows before folders: a run that is created meanwhile must not look like one without a folder.
        let known = self.with(|connection| rows::ids(connection))?;
        let mut listed = folders::list(&self.runs)?;
        let gone: Vec<_> = known.iter().filter(|id| !listed.runs.contains_key(*id)).collect();
        let damaged = |folder: &Path| unreadable.iter().any(|(name, _)| folder.ends_with(name));
        let scanned: Vec<_> = known.iter().collect();
        listed.runs.retain(|id, folder| scanned.binary_search(&id).is_err() || damaged(folder));
        let scan = folders::scan(&listed.runs, &mut |_, _| {});
        folders::remove_leftovers(&self.runs, &listed.leftovers);
        let found = rows::names(&scan.unreadable);
        if gone.is_empty() && scan.found.is_empty() && found == *unreadable && !modified.settled {
            return Ok(());
        }
        self.with(|connection| {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            for id in &gone {
                rows::remove(&transaction, id)?;
            }
            for found in &scan.found {
                // Its own process may have told the index meanwhile, and knows more.
                if rows::is_missing(&transaction, &found.entry.id)? {
                    rows::put(&transaction, &found.entry, &found.finals)?;
                }
            }
            rows::set_unreadable(&transaction, &found)?;
            rows::set_looked(&transaction, modified.settled.then_some(modified.text.as_str()))?;
            transaction.commit()
        })
    }

    /// The run folders that could not be read when they were last looked at: name and reason.
    pub(crate) fn unreadable(&self) -> Result<Vec<(String, String)>, Error> {
        self.with(|connection| rows::unreadable(connection))
    }

    pub(crate) fn put(&self, entry: &Entry, finals: &[Measurement]) -> Result<(), Error> {
        self.with(|connection| {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            rows::put(&transaction, entry, finals)?;
            transaction.commit()
        })
    }

    /// The selected rows, newest first.
    pub(crate) fn select(&self, selection: &Selection<'_>) -> Result<Vec<Entry>, Error> {
        self.with(|connection| rows::select(connection, selection))
    }

    /// The shortest prefixes of these ids that no other run shares.
    pub(crate) fn shorten(&self, ids: &[RunId]) -> Result<Vec<String>, Error> {
        self.with(|connection| rows::shorten(connection, ids))
    }

    /// Runs one operation on an open index; makes the index anew first when it is missing or damaged.
    pub(crate) fn with<T>(
        &self,
        operation: impl Fn(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if self.in_memory
            && let Some(open) = open.as_mut()
        {
            return operation(&mut open.connection).map_err(|source| self.error(source));
        }
        let mut attempt = 1;
        loop {
            let guard = self.guard()?;
            guard.lock_shared()?;
            let result = self.connect(&mut open).and_then(|connection| match connection {
                Some(connection) => operation(connection).map(Some),
                None => Ok(None),
            });
            // Nobody puts a new file in place before the guard is gone: a missing one was removed under our hands.
            let is_gone = !self.file.exists();
            drop(guard);
            match result {
                Ok(Some(value)) => return Ok(value),
                Err(error) if attempt == ATTEMPTS => return Err(self.error(error)),
                Err(error) if is_busy(&error) => thread::sleep(Duration::from_millis(20)),
                Err(error) if !is_gone && !is_damaged(&error) => {
                    *open = None;
                    return Err(self.error(error));
                }
                // Several processes may see the damage and replace the file one after the other: no harm done.
                Ok(None) | Err(_) => drop(self.replace(&mut open, &mut |_, _| {})?),
            }
            attempt += 1;
        }
    }

    /// A connection to the index, unless there is none of this revision.
    fn connect<'open>(
        &self,
        open: &'open mut Option<Open>,
    ) -> rusqlite::Result<Option<&'open mut Connection>> {
        let Some(file) = file_id(&self.file) else {
            *open = None;
            return Ok(None);
        };
        // SQLite touches nothing by its name when it closes a file that is no longer there.
        if open.as_ref().is_none_or(|open| open.file != file || file.is_none()) {
            *open = None;
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(&self.file, flags)?;
            configure(&connection)?;
            *open = Some(Open { connection, file });
        }
        let Some(Open { connection, .. }) = open else { return Ok(None) };
        let revision: i32 =
            connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        Ok((revision == rows::REVISION).then_some(connection))
    }

    fn fill(&self, scan: &Scan) -> rusqlite::Result<()> {
        let mut connection = Connection::open(&self.file)?;
        configure(&connection)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        let transaction = connection.transaction()?;
        transaction.execute_batch(rows::TABLES)?;
        for found in &scan.found {
            rows::put(&transaction, &found.entry, &found.finals)?;
        }
        rows::set_unreadable(&transaction, &rows::names(&scan.unreadable))?;
        // Part of the transaction: an index that was not filled to the end keeps revision 0 and is made anew.
        transaction.pragma_update(None, "user_version", rows::REVISION)?;
        transaction.commit()?;
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
    }

    /// The index as it is on disk, copied into memory; an empty one when it cannot be read.
    fn copy(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_URI;
        let connection = Connection::open_with_flags(":memory:", flags)?;
        connection.execute_batch(rows::TABLES)?;
        let log = durable::sibling(&self.file, "-wal");
        // A log that somebody may still write is read with SQLite's locks, which needs its shared memory file.
        // Without a log the file is complete and needs no locks.
        let has_log = log.metadata().is_ok_and(|metadata| metadata.len() > 0);
        let mode = if has_log { "mode=ro" } else { "immutable=1" };
        if self.file.exists() && rows::copy(&connection, &self.file, mode).is_err() {
            let empty = ["runs", "finals", "unreadable", "looked"];
            let empty = empty.map(|table| format!("DELETE FROM {table};"));
            connection.execute_batch(&empty.concat())?;
        }
        Ok(connection)
    }

    fn guard(&self) -> Result<fs::File, Error> {
        Ok(fs::OpenOptions::new().create(true).append(true).open(&self.lock)?)
    }

    fn error(&self, source: rusqlite::Error) -> Error {
        // On a full disk not even the shared memory of readers can be made: SQLITE_IOERR_SHMSIZE.
        let shared_memory = source.sqlite_error().is_some_and(|error| error.extended_code == 4874);
        let full = shared_memory || source.sqlite_error_code() == Some(ErrorCode::DiskFull);
        Error::Index { path: self.file.clone(), full, source: Box::new(source) }
    }
}

/// What a commit buys: `NORMAL` with a log never leaves a torn index behind, not even when the power fails, and needs
/// no sync of the disk per transaction; the last transactions may be missing then, and are found again in the folders.
fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    Ok(())
}

/// What a name stands for now: `None` when there is no such file, `Some(None)` where files have no numbers.
fn file_id(path: &Path) -> Option<FileId> {
    let metadata = path.metadata().ok()?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        Some(Some((metadata.dev(), metadata.ino())))
    }
    #[cfg(not(unix))]
    {
        let _ = metadata;
        Some(None)
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// Whether the file is to blame, so that making it anew helps.
fn is_damaged(error: &rusqlite::Error) -> bool {
    match error.sqlite_error_code() {
        // `Unknown` is SQLite's general error, such as a table that is not there.
        Some(code) => matches!(
            code,
            ErrorCode::DatabaseCorrupt
                | ErrorCode::CannotOpen
                | ErrorCode::NotADatabase
                | ErrorCode::SchemaChanged
                | ErrorCode::Unknown
        ),
        // A value that cannot be what a column holds.
        None => true,
    }
}
