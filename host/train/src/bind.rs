//! Connects the contracts of all components of a spec before any of them is made.
//!
//! Symbols are local to a component. Ports that are connected must agree in element type and rank,
//! and their dimensions are made the same. Connected are:
//!
//! - outputs of the dataset with inputs of the model, by equal name;
//! - what a slot gives with the inputs of the block in it, and the block's outputs with what the slot asks for;
//! - outputs of the model and of the dataset with the inputs of losses and metrics: as `inputs` says, else by
//!   equal name, the model's first. `model.NAME` and `batch.NAME` say which of the two is meant.
//!
//! A block that several slots share is connected once for each, with symbols of their own: it may see sequences of
//! different lengths in different places.

use std::collections::BTreeMap;

use ablate_config::Spec;
use serde::{Deserialize, Serialize};

use crate::contract::{Contract, Dim, Port, find};
use crate::describe::Describe;
use crate::error::{ComponentId, Error, Mismatch, Offer};
use crate::layout::{Layout, Placed};
use crate::unify::{Scoped, Unifier};
use crate::wiring::{Consumer, Wire, Wiring};

/// The contracts of a spec with all sizes that are known before the first step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Bound {
    /// By component path: the symbols whose size is known.
    pub dimensions: BTreeMap<String, Vec<(String, u64)>>,
    /// By component path: the contract with these sizes in place of the symbols.
    pub contracts: BTreeMap<String, Contract>,
    /// The batch tensors that the model takes.
    pub model_inputs: Vec<String>,
    /// For each loss, in the order of the spec, what its inputs are bound to.
    pub losses: Vec<Vec<Wire>>,
    /// For each metric, in the order of the spec, what its inputs are bound to.
    pub metrics: Vec<Vec<Wire>>,
    /// For each artifact, in the order of the spec, what its inputs are bound to.
    #[serde(default)]
    pub artifacts: Vec<Vec<Wire>>,
    /// By path of a shared block: symbols that have another size in each of its places.
    pub ambiguous: BTreeMap<String, Vec<(String, Vec<u64>)>>,
}

/// Connects the contracts of a spec.
///
/// # Errors
/// The first connection that does not fit, with both contracts and where each size comes from.
pub fn bind(spec: &Spec, describe: &mut dyn Describe) -> Result<Bound, Error> {
    let layout = Layout::new(spec, describe)?;
    let contracts = contracts(&layout.placed, describe)?;
    let mut binder = Binder {
        placed: &layout.placed,
        contracts: &contracts,
        unifier: Unifier::default(),
        scopes: Vec::new(),
    };
    let dataset = binder.scope(layout.dataset);
    let model = binder.scope(layout.model);
    let model_inputs = binder.model_inputs((layout.dataset, dataset), (layout.model, model))?;
    for (root, scope) in [(layout.dataset, dataset), (layout.model, model)] {
        binder.slots(root, scope)?;
    }
    let mut bound = Bound { model_inputs, ..Bound::default() };
    let sources = [(layout.model, model), (layout.dataset, dataset)];
    let losses = layout.losses.iter().zip(spec.losses.iter().map(|loss| &loss.inputs));
    for (index, inputs) in losses {
        bound.losses.push(binder.consumer(*index, inputs, sources)?);
        loss_output(&layout.placed[*index].id, &contracts[*index])?;
    }
    let metrics = layout.metrics.iter().zip(spec.metrics.iter().map(|metric| &metric.inputs));
    for (index, inputs) in metrics {
        bound.metrics.push(binder.consumer(*index, inputs, sources)?);
    }
    let artifacts = layout.artifacts.iter().zip(spec.artifacts.iter().map(|one| &one.inputs));
    for (index, inputs) in artifacts {
        publishes(&layout.placed[*index].id, &contracts[*index])?;
        bound.artifacts.push(binder.consumer(*index, inputs, sources)?);
    }
    something_is_trained(spec, &bound, &layout.placed[layout.model].id, &contracts[layout.model])?;
    binder.finish(&mut bound);
    Ok(bound)
}

/// Connects the contract of a dataset with those of the blocks in its slots, and nothing else: the
/// last of `placed` is the dataset.
pub(crate) fn bind_dataset(
    placed: &[Placed<'_>],
    describe: &mut dyn Describe,
) -> Result<Bound, Error> {
    let contracts = contracts(placed, describe)?;
    let (unifier, scopes) = (Unifier::default(), Vec::new());
    let mut binder = Binder { placed, contracts: &contracts, unifier, scopes };
    let dataset = placed.len() - 1;
    let scope = binder.scope(dataset);
    binder.slots(dataset, scope)?;
    let mut bound = Bound::default();
    binder.finish(&mut bound);
    Ok(bound)
}

fn contracts(placed: &[Placed<'_>], describe: &mut dyn Describe) -> Result<Vec<Contract>, Error> {
    placed
        .iter()
        .map(|Placed { id, kind, role, spec, .. }| {
            let json = describe.contract(*kind, &spec.name, role.as_deref(), &spec.config);
            let json = json.map_err(|error| Error::component(id, "describe its tensors", error))?;
            Contract::read(json).map_err(|problem| Error::Contract {
                component: id.boxed(),
                problem: ablate_config::shown(&problem),
            })
        })
        .collect()
}

/// A loss gives a scalar called `loss`.
fn loss_output(id: &ComponentId, contract: &Contract) -> Result<(), Error> {
    let given = find(&contract.outputs, "loss");
    if given.is_some_and(|port| port.dtype.is_float() && port.shape == [Dim::Size(1)]) {
        return Ok(());
    }
    let problem = "a loss has an output `loss: f32[1]`".to_owned();
    Err(Error::Contract { component: id.boxed(), problem })
}

/// What makes an artifact says the name of its file.
fn publishes(id: &ComponentId, contract: &Contract) -> Result<(), Error> {
    if contract.publishes.is_some() {
        return Ok(());
    }
    Err(Error::PublishesNothing { component: id.boxed() })
}

fn something_is_trained(
    spec: &Spec,
    bound: &Bound,
    model: &ComponentId,
    contract: &Contract,
) -> Result<(), Error> {
    let trained = spec.losses.iter().zip(&bound.losses).any(|(loss, wires)| {
        let from_model = wires.iter().filter_map(|wire| wire.model_output());
        let mut floats = from_model.filter_map(|name| find(&contract.outputs, name));
        loss.weight != 0.0 && floats.any(|port| port.dtype.is_float())
    });
    if trained {
        return Ok(());
    }
    let outputs = shown(&contract.outputs);
    Err(Error::NothingTrained { model: model.boxed(), outputs })
}

struct Binder<'a> {
    placed: &'a [Placed<'a>],
    contracts: &'a [Contract],
    unifier: Unifier,
    /// Component of each scope: a shared block has one for each of its places.
    scopes: Vec<usize>,
}

impl Binder<'_> {
    fn scope(&mut self, component: usize) -> usize {
        self.scopes.push(component);
        self.scopes.len() - 1
    }

    fn model_inputs(
        &mut self,
        (dataset, dataset_scope): (usize, usize),
        (model, model_scope): (usize, usize),
    ) -> Result<Vec<String>, Error> {
        let (dataset_id, model_id) = (&self.placed[dataset].id, &self.placed[model].id);
        let given = &self.contracts[dataset].outputs;
        let sides = Sides {
            between: format!("{model_id} and {dataset_id}"),
            giver: "`dataset`",
            taker: "`model`",
            rewire: None,
        };
        let mut bound = Vec::new();
        for input in &self.contracts[model].inputs {
            let Some(output) = find(given, &input.name) else {
                if input.optional {
                    continue;
                }
                let given = vec![Offer { giver: "`dataset`".to_owned(), ports: shown(given) }];
                return Err(missing(model_id, input, given, false));
            };
            always_there(model_id, input, "`dataset`", output)?;
            let given = Scoped { scope: dataset_scope, port: output, owner: "`dataset`" };
            let expected = Scoped { scope: model_scope, port: input, owner: "`model`" };
            sides.connect(&mut self.unifier, given, expected)?;
            bound.push(input.name.clone());
        }
        Ok(bound)
    }

    /// Connects the slots of a component with what is in them, and the slots of that.
    fn slots(&mut self, component: usize, scope: usize) -> Result<(), Error> {
        let (placed, contracts) = (self.placed, self.contracts);
        for (slot, block) in &placed[component].slots {
            let block_scope = self.scope(*block);
            // A component that says nothing about its slot leaves the block to itself.
            if let Some(wanted) = contracts[component].slots.get(*slot) {
                self.slot(slot, (component, scope, wanted), (*block, block_scope))?;
            }
            self.slots(*block, block_scope)?;
        }
        Ok(())
    }

    fn slot(
        &mut self,
        slot: &str,
        (component, scope, wanted): (usize, usize, &Contract),
        (block, block_scope): (usize, usize),
    ) -> Result<(), Error> {
        let (owner, block_id) = (&self.placed[component].id, &self.placed[block].id);
        let contract = &self.contracts[block];
        let slot_name = format!("slot `{slot}` of `{}`", owner.path);
        let block_name = format!("`{}`", block_id.path);
        let between = format!("{owner} and the block in its slot `{slot}` (`{}`)", block_id.name);
        let slot_gives = format!("the slot of `{}`", owner.path);
        let sides = Sides {
            between: between.clone(),
            giver: &slot_gives,
            taker: "the block",
            rewire: None,
        };
        for input in &contract.inputs {
            let Some(given) = find(&wanted.inputs, &input.name) else {
                if input.optional {
                    continue;
                }
                let ports = shown(&wanted.inputs);
                let given = vec![Offer { giver: format!("the {slot_name}"), ports }];
                return Err(missing(block_id, input, given, false));
            };
            always_there(block_id, input, &format!("the {slot_name}"), given)?;
            let given = Scoped { scope, port: given, owner: &slot_name };
            let expected = Scoped { scope: block_scope, port: input, owner: &block_name };
            sides.connect(&mut self.unifier, given, expected)?;
        }
        let taker = format!("`{}`", owner.path);
        let sides = Sides { between, giver: "the block", taker: &taker, rewire: None };
        for asked in &wanted.outputs {
            match find(&contract.outputs, &asked.name) {
                Some(output) => {
                    let given = Scoped { scope: block_scope, port: output, owner: &block_name };
                    let expected = Scoped { scope, port: asked, owner: &slot_name };
                    sides.connect(&mut self.unifier, given, expected)?;
                }
                None if asked.optional => {}
                None => {
                    return Err(Error::MissingOutput {
                        owner: owner.boxed(),
                        slot: slot.to_owned(),
                        block: block_id.boxed(),
                        output: asked.to_string(),
                        given: shown(&contract.outputs),
                    });
                }
            }
        }
        Ok(())
    }

    /// Connects the inputs of a loss or metric.
    fn consumer(
        &mut self,
        component: usize,
        inputs: &BTreeMap<String, String>,
        sources: [(usize, usize); 2],
    ) -> Result<Vec<Wire>, Error> {
        let scope = self.scope(component);
        let (id, contract) = (&self.placed[component].id, &self.contracts[component]);
        let [model, dataset] = sources.map(|(index, _)| self.contracts[index].outputs.as_slice());
        let wiring = Wiring { model, dataset };
        let taker = format!("`{}`", id.path);
        let wires = wiring.resolve(Consumer { id, inputs: &contract.inputs, wired: inputs })?;
        for wire in &wires {
            let input = find(&contract.inputs, &wire.input).expect("resolved from these inputs");
            let side = usize::from(wire.model_output().is_none());
            let (source, source_scope) = sources[side];
            let output = find([model, dataset][side], wire.source.name()).expect("resolved");
            let giver = &self.placed[source].id;
            let giver_name = format!("`{}`", giver.path);
            always_there(id, input, &giver_name, output)?;
            let sides = Sides {
                between: format!("{id} and {giver}"),
                giver: &giver_name,
                taker: &taker,
                rewire: Some(crate::error::wire_hint(id, &input.name)),
            };
            let given = Scoped { scope: source_scope, port: output, owner: &giver_name };
            let expected = Scoped { scope, port: input, owner: &taker };
            sides.connect(&mut self.unifier, given, expected)?;
        }
        self.slots(component, scope)?;
        Ok(wires)
    }

    /// Reads off the sizes of every component over all of its scopes.
    fn finish(mut self, bound: &mut Bound) {
        for (index, placed) in self.placed.iter().enumerate() {
            let contract = &self.contracts[index];
            let mut symbols: Vec<&str> = Vec::new();
            for dim in contract.all_ports().iter().flat_map(|port| &port.shape) {
                if let Dim::Symbol(symbol) = dim
                    && !symbols.contains(&symbol.as_str())
                {
                    symbols.push(symbol);
                }
            }
            let (mut known, mut filled, mut ambiguous) = (Vec::new(), Vec::new(), Vec::new());
            for symbol in symbols {
                let own = self.scopes.iter().enumerate().filter(|(_, owner)| **owner == index);
                let sizes: Vec<Option<u64>> =
                    own.map(|(scope, _)| self.unifier.size(scope, symbol)).collect();
                let mut distinct: Vec<u64> = sizes.iter().flatten().copied().collect();
                distinct.sort_unstable();
                distinct.dedup();
                match distinct.as_slice() {
                    [] => {}
                    [size] => {
                        known.push((symbol.to_owned(), *size));
                        // Where one place of a shared block leaves it open, calls may differ in it.
                        if sizes.iter().all(Option::is_some) {
                            filled.push((symbol.to_owned(), *size));
                        }
                    }
                    _ => ambiguous.push((symbol.to_owned(), distinct)),
                }
            }
            let path = &placed.id.path;
            bound.contracts.insert(path.clone(), contract.with_sizes(&filled));
            bound.dimensions.insert(path.clone(), known);
            if !ambiguous.is_empty() {
                bound.ambiguous.insert(path.clone(), ambiguous);
            }
        }
    }
}

/// The two sides of a connection, for messages.
struct Sides<'a> {
    between: String,
    giver: &'a str,
    taker: &'a str,
    rewire: Option<String>,
}

impl Sides<'_> {
    fn connect(
        &self,
        unifier: &mut Unifier,
        given: Scoped<'_>,
        expected: Scoped<'_>,
    ) -> Result<(), Error> {
        unifier.connect(given, expected).map_err(|conflict| {
            Error::Mismatch(Box::new(Mismatch {
                between: self.between.clone(),
                giver: self.giver.to_owned(),
                given: conflict.given,
                taker: self.taker.to_owned(),
                expected: conflict.expected,
                rewire: self.rewire.clone(),
            }))
        })
    }
}

fn always_there(
    component: &ComponentId,
    input: &Port,
    giver: &str,
    output: &Port,
) -> Result<(), Error> {
    if input.optional || !output.optional {
        return Ok(());
    }
    Err(Error::SometimesMissing {
        component: component.boxed(),
        input: input.name.clone(),
        giver: giver.to_owned(),
        port: output.to_string(),
    })
}

pub(crate) fn missing(
    component: &ComponentId,
    input: &Port,
    given: Vec<Offer>,
    wirable: bool,
) -> Error {
    let (component, port) = (component.boxed(), input.to_string());
    Error::MissingInput { component, input: input.name.clone(), port, given, wirable }
}

pub(crate) fn shown(ports: &[Port]) -> Vec<String> {
    ports.iter().map(ToString::to_string).collect()
}
