//! Lines of fields, which both formats are made of.

use crate::Error;
use std::path::Path;

/// A line that says something.
pub(crate) struct Line<'a> {
    path: &'a Path,
    number: usize,
    pub(crate) fields: Vec<&'a str>,
}

/// The lines of a file; empty ones and comments (`;;`) are left out. Fields are separated by any
/// white space, which lets files with CRLF and tabs pass; a byte order mark is dropped.
pub(crate) fn lines<'a>(text: &'a str, path: &'a Path) -> impl Iterator<Item = Line<'a>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let numbered = text.lines().zip(1..).map(|(line, number)| (line.trim(), number));
    let spoken = numbered.filter(|(line, _)| !line.is_empty() && !line.starts_with(";;"));
    spoken.map(move |(line, number)| {
        let fields = line.split_whitespace().collect();
        Line { path, number, fields }
    })
}

/// A file as text.
pub(crate) fn read(path: &Path) -> Result<String, Error> {
    let bytes = fs_err::read(path)?;
    String::from_utf8(bytes).map_err(|_| Error::NotText { path: path.to_owned() })
}

impl Line<'_> {
    pub(crate) fn wrong(&self, reason: impl Into<String>) -> Error {
        Error::Line { path: self.path.to_owned(), line: self.number, reason: reason.into() }
    }

    /// At least so many fields.
    pub(crate) fn expect(&self, least: usize) -> Result<(), Error> {
        if self.fields.len() >= least {
            return Ok(());
        }
        Err(self.wrong(format!("{} fields, expected at least {least}", self.fields.len())))
    }

    /// A finite time in seconds, not below 0.
    pub(crate) fn seconds(&self, index: usize, what: &str) -> Result<f64, Error> {
        let text = self.fields[index];
        let value: Option<f64> = text.parse().ok().filter(|value: &f64| value.is_finite());
        let value = value.ok_or_else(|| {
            self.wrong(format!("{what} is `{text}`, expected a number of seconds"))
        })?;
        if value < 0.0 {
            return Err(self.wrong(format!("{what} is `{text}`, must not be below 0")));
        }
        Ok(value)
    }
}
