//! From what was typed to a checked list of trials: every variant resolved, its libraries found
//! (and built), its contracts unified, its data fingerprinted, its trials identified.

use crate::arguments::ExperimentArguments;
use crate::check::{CheckRequest, CheckedVariant, VariantRequest};
use crate::child::{self, Said};
use crate::failure::Failure;
use crate::identity::VariantIdentity;
use crate::located::{Located, locate};
use crate::progress::Progress;
use crate::schemas::CatalogSchemas;
use crate::workplace::Workplace;
use ablate_catalog::Freshness;
use ablate_config::{Experiment, Layers, Spec, nearest, resolve};
use ablate_sweep::{Variant, expand, trials};

/// An experiment ready to run.
pub(crate) struct Plan {
    pub(crate) experiment: Experiment,
    pub(crate) workplace: Workplace,
    pub(crate) variants: Vec<PlannedVariant>,
    /// Seed by seed, all variants of one seed first.
    pub(crate) trials: Vec<PlannedTrial>,
}

/// A variant with everything that is known before it runs.
pub(crate) struct PlannedVariant {
    pub(crate) name: String,
    pub(crate) baseline: bool,
    /// Keys that it sets over the base spec, as text.
    pub(crate) changes: Vec<String>,
    pub(crate) spec: Spec,
    pub(crate) components: Vec<Located>,
    pub(crate) checked: CheckedVariant,
    pub(crate) identity: VariantIdentity,
}

/// A trial with its identity.
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
}

/// Everything up to the first step, without running anything.
pub(crate) fn plan(arguments: &ExperimentArguments, scope: Scope<'_>) -> Result<Plan, Failure> {
    let experiment = load(arguments)?;
    let mut variants = expand(&experiment)?;
    if let Some(name) = scope.variant {
        variants = choose(variants, name)?;
    }
    let near = experiment.folder.clone();
    let mut workplace = Workplace::open(&experiment.plugins, Some(&near))?;
    let specs = resolve_all(&experiment, &variants, &mut workplace)?;
    let mut located = Vec::with_capacity(specs.len());
    for spec in &specs {
        let mut components = locate(spec, &workplace.catalog)?;
        if scope.store {
            for component in &mut components {
                let store = workplace.catalog.store();
                component.library = store.store_library(&component.library, &component.sha256)?;
            }
        }
        located.push(components);
    }
    let checked = check(&workplace, &variants, &specs, &located)?;
    let schemas = CatalogSchemas::new(&workplace.catalog);
    let mut planned = Vec::with_capacity(variants.len());
    for (((variant, spec), components), checked) in
        variants.iter().zip(specs).zip(located).zip(checked)
    {
        let identity = VariantIdentity::new(&spec, &schemas, &components, &checked.fingerprint)?;
        planned.push(PlannedVariant {
            name: variant.name.clone(),
            baseline: variant.baseline,
            changes: variant
                .set
                .iter()
                .map(|(key, value)| format!("{key} = {}", value.to_json()))
                .collect(),
            spec,
            components,
            checked,
            identity,
        });
    }
    let seeds = scope.seed.map_or_else(|| experiment.sweep.seeds.clone(), |seed| vec![seed]);
    let trials = trials(&variants, &seeds)
        .into_iter()
        .map(|trial| PlannedTrial {
            variant: trial.variant,
            seed: trial.seed,
            identity: planned[trial.variant].identity.of_seed(trial.seed),
        })
        .collect();
    Ok(Plan { experiment, workplace, variants: planned, trials })
}

/// The experiment with what was typed and what the environment says put over it.
fn load(arguments: &ExperimentArguments) -> Result<Experiment, Failure> {
    let mut overrides = arguments.overrides.clone();
    overrides.extend(arguments.device.as_ref().map(|device| format!("device={device}")));
    let layers = Layers { overrides, environment: std::env::vars().collect() };
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
fn resolve_all(
    experiment: &Experiment,
    variants: &[Variant],
    workplace: &mut Workplace,
) -> Result<Vec<Spec>, Failure> {
    let mut built = false;
    loop {
        let (result, unknown) = try_resolve(experiment, variants, workplace);
        if built {
            return result;
        }
        let used: Vec<String> = match &result {
            Ok(specs) => specs
                .iter()
                .filter_map(|spec| locate(spec, &workplace.catalog).ok())
                .flatten()
                .map(|component| component.plugin)
                .collect(),
            Err(_) => Vec::new(),
        };
        built = workplace.build_outdated(|plugin, freshness| {
            (unknown && matches!(freshness, Freshness::Missing)) || used.contains(&plugin.plugin)
        })?;
        if !built {
            return result;
        }
    }
}

/// The specs, and whether a name was asked for that no plugin has.
fn try_resolve(
    experiment: &Experiment,
    variants: &[Variant],
    workplace: &Workplace,
) -> (Result<Vec<Spec>, Failure>, bool) {
    let schemas = CatalogSchemas::new(&workplace.catalog);
    let mut specs = Vec::with_capacity(variants.len());
    for variant in variants {
        let spec = experiment.with(&variant.set).and_then(|tree| resolve(&tree, &schemas));
        match spec {
            Ok(spec) => specs.push(spec),
            Err(error) => {
                // A name that two plugins export is not an unknown name.
                let failure = match schemas.take_error() {
                    Some(other) => Failure::from(other),
                    None => Failure::from(error),
                };
                return (Err(failure), schemas.met_unknown());
            }
        }
    }
    (Ok(specs), schemas.met_unknown())
}

/// Contracts, parameter counts and fingerprints of all variants, from one child process.
fn check(
    workplace: &Workplace,
    variants: &[Variant],
    specs: &[Spec],
    located: &[Vec<Located>],
) -> Result<Vec<CheckedVariant>, Failure> {
    let variants = variants.iter().zip(specs).zip(located);
    let request = CheckRequest {
        home: workplace.home.clone(),
        variants: variants
            .map(|((variant, spec), components)| VariantRequest {
                name: variant.name.clone(),
                spec: spec.clone(),
                components: components.clone(),
            })
            .collect(),
    };
    // A fingerprint may need a look at all of the data.
    let progress = Progress::new(0);
    let checked = child::ask("__check", &request, None, |said| {
        if let Said::Progress { task, done, total } = said {
            progress.preparing(task, *done, *total);
        }
    });
    progress.close();
    checked
}

impl Plan {
    /// Threads of one trial.
    pub(crate) fn threads(&self) -> usize {
        self.variants.iter().filter_map(|variant| variant.spec.threads).max().unwrap_or(1)
    }

    /// The name of the variant that the others are compared with.
    pub(crate) fn baseline(&self) -> &str {
        let baseline = self.variants.iter().find(|variant| variant.baseline);
        baseline.or(self.variants.first()).map_or("", |variant| &variant.name)
    }
}
