//! The catalog as the source of config schemas.

use ablate_catalog::{Catalog, ComponentDescription, Error, Kind};
use ablate_config::{ComponentSchema, Schemas, SlotSchema, Unknown};
use std::cell::{Cell, RefCell};
use std::sync::Arc;

/// What the catalog knows about components; remembers what went wrong beside unknown names.
pub(crate) struct CatalogSchemas<'a> {
    catalog: &'a Catalog,
    unknown: Cell<bool>,
    other: RefCell<Option<Error>>,
    /// What was asked for before: few components are behind the many variants of a sweep.
    known: RefCell<Vec<(Asked, Arc<ComponentSchema>)>>,
}

/// Kind, name and role of a component.
type Asked = (Kind, String, Option<String>);

impl<'a> CatalogSchemas<'a> {
    pub(crate) fn new(catalog: &'a Catalog) -> Self {
        let (unknown, other) = (Cell::new(false), RefCell::new(None));
        Self { catalog, unknown, other, known: RefCell::default() }
    }

    /// Whether a name was asked for that no plugin has.
    pub(crate) fn met_unknown(&self) -> bool {
        self.unknown.get()
    }

    /// The first error that was not an unknown name, such as a name that two plugins export.
    pub(crate) fn take_error(&self) -> Option<Error> {
        self.other.borrow_mut().take()
    }
}

impl Schemas for CatalogSchemas<'_> {
    fn publishing(&self) -> Vec<String> {
        let components =
            self.catalog.plugins().iter().flat_map(|plugin| &plugin.description.components);
        let publishing =
            components.filter(|one| one.kind == Kind::Metric && one.publishes.is_some());
        let mut names: Vec<String> = publishing.map(|one| one.name.clone()).collect();
        names.sort();
        names.dedup();
        names
    }

    fn component(
        &self,
        kind: &str,
        name: &str,
        role: Option<&str>,
    ) -> Result<Arc<ComponentSchema>, Unknown> {
        let kind = kind.parse().unwrap_or(Kind::Unknown);
        let is_asked = |((known_kind, known_name, known_role), _): &&(Asked, _)| {
            known_name == name && *known_kind == kind && known_role.as_deref() == role
        };
        if let Some((_, schema)) = self.known.borrow().iter().find(is_asked) {
            return Ok(schema.clone());
        }
        match self.catalog.resolve(kind, name, role) {
            Ok(found) => {
                let schema = Arc::new(schema(found.component));
                let asked = (kind, name.to_owned(), role.map(str::to_owned));
                self.known.borrow_mut().push((asked, schema.clone()));
                Ok(schema)
            }
            Err(Error::Unknown(unknown)) => {
                self.unknown.set(true);
                let elsewhere = unknown.elsewhere.iter().map(|place| {
                    let role =
                        place.role.as_ref().map_or(String::new(), |r| format!(" of role `{r}`"));
                    format!(
                        "`{name}` exists as a {}{role} in plugin `{}`",
                        place.kind, place.plugin
                    )
                });
                let broken = unknown.broken.iter().map(|broken| {
                    format!("`{}` (left out: {})", broken.file.display(), broken.message)
                });
                Err(Unknown {
                    near: unknown.near.clone(),
                    known: unknown.known.clone(),
                    searched: unknown
                        .searched
                        .iter()
                        .map(ToString::to_string)
                        .chain(broken)
                        .collect(),
                    elsewhere: Some(elsewhere.collect::<Vec<_>>().join("; "))
                        .filter(|text| !text.is_empty()),
                })
            }
            Err(error) => {
                self.other.borrow_mut().get_or_insert(error);
                Err(Unknown::default())
            }
        }
    }
}

fn schema(component: &ComponentDescription) -> ComponentSchema {
    let slots = component.slots.iter().map(|slot| SlotSchema {
        name: slot.name.clone(),
        role: slot.role.clone(),
        optional: slot.optional,
        many: slot.many,
        default: slot.default.clone(),
        null: slot.null.clone(),
    });
    ComponentSchema {
        schema: component.schema.clone(),
        defaults: component.defaults.clone(),
        slots: slots.collect(),
        publishes: component.publishes.clone(),
    }
}
