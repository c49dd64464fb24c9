//! What the loop needs to be told about components: the host implements it over its catalog.

use ablate_abi::v1::{Component, Create, Kind, PluginError};
use serde_json::Value;
use std::path::PathBuf;

/// Knows what components are like, without making them.
pub trait Describe {
    /// The tensor contract of a component with this config: `{inputs, outputs, slots}`.
    ///
    /// `role` is that of the slot which the component is in, for a block.
    ///
    /// # Errors
    /// What the component says against the config, or why it cannot be asked.
    fn contract(
        &mut self,
        kind: Kind,
        name: &str,
        role: Option<&str>,
        config: &Value,
    ) -> Result<Value, PluginError>;

    /// The role of a component's slot; blocks of two roles may have one name.
    fn slot_role(
        &mut self,
        kind: Kind,
        name: &str,
        role: Option<&str>,
        slot: &str,
    ) -> Option<String>;
}

/// A file that a component reads: what another run has made, or what its config names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenArtifact {
    /// The key inside of the component's config, under which the component asks for it.
    pub name: String,
    /// Where it lies.
    pub path: PathBuf,
    /// sha256 of its content, for caches of what is computed from it.
    pub sha256: String,
}

/// Makes components.
pub trait Factory: Describe {
    /// Makes the component that `request` describes; `role` as in [`Describe::contract`].
    ///
    /// # Errors
    /// Why it cannot be made.
    fn create(&mut self, role: Option<&str>, request: Create) -> Result<Component, PluginError>;

    /// Number of the library image that holds a component; blocks of its own image are handed to
    /// it as they are, others behind the checks of the host.
    fn image(&mut self, kind: Kind, name: &str, role: Option<&str>) -> u64;

    /// sha256 of the library that holds a component, for caches of what it computes; empty if it
    /// is not known.
    fn sha256(&mut self, kind: Kind, name: &str, role: Option<&str>) -> String {
        let _ = (kind, name, role);
        String::new()
    }

    /// The artifacts that the config of the component at `path` names.
    fn artifacts(&mut self, path: &str) -> Vec<GivenArtifact> {
        let _ = path;
        Vec::new()
    }
}
