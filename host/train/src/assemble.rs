//! Makes the components of a trial: what fills a slot first, then its owner.

use std::fmt::Write as _;
use std::sync::Arc;

use ablate_abi::v1::{
    Component, Create, Dimension, OwnedMetric, PluginError, Property, RVec, SharedDataset,
    SharedDifferentiable, Slot, share,
};
use ablate_config::Spec;

use sha2::{Digest, Sha256};

use crate::bind::{Bound, bind_dataset};
use crate::checked::Checked;
use crate::contents;
use crate::describe::Factory;
use crate::error::Error;
use crate::guard::Guard;
use crate::layout::{Layout, Owner, Placed};
use crate::parts::{ArtifactPart, DatasetPart, Instance, LossPart, MetricPart, Parts};

/// Makes all components of a spec whose contracts were bound.
///
/// A block of its owner's own library is handed over as it is, so that it can be called natively. A block of another
/// library, and one that several slots share, is handed over behind the checks of the host.
///
/// # Errors
/// The first component that cannot be made.
pub fn assemble(
    spec: &Spec,
    bound: Bound,
    seed: u64,
    factory: &mut dyn Factory,
) -> Result<Parts, Error> {
    let layout = Layout::new(spec, factory)?;
    let mut made = make_all(spec, &bound, seed, &layout.placed, factory)?;
    let instances = layout.placed.iter().zip(&made);
    let instances = instances
        .filter(|(placed, _)| placed.owner == Owner::Training)
        .filter_map(|(placed, made)| {
            let handle = share(made.differentiable()?);
            Some(Instance { id: placed.id.clone(), handle })
        })
        .collect();
    let guard = |index: usize| guard(&layout.placed[index], &bound);
    let handle = |made: &[Made], index: usize| {
        share(made[index].differentiable().expect("a model or loss, as asked for"))
    };
    let model = Checked::new(guard(layout.model), handle(&made, layout.model));
    let losses = layout.losses.iter().zip(&spec.losses).zip(&bound.losses);
    let losses = losses
        .map(|((index, loss), wires)| LossPart {
            name: loss.name.clone(),
            weight: loss.weight,
            component: Checked::loss(guard(*index), handle(&made, *index)),
            wires: wires.clone(),
        })
        .collect();
    let metrics = layout.metrics.iter().zip(&spec.metrics).zip(&bound.metrics);
    let metrics = metrics
        .map(|((index, metric), wires)| MetricPart {
            id: layout.placed[*index].id.clone(),
            name: metric.name.clone(),
            objective: metric.objective,
            handle: take_metric(&mut made[*index]),
            wires: wires.clone(),
        })
        .collect();
    let artifacts = layout.artifacts.iter().zip(&spec.artifacts).zip(&bound.artifacts);
    let artifacts = artifacts
        .map(|((index, artifact), wires)| {
            let id = layout.placed[*index].id.clone();
            let file = bound.contracts[&id.path].publishes.clone();
            let metric = MetricPart {
                id,
                name: artifact.name.clone(),
                objective: false,
                handle: take_metric(&mut made[*index]),
                wires: wires.clone(),
            };
            let file = file.expect("`bind` saw to it");
            ArtifactPart { metric, file, splits: artifact.splits.clone() }
        })
        .collect();
    let Made::Dataset(handle) = std::mem::replace(&mut made[layout.dataset], Made::Taken) else {
        unreachable!("a dataset, as asked for");
    };
    let dataset = Arc::new(DatasetPart { guard: guard(layout.dataset), handle });
    Ok(Parts { dataset, model, losses, metrics, artifacts, instances, bound })
}

fn take_metric(made: &mut Made) -> OwnedMetric {
    match std::mem::replace(made, Made::Taken) {
        Made::Metric(handle) => handle,
        _ => unreachable!("a metric, as asked for"),
    }
}

/// Makes the dataset of a spec alone, with the blocks in its slots, as [`assemble`] does.
///
/// # Errors
/// Contracts that do not fit, and the first component that cannot be made.
pub fn dataset(spec: &Spec, factory: &mut dyn Factory) -> Result<SharedDataset, Error> {
    let placed = Layout::dataset(spec, factory)?;
    let bound = match placed.as_slice() {
        [_] => Bound::default(),
        placed => bind_dataset(placed, factory)?,
    };
    match make_all(spec, &bound, 0, &placed, factory)?.pop() {
        Some(Made::Dataset(handle)) => Ok(handle),
        _ => unreachable!("a dataset, as asked for"),
    }
}

fn make_all(
    spec: &Spec,
    bound: &Bound,
    seed: u64,
    placed: &[Placed<'_>],
    factory: &mut dyn Factory,
) -> Result<Vec<Made>, Error> {
    let mut maker = Maker { spec, bound, seed, factory, made: Vec::new(), identities: Vec::new() };
    for one in placed {
        let identity = maker.identity(one);
        let made = maker.make(one, placed)?;
        maker.made.push(made);
        maker.identities.push(identity);
    }
    Ok(maker.made)
}

fn guard(placed: &Placed<'_>, bound: &Bound) -> Guard {
    let contract = bound.contracts.get(&placed.id.path).cloned().unwrap_or_default();
    Guard { id: placed.id.clone(), contract }
}

/// A made component.
enum Made {
    Dataset(ablate_abi::v1::SharedDataset),
    Metric(ablate_abi::v1::OwnedMetric),
    /// With the same object behind checks, once a slot needed that.
    Differentiable(SharedDifferentiable, Option<SharedDifferentiable>),
    Taken,
}

impl Made {
    fn differentiable(&self) -> Option<&SharedDifferentiable> {
        match self {
            Self::Differentiable(handle, _) => Some(handle),
            _ => None,
        }
    }
}

struct Maker<'a, 'f> {
    spec: &'a Spec,
    bound: &'a Bound,
    seed: u64,
    factory: &'f mut dyn Factory,
    made: Vec<Made>,
    /// Of each that was made, what it computes from, as a sha256.
    identities: Vec<String>,
}

impl Maker<'_, '_> {
    fn make(&mut self, placed: &Placed<'_>, all: &[Placed<'_>]) -> Result<Made, Error> {
        let path = &placed.id.path;
        let failed = |error| Error::component(&placed.id, "start", error);
        let mut slots = RVec::new();
        for (slot, block) in &placed.slots {
            slots.push(self.slot(placed, slot, *block, &all[*block]));
        }
        let properties = placed.slots.iter().map(|(slot, block)| Property {
            name: format!("identity.{slot}").into(),
            value: self.identities[*block].as_str().into(),
        });
        let properties = properties.collect();
        let dimensions = self.bound.dimensions.get(path).into_iter().flatten();
        let dimension =
            |(name, size): &(String, u64)| Dimension { name: name.as_str().into(), size: *size };
        let given = self.factory.artifacts(path).into_iter().map(|artifact| Property {
            name: artifact.name.into(),
            value: artifact.path.to_string_lossy().into_owned().into(),
        });
        let request = Create {
            kind: placed.kind,
            name: placed.spec.name.as_str().into(),
            config: placed.spec.config.to_string().into(),
            path: path.as_str().into(),
            seed: self.seed_of(placed),
            device: self.spec.device.as_str().into(),
            dimensions: dimensions.map(dimension).collect(),
            slots,
            artifacts: given.collect(),
            properties,
        };
        let made = self.factory.create(placed.role.as_deref(), request);
        let Component { differentiable, dataset, metric } =
            made.map_err(|error| failed(self.explain(path, error)))?;
        if let Some(block) = differentiable.as_ref().into_option()
            && placed.owner != Owner::Training
        {
            let frozen = block.set_trainable("".into(), false).into_result();
            frozen.map_err(|error| Error::component(&placed.id, "freeze it", error))?;
        }
        let made = match placed.kind.name() {
            "dataset" => dataset.into_option().map(Made::Dataset),
            "metric" => metric.into_option().map(Made::Metric),
            _ => differentiable.into_option().map(|handle| Made::Differentiable(handle, None)),
        };
        let text = format!("its plugin made something else than a {}", placed.kind.name());
        made.ok_or_else(|| failed(PluginError::contract(text)))
    }

    /// Data is the same for all seeds: what prepares it is made before any of them is known.
    fn seed_of(&self, placed: &Placed<'_>) -> u64 {
        if placed.owner == Owner::Data { 0 } else { self.seed }
    }

    /// A text that differs wherever the component may compute something else from equal inputs
    /// before it is trained: its library, configuration, parameters, and what its slots hold; of
    /// what is frozen also the files that its configuration names.
    fn identity(&mut self, placed: &Placed<'_>) -> String {
        let (name, role) = (placed.spec.name.as_str(), placed.role.as_deref());
        let library = self.factory.sha256(placed.kind, name, role);
        let (config, seed) = (placed.spec.config.to_string(), self.seed_of(placed).to_string());
        let dimensions = format!("{:?}", self.bound.dimensions.get(&placed.id.path));
        let device = self.spec.device.as_str();
        let own = [&library, name, &config, &placed.id.path, &seed, &dimensions, device];
        // What is trained keeps nothing that it would have to tell apart, and files may be large.
        let trained = placed.owner == Owner::Training;
        let files = if trained { Vec::new() } else { contents::of_files(&placed.spec.config) };
        let files = files.iter().map(String::as_str);
        let given = self.factory.artifacts(&placed.id.path);
        let inner = placed.slots.iter().flat_map(|(slot, block)| [*slot, &self.identities[*block]]);
        let given = given.iter().flat_map(|artifact| [artifact.name.as_str(), &artifact.sha256]);
        let mut hash = Sha256::new();
        for part in own.into_iter().chain(inner).chain(given).chain(files) {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        hash.finalize().iter().fold(String::with_capacity(64), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// A slot of `owner` with the block that was made for it.
    fn slot(&mut self, owner: &Placed<'_>, slot: &str, block: usize, placed: &Placed<'_>) -> Slot {
        let image = self.factory.image(owner.kind, &owner.spec.name, owner.role.as_deref());
        let Made::Differentiable(handle, checked) = &mut self.made[block] else {
            unreachable!("slots hold blocks");
        };
        let shared = placed.uses > 1;
        let block = if shared || handle.image() != image {
            let wrap = || Checked::block(guard(placed, self.bound), share(handle));
            share(checked.get_or_insert_with(wrap))
        } else {
            share(handle)
        };
        Slot { name: slot.into(), block, shared }
    }

    /// Adds why a size is not known to an error about it.
    fn explain(&self, path: &str, mut error: PluginError) -> PluginError {
        for (symbol, sizes) in self.bound.ambiguous.get(path).into_iter().flatten() {
            let sizes: Vec<String> = sizes.iter().map(ToString::to_string).collect();
            let sizes = sizes.join(" and ");
            let text = format!("the slots that share it give {symbol} the sizes {sizes}");
            error.causes.push(text.into());
        }
        error
    }
}
