//! Which library each component of a spec comes from.

use crate::failure::Failure;
use ablate_catalog::{Catalog, Description, Found, Kind};
use ablate_config::{ComponentSpec, SlotSpec, Spec};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;

/// A component with its place in the spec and its library.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Located {
    /// Place in the trial, such as `model.pooling`.
    pub(crate) path: String,
    pub(crate) kind: String,
    #[serde(rename = "use")]
    pub(crate) name: String,
    pub(crate) role: Option<String>,
    pub(crate) plugin: String,
    pub(crate) version: String,
    pub(crate) library: PathBuf,
    pub(crate) sha256: String,
    /// For manifests; a child has no need of it.
    #[serde(skip)]
    pub(crate) build: Arc<BuiltWith>,
}

/// What a library was built with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub(crate) struct BuiltWith {
    pub(crate) rustc: String,
    /// `None` for a plugin without Burn.
    pub(crate) burn: Option<String>,
    pub(crate) sdk: String,
    pub(crate) target: String,
    /// Whether it was built without optimization.
    pub(crate) debug: bool,
}

impl From<&Description> for BuiltWith {
    fn from(description: &Description) -> Self {
        Self {
            rustc: description.rustc.clone(),
            burn: description.burn.clone(),
            sdk: description.sdk.clone(),
            target: description.target.clone(),
            debug: description.debug,
        }
    }
}

/// Which plugin the component is from that a text names last, as advice.
pub(crate) fn plugin_of(text: &str, components: &[Located]) -> Option<String> {
    let place = |one: &Located| text.rfind(&format!("`{}` (`{}`)", one.path, one.name));
    let named = components.iter().filter_map(|one| Some((place(one)?, one)));
    let (_, one) = named.max_by_key(|(place, _)| *place)?;
    Some(format!("`{}` is from plugin `{}` {}", one.name, one.plugin, one.version))
}

/// Every component of `spec`, in the order of the spec, outer before inner.
pub(crate) fn locate(spec: &Spec, catalog: &Catalog) -> Result<Vec<Located>, Failure> {
    let mut walk = Walk { catalog, found: Vec::new() };
    walk.component("dataset", Kind::Dataset, None, &spec.dataset)?;
    walk.component("model", Kind::Model, None, &spec.model)?;
    for (name, block) in &spec.blocks {
        walk.component(&format!("blocks.{name}"), Kind::Block, None, block)?;
    }
    for loss in &spec.losses {
        walk.component(&format!("loss.{}", loss.name), Kind::Loss, None, &loss.component)?;
    }
    for metric in &spec.metrics {
        walk.component(&format!("metric.{}", metric.name), Kind::Metric, None, &metric.component)?;
    }
    for artifact in &spec.artifacts {
        let path = format!("artifact.{}", artifact.name);
        walk.component(&path, Kind::Metric, None, &artifact.component)?;
    }
    Ok(walk.found)
}

struct Walk<'a> {
    catalog: &'a Catalog,
    found: Vec<Located>,
}

impl Walk<'_> {
    fn component(
        &mut self,
        path: &str,
        kind: Kind,
        role: Option<&str>,
        spec: &ComponentSpec,
    ) -> Result<(), Failure> {
        let Found { plugin, component } = self.catalog.resolve(kind, &spec.name, role)?;
        self.found.push(Located {
            path: path.to_owned(),
            kind: kind.to_string(),
            name: spec.name.clone(),
            role: component.role.clone(),
            plugin: plugin.name().to_owned(),
            version: plugin.description.version.clone(),
            library: plugin.library.clone(),
            sha256: plugin.sha256.clone(),
            build: Arc::new(BuiltWith::from(&plugin.description)),
        });
        for (name, slot) in &spec.slots {
            let role = component.slots.iter().find(|slot| slot.name == *name);
            let role = role.map(|slot| slot.role.clone());
            self.slot(&format!("{path}.{name}"), role.as_deref(), slot)?;
        }
        Ok(())
    }

    fn slot(&mut self, path: &str, role: Option<&str>, slot: &SlotSpec) -> Result<(), Failure> {
        match slot {
            SlotSpec::One(component) => self.component(path, Kind::Block, role, component),
            SlotSpec::Many(items) => items
                .iter()
                .enumerate()
                .try_for_each(|(index, item)| self.slot(&format!("{path}.{index}"), role, item)),
            SlotSpec::Ref(_) => Ok(()),
        }
    }
}
