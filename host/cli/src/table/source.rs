//! What a table is about: an experiment as it is planned now, or a sweep as it was recorded.

use super::{as_typed, quoted};
use crate::arguments::ExperimentArguments;
use crate::failure::Failure;
use crate::plan::{Plan, Scope, plan};
use crate::workplace;
use ablate_config::{Seeds, nearest};
use ablate_report::SequentialSeeds;
use ablate_runs::{Store, SweepRecord, TrialRecord};
use std::collections::BTreeSet;
use std::path::Path;

/// A sweep and its rule for seeds.
pub(crate) struct Source {
    /// The sweep; its trials are those that there may be.
    pub(crate) record: SweepRecord,
    /// All seeds that a variant may have.
    pub(super) seeds: Vec<u64>,
    /// The rule by which seeds were added, if there is one.
    pub(super) sequential: Option<SequentialSeeds>,
    /// Whether it was found by its name in the store.
    named: bool,
}

impl Source {
    /// The experiment at a path; where there is none, the sweep that was recorded under that name.
    pub(crate) fn open(typed: &ExperimentArguments) -> Result<(Self, Store), Failure> {
        if typed.experiment.exists() && !workplace::is_bundle() {
            let plan = plan(typed, Scope::default())?;
            let store = Store::open(&plan.workplace.home)?;
            return Ok((Self::of_plan(&plan), store));
        }
        let store = workplace::store(None)?;
        let name = typed.experiment.display().to_string();
        let Some(record) = store.last_sweep(&name)? else {
            return Err(unknown(&name, &store)?);
        };
        if !typed.overrides.is_empty() || typed.device.is_some() {
            let file = record.file.display();
            return Err(Failure::user(format!(
                "`{name}` is a recorded sweep, which cannot be changed"
            ))
            .hint(format!("changes belong to the experiment's file: ablate table {file} …")));
        }
        Ok((Self::of_record(record), store))
    }

    /// An experiment as it is planned now.
    pub(crate) fn of_plan(plan: &Plan) -> Self {
        let mut record = plan.record();
        let mut rule_of_seeds = None;
        if let Seeds::Sequential(rule) = &plan.experiment.sweep.seeds {
            rule_of_seeds = Some(SequentialSeeds {
                half_width: Some(rule.until_ci_half_width),
                max: rule.max as usize,
            });
            record.trials = plan
                .experiment
                .sweep
                .seeds
                .all()
                .into_iter()
                .flat_map(|seed| plan.variants.iter().map(move |variant| (seed, variant)))
                .map(|(seed, variant)| TrialRecord {
                    variant: variant.name.clone(),
                    seed,
                    identity: variant.identity.of_seed(seed),
                })
                .collect();
        }
        Self { sequential: rule_of_seeds, ..Self::of_record(record) }
    }

    fn of_record(record: SweepRecord) -> Self {
        let mut seeds = record.seeds.clone();
        let known: BTreeSet<u64> = seeds.iter().copied().collect();
        let added: BTreeSet<u64> =
            record.trials.iter().map(|trial| trial.seed).filter(|s| !known.contains(s)).collect();
        seeds.extend(added);
        // Where not every variant has every seed, seeds were added one by one.
        let whole = record.trials.len() == record.variants.len() * seeds.len();
        let sequential = (!whole).then_some(SequentialSeeds { half_width: None, max: seeds.len() });
        Self { record, seeds, sequential, named: true }
    }

    /// Whether every variant should have this seed.
    pub(crate) fn is_wanted(&self, seed: u64) -> bool {
        self.record.seeds.contains(&seed)
    }

    /// What to type behind `ablate sweep` to run what is missing.
    pub(crate) fn sweep_words(&self, typed: &ExperimentArguments) -> String {
        if self.named && !typed.experiment.exists() {
            quoted(&self.record.file.display().to_string())
        } else {
            as_typed(typed)
        }
    }
}

fn unknown(name: &str, store: &Store) -> Result<Failure, Failure> {
    let known: BTreeSet<String> =
        store.sweeps()?.into_iter().map(|sweep| sweep.experiment).collect();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let what = if Path::new(name).components().count() > 1 {
        "file"
    } else {
        "file, and no recorded sweep"
    };
    let mut failure = Failure::user(format!("`{name}` is no {what}"));
    if let Some(near) = nearest(name, known.iter().copied()) {
        failure = failure.hint(format!("did you mean `{near}`?"));
    }
    Ok(if known.is_empty() {
        failure.hint("an experiment is a folder with `experiment.toml`, or a TOML file")
    } else {
        failure.hint(format!("recorded sweeps: `{}`", known.join("`, `")))
    })
}
