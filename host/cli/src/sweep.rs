//! `ablate sweep` and `ablate run`: the trials that are not done, each in its own process.

use crate::arguments::{ExperimentArguments, Format, RunArguments, SweepArguments, TableFormat};
use crate::check::Depth;
use crate::estimate::{Estimates, duration};
use crate::failure::Failure;
use crate::guide::Guide;
use crate::plan::{Plan, PlannedTrial, PlannedVariant, Scope, plan};
use crate::progress::Progress;
use crate::ready::{self, Ready};
use crate::runs::measurement;
use crate::screen::{Objective, Overview, Screen, VariantOverview};
use crate::session::{Report, Session};
use crate::table::as_typed;
use crate::table::source::Source;
use crate::{edited, leftovers, manifest, objective, prepare, printer, table};
use ablate_config::Seeds;
use ablate_runs::{Status, Store, SweepRecord};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

static STOP: AtomicBool = AtomicBool::new(false);

pub(crate) fn sweep(arguments: SweepArguments) -> Result<u8, Failure> {
    let depth = if arguments.dry_run { Depth::Parts } else { Depth::Data };
    let scope = Scope { store: !arguments.dry_run, depth, ..Scope::default() };
    let wanted = arguments.jobs;
    if arguments.dry_run {
        let plan = plan(&arguments.experiment, scope)?;
        let store = Store::open(&plan.workplace.home)?;
        let pending = pending(&plan, &store)?;
        return dry_run(&plan, &store, &pending, jobs(wanted, &plan), &arguments);
    }
    let again = format!("ablate sweep {}", as_typed(&arguments.experiment));
    let ready = ready::ready(&arguments.experiment, scope, |plan| jobs(wanted, plan))?;
    let Ready { mut plan, store, lost, failed, .. } = ready;
    if ready.stopped {
        return Ok(stopped(&again));
    }
    let jobs = jobs(wanted, &plan);
    let pending = pending(&plan, &store)?;
    store.writable()?;
    let trials = trials_at(&plan, &pending);
    let needs = plan.all_needs(&store, &trials)?.of_others(&plan);
    let looked_at = [variants_of(&plan, &pending), needs.variants()].concat();
    plan.look(looked_at, Depth::Parts)?;
    tell_changes(&plan, &store)?;
    printer::note(&headline(&plan, &store, &pending, jobs)?);
    ready::say(&plan, &needs);
    store.record_sweep(&plan.record())?;
    let report = run_trials(&plan, &store, Guide::new(&plan)?, &trials, lost, jobs)?;
    record_seeds(&plan, &store)?;
    if report.stopped {
        return Ok(stopped(&again));
    }
    say_blocked(&report, &again);
    let failed = failed + report.failed + report.blocked;
    let format = match arguments.format {
        Format::Term => TableFormat::Term,
        Format::Json => TableFormat::Json,
    };
    let code = table::print(&plan, &store, format, &arguments.experiment)?;
    Ok(if failed > 0 { 1 } else { code })
}

/// Says that trials were not run because those failed that they are made from.
fn say_blocked(report: &Report, again: &str) {
    if report.blocked > 0 {
        let count = counted(report.blocked, "trial");
        printer::warning(
            &format!("not run: {count}, because what is to be made from others could not be"),
            &[format!("once the failure above is repaired, the same command runs them: {again}")],
        );
    }
}

/// The trials at these positions.
fn trials_at(plan: &Plan, positions: &[usize]) -> Vec<PlannedTrial> {
    positions.iter().map(|&index| plan.trials[index].clone()).collect()
}

/// Where seeds were added, they belong to the record: it is read without the rule that added them.
fn record_seeds(plan: &Plan, store: &Store) -> Result<(), Failure> {
    if let Seeds::Sequential(_) = plan.experiment.sweep.seeds {
        let mut record = Source::of_plan(plan).record;
        let runs = store.latest(record.trials.iter().map(|trial| &trial.identity))?;
        record
            .trials
            .retain(|trial| plan.seeds.contains(&trial.seed) || runs.contains_key(&trial.identity));
        store.record_sweep(&record)?;
    }
    Ok(())
}

/// What is said after Ctrl-C.
fn stopped(again: &str) -> u8 {
    printer::note("stopped; finished trials and the checkpoints of the others are kept");
    printer::note(&format!("next: {again}"));
    2
}

pub(crate) fn run_one(arguments: RunArguments) -> Result<u8, Failure> {
    let variant = arguments.variant.as_deref().unwrap_or_default();
    let seed = Some(arguments.seed);
    let scope = Scope { variant: Some(variant), seed, store: true, depth: Depth::Parts };
    let Ready { mut plan, store, lost, stopped: is_stopped, .. } =
        ready::ready(&arguments.experiment, scope, |_| 1)?;
    if is_stopped {
        return Ok(stopped(&run_as_typed(&arguments)));
    }
    let pending = trials_at(&plan, &pending(&plan, &store)?);
    store.writable()?;
    if pending.is_empty() {
        printer::note("this trial is done already; nothing was run");
    }
    let needs = plan.all_needs(&store, &pending)?.of_others(&plan);
    plan.look(needs.variants(), Depth::Parts)?;
    ready::say(&plan, &needs);
    let report = run_trials(&plan, &store, Guide::Fixed, &pending, lost, 1)?;
    if report.stopped {
        return Ok(stopped(&run_as_typed(&arguments)));
    }
    say_blocked(&report, &run_as_typed(&arguments));
    let identity = plan.trials[0].identity.as_str();
    let Some(run) = store.latest([identity])?.remove(identity) else { return Ok(1) };
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

/// The same command again.
fn run_as_typed(arguments: &RunArguments) -> String {
    let mut text = format!("ablate run {}", as_typed(&arguments.experiment));
    if let Some(variant) = &arguments.variant {
        text = format!("{text} --variant {}", crate::table::quoted(variant));
    }
    format!("{text} --seed {}", arguments.seed)
}

/// The variants of some trials, each once.
fn variants_of(plan: &Plan, trials: &[usize]) -> Vec<usize> {
    let mut variants: Vec<usize> = trials.iter().map(|&index| plan.trials[index].variant).collect();
    variants.sort_unstable();
    variants.dedup();
    variants
}

/// Says what was edited since the experiment was swept last.
fn tell_changes(plan: &Plan, store: &Store) -> Result<(), Failure> {
    let Some(last) = store.last_sweep(&plan.experiment.name)? else { return Ok(()) };
    let changes = edited::changes(&last, &plan.record(), || rebuilt(&last, plan, store));
    if changes.is_empty() {
        return Ok(());
    }
    let when = last.created.with_timezone(&chrono::Local).format("%Y-%m-%d %H:%M");
    printer::note(&format!("changed since the sweep of {when}:"));
    for change in changes {
        printer::note(&format!("  {change}"));
    }
    Ok(())
}

/// The plugins whose bytes are others than those of the last sweep's runs.
fn rebuilt(last: &SweepRecord, plan: &Plan, store: &Store) -> Vec<String> {
    let mut changed = Vec::new();
    for variant in &plan.variants {
        let trial = last.trials.iter().find(|trial| trial.variant == variant.name);
        let Some(identity) = trial.map(|trial| trial.identity.as_str()) else { continue };
        let run = store.latest([identity]).ok().and_then(|mut runs| runs.remove(identity));
        let run = run.and_then(|run| store.run(&run.id).ok());
        let manifest = run.and_then(|run| run.manifest().ok()).unwrap_or_default();
        for plugin in manifest["plugins"].as_array().into_iter().flatten() {
            let name = plugin["name"].as_str().unwrap_or_default();
            let now = variant.components.iter().find(|component| component.plugin == name);
            let line = format!("plugin `{name}` was rebuilt");
            if now.is_some_and(|now| plugin["sha256"] != now.sha256.as_str())
                && !changed.contains(&line)
            {
                changed.push(line);
            }
        }
    }
    changed
}

/// One line about all of the sweep.
fn headline(plan: &Plan, store: &Store, pending: &[usize], jobs: usize) -> Result<String, Failure> {
    let (total, left) = (plan.trials.len(), pending.len());
    let mut line = format!(
        "{}: {} = {}, {} done, {left} to run",
        plan.experiment.name,
        plan.size(),
        counted(total, "trial"),
        total - left,
    );
    if left > 0 {
        let estimates = Estimates::read(store)?;
        let time = whole_time(plan, &estimates, pending, jobs);
        let time = time.map_or(String::new(), |time| format!(", about {}", duration(time)));
        // Writing to a string cannot fail.
        let _ = write!(line, " ({jobs} at once{time})");
    }
    Ok(line)
}

/// Seconds that some trials will take; `None` where one of them is like nothing that ran before.
fn whole_time(plan: &Plan, estimates: &Estimates, trials: &[usize], jobs: usize) -> Option<f64> {
    let of: Vec<Option<f64>> =
        plan.variants.iter().map(|variant| estimates.of(&variant.spec)).collect();
    let times: Option<Vec<f64>> =
        trials.iter().map(|&index| of[plan.trials[index].variant]).collect();
    let times = times?;
    let longest = times.iter().copied().fold(0.0, f64::max);
    Some((times.iter().sum::<f64>() / jobs as f64).max(longest))
}

/// Positions of the trials that are not done.
fn pending(plan: &Plan, store: &Store) -> Result<Vec<usize>, Failure> {
    let runs = store.latest(plan.trials.iter().map(|trial| &trial.identity))?;
    let done = |trial: &PlannedTrial| {
        runs.get(&trial.identity).is_some_and(|run| run.status == Status::Done)
    };
    Ok((0..plan.trials.len()).filter(|index| !done(&plan.trials[*index])).collect())
}

/// `1 seed`, `2 seeds`.
pub(crate) fn counted(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

fn jobs(wanted: Option<u16>, plan: &Plan) -> usize {
    let producers = plan.producers.iter().filter_map(|producer| producer.variant.spec.threads);
    let threads = producers.max().unwrap_or(1).max(plan.threads());
    wanted.map_or_else(|| (manifest::cores() / threads).max(1), usize::from)
}

fn dry_run(
    plan: &Plan,
    store: &Store,
    pending: &[usize],
    jobs: usize,
    arguments: &SweepArguments,
) -> Result<u8, Failure> {
    let estimates = Estimates::read(store)?;
    let needs = plan.all_needs(store, &trials_at(plan, pending))?.of_others(plan);
    if arguments.format == Format::Json {
        let mut json = dry_json(plan, &estimates, pending, jobs);
        if !plan.producers.is_empty() {
            json["needs"] = Value::from(ready::to_json(plan, &needs));
        }
        printer::json(&json)?;
        return Ok(0);
    }
    let mut text = headline(plan, store, pending, jobs)? + "\n";
    for line in ready::lines(plan, &needs, Some(&estimates)) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  needs {line}");
    }
    let width = plan.variants.iter().map(|variant| variant.name.chars().count()).max();
    let mut seeds = vec![(Vec::new(), Vec::new()); plan.variants.len()];
    for (at, trial) in plan.trials.iter().enumerate() {
        let (done, left) = &mut seeds[trial.variant];
        if pending.binary_search(&at).is_err() { done } else { left }.push(trial.seed);
    }
    for (variant, seeds) in plan.variants.iter().zip(&seeds) {
        dry_lines(&mut text, plan, variant, seeds, width.unwrap_or(0), &estimates);
    }
    printer::data(&text);
    tell_changes(plan, store)?;
    let missing: BTreeSet<&str> =
        plan.variants.iter().flat_map(|one| &one.at_hand.missing).map(String::as_str).collect();
    if !missing.is_empty() {
        let missing = missing.into_iter().collect::<Vec<_>>().join("`, `");
        printer::note(&format!(
            "components are made and their parameters counted once what they read is there: `{missing}`"
        ));
    }
    printer::note("configurations and contracts of all variants fit; nothing was run");
    printer::note(&next(&arguments.experiment));
    Ok(0)
}

fn next(typed: &ExperimentArguments) -> String {
    format!("next: ablate sweep {}", as_typed(typed))
}

/// A variant: its seeds that are done and to run, how long they will take, and what it changes.
fn dry_lines(
    text: &mut String,
    plan: &Plan,
    variant: &PlannedVariant,
    (done, left): &(Vec<u64>, Vec<u64>),
    width: usize,
    estimates: &Estimates,
) {
    let time = estimates.of(&variant.spec).filter(|_| !left.is_empty());
    let time = time.map(|time| format!("about {}", duration(time * left.len() as f64)));
    let parameters = variant.checked.total().map(|total| format!("{total} parameters"));
    let facts = [
        (!done.is_empty()).then(|| format!("done: {}", ranges(done))),
        (!left.is_empty()).then(|| format!("to run: {}", ranges(left))),
        time,
        parameters,
        variant.baseline.then(|| "baseline".to_owned()),
    ];
    let facts: Vec<String> = facts.into_iter().flatten().collect();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "  {:<width$}  {}", variant.name, facts.join(" · "));
    for change in plan.changes_against_baseline(variant) {
        let _ = writeln!(text, "  {:<width$}    {change}", "");
    }
}

/// `seeds 0–4, 7`.
pub(crate) fn ranges(seeds: &[u64]) -> String {
    let mut parts: Vec<(u64, u64)> = Vec::new();
    for &seed in seeds {
        match parts.last_mut() {
            Some((_, last)) if *last + 1 == seed => *last = seed,
            _ => parts.push((seed, seed)),
        }
    }
    let shown: Vec<String> = parts
        .into_iter()
        .map(|(first, last)| match last - first {
            0 => first.to_string(),
            1 => format!("{first}, {last}"),
            _ => format!("{first}–{last}"),
        })
        .collect();
    format!("seed{} {}", if seeds.len() == 1 { "" } else { "s" }, shown.join(", "))
}

fn dry_json(plan: &Plan, estimates: &Estimates, pending: &[usize], jobs: usize) -> Value {
    let trials = plan.trials.iter().enumerate().map(|(index, trial)| {
        let variant = &plan.variants[trial.variant];
        json!({
            "variant": variant.name,
            "seed": trial.seed,
            "identity": trial.identity,
            "done": pending.binary_search(&index).is_err(),
            "estimated_s": estimates.of(&variant.spec),
        })
    });
    let variants = plan.variants.iter().map(|variant| {
        json!({
            "name": variant.name,
            "baseline": variant.baseline,
            "changes": plan.changes_against_baseline(variant),
            "parameters": variant.checked.total(),
        })
    });
    json!({
        "experiment": plan.experiment.name,
        "baseline": plan.baseline(),
        "jobs": jobs,
        "estimated_s": whole_time(plan, estimates, pending, jobs),
        "variants": variants.collect::<Vec<_>>(),
        "trials": trials.collect::<Vec<_>>(),
    })
}

/// Runs the trials that `guide` wants, by default all that are pending, after those that they are made from.
pub(crate) fn run_trials(
    plan: &Plan,
    store: &Store,
    guide: Guide<'_>,
    pending: &[PlannedTrial],
    lost: BTreeMap<String, String>,
    at_once: usize,
) -> Result<Report, Failure> {
    leftovers::remove(&plan.workplace.home, store);
    // Where seeds are added, having all of the first ones is not the end.
    if pending.is_empty() && !matches!(guide, Guide::Seeds(_)) {
        return Ok(Report { lost, ..Report::default() });
    }
    // Only the first handler of a process can be set, and this is the only place.
    let _ = ctrlc::set_handler(|| STOP.store(true, Ordering::SeqCst));
    let chosen = match guide {
        Guide::Seeds(_) => &plan.trials,
        _ => pending,
    };
    let needs = plan.all_needs(store, chosen)?.of_others(plan).to_run;
    let progress = Progress::new();
    let trials: Vec<PlannedTrial> = chosen.iter().chain(&needs).cloned().collect();
    let prepared = prepare::prepare(plan, store, &trials, &STOP, &progress);
    progress.close();
    let prepared = match prepared {
        Err(_) if STOP.load(Ordering::SeqCst) => {
            return Ok(Report { stopped: true, lost, ..Report::default() });
        }
        prepared => prepared?,
    };
    let overrides: Vec<String> = std::env::args().skip(1).collect();
    let surroundings = manifest::surroundings(&plan.experiment.file, &overrides);
    fs_err::create_dir_all(plan.workplace.home.join("trials"))?;
    let screen = Screen::new(overview(plan, store, (pending, &needs), at_once)?, &progress);
    let trials = if guide.runs_all() { pending } else { &[] };
    let session = Session::new(plan, store, &screen, &STOP, guide).with_trials(trials, lost)?;
    let report = session.with_manifest(surroundings, prepared).run(at_once);
    screen.close();
    report
}

/// What the screen shows before anything has started.
fn overview(
    plan: &Plan,
    store: &Store,
    (pending, needs): (&[PlannedTrial], &[PlannedTrial]),
    jobs: usize,
) -> Result<Overview, Failure> {
    let done = store.latest(plan.trials.iter().map(|trial| &trial.identity))?;
    let estimates = Estimates::read(store)?;
    let spec = &plan.variants[0].spec;
    let mut objective = Objective {
        metric: objective::metric(spec).to_owned(),
        split: spec.report.split.clone().unwrap_or_default(),
        higher_is_better: None,
    };
    let mut variants: Vec<VariantOverview> = Vec::with_capacity(plan.variants.len());
    for (index, variant) in plan.variants.iter().enumerate() {
        let mut values = Vec::new();
        let mine = plan.trials.iter().filter(|trial| trial.variant == index);
        let (mut seeds, mut finished) = (0, 0);
        for trial in mine {
            seeds += 1;
            let run = done.get(&trial.identity).filter(|run| run.status == Status::Done);
            let Some(run) = run else { continue };
            finished += 1;
            let finals = store.finals(&[run.id])?.remove(&run.id).unwrap_or_default();
            if let Some(found) = objective::find(&variant.spec, &finals) {
                values.push((trial.seed, found.value));
                objective.split.clone_from(&found.split);
                objective.higher_is_better = found.higher_is_better;
            }
        }
        variants.push(VariantOverview {
            name: variant.name.clone(),
            baseline: variant.baseline,
            seeds,
            values,
            done: finished,
            failed: 0,
            expected: estimates.of(&variant.spec).map(Duration::from_secs_f64),
        });
    }
    for index in variants.len()..variants.len() + plan.producers.len() {
        let spec = &plan.variant(index).spec;
        let mine = needs.iter().chain(pending.iter().filter(|trial| !plan.is_own(trial.variant)));
        variants.push(VariantOverview {
            name: plan.name(index),
            baseline: false,
            seeds: mine.filter(|trial| trial.variant == index).count(),
            values: Vec::new(),
            done: 0,
            failed: 0,
            expected: estimates.of(spec).map(Duration::from_secs_f64),
        });
    }
    let finished = variants.iter().map(|variant| variant.done).sum::<usize>();
    Ok(Overview {
        experiment: plan.experiment.name.clone(),
        objective: Some(objective),
        jobs,
        threads: plan.threads(),
        cores: manifest::cores(),
        variants,
        total: finished + pending.len() + needs.len(),
        done: finished,
    })
}
