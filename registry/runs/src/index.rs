//! The SQLite index over the run folders. It holds nothing that the folders do not say.
//!
//! Every use opens the file, does one short transaction and closes it. A shared OS lock on `index.lock` is held
//! meanwhile, and an exclusive one by whoever replaces the file, so that no process keeps a file that is gone.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use chrono::{DateTime, Utc};
use fs_err as fs;
use rusqlite::{Connection, ErrorCode, OpenFlags, Row, params};

use crate::{Error, RunId, Status, durable, run};

/// Raised when the table changes; an index of another revision is made anew.
const REVISION: i32 = 1;

/// How often a busy or unusable index is tried again.
const ATTEMPTS: usize = 8;

const TABLE: &str = "
    CREATE TABLE runs (
        id TEXT PRIMARY KEY,
        identity TEXT NOT NULL,
        experiment TEXT NOT NULL,
        variant TEXT NOT NULL,
        seed INTEGER NOT NULL,
        created INTEGER NOT NULL,
        finished INTEGER,
        status TEXT,
        wall_s REAL,
        peak_memory_bytes INTEGER,
        error TEXT
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX runs_by_identity ON runs (identity);
    CREATE INDEX runs_by_variant ON runs (experiment, variant);
    CREATE INDEX open_runs ON runs (id) WHERE status IS NULL;";

/// What the index was made from.
#[derive(Debug, Default)]
pub struct Rebuilt {
    /// How many runs it holds.
    pub indexed: usize,
    /// The run folders that could not be read.
    pub unreadable: Vec<Unreadable>,
}

/// A run folder that could not be read.
#[derive(Debug)]
pub struct Unreadable {
    /// The folder.
    pub folder: PathBuf,
    /// Why.
    pub error: Error,
}

/// One row: what a run folder says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) id: RunId,
    pub(crate) identity: String,
    pub(crate) experiment: String,
    pub(crate) variant: String,
    pub(crate) seed: u64,
    pub(crate) created: DateTime<Utc>,
    /// The end of a finished run; a run without it is running or lost.
    pub(crate) end: Option<End>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct End {
    pub(crate) status: Status,
    pub(crate) finished: DateTime<Utc>,
    pub(crate) wall_s: f64,
    pub(crate) peak_memory_bytes: Option<u64>,
    pub(crate) error: Option<String>,
}

/// Which rows to read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Selection<'a> {
    pub(crate) identity: Option<&'a str>,
    pub(crate) experiment: Option<&'a str>,
    pub(crate) variant: Option<&'a str>,
    pub(crate) end: Ends,
    pub(crate) limit: Option<usize>,
}

/// Rows by how their runs ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Ends {
    #[default]
    Any,
    /// Not ended.
    Open,
    /// Ended so.
    With(Status),
}

#[derive(Debug)]
pub(crate) struct Index {
    file: PathBuf,
    lock: PathBuf,
    runs: PathBuf,
}

impl Index {
    pub(crate) fn new(home: &Path) -> Self {
        Self {
            file: home.join("index.sqlite"),
            lock: home.join("index.lock"),
            runs: home.join("runs"),
        }
    }

    /// Makes the index anew from the run folders.
    pub(crate) fn rebuild(&self) -> Result<Rebuilt, Error> {
        let guard = self.guard()?;
        guard.lock()?;
        for suffix in ["", "-wal", "-shm", "-journal"] {
            let path = durable::sibling(&self.file, suffix);
            if path.exists() {
                fs::remove_file(path)?;
            }
        }
        let (entries, unreadable) = self.scan(&BTreeSet::new())?;
        self.fill(&entries).map_err(|source| self.error(source))?;
        Ok(Rebuilt { indexed: entries.len(), unreadable })
    }

    /// Adds runs that have a folder but no row, and removes rows without a folder.
    ///
    /// A process that died between the two writes leaves the first, a folder removed by hand the second.
    pub(crate) fn reconcile(&self) -> Result<(), Error> {
        let known: BTreeSet<String> = self.ids()?.into_iter().collect();
        let folders = self.folders()?;
        let gone: Vec<_> = known.iter().filter(|id| !folders.contains_key(*id)).cloned().collect();
        // Folders that cannot be read are reported by a rebuild; here they must not stop everything else.
        let (added, _) = if folders.keys().all(|id| known.contains(id)) {
            Default::default()
        } else {
            self.scan(&known)?
        };
        if gone.is_empty() && added.is_empty() {
            return Ok(());
        }
        self.with(|connection| {
            let transaction = connection.transaction()?;
            for id in &gone {
                transaction.execute("DELETE FROM runs WHERE id = ?1", [id])?;
            }
            for entry in &added {
                put(&transaction, entry)?;
            }
            transaction.commit()
        })
    }

    pub(crate) fn put(&self, entry: &Entry) -> Result<(), Error> {
        self.with(|connection| put(connection, entry))
    }

    /// The digits of all ids, sorted.
    pub(crate) fn ids(&self) -> Result<Vec<String>, Error> {
        self.with(|connection| {
            connection
                .prepare("SELECT id FROM runs ORDER BY id")?
                .query_map([], |row| row.get(0))?
                .collect()
        })
    }

    /// The ids that start with these digits, newest first, at most `limit` of them.
    pub(crate) fn starting_with(&self, digits: &str, limit: usize) -> Result<Vec<RunId>, Error> {
        self.with(|connection| {
            // `g` follows the last hexadecimal digit.
            let sql =
                "SELECT id FROM runs WHERE id >= ?1 AND id < ?1 || 'g' ORDER BY id DESC LIMIT ?2";
            connection
                .prepare(sql)?
                .query_map(params![digits, limit as i64], |row| id(row, 0))?
                .collect()
        })
    }

    /// The selected rows, newest first.
    pub(crate) fn select(&self, selection: &Selection<'_>) -> Result<Vec<Entry>, Error> {
        let mut sql =
            "SELECT id, identity, experiment, variant, seed, created, finished, status, wall_s, \
                       peak_memory_bytes, error FROM runs WHERE 1"
                .to_owned();
        let mut values: Vec<&str> = Vec::new();
        let status = match selection.end {
            Ends::With(status) => Some(status.as_str()),
            Ends::Any | Ends::Open => None,
        };
        let columns = [
            ("identity", selection.identity),
            ("experiment", selection.experiment),
            ("variant", selection.variant),
            ("status", status),
        ];
        for (column, value) in columns {
            if let Some(value) = value {
                values.push(value);
                // Writing to a string cannot fail.
                let _ = write!(sql, " AND {column} = ?{}", values.len());
            }
        }
        if selection.end == Ends::Open {
            sql += " AND status IS NULL";
        }
        sql += " ORDER BY id DESC";
        if let Some(limit) = selection.limit {
            let _ = write!(sql, " LIMIT {limit}");
        }
        self.with(|connection| {
            connection
                .prepare(&sql)?
                .query_map(rusqlite::params_from_iter(&values), entry)?
                .collect()
        })
    }

    /// Reads the run folders whose ids are not in `known`.
    fn scan(&self, known: &BTreeSet<String>) -> Result<(Vec<Entry>, Vec<Unreadable>), Error> {
        let mut entries = Vec::new();
        let mut unreadable = Vec::new();
        for (_, folder) in self.folders()?.into_iter().filter(|(id, _)| !known.contains(id)) {
            match run::read_entry(&folder) {
                Ok(entry) => entries.push(entry),
                Err(error) => unreadable.push(Unreadable { folder, error }),
            }
        }
        Ok((entries, unreadable))
    }

    /// Run folders by the digits of their ids. Other names, such as those of folders being made, are no runs.
    fn folders(&self) -> Result<BTreeMap<String, PathBuf>, Error> {
        let mut folders = BTreeMap::new();
        for entry in fs::read_dir(&self.runs)? {
            let entry = entry?;
            let parsed = entry.file_name().to_str().and_then(|name| name.parse::<RunId>().ok());
            if let Some(id) = parsed {
                folders.insert(id.digits(), entry.path());
            }
        }
        Ok(folders)
    }

    fn fill(&self, entries: &[Entry]) -> rusqlite::Result<()> {
        let mut connection = Connection::open(&self.file)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        let transaction = connection.transaction()?;
        transaction.execute_batch(TABLE)?;
        for entry in entries {
            put(&transaction, entry)?;
        }
        // Part of the transaction: an index that was not filled to the end keeps revision 0 and is made anew.
        transaction.pragma_update(None, "user_version", REVISION)?;
        transaction.commit()
    }

    /// Runs one operation on an open index; makes the index anew first when it is missing or damaged.
    fn with<T>(
        &self,
        operation: impl Fn(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        let mut attempt = 1;
        loop {
            let guard = self.guard()?;
            guard.lock_shared()?;
            let result = self.connect().and_then(|connection| match connection {
                Some(mut connection) => operation(&mut connection).map(Some),
                None => Ok(None),
            });
            // Nobody puts a new file in place before the guard is gone: a missing one was removed under our hands.
            let is_gone = !self.file.exists();
            drop(guard);
            match result {
                Ok(Some(value)) => return Ok(value),
                Err(error) if attempt == ATTEMPTS => return Err(self.error(error)),
                Err(error) if is_busy(&error) => thread::sleep(Duration::from_millis(20)),
                Err(error) if !is_gone && !is_damaged(&error) => return Err(self.error(error)),
                // Several processes may see the damage and replace the file one after the other: no harm done.
                Ok(None) | Err(_) => drop(self.rebuild()?),
            }
            attempt += 1;
        }
    }

    /// Opens the index, unless there is none of this revision.
    fn connect(&self) -> rusqlite::Result<Option<Connection>> {
        if !self.file.exists() {
            return Ok(None);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.file, flags)?;
        connection.busy_timeout(Duration::from_secs(10))?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        let revision: i32 =
            connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        Ok((revision == REVISION).then_some(connection))
    }

    fn guard(&self) -> Result<fs::File, Error> {
        Ok(fs::OpenOptions::new().create(true).append(true).open(&self.lock)?)
    }

    fn error(&self, source: rusqlite::Error) -> Error {
        Error::Index { path: self.file.clone(), source: Box::new(source) }
    }
}

fn put(connection: &Connection, entry: &Entry) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO runs (id, identity, experiment, variant, seed, created, finished, status, \
               wall_s, peak_memory_bytes, error) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    let end = entry.end.as_ref();
    connection.prepare_cached(sql)?.execute(params![
        entry.id.digits(),
        entry.identity,
        entry.experiment,
        entry.variant,
        // SQLite has no unsigned integers: the same 64 bits.
        entry.seed as i64,
        entry.created.timestamp_millis(),
        end.map(|end| end.finished.timestamp_millis()),
        end.map(|end| end.status.as_str()),
        end.map(|end| end.wall_s),
        end.and_then(|end| end.peak_memory_bytes).map(|bytes| bytes as i64),
        end.and_then(|end| end.error.as_deref()),
    ])?;
    Ok(())
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let end = match row.get::<_, Option<String>>(7)?.as_deref() {
        None => None,
        Some(status) => Some(End {
            status: if status == Status::Done.as_str() { Status::Done } else { Status::Failed },
            finished: time(row, 6)?,
            // SQLite stores NaN as null.
            wall_s: row.get::<_, Option<f64>>(8)?.unwrap_or(f64::NAN),
            peak_memory_bytes: row.get::<_, Option<i64>>(9)?.map(|bytes| bytes as u64),
            error: row.get(10)?,
        }),
    };
    Ok(Entry {
        id: id(row, 0)?,
        identity: row.get(1)?,
        experiment: row.get(2)?,
        variant: row.get(3)?,
        seed: row.get::<_, i64>(4)? as u64,
        created: time(row, 5)?,
        end,
    })
}

fn id(row: &Row<'_>, column: usize) -> rusqlite::Result<RunId> {
    let text: String = row.get(column)?;
    text.parse().map_err(|_| damaged(column))
}

fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<DateTime<Utc>> {
    DateTime::from_timestamp_millis(row.get(column)?).ok_or_else(|| damaged(column))
}

/// A value that no version of this crate wrote.
fn damaged(column: usize) -> rusqlite::Error {
    rusqlite::Error::IntegralValueOutOfRange(column, 0)
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
