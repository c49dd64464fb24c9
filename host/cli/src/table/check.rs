//! `ablate table EXPERIMENT --check FILE`: whether the tables in a document are what the table is now.

use super::source::Source;
use super::{as_typed, collect, quoted};
use crate::arguments::{ExperimentArguments, TableFormat, ViewArguments};
use crate::failure::Failure;
use crate::printer;
use ablate_report::{Finding, FoundTable, Table, find_tables};
use ablate_runs::Store;
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::Path;

/// 0 when all cells are fresh, 1 when one is not.
pub(super) fn check(
    source: &Source,
    store: &Store,
    file: &Path,
    format: TableFormat,
    typed: &ExperimentArguments,
) -> Result<u8, Failure> {
    let experiment = &source.record.experiment;
    let text = fs_err::read_to_string(file).map_err(|error| Failure::user(error.to_string()))?;
    let found = find_tables(&text).map_err(|error| {
        let mut failure = Failure::from(error);
        failure.message = format!("`{}`, {}", file.display(), failure.message);
        failure
    })?;
    let (own, others): (Vec<FoundTable>, Vec<FoundTable>) =
        found.into_iter().partition(|table| table.experiment == *experiment);
    if own.is_empty() {
        return Err(none(file, experiment, &others, typed));
    }
    let mut checked = Vec::new();
    for table in own {
        let view = ViewArguments::from_words(&table.arguments).map_err(|problem| {
            let (file, line) = (file.display(), table.line);
            Failure::user(format!("`{file}`, line {line}: arguments of the table: {problem}"))
        })?;
        let current = Table::new(collect::collect(source, store, &view)?)?;
        let findings = table.compare(&current);
        checked.push((table, findings));
    }
    let fresh = checked.iter().all(|(_, findings)| findings.is_empty());
    match format {
        TableFormat::Json => printer::json(&as_json(file, fresh, &checked))?,
        _ => printer::data(&as_text(file, &checked)),
    }
    for other in others {
        let (line, name) = (other.line, &other.experiment);
        printer::note(&format!("line {line}: a table of `{name}`, which is not checked here"));
    }
    if let Some((table, _)) = checked.iter().find(|(_, findings)| !findings.is_empty()) {
        let words: Vec<String> = table.arguments.iter().map(|word| quoted(word)).collect();
        let view = words.iter().fold(String::new(), |view, word| format!("{view} {word}"));
        let kind = table.format();
        printer::note(&format!("next: ablate table {}{view} --format {kind}", as_typed(typed)));
    }
    Ok(u8::from(!fresh))
}

fn none(
    file: &Path,
    experiment: &str,
    others: &[FoundTable],
    typed: &ExperimentArguments,
) -> Failure {
    let failure = Failure::user(format!("`{}` has no table of `{experiment}`", file.display()));
    if others.is_empty() {
        let typed = as_typed(typed);
        return failure.hint(format!(
            "`ablate table {typed} --format latex` makes one with the comments that are looked for"
        ));
    }
    let names: Vec<&str> = others.iter().map(|table| table.experiment.as_str()).collect();
    failure.hint(format!("it has tables of `{}`", names.join("`, `")))
}

fn as_text(file: &Path, checked: &[(FoundTable, Vec<Finding>)]) -> String {
    let mut text = String::new();
    for (table, findings) in checked {
        let view = if table.arguments.is_empty() {
            String::new()
        } else {
            format!(" ({})", table.arguments.join(" "))
        };
        let state = match findings.len() {
            0 => "all fresh".to_owned(),
            1 => "1 finding".to_owned(),
            count => format!("{count} findings"),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{}:{}: table of `{}`{view}: {} cells, {state}",
            file.display(),
            table.line,
            table.experiment,
            table.size(),
        );
        for finding in findings {
            let _ = writeln!(text, "{}:{}: {finding}", file.display(), finding.line);
        }
    }
    text
}

fn as_json(file: &Path, fresh: bool, checked: &[(FoundTable, Vec<Finding>)]) -> Value {
    let tables: Vec<Value> = checked
        .iter()
        .map(|(table, findings)| {
            json!({
                "line": table.line,
                "experiment": table.experiment,
                "arguments": table.arguments,
                "cells": table.size(),
                "findings": findings,
            })
        })
        .collect();
    json!({ "file": file, "fresh": fresh, "tables": tables })
}
