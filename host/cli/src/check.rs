//! Checking all variants in one child process: contracts, parameter counts, the data's identity.

use crate::child::{self, Said};
use crate::factory::LoadedFactory;
use crate::failure::Failure;
use crate::located::Located;
use crate::printer;
use crate::services::Reporting;
use ablate_config::{ComponentSpec, Spec};
use ablate_loader::Loader;
use ablate_train::{Bound, assemble, bind, parameters};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

static STOP: AtomicBool = AtomicBool::new(false);

/// The variants to check.
#[derive(Serialize, Deserialize)]
pub(crate) struct CheckRequest {
    pub(crate) home: PathBuf,
    pub(crate) variants: Vec<VariantRequest>,
}

/// One variant to check.
#[derive(Serialize, Deserialize)]
pub(crate) struct VariantRequest {
    pub(crate) name: String,
    pub(crate) spec: Spec,
    pub(crate) components: Vec<Located>,
}

/// What is known of a variant once its components have been made.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct CheckedVariant {
    /// Trainable parameters by component path.
    pub(crate) parameters: Vec<(String, u64)>,
    pub(crate) contracts: Vec<ContractLine>,
    /// Identity of the data.
    pub(crate) fingerprint: String,
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

impl CheckedVariant {
    /// Trainable parameters of the whole variant.
    pub(crate) fn total(&self) -> u64 {
        self.parameters.iter().map(|(_, count)| count).sum()
    }

    /// Trainable parameters of the component at `path`.
    pub(crate) fn parameters_of(&self, path: &str) -> u64 {
        self.parameters.iter().find(|(known, _)| known == path).map_or(0, |(_, count)| *count)
    }
}

/// The child's side.
pub(crate) fn serve() -> Result<u8, Failure> {
    child::stop_with_parent(&STOP);
    child::serve(|| {
        let request: CheckRequest = child::request()?;
        let loader = Loader::new(Reporting::new(&request.home, &STOP), 1);
        let mut fingerprints: Vec<(ComponentSpec, String, Vec<String>)> = Vec::new();
        let mut checked = Vec::with_capacity(request.variants.len());
        for variant in &request.variants {
            let answer = check(variant, &loader, &mut fingerprints);
            let several = request.variants.len() > 1;
            checked.push(answer.map_err(|mut failure| {
                if several {
                    failure.message = format!("variant `{}`: {}", variant.name, failure.message);
                }
                failure
            })?);
        }
        Ok(checked)
    })
}

fn check(
    variant: &VariantRequest,
    loader: &Loader,
    fingerprints: &mut Vec<(ComponentSpec, String, Vec<String>)>,
) -> Result<CheckedVariant, Failure> {
    let spec = &variant.spec;
    let mut factory = LoadedFactory::new(loader, &variant.components);
    let bound = bind(spec, &mut factory)?;
    let parts = assemble(spec, bound, 0, &mut factory)?;
    let known = fingerprints.iter().find(|(dataset, _, _)| *dataset == spec.dataset);
    let (fingerprint, sources) = if let Some((_, fingerprint, sources)) = known {
        (fingerprint.clone(), sources.clone())
    } else {
        let name = &spec.dataset.name;
        printer::line(&Said::Entering(format!("the fingerprint of dataset `{name}`")));
        let failed = |error| Failure::from_plugin("dataset", name, &error);
        let dataset = parts.dataset();
        let fingerprint = dataset.fingerprint().into_result().map_err(failed)?.into_string();
        let sources = dataset.sources().into_result().map_err(failed)?;
        let sources: Vec<String> = sources.into_iter().map(Into::into).collect();
        fingerprints.push((spec.dataset.clone(), fingerprint.clone(), sources.clone()));
        (fingerprint, sources)
    };
    let contracts = contract_lines(parts.bound(), &variant.components);
    let counts = parameters(&parts)?;
    let parameters = counts.into_iter().map(|count| (count.path, count.trainable)).collect();
    Ok(CheckedVariant { parameters, contracts, fingerprint, sources })
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
