//! `ablate sweep` and `ablate run`: the trials that are not done, each in its own process.

use crate::arguments::{Format, RunArguments, SweepArguments, TableFormat};
use crate::child::{self, Said};
use crate::failure::Failure;
use crate::plan::{Plan, Scope, plan};
use crate::progress::Progress;
use crate::runs::measurement;
use crate::table::as_typed;
use crate::trial::{CRASH, ELSEWHERE, STOPPED, TrialFile};
use crate::{manifest, prepare, printer, table};
use ablate_runs::{Outcome, RunId, Status, Store};
use ablate_sweep::{Event, Exit, Job};
use serde_json::json;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

static STOP: AtomicBool = AtomicBool::new(false);

pub(crate) fn sweep(arguments: SweepArguments) -> Result<u8, Failure> {
    let scope = Scope { store: !arguments.dry_run, ..Scope::default() };
    let plan = plan(&arguments.experiment, scope)?;
    let store = Store::open(&plan.workplace.home)?;
    let pending = pending(&plan, &store)?;
    let jobs = jobs(arguments.jobs, plan.threads());
    if arguments.dry_run {
        return dry_run(&plan, &pending, arguments.format);
    }
    let (variants, seeds) = (plan.variants.len(), plan.experiment.sweep.seeds.len());
    let (total, left) = (plan.trials.len(), pending.len());
    printer::note(&format!(
        "{}: {} × {} = {}, {} done, {left} to run{}",
        plan.experiment.name,
        counted(variants, "variant"),
        counted(seeds, "seed"),
        counted(total, "trial"),
        total - left,
        if left > 0 { format!(" ({jobs} at once)") } else { String::new() },
    ));
    let report = run_trials(&plan, &store, &pending, jobs)?;
    if report.stopped {
        printer::note("stopped; finished trials and checkpoints are kept");
        printer::note(&format!("next: ablate sweep {}", as_typed(&arguments.experiment)));
        return Ok(2);
    }
    let format = match arguments.format {
        Format::Term => TableFormat::Term,
        Format::Json => TableFormat::Json,
    };
    let code = table::print(&plan, &store, format, &arguments.experiment)?;
    Ok(if report.failed > 0 { 1 } else { code })
}

pub(crate) fn run_one(arguments: RunArguments) -> Result<u8, Failure> {
    let variant = arguments.variant.as_deref().unwrap_or_default();
    let scope = Scope { variant: Some(variant), seed: Some(arguments.seed), store: true };
    let plan = plan(&arguments.experiment, scope)?;
    let store = Store::open(&plan.workplace.home)?;
    let pending = pending(&plan, &store)?;
    if pending.is_empty() {
        printer::note("this trial is done already; nothing was run");
    }
    let report = run_trials(&plan, &store, &pending, 1)?;
    if report.stopped {
        printer::note("stopped; the same command goes on from the last checkpoint");
        return Ok(2);
    }
    let trial = &plan.trials[0];
    let runs = store.by_identity(&trial.identity)?;
    let Some(run) = runs.iter().find(|run| run.status == Status::Done).or(runs.first()) else {
        return Ok(1);
    };
    let finals = store.run(&run.id)?.result()?.map(|result| result.outcome.finals);
    let finals = finals.unwrap_or_default();
    if arguments.format == Format::Json {
        printer::json(&json!({ "id": run.id, "status": run.status, "measurements": finals }))?;
    } else {
        let mut text = String::new();
        for value in &finals {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{}", measurement(value));
        }
        printer::data(&text);
    }
    printer::note(&format!("next: ablate show {}", run.short));
    Ok(u8::from(run.status != Status::Done))
}

/// Positions of the trials that are not done.
fn pending(plan: &Plan, store: &Store) -> Result<Vec<usize>, Failure> {
    let mut pending = Vec::new();
    for (index, trial) in plan.trials.iter().enumerate() {
        let runs = store.by_identity(&trial.identity)?;
        if !runs.iter().any(|run| run.status == Status::Done) {
            pending.push(index);
        }
    }
    Ok(pending)
}

/// `1 seed`, `2 seeds`.
fn counted(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

fn jobs(wanted: Option<u16>, threads: usize) -> usize {
    wanted.map_or_else(|| (manifest::cores() / threads.max(1)).max(1), usize::from)
}

fn dry_run(plan: &Plan, pending: &[usize], format: Format) -> Result<u8, Failure> {
    if format == Format::Json {
        let trials = plan.trials.iter().enumerate().map(|(index, trial)| {
            json!({
                "variant": plan.variants[trial.variant].name,
                "seed": trial.seed,
                "identity": trial.identity,
                "done": !pending.contains(&index),
            })
        });
        printer::json(&json!({
            "experiment": plan.experiment.name,
            "baseline": plan.baseline(),
            "trials": trials.collect::<Vec<_>>(),
        }))?;
        return Ok(0);
    }
    let mut text = format!("{}: {}\n", plan.experiment.name, counted(plan.trials.len(), "trial"));
    for (index, variant) in plan.variants.iter().enumerate() {
        let mine = |position: &&usize| plan.trials[**position].variant == index;
        let left = pending.iter().filter(mine).count();
        let all = plan.trials.iter().filter(|trial| trial.variant == index).count();
        let role = if variant.baseline { " (baseline)" } else { "" };
        let parameters = variant.checked.total();
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "  {}{role}: {}, {} done, {left} to run; {parameters} parameters",
            variant.name,
            counted(all, "seed"),
            all - left
        );
        for change in &variant.changes {
            let _ = writeln!(text, "    {change}");
        }
    }
    printer::data(&text);
    printer::note("configurations and contracts of all variants fit; nothing was run");
    Ok(0)
}

#[derive(Default)]
struct Report {
    failed: usize,
    stopped: bool,
}

/// One trial on its way.
struct Running {
    label: String,
    identity: String,
    run: Option<RunId>,
    entering: String,
    failure: Option<Failure>,
    last: String,
}

fn run_trials(
    plan: &Plan,
    store: &Store,
    pending: &[usize],
    at_once: usize,
) -> Result<Report, Failure> {
    if pending.is_empty() {
        return Ok(Report::default());
    }
    // Only the first handler of a process can be set, and this is the only place.
    let _ = ctrlc::set_handler(|| STOP.store(true, Ordering::SeqCst));
    let progress = Progress::new(pending.len());
    let mut chosen: Vec<usize> = pending.iter().map(|&index| plan.trials[index].variant).collect();
    chosen.sort_unstable();
    chosen.dedup();
    let prepared = match prepare::prepare(plan, &chosen, &STOP, &progress) {
        Err(_) if STOP.load(Ordering::SeqCst) => {
            progress.close();
            return Ok(Report { stopped: true, ..Report::default() });
        }
        prepared => prepared?,
    };
    let files = write_trials(plan, pending, &prepared)?;
    let mut running: Vec<Running> = pending
        .iter()
        .map(|&trial| Running {
            label: label(plan, trial),
            identity: plan.trials[trial].identity.clone(),
            run: None,
            entering: String::new(),
            failure: None,
            last: String::new(),
        })
        .collect();
    let mut commands = Vec::with_capacity(files.len());
    for (file, job) in files.iter().zip(&running) {
        let command = child::command(&["__trial".as_ref(), file.as_os_str()])?;
        let stderr = file.with_extension("stderr");
        // What an earlier attempt said is of no use now.
        let _ = fs_err::remove_file(&stderr);
        commands.push(Job { label: job.label.clone(), command, stderr: Some(stderr) });
    }
    let mut report = Report::default();
    let summary = ablate_sweep::run(commands, at_once, &STOP, |event| match event {
        Event::Started { job, .. } => progress.started(job, &running[job].label),
        Event::Line { job, line } => listen(&mut running[job], job, line, &progress),
        Event::Finished { job, exit, wall } => {
            let stderr = files[job].with_extension("stderr");
            let line = finish(&mut running[job], exit, wall, store, &stderr, &mut report);
            progress.finished(job, &line);
        }
    });
    progress.close();
    report.stopped = summary?.stopped;
    for file in &files {
        let _ = fs_err::remove_file(file);
        let _ = fs_err::remove_file(file.with_extension("stderr"));
    }
    Ok(report)
}

fn label(plan: &Plan, trial: usize) -> String {
    let trial = &plan.trials[trial];
    format!("{} seed {}", plan.variants[trial.variant].name, trial.seed)
}

fn write_trials(
    plan: &Plan,
    pending: &[usize],
    prepared: &[prepare::Report],
) -> Result<Vec<PathBuf>, Failure> {
    let folder = plan.workplace.home.join("trials");
    fs_err::create_dir_all(&folder)?;
    let overrides: Vec<String> = std::env::args().skip(1).collect();
    let surroundings = manifest::surroundings(&plan.experiment.file, &overrides);
    let mut files = Vec::with_capacity(pending.len());
    for &index in pending {
        let trial = &plan.trials[index];
        let variant = &plan.variants[trial.variant];
        let mut manifest = surroundings.clone();
        manifest["plugins"] = manifest::plugins(&variant.components);
        manifest["components"] = serde_json::to_value(&variant.components)?;
        let report = prepared.iter().find(|(dataset, _)| *dataset == variant.spec.dataset);
        manifest["dataset"] = json!({
            "fingerprint": variant.checked.fingerprint,
            "sources": variant.checked.sources,
            "prepared": report.map(|(_, report)| report),
        });
        manifest["parameters"] = json!(variant.checked.total());
        let threads = plan.threads();
        manifest["threads"] = json!(threads);
        manifest["device"] = json!(variant.spec.device);
        let file = folder.join(format!("{}.{}.json", trial.identity, std::process::id()));
        let content = TrialFile {
            home: plan.workplace.home.clone(),
            experiment: plan.experiment.name.clone(),
            variant: variant.name.clone(),
            seed: trial.seed,
            identity: trial.identity.clone(),
            threads,
            spec: variant.spec.clone(),
            components: variant.components.clone(),
            manifest,
        };
        fs_err::write(&file, serde_json::to_vec(&content)?)?;
        files.push(file);
    }
    Ok(files)
}

fn listen(running: &mut Running, job: usize, line: &str, progress: &Progress) {
    let Ok(said) = serde_json::from_str::<Said>(line) else { return };
    match said {
        Said::Run { id, resumed_at } => {
            running.run = id.parse().ok();
            if let Some(step) = resumed_at {
                progress.note(&format!("resumed {:<36} goes on after step {step}", running.label));
            }
        }
        Said::Entering(what) => running.entering = what,
        Said::Failed(failure) => running.failure = Some(failure),
        Said::Progress { task, done, total } => progress.step(job, done, total, &task),
        Said::Step { epoch, epochs, step, steps, loss } => {
            progress.step(job, step, steps, &format!("epoch {epoch}/{epochs}  loss {loss:.4}"));
        }
        Said::Final { text } => running.last = text,
        Said::Log { level, message } if level <= 2 => {
            progress.log(&running.label, &message);
        }
        Said::Log { .. } | Said::Answer(_) => {}
    }
}

/// What is said about a trial that has ended; a crash is written into its run.
fn finish(
    running: &mut Running,
    exit: Exit,
    wall: Duration,
    store: &Store,
    stderr: &Path,
    report: &mut Report,
) -> String {
    let label = format!("{:<36}", running.label);
    let seconds = wall.as_secs_f64();
    let short = running.run.as_ref().and_then(|id| store.short(id).ok()).unwrap_or_default();
    match exit {
        // A plugin may end the process with success before there is a result.
        Exit::Code(0) if is_done(store, &running.identity) => {
            format!("done    {label} {seconds:6.1} s  {}  {short}", running.last)
        }
        Exit::Code(ELSEWHERE) => format!("skipped {label} another process runs it"),
        Exit::Code(STOPPED) => format!("stopped {label} {seconds:6.1} s  {short}"),
        _ if STOP.load(Ordering::SeqCst) => format!("stopped {label} {seconds:6.1} s  {short}"),
        exit => {
            report.failed += 1;
            let failure = running.failure.take().unwrap_or_else(|| crash(running, exit, stderr));
            record(running, &failure, seconds, store);
            let mut lines = vec![format!("failed  {label} {seconds:6.1} s"), failure.message];
            lines.extend(failure.hints.iter().map(|hint| format!("hint: {hint}")));
            if !short.is_empty() {
                lines.push(format!("ablate show {short}"));
            }
            lines.join("\n        ")
        }
    }
}

fn is_done(store: &Store, identity: &str) -> bool {
    let runs = store.by_identity(identity);
    runs.is_ok_and(|runs| runs.iter().any(|run| run.status == Status::Done))
}

fn crash(running: &Running, exit: Exit, stderr: &Path) -> Failure {
    let how = exit.describe();
    let place = match running.entering.as_str() {
        "" => String::new(),
        place => format!(" in {place}"),
    };
    let failure = Failure::unexpected(format!("the process of the trial ended with {how}{place}"));
    let words = fs_err::read_to_string(stderr).unwrap_or_default();
    match words.trim().lines().last() {
        Some(line) => failure.hint(format!("its last words: {line}")),
        None => failure,
    }
}

/// Writes the failure into the run, unless the trial's own process did.
fn record(running: &Running, failure: &Failure, wall_s: f64, store: &Store) {
    let Some(run) = running.run.as_ref().and_then(|id| store.run(id).ok()) else { return };
    if matches!(run.result(), Ok(None)) {
        let outcome = Outcome {
            error: Some(ablate_runs::Failure {
                kind: CRASH.to_owned(),
                message: failure.message.clone(),
                hints: failure.hints.clone(),
            }),
            wall_s,
            ..Outcome::default()
        };
        // The failure is on the screen already; a run that cannot be written stays `lost`.
        let _ = run.finish(&outcome);
    }
}
