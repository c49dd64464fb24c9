//! From what was typed to a checked list of trials: every variant resolved, its libraries found
//! (and built), its contracts unified, its data fingerprinted, its trials identified.

use crate::arguments::ExperimentArguments;
use crate::check::{self, CheckRequest, CheckedVariant, Data, Depth, VariantRequest};
use crate::child::{self, Said, Until};
use crate::failure::Failure;
use crate::identity::VariantIdentity;
use crate::lineage::Input;
use crate::lineage::needs::{AtHand, at_hand, identity_needs};
use crate::lineage::producers::{Asking, Producer, Producers};
use crate::located::{Located, locate, plugin_of};
use crate::printer;
use crate::progress::Progress;
use crate::schemas::CatalogSchemas;
use crate::sweep::counted;
use crate::workplace::Workplace;
use ablate_catalog::{Catalog, Freshness, Lock, Pin, Unpinned};
use ablate_config::{Experiment, Layers, Spec, nearest};
use ablate_runs::{Store, SweepRecord, TrialRecord, VariantRecord};
use ablate_sweep::{Variant, expand, trials};
use chrono::{SubsecRound, Utc};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::thread::ScopedJoinHandle;

/// Where the components of all variants are asked for, they are made of so many; of more the contracts
/// are proven.
const MADE_AT_ONCE: usize = 50;

/// With fewer variants a thread takes longer to start than it saves.
const IDENTITIES_PER_THREAD: usize = 50;

/// An experiment ready to run.
pub(crate) struct Plan {
    pub(crate) experiment: Experiment,
    pub(crate) workplace: Workplace,
    pub(crate) variants: Vec<PlannedVariant>,
    /// The seeds that every variant has.
    pub(crate) seeds: Vec<u64>,
    /// Seed by seed, all variants of one seed first.
    pub(crate) trials: Vec<PlannedTrial>,
    /// What the variants, and each other, are made from.
    pub(crate) producers: Vec<Producer>,
}

/// A variant with everything that is known before it runs.
pub(crate) struct PlannedVariant {
    pub(crate) name: String,
    pub(crate) baseline: bool,
    /// What it sets over the base spec.
    pub(crate) set: Vec<(String, Value)>,
    pub(crate) spec: Spec,
    pub(crate) components: Vec<Located>,
    pub(crate) checked: CheckedVariant,
    pub(crate) identity: VariantIdentity,
    /// The artifacts that its config names.
    pub(crate) inputs: Vec<Input>,
    /// Those of them that were there when it was planned.
    pub(crate) at_hand: AtHand,
}

/// A trial with its identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlannedTrial {
    pub(crate) variant: usize,
    pub(crate) seed: u64,
    pub(crate) identity: String,
}

/// Which part of an experiment is planned, and from where its libraries are loaded.
#[derive(Clone, Copy, Default)]
pub(crate) struct Scope<'a> {
    /// Only this variant; `Some("")` is the baseline.
    pub(crate) variant: Option<&'a str>,
    /// Only this seed.
    pub(crate) seed: Option<u64>,
    /// Copy libraries into the store and plan with the copies: a rebuild half-way through a sweep
    /// then changes nothing.
    pub(crate) store: bool,
    /// How far variants are looked at.
    pub(crate) depth: Depth,
}

/// Everything up to the first step, without running anything.
pub(crate) fn plan(arguments: &ExperimentArguments, scope: Scope<'_>) -> Result<Plan, Failure> {
    let mut producers = Producers::default();
    let plan = plan_in(arguments, scope, None, &mut producers)?;
    let plan = Plan { producers: producers.found, ..plan };
    let seeds = scope.seed.map_or_else(|| plan.experiment.sweep.seeds.all(), |seed| vec![seed]);
    plan.check_seeds(&seeds)?;
    Ok(plan)
}

/// The same without what it is made from, which is added to `producers`. With a `home`, it is itself what others
/// are made from: what its files say, whatever was typed and set for the others.
pub(crate) fn plan_in(
    arguments: &ExperimentArguments,
    scope: Scope<'_>,
    home: Option<&Path>,
    producers: &mut Producers,
) -> Result<Plan, Failure> {
    let experiment = load(arguments, home.is_none())?;
    let near = experiment.folder.clone();
    let mut workplace = Workplace::open(&experiment.plugins, Some(&near))?;
    if let Some(home) = home {
        home.clone_into(&mut workplace.home);
    }
    let mut variants = expand_all(&experiment, &mut workplace)?;
    if let Some(name) = scope.variant {
        variants = choose(variants, name)?;
    }
    let mut stored: HashMap<String, PathBuf> = HashMap::new();
    let mut located = Vec::with_capacity(variants.len());
    for variant in &variants {
        let mut components = locate(&variant.spec, &workplace.catalog)?;
        for Located { library, sha256, .. } in components.iter_mut().filter(|_| scope.store) {
            if !stored.contains_key(sha256) {
                let place = workplace.catalog.store().store_library(library, sha256)?;
                stored.insert(sha256.clone(), place);
            }
            library.clone_from(&stored[sha256]);
        }
        located.push(components);
    }
    pin(&experiment.folder, &located, arguments.update_lock)?;
    let (inputs, at_hand) =
        artifacts(arguments, &experiment, &variants, scope, &workplace, producers)?;
    let looks = variants.iter().zip(&located).zip(&at_hand);
    let looks = looks.map(|((variant, components), at_hand)| Look {
        name: &variant.name,
        spec: &variant.spec,
        components,
        data: None,
        at_hand,
    });
    let many = variants.len() > MADE_AT_ONCE && scope.depth == Depth::Parts;
    let depth = if many { Depth::Contracts } else { scope.depth };
    // The child takes as long as this.
    let (checked, identities) = std::thread::scope(|scope| {
        let checking = scope.spawn(|| check(&workplace, depth, looks));
        let sources = (&workplace.catalog, producers.found.as_slice());
        let identities = identities(&variants, &located, &inputs, sources);
        (joined(checking), identities)
    });
    let (checked, identities) = (checked?, identities?);
    let seeds = scope.seed.map_or_else(|| experiment.sweep.seeds.first(), |seed| vec![seed]);
    let trials = trials(&variants, &seeds);
    let mut planned = Vec::with_capacity(variants.len());
    let found =
        located.into_iter().zip(checked).zip(identities).zip(inputs.into_iter().zip(at_hand));
    for (variant, found) in variants.into_iter().zip(found) {
        let (((components, checked), identity), (inputs, at_hand)) = found;
        let spec = variant.spec;
        let identity = identity.of_data(checked.fingerprint.as_deref());
        let set = variant.set.iter().map(|(key, value)| (key.to_string(), value.to_json()));
        planned.push(PlannedVariant {
            name: variant.name,
            baseline: variant.baseline,
            set: set.collect(),
            spec,
            components,
            checked,
            identity,
            inputs,
            at_hand,
        });
    }
    let trials = trials
        .into_iter()
        .map(|trial| PlannedTrial {
            variant: trial.variant,
            seed: trial.seed,
            identity: planned[trial.variant].identity.of_seed(trial.seed),
        })
        .collect();
    Ok(Plan { experiment, workplace, variants: planned, seeds, trials, producers: Vec::new() })
}

/// What every variant is made from, and what of it is there.
fn artifacts(
    arguments: &ExperimentArguments,
    experiment: &Experiment,
    variants: &[Variant],
    scope: Scope<'_>,
    workplace: &Workplace,
    producers: &mut Producers,
) -> Result<(Vec<Vec<Input>>, Vec<AtHand>), Failure> {
    let schemas = CatalogSchemas::new(&workplace.catalog);
    let (home, root) = (workplace.home.as_path(), workplace.root());
    let asking = Asking { experiment, scope, home, root, arguments };
    let inputs = variants.iter().map(|variant| producers.inputs(&asking, variant, &schemas));
    let inputs = inputs.collect::<Result<Vec<_>, Failure>>()?;
    let has_any = inputs.iter().any(|inputs| !inputs.is_empty());
    let store = if has_any { Some(Store::open(home)?) } else { None };
    let seeds = scope.seed.map_or_else(|| experiment.sweep.seeds.all(), |seed| vec![seed]);
    let found =
        inputs.iter().map(|inputs| at_hand(inputs, &seeds, &producers.found, store.as_ref()));
    let found = found.collect();
    Ok((inputs, found))
}

/// The identity of each variant, over all cores where there are many.
fn identities(
    variants: &[Variant],
    located: &[Vec<Located>],
    inputs: &[Vec<Input>],
    (catalog, producers): (&Catalog, &[Producer]),
) -> Result<Vec<VariantIdentity>, Failure> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let share = variants.len().div_ceil(cores).max(IDENTITIES_PER_THREAD);
    std::thread::scope(|scope| {
        let shares = variants.chunks(share).zip(located.chunks(share)).zip(inputs.chunks(share));
        let threads = shares.map(|((variants, located), inputs)| {
            scope.spawn(move || {
                let schemas = CatalogSchemas::new(catalog);
                let each = variants.iter().zip(located).zip(inputs);
                each.map(|((variant, components), inputs)| {
                    let needs = identity_needs(inputs, producers);
                    VariantIdentity::new(&variant.spec, &schemas, components, needs)
                })
                .collect::<Result<Vec<_>, _>>()
            })
        });
        let threads: Vec<_> = threads.collect();
        let shares: Result<Vec<_>, _> = threads.into_iter().map(joined).collect();
        Ok(shares?.into_iter().flatten().collect())
    })
}

/// What a thread gave; its panic goes on here.
fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Refuses libraries that are not those of the lock beside the experiment, or pins them.
fn pin(folder: &Path, located: &[Vec<Located>], update: bool) -> Result<(), Failure> {
    let used: BTreeMap<&str, Pin> = located
        .iter()
        .flatten()
        .map(|Located { plugin, version, sha256, .. }| {
            let (name, version) = (plugin.clone(), version.clone());
            (plugin.as_str(), Pin { name, version, sha256: sha256.clone() })
        })
        .collect();
    let used: Vec<Pin> = used.into_values().collect();
    if update {
        for Unpinned { found, .. } in Lock::update(folder, &used)? {
            printer::note(&format!("pinned plugin `{}` {}", found.name, found.version));
        }
    } else if let Some(lock) = Lock::read(folder)? {
        lock.check(&used)?;
    }
    Ok(())
}

/// The experiment with what was typed and what the environment says put over it; unless it is the one that was
/// typed, only what says where plugins are.
fn load(arguments: &ExperimentArguments, is_typed: bool) -> Result<Experiment, Failure> {
    let mut overrides = arguments.overrides.clone();
    overrides.extend(arguments.device.as_ref().map(|device| format!("device={device}")));
    let counts = |name: &str| is_typed || name.starts_with("ABLATE_SET__plugins__");
    let environment = std::env::vars().filter(|(name, _)| counts(name)).collect();
    let layers = Layers { overrides, environment };
    Ok(ablate_config::load(&arguments.experiment, &layers)?)
}

fn choose(variants: Vec<Variant>, name: &str) -> Result<Vec<Variant>, Failure> {
    let known: Vec<String> = variants.iter().map(|variant| variant.name.clone()).collect();
    let chosen = variants
        .into_iter()
        .find(|variant| if name.is_empty() { variant.baseline } else { variant.name == name });
    chosen.map(|variant| vec![variant]).ok_or_else(|| {
        let failure = Failure::user(format!("the experiment has no variant `{name}`"));
        let failure = match nearest(name, known.iter().map(String::as_str)) {
            Some(near) => failure.hint(format!("did you mean `{near}`?")),
            None => failure,
        };
        failure.hint(format!("it has `{}`", known.join("`, `")))
    })
}

/// Resolves every variant. Plugins of the workspace that are needed and not built, or older than
/// their sources, are built first.
fn expand_all(experiment: &Experiment, workplace: &mut Workplace) -> Result<Vec<Variant>, Failure> {
    let mut built = false;
    loop {
        let (result, unknown) = try_expand(experiment, workplace);
        if built {
            return result;
        }
        let used: BTreeSet<String> = match &result {
            Ok(variants) => variants
                .iter()
                .filter_map(|variant| locate(&variant.spec, &workplace.catalog).ok())
                .flatten()
                .map(|component| component.plugin)
                .collect(),
            Err(_) => BTreeSet::new(),
        };
        built = workplace.build_outdated(|plugin, freshness| {
            (unknown && matches!(freshness, Freshness::Missing)) || used.contains(&plugin.plugin)
        })?;
        if !built {
            return result;
        }
    }
}

/// The variants, and whether a name was asked for that no plugin has.
fn try_expand(
    experiment: &Experiment,
    workplace: &Workplace,
) -> (Result<Vec<Variant>, Failure>, bool) {
    let schemas = CatalogSchemas::new(&workplace.catalog);
    let result = expand(experiment, &schemas).map_err(|error| match schemas.take_error() {
        // A name that two plugins export is not an unknown name.
        Some(other) => Failure::from(other),
        None => Failure::from(error),
    });
    (result, schemas.met_unknown())
}

/// A variant to look at.
struct Look<'a> {
    name: &'a str,
    spec: &'a Spec,
    components: &'a [Located],
    /// What is known of its data.
    data: Option<Data>,
    at_hand: &'a AtHand,
}

/// What one child process finds out about variants.
fn check<'a>(
    workplace: &Workplace,
    depth: Depth,
    looks: impl Iterator<Item = Look<'a>>,
) -> Result<Vec<CheckedVariant>, Failure> {
    let mut positions: HashMap<&Located, usize> = HashMap::new();
    let mut components: Vec<Located> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    let mut requests = Vec::new();
    let mut shared = Vec::new();
    for look in looks {
        let key = check::key(depth, look.spec)?;
        shared.push(*known.entry(key).or_insert(requests.len()));
        if shared.last() != Some(&requests.len()) {
            continue;
        }
        let mut indices = Vec::with_capacity(look.components.len());
        for component in look.components {
            indices.push(*positions.entry(component).or_insert_with(|| {
                components.push(component.clone());
                components.len() - 1
            }));
        }
        requests.push(VariantRequest {
            name: look.name.to_owned(),
            spec: look.spec.clone(),
            components: indices,
            data: look.data,
            at_hand: look.at_hand.clone(),
        });
    }
    let (home, several) = (workplace.home.clone(), shared.len() > 1);
    let request = CheckRequest { home, depth, several, components, variants: requests };
    // A fingerprint may need a look at all of the data.
    let progress = Progress::new();
    let checked: Result<Vec<CheckedVariant>, _> =
        child::ask("__check", &request, Until::Silent, |said| {
            if let Said::Progress { task, done, total } = said {
                progress.preparing(task, *done, *total);
            }
        });
    progress.close();
    let checked = checked.map_err(|mut failure| {
        let plugin = plugin_of(&failure.message, &request.components);
        failure.hints.extend(plugin.filter(|_| child::is_death(&failure)));
        failure
    })?;
    Ok(shared.into_iter().map(|index| checked[index].clone()).collect())
}

impl Plan {
    /// Looks at some of the variants more closely.
    pub(crate) fn look(&mut self, chosen: Vec<usize>, depth: Depth) -> Result<(), Failure> {
        if chosen.is_empty() {
            return Ok(());
        }
        let looks = chosen.iter().map(|&index| {
            let variant = self.variant(index);
            let PlannedVariant { name, spec, components, checked, at_hand, .. } = variant;
            let fingerprint = checked.fingerprint.clone();
            let data = fingerprint.map(|fingerprint| (fingerprint, checked.sources.clone()));
            Look { name, spec, components, data, at_hand }
        });
        let checked = check(&self.workplace, depth, looks)?;
        let own = self.variants.len();
        for (index, checked) in chosen.into_iter().zip(checked) {
            match index.checked_sub(own) {
                None => self.variants[index].checked = checked,
                Some(producer) => self.producers[producer].variant.checked = checked,
            }
        }
        Ok(())
    }

    /// The sweep in its resolved form.
    pub(crate) fn record(&self) -> SweepRecord {
        let json = |spec: &Spec| serde_json::to_value(spec).expect("a spec is plain JSON");
        SweepRecord {
            experiment: self.experiment.name.clone(),
            question: self.experiment.question.clone(),
            file: self.experiment.file.clone(),
            created: Utc::now().trunc_subsecs(3),
            baseline: self.baseline().to_owned(),
            seeds: self.seeds.clone(),
            variants: self
                .variants
                .iter()
                .map(|variant| VariantRecord {
                    name: variant.name.clone(),
                    set: variant.set.clone(),
                    spec: json(&variant.spec),
                })
                .collect(),
            trials: self
                .trials
                .iter()
                .map(|trial| TrialRecord {
                    variant: self.variants[trial.variant].name.clone(),
                    seed: trial.seed,
                    identity: trial.identity.clone(),
                })
                .collect(),
        }
    }

    /// `5 variants × 8 seeds`.
    pub(crate) fn size(&self) -> String {
        let (variants, seeds) = (self.variants.len(), self.seeds.len());
        format!("{} × {}", counted(variants, "variant"), counted(seeds, "seed"))
    }

    /// What a variant says otherwise than the baseline, a line per key.
    pub(crate) fn changes_against_baseline(&self, variant: &PlannedVariant) -> Vec<String> {
        let none = Vec::new();
        let baseline = self.variants.iter().find(|variant| variant.baseline);
        let baseline = baseline.map_or(&none, |baseline| &baseline.set);
        let own = variant.set.iter().filter(|change| !baseline.contains(change));
        let mut lines: Vec<String> = own.map(|(key, value)| format!("{key} = {value}")).collect();
        let undone = baseline.iter().filter(|(key, _)| variant.set.iter().all(|(k, _)| k != key));
        lines.extend(undone.map(|(key, _)| format!("{key} as in the base spec")));
        lines
    }

    /// Threads of one trial.
    pub(crate) fn threads(&self) -> usize {
        self.variants.iter().filter_map(|variant| variant.spec.threads).max().unwrap_or(1)
    }

    /// Threads of the trials of a variant, which may be of another experiment.
    pub(crate) fn threads_of(&self, variant: usize) -> usize {
        if self.is_own(variant) {
            self.threads()
        } else {
            self.variant(variant).spec.threads.unwrap_or(1)
        }
    }

    /// The name of the variant that the others are compared with.
    pub(crate) fn baseline(&self) -> &str {
        let baseline = self.variants.iter().find(|variant| variant.baseline);
        baseline.or(self.variants.first()).map_or("", |variant| &variant.name)
    }
}
