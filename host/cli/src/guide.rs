//! What a sweep runs beyond its first list of trials: seeds that intervals ask for, and how far
//! variants may go that compete for it.

use crate::arguments::ViewArguments;
use crate::failure::Failure;
use crate::objective;
use crate::plan::{Plan, PlannedTrial};
use crate::table::collect::collect;
use crate::table::source::Source;
use ablate_config::{HalvingSpec, Seeds, SequentialSeeds};
use ablate_report::Table;
use ablate_runs::{Mark, Measurement, RunSummary, Status, Store};
use ablate_sweep::{Contender, Evidence, Halving, SeedVerdict, Verdict, next_seeds};
use std::collections::{BTreeMap, BTreeSet};

/// A trial to run, and the epoch after which it is to pause.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) trial: PlannedTrial,
    pub(crate) pause_at_epoch: Option<u64>,
}

/// What comes next, and what is to be said about it.
#[derive(Debug, Default)]
pub(crate) struct Round {
    pub(crate) steps: Vec<Step>,
    pub(crate) notes: Vec<String>,
    pub(crate) pruned: Vec<Pruned>,
}

/// A variant that goes no further.
#[derive(Clone, Debug)]
pub(crate) struct Pruned {
    pub(crate) variant: usize,
    pub(crate) epoch: u64,
    pub(crate) reason: String,
}

/// What the session knows: trials that wait or run, and those that failed for good, by variant and
/// seed.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    pub(crate) open: BTreeSet<(usize, u64)>,
    pub(crate) failed: BTreeSet<(usize, u64)>,
    /// Trials that paused, and after which epoch.
    pub(crate) paused: BTreeMap<(usize, u64), u64>,
}

/// How a sweep goes on.
pub(crate) enum Guide<'a> {
    /// What was planned is all.
    Fixed,
    /// Seeds are added.
    Seeds(&'a SequentialSeeds),
    /// Variants compete.
    Halving(Box<Competition<'a>>),
}

impl<'a> Guide<'a> {
    pub(crate) fn new(plan: &'a Plan) -> Result<Self, Failure> {
        let sweep = &plan.experiment.sweep;
        Ok(match (&sweep.seeds, &sweep.halving) {
            (_, Some(spec)) => Self::Halving(Box::new(Competition::new(spec, plan)?)),
            (Seeds::Sequential(spec), None) => Self::Seeds(spec),
            (Seeds::Fixed(_), None) => Self::Fixed,
        })
    }

    /// Whether the trials of the plan are run in any case.
    pub(crate) fn runs_all(&self) -> bool {
        !matches!(self, Self::Halving(_))
    }

    /// What comes next. Asked for whenever nothing waits, and after every trial of a competition.
    pub(crate) fn next(
        &mut self,
        plan: &Plan,
        store: &Store,
        standing: &Standing,
    ) -> Result<Round, Failure> {
        match self {
            Self::Seeds(spec) if standing.open.is_empty() => seeds(spec, plan, store, standing),
            Self::Seeds(_) | Self::Fixed => Ok(Round::default()),
            Self::Halving(competition) => competition.next(plan, store, standing),
        }
    }
}

fn seeds(
    spec: &SequentialSeeds,
    plan: &Plan,
    store: &Store,
    standing: &Standing,
) -> Result<Round, Failure> {
    let widths = half_widths(spec, plan, store)?;
    let all = plan.experiment.sweep.seeds.all();
    let mut evidence = Vec::with_capacity(plan.variants.len());
    for (index, variant) in plan.variants.iter().enumerate() {
        let identities: Vec<(u64, String)> =
            all.iter().map(|seed| (*seed, variant.identity.of_seed(*seed))).collect();
        let runs = store.latest(identities.iter().map(|(_, identity)| identity))?;
        let started = |seed: u64, identity: &str| {
            runs.get(identity).is_some_and(|run| run.status == Status::Done)
                || standing.failed.contains(&(index, seed))
        };
        evidence.push(Evidence {
            baseline: variant.baseline,
            seeds: identities
                .iter()
                .filter(|(seed, identity)| started(*seed, identity))
                .map(|(seed, _)| *seed)
                .collect(),
            running: false,
            half_width: widths.get(variant.name.as_str()).copied(),
        });
    }
    let round = next_seeds(spec, &evidence);
    let notes = plan.variants.iter().zip(&round.verdicts).filter_map(|(variant, verdict)| {
        let (word, reason) = match verdict {
            SeedVerdict::More { reason } => ("more   ", reason),
            SeedVerdict::Settled { reason } => ("settled", reason),
            SeedVerdict::AtLimit { reason } => ("limit  ", reason),
            SeedVerdict::Baseline | SeedVerdict::Waiting => return None,
        };
        Some(format!("{word} {}  {reason}", variant.name))
    });
    let notes = notes.collect();
    let steps = round.trials.iter().map(|trial| {
        let identity = plan.variants[trial.variant].identity.of_seed(trial.seed);
        let trial = PlannedTrial { variant: trial.variant, seed: trial.seed, identity };
        Step { trial, pause_at_epoch: None }
    });
    let steps = steps.collect();
    Ok(Round { steps, notes, pruned: Vec::new() })
}

/// Half the width of the paired interval of each variant, as the table has it.
fn half_widths(
    spec: &SequentialSeeds,
    plan: &Plan,
    store: &Store,
) -> Result<BTreeMap<String, f64>, Failure> {
    let view = ViewArguments { allow_unequal: true, ..ViewArguments::default() };
    let table = Table::new(collect(&Source::of_plan(plan), store, &view)?)?;
    let metric = spec.metric.as_deref();
    let metric = metric.unwrap_or_else(|| objective::metric(&plan.variants[0].spec));
    let rows = table.rows().iter().filter(|row| row.metric == metric);
    let widths = rows.filter_map(|row| {
        let (low, high) = row.ci_low.zip(row.ci_high)?;
        Some((row.variant.clone(), (high - low) / 2.0))
    });
    Ok(widths.collect())
}

/// Variants that compete for epochs.
pub(crate) struct Competition<'a> {
    spec: &'a HalvingSpec,
    epochs: u64,
    metric: &'a str,
    /// By variant: to how many rungs it was allowed to run.
    allowed: Vec<usize>,
    stopped: BTreeSet<usize>,
}

impl<'a> Competition<'a> {
    fn new(spec: &'a HalvingSpec, plan: &'a Plan) -> Result<Self, Failure> {
        let base = &plan.variants[0].spec;
        let Some(epochs) = base.train.total_epochs else {
            return Err(Failure::user("`sweep.halving` needs `train.total_epochs`"));
        };
        let metric = spec.metric.as_deref().unwrap_or_else(|| objective::metric(base));
        let allowed = vec![0; plan.variants.len()];
        Ok(Self { spec, epochs, metric, allowed, stopped: BTreeSet::new() })
    }

    fn next(&mut self, plan: &Plan, store: &Store, standing: &Standing) -> Result<Round, Failure> {
        let runs = store.latest(plan.trials.iter().map(|trial| &trial.identity))?;
        let rungs = self.spec.rungs(self.epochs);
        let mut contenders = Vec::with_capacity(plan.variants.len());
        let mut higher_is_better = false;
        for (index, variant) in plan.variants.iter().enumerate() {
            let mine: Vec<&PlannedTrial> =
                plan.trials.iter().filter(|trial| trial.variant == index).collect();
            let mut reached: Vec<Vec<f64>> = Vec::with_capacity(mine.len());
            for trial in &mine {
                let run = runs.get(&trial.identity);
                let found = run.map(|run| self.values(run, store)).transpose()?.unwrap_or_default();
                let paused = standing.paused.get(&(index, trial.seed));
                if let Some(epoch) = paused.filter(|epoch| !found.covers(**epoch, &rungs)) {
                    return Err(self.not_measured(&variant.name, *epoch));
                }
                higher_is_better |= found.higher_is_better;
                reached.push(found.values);
            }
            let common = reached.iter().map(Vec::len).min().unwrap_or(0);
            let mean = |rung: usize| {
                reached.iter().map(|values| values[rung]).sum::<f64>() / reached.len() as f64
            };
            let open = mine.iter().any(|trial| standing.open.contains(&(index, trial.seed)));
            contenders.push(Contender {
                baseline: variant.baseline,
                values: (0..common).map(mean).collect(),
                allowed: if open { self.allowed[index] } else { common },
                failed: mine.iter().any(|trial| standing.failed.contains(&(index, trial.seed))),
            });
        }
        // The direction is known from the measurements; a loss is better when it is lower.
        let halving = Halving::new(self.spec, self.epochs, higher_is_better);
        self.round(&halving.decide(&contenders), plan, store, &runs)
    }

    fn not_measured(&self, variant: &str, epoch: u64) -> Failure {
        let metric = self.metric;
        Failure::user(format!(
            "`sweep.halving` ranks by `{metric}` on the split `valid`, which `{variant}` did not \
             measure by epoch {epoch}"
        ))
        .hint("it needs a split `valid`, and `train.eval_every_epochs` that divides the rungs")
    }

    fn round(
        &mut self,
        verdicts: &[Verdict],
        plan: &Plan,
        store: &Store,
        runs: &BTreeMap<String, RunSummary>,
    ) -> Result<Round, Failure> {
        let mut round = Round::default();
        let rungs = self.spec.rungs(self.epochs);
        for (index, verdict) in verdicts.iter().enumerate() {
            let trials = plan.trials.iter().filter(|trial| trial.variant == index);
            match verdict {
                Verdict::Run { rung } => {
                    self.allowed[index] = rung + 1;
                    let last = rung + 1 == rungs.len();
                    let pause_at_epoch = (!last).then(|| rungs[*rung]);
                    let left = trials.filter(|trial| {
                        runs.get(&trial.identity).is_none_or(|run| run.status != Status::Done)
                    });
                    round
                        .steps
                        .extend(left.map(|trial| Step { trial: trial.clone(), pause_at_epoch }));
                }
                Verdict::Stopped { reason } if self.stopped.insert(index) => {
                    let epoch = rungs[self.allowed[index].saturating_sub(1)];
                    let reason = reason.clone();
                    round.pruned.push(Pruned { variant: index, epoch, reason: reason.clone() });
                    for trial in trials {
                        let Some(run) = runs.get(&trial.identity) else { continue };
                        if run.status == Status::Done {
                            continue;
                        }
                        let mark = Mark::Pruned { rung_epoch: epoch, reason: reason.clone() };
                        store.run(&run.id)?.mark(&mark)?;
                    }
                }
                _ => {}
            }
        }
        // Those that have come farthest first, as in the paper.
        round.steps.sort_by_key(|step| std::cmp::Reverse(step.pause_at_epoch.unwrap_or(u64::MAX)));
        Ok(round)
    }

    /// What a run measured at the rungs that it has reached.
    fn values(&self, summary: &RunSummary, store: &Store) -> Result<Reached, Failure> {
        let run = store.run(&summary.id)?;
        let measurements = run.measurements()?;
        let of: Vec<&Measurement> = measurements
            .iter()
            .filter(|found| found.metric == self.metric && found.split == "valid")
            .collect();
        let higher_is_better =
            of.iter().any(|measurement| measurement.higher_is_better == Some(true));
        let done = summary.status == Status::Done;
        let rungs = self.spec.rungs(self.epochs);
        let furthest = of.iter().map(|measurement| measurement.epoch).max().unwrap_or(0);
        let mut values = Vec::new();
        for (index, epoch) in rungs.iter().enumerate() {
            let last = index + 1 == rungs.len();
            if !done && (last || furthest < *epoch) {
                break;
            }
            let at = of.iter().rev().find(|measurement| last || measurement.epoch <= *epoch);
            // Nothing to be ranked by counts as the worst.
            values.push(at.map_or(f64::NAN, |measurement| measurement.value));
        }
        Ok(Reached { values, higher_is_better })
    }
}

#[derive(Default)]
struct Reached {
    values: Vec<f64>,
    higher_is_better: bool,
}

impl Reached {
    /// Whether there is a value at the rung of this epoch.
    fn covers(&self, epoch: u64, rungs: &[u64]) -> bool {
        self.values.len() >= rungs.iter().take_while(|rung| **rung <= epoch).count()
    }
}
