//! `ablate table`: from finished runs to the ablation table.

use crate::arguments::{ExperimentArguments, TableArguments, TableFormat};
use crate::failure::Failure;
use crate::plan::{Plan, Scope, plan};
use crate::printer;
use ablate_config::{ReportCheckpoint, Spec};
use ablate_report::{MetricColumn, MissingTrial, SeedValue, Table, TableInput};
use ablate_runs::{Filter, Measurement, Status, Store};
use std::collections::BTreeSet;

pub(crate) fn table(arguments: TableArguments) -> Result<u8, Failure> {
    let plan = plan(&arguments.experiment, Scope::default())?;
    let store = Store::open(&plan.workplace.home)?;
    print(&plan, &store, arguments.format, &arguments.experiment)
}

/// Prints the table; 2 when cells are missing.
pub(crate) fn print(
    plan: &Plan,
    store: &Store,
    format: TableFormat,
    typed: &ExperimentArguments,
) -> Result<u8, Failure> {
    let table = Table::new(collect(plan, store)?)?;
    match format {
        TableFormat::Term => printer::data(&table.term(printer::width(), printer::color())),
        TableFormat::Md => printer::data(&table.markdown()),
        TableFormat::Latex => printer::data(&table.latex()),
        TableFormat::Csv => printer::data(&table.csv()),
        TableFormat::Json => printer::data(&table.json()),
    }
    if table.complete() {
        let runs = table.rows().iter().find_map(|row| row.runs.first()?.parse().ok());
        if let Some(run) = runs {
            printer::note(&format!("next: ablate show {}", store.short(&run)?));
        }
        return Ok(0);
    }
    printer::note(&format!("next: ablate sweep {}", as_typed(typed)));
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
fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-+=.,:/@%".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// A finished run of a trial: its id and the measurements that tables are made of.
struct Cell {
    run: String,
    finals: Vec<Measurement>,
}

fn collect(plan: &Plan, store: &Store) -> Result<TableInput, Failure> {
    let mut cells = Vec::new();
    let mut missing = Vec::new();
    for trial in &plan.trials {
        let variant = &plan.variants[trial.variant];
        match find(store, &trial.identity)? {
            Ok(cell) => cells.push((trial, cell)),
            Err(why) => {
                missing.push(MissingTrial { variant: variant.name.clone(), seed: trial.seed, why });
            }
        }
    }
    let spec = &plan.variants[0].spec;
    let checkpoint = match spec.report.checkpoint {
        ReportCheckpoint::Last => "last",
        ReportCheckpoint::Best => "best",
    };
    let finals: Vec<&Measurement> = cells.iter().flat_map(|(_, cell)| &cell.finals).collect();
    let split = report_split(spec, &finals);
    let metrics = columns(spec, &split, &finals);
    let mut values = Vec::new();
    for (trial, cell) in &cells {
        for metric in &metrics {
            let found = cell.finals.iter().find(|m| m.metric == metric.name && m.split == split);
            if let Some(found) = found {
                values.push(SeedValue {
                    variant: plan.variants[trial.variant].name.clone(),
                    seed: trial.seed,
                    metric: metric.name.clone(),
                    value: found.value,
                    run: cell.run.clone(),
                });
            }
        }
    }
    Ok(TableInput {
        experiment: plan.experiment.name.clone(),
        baseline: plan.baseline().to_owned(),
        variants: plan.variants.iter().map(|variant| variant.name.clone()).collect(),
        seeds: plan.experiment.sweep.seeds.clone(),
        metrics,
        cells: values,
        missing,
        checkpoint: checkpoint.to_owned(),
        test_variants: tested_variants(store, &plan.experiment.name)?,
    })
}

/// The finished run of a trial, or why there is none.
fn find(store: &Store, identity: &str) -> Result<Result<Cell, String>, Failure> {
    let runs = store.by_identity(identity)?;
    let Some(done) = runs.iter().find(|run| run.status == Status::Done) else {
        let why = match runs.first() {
            None => "not run".to_owned(),
            Some(run) if run.status == Status::Failed => {
                let error = run.error.clone().unwrap_or_default();
                format!("failed: {} ({})", error.lines().next().unwrap_or_default(), run.short)
            }
            Some(run) => format!("{} ({})", run.status, run.short),
        };
        return Ok(Err(why));
    };
    let result = store.run(&done.id)?.result()?;
    let finals = result.map(|result| result.outcome.finals).unwrap_or_default();
    // In full: what is unique today need not be so when there are more runs.
    Ok(Ok(Cell { run: done.id.to_string(), finals }))
}

fn report_split(spec: &Spec, finals: &[&Measurement]) -> String {
    let has = |split: &str| finals.iter().any(|m| m.split == split);
    match &spec.report.split {
        Some(split) => split.clone(),
        None if has("test") || !has("valid") => "test".to_owned(),
        None => "valid".to_owned(),
    }
}

/// One column per metric of the spec, in its order, then the losses.
fn columns(spec: &Spec, split: &str, finals: &[&Measurement]) -> Vec<MetricColumn> {
    let mut names: Vec<(String, bool)> =
        spec.metrics.iter().map(|metric| (metric.name.clone(), metric.objective)).collect();
    names.push(("loss".to_owned(), !names.iter().any(|(_, objective)| *objective)));
    names
        .into_iter()
        .map(|(name, objective)| {
            let known = finals.iter().find(|m| m.metric == name && m.split == split);
            MetricColumn {
                unit: known.and_then(|m| m.unit.clone()).filter(|unit| !unit.is_empty()),
                higher_is_better: known.and_then(|m| m.higher_is_better),
                split: split.to_owned(),
                name,
                objective,
            }
        })
        .collect()
}

/// How many different variants of the experiment were ever scored: what a winner was chosen from.
fn tested_variants(store: &Store, experiment: &str) -> Result<usize, Failure> {
    let filter = Filter {
        experiment: Some(experiment.to_owned()),
        status: Some(Status::Done),
        ..Filter::default()
    };
    let names: BTreeSet<String> = store.runs(&filter)?.into_iter().map(|run| run.variant).collect();
    Ok(names.len())
}
