//! `ablate runs` and `ablate show`: the registry of runs, read from the index and the run folders.

use crate::arguments::{Format, RunStatus, RunsArguments, ShowArguments};
use crate::failure::Failure;
use crate::reference::Meant;
use crate::{artifacts, lineage, printer, reference, workplace};
use ablate_runs::{
    AttemptOutcome, AttemptRecord, AttemptState, Filter, Lease, Mark, Measurement, Run, RunSummary,
    Status, Store,
};
use chrono::{DateTime, Local, TimeDelta, Utc};
use comfy_table::TableStyle;
use serde_json::{Value, json};
use std::fmt::Write;

/// A running run that was silent for longer is said to be.
const SILENT: TimeDelta = TimeDelta::seconds(60);

pub(crate) fn list(arguments: &RunsArguments) -> Result<u8, Failure> {
    let store = workplace::store(None)?;
    let runs = select(&store, arguments)?;
    warn_of_unreadable(&store)?;
    if arguments.format == Format::Json {
        let runs = runs.iter().map(|run| with_artifacts(&store, run));
        printer::json(&json!({ "runs": runs.collect::<Result<Vec<_>, _>>()? }))?;
        return Ok(0);
    }
    let Some(newest) = runs.first() else { return none(&store, arguments) };
    printer::data(&listing(&runs, Utc::now()));
    if runs.len() == arguments.limit {
        printer::note(&format!("the newest {}; `-n` shows more", runs.len()));
    }
    printer::note(&format!("next: ablate show {}", newest.short));
    Ok(0)
}

/// A run with the names of what it left, which stand in its result only.
fn with_artifacts(store: &Store, summary: &RunSummary) -> Result<Value, Failure> {
    let mut json = serde_json::to_value(summary)?;
    // One that cannot be read, or was removed meanwhile, is told of elsewhere.
    let run = store.run(&summary.id).ok().filter(|_| summary.status == Status::Done);
    let artifacts = run.and_then(|run| artifacts::of(&run).ok()).unwrap_or_default();
    json["artifacts"] = artifacts.into_iter().map(|artifact| artifact.name).collect();
    Ok(json)
}

fn experiment(arguments: &RunsArguments) -> Option<&String> {
    arguments.experiment.as_ref().or(arguments.of_experiment.as_ref())
}

fn select(store: &Store, arguments: &RunsArguments) -> Result<Vec<RunSummary>, Failure> {
    let filter = |status| Filter {
        experiment: experiment(arguments).cloned(),
        variant: arguments.variant.clone(),
        status,
        limit: Some(arguments.limit),
        ..Filter::default()
    };
    let status = match arguments.status {
        None => None,
        Some(RunStatus::Running) => Some(Status::Running),
        Some(RunStatus::Done) => Some(Status::Done),
        Some(RunStatus::Failed) => Some(Status::Failed),
        Some(RunStatus::Lost) => Some(Status::Lost),
        // Not what the store tells apart.
        Some(kind @ (RunStatus::Stopped | RunStatus::Pruned)) => {
            let all = Filter { limit: None, ..filter(Some(Status::Lost)) };
            let mut runs = store.runs(&all)?;
            runs.retain(|run| match kind {
                RunStatus::Pruned => matches!(run.mark, Some(Mark::Pruned { .. })),
                _ => run.stopped && run.mark.is_none(),
            });
            runs.truncate(arguments.limit);
            return Ok(runs);
        }
    };
    Ok(store.runs(&filter(status))?)
}

/// Says that there is nothing to list, and why that may be.
fn none(store: &Store, arguments: &RunsArguments) -> Result<u8, Failure> {
    let known = store.experiments()?;
    if known.is_empty() {
        printer::note("no runs yet");
        printer::note("next: ablate sweep EXPERIMENT");
        return Ok(0);
    }
    printer::note("no such runs");
    if let Some(experiment) = experiment(arguments).filter(|name| !known.contains(name)) {
        let known: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
        printer::note(&format!(
            "hint: there are none of `{experiment}`; there are of {}",
            known.join(", ")
        ));
    }
    printer::note("next: ablate runs");
    Ok(0)
}

/// One line for all run folders that cannot be read.
fn warn_of_unreadable(store: &Store) -> Result<(), Failure> {
    let unreadable = store.unreadable()?;
    let Some(first) = unreadable.first() else { return Ok(()) };
    let others = match unreadable.len() - 1 {
        0 => String::new(),
        1 => " (and 1 other run folder)".to_owned(),
        others => format!(" (and {others} other run folders)"),
    };
    printer::warning(
        &format!("cannot read all of `{}`{others}: {}", first.folder.display(), first.reason),
        &["`ablate registry rebuild` names each; what is of no use can be removed".to_owned()],
    );
    Ok(())
}

fn listing(runs: &[RunSummary], now: DateTime<Utc>) -> String {
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
            status(run, now),
            local(run.created),
            run.wall_s.map_or(String::new(), |seconds| format!("{seconds:.1} s")),
            run.peak_memory_bytes.map_or(String::new(), mebibytes),
        ]);
    }
    // The style puts a space before the first column.
    let lines = table.lines().map(|line| line.trim_end().get(1..).unwrap_or_default().to_owned());
    lines.collect::<Vec<_>>().join("\n")
}

/// The status, and what else is known at a glance.
fn status(run: &RunSummary, now: DateTime<Utc>) -> String {
    match (run.status, &run.kind, &run.lease, &run.mark) {
        (Status::Running, _, Some(lease), _) => working(lease, now),
        (Status::Failed, Some(kind), ..) => format!("failed: {kind}"),
        (Status::Lost, _, _, Some(mark)) => marked(mark),
        (Status::Lost, ..) if run.stopped => "stopped".to_owned(),
        (status, ..) => status.to_string(),
    }
}

fn marked(mark: &Mark) -> String {
    match mark {
        Mark::Pruned { rung_epoch, .. } => format!("pruned at epoch {rung_epoch}"),
        _ => "lost".to_owned(),
    }
}

/// How far a running run is, and for how long nothing was heard of it.
fn working(lease: &Lease, now: DateTime<Utc>) -> String {
    let mut text = "running".to_owned();
    if lease.steps > 0 {
        // Writing to a string cannot fail.
        let _ = write!(text, ", step {}/{}", lease.step, lease.steps);
    }
    let silence = lease.silence(now);
    if silence > SILENT {
        let _ = write!(text, ", silent for {}", duration(silence));
    }
    text
}

fn duration(time: TimeDelta) -> String {
    match time.num_seconds() {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}

fn local(time: DateTime<Utc>) -> String {
    time.with_timezone(&Local).format("%Y-%m-%d %H:%M:%S").to_string()
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes / (1 << 20))
}

pub(crate) fn show(arguments: &ShowArguments) -> Result<u8, Failure> {
    let found = reference::find(&arguments.run)?;
    let summary = found.store.summary(&found.run)?;
    if arguments.format == Format::Json {
        printer::json(&to_json(&found.run, &summary)?)?;
        return Ok(0);
    }
    printer::data(&text(&found, &summary, Utc::now())?);
    printer::note(&format!("files: {}", found.run.folder().display()));
    if let Some(artifact) = artifacts::of(&found.run)?.first() {
        let name = crate::table::quoted(&artifact.name);
        printer::note(&format!("next: ablate export {} --artifact {name}", summary.short));
    } else if !found.run.attempts()?.is_empty() {
        printer::note(&format!("next: ablate logs {}", summary.short));
    }
    Ok(0)
}

fn to_json(run: &Run, summary: &RunSummary) -> Result<Value, Failure> {
    let result = run.result()?;
    Ok(json!({
        "id": run.id(),
        "status": summary.status,
        "stopped": summary.stopped,
        "mark": summary.mark,
        "lease": summary.lease,
        "experiment": run.experiment(),
        "variant": run.variant(),
        "seed": run.seed(),
        "identity": run.identity(),
        "created": run.created(),
        "folder": run.folder(),
        "attempts": run.attempts()?,
        "spec": run.spec()?,
        "manifest": run.manifest()?,
        "measurements": run.measurements()?,
        "artifacts": result.as_ref().map_or(&[][..], |result| &result.outcome.artifacts),
        "result": result,
    }))
}

fn text(
    Meant { run, store }: &Meant,
    summary: &RunSummary,
    now: DateTime<Utc>,
) -> Result<String, Failure> {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "run        {}", run.id());
    let _ =
        writeln!(text, "trial      {} · {} · seed {}", run.experiment(), run.variant(), run.seed());
    let _ = writeln!(text, "status     {}", status(summary, now));
    let _ = writeln!(text, "started    {}", local(run.created()));
    let attempts = run.attempts()?;
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
    } else if summary.status == Status::Lost {
        let _ = writeln!(
            text,
            "           the same command as before goes on from its last checkpoint"
        );
    }
    if attempts.len() > 1 {
        for record in &attempts {
            let _ = writeln!(text, "attempt {:<2} {}", record.number, attempt(record));
        }
    }
    for value in run.result()?.iter().flat_map(|result| &result.outcome.finals) {
        let _ = writeln!(text, "  {}", measurement(value));
    }
    let artifacts = artifacts::of(run)?;
    for artifact in &artifacts {
        let _ = writeln!(text, "artifact   {}", artifacts::line(artifact, &artifacts));
    }
    let manifest = run.manifest()?;
    for line in lineage::lines(&manifest, store) {
        let _ = writeln!(text, "made from  {line}");
    }
    for plugin in manifest.get("plugins").and_then(Value::as_array).into_iter().flatten() {
        let field = |name: &str| plugin.get(name).and_then(Value::as_str).unwrap_or_default();
        let sha256 = field("sha256");
        let sha256 = &sha256[..12.min(sha256.len())];
        let _ = writeln!(text, "plugin     {} {} {sha256}", field("name"), field("version"));
    }
    Ok(text)
}

/// An attempt as a line: when, how it ended, how far it came.
fn attempt(record: &AttemptRecord) -> String {
    let mut text = format!("{}  {}", local(record.started), record.state.as_str());
    let Some(end) = &record.end else { return text };
    // Writing to a string cannot fail.
    if let AttemptOutcome::Failed { class, .. } = &end.outcome {
        let _ = write!(text, ": {class}");
    }
    let _ = write!(text, " after {:.1} s", end.wall_s);
    match (end.from_step, end.to_step) {
        (Some(from), Some(to)) if record.state != AttemptState::Lost => {
            let _ = write!(text, ", steps {from} to {to}");
        }
        _ => {}
    }
    text
}

/// One final value as a line: split, metric, value, unit.
pub(crate) fn measurement(value: &Measurement) -> String {
    let unit = value.unit.as_deref().unwrap_or_default();
    format!("{:<6} {:<34} {:>12.6} {unit}", value.split, value.metric, value.value)
}

#[cfg(test)]
mod tests {
    use super::{duration, status};
    use ablate_runs::{Mark, RunSummary};
    use chrono::{TimeDelta, Utc};
    use serde_json::json;

    #[test]
    fn the_status_says_what_is_known_at_a_glance() {
        let now = Utc::now();
        let lease = |seconds: i64, steps: u64| {
            let beat = now - TimeDelta::seconds(seconds);
            json!({
                "host": "lab", "boot": "x", "pid": 1, "run": null, "started": beat, "alive": now,
                "beat": beat, "step": 120, "steps": steps,
            })
        };
        let mark = Mark::Pruned { rung_epoch: 3, reason: "7th of 9".into() };
        for (word, more, expected) in [
            ("running", json!({ "lease": lease(5, 400) }), "running, step 120/400"),
            (
                "running",
                json!({ "lease": lease(185, 400) }),
                "running, step 120/400, silent for 3 min",
            ),
            // Before the first step, and with a clock that was set back.
            ("running", json!({ "lease": lease(-500, 0) }), "running"),
            ("failed", json!({ "kind": "non-finite" }), "failed: non-finite"),
            ("lost", json!({}), "lost"),
            ("lost", json!({ "stopped": true }), "stopped"),
            ("lost", json!({ "stopped": true, "mark": mark }), "pruned at epoch 3"),
            ("done", json!({}), "done"),
        ] {
            let mut run = json!({
                "id": "01990000-0000-7000-8000-000000000000", "short": "0199", "identity": "x",
                "experiment": "pooling", "variant": "mean", "seed": 0, "status": word,
                "created": now, "finished": null, "wall_s": null, "peak_memory_bytes": null,
                "kind": null, "error": null, "stopped": false, "mark": null, "lease": null,
            });
            for (key, value) in more.as_object().unwrap() {
                run[key] = value.clone();
            }
            let run: RunSummary = serde_json::from_value(run).unwrap();
            assert_eq!(status(&run, now), expected);
        }
    }

    #[test]
    fn durations_are_short() {
        for (seconds, text) in [(61, "61 s"), (120, "2 min"), (7199, "119 min"), (90_000, "25 h")] {
            assert_eq!(duration(TimeDelta::seconds(seconds)), text);
        }
    }
}
