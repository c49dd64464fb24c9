//! `ablate table`: from finished runs to the ablation table, and from documents back to it.

mod check;
pub(crate) mod collect;
pub(crate) mod source;

use crate::arguments::{ExperimentArguments, TableArguments, TableFormat, ViewArguments};
use crate::failure::Failure;
use crate::plan::Plan;
use crate::printer;
use ablate_report::Table;
use ablate_runs::{RunId, Store};
use source::Source;

pub(crate) fn table(arguments: TableArguments) -> Result<u8, Failure> {
    let (source, store) = Source::open(&arguments.experiment)?;
    if let Some(file) = &arguments.check {
        return check::check(&source, &store, file, arguments.format, &arguments.experiment);
    }
    show(&source, &store, &arguments.view, arguments.format, &arguments.experiment)
}

/// Prints the table of a plan; 2 when cells are missing.
pub(crate) fn print(
    plan: &Plan,
    store: &Store,
    format: TableFormat,
    typed: &ExperimentArguments,
) -> Result<u8, Failure> {
    show(&Source::of_plan(plan), store, &ViewArguments::default(), format, typed)
}

fn show(
    source: &Source,
    store: &Store,
    view: &ViewArguments,
    format: TableFormat,
    typed: &ExperimentArguments,
) -> Result<u8, Failure> {
    let table = Table::new(collect::collect(source, store, view)?)?;
    match format {
        TableFormat::Term => printer::data(&table.term(printer::width(), printer::color())),
        TableFormat::Md => printer::data(&table.markdown()),
        TableFormat::Latex => printer::data(&table.latex()),
        TableFormat::Csv => printer::data(&table.csv()),
        TableFormat::Json => printer::data(&table.json()),
    }
    if table.accepted() {
        let run: Option<RunId> = table.rows().iter().find_map(|row| row.runs.first()?.parse().ok());
        if let Some(run) = run {
            printer::note(&format!("next: ablate show {}", store.short(&run)?));
        }
        return Ok(0);
    }
    printer::note(&format!("next: ablate sweep {}", source.sweep_words(typed)));
    Ok(2)
}

/// The experiment's arguments as they were typed, to be copied into a shell.
pub(crate) fn as_typed(typed: &ExperimentArguments) -> String {
    let mut words = vec![typed.experiment.display().to_string()];
    words.extend(typed.overrides.iter().cloned());
    if let Some(device) = &typed.device {
        words.extend(["--device".to_owned(), device.clone()]);
    }
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

/// A word as a shell takes it literally.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-+=.,:/@%".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}
