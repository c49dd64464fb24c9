//! Makes a component with blocks in its slots, inner slots first.

use crate::contract::{Contract, Dim, Port};
use crate::drive::present;
use crate::kit::Kit;
use crate::plain_block::plain_block;
use crate::roster::{Listed, Roster, word};
use crate::verdict::{Stop, fail, skip};
use ablate_abi::v1::{
    Component, Create, Dimension, Kind, Plugin_Ref, RVec, SharedDifferentiable, Slot, share,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Blocks in blocks in blocks …: deeper than this is a cycle of defaults.
const DEPTH_MAX: usize = 8;

/// What is to be made.
pub(crate) struct Recipe<'a> {
    pub(crate) kit: &'a Kit,
    pub(crate) root: Plugin_Ref,
    pub(crate) roster: &'a Roster,
    pub(crate) listed: &'a Listed,
    pub(crate) config: &'a Value,
    /// Sizes of the data.
    pub(crate) bound: &'a BTreeMap<String, usize>,
    pub(crate) path: &'a str,
    pub(crate) seed: u64,
    pub(crate) depth: usize,
}

/// The blocks that were made for slots: place below the component, and the block.
pub(crate) type Parts = Vec<(String, SharedDifferentiable)>;

impl Recipe<'_> {
    /// Makes the component; blocks of its slots are added to `parts`, what they are to `notes`.
    pub(crate) fn make(
        &self,
        parts: &mut Parts,
        notes: &mut Vec<String>,
    ) -> Result<Component, Stop> {
        let mut slots = RVec::new();
        if !self.listed.slots().is_empty() {
            let text = self.listed.describe(self.root, self.config)?;
            let contract = Contract::read(&text).map_err(Stop::Failed)?.bound(self.bound);
            for slot in self.listed.slots() {
                // Optional slots stay empty: without is what a component must at least do.
                if slot.get("optional").and_then(Value::as_bool) == Some(true) {
                    continue;
                }
                let name = word(slot, "name");
                let block = self.fill(slot, contract.slots.get(name), parts, notes)?;
                slots.push(Slot { name: name.into(), block, shared: false });
            }
        }
        let dimension = |(name, size): (&String, &usize)| Dimension {
            name: name.as_str().into(),
            size: *size as u64,
        };
        let request = Create {
            kind: self.listed.kind,
            name: self.listed.name.as_str().into(),
            config: self.config.to_string().into(),
            path: self.path.into(),
            seed: self.seed,
            device: "flex".into(),
            dimensions: self.bound.iter().map(dimension).collect(),
            slots,
            artifacts: RVec::new(),
            properties: RVec::new(),
        };
        Ok((self.root.create())(request).into_result()?)
    }

    /// A block for a slot: its default or null component of the same plugin, its default of
    /// another, the kit's own block, or any block of the role.
    fn fill(
        &self,
        slot: &Value,
        contract: Option<&Contract>,
        parts: &mut Parts,
        notes: &mut Vec<String>,
    ) -> Result<SharedDifferentiable, Stop> {
        let (name, role) = (word(slot, "name"), word(slot, "role"));
        if self.depth >= DEPTH_MAX {
            return fail(format!("the default of slot `{name}` leads back to itself"));
        }
        let chosen = |key: &str| {
            let value = slot.get(key).filter(|value| !value.is_null())?;
            let name = value.as_str().or_else(|| value.get("use").and_then(Value::as_str))?;
            Some((name.to_owned(), value.clone()))
        };
        let wanted: Vec<(String, Value)> =
            ["default", "null"].into_iter().filter_map(chosen).collect();
        let own = [(self.root, self.roster)];
        let others = self.kit.others.iter().map(|(root, roster)| (*root, roster));
        for (root, roster) in own.into_iter().chain(others.clone()) {
            for (block, config) in &wanted {
                if let Some(listed) = roster.block(role, Some(block)) {
                    notes.push(format!("slot `{name}` holds `{block}` of `{}`", roster.name));
                    return self.inner(
                        (root, roster),
                        listed,
                        slot,
                        config,
                        contract,
                        parts,
                        notes,
                    );
                }
            }
        }
        if let Some(block) = contract.and_then(plain_block) {
            notes.push(format!("slot `{name}` holds the kit's own block"));
            parts.push((format!("{name}."), share(&block)));
            return Ok(block);
        }
        for (root, roster) in others.chain(own) {
            if let Some(listed) = roster.block(role, None) {
                let block = &listed.name;
                notes.push(format!("slot `{name}` holds `{block}` of `{}`", roster.name));
                return self.inner(
                    (root, roster),
                    listed,
                    slot,
                    &json!({}),
                    contract,
                    parts,
                    notes,
                );
            }
        }
        skip(format!("not exercised: slot `{name}` needs a block of role `{role}`"))
    }

    #[expect(clippy::too_many_arguments, reason = "one caller; a struct would only rename them")]
    fn inner(
        &self,
        (root, roster): (Plugin_Ref, &Roster),
        listed: &Listed,
        slot: &Value,
        config: &Value,
        contract: Option<&Contract>,
        parts: &mut Parts,
        notes: &mut Vec<String>,
    ) -> Result<SharedDifferentiable, Stop> {
        let mut config = config.as_object().cloned().unwrap_or_default();
        config.remove("use");
        let config = listed.complete(&Value::Object(config));
        let text = listed.describe(root, &config)?;
        let own = Contract::read(&text).map_err(Stop::Failed)?;
        let bound = contract.map(|slot| sizes_from_slot(slot, &own)).unwrap_or_default();
        let name = word(slot, "name");
        let recipe = Recipe {
            kit: self.kit,
            root,
            roster,
            listed,
            config: &config,
            bound: &bound,
            path: &format!("{}.{name}", self.path),
            seed: self.seed,
            depth: self.depth + 1,
        };
        let mut inner = Vec::new();
        let made = recipe.make(&mut inner, notes)?;
        let block = present(made.differentiable, Kind::BLOCK.name())?;
        parts.push((format!("{name}."), share(&block)));
        parts.extend(inner.into_iter().map(|(place, part)| (format!("{name}.{place}"), part)));
        Ok(block)
    }
}

/// Sizes that a slot fixes for the block in it.
fn sizes_from_slot(slot: &Contract, block: &Contract) -> BTreeMap<String, usize> {
    let mut sizes = BTreeMap::new();
    let mut take = |given: &[Port], own: &[Port]| {
        for port in own {
            let Some(other) = given.iter().find(|other| other.name == port.name) else { continue };
            if port.shape.len() != other.shape.len() {
                continue;
            }
            for (dim, other) in port.shape.iter().zip(&other.shape) {
                if let (Dim::Symbol(symbol), Dim::Size(size)) = (dim, other) {
                    sizes.insert(symbol.clone(), *size);
                }
            }
        }
    };
    take(&slot.inputs, &block.inputs);
    take(&slot.outputs, &block.outputs);
    sizes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::tests::contract;

    #[test]
    fn a_slot_tells_its_block_the_sizes_of_the_data() {
        let slot = contract(
            &["features: f32[B, T, 64]", "mask: bool[B, T]"],
            &["pooled: f32[B, W, 64]", "extra: f32[7]"],
        );
        let block = contract(
            &["features: f32[N, S, D]", "mask?: bool[N, S]"],
            &["pooled: f32[N, 1, D]", "extra: f32[E]"],
        );
        let sizes = sizes_from_slot(&slot, &block);
        assert_eq!(sizes, [("D".to_owned(), 64), ("E".to_owned(), 7)].into());
    }
}
