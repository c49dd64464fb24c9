//! What a component is made from.

use crate::Error;
#[cfg(feature = "burn")]
use crate::slot::BlockSlot;
use abi_stable::std_types::RVec;
#[cfg(feature = "burn")]
use ablate_abi::v1::Slot;
use ablate_abi::v1::{Create, Dimension, Property};
use std::path::PathBuf;

/// Device, dimensions, slots and files for a component that is being made.
pub struct Build {
    path: String,
    seed: u64,
    dimensions: Vec<Dimension>,
    artifacts: Vec<Property>,
    properties: Vec<Property>,
    #[cfg(feature = "burn")]
    device: burn::tensor::Device,
    #[cfg(feature = "burn")]
    slots: Vec<BlockSlot>,
    #[cfg(feature = "burn")]
    taken: Vec<BlockSlot>,
}

impl Build {
    /// Takes a creation request apart; the configuration text is handed back.
    pub(crate) fn new(create: Create) -> Result<(Self, String), Error> {
        let Create { config, path, seed, device, dimensions, slots, artifacts, properties, .. } =
            create;
        #[cfg(feature = "burn")]
        let device = crate::device::parse(&device)?;
        let build = Self {
            path: path.into_string(),
            seed,
            dimensions: RVec::into_vec(dimensions),
            artifacts: RVec::into_vec(artifacts),
            properties: RVec::into_vec(properties),
            #[cfg(feature = "burn")]
            slots: slots.into_iter().map(|slot: Slot| BlockSlot::new(slot, &device)).collect(),
            #[cfg(feature = "burn")]
            device,
            #[cfg(feature = "burn")]
            taken: Vec::new(),
        };
        #[cfg(not(feature = "burn"))]
        drop((device, slots));
        Ok((build, config.into_string()))
    }

    /// Place in the trial, such as `model.pooling`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// A seed of this component for `purpose`.
    pub fn seed(&self, purpose: &str) -> u64 {
        crate::seed::derive(self.seed, &[&self.path, purpose])
    }

    /// Size of a symbolic dimension of the contract.
    ///
    /// # Errors
    /// If the host could not tell it: nothing that is connected fixes it.
    pub fn dim(&self, name: &str) -> Result<usize, Error> {
        let found = self.dimensions.iter().find(|dimension| dimension.name == name);
        found.map(|dimension| dimension.size as usize).ok_or_else(|| {
            Error::contract(format!("`{}`: the size of dimension `{name}` is not known", self.path))
        })
    }

    /// What the host says beside: `None` for a name that it does not know.
    pub fn property(&self, name: &str) -> Option<&str> {
        let found = self.properties.iter().find(|property| property.name == name);
        found.map(|property| property.value.as_str())
    }

    /// A text that differs whenever the block of the slot `name` may compute something else from
    /// equal inputs before it is trained: the key of a cache of what a frozen block computes.
    /// `None` for an empty slot.
    pub fn slot_identity(&self, name: &str) -> Option<&str> {
        self.property(&format!("identity.{name}"))
    }

    /// The file of the artifact that the config's key `name` means, an [`ArtifactSource`]; of one in a
    /// table of the config by its dotted key.
    ///
    /// [`ArtifactSource`]: crate::ArtifactSource
    ///
    /// # Errors
    /// If the config does not name one.
    pub fn artifact(&self, name: &str) -> Result<PathBuf, Error> {
        let found = self.artifacts.iter().find(|artifact| artifact.name == name);
        found.map(|artifact| PathBuf::from(artifact.value.as_str())).ok_or_else(|| {
            Error::config(format!("`{}`: the config names no artifact in `{name}`", self.path))
        })
    }
}

#[cfg(feature = "burn")]
impl Build {
    /// The device for parameters; it records a graph.
    pub fn device(&self) -> &burn::tensor::Device {
        &self.device
    }

    /// The device for tensors that need no graph, such as those that a dataset's block is given.
    pub fn plain_device(&self) -> burn::tensor::Device {
        self.device.clone().inner()
    }

    /// Takes the block of the slot `name`.
    ///
    /// # Errors
    /// If the slot is empty.
    pub fn slot(&mut self, name: &str) -> Result<BlockSlot, Error> {
        self.optional_slot(name)
            .ok_or_else(|| Error::config(format!("`{}`: slot `{name}` is empty", self.path)))
    }

    /// Takes the block of the slot `name`, if it holds one.
    pub fn optional_slot(&mut self, name: &str) -> Option<BlockSlot> {
        let index = self.slots.iter().position(|slot| slot.name() == name)?;
        let slot = self.slots.remove(index);
        self.taken.push(slot.clone());
        Some(slot)
    }

    /// Takes all blocks of a slot that holds many, in order.
    pub fn slot_list(&mut self, name: &str) -> Vec<BlockSlot> {
        std::iter::from_fn(|| self.optional_slot(name)).collect()
    }

    /// The slots that were taken: those whose native blocks share this component's graph.
    pub(crate) fn into_slots(self) -> Vec<BlockSlot> {
        self.taken
    }
}
