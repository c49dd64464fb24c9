//! Checking all variants in one child process: the data's identity, contracts, parameter counts.

use crate::child::{self, Said};
use crate::factory::{Answers, LoadedFactory};
use crate::failure::Failure;
use crate::lineage::needs::AtHand;
use crate::located::{Located, plugin_of};
use crate::printer;
use crate::services::Reporting;
use ablate_abi::v1::SharedDataset;
use ablate_config::{ComponentSpec, Spec};
use ablate_loader::Loader;
use ablate_train::{Bound, assemble, bind, check_groups, check_splits, parameters};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

static STOP: AtomicBool = AtomicBool::new(false);

/// How far variants are looked at; each includes those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Depth {
    /// The identity of the data: enough to find runs.
    #[default]
    Data,
    /// The contracts of all components unify.
    Contracts,
    /// The components, made and thrown away: contracts for people, parameter counts, and what only a
    /// constructor sees.
    Parts,
}

/// The variants to check.
#[derive(Serialize, Deserialize)]
pub(crate) struct CheckRequest {
    pub(crate) home: PathBuf,
    pub(crate) depth: Depth,
    /// Whether an error has to say which variant it is about.
    pub(crate) several: bool,
    /// Components of the variants, each once.
    pub(crate) components: Vec<Located>,
    pub(crate) variants: Vec<VariantRequest>,
}

/// One variant to check.
#[derive(Serialize, Deserialize)]
pub(crate) struct VariantRequest {
    pub(crate) name: String,
    pub(crate) spec: Spec,
    /// Positions in [`CheckRequest::components`].
    pub(crate) components: Vec<usize>,
    /// What is known of its data, which is not asked for again.
    pub(crate) data: Option<Data>,
    /// The artifacts that its config names.
    pub(crate) at_hand: AtHand,
}

/// What is known of a variant.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct CheckedVariant {
    /// Trainable parameters by component path; `None` if they were not counted, as before what the variant
    /// is made from is there.
    pub(crate) parameters: Option<Vec<(String, u64)>>,
    pub(crate) contracts: Vec<ContractLine>,
    /// Names of the files that artifacts are published as, by component path.
    pub(crate) publishes: BTreeMap<String, String>,
    /// Identity of the data; `None` before what it is made from is there.
    pub(crate) fingerprint: Option<String>,
    /// Where the data comes from.
    pub(crate) sources: Vec<String>,
}

/// One tensor of a contract.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct ContractLine {
    pub(crate) component: String,
    /// `input` or `output`.
    pub(crate) direction: String,
    pub(crate) tensor: String,
    pub(crate) dtype: String,
    /// Sizes, or symbols where the size is known only from the batch.
    pub(crate) shape: Vec<Value>,
}

/// All of a spec that is looked at: variants with equal keys need only one look.
pub(crate) fn key(depth: Depth, spec: &Spec) -> Result<String, Failure> {
    let Spec { device, dataset, model, blocks, losses, metrics, artifacts, train, .. } = spec;
    let groups: Vec<&String> = train.optimizer.groups.keys().collect();
    if depth == Depth::Data {
        return Ok(serde_json::to_string(&(device, dataset))?);
    }
    let measured = (losses, metrics, artifacts);
    Ok(serde_json::to_string(&(device, dataset, model, blocks, measured, groups))?)
}

impl CheckedVariant {
    /// Trainable parameters of the whole variant.
    pub(crate) fn total(&self) -> Option<u64> {
        let parameters = self.parameters.as_ref()?;
        Some(parameters.iter().map(|(_, count)| count).sum())
    }

    /// Trainable parameters of the component at `path`.
    pub(crate) fn parameters_of(&self, path: &str) -> u64 {
        let parameters = self.parameters.as_deref().unwrap_or_default();
        parameters.iter().find(|(known, _)| known == path).map_or(0, |(_, count)| *count)
    }
}

/// The child's side.
pub(crate) fn serve() -> Result<u8, Failure> {
    child::stop_with_parent(&STOP);
    child::serve(|| {
        let request: CheckRequest = child::request()?;
        ablate_train::watch_components(|inside| {
            if !inside.is_empty() {
                printer::line(&Said::Entering(inside.to_owned()));
            }
        });
        let loader = Loader::new(Reporting::new(&request.home, &STOP)?, 1);
        let mut checker = Checker {
            loader: &loader,
            depth: request.depth,
            answers: Answers::default(),
            fingerprints: Vec::new(),
        };
        let mut checked = Vec::with_capacity(request.variants.len());
        for variant in &request.variants {
            let components: Vec<Located> =
                variant.components.iter().map(|index| request.components[*index].clone()).collect();
            if let Some(data) = &variant.data {
                checker.know(&variant.spec.dataset, data);
            }
            let looked = checker.look(variant, &components);
            checked.push(looked.map_err(|mut failure| {
                if request.several {
                    failure.message = format!("variant `{}`: {}", variant.name, failure.message);
                }
                failure
            })?);
        }
        Ok(checked)
    })
}

/// What a dataset says about its data: fingerprint and sources.
pub(crate) type Data = (String, Vec<String>);

struct Checker<'a> {
    loader: &'a Loader,
    depth: Depth,
    answers: Answers,
    fingerprints: Vec<(ComponentSpec, Data)>,
}

impl Checker<'_> {
    fn know(&mut self, dataset: &ComponentSpec, data: &Data) {
        if !self.fingerprints.iter().any(|(known, _)| known == dataset) {
            self.fingerprints.push((dataset.clone(), data.clone()));
        }
    }

    fn look(
        &mut self,
        variant: &VariantRequest,
        components: &[Located],
    ) -> Result<CheckedVariant, Failure> {
        let VariantRequest { spec, at_hand, .. } = variant;
        let answers = std::mem::take(&mut self.answers);
        let mut factory = LoadedFactory::new(self.loader, components)
            .with_answers(answers)
            .with_given(&at_hand.given);
        let mut checked = CheckedVariant {
            parameters: None,
            contracts: Vec::new(),
            publishes: BTreeMap::new(),
            fingerprint: None,
            sources: Vec::new(),
        };
        let mut parts = None;
        if self.depth >= Depth::Contracts {
            let bound = bind(spec, &mut factory).map_err(|error| blamed(error, components))?;
            if self.depth == Depth::Parts {
                checked.contracts = contract_lines(&bound, components);
                checked.publishes = files(spec, &bound);
            }
            // A component is not made before its artifacts are.
            if self.depth == Depth::Parts && at_hand.missing.is_empty() {
                let made = assemble(spec, bound, 0, &mut factory);
                let made = made.map_err(|error| blamed(error, components))?;
                check_groups(&made, &spec.train.optimizer)?;
                check_splits(&made)?;
                let counts = parameters(&made)?;
                let counts = counts.into_iter().map(|count| (count.path, count.trainable));
                checked.parameters = Some(counts.collect());
                parts = Some(made);
            }
        }
        let known = self.fingerprints.iter().find(|(known, _)| *known == spec.dataset);
        let data = if let Some((_, data)) = known {
            Some(data.clone())
        } else if at_hand.data_is_missing {
            None
        } else {
            let name = &spec.dataset.name;
            let data = match &parts {
                Some(parts) => data(name, parts.dataset())?,
                None => data(name, &factory.dataset(spec)?)?,
            };
            self.fingerprints.push((spec.dataset.clone(), data.clone()));
            Some(data)
        };
        if let Some((fingerprint, sources)) = data {
            (checked.fingerprint, checked.sources) = (Some(fingerprint), sources);
        }
        self.answers = factory.into_answers();
        if let Some(parts) = parts {
            parts.dismantle();
        }
        Ok(checked)
    }
}

/// The failure, with the plugin where it is the component's own fault and not that of the spec.
fn blamed(error: ablate_train::Error, components: &[Located]) -> Failure {
    let own = matches!(error.kind(), "panic" | "other" | "state");
    let mut failure = Failure::from(error);
    let plugin = plugin_of(&failure.message, components);
    failure.hints.extend(plugin.filter(|_| own));
    failure
}

fn data(name: &str, dataset: &SharedDataset) -> Result<Data, Failure> {
    printer::line(&Said::Entering(format!("the fingerprint of dataset `{name}`")));
    let failed = |error| Failure::from_plugin("dataset", name, &error);
    let fingerprint = dataset.fingerprint().into_result().map_err(failed)?.into_string();
    let sources = dataset.sources().into_result().map_err(failed)?;
    Ok((fingerprint, sources.into_iter().map(Into::into).collect()))
}

/// The files that the artifacts of a spec are published as.
fn files(spec: &Spec, bound: &Bound) -> BTreeMap<String, String> {
    let paths = spec.artifacts.iter().map(|artifact| format!("artifact.{}", artifact.name));
    let file = |path: &String| bound.contracts.get(path)?.publishes.clone();
    paths.filter_map(|path| Some((path.clone(), file(&path)?))).collect()
}

fn contract_lines(bound: &Bound, components: &[Located]) -> Vec<ContractLine> {
    let mut lines = Vec::new();
    for component in components {
        let Some(contract) = bound.contracts.get(&component.path) else { continue };
        let inputs = contract.inputs.iter().map(|port| ("input", port));
        let outputs = contract.outputs.iter().map(|port| ("output", port));
        for (direction, port) in inputs.chain(outputs) {
            let shape = serde_json::to_value(&port.shape).ok();
            lines.push(ContractLine {
                component: component.path.clone(),
                direction: direction.to_owned(),
                tensor: port.name.clone(),
                dtype: port.dtype.to_string(),
                shape: shape.and_then(|s| s.as_array().cloned()).unwrap_or_default(),
            });
        }
    }
    lines
}
