//! Rows of a table, whatever form its file has.

use std::borrow::Cow;

use chrono::{DateTime, Utc};

use crate::Error;

/// A column of a table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// Whether cells may be missing.
    pub(crate) optional: bool,
}

impl Column {
    pub(crate) fn required(name: &str, kind: Kind) -> Self {
        Self { name: name.to_owned(), kind, optional: false }
    }

    pub(crate) fn optional(name: &str, kind: Kind) -> Self {
        Self { name: name.to_owned(), kind, optional: true }
    }
}

/// What the cells of a column hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    /// Not negative.
    Count,
    Integer,
    Number,
    Flag,
    Time,
}

/// One cell.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell<'a> {
    Text(Cow<'a, str>),
    Count(u64),
    Integer(i64),
    Number(f64),
    Flag(bool),
    Time(DateTime<Utc>),
    Missing,
}

impl<'a> Cell<'a> {
    pub(crate) fn text(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    /// The cell for a value that may be missing.
    pub(crate) fn maybe<T>(value: Option<T>, cell: impl FnOnce(T) -> Self) -> Self {
        value.map_or(Self::Missing, cell)
    }
}

/// A file that takes rows.
pub(crate) trait TableFile {
    /// Adds a row: a cell of the right kind for each column.
    fn row(&mut self, cells: &[Cell<'_>]) -> Result<(), Error>;

    /// Writes what is left, and waits until it is on the disk.
    fn close(self: Box<Self>) -> Result<(), Error>;
}
