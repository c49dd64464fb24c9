//! The tables of the index, and how rows are written and read.

use std::{fmt::Write as _, path::Path};

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params, params_from_iter};

use crate::{Mark, Measurement, RunId, Status, Unreadable, id::unique_length};

/// Raised when a table changes; an index of another revision is made anew.
pub(crate) const REVISION: i32 = 2;

pub(crate) const TABLES: &str = "
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
        kind TEXT,
        error TEXT,
        stopped INTEGER NOT NULL,
        mark TEXT
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX runs_by_identity ON runs (identity);
    CREATE INDEX runs_by_variant ON runs (experiment, variant);
    CREATE INDEX open_runs ON runs (id) WHERE status IS NULL;
    CREATE TABLE finals (
        id TEXT PRIMARY KEY,
        measurements TEXT NOT NULL
    ) STRICT;
    CREATE TABLE unreadable (
        name TEXT PRIMARY KEY,
        reason TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE looked (
        only INTEGER PRIMARY KEY CHECK (only = 1),
        modified TEXT NOT NULL
    ) STRICT;";

const COLUMNS: &str = "id, identity, experiment, variant, seed, created, finished, status, wall_s, \
                       peak_memory_bytes, kind, error, stopped, mark";

/// Up to so many short ids are made by asking for the neighbors of each, more by reading all ids once.
const FEW: usize = 200;

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
    /// Whether the last attempt of an unfinished run was asked to stop.
    pub(crate) stopped: bool,
    pub(crate) mark: Option<Mark>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct End {
    pub(crate) status: Status,
    pub(crate) finished: DateTime<Utc>,
    pub(crate) wall_s: f64,
    pub(crate) peak_memory_bytes: Option<u64>,
    pub(crate) kind: Option<String>,
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

/// Writes a row and the final measurements of a finished run, in the caller's transaction.
pub(crate) fn put(
    connection: &Connection,
    entry: &Entry,
    finals: &[Measurement],
) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO runs (id, identity, experiment, variant, seed, created, finished, status, \
               wall_s, peak_memory_bytes, kind, error, stopped, mark) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";
    let end = entry.end.as_ref();
    let id = entry.id.digits();
    connection.prepare_cached(sql)?.execute(params![
        id,
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
        end.and_then(|end| end.kind.as_deref()),
        end.and_then(|end| end.error.as_deref()),
        entry.stopped,
        entry.mark.as_ref().and_then(|mark| serde_json::to_string(mark).ok()),
    ])?;
    if finals.is_empty() {
        connection.prepare_cached("DELETE FROM finals WHERE id = ?1")?.execute([id])?;
    } else {
        let text = serde_json::to_string(finals)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        let sql = "INSERT OR REPLACE INTO finals (id, measurements) VALUES (?1, ?2)";
        connection.prepare_cached(sql)?.execute(params![id, text])?;
    }
    Ok(())
}

pub(crate) fn remove(connection: &Connection, id: &str) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM runs WHERE id = ?1")?.execute([id])?;
    connection.prepare_cached("DELETE FROM finals WHERE id = ?1")?.execute([id])?;
    Ok(())
}

/// The selected rows, newest first.
pub(crate) fn select(
    connection: &Connection,
    selection: &Selection<'_>,
) -> rusqlite::Result<Vec<Entry>> {
    let mut sql = format!("SELECT {COLUMNS} FROM runs WHERE 1");
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
    connection.prepare_cached(&sql)?.query_map(params_from_iter(&values), entry)?.collect()
}

/// The rows whose ids start with these digits, newest first, at most `limit` of them.
pub(crate) fn starting_with(
    connection: &Connection,
    digits: &str,
    limit: usize,
) -> rusqlite::Result<Vec<Entry>> {
    // `g` follows the last hexadecimal digit.
    let sql = format!(
        "SELECT {COLUMNS} FROM runs WHERE id >= ?1 AND id < ?1 || 'g' ORDER BY id DESC LIMIT ?2"
    );
    connection.prepare_cached(&sql)?.query_map(params![digits, limit as i64], entry)?.collect()
}

/// The rows of all runs of these trials, newest first within a trial.
pub(crate) fn of_trials(
    connection: &Connection,
    identities: &[String],
) -> rusqlite::Result<Vec<Entry>> {
    let sql = format!("SELECT {COLUMNS} FROM runs WHERE identity = ?1 ORDER BY id DESC");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut entries = Vec::new();
    for identity in identities {
        for found in statement.query_map([identity], entry)? {
            entries.push(found?);
        }
    }
    Ok(entries)
}

/// The final measurements of these runs, as JSON; runs without any are left out.
pub(crate) fn finals(
    connection: &Connection,
    ids: &[RunId],
) -> rusqlite::Result<Vec<(RunId, String)>> {
    let mut statement =
        connection.prepare_cached("SELECT measurements FROM finals WHERE id = ?1")?;
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        let text = statement.query_row([id.digits()], |row| row.get(0)).optional()?;
        found.extend(text.map(|text| (*id, text)));
    }
    Ok(found)
}

/// The first column of a query, in its order.
pub(crate) fn texts(
    connection: &Connection,
    sql: &str,
    values: &[&dyn ToSql],
) -> rusqlite::Result<Vec<String>> {
    connection.prepare_cached(sql)?.query_map(values, |row| row.get(0))?.collect()
}

/// The digits of all ids, sorted.
pub(crate) fn ids(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    texts(connection, "SELECT id FROM runs ORDER BY id", &[])
}

/// The shortest prefixes of these ids that no other run shares.
pub(crate) fn shorten(connection: &Connection, wanted: &[RunId]) -> rusqlite::Result<Vec<String>> {
    if wanted.len() > FEW {
        let all = ids(connection)?;
        return Ok(wanted.iter().map(|id| shortest(id.digits(), &all)).collect());
    }
    let neighbors =
        "SELECT max(id) FROM runs WHERE id < ?1 UNION ALL SELECT min(id) FROM runs WHERE id > ?1";
    let mut statement = connection.prepare_cached(neighbors)?;
    let mut shortened = Vec::with_capacity(wanted.len());
    for id in wanted {
        let digits = id.digits();
        let around: Vec<Option<String>> =
            statement.query_map([&digits], |row| row.get(0))?.collect::<Result<_, _>>()?;
        let mut around = around.iter().map(Option::as_deref);
        let (before, after) = (around.next().flatten(), around.next().flatten());
        shortened.push(cut(digits, before, after));
    }
    Ok(shortened)
}

/// Whether the index does not know a run.
pub(crate) fn is_missing(connection: &Connection, id: &RunId) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM runs WHERE id = ?1")?
        .exists([id.digits()])
        .map(|is| !is)
}

/// The folders that could not be read: name and reason, by name.
pub(crate) fn unreadable(connection: &Connection) -> rusqlite::Result<Vec<(String, String)>> {
    connection
        .prepare_cached("SELECT name, reason FROM unreadable ORDER BY name")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

pub(crate) fn set_unreadable(
    connection: &Connection,
    unreadable: &[(String, String)],
) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM unreadable", [])?;
    for (name, reason) in unreadable {
        let sql = "INSERT OR REPLACE INTO unreadable (name, reason) VALUES (?1, ?2)";
        connection.prepare_cached(sql)?.execute([name, reason])?;
    }
    Ok(())
}

/// Names and reasons, by name.
pub(crate) fn names(unreadable: &[Unreadable]) -> Vec<(String, String)> {
    let name =
        |folder: &Path| folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut names: Vec<_> =
        unreadable.iter().map(|one| (name(&one.folder), one.reason.clone())).collect();
    names.sort();
    names
}

/// When the list of run folders was last changed before it was compared with the rows.
pub(crate) fn looked(connection: &Connection) -> rusqlite::Result<Option<String>> {
    connection.query_row("SELECT modified FROM looked", [], |row| row.get(0)).optional()
}

pub(crate) fn set_looked(connection: &Connection, modified: Option<&str>) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM looked", [])?;
    if let Some(modified) = modified {
        connection.execute("INSERT INTO looked (only, modified) VALUES (1, ?1)", [modified])?;
    }
    Ok(())
}

/// Copies the tables of another index; `mode` is a parameter of SQLite's file names.
pub(crate) fn copy(connection: &Connection, file: &Path, mode: &str) -> rusqlite::Result<()> {
    // What has a meaning in a URI.
    let path = file.to_string_lossy();
    let path = path.replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    connection.execute("ATTACH ?1 AS disk", [format!("file:{path}?{mode}")])?;
    let revision: i32 =
        connection.pragma_query_value(Some("disk"), "user_version", |row| row.get(0))?;
    if revision == REVISION {
        for table in ["runs", "finals", "unreadable", "looked"] {
            connection.execute(&format!("INSERT INTO {table} SELECT * FROM disk.{table}"), [])?;
        }
    }
    connection.execute("DETACH disk", [])?;
    Ok(())
}

fn shortest(digits: String, ids: &[String]) -> String {
    let at = ids.partition_point(|other| *other < digits);
    let before = at.checked_sub(1).and_then(|index| ids.get(index));
    let after = ids.get(at..).and_then(|rest| rest.iter().find(|other| **other != digits));
    cut(digits, before.map(String::as_str), after.map(String::as_str))
}

fn cut(mut digits: String, before: Option<&str>, after: Option<&str>) -> String {
    digits.truncate(unique_length(&digits, before, after));
    digits
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let end = match row.get_ref(7)?.as_str_or_null()? {
        None => None,
        Some(status) => Some(End {
            status: if status == Status::Done.as_str() { Status::Done } else { Status::Failed },
            finished: time(row, 6)?,
            // SQLite stores NaN as null.
            wall_s: row.get::<_, Option<f64>>(8)?.unwrap_or(f64::NAN),
            peak_memory_bytes: row.get::<_, Option<i64>>(9)?.map(|bytes| bytes as u64),
            kind: row.get(10)?,
            error: row.get(11)?,
        }),
    };
    let mark = match row.get_ref(13)?.as_str_or_null()? {
        None => None,
        Some(text) => Some(serde_json::from_str(text).map_err(|_| damaged(13))?),
    };
    Ok(Entry {
        id: row.get_ref(0)?.as_str()?.parse().map_err(|_| damaged(0))?,
        identity: row.get(1)?,
        experiment: row.get(2)?,
        variant: row.get(3)?,
        seed: row.get::<_, i64>(4)? as u64,
        created: time(row, 5)?,
        end,
        stopped: row.get(12)?,
        mark,
    })
}

fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<DateTime<Utc>> {
    DateTime::from_timestamp_millis(row.get(column)?).ok_or_else(|| damaged(column))
}

/// A value that no version of this crate wrote.
fn damaged(column: usize) -> rusqlite::Error {
    rusqlite::Error::IntegralValueOutOfRange(column, 0)
}
