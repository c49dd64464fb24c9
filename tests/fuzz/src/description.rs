//! What a library says about itself: listed, or told apart as broken, and used in an experiment.

use std::path::Path;
use std::sync::Arc;

use ablate_catalog::{
    Catalog, CatalogOptions, ComponentDescription, Description, Kind, Probe, ProbeFailure,
    library_file_name,
};
use ablate_config::{ComponentSchema, Layers, Schemas, SlotSchema, Unknown, load, resolve};

use crate::library::folder;
use crate::said::{advice, chain, readable};

/// A library is its own description.
struct Verbatim;

impl Probe for Verbatim {
    fn describe(&self, library: &Path) -> Result<String, ProbeFailure> {
        Ok(fs_err::read_to_string(library).expect("written just now, and it is text"))
    }
}

/// Lists a library with this description, and resolves an experiment with its components.
pub fn description(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let given = given(text);
    let folder = folder();
    let file = folder.path().join(library_file_name("x"));
    fs_err::write(&file, input).expect("a writable folder");
    let options = || CatalogOptions {
        home: folder.path().join("home"),
        workspace: None,
        folders: vec![file.clone()],
    };
    let catalog = Catalog::open(options(), &Verbatim).expect("one library more or less");
    for broken in catalog.broken() {
        readable(&broken.message);
        advice(&broken.hints);
    }
    let [plugin] = catalog.plugins() else {
        assert!(catalog.plugins().is_empty() && catalog.broken().len() == 1);
        return;
    };
    let json = serde_json::to_string(&plugin.description).expect("plain data is valid JSON");
    let again: Description = serde_json::from_str(&json).expect("written just now");
    assert_eq!(again, plugin.description);
    let cached = Catalog::open(options(), &Verbatim).expect("as before");
    assert_eq!(cached.plugins(), catalog.plugins(), "the cache says something else");
    for component in &plugin.description.components {
        used(&catalog, component, &given, &folder.path().join("experiment.toml"));
    }
}

/// Every component that is listed can be named in an experiment, and is then taken or refused.
fn used(catalog: &Catalog, component: &ComponentDescription, given: &toml::Table, file: &Path) {
    let ComponentDescription { kind, name, role, .. } = component;
    if *kind == Kind::Unknown {
        return;
    }
    if let Err(error) = catalog.resolve(*kind, name, role.as_deref()) {
        panic!("a listed component: {}", chain(&error));
    }
    let mut experiment = toml::toml! {
        train.total_epochs = 1
        dataset.use = "plain"
        model.use = "plain"
        loss.fit.use = "plain"
    };
    let mut config = given.clone();
    config.insert("use".to_owned(), name.as_str().into());
    let config = match kind {
        Kind::Dataset | Kind::Model => config,
        _ => toml::Table::from_iter([("it".to_owned(), config.into())]),
    };
    let place = if *kind == Kind::Block { "blocks" } else { kind.as_str() };
    experiment.insert(place.to_owned(), config.into());
    fs_err::write(file, experiment.to_string()).expect("writable");
    let experiment = match load(file, &Layers::default()) {
        Ok(experiment) => experiment,
        Err(error) => panic!("the host's own keys: {error}"),
    };
    match resolve(experiment.tree(), &Listed(component)) {
        Ok(spec) => {
            let json = serde_json::to_string(&spec).expect("plain data is valid JSON");
            assert_eq!(serde_json::from_str(&json).ok(), Some(spec), "it reads back otherwise");
        }
        Err(error) => {
            chain(&error);
            advice(&error.hints());
        }
    }
}

/// What the input would have as the config of each component; descriptions have no such key.
fn given(input: &str) -> toml::Table {
    let json: Option<serde_json::Value> = serde_json::from_str(input).ok();
    json.and_then(|json| toml::Table::try_from(json.get("given")?).ok()).unwrap_or_default()
}

/// The component in question under its own name, and plain ones.
struct Listed<'a>(&'a ComponentDescription);

impl Schemas for Listed<'_> {
    fn component(
        &self,
        kind: &str,
        name: &str,
        _: Option<&str>,
    ) -> Result<Arc<ComponentSchema>, Unknown> {
        let Self(listed) = self;
        if kind == listed.kind.as_str() && name == listed.name {
            let slots = listed.slots.iter().map(|slot| SlotSchema {
                name: slot.name.clone(),
                role: slot.role.clone(),
                optional: slot.optional,
                many: slot.many,
                default: slot.default.clone(),
                null: slot.null.clone(),
            });
            return Ok(Arc::new(ComponentSchema {
                schema: listed.schema.clone(),
                defaults: listed.defaults.clone(),
                slots: slots.collect(),
                publishes: listed.publishes.clone(),
            }));
        }
        Ok(Arc::new(ComponentSchema {
            schema: serde_json::json!({ "type": "object" }),
            ..ComponentSchema::default()
        }))
    }
}
