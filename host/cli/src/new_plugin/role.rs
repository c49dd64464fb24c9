//! What a block of a role is given and must give: the slots of installed components say it.

use crate::child::{self, Until};
use crate::failure::Failure;
use ablate_abi::v1::Kind as BorderKind;
use ablate_catalog::{Catalog, Found, Kind};
use ablate_loader::{Loader, NoServices};
use ablate_train::{Contract, Dim};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Symbols for sizes that a slot fixes and a block must not.
const SYMBOLS: [&str; 9] = ["D", "E", "F", "G", "H", "K", "L", "M", "N"];

/// A component whose contract is asked for.
#[derive(Serialize, Deserialize)]
struct Asked {
    library: PathBuf,
    sha256: String,
    block: bool,
    name: String,
    config: Value,
}

/// What blocks of a role are like.
#[derive(Debug)]
pub(super) struct Role {
    pub(super) contract: Contract,
    /// Who says so: ``slot `pooling` of `rqvae` ``.
    pub(super) sources: Vec<String>,
}

/// Roles that installed components speak of.
pub(super) fn known(catalog: &Catalog) -> Vec<String> {
    let components = catalog.components();
    let roles = components.flat_map(|Found { component, .. }| {
        component.slots.iter().map(|slot| slot.role.clone()).chain(component.role.clone())
    });
    let mut roles: Vec<String> = roles.collect();
    roles.sort();
    roles.dedup();
    roles
}

/// What the slots of this role say, or, where there is none, a block that plays it.
pub(super) fn find(catalog: &Catalog, role: &str) -> Result<Option<Role>, Failure> {
    let mut asked = Vec::new();
    let mut slots = Vec::new();
    for found in catalog.components() {
        let component = found.component;
        let names = component.slots.iter().filter(|slot| slot.role == role);
        let mut places: Vec<Option<&str>> = names.map(|slot| Some(slot.name.as_str())).collect();
        if component.role.as_deref() == Some(role) {
            places.push(None);
        }
        let kind = match component.kind {
            Kind::Block => true,
            Kind::Model => false,
            _ => continue,
        };
        for place in places {
            asked.push(Asked {
                library: found.plugin.library.clone(),
                sha256: found.plugin.sha256.clone(),
                block: kind,
                name: component.name.clone(),
                config: component.defaults.clone().unwrap_or_else(|| json!({})),
            });
            slots.push(place.map(ToOwned::to_owned));
        }
    }
    if asked.is_empty() {
        return Ok(None);
    }
    let answers: Vec<Option<Contract>> = child::ask("__contracts", &asked, Until::Silent, |_| ())?;
    let mut of_models = Vec::new();
    let mut of_blocks = Vec::new();
    let mut of_players = Vec::new();
    for ((asked, slot), answer) in asked.iter().zip(slots).zip(answers) {
        let Some(mut contract) = answer else { continue };
        let name = &asked.name;
        match slot {
            None => of_players.push((contract, format!("block `{name}`"))),
            Some(slot) => {
                let Some(inner) = contract.slots.remove(&slot) else { continue };
                let list = if asked.block { &mut of_blocks } else { &mut of_models };
                list.push((inner, format!("slot `{slot}` of `{name}`")));
            }
        }
    }
    of_models.append(&mut of_blocks);
    if of_models.is_empty() {
        of_players.truncate(1);
        of_models = of_players;
    }
    let (contracts, sources): (Vec<Contract>, Vec<String>) = of_models.into_iter().unzip();
    Ok(together(contracts).map(|contract| Role { contract, sources }))
}

/// The contract of a block for these slots: the first one's, without what others do not give.
pub(super) fn together(contracts: Vec<Contract>) -> Option<Contract> {
    let mut contracts = contracts.into_iter();
    let mut merged = contracts.next()?;
    merged.slots.clear();
    for other in contracts {
        for input in &mut merged.inputs {
            let given = other.inputs.iter().find(|port| port.name == input.name);
            input.optional |= given.is_none_or(|port| port.optional);
        }
    }
    // Of a size that is the block's to choose there is one: that fits slots that want just one too.
    let inputs = &merged.inputs;
    let given = |dim: &Dim| inputs.iter().any(|input| input.shape.contains(dim));
    for dim in merged.outputs.iter_mut().flat_map(|output| &mut output.shape) {
        if matches!(dim, Dim::Symbol(_)) && !given(dim) {
            *dim = Dim::Size(1);
        }
    }
    Some(without_sizes(merged))
}

/// Sizes other than 1 come from the configuration of the slot's owner: a symbol fits any.
fn without_sizes(mut contract: Contract) -> Contract {
    let mut symbols: BTreeMap<u64, String> = BTreeMap::new();
    let ports = || contract.inputs.iter().chain(&contract.outputs);
    let used: Vec<String> = ports().flat_map(|port| &port.shape).map(ToString::to_string).collect();
    let mut unused = SYMBOLS.iter().filter(|symbol| !used.iter().any(|known| known == *symbol));
    for dim in contract.inputs.iter_mut().chain(&mut contract.outputs).flat_map(|p| &mut p.shape) {
        if let Dim::Size(size) = *dim
            && size != 1
        {
            if !symbols.contains_key(&size)
                && let Some(symbol) = unused.next()
            {
                symbols.insert(size, (*symbol).to_owned());
            }
            if let Some(symbol) = symbols.get(&size) {
                *dim = Dim::Symbol(symbol.clone());
            }
        }
    }
    contract
}

/// The child's side: contracts of components under their defaults.
pub(crate) fn serve() -> Result<u8, Failure> {
    child::serve(|| {
        let asked: Vec<Asked> = child::request()?;
        let loader = Loader::new(NoServices, 1);
        let contract = |asked: &Asked| {
            crate::printer::line(&child::Said::Entering(asked.library.display().to_string()));
            let library = loader.open(&asked.library, Some(&asked.sha256)).ok()?;
            let kind = if asked.block { BorderKind::BLOCK } else { BorderKind::MODEL };
            let text = library.contract(kind, &asked.name, &asked.config.to_string()).ok()?;
            serde_json::from_str::<Value>(&text).ok()
        };
        Ok(asked.iter().map(contract).collect::<Vec<_>>())
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A contract from ports in JSON as they cross.
    pub(in crate::new_plugin) fn contract(
        inputs: &[(&str, &str, Value)],
        outputs: &[(&str, &str, Value)],
    ) -> Contract {
        let ports = |list: &[(&str, &str, Value)]| {
            let port = |(name, dtype, shape): &(&str, &str, Value)| json!({ "name": name.trim_end_matches('?'), "dtype": dtype, "shape": shape, "optional": name.ends_with('?') });
            list.iter().map(port).collect::<Vec<Value>>()
        };
        serde_json::from_value(json!({ "inputs": ports(inputs), "outputs": ports(outputs) }))
            .unwrap()
    }

    fn shown(contract: &Contract) -> Vec<String> {
        contract.inputs.iter().chain(&contract.outputs).map(ToString::to_string).collect()
    }

    #[test]
    fn a_block_fits_the_slots_of_all_that_take_its_role() {
        let model = contract(
            &[("features", "f32", json!(["B", "T", 64])), ("mask", "bool", json!(["B", "T"]))],
            &[("pooled", "f32", json!(["B", "W", 64])), ("mask", "bool", json!(["B", "W"]))],
        );
        let window = contract(
            &[("features", "f32", json!(["N", "w", "D"])), ("mask", "bool", json!(["N", "w"]))],
            &[("pooled", "f32", json!(["N", 1, "D"])), ("mask", "bool", json!(["N", 1]))],
        );
        let inputs = ["features: f32[B, T, D]", "mask: bool[B, T]"];
        let outputs = ["pooled: f32[B, 1, D]", "mask: bool[B, 1]"];
        let both = together(vec![model.clone(), window]).unwrap();
        assert_eq!(shown(&both), [inputs, outputs].concat());
        assert_eq!(shown(&together(vec![model]).unwrap()), [inputs, outputs].concat());
    }

    #[test]
    fn an_input_that_not_every_slot_gives_is_optional() {
        let one = contract(
            &[("x", "f32", json!(["B", "T", "D"])), ("mask", "bool", json!(["B", "T"]))],
            &[],
        );
        let other = contract(&[("x", "f32", json!(["B", "T", "D"]))], &[]);
        let both = together(vec![one, other]).unwrap();
        assert_eq!(shown(&both), ["x: f32[B, T, D]", "mask?: bool[B, T]"]);
    }
}
