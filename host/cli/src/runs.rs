//! `ablate runs` and `ablate show`: the registry of runs, read from the index and the run folders.

use crate::arguments::{Format, RunsArguments, ShowArguments};
use crate::failure::Failure;
use crate::{printer, workplace};
use ablate_runs::{Filter, Measurement, Run, RunSummary, Status};
use chrono::Local;
use comfy_table::TableStyle;
use serde_json::{Value, json};
use std::fmt::Write;

pub(crate) fn list(arguments: &RunsArguments) -> Result<u8, Failure> {
    let store = workplace::store(None)?;
    let filter = Filter {
        experiment: arguments.experiment.clone(),
        limit: Some(arguments.limit),
        ..Filter::default()
    };
    let runs = store.runs(&filter)?;
    if arguments.format == Format::Json {
        printer::json(&json!({ "runs": runs }))?;
        return Ok(0);
    }
    if runs.is_empty() {
        printer::note("no runs yet");
        printer::note("next: ablate sweep EXPERIMENT");
        return Ok(0);
    }
    printer::data(&listing(&runs));
    printer::note(&format!("next: ablate show {}", runs[0].short));
    Ok(0)
}

fn listing(runs: &[RunSummary]) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(TableStyle::new()).set_header([
        "run",
        "experiment",
        "variant",
        "seed",
        "status",
        "started",
        "took",
        "memory",
    ]);
    for run in runs {
        table.add_row([
            run.short.clone(),
            run.experiment.clone(),
            run.variant.clone(),
            run.seed.to_string(),
            run.status.to_string(),
            run.created.with_timezone(&Local).format("%Y-%m-%d %H:%M:%S").to_string(),
            run.wall_s.map_or(String::new(), |seconds| format!("{seconds:.1} s")),
            run.peak_memory_bytes.map_or(String::new(), mebibytes),
        ]);
    }
    // The style puts a space before the first column.
    let lines = table.lines().map(|line| line.trim_end().get(1..).unwrap_or_default().to_owned());
    lines.collect::<Vec<_>>().join("\n")
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes / (1 << 20))
}

pub(crate) fn show(arguments: &ShowArguments) -> Result<u8, Failure> {
    let run = workplace::store(None)?.find(&arguments.run)?;
    if arguments.format == Format::Json {
        printer::json(&to_json(&run)?)?;
        return Ok(0);
    }
    printer::data(&text(&run)?);
    printer::note(&format!("files: {}", run.folder().display()));
    Ok(0)
}

fn to_json(run: &Run) -> Result<Value, Failure> {
    let result = run.result()?;
    Ok(json!({
        "id": run.id(),
        "status": run.status()?,
        "experiment": run.experiment(),
        "variant": run.variant(),
        "seed": run.seed(),
        "identity": run.identity(),
        "created": run.created(),
        "folder": run.folder(),
        "spec": run.spec()?,
        "manifest": run.manifest()?,
        "measurements": run.measurements()?,
        "result": result,
    }))
}

fn text(run: &Run) -> Result<String, Failure> {
    let mut text = String::new();
    let status = run.status()?;
    let created = run.created().with_timezone(&Local).format("%Y-%m-%d %H:%M:%S");
    // Writing to a string cannot fail.
    let _ = writeln!(text, "run        {}", run.id());
    let _ =
        writeln!(text, "trial      {} · {} · seed {}", run.experiment(), run.variant(), run.seed());
    let _ = writeln!(text, "status     {status}");
    let _ = writeln!(text, "started    {created}");
    let manifest = run.manifest()?;
    if let Some(result) = run.result()? {
        let _ = writeln!(text, "took       {:.1} s", result.outcome.wall_s);
        if let Some(bytes) = result.outcome.peak_memory_bytes {
            let _ = writeln!(text, "memory     {} at most", mebibytes(bytes));
        }
        if let Some(error) = &result.outcome.error {
            let _ = writeln!(text, "error      {}", error.message);
            for hint in &error.hints {
                let _ = writeln!(text, "hint       {hint}");
            }
        }
        for value in &result.outcome.finals {
            let _ = writeln!(text, "  {}", measurement(value));
        }
    } else if status == Status::Lost {
        let _ = writeln!(
            text,
            "           the same command as before goes on from its last checkpoint"
        );
    }
    for plugin in manifest.get("plugins").and_then(Value::as_array).into_iter().flatten() {
        let field = |name: &str| plugin.get(name).and_then(Value::as_str).unwrap_or_default();
        let sha256 = field("sha256");
        let sha256 = &sha256[..12.min(sha256.len())];
        let _ = writeln!(text, "plugin     {} {} {sha256}", field("name"), field("version"));
    }
    Ok(text)
}

/// One final value as a line: split, metric, value, unit.
pub(crate) fn measurement(value: &Measurement) -> String {
    let unit = value.unit.as_deref().unwrap_or_default();
    format!("{:<6} {:<34} {:>12.6} {unit}", value.split, value.metric, value.value)
}
