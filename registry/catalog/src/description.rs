//! What a plugin says about itself, as plain data.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a plugin says about itself.
///
/// Fields that are not known here are ignored, so that a newer plugin can still be listed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// Name of the plugin, for example `pooling`.
    pub name: String,
    /// Version of the plugin's crate.
    pub version: String,
    /// Revision of the plugin border that it speaks, for example `v1`.
    pub abi: String,
    /// Version of the SDK that it was built with; empty when it was built without.
    #[serde(default)]
    pub sdk: String,
    /// Version of the compiler that built it.
    #[serde(default)]
    pub rustc: String,
    /// Version of Burn inside, if any.
    #[serde(default)]
    pub burn: Option<String>,
    /// Compute backends that it was built with.
    #[serde(default)]
    pub backends: Vec<String>,
    /// Target triple.
    #[serde(default)]
    pub target: String,
    /// Whether it was built without optimization.
    #[serde(default)]
    pub debug: bool,
    /// What it exports.
    #[serde(default)]
    pub components: Vec<ComponentDescription>,
}

/// One exported component.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ComponentDescription {
    /// What it is.
    pub kind: Kind,
    /// The name that an experiment uses.
    pub name: String,
    /// The role of a block, for example `pooling`; other kinds have none.
    #[serde(default)]
    pub role: Option<String>,
    /// One line for listings.
    #[serde(default)]
    pub doc: String,
    /// JSON Schema of its config.
    #[serde(default)]
    pub schema: Value,
    /// The config with every default filled in; `None` when the config has required keys.
    #[serde(default)]
    pub defaults: Option<Value>,
    /// The places that take another component.
    #[serde(default)]
    pub slots: Vec<SlotDescription>,
    /// The name of the file that it publishes, for a metric that does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publishes: Option<String>,
}

/// A place in a component that takes a block of a given role.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SlotDescription {
    /// Name of the slot, which is also its key in the component's config.
    pub name: String,
    /// Role that a block must have to go here.
    pub role: String,
    /// Whether it may stay empty.
    #[serde(default)]
    pub optional: bool,
    /// Whether it takes a list of blocks.
    #[serde(default)]
    pub many: bool,
    /// What goes here when the config says nothing, as a config table with `use`.
    #[serde(default)]
    pub default: Option<Value>,
    /// What goes here to remove the block that it holds, as a config table with `use`; libraries
    /// built before there was such a thing say nothing.
    #[serde(default)]
    pub null: Option<Value>,
    /// One line for listings.
    #[serde(default)]
    pub doc: String,
}

/// What a component is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Kind {
    /// A model.
    Model,
    /// A block, which goes into a slot of its role.
    Block,
    /// A loss.
    Loss,
    /// A dataset.
    Dataset,
    /// A metric.
    Metric,
    /// A kind that this host does not know: listed, never resolved.
    #[serde(other)]
    Unknown,
}

impl Kind {
    /// The kinds that can be resolved, in the order of listings.
    pub const ALL: [Self; 5] = [Self::Model, Self::Block, Self::Loss, Self::Dataset, Self::Metric];

    /// The word used in files and messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Block => "block",
            Self::Loss => "loss",
            Self::Dataset => "dataset",
            Self::Metric => "metric",
            Self::Unknown => "unknown",
        }
    }

    /// The plural used in messages.
    pub(crate) fn plural(self) -> &'static str {
        match self {
            Self::Model => "models",
            Self::Block => "blocks",
            Self::Loss => "losses",
            Self::Dataset => "datasets",
            Self::Metric => "metrics",
            Self::Unknown => "components of an unknown kind",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that names no kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown kind `{word}`: expected `model`, `block`, `loss`, `dataset` or `metric`")]
pub struct UnknownKind {
    /// The word as given.
    pub word: String,
}

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(word: &str) -> Result<Self, UnknownKind> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == word)
            .ok_or_else(|| UnknownKind { word: word.to_owned() })
    }
}

impl Description {
    /// Reads what a probe returned, and refuses what could not be resolved by name.
    pub(crate) fn read(json: &str) -> Result<Self, String> {
        let description: Self = serde_json::from_str(json)
            .map_err(|error| format!("its description cannot be read: {error}"))?;
        if description.name.is_empty() {
            return Err("its description has no plugin name".to_owned());
        }
        let mut seen = std::collections::BTreeSet::new();
        for component in &description.components {
            if component.name.is_empty() {
                return Err(format!("it exports a {} without a name", component.kind));
            }
            let known = component.kind != Kind::Unknown;
            if known && !seen.insert((component.kind, component.name.as_str())) {
                return Err(format!(
                    "it exports the {} `{}` twice",
                    component.kind, component.name
                ));
            }
        }
        Ok(description)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_full_form() {
        let json = r#"{ "name": "pooling", "version": "0.1.0", "abi": "v1", "sdk": "0.1.0",
            "rustc": "1.95.0", "burn": "0.22.1", "backends": ["flex"],
            "target": "x86_64-unknown-linux-gnu", "debug": false, "components": [
            { "kind": "block", "name": "sliding-window", "role": "pooling", "doc": "One line.",
              "schema": {"type": "object"}, "defaults": {"window": 25},
              "slots": [{ "name": "inner", "role": "pooling", "optional": false, "many": false,
                          "default": {"use": "attentive-stats"}, "null": {"use": "mean"},
                          "doc": "Pools a window." },
                        { "name": "outer", "role": "pooling" }] }] }"#;
        let description = Description::read(json).unwrap();
        assert_eq!(description.burn.as_deref(), Some("0.22.1"));
        let component = &description.components[0];
        assert_eq!(component.kind, Kind::Block);
        assert_eq!(component.slots[0].default.as_ref().unwrap()["use"], "attentive-stats");
        assert_eq!(component.slots[0].null.as_ref().unwrap()["use"], "mean");
        assert_eq!(component.slots[1].null, None);
        let again = serde_json::to_string(&description).unwrap();
        assert_eq!(Description::read(&again).unwrap(), description);
    }

    #[test]
    fn tolerates_unknown_fields_and_kinds() {
        let json = r#"{ "name": "x", "version": "9", "abi": "v9", "moon": 1, "burn": null,
            "components": [{ "kind": "optimizer", "name": "a", "phase": 2 },
                           { "kind": "loss", "name": "a", "defaults": null }] }"#;
        let description = Description::read(json).unwrap();
        assert_eq!(description.components[0].kind, Kind::Unknown);
        assert_eq!(description.components[1].kind, Kind::Loss);
        assert_eq!(description.components[1].defaults, None);
    }

    #[test]
    fn refuses_what_cannot_be_resolved() {
        let check = |json: &str, expected: &str| {
            let message = Description::read(json).unwrap_err();
            assert!(message.contains(expected), "{message}");
        };
        check("{", "cannot be read");
        check(r#"{"version": "1", "abi": "v1"}"#, "missing field `name`");
        check(r#"{"name": "", "version": "1", "abi": "v1"}"#, "no plugin name");
        check(
            r#"{"name": "x", "version": "1", "abi": "v1", "components": [
                {"kind": "loss", "name": "a"}, {"kind": "loss", "name": "a"}]}"#,
            "exports the loss `a` twice",
        );
    }

    #[test]
    fn kind_has_one_word_each_way() {
        for kind in Kind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        assert!("unknown".parse::<Kind>().is_err());
    }
}
