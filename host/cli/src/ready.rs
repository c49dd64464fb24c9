//! A plan whose trials are all known: where data is made from what trials publish, those trials come first,
//! since only then it is known what data it is.

use crate::arguments::ExperimentArguments;
use crate::check::Depth;
use crate::estimate::{Estimates, duration};
use crate::failure::Failure;
use crate::guide::Guide;
use crate::lineage::needs::Needs;
use crate::plan::{Plan, PlannedTrial, Scope, plan};
use crate::printer;
use crate::sweep::{counted, ranges, run_trials};
use ablate_runs::Store;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A plan, and what was done for it.
pub(crate) struct Ready {
    pub(crate) plan: Plan,
    pub(crate) store: Store,
    /// Trials that failed, by identity, and why nothing can be made from them.
    pub(crate) lost: BTreeMap<String, String>,
    pub(crate) failed: usize,
    pub(crate) stopped: bool,
}

/// Plans the experiment, and runs what has to be done before its trials can be told apart.
pub(crate) fn ready(
    arguments: &ExperimentArguments,
    scope: Scope<'_>,
    at_once: impl Fn(&Plan) -> usize,
) -> Result<Ready, Failure> {
    let planned = plan(arguments, scope)?;
    let store = Store::open(&planned.workplace.home)?;
    let (lost, failed, stopped) = (BTreeMap::new(), 0, false);
    let mut ready = Ready { plan: planned, store, lost, failed, stopped };
    let mut before: Vec<PlannedTrial> = Vec::new();
    loop {
        let first = first(&ready)?;
        // What was tried is not tried for ever.
        if first.to_run.is_empty() || first.to_run == before {
            return Ok(ready);
        }
        let Ready { plan: planned, store, .. } = &mut ready;
        store.writable()?;
        planned.look(first.variants(), Depth::Parts)?;
        let count = counted(first.to_run.len(), "trial");
        printer::note(&format!(
            "{}: its data is made from what {count} will publish, which are run first",
            planned.experiment.name
        ));
        say(planned, &first);
        let lost = std::mem::take(&mut ready.lost);
        let jobs = at_once(&ready.plan);
        let Needs { to_run: first, .. } = first;
        let report = run_trials(&ready.plan, &ready.store, Guide::Fixed, &first, lost, jobs)?;
        ready.lost = report.lost;
        ready.failed += report.failed;
        if report.stopped {
            ready.stopped = true;
            return Ok(ready);
        }
        ready.plan = plan(arguments, scope)?;
        before = first;
    }
}

/// The trials that can run now and without which others are not known.
fn first(ready: &Ready) -> Result<Needs, Failure> {
    let Ready { plan, store, lost, .. } = ready;
    let is_known = |trial: &PlannedTrial| plan.variant(trial.variant).identity.is_whole();
    let unknown = plan.trials.iter().filter(|trial| !is_known(trial));
    let mut first = plan.all_needs(store, unknown)?;
    first.to_run.retain(|trial| is_known(trial) && !lost.contains_key(&trial.identity));
    Ok(first)
}

/// One line about each variant of another experiment that is run or read.
pub(crate) fn lines(plan: &Plan, needs: &Needs, estimates: Option<&Estimates>) -> Vec<String> {
    let of = |trials: &[PlannedTrial], variant: usize| -> Vec<u64> {
        let mine = trials.iter().filter(|trial| trial.variant == variant);
        let mut seeds: Vec<u64> = mine.map(|trial| trial.seed).collect();
        seeds.sort_unstable();
        seeds
    };
    let mut lines = Vec::new();
    let own = plan.variants.len();
    for variant in own..own + plan.producers.len() {
        let (left, reused) = (of(&needs.to_run, variant), of(&needs.reused, variant));
        if left.is_empty() && reused.is_empty() {
            continue;
        }
        let time = estimates.and_then(|estimates| estimates.of(&plan.variant(variant).spec));
        let time = time.filter(|_| !left.is_empty());
        let whys = needs.why.get(&variant).into_iter().flatten().cloned();
        let facts = [
            (!reused.is_empty()).then(|| format!("done: {}", ranges(&reused))),
            (!left.is_empty()).then(|| format!("to run first: {}", ranges(&left))),
            time.map(|time| format!("about {}", duration(time * left.len() as f64))),
        ];
        let facts = facts.into_iter().flatten().chain(whys).collect::<Vec<_>>();
        lines.push(format!("{}  {}", plan.name(variant), facts.join(" · ")));
    }
    lines
}

/// Says what runs first.
pub(crate) fn say(plan: &Plan, needs: &Needs) {
    let to_run = Needs { to_run: needs.to_run.clone(), why: needs.why.clone(), ..Needs::default() };
    for line in lines(plan, &to_run, None) {
        printer::note(&format!("  needs {line}"));
    }
}

/// The same for programs.
pub(crate) fn to_json(plan: &Plan, needs: &Needs) -> Vec<Value> {
    let trials = needs.to_run.iter().map(|trial| (trial, false));
    let trials = trials.chain(needs.reused.iter().map(|trial| (trial, true)));
    trials
        .map(|(trial, done)| {
            json!({
                "experiment": plan.experiment_of(trial.variant).name,
                "file": plan.experiment_of(trial.variant).file,
                "variant": plan.variant(trial.variant).name,
                "seed": trial.seed,
                "identity": trial.identity,
                "done": done,
                "for": needs.why.get(&trial.variant),
            })
        })
        .collect()
}
