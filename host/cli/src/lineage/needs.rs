//! Which trials have to be done before others, and what those are then given.

use super::{Given, Input, InputSource, MadeBy, done, producers::Producer, published};
use crate::failure::Failure;
use crate::identity::{Need, VariantIdentity};
use crate::plan::{Plan, PlannedTrial, PlannedVariant};
use ablate_config::Experiment;
use ablate_runs::Store;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What there is of a variant's artifacts before any of its trials runs: enough to look at its data, and
/// where nothing is missing at its components.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct AtHand {
    pub(crate) given: Vec<Given>,
    /// The keys of those that are not made yet.
    pub(crate) missing: Vec<String>,
    /// Whether the data needs one of these.
    pub(crate) data_is_missing: bool,
}

/// The artifacts of the first of `seeds` for which all are there, else of the first whose data is.
pub(crate) fn at_hand(
    inputs: &[Input],
    seeds: &[u64],
    producers: &[Producer],
    store: Option<&Store>,
) -> AtHand {
    let mut best: Option<AtHand> = None;
    for &seed in seeds {
        let mut found = AtHand::default();
        for input in inputs {
            // What is lost is missing here; whoever needs it for a trial says so.
            let given = store.map(|store| given(input, seed, producers, store));
            if let Some(Ok(Some(given))) = given {
                found.given.push(given);
            } else {
                found.missing.push(input.key.clone());
                found.data_is_missing |= input.is_data();
            }
        }
        if found.missing.is_empty() {
            return found;
        }
        let is_better = |best: &AtHand| best.data_is_missing && !found.data_is_missing;
        if best.as_ref().is_none_or(is_better) {
            best = Some(found);
        }
    }
    best.unwrap_or_default()
}

/// What an input is for the trial of a seed; `None` where it is not made yet.
///
/// # Errors
/// It was made and is lost.
fn given(
    input: &Input,
    seed: u64,
    producers: &[Producer],
    store: &Store,
) -> Result<Option<Given>, Failure> {
    let Input { key, component, name, source, .. } = input;
    let (key, component, name) = (key.clone(), component.clone(), name.clone());
    let (producer, asked, artifact) = match source {
        InputSource::File { path, sha256, bytes } => {
            let (path, sha256, bytes) = (path.clone(), sha256.clone(), *bytes);
            return Ok(Some(Given { key, component, name, path, sha256, bytes, from: None }));
        }
        InputSource::Trial { producer, seed, artifact } => (&producers[*producer], seed, artifact),
    };
    let seed = asked.unwrap_or(seed);
    let identity = producer.variant.identity.of_seed(seed);
    let Some(run) = done(store, &identity)? else { return Ok(None) };
    let found = published(&run, artifact).map_err(|mut failure| {
        failure.message = format!("{}: {}", input.at, failure.message);
        failure
    })?;
    let from = MadeBy {
        run: run.id().to_string(),
        experiment: producer.experiment.name.clone(),
        variant: producer.variant.name.clone(),
        seed,
        identity,
        artifact: artifact.clone(),
    };
    let (path, sha256, bytes) = (found.path, found.sha256, found.bytes);
    Ok(Some(Given { key, component, name, path, sha256, bytes, from: Some(from) }))
}

/// What inputs add to an identity.
pub(crate) fn identity_needs(inputs: &[Input], producers: &[Producer]) -> Vec<Need> {
    let need = |input: &Input| match &input.source {
        InputSource::File { sha256, .. } => Need::content(&input.key, sha256),
        InputSource::Trial { producer, seed, artifact } => {
            let producer: &VariantIdentity = &producers[*producer].variant.identity;
            Need::trial(&input.key, artifact, producer.clone(), *seed)
        }
    };
    inputs.iter().map(need).collect()
}

impl Plan {
    /// A variant of the experiment or, behind those, of a producer.
    pub(crate) fn variant(&self, index: usize) -> &PlannedVariant {
        match index.checked_sub(self.variants.len()) {
            None => &self.variants[index],
            Some(producer) => &self.producers[producer].variant,
        }
    }

    /// The experiment that such a variant is of.
    pub(crate) fn experiment_of(&self, variant: usize) -> &Experiment {
        match variant.checked_sub(self.variants.len()) {
            None => &self.experiment,
            Some(producer) => &self.producers[producer].experiment,
        }
    }

    /// The artifact and its variant, with a seed where one is named, or the path of a file.
    pub(crate) fn describe_input(&self, input: &Input) -> String {
        match &input.source {
            InputSource::File { path, .. } => format!("file `{}`", path.display()),
            InputSource::Trial { producer, seed, artifact } => {
                let seed = seed.map_or(String::new(), |seed| format!(" · seed {seed}"));
                format!("`{artifact}` of {}{seed}", self.producers[*producer].label())
            }
        }
    }

    /// Whether a variant is of the experiment itself.
    pub(crate) fn is_own(&self, variant: usize) -> bool {
        variant < self.variants.len()
    }

    /// `mean`, of another experiment `rqvae · mean`.
    pub(crate) fn name(&self, variant: usize) -> String {
        match variant.checked_sub(self.variants.len()) {
            None => self.variants[variant].name.clone(),
            Some(producer) => self.producers[producer].label(),
        }
    }

    /// `mean seed 0`, of another experiment `rqvae · mean seed 0`.
    pub(crate) fn label(&self, trial: &PlannedTrial) -> String {
        format!("{} seed {}", self.name(trial.variant), trial.seed)
    }

    /// The trials that a trial is made from.
    pub(crate) fn needs(&self, trial: &PlannedTrial) -> Vec<Needed<'_>> {
        let inputs = self.variant(trial.variant).inputs.iter();
        inputs
            .filter_map(|input| match &input.source {
                InputSource::File { .. } => None,
                InputSource::Trial { producer, seed, artifact } => {
                    let seed = seed.unwrap_or(trial.seed);
                    let identity = self.producers[*producer].variant.identity.of_seed(seed);
                    // An experiment may read what another of its own variants publishes.
                    let own = self.trials.iter().find(|own| own.identity == identity).cloned();
                    let variant = self.variants.len() + producer;
                    let trial = own.unwrap_or(PlannedTrial { variant, seed, identity });
                    Some(Needed { trial, artifact, key: &input.key })
                }
            })
            .collect()
    }

    /// All that `trials` are made from, directly or not.
    ///
    /// # Errors
    /// An artifact of a trial that is done is lost.
    pub(crate) fn all_needs<'t>(
        &self,
        store: &Store,
        trials: impl IntoIterator<Item = &'t PlannedTrial>,
    ) -> Result<Needs, Failure> {
        let mut walk = Walk { plan: self, store, seen: BTreeSet::new(), found: Needs::default() };
        trials.into_iter().try_for_each(|trial| walk.visit(trial))?;
        Ok(walk.found)
    }

    /// What a trial is given.
    ///
    /// # Errors
    /// Something is not made yet, or lost.
    pub(crate) fn given(&self, store: &Store, trial: &PlannedTrial) -> Result<Vec<Given>, Failure> {
        let inputs = self.variant(trial.variant).inputs.iter();
        inputs
            .map(|input| {
                let found = given(input, trial.seed, &self.producers, store)?;
                found.ok_or_else(|| {
                    let text = format!("{}: it is not made yet", input.at);
                    Failure::unexpected(text).hint("the same command again makes it")
                })
            })
            .collect()
    }

    /// Refuses seeds that a producer does not have.
    pub(crate) fn check_seeds(&self, seeds: &[u64]) -> Result<(), Failure> {
        let mut seen = BTreeSet::new();
        for variant in 0..self.variants.len() {
            for &seed in seeds {
                self.check_seed(variant, seed, &mut seen)?;
            }
        }
        Ok(())
    }

    fn check_seed(
        &self,
        variant: usize,
        seed: u64,
        seen: &mut BTreeSet<(usize, u64)>,
    ) -> Result<(), Failure> {
        if !seen.insert((variant, seed)) {
            return Ok(());
        }
        for input in &self.variant(variant).inputs {
            let InputSource::Trial { producer, seed: asked, .. } = &input.source else { continue };
            let found = &self.producers[*producer];
            let wanted = asked.unwrap_or(seed);
            let known = found.experiment.sweep.seeds.all();
            if !known.contains(&wanted) {
                let (at, label) = (&input.at, found.label());
                let known: Vec<String> = known.iter().map(ToString::to_string).collect();
                let why = if asked.is_some() { "" } else { ", which its reader has" };
                let failure = Failure::user(format!("{at}: `{label}` has no seed {wanted}{why}"));
                let file = found.experiment.file.display();
                return Err(failure
                    .hint(format!("`sweep.seeds` in `{file}` are {}", known.join(", ")))
                    .hint("`seed = 0` beside `artifact` names one of them for all trials"));
            }
            self.check_seed(self.variants.len() + producer, wanted, seen)?;
        }
        Ok(())
    }
}

/// A trial that another is made from.
pub(crate) struct Needed<'a> {
    pub(crate) trial: PlannedTrial,
    /// What of it is read.
    pub(crate) artifact: &'a str,
    /// The key that names it.
    pub(crate) key: &'a str,
}

/// Everything that some trials are made from.
#[derive(Default)]
pub(crate) struct Needs {
    /// Trials that are not done; what comes first is made first.
    pub(crate) to_run: Vec<PlannedTrial>,
    /// Trials of other experiments that are.
    pub(crate) reused: Vec<PlannedTrial>,
    /// By variant, what of it is read and by whom.
    pub(crate) why: BTreeMap<usize, BTreeSet<String>>,
}

impl Needs {
    /// Without the trials of the experiment itself, which are planned anyway.
    pub(crate) fn of_others(mut self, plan: &Plan) -> Self {
        self.to_run.retain(|trial| !plan.is_own(trial.variant));
        self
    }

    /// The variants of what is to run, each once.
    pub(crate) fn variants(&self) -> Vec<usize> {
        let variants: BTreeSet<usize> = self.to_run.iter().map(|trial| trial.variant).collect();
        variants.into_iter().collect()
    }
}

struct Walk<'a> {
    plan: &'a Plan,
    store: &'a Store,
    seen: BTreeSet<String>,
    found: Needs,
}

impl Walk<'_> {
    fn visit(&mut self, reader: &PlannedTrial) -> Result<(), Failure> {
        for Needed { trial, artifact, key } in self.plan.needs(reader) {
            let why = format!("`{artifact}` as `{key}` of {}", self.plan.name(reader.variant));
            self.found.why.entry(trial.variant).or_default().insert(why);
            let done = done(self.store, &trial.identity)?;
            if let Some(run) = &done {
                published(run, artifact)?;
            }
            if !self.seen.insert(trial.identity.clone()) {
                continue;
            }
            match done {
                Some(_) if self.plan.is_own(trial.variant) => {}
                Some(_) => self.found.reused.push(trial),
                None => {
                    self.visit(&trial)?;
                    self.found.to_run.push(trial);
                }
            }
        }
        Ok(())
    }
}
