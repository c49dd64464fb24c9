//! What the caller knows about components: config schemas, defaults and slots, by kind and name.

use std::sync::Arc;

use serde_json::Value as Json;

/// The components that a spec may use. The host implements it over its catalog.
pub trait Schemas {
    /// The component of this kind and name; for a block in a slot also of this role.
    ///
    /// # Errors
    /// What is known instead.
    fn component(
        &self,
        kind: &str,
        name: &str,
        role: Option<&str>,
    ) -> Result<Arc<ComponentSchema>, Unknown>;

    /// The names of all metrics that publish a file, for messages.
    fn publishing(&self) -> Vec<String> {
        Vec::new()
    }
}

/// What a component's config and slots may be.
#[derive(Clone, Debug, Default)]
pub struct ComponentSchema {
    /// The JSON Schema of its config, an object.
    pub schema: Json,
    /// The whole config by default; `None` where some key has no default.
    pub defaults: Option<Json>,
    /// Its slots.
    pub slots: Vec<SlotSchema>,
    /// The name of the file that it publishes, for a metric that does.
    pub publishes: Option<String>,
}

/// A place in a component that takes a block.
#[derive(Clone, Debug, Default)]
pub struct SlotSchema {
    /// The slot's key.
    pub name: String,
    /// The role that its blocks have.
    pub role: String,
    /// Whether it may stay empty.
    pub optional: bool,
    /// Whether it takes a list of blocks.
    pub many: bool,
    /// What it holds unless the experiment says otherwise: `{"use": "mean"}`.
    pub default: Option<Json>,
    /// What stands for nothing here, `{"use": "mean"}`: what an ablation puts in a slot to remove
    /// the block that it holds.
    pub null: Option<Json>,
}

/// What the caller knows when there is no such component.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unknown {
    /// The known name that is most like it.
    pub near: Option<String>,
    /// All names of the kind and role.
    pub known: Vec<String>,
    /// Where they were looked for.
    pub searched: Vec<String>,
    /// A sentence when the name exists for another kind or role:
    /// "`attention` exists as a refiner, not a pooling".
    pub elsewhere: Option<String>,
}
