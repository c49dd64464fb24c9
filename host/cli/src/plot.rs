//! `ablate plot`: from runs and their table to pictures.

mod axes;
mod curves;
mod files;
mod space;

use crate::arguments::{Format, PlotArguments, PlotKind, ViewArguments};
use crate::failure::Failure;
use crate::printer;
use crate::table::collect::collect;
use crate::table::source::Source;
use ablate_plot::{Forest, ForestRow, Measure, Picture};
use ablate_report::{MetricColumn, Table};
use ablate_runs::{RunSummary, Status, Store};
use files::Album;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A sweep and its runs, as pictures need them.
struct Subject<'a> {
    source: &'a Source,
    store: &'a Store,
    /// Of each trial the run that counts.
    runs: BTreeMap<String, RunSummary>,
    /// What captions say about trials that are not done.
    notes: Vec<String>,
}

/// A picture and what it shows.
struct Named {
    kind: &'static str,
    /// What tells it from others of its kind.
    name: String,
    metric: String,
    split: String,
    picture: Result<Picture, ablate_plot::Error>,
}

impl From<ablate_plot::Error> for Failure {
    fn from(error: ablate_plot::Error) -> Self {
        let hints = error.hints();
        Self::chain(&error, hints, 1)
    }
}

pub(crate) fn plot(arguments: &PlotArguments) -> Result<u8, Failure> {
    let (source, store) = Source::open(&arguments.experiment)?;
    let subject = Subject::new(&source, &store)?;
    let mut album = Album::open(folder(arguments, &source.record.experiment), arguments.files);
    let all = arguments.kind == PlotKind::All;
    let mut complete = subject.notes.is_empty();
    let mut pictures = Vec::new();
    if all || arguments.kind == PlotKind::Curves {
        pictures.extend(curves::curves(&subject, arguments)?);
    }
    if arguments.kind != PlotKind::Curves {
        match tabled(&subject, arguments)? {
            Ok(named) => pictures.extend(named),
            // Curves show what a table refuses, such as values that are not finite.
            Err(refused) if all && !pictures.is_empty() => {
                printer::warning(&refused.message, &refused.hints);
                complete = false;
            }
            Err(refused) => return Err(refused),
        }
    }
    let mut empty = None;
    for named in pictures {
        match named.picture {
            Ok(ref picture) => album.add(&named, picture)?,
            Err(error @ ablate_plot::Error::Empty { .. }) => {
                empty.get_or_insert(error);
            }
            Err(error) => return Err(error.into()),
        }
    }
    if album.is_empty() {
        let why = empty.map(|error| format!(": {error}")).unwrap_or_default();
        let failure = Failure::unexpected(format!(
            "there is nothing to draw of `{}`{why}",
            source.record.experiment
        ));
        let words = source.sweep_words(&arguments.experiment);
        return Err(failure.hint(format!("its trials are run by `ablate sweep {words}`")));
    }
    print(arguments, &source, &album, complete)
}

fn folder(arguments: &PlotArguments, experiment: &str) -> PathBuf {
    let default = || PathBuf::from("plots").join(files::file_name(experiment));
    arguments.out.clone().unwrap_or_else(default)
}

fn print(
    arguments: &PlotArguments,
    source: &Source,
    album: &Album,
    complete: bool,
) -> Result<u8, Failure> {
    if arguments.format == Format::Json {
        printer::json(&json!({
            "experiment": source.record.experiment,
            "complete": complete,
            "pictures": album.pictures(),
        }))?;
    } else {
        let paths = album.pictures().iter().flat_map(|picture| &picture.files);
        let paths: Vec<String> = paths.map(|path| path.display().to_string()).collect();
        printer::data(&paths.join("\n"));
    }
    let words = source.sweep_words(&arguments.experiment);
    if complete {
        printer::note(&format!("next: ablate table {words}"));
        return Ok(0);
    }
    printer::note(&format!("next: ablate sweep {words}"));
    Ok(2)
}

impl<'a> Subject<'a> {
    fn new(source: &'a Source, store: &'a Store) -> Result<Self, Failure> {
        let trials = &source.record.trials;
        let runs = store.latest(trials.iter().map(|trial| &trial.identity))?;
        let open = trials.iter().filter(|trial| {
            let done = runs.get(&trial.identity).is_some_and(|run| run.status == Status::Done);
            // Seeds beyond those that were asked for may be missing.
            !done && (source.is_wanted(trial.seed) || runs.contains_key(&trial.identity))
        });
        let notes = match open.count() {
            0 => Vec::new(),
            open => vec![format!("Not done: {open} of {} trials.", trials.len())],
        };
        Ok(Self { source, store, runs, notes })
    }
}

/// What is made from the table: forest plots, heat maps, lines over axes; or why the table is refused.
fn tabled(
    subject: &Subject<'_>,
    arguments: &PlotArguments,
) -> Result<Result<Vec<Named>, Failure>, Failure> {
    let view = ViewArguments {
        split: arguments.split.clone(),
        metrics: arguments.metrics.clone(),
        // What is missing is said in the captions.
        allow_unequal: true,
        ..ViewArguments::default()
    };
    let input = collect(subject.source, subject.store, &view)?;
    let columns = input.metrics.clone();
    let table = match Table::new(input) {
        Ok(table) => table,
        Err(error) => return Ok(Err(error.into())),
    };
    let mut pictures = Vec::new();
    if matches!(arguments.kind, PlotKind::All | PlotKind::Forest) {
        if subject.source.record.variants.len() > 1 {
            pictures.extend(columns.iter().map(|column| forest(subject, &table, column)));
        } else if arguments.kind == PlotKind::Forest {
            return Err(Failure::user("a forest plot compares variants, and there is one only")
                .hint("`[[sweep.variant]]` adds variants to an experiment"));
        }
    }
    if arguments.kind != PlotKind::Forest {
        pictures.extend(axes::axes(subject, arguments, &table, &columns)?);
    }
    Ok(Ok(pictures))
}

fn measure(column: &MetricColumn) -> Measure {
    Measure {
        name: column.name.clone(),
        split: column.split.clone(),
        unit: column.unit.clone(),
        higher_is_better: column.higher_is_better,
    }
}

fn forest(subject: &Subject<'_>, table: &Table, column: &MetricColumn) -> Named {
    let record = &subject.source.record;
    let rows = table.rows().iter().filter(|row| {
        (&row.metric, &row.split) == (&column.name, &column.split) && row.variant != record.baseline
    });
    let rows = rows.map(|row| ForestRow {
        variant: row.variant.clone(),
        n: row.pairs,
        delta: row.delta,
        ci_low: row.ci_low,
        ci_high: row.ci_high,
        p_holm: row.p_holm,
    });
    let picture = ablate_plot::forest(&Forest {
        experiment: record.experiment.clone(),
        measure: measure(column),
        baseline: record.baseline.clone(),
        rows: rows.collect(),
        notes: subject.notes.clone(),
    });
    Named::new("forest", String::new(), measure(column), picture)
}

impl Named {
    fn new(
        kind: &'static str,
        name: String,
        Measure { name: metric, split, .. }: Measure,
        picture: Result<Picture, ablate_plot::Error>,
    ) -> Self {
        Self { kind, name, metric, split, picture }
    }
}
