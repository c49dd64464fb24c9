//! The components of a spec in the order in which they are made: what fills a slot before its owner.

use std::collections::BTreeMap;

use ablate_abi::v1::Kind;
use ablate_config::{ComponentSpec, SlotSpec, Spec};

use crate::describe::Describe;
use crate::error::{ComponentId, Error};

/// A component in its place.
pub(crate) struct Placed<'a> {
    pub(crate) id: ComponentId,
    pub(crate) kind: Kind,
    pub(crate) role: Option<String>,
    pub(crate) spec: &'a ComponentSpec,
    /// Slot and what fills it, by index; a slot that holds many is listed once for each.
    pub(crate) slots: Vec<(&'a str, usize)>,
    /// In how many slots this very instance is.
    pub(crate) uses: usize,
    /// What it is a part of.
    pub(crate) owner: Owner,
}

/// What a component is a part of, which decides whether it is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The data: frozen, and the same for every seed of a trial.
    Data,
    /// The model or a loss: its parameters are trained and saved.
    Training,
    /// A metric, or one that publishes: frozen.
    Metric,
}

/// All components of a spec. Shared blocks that no slot refers to are left out.
pub(crate) struct Layout<'a> {
    pub(crate) placed: Vec<Placed<'a>>,
    pub(crate) dataset: usize,
    pub(crate) model: usize,
    pub(crate) losses: Vec<usize>,
    pub(crate) metrics: Vec<usize>,
    pub(crate) artifacts: Vec<usize>,
}

impl<'a> Layout<'a> {
    pub(crate) fn new(spec: &'a Spec, describe: &mut dyn Describe) -> Result<Self, Error> {
        let mut walk = Walk {
            blocks: &spec.blocks,
            describe,
            placed: Vec::new(),
            shared: BTreeMap::new(),
            open: Vec::new(),
            owner: Owner::Data,
        };
        let dataset = walk.place(Kind::DATASET, None, "dataset", &spec.dataset)?;
        walk.owner = Owner::Training;
        let model = walk.place(Kind::MODEL, None, "model", &spec.model)?;
        let mut losses = Vec::new();
        for loss in &spec.losses {
            let path = format!("loss.{}", loss.name);
            losses.push(walk.place(Kind::LOSS, None, &path, &loss.component)?);
        }
        let mut metrics = Vec::new();
        walk.owner = Owner::Metric;
        for metric in &spec.metrics {
            let path = format!("metric.{}", metric.name);
            metrics.push(walk.place(Kind::METRIC, None, &path, &metric.component)?);
        }
        let mut artifacts = Vec::new();
        for artifact in &spec.artifacts {
            let path = format!("artifact.{}", artifact.name);
            artifacts.push(walk.place(Kind::METRIC, None, &path, &artifact.component)?);
        }
        Ok(Self { placed: walk.placed, dataset, model, losses, metrics, artifacts })
    }

    /// The dataset with what its slots hold; it stands last.
    pub(crate) fn dataset(
        spec: &'a Spec,
        describe: &mut dyn Describe,
    ) -> Result<Vec<Placed<'a>>, Error> {
        let mut walk = Walk {
            blocks: &spec.blocks,
            describe,
            placed: Vec::new(),
            shared: BTreeMap::new(),
            open: Vec::new(),
            owner: Owner::Data,
        };
        walk.place(Kind::DATASET, None, "dataset", &spec.dataset)?;
        Ok(walk.placed)
    }
}

struct Walk<'a, 'd> {
    blocks: &'a BTreeMap<String, ComponentSpec>,
    describe: &'d mut dyn Describe,
    placed: Vec<Placed<'a>>,
    shared: BTreeMap<&'a str, usize>,
    /// Shared blocks whose slots are being filled.
    open: Vec<&'a str>,
    /// Of what is placed now.
    owner: Owner,
}

impl<'a> Walk<'a, '_> {
    fn place(
        &mut self,
        kind: Kind,
        role: Option<&str>,
        path: &str,
        spec: &'a ComponentSpec,
    ) -> Result<usize, Error> {
        let mut slots = Vec::new();
        for (slot, filling) in &spec.slots {
            let role = self.describe.slot_role(kind, &spec.name, role, slot);
            self.fill(slot, filling, role.as_deref(), &format!("{path}.{slot}"), &mut slots)?;
        }
        self.placed.push(Placed {
            id: ComponentId { path: path.to_owned(), name: spec.name.clone() },
            kind,
            role: role.map(str::to_owned),
            spec,
            slots,
            uses: 1,
            owner: self.owner,
        });
        Ok(self.placed.len() - 1)
    }

    fn fill(
        &mut self,
        slot: &'a str,
        filling: &'a SlotSpec,
        role: Option<&str>,
        path: &str,
        slots: &mut Vec<(&'a str, usize)>,
    ) -> Result<(), Error> {
        match filling {
            SlotSpec::One(block) => slots.push((slot, self.place(Kind::BLOCK, role, path, block)?)),
            SlotSpec::Ref(name) => slots.push((slot, self.share(name, role, path)?)),
            SlotSpec::Many(list) => {
                for (index, filling) in list.iter().enumerate() {
                    self.fill(slot, filling, role, &format!("{path}.{index}"), slots)?;
                }
            }
        }
        Ok(())
    }

    /// The shared block `name`, made where it is first referred to.
    fn share(&mut self, name: &'a str, role: Option<&str>, slot: &str) -> Result<usize, Error> {
        if self.owner == Owner::Data {
            return Err(Error::SharedWithData { slot: slot.to_owned(), name: name.to_owned() });
        }
        if let Some(start) = self.open.iter().position(|open| *open == name) {
            let around = self.open[start..].iter().copied().chain([name]);
            return Err(Error::Cycle {
                chain: around.map(|name| format!("blocks.{name}")).collect(),
            });
        }
        if let Some(index) = self.shared.get(name) {
            self.placed[*index].uses += 1;
            return Ok(*index);
        }
        let Some(spec) = self.blocks.get(name) else {
            return Err(Error::UnknownReference { slot: slot.to_owned(), name: name.to_owned() });
        };
        self.open.push(name);
        let index = self.place(Kind::BLOCK, role, &format!("blocks.{name}"), spec)?;
        self.open.pop();
        self.shared.insert(name, index);
        Ok(index)
    }
}
