//! What is known about a component, made ready once for all variants that use it.

use std::cell::OnceCell;
use std::sync::Arc;

use jsonschema::Validator;
use serde_json::Value as Json;

use crate::error::Error;
use crate::schema::{ComponentSchema, SlotSchema};
use crate::sound;

/// A component that some spec uses.
pub(crate) struct Known {
    pub(crate) kind: String,
    pub(crate) name: String,
    /// The role of the slot that it was looked up for.
    pub(crate) role: Option<String>,
    component: Arc<ComponentSchema>,
    /// The schema of its config, without the keys that are slots.
    pub(crate) schema: Json,
    /// The defaults of its config, without the keys that are slots.
    pub(crate) defaults: Option<Json>,
    validator: OnceCell<Validator>,
}

impl Known {
    /// # Errors
    /// If what the component says of its config cannot be followed.
    pub(crate) fn new(
        (kind, name, role): (&str, &str, Option<&str>),
        component: Arc<ComponentSchema>,
    ) -> Result<Self, Error> {
        let (schema, defaults) = without_slots(&component);
        sound::check(&schema, defaults.as_ref()).map_err(|problem| Error::BrokenSchema {
            kind: kind.to_owned(),
            name: name.to_owned(),
            problem,
        })?;
        Ok(Self {
            kind: kind.to_owned(),
            name: name.to_owned(),
            role: role.map(str::to_owned),
            component,
            schema,
            defaults,
            validator: OnceCell::new(),
        })
    }

    pub(crate) fn slots(&self) -> &[SlotSchema] {
        &self.component.slots
    }

    /// The file that it publishes, if it does.
    pub(crate) fn publishes(&self) -> Option<&str> {
        self.component.publishes.as_deref()
    }

    pub(crate) fn is(&self, kind: &str, name: &str, role: Option<&str>) -> bool {
        self.name == name && self.kind == kind && self.role.as_deref() == role
    }

    /// What checks ranges, lengths and patterns. Compiling it costs more than a thousand checks.
    pub(crate) fn validator(&self) -> Result<&Validator, Error> {
        if let Some(validator) = self.validator.get() {
            return Ok(validator);
        }
        let built = jsonschema::options().should_validate_formats(false).build(&self.schema);
        let validator = built.map_err(|error| Error::BrokenSchema {
            kind: self.kind.clone(),
            name: self.name.clone(),
            problem: error.to_string(),
        })?;
        Ok(self.validator.get_or_init(|| validator))
    }
}

/// The schema and the defaults of a config without the keys that are slots.
fn without_slots(component: &ComponentSchema) -> (Json, Option<Json>) {
    let mut schema = match &component.schema {
        Json::Null => serde_json::json!({ "type": "object" }),
        schema => schema.clone(),
    };
    let mut defaults = component.defaults.clone();
    for slot in &component.slots {
        if let Some(properties) = schema.get_mut("properties").and_then(Json::as_object_mut) {
            properties.remove(&slot.name);
        }
        if let Some(required) = schema.get_mut("required").and_then(Json::as_array_mut) {
            required.retain(|name| name != slot.name.as_str());
        }
        if let Some(defaults) = defaults.as_mut().and_then(Json::as_object_mut) {
            defaults.remove(&slot.name);
        }
    }
    (schema, defaults)
}
