//! The tables `runs` and `measurements`.

use std::path::Path;

use ablate_runs::{Measurement, Run};

use crate::{
    Error, Form, Selection,
    comma_separated::CommaSeparated,
    lines,
    parquet_file::ParquetFile,
    table::{Cell, Column, Kind, TableFile},
    write::WrittenFile,
};

/// Writes both tables into `folder`; gives the files, `runs` first.
pub(crate) fn write(
    folder: &Path,
    form: Form,
    selection: &Selection<'_>,
    progress: &mut dyn FnMut(usize),
) -> Result<Vec<WrittenFile>, Error> {
    let create = |name: &str, columns: Vec<Column>| -> Result<Box<dyn TableFile>, Error> {
        let path = folder.join(name);
        Ok(match form {
            Form::Parquet => Box::new(ParquetFile::create(&path, columns)?),
            _ => Box::new(CommaSeparated::create(&path, &columns)?),
        })
    };
    let name = |table: &str| format!("{table}.{}", form.as_str());
    let mut files = Vec::new();

    let mut runs = create(&name("runs"), run_columns(selection))?;
    for run in selection.runs {
        run_row(run, selection, runs.as_mut())?;
    }
    runs.close()?;
    files.push(WrittenFile::new(folder, name("runs").as_ref(), selection.runs.len() as u64)?);

    let mut measurements = create(&name("measurements"), measurement_columns())?;
    let mut rows = 0;
    for (index, run) in selection.runs.iter().enumerate() {
        let id = run.id().to_string();
        rows += lines::each(run, |measurement| {
            measurements.row(&measurement_row(run, &id, measurement))
        })?;
        progress(index + 1);
    }
    measurements.close()?;
    files.push(WrittenFile::new(folder, name("measurements").as_ref(), rows)?);
    Ok(files)
}

fn run_columns(selection: &Selection<'_>) -> Vec<Column> {
    let mut columns = vec![
        Column::required("id", Kind::Text),
        Column::required("experiment", Kind::Text),
        Column::required("variant", Kind::Text),
        Column::required("seed", Kind::Count),
        Column::required("status", Kind::Text),
        Column::required("created", Kind::Time),
        Column::optional("finished", Kind::Time),
        Column::optional("wall_s", Kind::Number),
        Column::optional("peak_memory_bytes", Kind::Count),
        Column::required("identity", Kind::Text),
    ];
    columns.extend(
        selection
            .settings
            .iter()
            .map(|setting| Column::optional(&format!("set.{}", setting.key), setting.kind())),
    );
    columns
}

fn run_row(run: &Run, selection: &Selection<'_>, file: &mut dyn TableFile) -> Result<(), Error> {
    let id = run.id().to_string();
    let result = run.result()?;
    let result = result.as_ref();
    let status = match result {
        Some(result) => result.status,
        None => run.status()?,
    };
    let peak = result.and_then(|result| result.outcome.peak_memory_bytes);
    let mut cells = vec![
        Cell::text(&id),
        Cell::text(run.experiment()),
        Cell::text(run.variant()),
        Cell::Count(run.seed()),
        Cell::text(status.as_str()),
        Cell::Time(run.created()),
        Cell::maybe(result.map(|result| result.finished), Cell::Time),
        Cell::maybe(result.map(|result| result.outcome.wall_s), Cell::Number),
        Cell::maybe(peak, Cell::Count),
        Cell::text(run.identity()),
    ];
    cells.extend(
        selection.settings.iter().map(|setting| setting.cell(setting.kind(), run.variant())),
    );
    file.row(&cells)
}

fn measurement_columns() -> Vec<Column> {
    vec![
        Column::required("run", Kind::Text),
        Column::required("experiment", Kind::Text),
        Column::required("variant", Kind::Text),
        Column::required("seed", Kind::Count),
        Column::required("metric", Kind::Text),
        Column::required("split", Kind::Text),
        Column::required("step", Kind::Count),
        Column::required("epoch", Kind::Count),
        Column::required("value", Kind::Number),
        Column::optional("unit", Kind::Text),
        Column::optional("higher_is_better", Kind::Flag),
    ]
}

fn measurement_row<'a>(run: &'a Run, id: &'a str, measurement: &'a Measurement) -> [Cell<'a>; 11] {
    [
        Cell::text(id),
        Cell::text(run.experiment()),
        Cell::text(run.variant()),
        Cell::Count(run.seed()),
        Cell::text(&measurement.metric),
        Cell::text(&measurement.split),
        Cell::Count(measurement.step),
        Cell::Count(measurement.epoch),
        Cell::Number(measurement.value),
        Cell::maybe(measurement.unit.as_deref(), Cell::text),
        Cell::maybe(measurement.higher_is_better, Cell::Flag),
    ]
}
