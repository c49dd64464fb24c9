//! The components of the pooling experiment as their plugins describe them, without the plugins:
//! `components.json` is what the catalog has cached about them.

use std::collections::HashMap;
use std::sync::Arc;

use ablate_config::{ComponentSchema, Schemas, SlotSchema, Unknown, nearest};
use serde_json::Value;

/// Kind and name, role, and the rest.
type Entry = ((String, String), (Option<String>, Arc<ComponentSchema>));

/// All components of `components.json`.
pub(crate) struct Components(HashMap<(String, String), (Option<String>, Arc<ComponentSchema>)>);

impl Components {
    pub(crate) fn read() -> Self {
        let all: Vec<Value> = serde_json::from_str(include_str!("components.json")).unwrap();
        Self(all.iter().map(entry).collect())
    }
}

fn entry(component: &Value) -> Entry {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let given = |value: &Value| Some(value.clone()).filter(|value| !value.is_null());
    let slots = component["slots"].as_array().unwrap().iter().map(|slot| SlotSchema {
        name: text(&slot["name"]).unwrap(),
        role: text(&slot["role"]).unwrap(),
        optional: slot["optional"].as_bool().unwrap(),
        many: slot["many"].as_bool().unwrap(),
        default: given(&slot["default"]),
        null: given(&slot["null"]),
    });
    let schema = ComponentSchema {
        schema: component["schema"].clone(),
        defaults: given(&component["defaults"]),
        slots: slots.collect(),
        publishes: None,
    };
    let key = (text(&component["kind"]).unwrap(), text(&component["name"]).unwrap());
    (key, (text(&component["role"]), Arc::new(schema)))
}

impl Schemas for Components {
    fn component(
        &self,
        kind: &str,
        name: &str,
        role: Option<&str>,
    ) -> Result<Arc<ComponentSchema>, Unknown> {
        match self.0.get(&(kind.to_owned(), name.to_owned())) {
            Some((own, schema)) if role.is_none() || own.as_deref() == role => Ok(schema.clone()),
            _ => {
                let fits = |((known, _), (own, _)): &(&(String, String), &(Option<String>, _))| {
                    known == kind && (role.is_none() || own.as_deref() == role)
                };
                let mut known: Vec<String> =
                    self.0.iter().filter(fits).map(|((_, name), _)| name.clone()).collect();
                known.sort();
                let near = nearest(name, known.iter().map(String::as_str));
                Err(Unknown { near, known, ..Unknown::default() })
            }
        }
    }
}
