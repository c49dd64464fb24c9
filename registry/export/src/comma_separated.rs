//! CSV (RFC 4180, with line feeds).

use std::{
    io::{BufWriter, Write},
    path::Path,
};

use chrono::SecondsFormat;
use fs_err as fs;

use crate::{
    Error,
    table::{Cell, Column, TableFile},
};

pub(crate) struct CommaSeparated {
    file: BufWriter<fs::File>,
}

impl CommaSeparated {
    pub(crate) fn create(path: &Path, columns: &[Column]) -> Result<Self, Error> {
        let mut file = Self { file: BufWriter::with_capacity(1 << 20, fs::File::create(path)?) };
        let names: Vec<Cell<'_>> = columns.iter().map(|column| Cell::text(&column.name)).collect();
        file.row(&names)?;
        Ok(file)
    }

    fn text(&mut self, text: &str) -> std::io::Result<()> {
        // An empty text is quoted, so that it is not a missing cell.
        if text.is_empty() || text.contains(['"', ',', '\n', '\r']) {
            write!(self.file, "\"{}\"", text.replace('"', "\"\""))
        } else {
            self.file.write_all(text.as_bytes())
        }
    }
}

impl TableFile for CommaSeparated {
    fn row(&mut self, cells: &[Cell<'_>]) -> Result<(), Error> {
        for (index, cell) in cells.iter().enumerate() {
            if index > 0 {
                self.file.write_all(b",")?;
            }
            match cell {
                Cell::Text(text) => self.text(text)?,
                Cell::Count(count) => write!(self.file, "{count}")?,
                Cell::Integer(integer) => write!(self.file, "{integer}")?,
                // The shortest digits that give the same bits again; `NaN`, `inf`, `-inf`.
                Cell::Number(number) => write!(self.file, "{number:?}")?,
                Cell::Flag(flag) => write!(self.file, "{flag}")?,
                Cell::Time(time) => {
                    let text = time.to_rfc3339_opts(SecondsFormat::Millis, true);
                    self.file.write_all(text.as_bytes())?;
                }
                Cell::Missing => {}
            }
        }
        Ok(self.file.write_all(b"\n")?)
    }

    fn close(self: Box<Self>) -> Result<(), Error> {
        let file = self.file.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        Ok(file.sync_all()?)
    }
}
